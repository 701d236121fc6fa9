//! A user's own problems: from a file to a config, to verdicts, to a model that has learned from them.

use crate::program::{lines, repository, starloop, starloop_reading, text};
use serde_json::json;
use starloop_core::config::Config;
use starloop_core::experiment::Experiment;
use starloop_core::registry::Registry;
use starloop_core::types::{Mode, Split};
use std::path::Path;

/// Sums as a user might have them, and three of them worked out in the scratchpads that the shipped base knows.
fn write_sums(path: &Path, examples: &Path) {
    let settings = ["task.digits=[1,3]", "task.problems_per_iteration=240"].map(str::to_owned);
    let sums = Registry::default().task_settings("arithmetic", &settings).unwrap().build(1).unwrap();
    let (mut rows, mut worked) = (Vec::new(), Vec::new());
    for problem in sums.training_problems(1) {
        let scratchpad = sums.reference(&problem).unwrap();
        let last_line = scratchpad.lines().rev().nth(2).unwrap();
        let mut row = json!({"sum": problem.question, "result": problem.answer, "last_line": last_line, "size": problem.class});
        rows.push(row.to_string());
        if problem.class == "3 digits" && worked.len() < 3 {
            row["scratchpad"] = scratchpad.into();
            worked.push(row.to_string());
        }
    }
    std::fs::write(path, rows.join("\n")).unwrap();
    std::fs::write(examples, worked.join("\n")).unwrap();
}

#[test]
fn a_model_learns_from_a_users_own_file() {
    let place = tempfile::tempdir().unwrap();
    let (sums, examples) = (place.path().join("sums.jsonl"), place.path().join("examples.jsonl"));
    write_sums(&sums, &examples);
    let config = place.path().join("sums.toml");
    let smoke = std::fs::read_to_string(repository("crates/core/configs/smoke.toml")).unwrap();
    let (before, after) = (smoke.split("[task]").next().unwrap(), smoke.split("[sampling]").nth(1).unwrap());
    let task = format!(
        r#"[task]
        kind = "jsonl"
        train = {:?}
        examples_file = {:?}
        dev_problems = 40
        class = "size"
        answer = "result"
        rationale = "scratchpad"
        prompt = """
Input:
{{{{ sum }}}}
Target:{{{{ hint }}}}
"""
        hint = " {{{{ last_line }}}}"
        completion = "{{{{ rationale }}}}"
        direct_completion = "{{{{ answer }}}}"
        pattern = '(?m)^([0-9 ]+)$'
        separator = "\n"
        stop = ["\nInput:"]
        leaks = ["Target:"]
        [sampling]"#,
        text(&sums),
        text(&examples)
    );
    std::fs::write(&config, format!("{before}{task}{after}")).unwrap();
    let run = place.path().join("run");
    let report = starloop("run --quiet --json --set run=[\"star\"]", &[text(&config), "--run-dir", text(&run)]).json();
    let accuracy: Vec<f64> = report["results"].as_array().unwrap().iter().map(|row| row["accuracy"].as_f64().unwrap()).collect();
    assert!(accuracy[2] > accuracy[0] + 0.2, "{accuracy:?}");

    let task = Experiment::load(text(&config), &[]).unwrap().task().unwrap();
    let held_out: Vec<String> = task.evaluation_problems(Split::Dev, 1).iter().map(|p| task.prompt(p, Mode::Unhinted)).collect();
    let mut rationalized = 0;
    for example in ["star/iter-001", "star/iter-002"].into_iter().flat_map(|iteration| lines(&run.join(iteration).join("train.jsonl"))) {
        let prompt = example["prompt"].as_str().unwrap();
        assert!(prompt.ends_with("\nTarget:\n") && !held_out.iter().any(|held_out| held_out == prompt), "{prompt}");
        rationalized += usize::from(example["mode"] == "hinted");
    }
    assert!(rationalized > 0);

    // The problems behind a run may not change under it.
    let again = ["--set", "run=[\"star\"]", "--run-dir", text(&run), "--resume", text(&config)];
    starloop("run --quiet", &again).done();
    std::fs::write(&sums, std::fs::read_to_string(&sums).unwrap() + "\n").unwrap();
    starloop("run --quiet", &again).failed(2, &[text(&run), "was begun with other content in", text(&sums)]);
}

