//! Signs that a method learns something else than to reason, or little: plain rules over its figures.
//!
//! Every rule is silent where too little was counted. Thresholds are judgements, not statistics, and stand beside their reason.

use super::MethodReport;
use super::table::percent;
use crate::metrics::{AttemptCounts, IterationMetrics};
use serde::Serialize;

/// A sign of trouble in one method of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The run's name.
    pub run: String,
    /// The method's name in the config.
    pub method: String,
    /// What it is a sign of.
    pub kind: FindingKind,
    /// The figures, and what to do.
    pub message: String,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The base model is no better than guessing.
    NearChance,
    /// Every attempt of an iteration is right: no failure is left to learn from.
    AllRight,
    /// No attempt of an iteration is right without the hint.
    AllWrong,
    /// Right rationales of a problem become alike.
    DiversityFalls,
    /// More and more of what is learned was written with the answer at hand.
    RationalizationGrows,
    /// Rationalizations tell that the answer was given.
    LeakedHints,
    /// Completions run into the limit of tokens.
    Truncated,
    /// Some problems are practised many times as often as others.
    EasyProblemsDominate,
    /// Right answers whose steps are not so.
    DoubtfulReasoning,
}

/// Fewer cases than this say nothing.
const FEW: u64 = 20;

/// The findings of one method. `chance` is the accuracy of guessing, in 0..=1.
pub(super) fn of(run: &str, method: &MethodReport, chance: f64) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |kind, message: Option<String>| {
        findings.extend(message.map(|message| Finding { run: run.to_owned(), method: method.name.clone(), kind, message }));
    };
    found(FindingKind::Truncated, truncated(method));
    if method.kind.bootstraps() {
        found(FindingKind::NearChance, near_chance(method, chance));
        found(FindingKind::AllRight, all_right(method));
        found(FindingKind::AllWrong, all_wrong(method));
        found(FindingKind::DiversityFalls, diversity_falls(method));
        found(FindingKind::RationalizationGrows, rationalization_grows(method));
        found(FindingKind::LeakedHints, leaked_hints(method));
        found(FindingKind::EasyProblemsDominate, easy_problems_dominate(method));
        found(FindingKind::DoubtfulReasoning, doubtful_reasoning(method));
    }
    findings
}

/// GPT-2 could not bootstrap even on arithmetic (paper, section 5).
fn near_chance(method: &MethodReport, chance: f64) -> Option<String> {
    let base = &method.iterations.first().filter(|first| first.metrics.iteration == 0)?.metrics.accuracy;
    let better = base.correct > 0 && (chance == 0.0 || base.low > chance);
    let guessing = if chance > 0.0 { format!(", and guessing gives {}%", percent(chance)) } else { String::new() };
    (base.total > 0 && !better).then(|| {
        format!(
            "the base model is right on {} of {} problems ({}%, 95% interval {} to {}){guessing}: there may be nothing to bootstrap from. \
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
    Some(format!("every attempt of {iterations} is right, so no failure is left to learn from; try harder problems"))
}

fn all_wrong(method: &MethodReport) -> Option<String> {
    let iterations = iterations_where(method, |metrics| metrics.unhinted.attempts > 0 && metrics.unhinted.correct == 0)?;
    Some(format!("no attempt of {iterations} is right without the hint, so whatever is learned comes from rationalization alone"))
}

/// Judged by what is asked last: a model that is cut off often has an accuracy of the limit, not of its reasoning.
fn truncated(method: &MethodReport) -> Option<String> {
    let last = |metrics: &&IterationMetrics| metrics.unhinted.attempts > 0;
    let metrics = method.iterations.iter().map(|iteration| &iteration.metrics).rfind(last)?;
    let AttemptCounts { attempts, truncated, .. } = metrics.unhinted;
    // One in twenty changes an accuracy by about as much as its interval on a thousand problems.
    (attempts >= FEW && truncated * 20 > attempts).then(|| {
        let share = percent(truncated as f64 / attempts as f64);
        format!("{share}% of the attempts of iteration {} ran into the limit of tokens; raise sampling.max_new_tokens", metrics.iteration)
    })
}

fn diversity_falls(method: &MethodReport) -> Option<String> {
    let measured = |iteration: &super::IterationReport| Some((iteration.metrics.iteration, iteration.digest?.distinct_per_problem?));
    let mut points = method.iterations.iter().filter_map(measured);
    let (first, last) = (points.next()?, points.next_back()?);
    // A fifth less is more than what the draw of the problems makes.
    (last.1 < 0.8 * first.1).then(|| {
        format!(
            "different right rationales for each solved problem fell from {:.2} in iteration {} to {:.2} in iteration {}; a higher \
             temperature or fewer steps keep more of them",
            first.1, first.0, last.1, last.0
        )
    })
}

/// In the paper the share of rationalizations falls as the model learns to do without.
fn rationalization_grows(method: &MethodReport) -> Option<String> {
    let share = |metrics: &IterationMetrics| {
        let kept = metrics.selection.kept_unhinted + metrics.selection.kept_hinted;
        (kept >= FEW).then(|| (metrics.iteration, metrics.selection.kept_hinted as f64 / kept as f64))
    };
    let mut shares = method.iterations.iter().filter_map(|iteration| share(&iteration.metrics));
    let (first, last) = (shares.next()?, shares.next_back()?);
    (last.1 > first.1 + 0.05).then(|| {
        format!(
            "{}% of what iteration {} learns from is rationalized, after {}% in iteration {}: the model leans on the hint more, not less",
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
    // Recognition is by phrases: where one in twenty is caught, others are likely to have slipped through.
    (right >= FEW && leaked * 20 > right).then(|| {
        format!(
            "{leaked} of {right} right rationalizations tell that the answer was given. They were dropped, but others may speak of it in \
             words that are not recognised; read some of those that were kept"
        )
    })
}

/// After some iterations easy problems are trained on 10 to 13 times and hard ones once or twice (Koh et al. 2025).
fn easy_problems_dominate(method: &MethodReport) -> Option<String> {
    let practice = method.practice.as_ref()?;
    let [most, least] = practice.quarters().filter(|_| practice.learned() >= FEW)?;
    (most >= 4.0 * least).then(|| {
        format!(
            "the most practised quarter of the problems is in {most:.1} examples each, the least practised in {least:.1}: easy problems \
             dominate; methods.{}.max_per_problem limits them",
            method.name
        )
    })
}

fn doubtful_reasoning(method: &MethodReport) -> Option<String> {
    let digests = || method.iterations.iter().filter_map(|iteration| iteration.digest);
    let (doubtful, checked) = (digests().map(|digest| digest.doubtful).sum::<u64>(), digests().map(|digest| digest.checked).sum::<u64>());
    (doubtful >= FEW / 4 && doubtful * 20 > checked).then(|| {
        format!(
            "{doubtful} of {checked} rationales that are learned from reach the right answer by steps that are not so (false annotations, \
             or scratchpads whose lines do not follow)"
        )
    })
}

/// `iteration 2`, `iterations 2, 3 and 4`; `None` where it holds of none.
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
