//! A run that was stopped in any way resumes and writes the same bytes.

use crate::doubles::{Bench, CONFIG, Fault, ToyPolicy, ToyTrainer, Watcher, experiment, parse};
use starloop_core::error::Error;
use starloop_core::experiment::Experiment;
use starloop_core::registry::Registry;
use starloop_record::{self as record, RunDir};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Stops a run of `config` at each call of policy and trainer in turn, and each time resumes it to the bytes of an uninterrupted one. Returns
/// how many calls there were.
fn stopped_at_any_call(experiment: &Experiment) -> usize {
    let bench = Bench::new();
    bench.run("whole", experiment, false).unwrap();
    let whole = bench.snapshot("whole");
    let mut stopped = 0;
    for call in 0.. {
        let name = format!("call-{call}");
        let fault = Fault::at(call);
        let mut policy = ToyPolicy { fault: Some(&fault), ..ToyPolicy::default() };
        let mut trainer = ToyTrainer { fault: Some(&fault), ..ToyTrainer::default() };
        let result = bench.run_with(&name, experiment, false, &mut policy, &mut trainer, &mut Watcher::default());
        if fault.is_ahead() {
            break;
        }
        assert!(result.is_err());
        stopped += 1;
        bench.run(&name, experiment, true).unwrap();
        assert_eq!(bench.snapshot(&name), whole, "{:?} stopped at call {call}", experiment.config().run);
        bench.remove(&name);
    }
    stopped
}

/// The same where the program dies at each event in turn. Returns how many events there were.
fn died_at_any_event(experiment: &Experiment) -> usize {
    let bench = Bench::new();
    let events = bench.run("whole", experiment, false).unwrap().events.len();
    let whole = bench.snapshot("whole");
    for event in 0..events {
        let name = format!("event-{event}");
        let mut watcher = Watcher { dies_at: Some(event), ..Watcher::default() };
        let died = catch_unwind(AssertUnwindSafe(|| {
            bench.run_with(&name, experiment, false, &mut ToyPolicy::default(), &mut ToyTrainer::default(), &mut watcher)
        }));
        assert!(died.is_err());
        bench.run(&name, experiment, true).unwrap();
        assert_eq!(bench.snapshot(&name), whole, "{:?} died at event {event}", experiment.config().run);
        bench.remove(&name);
    }
    events
}

/// Every kind of method, and STaR in all its ways to go on, each on its own.
const FAMILY: [(&str, &[&str]); 16] = [
    ("few_shot", &[]),
    ("direct", &[]),
    ("rationales", &[]),
    ("star", &[]),
    ("without", &[]),
    ("star", &["methods.star.accumulate=true"]),
    ("star", &["methods.star.reset_to_base=false"]),
    ("star", &["methods.star.accumulate=true", "methods.star.reset_to_base=false", "methods.star.rationalizer=base"]),
    ("self_training", &["run=['star', 'self_training']", "methods.self_training.accumulate=true"]),
    ("partial", &[]),
    ("rft", &[]),
    ("rft", &["methods.rft.sampler=samples"]),
    ("rest_em", &[]),
    ("adastar", &[]),
    ("b_star", &[]),
    ("v_star", &[]),
];

/// Methods with another objective, with and without a fine-tuning first.
const WITH_OBJECTIVES: [(&str, &[&str]); 5] = [
    ("spin", &[]),
    ("spin", &["methods.spin.warm_start={ steps = 1, learning_rate = 1e-3 }"]),
    ("grpo", &[]),
    ("grpo", &["methods.grpo.warm_start={ steps = 1, learning_rate = 1e-3 }"]),
    ("v_star", &["methods.v_star.warm_start={ steps = 1, learning_rate = 1e-3 }"]),
];

/// Configs of all of them: two iterations, so that one goes on from another; few steps, of which each is an event; and one checkpoint kept,
/// which is what a run has that loses the most.
fn family() -> impl Iterator<Item = Experiment> {
    const ROUNDS: [&str; 9] = ["star", "without", "partial", "rest_em", "adastar", "b_star", "v_star", "spin", "grpo"];
    FAMILY.iter().chain(&WITH_OBJECTIVES).map(|(method, settings)| {
        let mut overrides = vec![format!("run=['{method}']")];
        overrides.extend(ROUNDS.map(|method| format!("methods.{method}.iterations=2")));
        overrides.extend(["training.keep_checkpoints=1", "training.steps=1"].iter().chain(*settings).map(|&setting| setting.to_owned()));
        parse("toy.toml", CONFIG, &overrides).unwrap()
    })
}

