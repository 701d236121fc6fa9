//! Daily work with runs: several seeds, sweeps, lists, cleaning, and models that are named by their run.

use crate::program::{SMALL_RUN, assert_same, lines, reseal, small_run, snapshot, starloop, text, write_lines};
use crate::views::copy;
use serde_json::{Value, json};
use std::path::Path;

/// The smallest run that learns: one method, one iteration.
const ONE_ITERATION: &str = "smoke --quiet --set task.digits=[1,2] --set task.problems_per_iteration=16 --set task.evaluation_per_class=5 \
     --set run=[\"star\"] --set methods.star.iterations=1";

fn run(options: &str, directory: &Path) -> Value {
    starloop(&format!("run {ONE_ITERATION} --set training.steps=2 --json {options}"), &["--run-dir", text(directory)]).json()
}

#[test]
fn several_seeds_give_a_row_each_their_mean_and_the_same_bytes_as_runs_alone() {
    let place = tempfile::tempdir().unwrap();
    let (both, alone) = (place.path().join("both"), place.path().join("alone"));
    let report = run("--seeds 3,1", &both);
    let over = &report["over_runs"][0];
    let runs: Vec<&Value> = over["runs"].as_array().unwrap().iter().map(|run| &run["run"]).collect();
    assert_eq!((over["method"].as_str(), runs), (Some("star"), vec![&json!("seed-3"), &json!("seed-1")]));
    assert_eq!(report["costs"][0]["points"][1]["runs"], 2);
    run("--seed 1", &alone);
    assert_same(&both.join("seed-1"), &alone);
    let table = starloop(&format!("run {ONE_ITERATION} --set training.steps=2 --seeds 3,1 --resume"), &["--run-dir", text(&both)]).done();
    for words in ["seed-3", "seed-1", "mean of 2 seeds", "2 seeds (Student)", "problems (Wilson)"] {
        assert!(table.contains(words), "no {words:?} in\n{table}");
    }
    starloop("run smoke --seeds 1,1 --dry-run", &[]).failed(2, &["seeds", "named twice"]);
}

#[test]
fn greedy_answers_of_the_base_are_taken_from_the_run_of_another_seed() {
    let place = tempfile::tempdir().unwrap();
    let runs = place.path().join("runs");
    // The worked examples of this task depend on the seed. Without them, the prompts do not.
    let run = |options: &str| run(&format!("--set sampling.few_shot=0 {options}"), &runs);
    run("--seeds 1");
    // The answers of the first run are marked, so that they are known in the second one.
    let (first, second) = (runs.join("seed-1"), runs.join("seed-2"));
    let path = first.join("star/iter-000/eval.jsonl");
    let mut answers = lines(&path);
    for answer in &mut answers {
        answer["completion"] = "marked".into();
    }
    write_lines(&path, &answers);
    reseal(&first);
    run("--seeds 1,2 --resume");
    let answers = |iteration: &str| lines(&second.join(format!("star/{iteration}/eval.jsonl")));
    assert!(answers("iter-000").iter().all(|answer| answer["completion"] == "marked"), "taken, not sampled");
    assert!(answers("iter-001").iter().all(|answer| answer["completion"] != "marked"), "other weights, other answers");
}