#[test]
fn the_shipped_example_is_what_it_says() {
    let train = format!("task.train={}", text(&repository("examples/own-data/problems.jsonl")));
    let path = repository("examples/own-data/own-data.toml");
    let experiment = Experiment::load(text(&path), &[train]).unwrap();
    let task = experiment.task().unwrap();
    assert_eq!(task.training_problems(1).len(), 20);
    let echo = Config::parse("echo", &experiment.to_toml(), &[]).unwrap();
    assert_eq!(Experiment::new(echo, &Registry::default()).unwrap().to_toml(), experiment.to_toml());
}

#[test]
fn init_writes_a_config_that_runs_and_never_over_another() {
    let place = tempfile::tempdir().unwrap();
    let (out, problems) = (place.path().join("mine.toml"), repository("examples/own-data/problems.jsonl"));
    let arguments = [text(&problems), "--out", text(&out), "--base", "builtin:arithmetic"];
    let said = starloop("init", &arguments).done();
    for words in [
        "19 problems to learn from, 2 held out",
        "question   the question\n",
        "a number\n",
        "topic      the class",
        "Q: A baker fills",
        "--dry-run",
    ] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    let task = Experiment::load(text(&out), &[]).unwrap().task().unwrap();
    assert_eq!(task.classes(1).len(), 4);
    starloop("init", &arguments).failed(2, &[text(&out), "exists already", "--out"]);
    let broken = place.path().join("broken.jsonl");
    std::fs::write(&broken, "{\"question\": \"?\", \"answer\": 1}\n{").unwrap();
    let other = place.path().join("other.toml");
    starloop("init", &[text(&broken), "--out", text(&other)]).failed(2, &["broken.jsonl, line 2: not a JSON object"]);
    starloop("init nowhere.jsonl", &["--out", text(&other)]).failed(2, &["nowhere.jsonl"]);
    assert!(!other.exists());
}

#[test]
fn a_split_without_problems_is_not_measured() {
    let train = format!("task.train={}", text(&repository("examples/own-data/problems.jsonl")));
    let line = "run --dry-run --set model.base=builtin:arithmetic --set evaluation.split=test";
    let path = repository("examples/own-data/own-data.toml");
    starloop(line, &[text(&path), "--set", &train]).failed(2, &["`evaluation.split`: the task has no test problems"]);
}

#[test]
fn verify_grades_by_a_users_settings() {
    let input = r#"{"completion": " 3*9=27\n#### 27.0", "answer": "27"}
        {"completion": " that makes 28", "answer": "27"}"#;
    let graded = starloop_reading(input, "verify --task jsonl --json --set task.answer_type=number").done();
    let expected =
        [r#"{"verdict":"correct","predicted":"27","reading":"hashes"}"#, r#"{"verdict":"wrong","predicted":"28","reading":"last_number"}"#];
    assert_eq!(graded.lines().collect::<Vec<_>>(), expected);
    starloop("verify --task jsonl --set task.answer_typ=number", &[]).failed(2, &["did you mean `task.answer_type`?"]);
}

#[cfg(unix)]
#[test]
fn verify_asks_a_users_program_and_outlives_its_crashes() {
    let place = tempfile::tempdir().unwrap();
    let script = place.path().join("verify.sh");
    let program = r#"while read -r line; do case "$line" in
        *crash*) echo "out of range" >&2; exit 2;;
        *27*27*) echo '{"verdict": "correct"}';;
        *) echo '{"verdict": "unparsed"}';;
    esac; done"#;
    std::fs::write(&script, program).unwrap();
    let input = "{\"completion\": \"27\", \"answer\": \"27\"}\n{\"completion\": \"crash\", \"answer\": \"27\"}\n{\"completion\": \"28\", \"answer\": \"27\"}";
    let line = format!("verify --task jsonl --set task.answer_type=command --set task.command=[\"sh\",\"{}\"]", text(&script));
    let graded = starloop_reading(input, &format!("{line} --json")).done();
    let expected = [
        r#"{"verdict":"correct","predicted":"27"}"#,
        r#"{"verdict":"failed","predicted":null,"reason":"it ended without an answer (exit status: 2): out of range"}"#,
        r#"{"verdict":"unparsed","predicted":null}"#,
    ];
    assert_eq!(graded.lines().collect::<Vec<_>>(), expected);
    let counts = starloop_reading(input, &line).done();
    assert!(counts.contains("failed 1"), "{counts}");
    let always = "{\"completion\": \"crash\", \"answer\": \"27\"}\n".repeat(3);
    let stopped = starloop_reading(&always, &format!("{line} --set task.most_failures=3"));
    stopped.failed(1, &["standard input, line 3", "failed on 3 completions in a row", "out of range"]);
    let missing = "verify --task jsonl --set task.answer_type=command --set task.command=[\"/nowhere/x\"]";
    starloop(missing, &[]).failed(1, &["command: cannot be started: /nowhere/x"]);
}