/// Runs a check with each of them at once.
fn for_each_of_the_family(check: impl Fn(&Experiment) + Sync) {
    std::thread::scope(|scope| {
        for experiment in family() {
            let check = &check;
            scope.spawn(move || check(&experiment));
        }
    });
}

#[test]
fn every_kind_of_method_is_resumed_here() {
    let resumed: BTreeSet<String> =
        family().flat_map(|experiment| experiment.methods_to_run().map(|method| method.kind.clone()).collect::<Vec<_>>()).collect();
    assert_eq!(resumed, Registry::default().methods.into_iter().map(|method| method.kind).collect());
}

#[test]
fn a_failure_at_any_call_of_any_method() {
    for_each_of_the_family(|experiment| {
        let stopped = stopped_at_any_call(experiment);
        assert!(stopped >= 2, "{:?}: {stopped}", experiment.config().run);
    });
}

#[test]
fn a_death_at_any_event_of_any_method() {
    for_each_of_the_family(|experiment| {
        let events = died_at_any_event(experiment);
        assert!(events >= 4, "{:?}: {events}", experiment.config().run);
    });
}

/// The same where the observer cancels the run at each event in turn. An observer that cancels at the very end comes too late.
fn cancelled_at_any_event(experiment: &Experiment) -> usize {
    let bench = Bench::new();
    let events = bench.run("whole", experiment, false).unwrap().events.len();
    let whole = bench.snapshot("whole");
    for event in 0..events - 1 {
        let name = format!("cancelled-{event}");
        let mut watcher = Watcher { cancels_at: Some(event), ..Watcher::default() };
        let (policy, trainer) = (&mut ToyPolicy::default(), &mut ToyTrainer::default());
        let error = bench.run_with(&name, experiment, false, policy, trainer, &mut watcher).err().unwrap();
        assert!(matches!(error, Error::Cancelled), "{error}");
        assert_eq!(watcher.events.len(), event, "nothing is reported after it was cancelled");
        bench.run(&name, experiment, true).unwrap();
        assert_eq!(bench.snapshot(&name), whole, "{:?} cancelled at event {event}", experiment.config().run);
        bench.remove(&name);
    }
    events
}

#[test]
fn a_cancelled_run_is_resumed_to_the_same_bytes() {
    // It has all stages but rationalization.
    let experiment = experiment(&["run=['v_star']", "methods.v_star.iterations=1", "training.steps=1"]);
    assert!(cancelled_at_any_event(&experiment) > 10);
}

#[test]
fn a_failure_and_a_death_among_several_methods() {
    let experiment = experiment(&["training.keep_checkpoints=1", "methods.star.iterations=2"]);
    assert!(stopped_at_any_call(&experiment) > 10);
    assert!(died_at_any_event(&experiment) > 20);
}

#[test]
fn a_death_around_the_final_figure() {
    let bench = Bench::new();
    let experiment =
        experiment(&["run=['star']", "evaluation.final_split=test", "methods.star.iterations=2", "training.keep_checkpoints=1"]);
    bench.run("whole", &experiment, false).unwrap();
    let whole = bench.snapshot("whole");
    let finals = ["star/final/metrics.json", "star/final/eval.jsonl", "star/iter-002/metrics.json"];
    for count in 1..=finals.len() {
        let (from, to) = (bench.place.path().join("whole"), bench.place.path().join(format!("cut-{count}")));
        copy(&from, &to);
        for name in &finals[..count] {
            std::fs::remove_file(to.join(name)).unwrap();
        }
        bench.run(&format!("cut-{count}"), &experiment, true).unwrap();
        assert_eq!(bench.snapshot(&format!("cut-{count}")), whole, "without {:?}", &finals[..count]);
    }
}

type Files = BTreeMap<String, Option<String>>;

