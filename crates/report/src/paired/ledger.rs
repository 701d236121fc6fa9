//! The gain ledger: which answers changed between two measurements of a method, and whether form or content made the difference.

use super::mcnemar;
use crate::error::Result;
use serde::Serialize;
use starloop_record::RunDir;
use starloop_record::metrics::Accuracy;
use starloop_record::types::{GradedAttempt, Verdict};
use std::collections::BTreeMap;

/// The changes between two iterations of a method, on the same problems.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GainLedger {
    /// The method.
    pub method: String,
    /// The two iterations, 0 for the base.
    pub iterations: [u32; 2],
    /// The accuracy of each on the common problems.
    pub accuracy: [Accuracy; 2],
    /// Problems whose answer became right.
    pub gained: Moves,
    /// Problems whose answer was right and is not right any more.
    pub lost: Moves,
    /// McNemar's exact test of the hypothesis that gaining and losing are equally likely, two-sided.
    pub p_value: f64,
    /// The same for each class, in alphabetical order.
    pub by_class: Vec<ClassLedger>,
}

/// Answers that changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Moves {
    /// The answer that is not right is another answer: the content changed.
    pub content: u64,
    /// The answer that is not right could not be read, or was cut off: the form changed.
    pub form: u64,
}

impl Moves {
    /// All of them.
    pub fn all(self) -> u64 {
        self.content + self.form
    }

    fn count(&mut self, not_right: &Verdict) {
        match not_right {
            Verdict::Unparsed | Verdict::Truncated | Verdict::Failed { .. } => self.form += 1,
            Verdict::Correct | Verdict::Wrong { .. } | Verdict::Contradiction { .. } => self.content += 1,
        }
    }
}

/// The changes in one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassLedger {
    /// The class.
    pub class: String,
    /// Problems.
    pub problems: u64,
    /// Answers that became right.
    pub gained: Moves,
    /// Answers that are not right any more.
    pub lost: Moves,
}

/// The ledger of two iterations of a method; `None` if one of them was not measured, or if they have no problem in common.
///
/// # Errors
/// A file of the run is damaged.
pub fn gain_ledger(run: &RunDir, method: &str, iterations: [u32; 2]) -> Result<Option<GainLedger>> {
    let measured = |iteration| run.iteration(method, iteration).evaluation();
    let [Some(first), Some(second)] = [measured(iterations[0])?, measured(iterations[1])?] else { return Ok(None) };
    Ok(of(method, iterations, &first, &second))
}

fn of(method: &str, iterations: [u32; 2], first: &[GradedAttempt], second: &[GradedAttempt]) -> Option<GainLedger> {
    let by_problem: BTreeMap<_, &GradedAttempt> =
        first.iter().map(|graded| ((&graded.attempt.problem, graded.attempt.sample), graded)).collect();
    let (mut classes, mut right, mut total) = (BTreeMap::<&str, ClassLedger>::new(), [0, 0], 0);
    let (mut gained, mut lost) = (Moves::default(), Moves::default());
    for after in second {
        let Some(before) = by_problem.get(&(&after.attempt.problem, after.attempt.sample)) else { continue };
        let class = classes.entry(&after.attempt.class).or_insert_with(|| ClassLedger {
            class: after.attempt.class.clone(),
            problems: 0,
            gained: Moves::default(),
            lost: Moves::default(),
        });
        total += 1;
        class.problems += 1;
        let is_right = [before.verdict.is_correct(), after.verdict.is_correct()];
        right = [right[0] + u64::from(is_right[0]), right[1] + u64::from(is_right[1])];
        match is_right {
            [false, true] => {
                gained.count(&before.verdict);
                class.gained.count(&before.verdict);
            }
            [true, false] => {
                lost.count(&after.verdict);
                class.lost.count(&after.verdict);
            }
            [true, true] | [false, false] => {}
        }
    }
    let [p_value, _] = mcnemar(gained.all(), lost.all());
    let accuracy = right.map(|right| Accuracy::new(right, total));
    let by_class = classes.into_values().collect();
    (total > 0).then(|| GainLedger { method: method.to_owned(), iterations, accuracy, gained, lost, p_value, by_class })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use starloop_record::types::{Attempt, Mode};

    #[test]
    fn changes_are_counted_by_class_and_by_form_or_content() {
        let answer = |(id, class, verdict): (&str, &str, Verdict)| {
            let attempt = Attempt { class: class.into(), ..Attempt::bare(id, Mode::Unhinted, "") };
            GradedAttempt::bare(attempt, verdict)
        };
        let wrong = || Verdict::Wrong { predicted: "1".into() };
        let first = [
            ("a", "one", Verdict::Truncated),
            ("b", "one", wrong()),
            ("c", "two", Verdict::Correct),
            ("d", "two", Verdict::Correct),
            ("only first", "two", Verdict::Correct),
        ];
        let second =
            [("a", "one", Verdict::Correct), ("b", "one", Verdict::Correct), ("c", "two", wrong()), ("d", "two", Verdict::Correct)];
        let ledger = of("star", [0, 1], &first.map(answer), &second.map(answer)).unwrap();
        assert_eq!((ledger.gained, ledger.lost), (Moves { content: 1, form: 1 }, Moves { content: 1, form: 0 }));
        assert_eq!((ledger.accuracy[0].correct, ledger.accuracy[1].correct, ledger.accuracy[0].total), (2, 3, 4));
        assert!((ledger.p_value - 1.0).abs() < 1e-9);
        let classes: Vec<_> = ledger.by_class.iter().map(|class| (class.class.as_str(), class.problems, class.gained.all())).collect();
        assert_eq!(classes, [("one", 2, 2), ("two", 2, 0)]);
        assert_eq!(of("star", [0, 1], &[], &[]), None);
    }
}
