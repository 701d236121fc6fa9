//! True steps: are the calculations of the rationales true?

use super::{AuditResult, Auditor};
use crate::error::Result;
use crate::metrics::audits::{StepCounts, TrueSteps};
use crate::metrics::{Accuracy, IterationMetrics};
use crate::types::GradedAttempt;

pub(super) fn measure(auditor: &mut Auditor<'_>, last: &IterationMetrics) -> AuditResult<TrueSteps> {
    if !auditor.parts.task.checks_steps() {
        return Ok(Err("the task cannot check the steps of a rationale".to_owned()));
    }
    let mut learned = Vec::new();
    for metrics in auditor.measured.iter().filter(|metrics| metrics.iteration > 0) {
        learned.extend(learned_in(auditor, metrics.iteration)?);
    }
    let place = auditor.parts.run_dir.iteration(auditor.audited.name, last.iteration);
    let measured = place.evaluation()?.unwrap_or_default();
    Ok(Ok(TrueSteps { learned: count(auditor, &learned), measured: count(auditor, &measured) }))
}

/// The attempts of an iteration that it learned.
pub(super) fn learned_in(auditor: &Auditor<'_>, iteration: u32) -> Result<Vec<GradedAttempt>> {
    let place = auditor.parts.run_dir.iteration(auditor.audited.name, iteration);
    let (attempts, outcomes) = (place.attempts()?.unwrap_or_default(), place.outcomes()?.unwrap_or_default());
    let own = outcomes.iter().filter(|record| record.iteration == iteration);
    Ok(attempts.into_iter().zip(own).filter(|(_, record)| record.outcome.is_learned()).map(|(attempt, _)| attempt).collect())
}

fn count(auditor: &Auditor<'_>, rationales: &[GradedAttempt]) -> StepCounts {
    let of = |holds: &dyn Fn(&GradedAttempt) -> bool| rationales.iter().filter(|graded| holds(graded)).count() as u64;
    let without = of(&|graded| graded.false_step.is_none());
    let right_with_steps = of(&|graded| graded.verdict.is_correct() && graded.false_step.is_some());
    let right_with_false_step = of(&|graded| graded.verdict.is_correct() && graded.false_step == Some(true));
    let calculations: Vec<bool> =
        rationales.iter().flat_map(|graded| auditor.parts.task.calculations(&graded.attempt.completion)).collect();
    let true_ones = calculations.iter().filter(|is_true| **is_true).count() as u64;
    StepCounts {
        without_calculation: Accuracy::new(without, rationales.len() as u64),
        right_with_false_step: Accuracy::new(right_with_false_step, right_with_steps),
        true_calculations: Accuracy::new(true_ones, calculations.len() as u64),
    }
}