/// The files and directories of a run in the order in which they get their final names. `whole` is the finished run.
fn in_order_of_writing(whole: &Files) -> Vec<String> {
    let mut order: Vec<String> = ["lock", "config.toml", "run.json"].map(str::to_owned).into();
    for (method, iterations) in [("few_shot", 0), ("direct", 1), ("star", 2)] {
        for iteration in 0..=iterations {
            let stages: &[(&str, &[&str])] = &[
                ("collect", &["attempts.jsonl"]),
                ("select", &["outcomes.jsonl", "train.jsonl"]),
                ("train", &["loss.jsonl", "training.json", "checkpoint"]),
                ("evaluate", &["eval.jsonl"]),
                ("count", &["metrics.json"]),
            ];
            for (stage, files) in stages {
                let place = format!("{method}/iter-{iteration:03}");
                let record = format!("{place}/stages/{stage}.json");
                let Some(Some(text)) = whole.get(&record) else { continue };
                let read: serde_json::Value = serde_json::from_str(text).unwrap();
                let texts =
                    read["read"].as_object().unwrap().keys().filter(|name| name.starts_with("problems/") || name.starts_with("prompts/"));
                let new: Vec<String> = texts.filter(|name| !order.contains(name)).cloned().collect();
                order.extend(new);
                order.push(record);
                order.extend(files.iter().map(|file| format!("{place}/{file}")));
            }
        }
    }
    order
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    if from.is_dir() {
        std::fs::create_dir(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

#[test]
fn a_death_between_any_two_renames_with_the_next_file_half_written() {
    let bench = Bench::new();
    let experiment = experiment(&["methods.star.iterations=2"]);
    bench.run("whole", &experiment, false).unwrap();
    let whole = bench.snapshot("whole");
    let order = in_order_of_writing(&whole);
    let written = whole
        .iter()
        .filter(|(name, _)| !name.contains("/checkpoint/"))
        .filter(|(name, content)| content.is_some() || name.ends_with("checkpoint"))
        .map(|(name, _)| name);
    assert_eq!(written.collect::<BTreeSet<_>>(), order.iter().collect(), "the list above is complete");
    for count in 0..order.len() {
        let (from, to) = (bench.place.path().join("whole"), bench.place.path().join(format!("cut-{count}")));
        std::fs::create_dir(&to).unwrap();
        for name in &order[..count] {
            copy(&from.join(name), &to.join(name));
        }
        if count > 2 {
            let running = whole["run.json"].clone().unwrap().replace("finished", "running");
            std::fs::write(to.join("run.json"), running).unwrap();
        }
        let partial = to.join(format!("{}.partial", order[count]));
        std::fs::create_dir_all(partial.parent().unwrap()).unwrap();
        if order[count].ends_with("checkpoint") {
            std::fs::create_dir_all(partial.join("unfinished")).unwrap();
            std::fs::write(partial.join("unfinished/skill"), "9").unwrap();
        } else if order[count] != "lock" {
            std::fs::write(&partial, "{\"torn").unwrap();
        }
        bench.run(&format!("cut-{count}"), &experiment, true).unwrap();
        let resumed = bench.snapshot(&format!("cut-{count}"));
        let names: BTreeSet<&String> = whole.keys().chain(resumed.keys()).collect();
        let differing: Vec<_> = names.into_iter().filter(|name| whole.get(*name) != resumed.get(*name)).collect();
        assert!(differing.is_empty(), "cut before {}: {differing:?}", order[count]);
    }
}

#[test]
fn a_finished_run_is_read_and_not_repeated() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&[]), false).unwrap();
    let whole = bench.snapshot("toy");
    let mut policy = ToyPolicy::default();
    bench.run_with("toy", &experiment(&[]), true, &mut policy, &mut ToyTrainer::default(), &mut Watcher::default()).unwrap();
    assert!(policy.prompts.borrow().is_empty());
    assert_eq!(bench.snapshot("toy"), whole);
}

#[test]
fn an_existing_run_is_not_touched_unless_asked() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&[]), false).unwrap();
    let error = bench.run("toy", &experiment(&[]), false).err().unwrap();
    assert!(matches!(error, Error::Record(record::Error::RunExists { .. })) && error.to_string().contains("resume"), "{error}");
}

#[test]
fn a_changed_config_is_told_by_its_keys() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&[]), false).unwrap();
    let changed = experiment(&["training.steps=11", "methods.star.rationalize=false"]);
    let error = bench.run("toy", &changed, true).err().unwrap();
    let Error::Record(record::Error::ConfigChanged { keys, .. }) = &error else { panic!("{error}") };
    assert_eq!(keys, &["methods.star.rationalize (true -> false)", "training.steps (10 -> 11)"]);
}