#[test]
fn a_sweep_has_every_setting_and_seed_and_continues() {
    let place = tempfile::tempdir().unwrap();
    let options = ["--dir", text(place.path())];
    let sweep = |more: &str| starloop(&format!("sweep {ONE_ITERATION} --set training.steps=1,2 {more}"), &options);
    let first = sweep("--seeds 2 --json").done();
    let first: Value = serde_json::from_str(&first).unwrap();
    let rows = first["rows"].as_array().unwrap();
    let settings: Vec<&Value> = rows.iter().map(|row| &row["settings"][0]["value"]).collect();
    assert_eq!((settings, &rows[0]["interval_over"]), (vec![&json!("1"), &json!("2")], &json!("seeds")));
    assert!(first["runs"].as_array().unwrap().iter().all(|run| run["state"] == "finished"));
    assert!(place.path().join("sweep.svg").is_file());
    let before = snapshot(place.path());
    assert_eq!(sweep("--seeds 2 --json").json(), first, "a repeated command reads the finished runs");
    // Only the number of the process in a lock file and the events differ.
    let weights = |files: std::collections::BTreeMap<String, Option<Vec<u8>>>| {
        files.into_iter().filter(|(name, _)| name.ends_with(".safetensors")).collect::<Vec<_>>()
    };
    assert_eq!(weights(snapshot(place.path())), weights(before));
    let spent = first["flops"].as_f64().unwrap();
    let limited = sweep(&format!("--seeds 3 --budget {} --json", spent + 1.0)).json();
    let states: Vec<&Value> = limited["runs"].as_array().unwrap().iter().map(|run| &run["state"]).collect();
    assert_eq!(states, ["finished", "finished", "finished", "finished", "over_budget", "over_budget"]);
    let table = sweep(&format!("--seeds 3 --budget {}", spent + 1.0)).done();
    assert!(table.contains("2 seeds (Student)") && table.contains("not run, because it could exceed the budget"), "{table}");
    starloop(&format!("sweep {ONE_ITERATION} --set training.steps=2"), &options).failed(2, &["a key with several values"]);
    starloop(&format!("sweep {ONE_ITERATION} --set training.stepz=2,3"), &options).failed(2, &["training.stepz", "steps"]);
}

#[test]
fn runs_are_listed_with_state_size_and_best_result() {
    let place = tempfile::tempdir().unwrap();
    copy(small_run(), &place.path().join("group/one"));
    let list = starloop("runs --json", &[text(place.path())]).json();
    let one = &list["runs"][0];
    assert_eq!((&one["state"], one["best"]["accuracy"]["total"].as_u64()), (&json!("finished"), Some(10)));
    assert!(one["bytes"].as_u64().unwrap() > 1_000_000, "{one}");
    let table = starloop("runs", &[text(place.path())]).done();
    assert!(table.contains("group/one") && table.contains("finished"), "{table}");
    starloop("runs", &[text(&place.path().join("none"))]).failed(2, &["no such directory"]);
}

#[test]
fn cleaning_keeps_what_reading_and_resuming_needs() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    copy(small_run(), &run);
    let report = || starloop("report --json", &[text(&run)]).json();
    let (before, files) = (report(), snapshot(&run));
    let planned = starloop("clean --dry-run --json", &[text(&run)]).json();
    assert_eq!(snapshot(&run), files, "nothing is removed");
    let cleaned = starloop("clean --json", &[text(&run)]).json();
    assert_eq!(cleaned["runs"][0]["removed"], planned["runs"][0]["removed"]);
    let removed: Vec<&str> = cleaned["runs"][0]["removed"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    let checkpoints = |files: &std::collections::BTreeMap<String, Option<Vec<u8>>>| -> Vec<String> {
        files.keys().filter(|name| name.ends_with("/checkpoint")).cloned().collect()
    };
    let left = checkpoints(&snapshot(&run));
    assert_eq!(left, ["direct/iter-001/checkpoint".to_owned(), left[1].clone()], "the best of each method");
    assert_eq!(checkpoints(&files).len(), left.len() + removed.len());
    assert_eq!(report(), before);
    let words = starloop("clean", &[text(&run)]).done();
    assert!(words.contains("kept") && words.contains("0 B"), "{words}");
    starloop(&format!("{SMALL_RUN} --resume --json"), &["--run-dir", text(&run)]).done();
    assert_eq!(report(), before);
    starloop("sample --max-new-tokens 2 --prompt 1 --model", &[text(&run)]).done();
}

#[test]
fn an_unfinished_run_is_not_cleaned_and_says_how_to_go_on() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    copy(small_run(), &run);
    let info = std::fs::read_to_string(run.join("run.json")).unwrap();
    std::fs::write(run.join("run.json"), info.replace("\"finished\"", "\"running\"")).unwrap();
    starloop("clean", &[text(&run)]).failed(2, &["not finished", "resume it"]);
    let listed = starloop("runs", &[text(place.path())]);
    assert!(listed.out.contains("stopped"), "{}", listed.out);
    let command = listed.err.lines().find_map(|line| line.strip_prefix("to continue: starloop ")).unwrap().to_owned();
    assert_eq!(starloop("watch --json", &[text(&run)]).json()["resume"], format!("starloop {command}"));
    starloop(&command, &["--quiet"]).done();
    assert_eq!(starloop("runs --json", &[text(place.path())]).json()["runs"][0]["state"], "finished");
}

