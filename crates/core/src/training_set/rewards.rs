//! Groups of samples with their advantages (GRPO: Shao et al. 2024, section 4.1).

use super::Round;
use crate::config::TrainingConfig;
use crate::error::{Error, Result};
use crate::iterate::Start;
use crate::metrics::SelectionCounts;
use crate::objective::{Learned, Material, RewardedSample};
use crate::prompt;
use crate::task::{Style, Task};
use crate::types::{GradedAttempt, Mode, ProblemId, Verdict};
use starloop_lm::train::PolicyGradient;
use std::collections::HashMap;

/// Added to a group's standard deviation, as TRL does.
const LEAST_DEVIATION: f64 = 1e-4;

/// The samples of one training, every prompt the unhinted one that they were sampled with.
#[derive(Debug, Clone, PartialEq)]
pub struct RewardSet {
    samples: Vec<RewardedSample>,
    loss: PolicyGradient,
    anchor: Start,
    passes: u32,
    /// Tokens of all samples, prompts included.
    tokens: u64,
}

/// How rewards become a lesson.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RewardRules {
    /// The loss.
    pub loss: PolicyGradient,
    /// Divide advantages by the standard deviation of their group (GRPO), or leave them as they are (Dr. GRPO).
    pub scale_by_deviation: bool,
    /// The model from which the divergence of the loss is measured.
    pub anchor: Start,
    /// Worked examples that the samples were shown.
    pub few_shot: usize,
    /// How often each sample is learned from, at most.
    pub passes: u32,
}

impl RewardSet {
    /// One group for each problem. The reward of a sample is 1 for the right answer and 0 for any other; where the user's verifier failed there
    /// is none, and the sample is left out. A group without any difference teaches nothing: it is left out and counted.
    ///
    /// # Errors
    /// [`Error::UnknownProblem`] when an attempt's problem is not among the round's problems.
    pub fn of_groups(task: &dyn Task, round: &Round, rules: RewardRules) -> Result<(Self, SelectionCounts)> {
        let mut counts = SelectionCounts { problems: round.problems.len() as u64, ..SelectionCounts::default() };
        let mut groups: HashMap<&ProblemId, Vec<&GradedAttempt>> = round.problems.iter().map(|problem| (&problem.id, Vec::new())).collect();
        for graded in round.attempts.iter().filter(|graded| graded.attempt.mode == Mode::Unhinted) {
            let id = &graded.attempt.problem;
            let group = groups.get_mut(id).ok_or_else(|| Error::UnknownProblem { problem: id.to_string() })?;
            if !matches!(graded.verdict, Verdict::Failed { .. }) {
                group.push(graded);
            }
        }
        let mut set = RewardSet { samples: Vec::new(), loss: rules.loss, anchor: rules.anchor, passes: rules.passes, tokens: 0 };
        for problem in &round.problems {
            // Removed, so that a problem that is listed twice is learned once.
            let Some(group) = groups.remove(&problem.id) else { continue };
            let right = group.iter().filter(|graded| graded.verdict.is_correct()).count();
            if group.is_empty() || right == group.len() || right == 0 {
                counts.groups_all_right += u64::from(right > 0);
                counts.groups_all_wrong += u64::from(right == 0);
                continue;
            }
            let prompt = prompt::assemble(task, problem, Mode::Unhinted, Style::Rationale, rules.few_shot);
            let rewards: Vec<f64> = group.iter().map(|graded| f64::from(u8::from(graded.verdict.is_correct()))).collect();
            for (graded, advantage) in group.iter().zip(advantages(&rewards, rules.scale_by_deviation)) {
                let attempt = &graded.attempt;
                set.tokens += (attempt.prompt_tokens + attempt.completion_tokens) as u64;
                let (problem, cut) = (problem.id.clone(), attempt.stop_reason.is_cut());
                set.samples.push(RewardedSample {
                    problem,
                    prompt: prompt.clone(),
                    completion: attempt.completion.clone(),
                    cut,
                    advantage,
                });
            }
            counts.problems_unhinted += 1;
            counts.kept_unhinted += group.len() as u64;
        }
        Ok((set, counts))
    }

    /// The samples, group after group.
    pub fn samples(&self) -> &[RewardedSample] {
        &self.samples
    }
}

impl Material for RewardSet {
    fn learned(&self) -> Learned<'_> {
        Learned::Rewards(&self.samples, self.loss, self.anchor)
    }

    /// As many as the passes over the samples take, and no more than the settings allow.
    fn steps(&self, settings: &TrainingConfig, iteration: u32) -> u64 {
        let of_batch = (settings.batch_size * settings.sequence_length) as u64;
        (u64::from(self.passes) * self.tokens).div_ceil(of_batch).clamp(1, settings.steps_in(iteration))
    }
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
