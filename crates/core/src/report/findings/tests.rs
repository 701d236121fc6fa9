#![allow(clippy::unwrap_used)]

use super::*;
use crate::method::Approach;
use crate::metrics::{Accuracy, SelectionCounts};
use crate::report::{Digest, IterationReport, Practice};
use crate::task::Split;
use std::collections::BTreeMap;

/// The base, right on 40 of 100 problems, and two iterations with 200 attempts each of which nothing is to be said.
fn healthy() -> MethodReport {
    let iteration = |iteration: u32| {
        let unhinted = AttemptCounts { attempts: 200, correct: 150, wrong: 50, ..AttemptCounts::default() };
        let hinted = AttemptCounts { attempts: 50, correct: 40, wrong: 10, ..AttemptCounts::default() };
        let selection = SelectionCounts { kept_unhinted: 150, kept_hinted: 40, ..SelectionCounts::default() };
        let attempted = iteration > 0;
        let metrics = IterationMetrics {
            iteration,
            checkpoint: String::new(),
            problems: 200,
            unhinted: if attempted { unhinted } else { AttemptCounts::default() },
            hinted: if attempted { hinted } else { AttemptCounts::default() },
            selection: if attempted { selection } else { SelectionCounts::default() },
            training: None,
            balance: None,
            split: Split::Dev,
            accuracy: Accuracy::new(40, 100),
            by_class: Vec::new(),
            evaluation_tokens: 0,
        };
        let digest = Digest { prompt_tokens: 0, distinct_per_problem: Some(2.0), checked: 190, doubtful: 1, reasons_agree: Some(true) };
        IterationReport { metrics, seconds: None, stages: Vec::new(), digest: attempted.then_some(digest) }
    };
    let practice = Practice { attempted: 400, problems_by_examples: BTreeMap::from([(1, 200), (2, 90)]) };
    MethodReport {
        name: "star".into(),
        kind: Approach::StarRationalized,
        iterations: (0..3).map(iteration).collect(),
        final_metrics: None,
        practice: Some(practice),
    }
}

/// What is found once something about the healthy method has changed.
fn found(change: impl FnOnce(&mut MethodReport)) -> Vec<(FindingKind, String)> {
    let mut method = healthy();
    change(&mut method);
    of("run", &method, 0.2).into_iter().map(|finding| (finding.kind, finding.message)).collect()
}

/// A change to an iteration's metrics.
fn metrics(iteration: usize, change: impl FnOnce(&mut IterationMetrics)) -> Vec<(FindingKind, String)> {
    found(|method| change(&mut method.iterations[iteration].metrics))
}

fn digest(iteration: usize, change: impl FnOnce(&mut Digest)) -> Vec<(FindingKind, String)> {
    found(|method| change(method.iterations[iteration].digest.as_mut().unwrap()))
}

#[test]
fn of_a_healthy_method_nothing_is_found() {
    assert_eq!(found(|_| {}), []);
    assert_eq!(found(|method| method.iterations.truncate(1)), [], "of a run that has only begun neither");
    assert_eq!(found(|method| method.iterations.clear()), []);
}

#[test]
fn every_sign_is_found_by_itself_with_its_figures() {
    use FindingKind::*;
    let cases = [
        (NearChance, metrics(0, |m| m.accuracy = Accuracy::new(24, 100)), "24 of 100 problems (24.0%"),
        (NearChance, metrics(0, |m| m.accuracy = Accuracy::new(0, 100)), "guessing gives 20.0%"),
        (AllRight, metrics(2, |m| (m.unhinted.correct, m.unhinted.wrong) = (200, 0)), "every attempt of iteration 2 is right"),
        (AllWrong, metrics(1, |m| m.unhinted.correct = 0), "no attempt of iteration 1"),
        (Truncated, metrics(2, |m| m.unhinted.truncated = 11), "5.5% of the attempts of iteration 2"),
        (DiversityFalls, digest(2, |d| d.distinct_per_problem = Some(1.5)), "from 2.00 in iteration 1 to 1.50 in iteration 2"),
        (RationalizationGrows, metrics(2, |m| m.selection.kept_hinted = 100), "40.0% of what iteration 2 learns from"),
        (LeakedHints, metrics(2, |m| m.selection.dropped_leaked_hint = 5), "5 of 80 right rationalizations"),
        (DoubtfulReasoning, digest(1, |d| d.doubtful = 30), "31 of 380 rationales"),
        (
            EasyProblemsDominate,
            found(|m| m.practice.as_mut().unwrap().problems_by_examples = BTreeMap::from([(1, 100), (9, 40)])),
            "in 9.0 examples each, the least practised in 1.0",
        ),
    ];
    for (kind, findings, figures) in cases {
        assert_eq!(findings.len(), 1, "{kind:?}: {findings:?}");
        assert!(findings[0].0 == kind && findings[0].1.contains(figures), "{kind:?}: {findings:?}");
    }
}

#[test]
fn little_evidence_says_nothing() {
    let few = |m: &mut IterationMetrics| m.unhinted = AttemptCounts { attempts: 10, correct: 5, truncated: 5, ..AttemptCounts::default() };
    assert_eq!(metrics(2, few), []);
    assert_eq!(digest(1, |d| (d.checked, d.doubtful) = (5, 5)), [], "6 of 195, which is below one in twenty");
    assert_eq!(found(|m| m.practice.as_mut().unwrap().problems_by_examples = BTreeMap::from([(1, 6), (9, 6)])), []);
}

#[test]
fn a_baseline_is_not_judged_as_one_that_bootstraps() {
    let found = found(|method| {
        method.kind = Approach::FewShot;
        method.iterations[0].metrics.accuracy = Accuracy::new(0, 100);
        method.iterations[1].metrics.unhinted.correct = 0;
    });
    assert_eq!(found, []);
}

#[test]
fn iterations_are_listed_as_one_says_them() {
    let right = |numbers: &[usize]| {
        let mut method = healthy();
        for &number in numbers {
            method.iterations[number].metrics.unhinted.correct = 200;
        }
        iterations_where(&method, |metrics| metrics.unhinted.correct == 200)
    };
    assert_eq!([right(&[]), right(&[1]), right(&[0, 1, 2])], [None, Some("iteration 1".into()), Some("iterations 0, 1 and 2".into())]);
}
