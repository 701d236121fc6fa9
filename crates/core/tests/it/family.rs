//! The behaviour of the methods that are newer than the paper.

use crate::doubles::{Bench, Numbers, ToyPolicy, ToyTrainer, Watcher, experiment};
use starloop_core::config::EvaluationConfig;
use starloop_core::evaluation::self_consistency::{Sampled, measure};
use starloop_core::policy::SamplingParams;
use starloop_core::task::Task;
use starloop_core::types::{Example, GradedAttempt, Mode, Split, Verdict};
use std::collections::HashSet;

fn run(method: &str, overrides: &[&str]) -> Bench {
    let bench = Bench::new();
    let run = format!("run=['{method}']");
    let overrides: Vec<&str> = overrides.iter().copied().chain([run.as_str()]).collect();
    bench.run("toy", &experiment(&overrides), false).unwrap();
    bench
}

fn attempts(bench: &Bench, method: &str, iteration: u32) -> Vec<GradedAttempt> {
    bench.open("toy").iteration(method, iteration).attempts().unwrap().unwrap()
}

fn examples(bench: &Bench, method: &str, iteration: u32) -> Vec<Example> {
    bench.open("toy").iteration(method, iteration).examples().unwrap().unwrap()
}

fn right(bench: &Bench, method: &str) -> Vec<u64> {
    bench.open("toy").metrics(method).unwrap().iter().map(|metrics| metrics.accuracy.correct).collect()
}

#[test]
fn no_method_trains_on_a_hint_or_a_held_out_problem() {
    for method in ["partial", "rft", "rest_em", "adastar", "b_star"] {
        let bench = run(method, &[]);
        let last = bench.open("toy").metrics(method).unwrap().last().unwrap().iteration;
        for iteration in 1..=last {
            let examples = examples(&bench, method, iteration);
            assert!(!examples.is_empty());
            for example in examples {
                assert!(example.problem.0.starts_with("numbers/train/"));
                let number: u32 = example.problem.0.rsplit('/').next().unwrap().parse().unwrap();
                assert_eq!(example.prompt, format!("Q: {number}\nA:"), "{method}: the bare problem");
            }
        }
    }
}

#[test]
fn adastar_asks_no_more_than_it_needs_and_no_problem_twice_in_a_round() {
    let bench = run("adastar", &["methods.adastar.curriculum=false"]);
    let all: HashSet<_> = (1..=3).flat_map(|iteration| bench.task.training_problems(iteration)).map(|problem| problem.id).collect();
    let mut asked_before = HashSet::new();
    for iteration in 1..=3 {
        let asked: Vec<_> = attempts(&bench, "adastar", iteration)
            .into_iter()
            .filter(|graded| graded.attempt.mode == Mode::Unhinted)
            .map(|graded| graded.attempt.problem)
            .collect();
        let distinct: HashSet<_> = asked.iter().cloned().collect();
        assert_eq!(distinct.len(), asked.len());
        // Problems that were never attempted come first.
        let new = distinct.difference(&asked_before).count();
        assert_eq!(new, asked.len().min(all.len() - asked_before.len()), "iteration {iteration}");
        asked_before.extend(distinct);
        let solved: HashSet<_> = attempts(&bench, "adastar", iteration)
            .into_iter()
            .filter(|graded| graded.verdict.is_correct())
            .map(|graded| graded.attempt.problem)
            .collect();
        let quota = [50, 60, 72][iteration as usize - 1];
        assert!(solved.len() >= quota || asked.len() == all.len(), "iteration {iteration}: {} of {quota}", solved.len());
        assert!(solved.len() < quota + 32);
    }
    assert_eq!(right(&bench, "adastar"), [10, 20, 30, 40]);
}

#[test]
fn rft_learns_the_known_rationales_and_what_its_own_samples_add() {
    let bench = run("rft", &[]);
    let (known, both) = (examples(&bench, "rft", 1), examples(&bench, "rft", 2));
    assert_eq!(known.len(), 80, "one known rationale of each problem");
    assert!(known.iter().all(|example| both.contains(example)));
    let distinct: HashSet<_> = both.iter().map(|example| (&example.prompt, &example.completion)).collect();
    assert_eq!(distinct.len(), both.len());
    // Two samples of a problem take one path here.
    let metrics = bench.open("toy").metrics("rft").unwrap();
    assert_eq!((metrics[2].unhinted.attempts, metrics[2].selection.dropped_duplicate), (160, 80));
    assert!(attempts(&bench, "rft", 2).iter().all(|graded| graded.attempt.checkpoint == "sha-of-3"));
}

#[test]
fn rft_does_without_known_rationales() {
    let bench = run("rft", &["methods.rft.sampler=samples"]);
    assert!(attempts(&bench, "rft", 1).iter().all(|graded| graded.attempt.checkpoint == "sha-of-0"));
    // Without a hint a lucky sample solves one level more than the model: level 1 is had from the base's, level 2 from the sampler's.
    assert_eq!(right(&bench, "rft"), [10, 20, 30]);
}

#[test]
fn methods_that_need_rationales_say_so_before_anything_is_done() {
    let answers_only = Numbers { answers_only: true, ..Numbers::default() };
    let check = |overrides: &[&str], method: &str| {
        experiment(overrides).method(method).unwrap().method.check_task(&answers_only).map_err(|error| error.to_string())
    };
    for method in ["rft", "partial"] {
        let error = check(&[], method).unwrap_err();
        assert!(error.contains("numbers/train/1 has no known rationale"), "{error}");
    }
    check(&["methods.rft.sampler=samples"], "rft").unwrap();
    let error = check(&["methods.partial.of=answer"], "partial").unwrap_err();
    assert!(error.contains("no part can be shown"), "{error}");
}

