//! Signs that a method learns little, or something else than to reason: plain rules over its figures.
//!
//! A rule is silent if too little was counted. The thresholds are judgements and not statistics. Each has its reason beside it.

mod audited;

use super::MethodReport;
use serde::Serialize;
use starloop_record::format::percent;
use starloop_record::metrics::{AttemptCounts, IterationMetrics};

/// A sign of trouble in one method of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The run's name.
    pub run: String,
    /// The method's name in the config.
    pub method: String,
    /// The kind of the finding.
    pub kind: FindingKind,
    /// The figures, and advice.
    pub message: String,
}

/// The kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The user's verifier program failed on completions.
    VerifierFailed,
    /// The base model is no better than guessing.
    NearChance,
    /// Every attempt of an iteration is right: no failure is left to learn from.
    AllRight,
    /// No attempt of an iteration is right without the hint.
    AllWrong,
    /// The right rationales of a problem become more similar.
    DiversityFalls,
    /// The share of rationalizations among the examples grows.
    RationalizationGrows,
    /// Rationalizations mention the hint.
    LeakedHints,
    /// The token limit cuts off many completions.
    Truncated,
    /// Some problems have many times as many examples as others.
    EasyProblemsDominate,
    /// Learned rationales have the right answer and wrong steps.
    FalseSteps,
    /// Rationalizations are much more likely with the hint than without. From an audit.
    HintReliance,
    /// A wrong hint is reached almost as often as the right one. From an audit.
    AnyHint,
    /// The answer is fixed before the rationale begins. From an audit.
    UnusedRationale,
    /// The base with many samples solves more problems than the trained model. From an audit.
    Sharpened,
}

/// The fewest cases for a finding.
const FEW: u64 = 20;

/// The findings of one method. `chance` is the accuracy of guessing, in 0..=1.
pub(super) fn of(run: &str, method: &MethodReport, chance: f64) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |kind, message: Option<String>| {
        findings.extend(message.map(|message| Finding { run: run.to_owned(), method: method.info.name.clone(), kind, message }));
    };
    found(FindingKind::VerifierFailed, verifier_failed(method));
    found(FindingKind::Truncated, truncated(method));
    if method.info.approach.bootstraps() {
        found(FindingKind::NearChance, near_chance(method, chance));
        found(FindingKind::AllRight, all_right(method));
        found(FindingKind::AllWrong, all_wrong(method));
        found(FindingKind::DiversityFalls, diversity_falls(method));
        found(FindingKind::RationalizationGrows, rationalization_grows(method));
        found(FindingKind::LeakedHints, leaked_hints(method));
        found(FindingKind::EasyProblemsDominate, easy_problems_dominate(method));
        found(FindingKind::FalseSteps, false_steps(method));
        found(FindingKind::HintReliance, audited::hint_reliance(&method.audits));
        found(FindingKind::AnyHint, audited::any_hint(&method.audits));
        found(FindingKind::UnusedRationale, audited::unused_rationale(&method.audits));
        found(FindingKind::Sharpened, audited::sharpened(&method.audits));
    }
    findings
}

/// A completion without a verdict counts as not right, whatever the model wrote.
fn verifier_failed(method: &MethodReport) -> Option<String> {
    let failed = method.failed_verdicts();
    (failed > 0).then(|| {
        format!(
            "the verifier program failed on {failed} of {} completions, which count as not right: the accuracy is too low, and right \
             rationales are missing from the training data. Read the reasons, which are recorded as the verdict \"failed\", correct the \
             program (task.command), and begin the run again",
            method.verdicts()
        )
    })
}

/// GPT-2 could not bootstrap even on arithmetic (paper, section 5).
fn near_chance(method: &MethodReport, chance: f64) -> Option<String> {
    let metrics = &method.iterations.first()?.metrics;
    if metrics.iteration != 0 || metrics.accuracy_is_of_the_verifier() {
        return None;
    }
    let base = &metrics.accuracy;
    let better = base.correct > 0 && (chance == 0.0 || base.low > chance);
    let guessing = if chance > 0.0 { format!(", and guessing gives {}%", percent(chance)) } else { String::new() };
    (base.total > 0 && !better).then(|| {
        format!(
            "the base model is right on {} of {} problems ({}%, 95% interval {} to {}){guessing}: STaR may have nothing to learn from. \
             Try a stronger base, more worked examples or easier problems",
            base.correct,
            base.total,
            percent(base.mean),
            percent(base.low),
            percent(base.high)
        )
    })
}

fn all_right(method: &MethodReport) -> Option<String> {
    let iterations =
        iterations_where(method, |metrics| metrics.unhinted.attempts > 0 && metrics.unhinted.correct == metrics.unhinted.attempts)?;
    Some(format!("every attempt of {iterations} is right, so there is no failure to learn from; try harder problems"))
}

