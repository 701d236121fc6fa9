//! Verifiers that work, and verifiers that do what verifiers should not.

use super::*;
use crate::external::process::tests::is_running;
use std::time::Instant;

fn problem(id: &str) -> Problem {
    Problem { id: ProblemId(id.into()), class: String::new(), question: String::new(), answer: "7".into(), choices: Vec::new() }
}

fn verifier(script: &str, time_limit_seconds: f64, most_failures: u32) -> VerifierProgram {
    let command = ["sh", "-c", script].map(str::to_owned);
    VerifierProgram::new(&command, &[], time_limit_seconds, most_failures)
}

/// The verdict on a completion, in words.
fn judged(verifier: &VerifierProgram, completion: &str) -> String {
    match verifier.ask(&problem("p/1"), completion) {
        Ok(Verdict::Wrong { predicted }) => format!("wrong: {predicted}"),
        Ok(Verdict::Failed { reason }) => format!("failed: {reason}"),
        Ok(other) => other.name().to_owned(),
        Err(error) => format!("error: {error}"),
    }
}

/// Answers by what the completion holds, and misbehaves on request.
const SCRIPT: &str = r#"while read -r line; do case "$line" in
    *"so 7"*) echo '{"verdict": "correct"}';;
    *"so "*) echo '{"verdict": "wrong", "predicted": 8, "note": "other keys are allowed"}';;
    *crash*) echo 'warning' >&2; echo 'cannot divide' >&2; exit 3;;
    *hang*) sleep 60;;
    *silence*) exec >&-; sleep 60;;
    *nonsense*) echo 'I think so';;
    *twice*) echo '{"verdict": "correct"}
{"verdict": "correct"}';;
    *another*) echo '{"verdict": "correct", "id": "p/2"}';;
    *) echo '{"verdict": "unparsed", "id": "p/1"}';;
esac; done"#;

#[test]
fn verdicts_are_the_programs() {
    let verifier = verifier(SCRIPT, 60.0, 2);
    for (completion, expected) in [("so 7", "correct"), ("so 8", "wrong: 8"), ("\"quoted\"\nand \u{e9}", "unparsed"), ("", "unparsed")] {
        assert_eq!(judged(&verifier, completion), expected);
    }
    let long = "x".repeat(1 << 20) + " so 7";
    assert_eq!(judged(&verifier, &long), "correct");
}

#[test]
fn whatever_a_program_does_costs_one_completion() {
    let verifier = verifier(SCRIPT, 60.0, 2);
    for (completion, expected) in [
        ("crash", "failed: it ended without an answer (exit status: 3): cannot divide"),
        ("silence", "failed: it closed its output"),
        ("nonsense", "failed: it answered \"I think so\", expected a verdict such as {\"verdict\": \"correct\"}"),
        ("twice", "failed: it answered \"{\\\"verdict\\\": \\\"correct\\\"}\\n{"),
        ("another", "failed: it answered about p/2 when it was asked about p/1"),
    ] {
        let said = judged(&verifier, completion);
        assert!(said.starts_with(expected), "{completion}: {said}");
        assert_eq!(judged(&verifier, "so 7"), "correct", "after {completion}");
    }
}

#[test]
fn a_program_that_hangs_is_started_anew() {
    let verifier = verifier(SCRIPT, 2.0, 2);
    assert_eq!(judged(&verifier, "hang"), "failed: it gave no answer within 2 s");
    assert_eq!(judged(&verifier, "so 7"), "correct");
}

