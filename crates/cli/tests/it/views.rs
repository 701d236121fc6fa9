//! Reading a run: inspect, watch, compare, export. None of them changes the run. Incomplete and hostile directories are read too.

use crate::program::{assert_same, lines, reseal, small_run, snapshot, starloop, text, write_lines};
use serde_json::Value;
use starloop_record::digest::sha256_hex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

fn json_lines(output: &str) -> Vec<Value> {
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The screen of a run, or its figures where the screen is not compiled in.
const WATCH: &str = if cfg!(feature = "watch") { "watch --once" } else { "watch --json" };

#[test]
fn inspect_finds_what_the_files_hold() {
    let all = lines(&small_run().join("star/iter-001/attempts.jsonl"));
    let count = |is_wanted: &dyn Fn(&Value) -> bool| all.iter().filter(|attempt| is_wanted(attempt)).count();
    let learned = lines(&small_run().join("star/iter-001/train.jsonl")).len();
    let found = |filter: &str| {
        let line = format!("inspect --json --method star --iteration 1 {filter}");
        json_lines(&starloop(&line, &[text(small_run())]).done())
    };
    let attempts = |filter: &str| found(filter).into_iter().filter(|found| found["purpose"] != "evaluation").count();
    assert_eq!(attempts(""), all.len());
    assert_eq!(attempts("--verdict wrong"), count(&|attempt| attempt["verdict"] == "wrong"));
    assert_eq!(attempts("--purpose hinted"), count(&|attempt| attempt["mode"] == "hinted"));
    assert_eq!(attempts("--kept"), learned);
    assert_eq!(attempts("--dropped"), count(&|attempt| attempt["verdict"] == "correct") - learned);
    assert_eq!(found("--limit 3").len(), 3);
    for found in found("--verdict correct --purpose hinted --limit 5") {
        let answer = found["question"]["answer"].as_str().unwrap();
        assert!(
            found["question"]["text"].as_str().unwrap().starts_with("Input:") && found["completion"].as_str().unwrap().ends_with(answer)
        );
    }
    starloop("inspect --method unknown", &[text(small_run())]).failed(2, &["has no method unknown", "few_shot, direct, star"]);
}

#[test]
fn verify_audits_the_verdicts_of_a_run() {
    let attempts = lines(&small_run().join("star/iter-001/attempts.jsonl"));
    let evaluated = lines(&small_run().join("star/iter-001/eval.jsonl"));
    let right = attempts.iter().chain(&evaluated).filter(|attempt| attempt["verdict"] == "correct").count();
    let audit = starloop("verify --method star --iteration 1 --limit 2 --json", &[text(small_run())]).json();
    // Arithmetic has one rule, which is not recorded.
    assert_eq!((&audit["readings"][0]["reading"], audit["readings"].as_array().unwrap().len()), (&Value::Null, 1));
    assert_eq!(audit["readings"][0]["verdicts"][0], right);
    let (missed, count) = (audit["missed"]["shown"].as_array().unwrap(), audit["missed"]["count"].as_u64().unwrap());
    assert!(missed.len() as u64 == count.min(2) && missed.iter().all(|doubt| doubt["verdict"] != "correct"), "{audit}");
    let table = starloop("verify", &[text(small_run())]).done();
    assert!(table.starts_with("verdicts by the rule that found the answer") && table.contains("only mentioned, not stated"), "{table}");
    starloop("verify --method unknown", &[text(small_run())]).failed(2, &["has no method unknown", "few_shot, direct, star"]);
    starloop("verify --explain", &[text(small_run())]).failed(2, &["--explain"]);
}

#[test]
fn a_problem_has_its_story() {
    let evaluated = lines(&small_run().join("star/iter-002/eval.jsonl"));
    let problem = evaluated.last().unwrap()["problem"].as_str().unwrap();
    let whole = starloop("inspect --problem", &[problem, text(small_run())]).done();
    let last = problem.rsplit('/').next().unwrap();
    assert_eq!(starloop("inspect --problem", &[last, text(small_run())]).done(), whole);
    assert_eq!(whole.matches(problem).count(), 1, "the problem once: {whole}");
    for part in [
        "few_shot\n    evaluation          0 ",
        "  star\n    evaluation          0 ",
        "  2 ",
        "known answer: ",
        "star, iteration 2, evaluation: ",
    ] {
        assert!(whole.contains(part), "{part:?}: {whole}");
    }
    let nothing = starloop("inspect --problem nowhere", &[text(small_run())]);
    assert!(nothing.err.contains("no attempts of"), "{}", nothing.err);
    assert_eq!(nothing.done(), "");
}

#[test]
fn watch_prints_its_figures() {
    let progress = starloop("watch --json", &[text(small_run())]).json();
    assert_eq!(progress["state"], "finished");
    assert_eq!(progress["methods"][2]["iterations"].as_array().unwrap().len(), 3);
}

#[test]
#[cfg(feature = "watch")]
fn watch_prints_a_screen() {
    let screen = starloop("watch --once", &[text(small_run())]).done();
    for part in [
        "starloop watch  small-run",
        "finished after",
        "accuracy, %",
        "● few_shot",
        "▲ star",
        "of work",
        "without hint: ",
        "known answer: ",
    ] {
        assert!(screen.contains(part), "{part:?}: {screen}");
    }
    starloop("watch", &[text(small_run())]).failed(2, &["not a terminal", "--once"]);
}

#[test]
#[cfg(not(feature = "watch"))]
fn a_screen_needs_its_feature() {
    starloop("watch", &[text(small_run())]).failed(2, &["needs the feature `watch`"]);
    starloop("watch --once", &[text(small_run())]).failed(2, &["needs the feature `watch`"]);
}

/// Right answers by problem, and tokens, as the files tell.
fn right(evaluation: &str) -> BTreeMap<String, bool> {
    let answers = lines(&small_run().join(evaluation)).into_iter();
    answers.map(|answer| (answer["problem"].as_str().unwrap().to_owned(), answer["verdict"] == "correct")).collect()
}

#[test]
fn compare_counts_problems_won_and_lost() {
    let run = text(small_run());
    let comparison = starloop("compare --json --method direct --with star", &[run, run]).json();
    let (direct, star) = (right("direct/iter-001/eval.jsonl"), right("star/iter-002/eval.jsonl"));
    let only = |winner: &BTreeMap<String, bool>, loser: &BTreeMap<String, bool>| {
        winner.iter().filter(|(problem, right)| **right && !loser[*problem]).map(|(problem, _)| problem.clone()).collect::<Vec<_>>()
    };
    let method = &comparison["methods"][0];
    assert_eq!(method["gained"], serde_json::json!(only(&star, &direct)));
    assert_eq!(method["lost"], serde_json::json!(only(&direct, &star)));
    assert_eq!([&method["unpaired"], &method["accuracy"][1]["total"]], [0, star.len()]);
    assert!(method["tokens"][1][1].as_u64() > method["tokens"][0][1].as_u64() && method["seconds"][0].as_f64() > Some(0.0));
    let itself = starloop("compare", &[run, run]).done();
    assert!(itself.contains("star, on 10 dev problems") && itself.contains("the same problems right"), "{itself}");
    starloop("compare --method nothing", &[run, run]).failed(2, &["no method nothing", "few_shot, direct, star"]);
}

#[test]
fn a_directory_of_runs_is_all_its_runs() {
    let place = tempfile::tempdir().unwrap();
    for seed in ["seed-10", "seed-2"] {
        copy(small_run(), &place.path().join(seed));
    }
    let report = starloop("report --json", &[text(place.path())]).json();
    let names: Vec<&str> = report["methods"].as_array().unwrap().iter().map(|method| method["run"].as_str().unwrap()).collect();
    assert_eq!(names, [["seed-2"; 3], ["seed-10"; 3]].concat());
    let star = report["over_runs"].as_array().unwrap().iter().find(|row| row["method"] == "star").unwrap();
    assert_eq!((star["runs"].as_array().unwrap().len(), &star["mean"]), (2, &report["methods"][2]["accuracy"]), "equal runs");
    let empty = tempfile::tempdir().unwrap();
    starloop("report", &[text(empty.path())]).failed(2, &["run.json"]);
}

#[test]
fn exports_hold_the_same_figures() {
    let place = tempfile::tempdir().unwrap();
    let out = |name: &str| place.path().join(name);
    let before = snapshot(small_run());
    let files = ["figures.csv", "figures.jsonl", "plot.svg", "learned.jsonl", "events"].map(out);
    let options = ["--csv", "--jsonl", "--svg", "--training-set", "--tensorboard"];
    let arguments: Vec<&str> = options.iter().zip(&files).flat_map(|(option, file)| [*option, text(file)]).collect();
    starloop("export --method star --iteration 1", &[&[text(small_run())], &arguments[..]].concat()).done();
    assert!(snapshot(small_run()) == before, "the run is as it was");

    let report = starloop("report --json", &[text(small_run())]).json();
    assert_eq!(serde_json::json!(lines(&files[1])), report["results"]);
    let table = std::fs::read_to_string(&files[0]).unwrap();
    assert_eq!(table.lines().count(), 7, "a header and six iterations: {table}");
    assert!(table.starts_with("run,method,iteration,") && table.contains("accuracy 2 digits"), "{table}");
    assert!(std::fs::read(&files[2]).unwrap() == std::fs::read(small_run().join("accuracy.svg")).unwrap());
    let (learned, examples) = (lines(&files[3]), lines(&small_run().join("star/iter-001/train.jsonl")));
    assert_eq!(serde_json::json!(learned), serde_json::json!(examples));
    let events = |method: &str| files[4].join("small-run").join(method).join("events.out.tfevents.starloop");
    let star = std::fs::read(events("star")).unwrap();
    assert!(events("few_shot").exists() && events("direct").exists());
    let holds = |name: &str| star.windows(name.len()).any(|bytes| bytes == name.as_bytes());
    assert!(holds("accuracy") && holds("hparams"), "scalars and settings, in {} bytes", star.len());
    starloop("export --tensorboard", &[text(&files[4]), text(small_run())]).done();
    assert!(std::fs::read(events("star")).unwrap() == star, "the same run, the same bytes");
}

#[test]
fn an_export_needs_its_feature() {
    let place = tempfile::tempdir().unwrap();
    for (option, name, feature, compiled, magic) in [
        ("--png", "plot.png", "png", cfg!(feature = "png"), &b"\x89PNG\r\n"[..]),
        ("--training-set", "learned.parquet", "parquet", cfg!(feature = "parquet"), b"PAR1"),
    ] {
        let path = place.path().join(name);
        let outcome = starloop("export --method star --iteration 1", &[option, text(&path), text(small_run())]);
        if compiled {
            outcome.done();
            assert!(std::fs::read(&path).unwrap().starts_with(magic), "{name}");
        } else {
            outcome.failed(2, &[&format!("needs the feature `{feature}`")]);
        }
    }
}

#[test]
fn a_checkpoint_is_exported_with_its_card() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("shared");
    let line = "export --method star --iteration 2";
    starloop(line, &[text(small_run()), "--checkpoint", text(&out)]).done();
    let card = std::fs::read_to_string(out.join("README.md")).unwrap();
    let metrics: Value = serde_json::from_slice(&std::fs::read(small_run().join("star/iter-002/metrics.json")).unwrap()).unwrap();
    let mean = format!("{:.1}", 100.0 * metrics["accuracy"]["mean"].as_f64().unwrap());
    let expected = [
        "---\nlibrary_name: transformers\n",
        "name: \"smoke\"\n",
        "# STaR with rationalization on arithmetic, iteration 2\n",
        &format!("| after iteration 2 | {mean} |"),
        metrics["checkpoint"].as_str().unwrap(),
        "```toml\nname = \"smoke\"\n",
    ];
    for part in expected {
        assert!(card.contains(part), "{part:?}: {card}");
    }
    let config = std::fs::read_to_string(out.join("starloop.toml")).unwrap();
    assert!(config.contains("base = \"builtin:arithmetic\""), "{config}");
    for name in ["README.md", "starloop.toml"] {
        std::fs::remove_file(out.join(name)).unwrap();
    }
    assert_same(&out, &small_run().join("star/iter-002/checkpoint"));
    starloop(line, &[text(small_run()), "--checkpoint", text(&out)]).failed(2, &["exists already", "name another directory"]);
    starloop("export --method star --iteration 9", &[text(small_run())]).failed(2, &["no checkpoint of iteration 9", "those of 1, 2"]);
    starloop("export --method star --adapter", &[text(small_run())]).failed(2, &["fine-tuned whole"]);
    starloop("export --method few_shot", &[text(small_run())]).failed(2, &["few_shot has no checkpoint"]);
    starloop("export --training-set learned.txt", &[text(small_run())]).failed(2, &[".jsonl or .parquet"]);
}

