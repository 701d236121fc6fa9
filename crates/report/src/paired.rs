//! Two measurements on the same problems, with a paired test.

mod ledger;

use crate::error::Result;
use serde::Serialize;
use starloop_record::IterationDir;
use starloop_record::metrics::Accuracy;
use starloop_record::types::{GradedAttempt, ProblemId};
use std::collections::BTreeMap;

pub use ledger::{ClassLedger, GainLedger, Moves, gain_ledger};

/// The result of each answer of a measurement, by problem and sample. True if it is right.
pub(crate) type RightAnswers = BTreeMap<(ProblemId, u32), bool>;

/// Reads a measurement.
pub(crate) fn right_answers(place: &IterationDir) -> Result<RightAnswers> {
    let mut answers = BTreeMap::new();
    place.each_evaluation(|graded| {
        answers.insert((graded.attempt.problem, graded.attempt.sample), graded.verdict.is_correct());
        Ok(())
    })?;
    Ok(answers)
}

/// The change of an answer from the untrained model's answer to the same problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Both are right or both are wrong, or they are not compared.
    Same,
    /// The untrained model was wrong, and this answer is right.
    Gained,
    /// The untrained model was right, and this answer is not.
    Lost,
}

/// The untrained model's answers to the problems of a method's figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// The iteration whose answers are compared; `None` for the final evaluation.
    pub(crate) iteration: Option<u32>,
    /// The untrained model's answers; `None` if it was not measured on these problems.
    pub(crate) answers: Option<RightAnswers>,
}

impl Before {
    /// The change of an answer of an iteration, or of the final evaluation.
    pub(crate) fn change(&self, iteration: Option<u32>, graded: &GradedAttempt) -> Change {
        let answers = self.answers.as_ref().filter(|_| iteration == self.iteration);
        let before = answers.and_then(|answers| answers.get(&(graded.attempt.problem.clone(), graded.attempt.sample)));
        match (before, graded.verdict.is_correct()) {
            (Some(false), true) => Change::Gained,
            (Some(true), false) => Change::Lost,
            _ => Change::Same,
        }
    }
}

/// The answers to the problems that both measurements have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PairedAnswers {
    /// Problems that the second has right and the first has wrong.
    pub(crate) gained: Vec<ProblemId>,
    /// Problems that the first has right and the second has wrong.
    pub(crate) lost: Vec<ProblemId>,
    /// Accuracy of each on these problems.
    pub(crate) accuracy: [Accuracy; 2],
    /// Two-sided p and mid-p of McNemar's exact test.
    pub(crate) p_values: [f64; 2],
}

impl PairedAnswers {
    /// Pairs two measurements. Returns `None` if they have no problem in common.
    pub(crate) fn of(first: &RightAnswers, second: &RightAnswers) -> Option<PairedAnswers> {
        let pairs = || first.iter().filter_map(|(key, right)| Some((&key.0, [*right, *second.get(key)?])));
        let total = pairs().count() as u64;
        let only =
            |wanted: [bool; 2]| pairs().filter(|(_, right)| *right == wanted).map(|(problem, _)| problem.clone()).collect::<Vec<_>>();
        let (gained, lost) = (only([false, true]), only([true, false]));
        let right = |which: usize| pairs().filter(|(_, right)| right[which]).count() as u64;
        let accuracy = [right(0), right(1)].map(|right| Accuracy::new(right, total));
        let p_values = mcnemar(gained.len() as u64, lost.len() as u64);
        (total > 0).then_some(PairedAnswers { gained, lost, accuracy, p_values })
    }
}

/// The paired difference of a measurement from another one, in counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairedDifference {
    /// Problems that both were measured on.
    pub problems: u64,
    /// Right answers of the other measurement on these problems.
    pub right_before: u64,
    /// Right answers of this measurement on these problems.
    pub right_after: u64,
    /// Problems that this measurement has right and the other one has wrong.
    pub gained: u64,
    /// Problems that the other one has right and this measurement has wrong.
    pub lost: u64,
    /// This accuracy minus the other one, in -1..=1.
    pub difference: f64,
    /// McNemar's exact test of the hypothesis that gaining and losing are equally likely, two-sided.
    pub p_value: f64,
}

