//! Pairs of a better and a worse completion, from graded attempts or beside known rationales.

use super::Round;
use crate::error::{Error, Result};
use crate::metrics::SelectionCounts;
use crate::objective::{Learned, Material, PreferencePair};
use crate::prompt;
use crate::task::{Style, Task};
use crate::types::{GradedAttempt, Mode, Problem, ProblemId, Verdict};
use std::collections::{HashMap, HashSet};

/// The pairs of one training, every prompt unhinted and without worked examples.
#[derive(Debug, Clone, PartialEq)]
pub struct PreferenceSet {
    pairs: Vec<PreferencePair>,
    beta: f64,
}

/// The different completions of one problem.
#[derive(Default)]
struct Sorted<'a> {
    right: Vec<&'a GradedAttempt>,
    wrong: Vec<&'a GradedAttempt>,
}

impl PreferenceSet {
    /// Right against wrong unaided attempts of all rounds (V-STaR), at most `per_problem` pairs of each problem (0 for all). Completions that
    /// have not been paired yet go first, so that few pairs show many completions. An attempt that the user's verifier failed on is neither.
    ///
    /// # Errors
    /// [`Error::UnknownProblem`] when an attempt's problem is not among its round's problems.
    pub fn right_against_wrong(task: &dyn Task, rounds: &[Round], per_problem: usize, beta: f64) -> Result<(Self, SelectionCounts)> {
        let mut counts = SelectionCounts::default();
        let mut order: Vec<&Problem> = Vec::new();
        let mut sorted: HashMap<&ProblemId, Sorted<'_>> = HashMap::new();
        let mut seen = HashSet::new();
        for round in rounds {
            let problems: HashMap<_, _> = round.problems.iter().map(|problem| (&problem.id, problem)).collect();
            for graded in round.attempts.iter().filter(|graded| graded.attempt.mode == Mode::Unhinted) {
                let id = &graded.attempt.problem;
                let problem = problems.get(id).ok_or_else(|| Error::UnknownProblem { problem: id.to_string() })?;
                let of_problem = sorted.entry(id).or_insert_with(|| {
                    order.push(problem);
                    Sorted::default()
                });
                if !seen.insert((id, graded.attempt.completion.as_str())) {
                    counts.dropped_duplicate += 1;
                } else if !graded.verdict.is_correct() {
                    if !matches!(graded.verdict, Verdict::Failed { .. }) {
                        of_problem.wrong.push(graded);
                    }
                } else if task.has_false_step(&graded.attempt.completion) {
                    counts.dropped_false_step += 1;
                } else {
                    of_problem.right.push(graded);
                }
            }
        }
        let mut pairs = Vec::new();
        for problem in &order {
            let Sorted { right, wrong } = &sorted[&problem.id];
            let all = right.len() * wrong.len();
            let kept = if per_problem == 0 { all } else { all.min(per_problem) };
            for (better, worse) in diagonals(right.len(), wrong.len()).take(kept) {
                pairs.push(pair(task, problem, &right[better].attempt.completion, wrong[worse]));
            }
            counts.dropped_over_limit += (all - kept) as u64;
            counts.problems_unhinted += u64::from(kept > 0);
        }
        counts.problems = order.len() as u64;
        counts.pairs = pairs.len() as u64;
        Ok((PreferenceSet { pairs, beta }, counts))
    }

    /// Each problem's known rationale against what the model wrote, right or wrong (SPIN). What equals the known rationale is no opponent.
    ///
    /// # Errors
    /// [`Error::UnknownProblem`], and [`Error::NoKnownRationale`] names the first problem without.
    pub fn known_against_own(task: &dyn Task, round: &Round, beta: f64) -> Result<(Self, SelectionCounts)> {
        let mut counts = SelectionCounts::default();
        let problems: HashMap<_, _> = round.problems.iter().map(|problem| (&problem.id, problem)).collect();
        let mut seen = HashSet::new();
        let mut paired = HashSet::new();
        let mut pairs = Vec::new();
        for graded in round.attempts.iter().filter(|graded| graded.attempt.mode == Mode::Unhinted) {
            let id = &graded.attempt.problem;
            let problem = problems.get(id).ok_or_else(|| Error::UnknownProblem { problem: id.to_string() })?;
            let known = task.reference(problem).ok_or_else(|| Error::NoKnownRationale { problem: id.to_string() })?;
            let own = &graded.attempt.completion;
            let is_known = own.trim() == known.trim() && !graded.attempt.stop_reason.is_cut();
            if is_known || !seen.insert((id, own.as_str())) {
                counts.dropped_duplicate += 1;
                continue;
            }
            paired.insert(id);
            pairs.push(pair(task, problem, &known, graded));
        }
        counts.problems = problems.len() as u64;
        counts.problems_unhinted = paired.len() as u64;
        counts.pairs = pairs.len() as u64;
        Ok((PreferenceSet { pairs, beta }, counts))
    }

    /// The pairs, in the order of the problems.
    pub fn pairs(&self) -> &[PreferencePair] {
        &self.pairs
    }
}

impl Material for PreferenceSet {
    fn learned(&self) -> Learned<'_> {
        Learned::Preferences(&self.pairs, self.beta)
    }
}

/// All pairs of `right` and `wrong` indices, in an order in which the first ones repeat as few as can be.
fn diagonals(right: usize, wrong: usize) -> impl Iterator<Item = (usize, usize)> {
    let (most, least) = (right.max(wrong), right.min(wrong));
    let place = move |shift: usize, at: usize| {
        let (long, short) = (at, (at + shift) % least);
        if right >= wrong { (long, short) } else { (short, long) }
    };
    (0..least).flat_map(move |shift| (0..most).map(move |at| place(shift, at)))
}

fn pair(task: &dyn Task, problem: &Problem, chosen: &str, worse: &GradedAttempt) -> PreferencePair {
    let prompt = prompt::assemble(task, problem, Mode::Unhinted, Style::Rationale, 0);
    let rejected_cut = worse.attempt.stop_reason.is_cut();
    PreferencePair { problem: problem.id.clone(), prompt, chosen: chosen.into(), rejected: worse.attempt.completion.clone(), rejected_cut }
}

#[cfg(test)]
mod tests {
    use super::diagonals;
    use std::collections::HashSet;

    #[test]
    fn every_pair_comes_once_and_the_first_ones_share_as_little_as_can_be() {
        for (right, wrong) in [(0, 3), (3, 0), (1, 4), (4, 1), (3, 3), (2, 5), (6, 4)] {
            let all: Vec<_> = diagonals(right, wrong).collect();
            assert_eq!(all.iter().collect::<HashSet<_>>().len(), right * wrong, "{right} and {wrong}");
            assert_eq!(all.len(), right * wrong);
            let first = &all[..right.min(wrong)];
            assert_eq!(first.iter().map(|pair| pair.0).collect::<HashSet<_>>().len(), first.len());
            assert_eq!(first.iter().map(|pair| pair.1).collect::<HashSet<_>>().len(), first.len());
        }
    }
}
