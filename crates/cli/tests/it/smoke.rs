//! The smoke experiment: accuracy rises, nothing leaks, and results depend on config and seed alone.

use crate::program::{SMALL_RUN, assert_same, lines, small_run, starloop, text};
use serde_json::Value;
use starloop_core::config::Config;
use starloop_core::experiment::Experiment;
use starloop_core::registry::Registry;
use starloop_core::task::Task;
use starloop_core::types::{Mode, Split};
use std::collections::HashSet;

#[test]
fn accuracy_rises_in_two_iterations() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("smoke");
    let report = starloop("run smoke --quiet --json", &["--run-dir", text(&run)]).json();
    let of_star: Vec<&Value> = report["results"].as_array().unwrap().iter().filter(|row| row["method"] == "star").collect();
    let accuracy: Vec<f64> = of_star.iter().map(|row| row["accuracy"].as_f64().unwrap()).collect();
    assert_eq!(of_star.iter().map(|row| row["iteration"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(accuracy[1] > accuracy[0] + 0.1 && accuracy[2] > accuracy[0] + 0.2, "{accuracy:?}");
    assert!(of_star[1]["kept_hinted"].as_u64() > Some(0), "rationalization was at work");
    assert_eq!(report["warnings"], serde_json::json!([]));
    assert!(std::fs::read_to_string(run.join("accuracy.svg")).unwrap().starts_with("<svg"));
    let again = starloop("report --json", &[text(&run)]).json();
    assert_eq!(again, report, "the report reads the same from the files");
    // The demo is this run. A finished one is only shown.
    let shown = starloop("demo --quiet", &["--run-dir", text(&run)]).done();
    let sentence = report["headlines"][0]["result"].as_str().unwrap();
    for part in [sentence, "found without a hint, and learned:\n  Input:\n", "with the answer as a hint, after it had failed", "</scratch>"]
    {
        assert!(shown.contains(part), "{part:?}: {shown}");
    }
}

#[test]
fn threads_change_nothing() {
    let place = tempfile::tempdir().unwrap();
    for threads in ["1", "3"] {
        let run = place.path().join(threads).join("run");
        let less = ["--set", "run=[\"star\"]", "--set", "methods.star.iterations=1"];
        starloop(SMALL_RUN, &[&["--threads", threads, "--run-dir", text(&run)], &less[..]].concat()).done();
    }
    assert_same(&place.path().join("1/run"), &place.path().join("3/run"));
}

#[test]
fn no_training_prompt_holds_a_hint_or_a_held_out_problem() {
    let echo = std::fs::read_to_string(small_run().join("config.toml")).unwrap();
    let task = Experiment::new(Config::parse("config.toml", &echo, &[]).unwrap(), &Registry::default()).unwrap().task().unwrap();
    let held_out = held_out_prompts(task.as_ref());
    let (mut examples, mut rationalized) = (0, 0);
    for iteration in ["direct/iter-001", "star/iter-001", "star/iter-002"] {
        for example in lines(&small_run().join(iteration).join("train.jsonl")) {
            let prompt = example["prompt"].as_str().unwrap();
            assert!(prompt.ends_with("\nTarget:\n") && prompt.matches("Target:").count() == 1, "{prompt}");
            assert!(!held_out.contains(prompt), "{prompt}");
            examples += 1;
            rationalized += usize::from(example["mode"] == "hinted");
        }
    }
    assert!(examples > 100 && rationalized > 0, "{examples} examples, {rationalized} rationalized");
}

fn held_out_prompts(task: &dyn Task) -> HashSet<String> {
    let problems = [Split::Dev, Split::Test].into_iter().flat_map(|split| task.evaluation_problems(split, 1));
    problems.map(|problem| task.prompt(&problem, Mode::Unhinted)).collect()
}

#[test]
fn rationalizations_are_checked_with_other_hints_before_they_are_learned() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    let rules = "--set methods.star.selection.most_hint_reliance=-100 --set methods.star.selection.drop_reached_from_wrong_hint=true";
    let less = "--set run=[\"star\"] --set methods.star.iterations=1 --set training.steps=2 --set task.evaluation_per_class=3";
    starloop(&format!("run smoke --quiet {less} {rules}"), &["--run-dir", text(&run)]).done();
    let attempts = lines(&run.join("star/iter-001/attempts.jsonl"));
    let is_checked = |attempt: &&Value| attempt["mode"] == "hinted" && attempt["verdict"] == "correct";
    let checked: Vec<&Value> = attempts.iter().filter(is_checked).collect();
    assert!(!checked.is_empty());
    assert!(checked.iter().all(|attempt| attempt["hint_reliance"].is_f64() && attempt["reaches_wrong_answer"].is_boolean()), "{checked:?}");
    let others = attempts.iter().filter(|attempt| !is_checked(attempt));
    assert!(others.into_iter().all(|attempt| attempt.get("hint_reliance").is_none()));
    let dropped = lines(&run.join("star/iter-001/outcomes.jsonl")).iter().filter(|line| line["outcome"] == "hint_reliant").count();
    assert!(dropped > 0 && dropped <= checked.len());
    let events = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
    assert!(events.contains("\"checking_hints\""), "{events}");
}