#[test]
fn rest_em_keeps_so_many_of_a_problem_and_starts_from_the_base() {
    let bench = run("rest_em", &["methods.rest_em.max_per_problem=1"]);
    for iteration in 1..=2 {
        let examples = examples(&bench, "rest_em", iteration);
        let problems: HashSet<_> = examples.iter().map(|example| &example.problem).collect();
        assert_eq!(problems.len(), examples.len());
        assert!(attempts(&bench, "rest_em", iteration).iter().all(|graded| graded.attempt.mode == Mode::Unhinted));
    }
}

#[test]
fn a_prefix_is_part_of_what_is_learned_and_gets_shorter() {
    let bench = Bench::new();
    let mut policy = ToyPolicy::default();
    let experiment = experiment(&["run=['partial']", "methods.partial.first_share=0.9", "methods.partial.last_share=0.4"]);
    bench.run_with("toy", &experiment, false, &mut policy, &mut ToyTrainer::default(), &mut Watcher::default()).unwrap();
    let prompts = policy.prompts.borrow();
    let given = |prompt: &&String| prompt.rsplit("\nA:").next().unwrap().to_owned();
    let longest = |number: u32| {
        let asked = format!("Q: {number}\nA:");
        let of_number = prompts.iter().filter(|prompt| prompt.contains(&asked)).map(|prompt| given(&prompt));
        of_number.map(|given| given.split_whitespace().count()).max()
    };
    // "seven times N, so M" has five words: four are given at first, then three, then two.
    assert_eq!([301, 302, 303].map(longest), [Some(4), Some(3), Some(2)], "attempted in iterations 1, 2 and 3");
    let hinted: Vec<_> = attempts(&bench, "partial", 1).into_iter().filter(|graded| graded.attempt.mode == Mode::Hinted).collect();
    assert!(!hinted.is_empty() && hinted.iter().all(|graded| graded.attempt.completion.starts_with("seven times ")));
}

#[test]
fn b_star_writes_down_what_it_chose_by() {
    let bench = run("b_star", &["methods.b_star.confidences=[0.0, 0.5]"]);
    for metrics in &bench.open("toy").metrics("b_star").unwrap()[1..] {
        let balance = metrics.balance.as_ref().unwrap();
        assert_eq!(balance.tried.len(), 8, "four temperatures, two confidences");
        let best = balance.tried.iter().map(|tried| tried.score).fold(0.0, f64::max);
        assert_eq!(balance.tried[balance.chosen].score.to_bits(), best.to_bits());
        // Ten problems, two samples, at the three temperatures that were not chosen.
        assert_eq!(balance.probes.attempts, 60);
        assert_eq!(metrics.unhinted.attempts, 160);
    }
    assert!(run("star", &[]).open("toy").metrics("star").unwrap().iter().all(|metrics| metrics.balance.is_none()));
}

#[test]
fn several_samples_of_each_problem_are_measured() {
    let bench = Bench::new();
    let params = SamplingParams { temperature: 1.0, stop: bench.task.stop_strings(), ..SamplingParams::greedy(9) };
    let asked = Sampled {
        evaluation: EvaluationConfig { split: Split::Test, ..EvaluationConfig::default() },
        few_shot: 1,
        samples: 4,
        params,
        seed: 1,
    };
    let (base, mut policy, mut watcher) = (bench.place.path().join("base"), ToyPolicy::default(), Watcher::default());
    let (figures, sampled) = measure(&bench.task, &asked, &mut policy, &base, &mut watcher).unwrap();
    assert_eq!(figures.at.iter().map(|at| at.k).collect::<Vec<_>>(), [1, 2, 4]);
    // It solves the ten problems of level 0 with any seed, half of the ten of level 1 by luck, and none beyond.
    let solved = |level: usize| &sampled[10 * level..][..10];
    assert!(solved(0).iter().all(|problem| problem.majority_is_right && problem.verdicts.iter().all(Verdict::is_correct)));
    assert!([2, 3].iter().all(|&level| solved(level).iter().flat_map(|problem| &problem.verdicts).all(|verdict| !verdict.is_correct())));
    let [one, two, four] = figures.at[..] else { panic!("{figures:?}") };
    let firsts = solved(1).iter().filter(|problem| problem.verdicts[0].is_correct()).count() as u64;
    assert_eq!((one.majority.correct, one.majority.total), (10 + firsts, 40));
    let lucky: usize = solved(1).iter().flat_map(|problem| &problem.verdicts).filter(|verdict| verdict.is_correct()).count();
    assert!((one.pass - (10.0 + lucky as f64 / 4.0) / 40.0).abs() < 1e-12, "the share of all samples: {one:?}");
    assert!(one.pass < two.pass && two.pass < four.pass && four.pass <= 0.5, "{figures:?}");
    let ever = solved(1).iter().filter(|problem| problem.verdicts.iter().any(Verdict::is_correct)).count();
    assert!((four.pass - (10 + ever) as f64 / 40.0).abs() < 1e-12);
    assert_eq!((sampled.len(), sampled[0].completions.len(), figures.tokens), (40, 4, 800));
    assert!(policy.prompts.borrow().iter().all(|prompt| prompt.starts_with("Q: 1\nA:seven times 1, so 7\n\nQ: ")));
}
