//! Group-relative policy optimization on verifiable rewards (GRPO: Shao et al. 2024; the recipe of DeepSeek-R1: Guo et al. 2025; without
//! normalization Dr. GRPO: Liu et al. 2025): sample a group for each problem, reward the right answers, make what was better than its group
//! likelier and what was worse less likely.

use super::warm_start::NothingToLearn;
use super::{Approach, Estimate, FirstLesson, Method, WarmStart, rounds, warm_start};
use crate::config::{Invalid, MethodSettings};
use crate::error::Result;
use crate::method_run::{MethodRun, TrainingPlan};
use crate::metrics::SelectionCounts;
use crate::selection::{RewardRules, Round, TrainingData, of_groups, steps_of_passes};
use crate::task::Task;
use crate::types::ModelRef;
use serde::{Deserialize, Serialize};
use starloop_lm::train::{LengthNormalization, Objective, PolicyGradient};

/// `kind = "grpo"`. The samples of a group are `sampling.samples_per_problem`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Grpo {
    /// Outer iterations, at most, the warm start included.
    pub iterations: u32,
    /// The ratio of probabilities is clipped to `1 - clip[0] ..= 1 + clip[1]` (GRPO: 0.2 and 0.2; DAPO: 0.2 and 0.28).
    pub clip: [f64; 2],
    /// The weight of the divergence from the model that the reinforcement began with (DeepSeekMath: 0.04; later work mostly 0).
    pub kl: f64,
    /// The divisor of the sum over a sample's tokens: `completion` (GRPO), `constant` (Dr. GRPO), `batch` (DAPO).
    pub length: LengthNormalization,
    /// Divide advantages by the standard deviation of their group (GRPO: yes; Dr. GRPO: no).
    pub scale_by_deviation: bool,
    /// How often each sample is learned from; `training.steps` is an upper bound (DeepSeekMath: 1).
    pub passes: u32,
    /// The training data of a warm start: `own`, the base model's own right answers, or `known`, the rationales that came with the problems.
    pub first_lesson: FirstLesson,
    /// A fine-tuning first, as iteration 1. A base that needs worked examples in its prompt learns to do without them there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_start: Option<WarmStart>,
}

impl Default for Grpo {
    fn default() -> Self {
        Grpo {
            iterations: 1,
            clip: [0.2, 0.2],
            kl: 0.0,
            length: LengthNormalization::Completion,
            scale_by_deviation: true,
            passes: 1,
            first_lesson: FirstLesson::Own,
            warm_start: None,
        }
    }
}

impl Method for Grpo {
    fn approach(&self) -> Approach {
        Approach::Grpo
    }

    fn check(&self, settings: &MethodSettings) -> Result<(), Invalid> {
        let invalid = |key: &str, message: &str| Err(Invalid { key: key.into(), message: message.into() });
        let sampling = &settings.sampling;
        if self.passes == 0 {
            return invalid("passes", "must be at least 1");
        }
        self.loss(sampling.max_new_tokens).check()?;
        if sampling.samples_per_problem < 2 {
            return invalid("sampling.samples_per_problem", "a group has at least 2 samples");
        }
        // Otherwise the samples come from another distribution than the one whose probabilities the ratio is of.
        #[expect(clippy::float_cmp, reason = "1 is written exactly")]
        let as_it_is = sampling.temperature == 1.0 && sampling.top_k == 0 && sampling.top_p == 1.0;
        if !as_it_is {
            return invalid("sampling.temperature", "samples must come from the model as it is: temperature 1, top_k 0 and top_p 1");
        }
        if self.kl > 0.0 && self.warm_start.is_some() && settings.training.keep_checkpoints > 0 {
            return invalid("training.keep_checkpoints", "kl is measured from the warm start's checkpoint, so keep all of them (0)");
        }
        warm_start::check(self.iterations, self.warm_start)
    }

    fn needs(&self) -> super::Needs {
        super::Needs { objective: Some("rewards"), scores: false }
    }

    fn check_task(&self, task: &dyn Task) -> Result<()> {
        match (self.warm_start, self.first_lesson) {
            (Some(_), FirstLesson::Known) => TrainingData::of_known_rationales(task, &task.training_problems(1)).map(drop),
            _ => Ok(()),
        }
    }

    fn warm_start(&self) -> Option<WarmStart> {
        self.warm_start
    }

    fn estimate(&self, settings: &MethodSettings, task: &dyn Task) -> Estimate {
        let samples = rounds::every_problem(settings, task, 1);
        let unsampled = u32::from(self.warm_start.is_some() && self.first_lesson == FirstLesson::Known);
        rounds::estimate(settings, task, self.iterations, |iteration| if iteration > unsampled { samples(iteration) } else { 0 })
    }

    fn run(&self, run: &mut MethodRun<'_>) -> Result<()> {
        let first = self.warm_start.map(|warm_start| (warm_start, self.first_lesson));
        let nothing_left = |found: &SelectionCounts| {
            (found.groups_all_right > 0).then(|| {
                format!(
                    "no group has both right and wrong samples ({} are all right, {} all wrong) and there is nothing left to reinforce",
                    found.groups_all_right, found.groups_all_wrong
                )
            })
        };
        warm_start::run(run, self.iterations, first, |run, iteration| self.plan(run, iteration), NothingToLearn::Ends(nothing_left))
    }
}

impl Grpo {
    fn loss(&self, max_new_tokens: usize) -> PolicyGradient {
        PolicyGradient { clip: self.clip, kl: self.kl, length: self.length, max_new_tokens }
    }

    fn plan(&self, run: &mut MethodRun<'_>, iteration: u32) -> Result<TrainingPlan> {
        let current = rounds::latest(iteration);
        let problems = run.training_problems(iteration);
        let attempts = run.collect_and_record(iteration, &problems, current, None)?;
        let sampling = &run.settings().sampling;
        let rules = RewardRules {
            loss: self.loss(sampling.max_new_tokens),
            scale_by_deviation: self.scale_by_deviation,
            anchor: if self.warm_start.is_some() { ModelRef::Iteration(1) } else { ModelRef::Base },
            few_shot: sampling.few_shot_in(iteration),
        };
        let training = &run.settings().training;
        let tokens_per_step = (training.batch_size * training.sequence_length) as u64;
        let round = Round { iteration, problems, attempts };
        let selection = of_groups(run.task(), &round, rules)?;
        let steps = steps_of_passes(&round, &selection, self.passes, tokens_per_step);
        let plan = run.plan(iteration, round.attempts, selection, current);
        Ok(TrainingPlan { steps: steps.min(plan.steps), ..plan })
    }
}
