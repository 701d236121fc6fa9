//! Hint reliance: how much more likely is a learned rationalization with its hint than without? Wrong hints: does a rationale reach any answer that
//! its hint names?

use super::steps::learned_in;
use super::{AuditResult, Auditor};
use crate::metrics::audits::{Bin, HintReliance, Reliance, WrongHint};
use crate::metrics::{Accuracy, IterationMetrics, MeanOf};
use crate::policy::{CompletionRequest, PromptRequest};
use crate::task::prompt;
use crate::types::{GradedAttempt, Mode, Problem, ProblemId, Style};
use starloop_record::digest::sha256_hex;
use starloop_record::run_dir::AuditFile;
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

/// Rationalizations to read at each end.
const EXTREMES: usize = 3;

/// A hinted attempt that can be asked again.
struct Hinted {
    /// The iteration that made the attempt.
    iteration: u32,
    /// The iteration whose model wrote it; 0 for the base.
    writer: u32,
    problem: Problem,
    attempt: GradedAttempt,
    /// Worked examples in its prompt.
    few_shot: usize,
}

pub(super) fn reliance(auditor: &mut Auditor<'_>, _: &IterationMetrics) -> AuditResult<HintReliance> {
    let mut learned = Vec::new();
    for iteration in 1..=auditor.measured.last().map_or(0, |metrics| metrics.iteration) {
        let hinted = learned_in(auditor, iteration)?.into_iter().filter(|graded| graded.attempt.mode == Mode::Hinted);
        learned.extend(hinted.map(|graded| (iteration, graded)));
    }
    if learned.is_empty() {
        return Ok(Err("the method learned no rationalization".to_owned()));
    }
    let (found, left_out) = askable(auditor, learned);
    let found = auditor.some(found, |hinted| format!("{} {}", hinted.iteration, hinted.attempt.attempt.problem));
    if found.is_empty() {
        return Ok(Err(format!("none of the {left_out} rationalizations has its model and its prompt any more; see keep_checkpoints")));
    }
    let mut values = Vec::with_capacity(found.len());
    for (writer, group) in by_writer(&found) {
        auditor.load(writer)?;
        let request = |hinted: &Hinted, mode| CompletionRequest {
            prompt: prompt::assemble(auditor.parts.task, &hinted.problem, mode, Style::Rationale, hinted.few_shot),
            completion: hinted.attempt.attempt.completion.clone(),
            ended: !hinted.attempt.attempt.is_cut(),
        };
        let requests: Vec<_> = group.iter().flat_map(|hinted| [request(hinted, Mode::Hinted), request(hinted, Mode::Unhinted)]).collect();
        let scores = auditor.parts.policy.score_completions(&requests, &mut |_| ControlFlow::Continue(()))?;
        for (hinted, pair) in group.into_iter().zip(scores.chunks_exact(2)) {
            let attempt = &hinted.attempt.attempt;
            values.push(Reliance {
                problem: attempt.problem.clone(),
                iteration: hinted.iteration,
                nats_per_token: (pair[0] - pair[1]) / attempt.completion_tokens.max(1) as f64,
                completion: attempt.completion.clone(),
            });
        }
    }
    values.sort_by(|a, b| a.nats_per_token.total_cmp(&b.nats_per_token));
    Ok(Ok(summary(values, left_out as u64)))
}

/// Mean, histogram and extremes of sorted values.
fn summary(values: Vec<Reliance>, left_out: u64) -> HintReliance {
    let numbers: Vec<f64> = values.iter().map(|value| value.nats_per_token).collect();
    let place = |value: f64| (value / HintReliance::WIDTH).floor() as i64;
    let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
    for value in &numbers {
        *counts.entry(place(*value)).or_default() += 1;
    }
    let histogram = counts.into_iter().map(|(place, count)| Bin { from: place as f64 * HintReliance::WIDTH, count }).collect();
    let last = values.len().saturating_sub(EXTREMES).max(EXTREMES);
    let extremes = values.into_iter().enumerate().filter(|(place, _)| *place < EXTREMES || *place >= last).map(|(_, value)| value);
    HintReliance { scored: numbers.len() as u64, left_out, mean: MeanOf::new(&numbers), histogram, extremes: extremes.collect() }
}

