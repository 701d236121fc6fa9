//! Graded attempts into figures.

use crate::metrics::{Accuracy, AttemptCounts, ClassAccuracy};
use crate::types::{GradedAttempt, Mode, Verdict};

/// Accuracy over all attempts, each counted once, with its Wilson interval.
pub fn accuracy(attempts: &[GradedAttempt]) -> Accuracy {
    let correct = attempts.iter().filter(|graded| graded.verdict.is_correct()).count();
    Accuracy::new(correct as u64, attempts.len() as u64)
}

/// Accuracy in each of `classes`, in their order. A class without attempts has the widest interval.
pub fn accuracy_by_class(classes: &[String], attempts: &[GradedAttempt]) -> Vec<ClassAccuracy> {
    classes
        .iter()
        .map(|class| {
            let of_class = || attempts.iter().filter(|graded| graded.attempt.class == *class);
            let correct = of_class().filter(|graded| graded.verdict.is_correct()).count();
            ClassAccuracy { class: class.clone(), accuracy: Accuracy::new(correct as u64, of_class().count() as u64) }
        })
        .collect()
}

/// How the attempts of one mode ended.
pub fn count(attempts: &[GradedAttempt], mode: Mode) -> AttemptCounts {
    let mut counts = AttemptCounts::default();
    for graded in attempts.iter().filter(|graded| graded.attempt.mode == mode) {
        counts.attempts += 1;
        counts.tokens += graded.attempt.completion_tokens as u64;
        match graded.verdict {
            Verdict::Correct => counts.correct += 1,
            Verdict::Wrong { .. } => counts.wrong += 1,
            Verdict::Unparsed => counts.unparsed += 1,
            Verdict::Truncated => counts.truncated += 1,
            Verdict::Failed { .. } => counts.failed += 1,
        }
        if let Some(faithful) = graded.faithful {
            let share = counts.faithful.get_or_insert(0);
            *share += u64::from(faithful && graded.verdict.is_correct());
        }
    }
    counts
}
