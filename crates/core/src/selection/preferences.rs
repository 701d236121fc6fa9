//! Pairs of a better and a worse completion, from graded attempts or beside known rationales.

use super::{Loss, Round, Selection, TrainingData, distinct_problems, find};
use crate::error::{Error, Result};
use crate::metrics::SelectionCounts;
use crate::task::Task;
use crate::task::prompt;
use crate::types::{GradedAttempt, Mode, Problem, ProblemId, Style, Verdict};
use starloop_record::training_rows::{PreferencePair, TrainingRows};
use starloop_record::{Outcome, OutcomeRecord};
use std::collections::{HashMap, HashSet};

/// The different attempts at one problem, as places in the list of all attempts.
#[derive(Default)]
struct Sorted {
    right: Vec<usize>,
    wrong: Vec<usize>,
}

/// Pairs right with wrong unhinted attempts of all rounds (V-STaR), at most `per_problem` pairs of each problem (0 for all). Completions that
/// are not in a pair yet go first, so that few pairs show many completions. An attempt that the verifier program failed on is in no pair.
///
/// # Errors
/// [`Error::UnknownProblem`] if the problem of an attempt is not among the problems of its round.
pub fn right_against_wrong(task: &dyn Task, rounds: &[Round], per_problem: usize, beta: f64) -> Result<Selection> {
    let mut order: Vec<&Problem> = Vec::new();
    let mut sorted: HashMap<&ProblemId, Sorted> = HashMap::new();
    let (mut all, mut outcomes) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for round in rounds {
        let problems = round.problems_by_id();
        for graded in &round.attempts {
            let problem = find(&problems, &graded.attempt.problem)?;
            let place = all.len();
            let outcome = if graded.attempt.mode == Mode::Hinted {
                Outcome::HintNotUsed
            } else {
                let of_problem = sorted.entry(&problem.id).or_insert_with(|| {
                    order.push(problem);
                    Sorted::default()
                });
                if seen.insert((&problem.id, graded.attempt.completion.as_str())) {
                    sort(task, graded, place, of_problem)
                } else {
                    Outcome::Duplicate
                }
            };
            all.push(graded);
            outcomes.push(OutcomeRecord::new(round.iteration, &graded.attempt, outcome));
        }
    }
    let (mut pairs, mut learned) = (Vec::new(), Vec::new());
    for &problem in &order {
        let Sorted { right, wrong } = &sorted[&problem.id];
        let possible = right.len() * wrong.len();
        let kept = if per_problem == 0 { possible } else { possible.min(per_problem) };
        if kept < possible {
            for &place in right.iter().chain(wrong) {
                outcomes[place].outcome = Outcome::OverLimit;
            }
        }
        if kept > 0 {
            learned.push(problem);
        }
        for (better, worse) in diagonals(right.len(), wrong.len()).take(kept) {
            let (better, worse) = (right[better], wrong[worse]);
            pairs.push(pair(task, problem, &all[better].attempt.completion, all[worse]));
            outcomes[better].outcome = Outcome::Paired;
            outcomes[worse].outcome = Outcome::Paired;
        }
    }
    Ok(selection(Pairs { rows: pairs, task, problems: learned }, beta, outcomes, order.len()))
}

/// Sorts an attempt in, if it can be in a pair. Returns its outcome as long as it is in none.
fn sort(task: &dyn Task, graded: &GradedAttempt, place: usize, of_problem: &mut Sorted) -> Outcome {
    match &graded.verdict {
        Verdict::Correct if graded.false_step == Some(true) && task.drops_false_steps() => Outcome::FalseStep,
        Verdict::Correct => {
            of_problem.right.push(place);
            Outcome::Unpaired
        }
        Verdict::Failed { .. } => Outcome::VerifierFailed,
        Verdict::Wrong { .. } | Verdict::Contradiction { .. } | Verdict::Unparsed | Verdict::Truncated => {
            of_problem.wrong.push(place);
            Outcome::Unpaired
        }
    }
}

/// Pairs each problem's known rationale with what the model wrote, right or wrong (SPIN). An attempt that equals the known rationale is in no
/// pair.
///
/// # Errors
/// [`Error::UnknownProblem`], and [`Error::NoKnownRationale`] names the first problem without a rationale.
pub fn known_against_own(task: &dyn Task, round: &Round, beta: f64) -> Result<Selection> {
    let problems = round.problems_by_id();
    let mut seen = HashSet::new();
    let (mut pairs, mut learned, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    for graded in &round.attempts {
        let attempt = &graded.attempt;
        let problem = find(&problems, &attempt.problem)?;
        let known = task.reference(problem).ok_or_else(|| Error::NoKnownRationale { problem: problem.id.to_string() })?;
        let is_known = attempt.completion.trim() == known.trim() && !attempt.is_cut();
        let outcome = if attempt.mode == Mode::Hinted {
            Outcome::HintNotUsed
        } else if is_known || !seen.insert((&problem.id, attempt.completion.as_str())) {
            Outcome::Duplicate
        } else {
            pairs.push(pair(task, problem, &known, graded));
            learned.push(problem);
            Outcome::Paired
        };
        outcomes.push(OutcomeRecord::new(round.iteration, attempt, outcome));
    }
    Ok(selection(Pairs { rows: pairs, task, problems: learned }, beta, outcomes, distinct_problems(std::slice::from_ref(round))))
}

/// Pairs with the problems that they come from.
struct Pairs<'a> {
    rows: Vec<PreferencePair>,
    task: &'a dyn Task,
    problems: Vec<&'a Problem>,
}

fn selection(pairs: Pairs<'_>, beta: f64, outcomes: Vec<OutcomeRecord>, problems: usize) -> Selection {
    let counts = SelectionCounts { pairs: pairs.rows.len() as u64, ..SelectionCounts::of(&outcomes, problems) };
    let data = TrainingData::of_rows(TrainingRows::Preferences(pairs.rows), Loss::Preference { beta });
    Selection { data: data.of_problems(pairs.task, pairs.problems), outcomes, counts }
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

/// The prompt is unhinted and has no worked examples.
fn pair(task: &dyn Task, problem: &Problem, chosen: &str, worse: &GradedAttempt) -> PreferencePair {
    let prompt = prompt::assemble(task, problem, Mode::Unhinted, Style::Rationale, 0);
    let (rejected, rejected_cut) = (worse.attempt.completion.clone(), worse.attempt.is_cut());
    PreferencePair { problem: problem.id.clone(), prompt, chosen: chosen.into(), rejected, rejected_cut }
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
