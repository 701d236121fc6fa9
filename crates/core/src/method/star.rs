//! The self-taught reasoner (paper, section 3 and algorithm 1): attempt, rationalize the failures, keep what is right, fine-tune, repeat.

use super::{Approach, Estimate, Method, estimate_training};
use crate::config::{Invalid, MethodConfig};
use crate::error::Result;
use crate::iterate::{Arm, Lesson, Start};
use crate::task::{Split, Style, Task};
use crate::training_set::{Round, SelectionRules, TrainingSet};
use serde::{Deserialize, Serialize};

/// `kind = "star"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Star {
    /// Outer iterations, at most.
    pub iterations: u32,
    /// Ask again, with the answer as a hint, where every unaided attempt failed.
    pub rationalize: bool,
    /// Which model is shown the hint. The paper's is the one that failed; the base model has never been taught to do without hints.
    pub rationalizer: Rationalizer,
    /// Fine-tune the base model each time (the paper's choice); otherwise go on from the latest model.
    pub reset_to_base: bool,
    /// Train on what was kept in all iterations so far; otherwise on this iteration's alone (the paper's choice).
    pub accumulate: bool,
    /// Stop when accuracy has not risen for so many evaluations; 0 for never. Not with the test split.
    pub patience: u32,
    /// Examples of one problem that are trained on; 0 for no limit.
    pub max_per_problem: u32,
}

/// A model that rationalizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rationalizer {
    /// The model whose attempts failed (the paper's choice).
    Current,
    /// The base model, with worked examples in its prompt.
    Base,
}

impl Default for Star {
    fn default() -> Self {
        Star {
            iterations: 1,
            rationalize: true,
            rationalizer: Rationalizer::Current,
            reset_to_base: true,
            accumulate: false,
            patience: 0,
            max_per_problem: 0,
        }
    }
}

impl Method for Star {
    fn approach(&self) -> Approach {
        if self.rationalize { Approach::StarRationalized } else { Approach::Star }
    }

    fn check(&self, config: &MethodConfig) -> Result<(), Invalid> {
        let invalid = |key: &str, message: &str| Err(Invalid { key: key.into(), message: message.into() });
        if self.iterations == 0 {
            return invalid("iterations", "must be at least 1");
        }
        if self.patience > 0 && config.evaluation.split == Split::Test {
            return invalid("patience", "chooses by accuracy, which must not be done on the test split; set evaluation.split = \"dev\"");
        }
        Ok(())
    }

    fn estimate(&self, config: &MethodConfig, task: &dyn Task) -> Estimate {
        let mut estimate = estimate_training(config, task, self.iterations);
        let modes = 1 + u64::from(self.rationalize);
        for iteration in 1..=self.iterations {
            let problems = task.training_problems(iteration).len() as u64;
            estimate.attempts += problems * u64::from(config.sampling.samples_per_problem) * modes;
        }
        estimate.sampled_tokens += estimate.attempts * config.sampling.max_new_tokens as u64;
        estimate
    }

    fn run(&self, arm: &mut Arm<'_>) -> Result<()> {
        let mut best = arm.measure_base(Style::Rationale)?.accuracy.mean;
        let mut without_rise = 0;
        for iteration in 1..=self.iterations {
            let last = iteration == self.iterations;
            let metrics = arm.iterate(iteration, last, |arm| self.lesson(arm, iteration))?;
            if metrics.accuracy.total == 0 {
                continue;
            }
            without_rise = if metrics.accuracy.mean > best { 0 } else { without_rise + 1 };
            best = best.max(metrics.accuracy.mean);
            if self.patience > 0 && without_rise >= self.patience && !last {
                arm.warn(&format!(
                    "accuracy has not risen for {without_rise} evaluations, so iteration {iteration} is the last (patience)"
                ));
                break;
            }
        }
        Ok(())
    }
}

impl Star {
    /// What iteration `iteration` learns, and from which model.
    fn lesson(&self, arm: &mut Arm<'_>, iteration: u32) -> Result<Lesson> {
        let current = if iteration == 1 { Start::Base } else { Start::Iteration(iteration - 1) };
        let problems = arm.training_problems(iteration);
        let rationalizer = match self.rationalizer {
            Rationalizer::Current => current,
            Rationalizer::Base => Start::Base,
        };
        let attempts = arm.collect(iteration, &problems, current, self.rationalize.then_some(rationalizer))?;
        let few_shot = if arm.config().training.train_with_few_shot { arm.config().sampling.few_shot } else { 0 };
        let rules = SelectionRules { max_per_problem: self.max_per_problem, few_shot };
        let mut rounds = vec![Round { problems, attempts }];
        if self.accumulate {
            // The newest first: where the number of examples of a problem is limited, the better model's stay.
            for earlier in (1..iteration).rev() {
                rounds.push(Round { problems: arm.training_problems(earlier), attempts: arm.earlier_attempts(earlier)? });
            }
        }
        let (training_set, selection) = TrainingSet::select(arm.task(), &rounds, rules)?;
        let attempts = rounds.swap_remove(0).attempts;
        let start = if self.reset_to_base { Start::Base } else { current };
        Ok(Lesson { attempts, training_set, selection, start })
    }
}
