//! What a run does.

use crate::doubles::{Bench, Hopeless, ToyPolicy, ToyTrainer, Watcher, config};
use starloop_core::error::Error;
use starloop_core::event::Event;
use starloop_core::run_dir::RunStatus;
use starloop_core::task::{Split, Task};
use starloop_core::types::Mode;
use std::collections::HashSet;

#[test]
fn accuracy_rises_by_a_level_in_each_iteration() {
    let bench = Bench::new();
    bench.run("toy", &config(&[]), false).unwrap();
    let run = bench.open("toy");
    assert_eq!(run.info().unwrap().unwrap().status, RunStatus::Finished);
    let accuracy = |method| run.metrics(method).unwrap().iter().map(|metrics| metrics.accuracy.correct).collect::<Vec<_>>();
    assert_eq!(accuracy("few_shot"), [10]);
    // Answers of all levels are known to direct fine-tuning.
    assert_eq!(accuracy("direct"), [10, 40]);
    assert_eq!(accuracy("star"), [10, 20, 30, 40]);
    assert!(run.metrics("without").unwrap().is_empty(), "not named in `run`");
}

#[test]
fn counts_say_what_was_kept_and_dropped() {
    let bench = Bench::new();
    bench.run("toy", &config(&[]), false).unwrap();
    let metrics = &bench.open("toy").metrics("star").unwrap()[1];
    assert_eq!((metrics.problems, metrics.unhinted.attempts, metrics.unhinted.correct), (80, 80, 20));
    // Three levels failed, one of them is solved with the hint; in each level every fifth number leaks it or says nothing.
    assert_eq!((metrics.hinted.attempts, metrics.hinted.correct), (60, 20));
    assert_eq!((metrics.hinted.unparsed, metrics.hinted.wrong), (8, 32));
    assert_eq!(metrics.hinted.faithful, Some(16));
    let selection = metrics.selection;
    assert_eq!((selection.kept_unhinted, selection.kept_hinted, selection.dropped_leaked_hint), (20, 16, 4));
    let training = metrics.training.unwrap();
    assert_eq!(training.steps, 10);
    assert_eq!(bench.open("toy").metrics("star").unwrap()[2].training.unwrap().steps, 12);
}

#[test]
fn no_hint_and_no_worked_example_is_in_a_training_prompt() {
    let bench = Bench::new();
    bench.run("toy", &config(&[]), false).unwrap();
    for iteration in 1..=3 {
        let examples = bench.open("toy").iteration("star", iteration).examples().unwrap().unwrap();
        assert!(examples.iter().any(|example| example.mode == Mode::Hinted) || iteration == 3);
        assert!(examples.iter().all(|example| !example.prompt.contains("HINT") && example.prompt.matches("Q:").count() == 1));
        assert!(examples.iter().all(|example| !bench.task.leaks_hint(&example.completion)));
    }
}

#[test]
fn the_ablation_trains_with_the_worked_examples_and_without_hints() {
    let bench = Bench::new();
    bench.run("toy", &config(&["training.train_with_few_shot=true"]), false).unwrap();
    let examples = bench.open("toy").iteration("star", 1).examples().unwrap().unwrap();
    assert!(examples.iter().all(|example| !example.prompt.contains("HINT") && example.prompt.matches("Q:").count() == 3));
}

#[test]
fn worked_examples_are_shown_in_the_first_iteration_only_if_so_configured() {
    let bench = Bench::new();
    for (name, overrides, last_has_them) in [("once", &[][..], false), ("always", &["sampling.few_shot_iterations=0"][..], true)] {
        let mut policy = ToyPolicy::default();
        bench.run_with(name, &config(overrides), false, &mut policy, &mut ToyTrainer::default(), &mut Watcher::default()).unwrap();
        let prompts = policy.prompts.borrow();
        assert_eq!(prompts[0].matches("Q:").count(), 3);
        assert_eq!(prompts.last().unwrap().matches("Q:").count() == 3, last_has_them);
    }
}

#[test]
fn no_held_out_problem_is_trained_on() {
    let mut bench = Bench::new();
    bench.run("toy", &config(&[]), false).unwrap();
    let questions = |split| bench.task.evaluation_problems(split, 1).into_iter().map(|problem| bench.task.prompt(&problem, Mode::Unhinted));
    let held_out: HashSet<String> = questions(Split::Dev).chain(questions(Split::Test)).collect();
    for (method, last) in [("direct", 1), ("star", 3)] {
        for iteration in 1..=last {
            let examples = bench.open("toy").iteration(method, iteration).examples().unwrap().unwrap();
            assert!(!examples.is_empty() && examples.iter().all(|example| !held_out.contains(&example.prompt)));
        }
    }
    bench.task.careless = true;
    let error = bench.run("careless", &config(&[]), false).err().unwrap();
    assert!(matches!(&error, Error::HeldOutProblem { problem, split: "dev", .. } if problem == "numbers/train/85"), "{error}");
}