pub(super) fn wrong(auditor: &mut Auditor<'_>, _: &IterationMetrics) -> AuditResult<WrongHint> {
    let mut hinted = Vec::new();
    for iteration in 1..=auditor.measured.last().map_or(0, |metrics| metrics.iteration) {
        let attempts = auditor.parts.run_dir.iteration(auditor.audited.name, iteration).attempts()?.unwrap_or_default();
        let first = |graded: &GradedAttempt| graded.attempt.mode == Mode::Hinted && graded.attempt.sample == 0;
        hinted.extend(attempts.into_iter().filter(first).map(|graded| (iteration, graded)));
    }
    if hinted.is_empty() {
        return Ok(Err("the method made no hinted attempt".to_owned()));
    }
    let (found, _) = askable(auditor, hinted);
    let task = auditor.parts.task;
    let with_wrong = found.into_iter().filter_map(|hinted| task.with_wrong_answer(&hinted.problem).map(|wrong| (wrong, hinted))).collect();
    let found = auditor.some(with_wrong, |(_, hinted)| format!("{} {}", hinted.iteration, hinted.attempt.attempt.problem));
    if found.is_empty() {
        return Ok(Err("the task cannot pose a wrong hint, or no model of a hinted attempt is there any more".to_owned()));
    }
    let total = found.len() as u64;
    let right = found.iter().filter(|(_, hinted)| hinted.attempt.verdict.is_correct()).count() as u64;
    let mut groups: BTreeMap<u32, Vec<(Problem, PromptRequest)>> = BTreeMap::new();
    for (wrong, hinted) in found {
        let prompt = prompt::assemble(task, &wrong, Mode::Hinted, Style::Rationale, hinted.few_shot);
        groups.entry(hinted.writer).or_default().push((wrong, PromptRequest { prompt, seeds: vec![hinted.attempt.attempt.seed] }));
    }
    let params = auditor.params(auditor.audited.settings.sampling.temperature, usize::MAX);
    let mut reached = 0;
    for (writer, group) in groups {
        let (problems, requests): (Vec<Problem>, Vec<PromptRequest>) = group.into_iter().unzip();
        let completions = auditor.complete(AuditFile::WrongHint, writer, &requests, &params)?;
        for (problem, completion) in problems.iter().zip(completions) {
            let verdict = task.verify(problem, &completion.text, &completion.stop_reason)?.verdict;
            reached += u64::from(verdict.is_correct());
        }
    }
    Ok(Ok(WrongHint { right_hint: Accuracy::new(right, total), wrong_hint: Accuracy::new(reached, total) }))
}

/// The attempts whose model and prompt are still there, and the number of the others.
fn askable(auditor: &Auditor<'_>, attempts: Vec<(u32, GradedAttempt)>) -> (Vec<Hinted>, usize) {
    let problems: HashMap<ProblemId, Problem> = auditor.problems();
    let all = attempts.len();
    let sampling = &auditor.audited.settings.sampling;
    let found = attempts.into_iter().filter_map(|(iteration, attempt)| {
        let problem = problems.get(&attempt.attempt.problem)?.clone();
        let writer = auditor.measured.iter().find(|metrics| metrics.checkpoint == attempt.attempt.checkpoint)?.iteration;
        auditor.directory(writer)?;
        // The number of worked examples whose prompt is the recorded one.
        let is_recorded = |few_shot: &usize| {
            let prompt = prompt::assemble(auditor.parts.task, &problem, Mode::Hinted, Style::Rationale, *few_shot);
            sha256_hex(&prompt) == attempt.attempt.prompt_sha256
        };
        let few_shot = [sampling.few_shot_in(iteration), sampling.few_shot, 0].into_iter().find(is_recorded)?;
        Some(Hinted { iteration, writer, problem, attempt, few_shot })
    });
    let found: Vec<Hinted> = found.collect();
    let left_out = all - found.len();
    (found, left_out)
}

fn by_writer(found: &[Hinted]) -> BTreeMap<u32, Vec<&Hinted>> {
    let mut groups: BTreeMap<u32, Vec<&Hinted>> = BTreeMap::new();
    for hinted in found {
        groups.entry(hinted.writer).or_default().push(hinted);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_summed_up_with_the_extremes_at_both_ends() {
        let value = |n: i32| Reliance {
            problem: ProblemId(n.to_string()),
            iteration: 1,
            nats_per_token: 0.05 + f64::from(n) / 10.0,
            completion: String::new(),
        };
        let found = summary((-1..7).map(value).collect(), 2);
        assert_eq!((found.scored, found.left_out, found.histogram.len()), (8, 2, 8));
        assert!((found.histogram[0].from + 0.1).abs() < 1e-9 && (found.mean.mean - 0.3).abs() < 1e-9, "{found:?}");
        let ids: Vec<&str> = found.extremes.iter().map(|value| value.problem.0.as_str()).collect();
        assert_eq!(ids, ["-1", "0", "1", "4", "5", "6"]);
        assert_eq!(summary((0..4).map(value).collect(), 0).extremes.len(), 4, "none stands twice");
    }
}