impl From<&PairedAnswers> for PairedDifference {
    fn from(paired: &PairedAnswers) -> Self {
        let [before, after] = paired.accuracy;
        PairedDifference {
            problems: before.total,
            right_before: before.correct,
            right_after: after.correct,
            gained: paired.gained.len() as u64,
            lost: paired.lost.len() as u64,
            difference: after.mean - before.mean,
            p_value: paired.p_values[0],
        }
    }
}

impl PairedDifference {
    /// The difference of the second measurement from the first one, each given as whether a problem was answered right. `None` if they have no
    /// problem in common.
    pub fn between(first: &[(ProblemId, bool)], second: &[(ProblemId, bool)]) -> Option<Self> {
        let [first, second] =
            [first, second].map(|answers| answers.iter().map(|(problem, right)| ((problem.clone(), 0), *right)).collect());
        PairedAnswers::of(&first, &second).as_ref().map(PairedDifference::from)
    }

    /// `+11.0 points`
    pub fn points(&self) -> String {
        format!("{:+.1} points", 100.0 * self.difference)
    }

    /// `24 problems gained, 2 lost, McNemar p < 0.0001`
    pub fn test(&self) -> String {
        format!(
            "{} gained, {} lost, McNemar p {}",
            starloop_record::format::plural(self.gained, "problem"),
            self.lost,
            probability(self.p_value)
        )
    }
}

/// A probability with its relation: `= 0.0312`, `< 0.0001`.
pub fn probability(p: f64) -> String {
    if p < 1e-4 { "< 0.0001".to_owned() } else { format!("= {p:.4}") }
}

/// McNemar's exact test: the probability that `gained + lost` fair coins fall at least as unevenly as this. Two-sided p, and mid-p.
fn mcnemar(gained: u64, lost: u64) -> [f64; 2] {
    let (coins, few) = (gained + lost, gained.min(lost));
    // The logarithm of each probability, so that thousands of coins do not underflow.
    let mut log = -(coins as f64) * std::f64::consts::LN_2;
    let (mut tail, mut last) = (0.0, 0.0);
    for heads in 0..=few {
        last = log.exp();
        tail += last;
        log += ((coins - heads) as f64 / (heads + 1) as f64).ln();
    }
    [2.0 * tail, 2.0 * tail - last].map(|p| p.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against sums of binomial coefficients in exact fractions, rounded once.
    #[test]
    fn the_test_gives_known_values() {
        for (gained, lost, p, mid_p) in [
            (0, 0, 1.0, 1.0),
            (5, 0, 0.0625, 0.03125),
            (0, 5, 0.0625, 0.03125),
            (1, 9, 0.021_484_375, 0.011_718_75),
            (4, 12, 0.076_812_744_140_625, 0.049_041_748_046_875),
            (100, 150, 0.001_883_300_935_076_157, 0.001_548_188_600_119_572),
            (2000, 2200, 0.002_132_355_671_991_234_6, 0.002_027_176_150_853_072_5),
        ] {
            let [found, found_mid] = mcnemar(gained, lost);
            assert!((found - p).abs() < 1e-12, "{gained} {lost}: {found}");
            assert!((found_mid - mid_p).abs() < 1e-12, "{gained} {lost}: mid {found_mid}");
        }
        assert!((mcnemar(7, 7)[0] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn only_common_problems_are_paired() {
        let answers =
            |right: &[(&str, bool)]| right.iter().map(|(id, right)| ((ProblemId((*id).into()), 0), *right)).collect::<RightAnswers>();
        let (first, second) = (answers(&[("a", true), ("b", false), ("c", false)]), answers(&[("b", true), ("c", false), ("d", true)]));
        let paired = PairedAnswers::of(&first, &second).expect("b and c are in both");
        let difference = PairedDifference::from(&paired);
        assert_eq!((difference.problems, difference.right_before, difference.right_after), (2, 0, 1));
        assert_eq!(difference.points() + "; " + &difference.test(), "+50.0 points; 1 problem gained, 0 lost, McNemar p = 1.0000");
        assert_eq!(PairedAnswers::of(&first, &answers(&[("z", true)])), None);
    }
}
