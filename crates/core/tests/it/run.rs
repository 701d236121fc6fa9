//! The behaviour of a run.

use crate::doubles::{Bench, CONFIG, Hopeless, Numbers, ToyPolicy, ToyTrainer, Watcher, experiment, parse};
use starloop_core::config::EvaluationConfig;
use starloop_core::error::Error;
use starloop_core::evaluation::likelihood;
use starloop_core::event::Event;
use starloop_core::experiment::Experiment;
use starloop_core::policy::Policy;
use starloop_core::task::Task;
use starloop_core::types::{Mode, Split};
use starloop_record::info::RunStatus;
use starloop_record::run_dir::FileStage;
use std::collections::HashSet;

#[test]
fn accuracy_rises_by_a_level_in_each_iteration() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&[]), false).unwrap();
    let run = bench.open("toy");
    assert_eq!(run.info().unwrap().status, RunStatus::Finished);
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
    bench.run("toy", &experiment(&[]), false).unwrap();
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
    bench.run("toy", &experiment(&[]), false).unwrap();
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
    bench.run("toy", &experiment(&["training.train_with_few_shot=true"]), false).unwrap();
    let examples = bench.open("toy").iteration("star", 1).examples().unwrap().unwrap();
    assert!(examples.iter().all(|example| !example.prompt.contains("HINT") && example.prompt.matches("Q:").count() == 3));
}

#[test]
fn worked_examples_are_shown_in_the_first_iteration_only_if_so_configured() {
    let bench = Bench::new();
    for (name, overrides, last_has_them) in [("once", &[][..], false), ("always", &["sampling.few_shot_iterations=0"][..], true)] {
        let mut policy = ToyPolicy::default();
        bench.run_with(name, &experiment(overrides), false, &mut policy, &mut ToyTrainer::default(), &mut Watcher::default()).unwrap();
        let prompts = policy.prompts.borrow();
        assert_eq!(prompts[0].matches("Q:").count(), 3);
        assert_eq!(prompts.last().unwrap().matches("Q:").count() == 3, last_has_them);
    }
}

#[test]
fn no_held_out_problem_is_trained_on() {
    let mut bench = Bench::new();
    bench.run("toy", &experiment(&[]), false).unwrap();
    let questions = |split| bench.task.evaluation_problems(split, 1).into_iter().map(|problem| bench.task.prompt(&problem, Mode::Unhinted));
    let held_out: HashSet<String> = questions(Split::Dev).chain(questions(Split::Test)).collect();
    for (method, last) in [("direct", 1), ("star", 3)] {
        for iteration in 1..=last {
            let examples = bench.open("toy").iteration(method, iteration).examples().unwrap().unwrap();
            assert!(!examples.is_empty() && examples.iter().all(|example| !held_out.contains(&example.prompt)));
        }
    }
    bench.task.careless = true;
    let error = bench.run("careless", &experiment(&[]), false).err().unwrap();
    assert!(matches!(&error, Error::HeldOutProblem { problem, split: "dev", .. } if problem == "numbers/train/85"), "{error}");
}

#[test]
fn the_base_is_measured_once() {
    let bench = Bench::new();
    let mut policy = ToyPolicy::default();
    bench.run_with("toy", &experiment(&[]), false, &mut policy, &mut ToyTrainer::default(), &mut Watcher::default()).unwrap();
    let prompts = policy.prompts.borrow();
    let measured = prompts.iter().filter(|prompt| prompt.ends_with("Q: 80\nA:") && prompt.matches("Q:").count() == 3).count();
    assert_eq!(measured, 1);
    let snapshot = bench.snapshot("toy");
    assert_eq!(snapshot["few_shot/iter-000/eval.jsonl"], snapshot["star/iter-000/eval.jsonl"]);
}

#[test]
fn two_methods_that_ask_alike_get_the_same_answers() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&["run=['star', 'without']"]), false).unwrap();
    let unhinted = |method| {
        let attempts = bench.open("toy").iteration(method, 1).attempts().unwrap().unwrap();
        attempts.into_iter().filter(|graded| graded.attempt.mode == Mode::Unhinted).collect::<Vec<_>>()
    };
    assert_eq!(unhinted("star"), unhinted("without"));
}

