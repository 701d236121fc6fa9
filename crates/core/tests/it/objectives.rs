//! GRPO, SPIN and V-STaR: what they learn from.

use crate::doubles::{Bench, CONFIG, experiment, parse};
use starloop_core::config::{TrainerConfig, TrainingConfig};
use starloop_core::error::Error;
use starloop_core::event::Event;
use starloop_core::experiment::Experiment;
use starloop_core::selection::{Loss, TrainingData};
use starloop_core::trainer::command::CommandTrainer;
use starloop_core::trainer::{Trainer, TrainingJob};
use starloop_core::types::ModelRef;
use starloop_lm::train::{LengthNormalization, PolicyGradient};
use std::ops::ControlFlow::Continue;
use std::path::Path;

fn only(method: &str, overrides: &[&str]) -> Experiment {
    let run = format!("run=['{method}']");
    experiment(&[&[run.as_str()], overrides].concat())
}

#[test]
fn grpo_learns_from_mixed_groups_and_counts_the_others() {
    let bench = Bench::new();
    bench.run("toy", &only("grpo", &[]), false).unwrap();
    let run = bench.open("toy");
    let metrics = run.metrics("grpo").unwrap();
    assert_eq!(metrics.iter().map(|metrics| metrics.accuracy.correct).collect::<Vec<_>>(), [10, 20, 30, 40]);
    let selection = metrics[1].selection;
    // Level 0 is always solved, level 1 with luck, the others never: 20 groups each.
    assert_eq!(selection.problems, 80);
    assert!(selection.groups_all_right >= 20 && selection.groups_all_wrong >= 40, "{selection:?}");
    assert_eq!(selection.groups_all_right + selection.groups_all_wrong + selection.problems_unhinted, 80);
    let samples = run.iteration("grpo", 1).rewards().unwrap().unwrap();
    assert_eq!(samples.len() as u64, 4 * selection.problems_unhinted);
    for group in samples.chunks(4) {
        assert!(group.iter().map(|sample| sample.advantage).sum::<f64>().abs() < 1e-9);
        assert!(group.iter().all(|sample| sample.problem == group[0].problem && sample.cut == group[0].cut));
        assert!(group.iter().all(|sample| (sample.advantage > 0.0) == sample.completion.contains("seven times")));
    }
    // Reinforced on the prompts that were sampled: with worked examples in iteration 1, without them later, and never with a hint.
    for (iteration, questions) in [(1, 3), (2, 1), (3, 1)] {
        let samples = run.iteration("grpo", iteration).rewards().unwrap().unwrap();
        assert!(samples.iter().all(|sample| sample.prompt.matches("Q:").count() == questions && !sample.prompt.contains("HINT")));
    }
}

#[test]
fn grpo_ends_where_all_groups_are_right() {
    let bench = Bench::new();
    let watcher = bench.run("toy", &only("grpo", &["methods.grpo.iterations=6"]), false).unwrap();
    assert_eq!(bench.open("toy").metrics("grpo").unwrap().len(), 4);
    assert!(watcher.warnings().iter().any(|warning| warning.contains("nothing left to reinforce")), "{:?}", watcher.warnings());
}

#[test]
fn spin_plays_known_rationales_against_its_own_until_it_writes_them() {
    let bench = Bench::new();
    // The start from known rationales teaches all levels at once.
    let watcher = bench.run("warm", &only("spin", &["methods.spin.warm_start={ steps = 1, learning_rate = 1e-3 }"]), false).unwrap();
    assert!(watcher.warnings().iter().any(|warning| warning.contains("self-play ends here")), "{:?}", watcher.warnings());
    let run = bench.open("warm");
    let metrics = run.metrics("spin").unwrap();
    assert_eq!(metrics.iter().map(|metrics| metrics.accuracy.correct).collect::<Vec<_>>(), [10, 40]);
    assert_eq!(metrics[1].training.unwrap().steps, 1, "the warm start has its own settings");
    assert_eq!(run.iteration("spin", 1).examples().unwrap().unwrap().len(), 80);

    bench.run("cold", &only("spin", &[]), false).unwrap();
    let pairs = bench.open("cold").iteration("spin", 1).preferences().unwrap().unwrap();
    // Level 0 is written as it is known; each of the other 60 problems has its opponent.
    assert_eq!(pairs.len(), 60);
    assert!(pairs.iter().all(|pair| pair.chosen.contains("seven times") && pair.rejected != pair.chosen && !pair.prompt.contains("HINT")));
}

#[test]
fn a_task_without_rationales_is_refused_by_spin_before_any_work() {
    let mut bench = Bench::new();
    bench.task.answers_only = true;
    let error = bench.run("toy", &only("spin", &[]), false).err().unwrap();
    assert!(matches!(error, Error::NoKnownRationale { .. }), "{error}");
}