#[test]
fn a_prolonged_run_equals_one_that_was_begun_so() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&["methods.star.iterations=2", "evaluation.final_split=test"]), false).unwrap();
    let longer = experiment(&["run=[\"few_shot\", \"direct\", \"star\", \"rft\"]", "evaluation.final_split=test"]);
    bench.run("toy", &longer, true).unwrap();
    bench.run("whole", &longer, false).unwrap();
    assert_eq!(bench.snapshot("toy"), bench.snapshot("whole"));
    for (overrides, key) in [
        (&["methods.star.iterations=2"][..], "methods.star.iterations (3 -> 2)"),
        (&["run=[\"direct\", \"few_shot\", \"star\", \"rft\"]"], "run ("),
        (&["sampling.max_new_tokens=9"], "sampling.max_new_tokens"),
        (&["methods.rft.sampling.samples_per_problem=9"], "methods.rft.sampling.samples_per_problem (2 -> 9)"),
    ] {
        let other =
            experiment(&[&["run=[\"few_shot\", \"direct\", \"star\", \"rft\"]", "evaluation.final_split=test"], overrides].concat());
        let error = bench.run("toy", &other, true).err().unwrap();
        let Error::Record(record::Error::ConfigChanged { keys, .. }) = &error else { panic!("{error}") };
        assert!(keys.len() == 1 && keys[0].starts_with(key), "{keys:?}");
    }
}

#[test]
fn a_method_whose_past_depends_on_its_iterations_is_not_prolonged() {
    for method in ["partial", "v_star"] {
        let bench = Bench::new();
        let of = |iterations: u32| experiment(&[&format!("run=[\"{method}\"]"), &format!("methods.{method}.iterations={iterations}")]);
        bench.run("toy", &of(2), false).unwrap();
        let error = bench.run("toy", &of(3), true).err().unwrap().to_string();
        assert!(error.contains(&format!("methods.{method}.iterations (2 -> 3)")), "{error}");
    }
}

#[test]
fn a_run_in_use_is_refused_and_free_again_afterwards() {
    let bench = Bench::new();
    let root = bench.place.path().join("toy");
    let (held, _) = bench.take("toy", &experiment(&[]), false).unwrap();
    let error = bench.take("toy", &experiment(&[]), true).err().unwrap();
    assert!(matches!(error, Error::Record(record::Error::RunInUse { .. })), "{error}");
    assert!(RunDir::open_read_only(&root).is_ok());
    drop(held);
    assert!(bench.take("toy", &experiment(&[]), true).is_ok());
}

#[test]
fn a_directory_of_someone_else_is_left_alone() {
    let bench = Bench::new();
    let root = bench.place.path().join("thesis");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("thesis.tex"), "").unwrap();
    assert!(matches!(bench.take("thesis", &experiment(&[]), true).err().unwrap(), Error::Record(record::Error::NotARun { .. })));
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 1);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let bench = Bench::new();
    let file = bench.place.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = bench.take("file/run", &experiment(&[]), false).err().unwrap();
    assert!(error.to_string().contains("file/run"), "{error}");
}

#[test]
fn a_torn_last_event_is_dropped() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&[]), false).unwrap();
    let path = bench.place.path().join("toy/events.jsonl");
    let mut text = std::fs::read_to_string(&path).unwrap();
    let whole = bench.open("toy").events().unwrap();
    text.push_str("{\"time\":1.5,\"event\":\"warn");
    std::fs::write(&path, text).unwrap();
    assert_eq!(bench.open("toy").events().unwrap(), whole);
    bench.run("toy", &experiment(&[]), true).unwrap();
    let after = bench.open("toy").events().unwrap();
    assert_eq!(after[..whole.len()], whole);
    assert!(after.len() > whole.len());
}

#[test]
fn a_changed_file_is_named_with_its_stage() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&[]), false).unwrap();
    let path = bench.place.path().join("toy/star/iter-001/attempts.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"problem\"", "problem", 1)).unwrap();
    let error = bench.open("toy").iteration("star", 1).attempts().err().unwrap().to_string();
    assert!(error.contains("attempts.jsonl") && error.contains("was changed after the stage `collect`"), "{error}");
}