/// A copy of the small run in which star's first answer on held-out problems is this completion.
fn with_answer(place: &Path, completion: &str) -> PathBuf {
    let run = place.join("copy");
    copy(small_run(), &run);
    let path = run.join("star/iter-002/eval.jsonl");
    let mut answers = lines(&path);
    answers[0]["completion"] = completion.into();
    answers[0]["verdict"] = "wrong".into();
    answers[0]["predicted"] = completion.into();
    write_lines(&path, &answers);
    reseal(&run);
    run
}

#[test]
fn nothing_that_a_model_writes_steers_the_terminal() {
    let place = tempfile::tempdir().unwrap();
    let hostile = format!("\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}\r\n{}", "y".repeat(1 << 20));
    let run = with_answer(place.path(), &hostile);
    for line in ["inspect --method star --iteration 2", WATCH, "compare --problems"] {
        let more = if line.starts_with("compare") { vec![text(small_run()), text(&run)] } else { vec![text(&run)] };
        let shown = starloop(line, &more).done();
        let steering = shown.chars().find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c));
        assert_eq!(steering, None, "{line}");
        assert!(shown.len() < 100_000, "{line}: {} bytes", shown.len());
    }
    let whole = starloop("inspect --method star --iteration 2 --full --text owned", &[text(&run)]).done();
    assert!(whole.contains("␛]0;owned␇␛[2J⟨U+202E⟩␍") && whole.len() > 1 << 20);
    let raw = json_lines(&starloop("inspect --json --text owned", &[text(&run)]).done());
    assert_eq!(raw[0]["completion"], hostile.as_str(), "data is data");
}