#[test]
fn v_star_trains_a_verifier_on_right_against_wrong_of_all_rounds_and_measures_the_best_of_k() {
    let bench = Bench::new();
    let watcher = bench.run("toy", &only("v_star", &["methods.v_star.verifier.pairs_per_problem=2"]), false).unwrap();
    let run = bench.open("toy");
    let verifier = run.verifier("v_star");
    let pairs = verifier.preferences().unwrap().unwrap();
    assert!(!pairs.is_empty() && pairs.iter().all(|pair| pair.chosen.contains("seven times") && !pair.rejected.contains("seven times")));
    assert!(pairs.iter().all(|pair| !pair.prompt.contains("HINT") && pair.prompt.matches("Q:").count() == 1));
    let levels = |level: u32| pairs.iter().filter(|pair| pair.prompt.starts_with(&format!("Q: {level}"))).count();
    assert!(levels(1) > 0 && levels(2) > 0, "of both rounds");
    let verification = verifier.verification().unwrap().unwrap();
    assert_eq!((verification.problems, verification.candidates, verification.pairs), (40, 3, pairs.len() as u64));
    let [one, three] = verification.best_of[..] else { panic!("{verification:?}") };
    // Of one there is no choice; of three the verifier finds what the generator's luck found.
    assert_eq!((one.verifier, one.likelihood), (one.pass, Some(one.pass)));
    assert!(three.pass.mean > one.pass.mean);
    assert!((three.verifier.mean - three.pass.mean).abs() < 1e-12, "{three:?}");
    // Nor is there a vote of one; of three a lucky candidate of level 3 is outvoted by two that guess the same, so choosing does better.
    assert!((one.majority.unwrap().mean - one.pass.mean).abs() < 1e-12);
    assert!((0.75..three.verifier.mean).contains(&three.majority.unwrap().mean), "{three:?}");
    assert_eq!(verifier.scores().unwrap().unwrap().len(), 120);
    assert!(watcher.events.iter().any(|event| matches!(event, Event::Verified { .. })));
}

#[test]
fn a_trainer_that_learns_from_examples_alone_says_so() {
    let bench = Bench::new();
    for method in ["spin", "grpo"] {
        let run = format!("run=['{method}']");
        let overrides = [run, "trainer.kind=command".into(), "trainer.command=['true', '{out}']".into()];
        let error = parse("toy.toml", CONFIG, &overrides).err().unwrap();
        assert!(error.to_string().contains("does not support learning from"), "{error}");
        // The trainer refuses it too, for those who use it without a config.
        let run = bench.run(method, &only(method, &[]), false).map(|_| bench.open(method)).unwrap();
        let data = TrainingData::of_rows(run.iteration(method, 1).training_rows().unwrap().unwrap(), loss(method));
        let (here, settings) = (Path::new("."), TrainingConfig::default());
        let job =
            TrainingJob { base: here, data: &data, anchor: None, settings: &settings, steps: 1, seed: 0, output: here, scratch: here };
        let config = TrainerConfig { command: vec!["true".into()], ..TrainerConfig::default() };
        let error = CommandTrainer::new(&config, false).train(&job, &mut |_| Continue(())).err().unwrap();
        assert!(error.is_usage() && error.to_string().contains("does not support learning from"), "{error}");
    }
}

fn loss(method: &str) -> Loss {
    let loss = PolicyGradient { clip: [0.2, 0.2], kl: 0.0, length: LengthNormalization::Completion, max_new_tokens: 1 };
    if method == "spin" { Loss::Preference { beta: 0.1 } } else { Loss::PolicyGradient { loss, anchor: ModelRef::Base } }
}

#[test]
fn settings_that_cannot_be_are_told_by_their_keys() {
    for (setting, key, says) in [
        ("methods.grpo.sampling.temperature=0.7", "methods.grpo.sampling.temperature", "as it is"),
        ("methods.grpo.sampling.samples_per_problem=1", "methods.grpo.sampling.samples_per_problem", "at least 2"),
        ("methods.grpo.clip=[1.5, 0.2]", "methods.grpo.clip", "0..1"),
        ("methods.grpo.kl=-0.1", "methods.grpo.kl", "0 or more"),
        ("methods.spin.beta=0.0", "methods.spin.beta", "above 0"),
        ("methods.spin.iterations=0", "methods.spin.iterations", "at least 1"),
        ("methods.spin.warm_start={ steps = 0, learning_rate = 1e-3 }", "methods.spin.warm_start.steps", "at least 1"),
        ("methods.v_star.verifier.best_of=[4]", "methods.v_star.verifier.best_of", "candidates"),
        ("methods.v_star.sampling.samples_per_problem=1", "", ""),
    ] {
        let overrides = [setting.to_owned()];
        let result = parse("toy.toml", CONFIG, &overrides);
        match result {
            Ok(_) => assert_eq!(key, "", "{setting} is taken"),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains(&format!("`{key}`")) && error.contains(says), "{setting}: {error}");
            }
        }
    }
}