#[test]
fn nothing_solved_is_an_error_that_says_what_to_try() {
    let bench = Bench::new();
    let experiment = experiment(&["run=['without']"]);
    let (result, watcher) = bench.run_policy("toy", &experiment, &mut Hopeless { repeats_hints: false });
    let error = result.err().unwrap();
    assert!(matches!(&error, Error::NothingSolved { method, iteration: 1, attempts: 80 } if method == "without"), "{error}");
    assert!(error.to_string().contains("sampling.few_shot"));
    assert!(watcher.warnings()[0].contains("solves none of 40 problems"), "{:?}", watcher.warnings());
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_leaves_no_checkpoint() {
    let bench = Bench::new();
    let mut trainer = ToyTrainer { diverges: true, ..ToyTrainer::default() };
    let error =
        bench.run_with("toy", &experiment(&[]), false, &mut ToyPolicy::default(), &mut trainer, &mut Watcher::default()).err().unwrap();
    assert!(matches!(&error, Error::NotFinite { place, .. } if place == "direct, iteration 1"), "{error}");
    assert!(!bench.open("toy").iteration("direct", 1).checkpoint().exists());
    // Finished work is kept, and the run continues from it.
    bench.run("toy", &experiment(&[]), true).unwrap();
}

#[test]
fn patience_ends_a_plateau() {
    let bench = Bench::new();
    let watcher = bench.run("toy", &experiment(&["methods.star.iterations=9", "methods.star.patience=2"]), false).unwrap();
    // Levels 1, 2 and 3 are learned in iterations 1 to 3; nothing rises in 4 and 5.
    assert_eq!(bench.open("toy").metrics("star").unwrap().len(), 6);
    assert!(watcher.warnings().iter().any(|warning| warning.contains("patience")), "{:?}", watcher.warnings());
}

#[test]
fn old_checkpoints_go_when_so_configured() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&["training.keep_checkpoints=1"]), false).unwrap();
    let kept: Vec<bool> = (1..=3).map(|iteration| bench.open("toy").iteration("star", iteration).checkpoint().exists()).collect();
    assert_eq!(kept, [false, false, true]);
}

#[test]
fn accumulating_keeps_what_earlier_iterations_found() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&["methods.star.accumulate=true"]), false).unwrap();
    let examples = |iteration| bench.open("toy").iteration("star", iteration).examples().unwrap().unwrap();
    let (first, second) = (examples(1), examples(2));
    assert!(first.iter().all(|example| second.iter().any(|later| later.prompt == example.prompt)));
    let distinct: HashSet<_> = second.iter().map(|example| (&example.prompt, &example.completion)).collect();
    assert_eq!(distinct.len(), second.len(), "no duplicates");
}

#[test]
fn evaluating_every_second_iteration_still_measures_the_last() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&["evaluation.every=2"]), false).unwrap();
    let totals: Vec<u64> = bench.open("toy").metrics("star").unwrap().iter().map(|metrics| metrics.accuracy.total).collect();
    assert_eq!(totals, [40, 0, 40, 40]);
}

#[test]
fn events_tell_every_stage_and_the_log_keeps_them() {
    let bench = Bench::new();
    let watcher = bench.run("toy", &experiment(&[]), false).unwrap();
    let lasting: Vec<Event> = watcher.events.into_iter().filter(|event| !matches!(event, Event::StageProgress { .. })).collect();
    assert_eq!(bench.open("toy").events().unwrap(), lasting);
    let started = lasting.iter().filter(|event| matches!(event, Event::StageStarted { .. })).count();
    let finished = lasting.iter().filter(|event| matches!(event, Event::StageFinished { .. })).count();
    assert_eq!((started, finished), (17, 17));
}