#[test]
fn a_run_without_its_optional_files_is_read() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("small-run");
    copy(small_run(), &run);
    for optional in
        ["events.jsonl", "lock", "accuracy.svg", "star/iter-001/loss.jsonl", "star/iter-002/loss.jsonl", "direct/iter-001/loss.jsonl"]
    {
        std::fs::remove_file(run.join(optional)).unwrap();
    }
    let path = run.join("run.json");
    let mut info: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    info.as_object_mut().unwrap().remove("inputs");
    std::fs::write(&path, info.to_string()).unwrap();
    let events = place.path().join("events");
    for line in ["inspect", WATCH, "watch --json", "report", "export --tensorboard"] {
        let more = if line.starts_with("export") { vec![text(&events), text(&run)] } else { vec![text(&run)] };
        starloop(line, &more).done();
    }
    let screen = starloop(WATCH, &[text(&run)]).done();
    assert!(screen.contains("finished") && screen.contains("star"), "{screen}");
    starloop("compare", &[text(&run), text(small_run())]).done();
    // Another layout is refused.
    info["format_version"] = 3.into();
    std::fs::write(&path, info.to_string()).unwrap();
    for line in ["inspect", WATCH, "export"] {
        starloop(line, &[text(&run)]).failed(1, &["format version 3, and this program reads version 2"]);
    }
}