#[test]
fn a_run_names_its_best_checkpoint() {
    let sample = |model: &str| starloop("sample --json --prompt 1 --max-new-tokens 8", &["--model", model]);
    let run = text(small_run());
    let best = sample(run);
    assert!(best.err.starts_with(&format!("model: {run}@star/")) && best.err.contains("the best checkpoint of star"), "{}", best.err);
    let named = best.err.split([':', ' ']).find(|word| word.contains("@star/")).unwrap().to_owned();
    let iteration: u32 = named.rsplit('/').next().unwrap().parse().unwrap();
    let path = format!("{run}/star/iter-{iteration:03}/checkpoint");
    let expected = sample(&path).json();
    assert_eq!(best.json(), expected);
    assert_eq!(sample(&named).json(), expected);
    assert_ne!(sample(&format!("{run}@direct")).json(), expected);
    sample(&format!("{run}@star/9")).failed(2, &["no checkpoint of iteration 9", "it has those of"]);
    sample(&format!("{run}@nothing")).failed(2, &["no method nothing"]);
    let score = |model: &str| starloop("score --json --quiet --text", &["1 2", "--model", model]);
    assert_eq!(score(run).json(), score(&path).json());
    assert_eq!(score(run).err, "", "--quiet");
}

#[test]
fn a_file_option_can_name_standard_output() {
    let run = text(small_run());
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("figures.csv");
    starloop("export --csv", &[text(&file), run]).done();
    let piped = starloop("export --csv -", &[run]);
    assert_eq!((piped.err.as_str(), piped.out), ("", std::fs::read_to_string(&file).unwrap()));
    assert!(starloop("export --training-set - --method star --iteration 1", &[run]).done().starts_with('{'));
    assert!(starloop("report --svg -", &[run]).done().starts_with("<svg "));
    assert!(starloop("report --html -", &[run]).done().starts_with("<!"));
    starloop("export --csv - --jsonl -", &[run]).failed(2, &["two options name -"]);
}

#[test]
fn quiet_shows_warnings_and_errors_only() {
    let place = tempfile::tempdir().unwrap();
    let out = |name: &str| place.path().join(name);
    let run = text(small_run());
    for (line, option, file) in [("report", "--svg", "plot.svg"), ("report", "--html", "page.html"), ("export", "--csv", "figures.csv")] {
        let quiet = starloop(&format!("{line} --quiet {option}"), &[text(&out(file)), run]);
        let lines: Vec<&str> = quiet.err.lines().filter(|line| !line.starts_with("warning: ")).collect();
        assert_eq!((quiet.code, lines), (Some(0), vec![]), "{line} {option}");
        assert!(out(file).is_file());
    }
    assert!(starloop("report --svg", &[text(&out("plot.svg")), run]).err.contains("plot: "));
}

/// The paths below a directory whose mode is not that of the umask 022.
#[cfg(unix)]
fn with_another_mode(root: &Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = |name: &String| std::fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o777;
    let expected = |name: &String| if root.join(name).is_dir() { 0o755 } else { 0o644 };
    snapshot(root).into_keys().filter(|name| mode(name) != expected(name)).collect()
}

#[test]
#[cfg(unix)]
fn every_file_of_a_run_and_of_an_export_has_the_mode_of_the_umask() {
    let place = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_starloop");
    let run = ONE_ITERATION.replace("run=[\"star\"]", "'run=[\"star\"]'");
    let script = format!(
        "umask 022 && {program} run {run} --set training.steps=2 --set training.checkpoint_every=1 --run-dir runs/full && \
         {program} run {run} --set training.steps=2 --set training.lora.rank=2 --run-dir runs/lora && \
         {program} export --quiet runs/full --checkpoint out/full --csv out/figures.csv && \
         {program} export --quiet runs/lora --checkpoint out/lora && \
         {program} export --quiet runs/lora --merged --checkpoint out/merged && \
         {program} report --quiet runs/full --html out/page.html && \
         {program} model convert runs/full/base out/converted"
    );
    // The directory of the test itself is private.
    let output = std::process::Command::new("bash").args(["-c", &script]).current_dir(place.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(with_another_mode(place.path()), Vec::<String>::new());
    assert!(place.path().join("out/merged/model.safetensors").exists());
}