#[test]
fn worked_examples_without_rationales_are_another_measurement_of_the_base() {
    let bench = Bench::new();
    let mut policy = ToyPolicy::default();
    let experiment = experiment(&["run=['few_shot', 'few_shot_direct']"]);
    bench.run_with("toy", &experiment, false, &mut policy, &mut ToyTrainer::default(), &mut Watcher::default()).unwrap();
    let prompts = policy.prompts.borrow();
    let (rationales, direct) = prompts.split_at(prompts.len() / 2);
    assert_eq!((rationales.len(), direct.len()), (40, 40), "neither is shared");
    assert!(rationales.iter().all(|prompt| prompt.contains("seven times 1, so 7")));
    assert!(direct.iter().all(|prompt| !prompt.contains("seven times") && prompt.contains("A:so 7\n\n")));
}

#[test]
fn known_rationales_are_learned_as_they_are() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&["run=['rationales']"]), false).unwrap();
    let examples = bench.open("toy").iteration("rationales", 1).examples().unwrap().unwrap();
    assert_eq!(examples.len(), 80);
    for (problem, example) in bench.task.training_problems(1).iter().zip(&examples) {
        assert_eq!(Some(&example.completion), bench.task.reference(problem).as_ref());
        assert_eq!(example.prompt, bench.task.prompt(problem, Mode::Unhinted));
    }
}

#[test]
fn a_task_without_rationales_is_told_before_anything_is_done() {
    let answers_only = Numbers { answers_only: true, ..Numbers::default() };
    let experiment = experiment(&["run=['few_shot', 'rationales']"]);
    for name in experiment.config().methods.keys() {
        let checked = experiment.method(name).unwrap().method.check_task(&answers_only).map_err(|error| error.to_string());
        match checked {
            Ok(()) => assert!(!["rationales", "rft", "partial", "spin"].contains(&name.as_str()), "{name}"),
            Err(error) => assert!(error.contains("numbers/train/1 has no known rationale"), "{name}: {error}"),
        }
    }
}

#[test]
fn a_base_that_only_guesses_is_told_with_its_figures() {
    let bench = Bench { task: Numbers { chance: 0.2, ..Numbers::default() }, ..Bench::new() };
    let watcher = bench.run("guesses", &experiment(&["run=['few_shot', 'few_shot_direct']"]), false).unwrap();
    // 10 of 40 are a quarter, but chance is within the interval.
    let expected = "few_shot: the base model solves 10 of 40 problems with 2 worked examples in its prompt: 25.0% (95% interval 14.2 to 40.2); \
                    guessing gives 20.0%. So right answers may come with wrong reasoning, and there may be nothing to bootstrap from. Try a \
                    stronger base model, more worked examples (sampling.few_shot) or easier problems";
    assert_eq!(watcher.warnings(), [expected], "once, and not for answers without rationales");
    let bench = Bench { task: Numbers { chance: 0.1, ..Numbers::default() }, ..Bench::new() };
    assert_eq!(bench.run("knows", &experiment(&["run=['few_shot']"]), false).unwrap().warnings(), [""; 0]);
}

#[test]
fn learning_from_hints_alone_is_told() {
    let bench = Bench::new();
    let experiment = experiment(&["run=['star']", "methods.star.iterations=1"]);
    let (result, watcher) = bench.run_policy("toy", &experiment, &mut Hopeless { repeats_hints: true });
    result.unwrap();
    let [_, warning] = watcher.warnings()[..] else { panic!("{:?}", watcher.warnings()) };
    assert!(warning.contains("none of 80 attempts is right without the hint, 80 of 80 are with it"), "{warning}");
}

#[test]
fn having_no_failure_left_is_told() {
    let bench = Bench::new();
    std::fs::write(bench.place.path().join("base/skill"), "3").unwrap();
    let watcher = bench.run("toy", &experiment(&["run=['star']", "methods.star.iterations=1"]), false).unwrap();
    let [warning] = watcher.warnings()[..] else { panic!("{:?}", watcher.warnings()) };
    assert!(warning.contains("star: iteration 1: all 80 attempts are right") && warning.contains("harder problems"), "{warning}");
}