#[test]
fn the_base_is_measured_once() {
    let bench = Bench::new();
    let mut policy = ToyPolicy::default();
    bench.run_with("toy", &config(&[]), false, &mut policy, &mut ToyTrainer::default(), &mut Watcher::default()).unwrap();
    let prompts = policy.prompts.borrow();
    let measured = prompts.iter().filter(|prompt| prompt.ends_with("Q: 80\nA:") && prompt.matches("Q:").count() == 3).count();
    assert_eq!(measured, 1);
    let snapshot = bench.snapshot("toy");
    assert_eq!(snapshot["few_shot/iter-000/eval.jsonl"], snapshot["star/iter-000/eval.jsonl"]);
}

#[test]
fn two_methods_that_ask_alike_get_the_same_answers() {
    let bench = Bench::new();
    bench.run("toy", &config(&["run=['star', 'without']"]), false).unwrap();
    let unhinted = |method| {
        let attempts = bench.open("toy").iteration(method, 1).attempts().unwrap().unwrap();
        attempts.into_iter().filter(|graded| graded.attempt.mode == Mode::Unhinted).collect::<Vec<_>>()
    };
    assert_eq!(unhinted("star"), unhinted("without"));
}

#[test]
fn nothing_solved_is_an_error_that_says_what_to_try() {
    let bench = Bench::new();
    let config = config(&["run=['without']"]);
    let mut watcher = Watcher::default();
    let (run_dir, found) = starloop_core::run_dir::RunDir::open(&bench.place.path().join("toy"), &config, false).unwrap();
    let mut parts = starloop_core::iterate::Parts {
        task: &bench.task,
        base: bench.place.path(),
        policy: &mut Hopeless,
        trainer: &mut ToyTrainer::default(),
    };
    let error = starloop_core::experiment::run_in(&config, &run_dir, found, &mut parts, &mut watcher).err().unwrap();
    assert!(matches!(&error, Error::NothingSolved { method, iteration: 1, attempts: 80 } if method == "without"), "{error}");
    assert!(error.to_string().contains("sampling.few_shot"));
    assert!(watcher.warnings()[0].contains("solves none of 40 problems"), "{:?}", watcher.warnings());
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_leaves_no_checkpoint() {
    let bench = Bench::new();
    let mut trainer = ToyTrainer { diverges: true, ..ToyTrainer::default() };
    let error = bench.run_with("toy", &config(&[]), false, &mut ToyPolicy::default(), &mut trainer, &mut Watcher::default()).err().unwrap();
    assert!(matches!(&error, Error::NotFinite { place, .. } if place == "direct, iteration 1"), "{error}");
    assert!(!bench.open("toy").iteration("direct", 1).checkpoint().exists());
    // What was finished before is kept, and the run goes on from it.
    bench.run("toy", &config(&[]), true).unwrap();
}

#[test]
fn patience_ends_a_plateau() {
    let bench = Bench::new();
    let watcher = bench.run("toy", &config(&["methods.star.iterations=9", "methods.star.patience=2"]), false).unwrap();
    // Levels 1, 2 and 3 are learned in iterations 1 to 3; nothing rises in 4 and 5.
    assert_eq!(bench.open("toy").metrics("star").unwrap().len(), 6);
    assert!(watcher.warnings().iter().any(|warning| warning.contains("patience")), "{:?}", watcher.warnings());
}

#[test]
fn old_checkpoints_go_when_so_configured() {
    let bench = Bench::new();
    bench.run("toy", &config(&["training.keep_checkpoints=1"]), false).unwrap();
    let kept: Vec<bool> = (1..=3).map(|iteration| bench.open("toy").iteration("star", iteration).checkpoint().exists()).collect();
    assert_eq!(kept, [false, false, true]);
}

#[test]
fn accumulating_keeps_what_earlier_iterations_found() {
    let bench = Bench::new();
    bench.run("toy", &config(&["methods.star.accumulate=true"]), false).unwrap();
    let examples = |iteration| bench.open("toy").iteration("star", iteration).examples().unwrap().unwrap();
    let (first, second) = (examples(1), examples(2));
    assert!(first.iter().all(|example| second.iter().any(|later| later.prompt == example.prompt)));
    let distinct: HashSet<_> = second.iter().map(|example| (&example.prompt, &example.completion)).collect();
    assert_eq!(distinct.len(), second.len(), "no duplicates");
}

#[test]
fn evaluating_every_second_iteration_still_measures_the_last() {
    let bench = Bench::new();
    bench.run("toy", &config(&["evaluation.every=2"]), false).unwrap();
    let totals: Vec<u64> = bench.open("toy").metrics("star").unwrap().iter().map(|metrics| metrics.accuracy.total).collect();
    assert_eq!(totals, [40, 0, 40, 40]);
}

#[test]
fn events_tell_every_stage_and_the_log_keeps_them() {
    let bench = Bench::new();
    let watcher = bench.run("toy", &config(&[]), false).unwrap();
    let lasting: Vec<Event> = watcher.events.into_iter().filter(|event| !matches!(event, Event::StageProgress { .. })).collect();
    assert_eq!(bench.open("toy").events().unwrap(), lasting);
    let started = lasting.iter().filter(|event| matches!(event, Event::StageStarted { .. })).count();
    let finished = lasting.iter().filter(|event| matches!(event, Event::StageFinished { .. })).count();
    assert_eq!((started, finished), (17, 17));
}
