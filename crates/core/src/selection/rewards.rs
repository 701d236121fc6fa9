//! Groups of samples with their advantages (GRPO: Shao et al. 2024, section 4.1).

use super::{Loss, Round, Selection, TrainingData, distinct_problems, find};
use crate::error::Result;
use crate::metrics::SelectionCounts;
use crate::task::Task;
use crate::task::prompt;
use crate::types::{Mode, ModelRef, ProblemId, Style, Verdict};
use starloop_lm::train::PolicyGradient;
use starloop_record::training_rows::{RewardedSample, TrainingRows};
use starloop_record::{Outcome, OutcomeRecord};
use std::collections::HashMap;

/// Added to a group's standard deviation, as TRL does.
const LEAST_DEVIATION: f64 = 1e-4;

/// How rewards become training data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RewardRules {
    /// The terms of the loss.
    pub loss: PolicyGradient,
    /// Divide advantages by the standard deviation of their group (GRPO), or leave them as they are (Dr. GRPO).
    pub scale_by_deviation: bool,
    /// The model that the penalty holds to.
    pub anchor: ModelRef,
    /// Worked examples that the samples were shown.
    pub few_shot: usize,
}

/// Makes one group of each problem. The reward of a sample is 1 for the right answer and 0 for any other answer. A sample that the verifier
/// program failed on has no reward and is left out. A group whose rewards are all equal has no signal and is left out.
///
/// # Errors
/// [`crate::error::Error::UnknownProblem`] if the problem of an attempt is not among the problems of the round.
pub fn of_groups(task: &dyn Task, round: &Round, rules: RewardRules) -> Result<Selection> {
    let problems = round.problems_by_id();
    let mut groups: HashMap<&ProblemId, Vec<usize>> = HashMap::new();
    let mut outcomes = Vec::with_capacity(round.attempts.len());
    for (place, graded) in round.attempts.iter().enumerate() {
        let problem = find(&problems, &graded.attempt.problem)?;
        let outcome = match (graded.attempt.mode, &graded.verdict) {
            (Mode::Hinted, _) => Outcome::HintNotUsed,
            (Mode::Unhinted, Verdict::Failed { .. }) => Outcome::VerifierFailed,
            (Mode::Unhinted, _) => {
                groups.entry(&problem.id).or_default().push(place);
                Outcome::GroupAllWrong
            }
        };
        outcomes.push(OutcomeRecord::new(round.iteration, &graded.attempt, outcome));
    }
    let (mut samples, mut learned) = (Vec::new(), Vec::new());
    for problem in &round.problems {
        // Removed, so that a problem that is listed twice is learned once.
        let Some(group) = groups.remove(&problem.id) else { continue };
        let rewards: Vec<f64> = group.iter().map(|&place| f64::from(u8::from(round.attempts[place].verdict.is_correct()))).collect();
        let right = rewards.iter().filter(|reward| **reward > 0.0).count();
        let outcome = match right {
            0 => Outcome::GroupAllWrong,
            _ if right == group.len() => Outcome::GroupAllRight,
            _ => Outcome::Rewarded,
        };
        for &place in &group {
            outcomes[place].outcome = outcome;
        }
        if outcome != Outcome::Rewarded {
            continue;
        }
        learned.push(problem);
        let prompt = prompt::assemble(task, problem, Mode::Unhinted, Style::Rationale, rules.few_shot);
        for (&place, advantage) in group.iter().zip(advantages(&rewards, rules.scale_by_deviation)) {
            let attempt = &round.attempts[place].attempt;
            let (problem, prompt, completion) = (problem.id.clone(), prompt.clone(), attempt.completion.clone());
            samples.push(RewardedSample { problem, prompt, completion, cut: attempt.is_cut(), advantage });
        }
    }
    let counts = SelectionCounts::of(&outcomes, distinct_problems(std::slice::from_ref(round)));
    let loss = Loss::PolicyGradient { loss: rules.loss, anchor: rules.anchor };
    Ok(Selection { data: TrainingData::of_rows(TrainingRows::Rewards(samples), loss).of_problems(task, learned), outcomes, counts })
}

/// Optimizer steps that `passes` over the rewarded samples take, prompts included, with `tokens_per_step` tokens in a step; at least 1.
pub fn steps_of_passes(round: &Round, selection: &Selection, passes: u32, tokens_per_step: u64) -> u64 {
    let rewarded = round.attempts.iter().zip(&selection.outcomes).filter(|(_, record)| record.outcome == Outcome::Rewarded);
    let tokens: u64 = rewarded.map(|(graded, _)| (graded.attempt.prompt_tokens + graded.attempt.completion_tokens) as u64).sum();
    (u64::from(passes) * tokens).div_ceil(tokens_per_step).max(1)
}

/// Each reward less the mean of its group, divided by their standard deviation (with `n - 1`) where it is wanted.
fn advantages(rewards: &[f64], scale_by_deviation: bool) -> Vec<f64> {
    let count = rewards.len() as f64;
    let mean = rewards.iter().sum::<f64>() / count;
    let variance = rewards.iter().map(|reward| (reward - mean) * (reward - mean)).sum::<f64>() / (count - 1.0);
    let divisor = if scale_by_deviation { variance.sqrt() + LEAST_DEVIATION } else { 1.0 };
    rewards.iter().map(|reward| (reward - mean) / divisor).collect()
}

#[cfg(test)]
mod tests {
    use super::advantages;

    #[test]
    fn advantages_are_those_of_trl() {
        // (1 - 1/4) / (0.5 + 1e-4) and (0 - 1/4) / (0.5 + 1e-4): torch.tensor([1., 0, 0, 0]).std() is 0.5.
        let scaled = advantages(&[1.0, 0.0, 0.0, 0.0], true);
        for (got, expected) in scaled.iter().zip([1.499_700_06, -0.499_900_02, -0.499_900_02, -0.499_900_02]) {
            assert!((got - expected).abs() < 1e-8, "{scaled:?}");
        }
        assert_eq!(advantages(&[1.0, 0.0, 0.0, 0.0], false), [0.75, -0.25, -0.25, -0.25]);
    }
}
