#![allow(clippy::unwrap_used)]

use super::*;
use crate::report::{AttemptFigures, IterationReport, Practice};
use crate::sample_run::{method_info, metrics as bare_metrics};
use starloop_record::Approach;
use starloop_record::metrics::audits::{
    Audit, AuditPlan, Audits, EarlyAnswer, EarlyAnswers, HintReliance, PassAt, SampleFigures, Sharpening, WrongHint,
};
use starloop_record::metrics::{Accuracy, MeanOf, SelectionCounts};
use std::collections::BTreeMap;

/// The base with 40 of 100 problems right, and two iterations of 200 attempts each. No rule applies to it.
fn healthy() -> MethodReport {
    let iteration = |iteration: u32| {
        let unhinted = AttemptCounts { attempts: 200, correct: 150, wrong: 50, ..AttemptCounts::default() };
        let hinted = AttemptCounts { attempts: 50, correct: 40, wrong: 10, ..AttemptCounts::default() };
        let selection = SelectionCounts { kept_unhinted: 150, kept_hinted: 40, ..SelectionCounts::default() };
        let base = IterationMetrics { accuracy: Accuracy::new(40, 100), ..bare_metrics(iteration, &[]) };
        let attempts = AttemptFigures { distinct_paths: Some(2.0), checked: 190, false_steps: 1, ..AttemptFigures::default() };
        if iteration == 0 {
            return IterationReport { metrics: base, seconds: None, stages: Vec::new(), attempts: None };
        }
        let metrics = IterationMetrics { problems: 200, unhinted, hinted, selection, ..base };
        IterationReport { metrics, seconds: None, stages: Vec::new(), attempts: Some(attempts) }
    };
    let practice = Practice { attempted: 400, problems_by_examples: BTreeMap::from([(1, 200), (2, 90)]) };
    MethodReport {
        info: method_info("star", Approach::StarRationalized),
        iterations: (0..3).map(iteration).collect(),
        final_metrics: None,
        audits: Audits::default(),
        practice: Some(practice),
        from_base: None,
        from_main: None,
    }
}

/// The findings after a change to the healthy method.
fn found(change: impl FnOnce(&mut MethodReport)) -> Vec<(FindingKind, String)> {
    let mut method = healthy();
    change(&mut method);
    of("run", &method, 0.2).into_iter().map(|finding| (finding.kind, finding.message)).collect()
}

/// A change to an iteration's metrics.
fn metrics(iteration: usize, change: impl FnOnce(&mut IterationMetrics)) -> Vec<(FindingKind, String)> {
    found(|method| change(&mut method.iterations[iteration].metrics))
}

fn attempts(iteration: usize, change: impl FnOnce(&mut AttemptFigures)) -> Vec<(FindingKind, String)> {
    found(|method| change(method.iterations[iteration].attempts.as_mut().unwrap()))
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
        (VerifierFailed, metrics(1, |m| m.unhinted.failed = 3), "failed on 3 of 800 completions"),
        (
            VerifierFailed,
            metrics(0, |m| (m.accuracy, m.evaluation_failed) = (Accuracy::new(0, 100), 100)),
            "failed on 100 of 800 completions",
        ),
        (VerifierFailed, metrics(1, |m| (m.unhinted.correct, m.unhinted.failed) = (0, 200)), "failed on 200 of 800"),
        (NearChance, metrics(0, |m| m.accuracy = Accuracy::new(24, 100)), "24 of 100 problems (24.0%"),
        (NearChance, metrics(0, |m| m.accuracy = Accuracy::new(0, 100)), "guessing gives 20.0%"),
        (AllRight, metrics(2, |m| (m.unhinted.correct, m.unhinted.wrong) = (200, 0)), "every attempt of iteration 2 is right"),
        (AllWrong, metrics(1, |m| m.unhinted.correct = 0), "no attempt of iteration 1"),
        (Truncated, metrics(2, |m| m.unhinted.truncated = 11), "cut off 5.5% of the attempts of iteration 2"),
        (DiversityFalls, attempts(2, |a| a.distinct_paths = Some(1.5)), "from 2.00 in iteration 1 to 1.50 in iteration 2"),
        (RationalizationGrows, metrics(2, |m| m.selection.kept_hinted = 100), "40.0% of the examples of iteration 2"),
        (LeakedHints, metrics(2, |m| m.selection.dropped_leaked_hint = 5), "5 of 80 right rationalizations"),
        (FalseSteps, attempts(1, |a| a.false_steps = 30), "31 of 380 learned rationales"),
        (
            EasyProblemsDominate,
            found(|m| m.practice.as_mut().unwrap().problems_by_examples = BTreeMap::from([(1, 100), (9, 40)])),
            "has 9.0 examples each, and the quarter with the fewest 1.0",
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
    assert_eq!(attempts(1, |a| (a.checked, a.false_steps) = (5, 5)), [], "6 of 195, which is below one in twenty");
    assert_eq!(found(|m| m.practice.as_mut().unwrap().problems_by_examples = BTreeMap::from([(1, 6), (9, 6)])), []);
}

#[test]
fn a_baseline_is_not_judged_as_one_that_bootstraps() {
    let found = found(|method| {
        method.info.approach = Approach::FewShot;
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

/// An audit of 100 problems.
fn audited<T>(found: T) -> Audit<T> {
    let plan = AuditPlan { problems: 100, samples: 16, temperature: 0.7, seed: 1 };
    Audit { plan, iteration: 2, checkpoint: String::new(), found }
}

#[test]
fn audits_speak_if_they_are_there_and_bad() {
    let mean = |mean| MeanOf { mean, standard_error: 0.02 };
    let reliance = |value| {
        let found = HintReliance { scored: 100, left_out: 0, mean: mean(value), histogram: Vec::new(), extremes: Vec::new() };
        Audits { hint_reliance: Some(audited(found)), ..Audits::default() }
    };
    let wrong = |reached| {
        let found = WrongHint { right_hint: Accuracy::new(60, 100), wrong_hint: Accuracy::new(reached, 100) };
        Audits { wrong_hint: Some(audited(found)), ..Audits::default() }
    };
    let early = |same| {
        let point = EarlyAnswer { share: 0.0, accuracy: Accuracy::new(10, 100), same: Accuracy::new(same, 100) };
        Audits { early_answers: Some(audited(EarlyAnswers { points: vec![point], area_over_curve: 0.5 })), ..Audits::default() }
    };
    let sharpening = |base, trained| {
        let figures = |pass| {
            let at = vec![PassAt { k: 16, pass: mean(pass), true_pass: None }];
            SampleFigures { at, answer_entropy: mean(1.0), distinct_paths: mean(4.0) }
        };
        Audits { sharpening: Some(audited(Sharpening { base: figures(base), trained: figures(trained) })), ..Audits::default() }
    };
    for (kind, bad, good, said) in [
        (FindingKind::HintReliance, reliance(0.6), reliance(0.53), "1.8 times as likely"),
        (FindingKind::AnyHint, wrong(45), wrong(35), "a wrong hint in 45.0% of 100 problems"),
        (FindingKind::UnusedRationale, early(65), early(55), "65.0% of 100 forced answers"),
        (FindingKind::Sharpened, sharpening(0.5, 0.4), sharpening(0.5, 0.46), "one of 16 samples"),
    ] {
        let messages = found(|method| method.audits = bad.clone());
        assert!(matches!(messages.as_slice(), [(found, message)] if *found == kind && message.contains(said)), "{messages:?}");
        assert_eq!(found(|method| method.audits = good.clone()), [], "{kind:?}");
    }
}