#[test]
fn problems_learned_from_are_counted_once() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&["methods.star.accumulate=true"]), false).unwrap();
    let selections: Vec<_> = bench.open("toy").metrics("star").unwrap().iter().map(|metrics| metrics.selection).collect();
    let counts = selections.iter().map(|counts| (counts.problems, counts.problems_unhinted, counts.problems_hinted));
    let examples = |iteration| bench.open("toy").iteration("star", iteration).examples().unwrap().unwrap();
    let distinct = |iteration| examples(iteration).into_iter().map(|example| example.problem).collect::<HashSet<_>>().len() as u64;
    for (iteration, (problems, unhinted, hinted)) in (0..).zip(counts).skip(1) {
        assert_eq!(unhinted + hinted, distinct(iteration));
        assert!(problems >= unhinted + hinted && problems < 80 * u64::from(iteration) + 1);
    }
    assert_eq!((selections[1].problems, selections[1].problems_unhinted, selections[1].problems_hinted), (80, 20, 16));
}

#[test]
fn the_best_on_dev_is_measured_once_on_test() {
    let bench = Bench::new();
    // Level 3 is learned in iteration 3; 4 is no better, and its checkpoint is not the one that is wanted.
    let settings = ["evaluation.final_split=test", "methods.star.iterations=5", "training.keep_checkpoints=1"];
    let watcher = bench.run("toy", &experiment(&settings), false).unwrap();
    let run = bench.open("toy");
    let star = run.final_measurement("star");
    let metrics = star.metrics().unwrap().unwrap();
    assert_eq!((metrics.iteration, metrics.split, metrics.accuracy.correct), (3, Split::Test, 40));
    let answers = star.evaluation().unwrap().unwrap();
    assert!(answers.len() == 40 && answers.iter().all(|graded| graded.attempt.problem.0.starts_with("numbers/test/")));
    let kept: Vec<bool> = (1..=5).map(|iteration| run.iteration("star", iteration).checkpoint().exists()).collect();
    assert_eq!(kept, [false, false, true, false, true]);
    assert!(run.metrics("star").unwrap().iter().all(|metrics| metrics.split == Split::Dev), "the final figure is no iteration");
    assert_eq!(run.final_measurement("few_shot").metrics().unwrap().unwrap().iteration, 0);
    assert_eq!(watcher.events.iter().filter(|event| matches!(event, Event::MethodFinished { .. })).count(), 3);
}

#[test]
fn choices_are_told_by_their_likelihood() {
    let bench = Bench::new();
    let (mut policy, mut watcher, base) = (ToyPolicy::default(), Watcher::default(), bench.place.path().join("base"));
    let (figures, scored) = likelihood::measure(
        &bench.task,
        &EvaluationConfig { split: Split::Test, ..EvaluationConfig::default() },
        1,
        &mut policy,
        &base,
        &mut watcher,
    )
    .unwrap();
    // The base knows level 0. Elsewhere it says 0, which is less likely for each of its bytes than the right answer is.
    assert_eq!((figures.accuracy.correct, figures.accuracy.total, figures.accuracy_per_byte.correct), (10, 40, 40));
    assert_eq!((figures.split, figures.checkpoint.as_str()), (Split::Test, "sha-of-0"));
    assert_eq!((scored[10].right, scored[10].chosen, scored[10].chosen_per_byte), (1, 0, 1));
    let prompts = policy.prompts.borrow();
    assert!(prompts.len() == 80 && prompts.iter().all(|prompt| prompt.starts_with("Q: 1\nA:so 7\n\nQ: ")), "{}", prompts[0]);
    let error =
        likelihood::measure(&bench.task, &EvaluationConfig::default(), 0, &mut Hopeless { repeats_hints: false }, &base, &mut watcher)
            .err()
            .unwrap();
    assert!(matches!(&error, Error::NotFinite { place, .. } if place == "numbers/dev/80"), "{error}");
}