#[cfg(unix)]
#[test]
fn reading_a_run_starts_no_program_that_its_config_names() {
    let place = tempfile::tempdir().unwrap();
    let (run, started) = (place.path().join("copy"), place.path().join("started"));
    copy(small_run(), &run);
    let config = std::fs::read_to_string(run.join("config.toml")).unwrap();
    let (before, rest) = config.split_once("[task]").unwrap();
    let (_, after) = rest.split_once("[training]").unwrap();
    let task = format!("kind = \"jsonl\"\ntrain = \"nowhere\"\nanswer_type = \"command\"\ncommand = [\"touch\", {started:?}]\n");
    let hostile = format!("{before}[task]\n{task}\n[training]{after}");
    let info = run.join("run.json");
    let mut changed: Value = serde_json::from_slice(&std::fs::read(&info).unwrap()).unwrap();
    changed["config_sha256"] = sha256_hex(&hostile).into();
    std::fs::write(info, changed.to_string()).unwrap();
    std::fs::write(run.join("config.toml"), hostile).unwrap();
    let page = place.path().join("page.html");
    for line in ["inspect", WATCH, "report", "report --html", "compare"] {
        let more = match line {
            "report --html" => vec![text(&page), text(&run)],
            "compare" => vec![text(&run), text(&run)],
            _ => vec![text(&run)],
        };
        starloop(line, &more).done();
        assert!(!started.exists(), "{line}");
    }
}