/// The shipped problems as CSV.
fn problems_as_csv() -> String {
    let quoted = |value: &serde_json::Value| match value.as_str() {
        Some(text) => format!("\"{}\"", text.replace('"', "\"\"")),
        None => value.as_number().map(ToString::to_string).unwrap_or_default(),
    };
    let rows = lines(&repository("examples/own-data/problems.jsonl"));
    let row = |row: &serde_json::Value| ["question", "answer", "topic", "rationale"].map(|column| quoted(&row[column])).join(",") + "\r\n";
    "question,answer,topic,rationale\r\n".to_owned() + &rows.iter().map(row).collect::<String>()
}

#[test]
fn init_reads_csv_arrays_and_the_folders_of_the_hub() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    std::fs::create_dir_all(path("set/main")).unwrap();
    std::fs::write(path("set/main/train-00000-of-00001.csv"), problems_as_csv()).unwrap();
    std::fs::write(path("rows.csv"), problems_as_csv()).unwrap();
    std::fs::write(path("rows.json"), json!(lines(&repository("examples/own-data/problems.jsonl"))).to_string()).unwrap();
    let part = ["set", "--config", "main", "--split", "train"];
    for (number, named) in [&["rows.csv"][..], &["rows.json"], &["set"], &part].into_iter().enumerate() {
        let out = path(&format!("{number}.toml"));
        let file = path(named[0]);
        let arguments = [&[text(&file)], &named[1..], &["--out", text(&out), "--base", "builtin:arithmetic"]].concat();
        let said = starloop("init", &arguments).done();
        assert!(said.contains("19 problems to learn from, 2 held out") && said.contains("a number"), "{said}");
        let task = Experiment::load(text(&out), &[]).unwrap().task().unwrap();
        assert_eq!(task.training_problems(1).len(), 19);
    }
}

#[test]
fn each_bad_file_has_one_clear_error() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("bad.toml");
    for (name, content, said) in [
        (
            "short.csv",
            &b"question,answer\nOne?,1\nTwo?\n"[..],
            "short.csv, line 3: the row has 1 values, and the header has 2 columns: question, answer",
        ),
        ("twice.csv", b"question,answer,answer\n", "twice.csv, line 1: two columns are called \"answer\"; give each column its own name"),
        (
            "open.csv",
            b"question,answer\n\"One?,1\nTwo?,2\n",
            "open.csv, line 2: a value in quotes that begins in this row has no closing quote",
        ),
        ("latin.csv", b"question,answer\nGr\xfc\xdfe?,1\n", "latin.csv, line 2: column \"question\": byte 3 is not UTF-8"),
        ("cut.json", b"[{\"question\": \"One?\", \"answer\": 1},\n{\"question\"", "cut.json, line 2: the file ends within row 2"),
        ("not.csv.gz", b"question,answer\n", "not.csv.gz, line 1: invalid gzip header"),
        ("not.parquet", b"question", "not.parquet: "),
    ] {
        let file = place.path().join(name);
        std::fs::write(&file, content).unwrap();
        starloop("init", &[text(&file), "--out", text(&out)]).failed(2, &[said]);
    }
    starloop("init org/nowhere", &["--out", text(&out)])
        .failed(2, &["org/nowhere", "datasets--org--nowhere", "starloop get data org/nowhere"]);
    assert!(!out.exists());
}