#[test]
fn the_estimate_counts_the_final_figure() {
    let evaluations = |settings: &[&str]| {
        let experiment = experiment(settings);
        let estimates = experiment.estimate(experiment.task().unwrap().as_ref());
        estimates.into_iter().map(|(_, estimate)| estimate.evaluations).collect::<Vec<_>>()
    };
    let (without, with) = (evaluations(&[]), evaluations(&["evaluation.final_split=test"]));
    let test = experiment(&[]).task().unwrap().evaluation_problems(Split::Test, 1).len() as u64;
    assert_eq!(without.iter().map(|count| count + test).collect::<Vec<_>>(), with);
}

#[test]
fn a_run_with_another_task_than_its_config_names_is_refused() {
    let bench = Bench::new();
    let error = bench.take("toy", &Experiment::load("smoke", &[]).unwrap(), false).err().unwrap();
    assert!(matches!(&error, Error::OtherTask { expected, found } if expected == "arithmetic" && found == "numbers"), "{error}");
    assert!(!bench.place.path().join("toy").exists(), "nothing was written");
}

#[test]
fn an_experiment_and_its_policy_can_be_moved_to_another_thread() {
    let (bench, experiment, policy) = (Bench::new(), experiment(&["run=['few_shot']"]), Box::<ToyPolicy<'static>>::default());
    let events = std::thread::spawn(move || {
        let mut policy: Box<dyn Policy> = policy;
        let (result, watcher) = bench.run_policy("toy", &experiment, policy.as_mut());
        result.unwrap();
        watcher.events.len()
    });
    assert!(events.join().unwrap() > 0);
}

#[test]
fn a_control_learns_as_many_examples_as_its_method() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&["run=['star', 'self_training']", "methods.self_training.iterations=5"]), false).unwrap();
    let run = bench.open("toy");
    let [star, control] = ["star", "self_training"].map(|method| run.metrics(method).unwrap());
    assert_eq!(control.len(), 4, "as many iterations as the controlled method");
    for (star, control) in star.iter().zip(&control).skip(1) {
        let kept = star.selection.kept_unhinted + star.selection.kept_hinted;
        assert_eq!((control.selection.kept_unhinted, control.selection.kept_hinted), (kept.min(control.unhinted.attempts), 0));
        assert_eq!(star.training.unwrap().steps, control.training.unwrap().steps);
    }
    // The selection of the control depends on what the method learned, and its record says so.
    let record = run.iteration("self_training", 1).stage(FileStage::Select).unwrap().unwrap();
    assert!(record.read.keys().any(|name| name.ends_with("star/iter-001/train.jsonl")), "{:?}", record.read);
}

#[test]
fn a_control_needs_its_method_before_it() {
    for run in ["['self_training']", "['self_training', 'star']", "['few_shot', 'self_training']"] {
        let error = parse("toy.toml", CONFIG, &[format!("run={run}")]).err().unwrap().to_string();
        assert!(error.contains("`methods.self_training.controls`: names \"star\"") && error.contains("before"), "{error}");
    }
}

#[test]
fn a_control_samples_and_trains_as_its_method() {
    for section in ["sampling.temperature=0.5", "training.steps=3"] {
        let overrides = ["run=['star', 'self_training']".to_owned(), format!("methods.self_training.{section}")];
        let error = parse("toy.toml", CONFIG, &overrides).err().unwrap().to_string();
        assert!(error.contains("differs from that of \"star\""), "{error}");
    }
    let bench = Bench::new();
    bench.run("toy", &experiment(&["run=['star', 'self_training']"]), false).unwrap();
    let attempts = |method| bench.open("toy").iteration(method, 1).attempts().unwrap().unwrap();
    let unaided: Vec<_> = attempts("star").into_iter().filter(|graded| graded.attempt.mode == Mode::Unhinted).collect();
    assert_eq!(unaided, attempts("self_training"), "the base is asked once");
}

#[test]
fn rules_about_steps_need_a_task_that_checks_them() {
    let experiment = experiment(&["methods.star.selection.drop_uncalculated=true"]);
    let error = experiment.read_task().err().unwrap().to_string();
    assert!(error.contains("`selection.drop_uncalculated`: method star") && error.contains("cannot check the steps"), "{error}");
}
