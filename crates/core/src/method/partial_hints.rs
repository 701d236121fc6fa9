//! STaR with hints that show a part and shrink over the iterations, beyond the paper: a failure is retried with some of its answer, or with
//! the beginning of its known rationale, from which the model goes on. Training prompts have no hint, as in all methods, and a
//! rationalization that only restates what it was shown is dropped.
//!
//! Starting from nearly the whole solution and moving back is the reverse curriculum of Xi et al. 2024 (R3), here for supervised rounds.

use super::rounds::{self, EarlyStop, Learning};
use super::star::Rationalizer;
use super::{Approach, Estimate, Method};
use crate::config::{Invalid, MethodSettings};
use crate::error::{Error, Result};
use crate::method_run::{CollectStages, Hint, MethodRun};
use crate::selection::{SelectionRules, TrainingData};
use crate::task::Task;
use serde::{Deserialize, Serialize};

/// `kind = "partial_hints"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PartialHints {
    /// Outer iterations, at most.
    pub iterations: u32,
    /// The text of which a failure is shown a part.
    pub of: Whole,
    /// The share that is shown in the first iteration, in 0..=1.
    pub first_share: f64,
    /// The share that is shown in the last iteration; between the two it runs on a straight line. Of 0, nothing is retried.
    pub last_share: f64,
    /// Drop a rationalization that has nothing to say beyond the question and the answer.
    pub drop_restated: bool,
    /// The model that is shown the hint.
    pub rationalizer: Rationalizer,
    /// Fine-tune the base model each time; otherwise go on from the latest model.
    pub reset_to_base: bool,
    /// Train on what was kept in all iterations so far; otherwise on this iteration's alone.
    pub accumulate: bool,
    /// Stop when accuracy has not risen for so many evaluations; 0 for never. Not with the test split.
    pub patience: u32,
}

/// The text of which a hint is a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Whole {
    /// The answer; the task must be able to show a part of it.
    Answer,
    /// The known rationale, from its beginning; every problem must have one.
    Rationale,
}

impl Default for PartialHints {
    fn default() -> Self {
        PartialHints {
            iterations: 1,
            of: Whole::Rationale,
            first_share: 0.75,
            last_share: 0.0,
            drop_restated: true,
            rationalizer: Rationalizer::Current,
            reset_to_base: true,
            accumulate: false,
            patience: 0,
        }
    }
}

impl Method for PartialHints {
    fn approach(&self) -> Approach {
        Approach::PartialHints
    }

    fn check(&self, settings: &MethodSettings) -> Result<(), Invalid> {
        rounds::check(self.iterations, self.patience, settings)?;
        if settings.selection.checks_hints() {
            let message = "most_hint_reliance and drop_reached_from_wrong_hint need hints with the whole answer, which this method does not \
                           give; remove these keys for it";
            return Err(Invalid { key: "selection".into(), message: message.into() });
        }
        for (key, share) in [("first_share", self.first_share), ("last_share", self.last_share)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(Invalid { key: key.into(), message: format!("must be in 0..1, found {share}") });
            }
        }
        Ok(())
    }

    fn continues_completions(&self) -> bool {
        self.of == Whole::Rationale
    }

    fn check_task(&self, task: &dyn Task) -> Result<()> {
        let problems = task.training_problems(1);
        match self.of {
            Whole::Rationale => TrainingData::of_known_rationales(task, &problems).map(drop),
            Whole::Answer => match problems.iter().find(|problem| task.partly_hinted_prompt(problem, 0.5).is_none()) {
                Some(problem) => Err(Error::NoPartOfAnswer { problem: problem.id.to_string() }),
                None => Ok(()),
            },
        }
    }

    /// The share of the hint in each iteration depends on the number of iterations.
    fn can_go_on(&self) -> bool {
        false
    }

    fn estimate(&self, settings: &MethodSettings, task: &dyn Task) -> Estimate {
        rounds::estimate(settings, task, self.iterations, rounds::every_problem(settings, task, 2))
    }

    fn run(&self, run: &mut MethodRun<'_>) -> Result<()> {
        rounds::run(run, self.iterations, EarlyStop::after(self.patience), |run, iteration| {
            let current = rounds::latest(iteration);
            let problems = run.training_problems(iteration);
            let hint = self.hint(iteration);
            let attempts = run.record_attempts(iteration, CollectStages::with_retries(hint.is_some()), |run| {
                let temperature = run.settings().sampling.temperature;
                let mut attempts = run.sample_attempts(iteration, &problems, current, temperature)?;
                if let Some(hint) = hint {
                    attempts.extend(run.sample_retries(iteration, &problems, &attempts, self.rationalizer.model(current), hint)?);
                }
                Ok(attempts)
            })?;
            let rules = SelectionRules { drop_restated: self.drop_restated, ..SelectionRules::default() };
            let learning = Learning { reset_to_base: self.reset_to_base, accumulate: self.accumulate, rules };
            rounds::learn(run, iteration, |task, iteration| task.training_problems(iteration), attempts, learning)
        })
    }
}

impl PartialHints {
    /// The hint that failures are shown in an iteration. `None` if there is no hint.
    fn hint(&self, iteration: u32) -> Option<Hint> {
        let way = f64::from(iteration - 1) / f64::from((self.iterations - 1).max(1));
        let share = self.first_share + (self.last_share - self.first_share) * way;
        let hint = match self.of {
            Whole::Answer => Hint::PartOfAnswer(share),
            Whole::Rationale => Hint::Prefix(share),
        };
        (share > 0.0).then_some(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_shrink_on_a_straight_line() {
        let method = PartialHints { iterations: 4, first_share: 0.75, last_share: 0.0, ..PartialHints::default() };
        let hints: Vec<_> = (1..=4).map(|iteration| method.hint(iteration)).collect();
        assert_eq!(hints, [Some(Hint::Prefix(0.75)), Some(Hint::Prefix(0.5)), Some(Hint::Prefix(0.25)), None]);
        let method = PartialHints { iterations: 1, of: Whole::Answer, first_share: 1.0, ..method };
        assert_eq!(method.hint(1), Some(Hint::PartOfAnswer(1.0)));
    }
}