fn all_wrong(method: &MethodReport) -> Option<String> {
    let iterations = iterations_where(method, |metrics| {
        let AttemptCounts { attempts, correct, failed, .. } = metrics.unhinted;
        attempts > failed && correct == 0
    })?;
    Some(format!("no attempt of {iterations} is right without hint, so everything that is learned comes from rationalization"))
}

/// The last iteration with attempts counts. If many completions are cut off, the accuracy measures the limit and not the reasoning.
fn truncated(method: &MethodReport) -> Option<String> {
    let last = |metrics: &&IterationMetrics| metrics.unhinted.attempts > 0;
    let metrics = method.iterations.iter().map(|iteration| &iteration.metrics).rfind(last)?;
    let AttemptCounts { attempts, truncated, .. } = metrics.unhinted;
    // One in twenty changes an accuracy by about as much as its interval on a thousand problems.
    (attempts >= FEW && truncated * 20 > attempts).then(|| {
        let share = percent(truncated as f64 / attempts as f64);
        format!("the token limit cut off {share}% of the attempts of iteration {}; raise sampling.max_new_tokens", metrics.iteration)
    })
}

fn diversity_falls(method: &MethodReport) -> Option<String> {
    let measured = |iteration: &super::IterationReport| Some((iteration.metrics.iteration, iteration.attempts.as_ref()?.distinct_paths?));
    let mut points = method.iterations.iter().filter_map(measured);
    let (first, last) = (points.next()?, points.next_back()?);
    // The random choice of problems alone changes the mean by less than a fifth.
    (last.1 < 0.8 * first.1).then(|| {
        format!(
            "the number of different right reasoning paths for each solved problem fell from {:.2} in iteration {} to {:.2} in iteration {}; \
             try a higher temperature or fewer training steps",
            first.1, first.0, last.1, last.0
        )
    })
}

/// In the paper the share of rationalizations falls, because the model learns to solve problems without hint.
fn rationalization_grows(method: &MethodReport) -> Option<String> {
    let share = |metrics: &IterationMetrics| {
        let kept = metrics.selection.kept_unhinted + metrics.selection.kept_hinted;
        (kept >= FEW).then(|| (metrics.iteration, metrics.selection.kept_hinted as f64 / kept as f64))
    };
    let mut shares = method.iterations.iter().filter_map(|iteration| share(&iteration.metrics));
    let (first, last) = (shares.next()?, shares.next_back()?);
    (last.1 > first.1 + 0.05).then(|| {
        format!(
            "{}% of the examples of iteration {} are rationalizations, after {}% in iteration {}: the model needs the hint more often",
            percent(last.1),
            last.0,
            percent(first.1),
            first.0
        )
    })
}

fn leaked_hints(method: &MethodReport) -> Option<String> {
    let leaked = method.total(|metrics| metrics.selection.dropped_leaked_hint);
    let right = method.total(|metrics| metrics.hinted.correct);
    // The check looks for phrases. If it finds one in twenty, it has probably missed others.
    (right >= FEW && leaked * 20 > right).then(|| {
        format!(
            "{leaked} of {right} right rationalizations mention the hint. They were dropped, but others may mention it in words that the \
             check does not know; read some of the learned ones"
        )
    })
}

/// After some iterations easy problems are trained on 10 to 13 times and hard ones once or twice (Koh et al. 2025).
fn easy_problems_dominate(method: &MethodReport) -> Option<String> {
    let practice = method.practice.as_ref()?;
    let [most, least] = practice.quarters().filter(|_| practice.learned() >= FEW)?;
    (most >= 4.0 * least).then(|| {
        format!(
            "the quarter of the problems with the most examples has {most:.1} examples each, and the quarter with the fewest {least:.1}: easy \
             problems dominate; set methods.{}.max_per_problem to limit them",
            method.info.name
        )
    })
}

fn false_steps(method: &MethodReport) -> Option<String> {
    let figures = || method.iterations.iter().filter_map(|iteration| iteration.attempts.as_ref());
    let (wrong, checked) = (figures().map(|of| of.false_steps).sum::<u64>(), figures().map(|of| of.checked).sum::<u64>());
    (wrong >= FEW / 4 && wrong * 20 > checked)
        .then(|| format!("{wrong} of {checked} learned rationales have the right answer and wrong steps; read some of them"))
}

/// `iteration 2`, or `iterations 2, 3 and 4`; `None` if the condition holds for no iteration.
fn iterations_where(method: &MethodReport, holds: impl Fn(&IterationMetrics) -> bool) -> Option<String> {
    let metrics = method.iterations.iter().map(|iteration| &iteration.metrics);
    let numbers: Vec<String> = metrics.filter(|metrics| holds(metrics)).map(|metrics| metrics.iteration.to_string()).collect();
    match numbers.as_slice() {
        [] => None,
        [one] => Some(format!("iteration {one}")),
        [most @ .., last] => Some(format!("iterations {} and {last}", most.join(", "))),
    }
}

#[cfg(test)]
mod tests;