/// A verifier program in a file, and a config of two problems that asks it.
#[cfg(unix)]
fn judged_by(place: &Path, program: Option<&str>) -> std::path::PathBuf {
    let (script, rows, config) = (place.join("verify.sh"), place.join("rows.jsonl"), place.join("judged.toml"));
    if let Some(program) = program {
        std::fs::write(&script, program).unwrap();
    }
    let row = |n: u32| json!({"question": format!("Input:\n{n} + 1\nTarget:\n"), "answer": format!("{}", n + 1)}).to_string();
    std::fs::write(&rows, (1..9).map(row).collect::<Vec<_>>().join("\n")).unwrap();
    let text = format!(
        "name = 'judged'\nrun = ['few_shot']\n[model]\nbase = 'builtin:arithmetic'\n[task]\nkind = 'jsonl'\ntrain = {:?}\ndev_problems = 6\n\
         prompt = '{{{{ question }}}}{{{{ hint }}}}'\ndirect_completion = '{{{{ answer }}}}'\nanswer_type = 'command'\ncommand = ['sh', {:?}]\ntime_limit_seconds = 1.0\n\
         [sampling]\nmax_new_tokens = 4\n[methods.few_shot]\nkind = 'few_shot'\n",
        text(&rows),
        text(&script)
    );
    std::fs::write(&config, text).unwrap();
    config
}

#[cfg(unix)]
#[test]
fn a_verifier_that_does_not_work_is_an_error_before_the_first_sample() {
    let place = tempfile::tempdir().unwrap();
    for (program, said) in [
        (None, "it ended without an answer"),
        (Some("read -r line; echo '{\"verdict\": \"correct\"}'"), "after one answer: it ended without an answer"),
        (Some("while read -r line; do echo rubbish; done"), "it answered \"rubbish\""),
        (Some("sleep 60"), "it gave no answer within 1 s"),
    ] {
        let config = judged_by(place.path(), program);
        let run = place.path().join("run");
        for more in [&["--dry-run"][..], &["--run-dir", text(&run)]] {
            starloop("run", &[&[text(&config)], more].concat()).failed(2, &["judged: `task.command`: ", said, "verdict"]);
            assert!(!run.exists(), "nothing is begun");
        }
        starloop("run --dry-run --no-programs", &[text(&config)]).done();
    }
}

#[cfg(unix)]
#[test]
fn failed_verdicts_are_counted_and_named_as_the_cause() {
    let place = tempfile::tempdir().unwrap();
    // It answers the trial before the run, and dies at every completion of the model.
    let program = "while read -r line; do case \"$line\" in *jsonl/train/*) echo '{\"verdict\": \"correct\"}';; *) echo broken >&2; exit 3;; esac; done";
    let (config, run) = (judged_by(place.path(), Some(program)), place.path().join("run"));
    let outcome = starloop("run --json --run-dir", &[text(&run), text(&config)]);
    for words in
        ["the verifier failed on 6 of 6 completions", "the verifier program failed on 6 of 6 completions", "exit status: 3): broken"]
    {
        assert!(outcome.err.contains(words), "no {words:?} in {}", outcome.err);
    }
    assert!(!outcome.err.contains("stronger base model"), "{}", outcome.err);
    let report = outcome.json();
    assert_eq!(report["results"][0]["evaluated_without_verdict"], 6);
    let shown = starloop("report", &[text(&run)]);
    assert!(shown.out.lines().any(|line| line.starts_with("verifier failed") && line.ends_with('6')), "{}", shown.out);
    assert!(shown.err.contains("the verifier program failed on 6 of 6 completions"), "{}", shown.err);
}

#[test]
fn worked_examples_that_are_not_there_are_an_error_before_the_run() {
    let place = tempfile::tempdir().unwrap();
    let (rows, config) = (place.path().join("rows.jsonl"), place.path().join("few.toml"));
    std::fs::write(&rows, (0..9).map(|n| json!({"question": format!("{n}?"), "answer": n}).to_string()).collect::<Vec<_>>().join("\n"))
        .unwrap();
    starloop("init", &[text(&rows), "--out", text(&config), "--base", "builtin:arithmetic"]).done();
    let said = ["`sampling.few_shot`: 3 worked examples are to be in each prompt, and the task has 0", "task.examples"];
    for line in ["run --dry-run --set sampling.few_shot=3", "run --set sampling.few_shot=3"] {
        starloop(line, &[text(&config), "--set", "run=['few_shot']"]).failed(2, &said);
    }
    let train = format!("task.train={}", text(&rows));
    starloop("eval --model builtin:arithmetic --task jsonl --few-shot 3 --set task.dev_problems=3 --set", &[&train]).failed(2, &said);
    let direct = "run --dry-run --set methods.direct.sampling.few_shot=1";
    starloop(direct, &[text(&config)]).failed(2, &["`methods.direct.sampling.few_shot`: 1 worked examples"]);
}
