//! How good a model is: accuracy, and the figures that need several samples or likelihoods.

pub mod audit;
pub(crate) mod best_of;
pub mod likelihood;
pub mod self_consistency;

use crate::metrics::{Accuracy, AttemptCounts, ClassAccuracy};
use crate::types::{GradedAttempt, Mode, Verdict};
use std::collections::HashMap;

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
            Verdict::Contradiction { .. } => counts.contradiction += 1,
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

/// Tokens of the prompts of attempts that stand together problem by problem, each prompt counted once: the samples of a problem share it.
pub fn prompt_tokens(attempts: &[GradedAttempt]) -> u64 {
    let of_prompt = attempts.chunk_by(|a, b| a.attempt.prompt_sha256 == b.attempt.prompt_sha256);
    of_prompt.map(|attempts| attempts[0].attempt.prompt_tokens as u64).sum()
}

/// The unbiased estimate of the chance that one of `k` samples is right, where `right` of `samples` are (Chen et al. 2021): one less the
/// chance that `k` of them, drawn without putting back, are all wrong. `k` is at most `samples`.
pub fn pass_at_k(samples: u64, right: u64, k: u64) -> f64 {
    debug_assert!(k <= samples && right <= samples);
    let wrong = samples - right;
    // Factor by factor, for binomial coefficients would overflow.
    if k > wrong { 1.0 } else { 1.0 - (0..k).map(|drawn| (wrong - drawn) as f64 / (samples - drawn) as f64).product::<f64>() }
}

/// Returns true if the answer that most of the completions give is the right one (Wang et al. 2023). A completion without a readable answer has no
/// vote; of equally many, the answer that came first counts.
pub fn majority_is_right<'v>(verdicts: impl Iterator<Item = &'v Verdict>) -> bool {
    // `None` is the right answer, however it was written.
    let mut votes: HashMap<Option<&str>, (u64, usize)> = HashMap::new();
    for (place, verdict) in verdicts.enumerate() {
        let answer = match verdict {
            Verdict::Correct => None,
            Verdict::Wrong { predicted } => Some(predicted.trim()),
            Verdict::Contradiction { .. } | Verdict::Unparsed | Verdict::Truncated | Verdict::Failed { .. } => continue,
        };
        votes.entry(answer).or_insert((0, place)).0 += 1;
    }
    let most = votes.into_iter().max_by_key(|(_, (votes, first))| (*votes, std::cmp::Reverse(*first)));
    most.is_some_and(|(answer, _)| answer.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Binomial coefficients in whole numbers, the definition.
    fn choose(n: u64, k: u64) -> f64 {
        (0..k).fold(1_u128, |product, i| product * u128::from(n - i) / u128::from(i + 1)) as f64
    }

    #[test]
    fn pass_at_k_is_the_definition() {
        for samples in 1..=20 {
            for right in 0..=samples {
                for k in 1..=samples {
                    let wrong = samples - right;
                    let all_wrong = if k > wrong { 0.0 } else { choose(wrong, k) / choose(samples, k) };
                    assert!((pass_at_k(samples, right, k) - (1.0 - all_wrong)).abs() < 1e-12, "{right} of {samples}, k = {k}");
                }
            }
        }
        assert_eq!((pass_at_k(8, 3, 1), pass_at_k(8, 1, 8), pass_at_k(8, 0, 8)), (0.375, 1.0, 0.0));
        assert!((pass_at_k(1_000_000, 10, 1000) - 0.009_955_2).abs() < 1e-6, "no overflow");
    }

    #[test]
    fn the_majority_decides_and_the_first_of_equals() {
        let verdict = |vote: char| match vote {
            '+' => Verdict::Correct,
            '?' => Verdict::Unparsed,
            '_' => Verdict::Truncated,
            predicted => Verdict::Wrong { predicted: predicted.into() },
        };
        for (votes, right) in [
            ("+", true),
            ("a", false),
            ("", false),
            ("??_", false),
            ("+?_", true),
            ("ab+", false),
            ("+ab", true),
            ("a+b+", true),
            ("aa+b+b", false),
            ("ab+ba+", false),
            ("?a+?+", true),
        ] {
            let verdicts: Vec<Verdict> = votes.chars().map(verdict).collect();
            assert_eq!(majority_is_right(verdicts.iter()), right, "{votes}");
        }
    }
}