#[test]
fn a_question_reaches_the_program_whole() {
    let place = tempfile::tempdir().expect("a directory");
    let asked = place.path().join("asked");
    let verifier =
        verifier(&format!("while read -r line; do printf '%s' \"$line\" > {asked:?}; echo '{{\"verdict\": \"correct\"}}'; done"), 60.0, 1);
    let problem = Problem { choices: vec!["a \"b\"".into()], ..problem("p/3") };
    assert!(verifier.ask(&problem, " 3 + 4\n= 7").is_ok_and(|verdict| verdict.is_correct()));
    let asked = std::fs::read_to_string(asked).expect("what was asked");
    assert_eq!(asked, r#"{"id":"p/3","answer":"7","choices":["a \"b\""],"completion":" 3 + 4\n= 7"}"#);
}

#[test]
fn a_program_that_fails_again_and_again_stops_the_run() {
    let verifier = verifier("echo 'no such module' >&2; exit 1", 60.0, 3);
    let failed = "failed: it ended without an answer (exit status: 1): no such module";
    assert_eq!([judged(&verifier, "x"), judged(&verifier, "x")], [failed, failed]);
    let said = judged(&verifier, "x");
    assert!(
        said.starts_with("error: the verifier \"sh -c echo 'no such module' >&2; exit 1\" failed on 3 completions in a row, the last"),
        "{said}"
    );
    assert!(said.contains("on p/1: it ended without an answer (exit status: 1): no such module; try it by hand"), "{said}");
}

#[test]
fn failures_with_verdicts_between_them_do_not_add_up() {
    let verifier = verifier(SCRIPT, 60.0, 2);
    for _ in 0..3 {
        assert!(judged(&verifier, "crash").starts_with("failed: "));
        assert_eq!(judged(&verifier, "so 7"), "correct");
    }
}

#[test]
fn one_that_ends_while_it_is_not_asked_is_started_anew() {
    // The shell's `read` takes a line; `head` would take more.
    let verifier = verifier("read -r line; echo '{\"verdict\": \"correct\"}'", 60.0, 1);
    for _ in 0..3 {
        assert_eq!(judged(&verifier, "x"), "correct");
        let began = Instant::now();
        let ended = || !verifier.state.lock().is_ok_and(|mut state| state.process.as_mut().is_some_and(Process::is_alive));
        while !ended() {
            assert!(began.elapsed() < Duration::from_secs(60), "it does not end");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn nothing_runs_before_there_is_something_to_judge() {
    let place = tempfile::tempdir().expect("a directory");
    let started = place.path().join("started");
    let verifier = verifier(&format!("touch {started:?}; read -r line; echo '{{\"verdict\": \"correct\"}}'"), 60.0, 1);
    assert!(verifier.state().process.is_none() && !started.exists());
    assert_eq!(judged(&verifier, "x"), "correct");
    assert!(started.exists());
}

#[test]
fn one_that_cannot_be_started_is_told_at_once() {
    let refused = |command: &[&str]| {
        let command: Vec<String> = command.iter().map(|&part| part.to_owned()).collect();
        VerifierProgram::new(&command, &[], 1.0, 1).start(None).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let said = refused(&["/nowhere/verify", "--fast"]);
    assert!(said.starts_with("command: cannot be started: /nowhere/verify: No such file"), "{said}");
    assert_eq!(refused(&[]), "command: cannot be started: no program is named");
}

#[test]
fn a_program_is_tried_before_any_work() {
    let known = problem("p/1");
    let tried = |script: &str| verifier(script, 2.0, 20).start(Some((&known, "so 7"))).err().map(|error| error.to_string());
    assert_eq!(tried(SCRIPT), None);
    assert_eq!(tried("while read -r line; do echo '{\"verdict\": \"unparsed\"}'; done"), None, "a verdict, and a warning");
    for (script, said) in [
        ("exec sh /nowhere/verify.sh", "known answer of p/1: it ended without an answer (exit status: 2): sh: "),
        ("read -r line; echo '{\"verdict\": \"correct\"}'", "p/1, after one answer: it ended without an answer (exit status: 0)"),
        ("echo ready; cat > /dev/null", "p/1: it answered \"ready\", expected a verdict such as"),
        ("cat", "p/1: it answered \"{\\\"id\\\":\\\"p/1\\\""),
        ("sleep 60", "p/1: it gave no answer within 2 s"),
        ("read -r line; echo '{\"verdict\": \"correct\"}'; sleep 60", "after one answer: it gave no answer within 2 s"),
    ] {
        let error = tried(script).unwrap_or_default();
        assert!(error.starts_with("command: the program \"sh -c ") && error.contains(said), "no {said:?} in {error}");
        assert!(error.ends_with("and to end only when its input ends"), "{error}");
    }
}

#[test]
fn nothing_is_left_running() {
    let place = tempfile::tempdir().expect("a directory");
    let pids = place.path().join("pids");
    // A verifier that starts a child, and that ignores the end of its input.
    let script = format!("sleep 600 & echo $$ $! > {pids:?}; read -r line; echo '{{\"verdict\": \"correct\"}}'; wait");
    let verifier = verifier(&script, 60.0, 1);
    assert_eq!(judged(&verifier, "x"), "correct");
    let pids = std::fs::read_to_string(pids).expect("the script wrote them");
    let running = || pids.split_whitespace().filter(|pid| is_running(pid)).count();
    assert_eq!(running(), 2);
    drop(verifier);
    let began = Instant::now();
    while running() > 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "still running: {pids}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
