//! The data of a control: samples that are drawn without a look at their verdict.

use super::{Round, Selection, TrainingData, distinct_problems, find, training_data};
use crate::error::Result;
use crate::metrics::SelectionCounts;
use crate::task::Task;
use crate::task::identity::digest;
use crate::types::{Attempt, Mode};
use starloop_record::{Outcome, OutcomeRecord};
use std::collections::HashSet;

/// Draws `wanted` different unaided samples, right or wrong, in an order that depends on `seed` alone. A sample that the token limit cut off is not
/// drawn: the model did not write its end, and training would teach one. The prompts have `few_shot` worked examples in front.
///
/// # Errors
/// [`Error::UnknownProblem`](crate::error::Error::UnknownProblem) if the problem of an attempt is not among the problems of its round.
pub fn drawn(task: &dyn Task, rounds: &[Round], wanted: usize, seed: u64, few_shot: usize) -> Result<Selection> {
    let mut seen = HashSet::new();
    let (mut outcomes, mut ranked) = (Vec::new(), Vec::new());
    for (place, round) in rounds.iter().enumerate() {
        for (index, graded) in round.attempts.iter().enumerate() {
            let attempt = &graded.attempt;
            let outcome = if attempt.mode == Mode::Hinted {
                Outcome::HintNotUsed
            } else if attempt.is_cut() {
                Outcome::Truncated
            } else if !seen.insert((&attempt.problem, &attempt.completion)) {
                Outcome::Duplicate
            } else {
                ranked.push((rank(seed, round.iteration, attempt), outcomes.len(), (place, index)));
                Outcome::NotDrawn
            };
            outcomes.push(OutcomeRecord::new(round.iteration, attempt, outcome));
        }
    }
    ranked.sort_unstable();
    ranked.truncate(wanted);
    ranked.sort_unstable_by_key(|&(_, outcome, _)| outcome);
    let problems: Vec<_> = rounds.iter().map(Round::problems_by_id).collect();
    let (mut examples, mut learned) = (Vec::new(), Vec::new());
    for (_, outcome, (place, index)) in ranked {
        outcomes[outcome].outcome = Outcome::Learned;
        let attempt = &rounds[place].attempts[index].attempt;
        let problem = find(&problems[place], &attempt.problem)?;
        examples.push(training_data::example(task, problem, attempt.mode, attempt.completion.clone(), few_shot));
        learned.push(problem);
    }
    let counts = SelectionCounts::of(&outcomes, distinct_problems(rounds));
    let data = TrainingData::of_examples(examples).of_problems(task, learned);
    Ok(Selection { data, outcomes, counts })
}

fn rank(seed: u64, iteration: u32, attempt: &Attempt) -> [u8; 32] {
    digest([seed.to_string().as_str(), &iteration.to_string(), &attempt.problem.0, &attempt.sample.to_string()])
}
