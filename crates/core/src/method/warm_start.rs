//! A plain fine-tuning before the part that gives a method its name, and the rounds of the methods that may begin with one.

use super::rounds;
use crate::config::{Invalid, TrainingConfig};
use crate::error::{Error, Result};
use crate::method_run::{MethodRun, TrainingPlan};
use crate::metrics::SelectionCounts;
use crate::selection::{Round, Selection, SelectionRules, TrainingData};
use crate::types::{ModelRef, Style};
use serde::{Deserialize, Serialize};

/// `[methods.NAME.warm_start]`: iteration 1 is a plain fine-tuning of the base model with these settings, and all else as in `training`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WarmStart {
    /// Optimizer steps.
    pub steps: u64,
    /// Peak learning rate.
    pub learning_rate: f64,
}

/// The training data of a warm start, from the problems of iteration 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FirstLesson {
    /// The base model's own right answers, as the first iteration of STaR without rationalization does.
    Own,
    /// The rationales that came with the problems (the cold start of DeepSeek-R1).
    Known,
}

/// The step after a round that has nothing to learn.
#[derive(Debug, Clone, Copy)]
pub(super) enum NothingToLearn {
    /// The method fails.
    Fails,
    /// The method ends with the round before, if this gives a reason for the counts of the round. Without a reason it fails.
    Ends(fn(&SelectionCounts) -> Option<String>),
}

impl NothingToLearn {
    fn reason_to_end(self, found: &SelectionCounts) -> Option<String> {
        match self {
            NothingToLearn::Fails => None,
            NothingToLearn::Ends(reason) => reason(found),
        }
    }
}

/// Measures the base, trains it on the first lesson as iteration 1 if there is one, and then round by round on what `plan` selects.
pub(super) fn run(
    run: &mut MethodRun<'_>,
    iterations: u32,
    first: Option<(WarmStart, FirstLesson)>,
    mut plan: impl FnMut(&mut MethodRun<'_>, u32) -> Result<TrainingPlan>,
    nothing_to_learn: NothingToLearn,
) -> Result<()> {
    run.measure_base(Style::Rationale)?;
    for iteration in 1..=iterations {
        let last = iteration == iterations;
        if let Some((warm_start, learns)) = first.filter(|_| iteration == 1) {
            run.iterate(iteration, last, |run| warm_start.plan(run, learns))?;
            continue;
        }
        let mut found = SelectionCounts::default();
        let outcome = run.iterate(iteration, last, |run| {
            let plan = plan(run, iteration)?;
            found = plan.selection.counts;
            Ok(plan)
        });
        if let Err(error) = outcome {
            let why = if matches!(error, Error::NothingSolved { .. }) { nothing_to_learn.reason_to_end(&found) } else { None };
            let Some(why) = why else { return Err(error) };
            run.warn(&format!("iteration {iteration}: {why}, so iteration {} is the last", iteration - 1))?;
            break;
        }
    }
    Ok(())
}

/// Checks the two keys that such methods have.
pub(super) fn check(iterations: u32, warm_start: Option<WarmStart>) -> Result<(), Invalid> {
    if iterations <= u32::from(warm_start.is_some()) {
        return Err(Invalid { key: "iterations".into(), message: "must be at least 1, and at least 2 with a warm start".into() });
    }
    rounds::in_range("iterations", iterations)?;
    warm_start.map_or(Ok(()), WarmStart::check)
}

impl WarmStart {
    /// The training of iteration 1.
    fn plan(self, run: &mut MethodRun<'_>, first: FirstLesson) -> Result<TrainingPlan> {
        let problems = run.training_problems(1);
        let (selection, attempts) = match first {
            FirstLesson::Known => (Selection::without_attempts(TrainingData::of_known_rationales(run.task(), &problems)?), Vec::new()),
            FirstLesson::Own => {
                let attempts = run.collect_and_record(1, &problems, ModelRef::Base, None)?;
                let round = [Round { iteration: 1, problems, attempts }];
                let selection = rounds::select(run, &round, SelectionRules::default())?;
                let [round] = round;
                (selection, round.attempts)
            }
        };
        let settings = self.settings(&run.settings().training);
        let steps = settings.steps;
        Ok(TrainingPlan { settings, steps, ..run.plan(1, attempts, selection, ModelRef::Base) })
    }

    fn check(self) -> Result<(), Invalid> {
        let invalid = |key: &str, message: &str| Err(Invalid { key: format!("warm_start.{key}"), message: message.into() });
        if self.steps == 0 {
            return invalid("steps", "must be at least 1");
        }
        if !self.learning_rate.is_finite() || self.learning_rate <= 0.0 {
            return invalid("learning_rate", "must be a number above 0");
        }
        Ok(())
    }

    /// `training` as it is in the first lesson.
    pub(crate) fn settings(self, training: &TrainingConfig) -> TrainingConfig {
        TrainingConfig { steps: self.steps, learning_rate: self.learning_rate, ..training.clone() }
    }
}

#[cfg(test)]
mod tests {
    use crate::experiment::Experiment;

    #[test]
    fn a_first_lesson_has_its_own_steps_and_learning_rate() {
        let experiment = Experiment::load("methods", &[]).expect("a shipped config");
        for name in ["grpo", "spin", "v_star"] {
            let method = experiment.method(name).expect("a method of the config");
            let lesson = method.method.warm_start().expect("a first lesson");
            let [first, second] = [1, 2].map(|iteration| method.training_in(iteration));
            assert_eq!((first.steps, first.learning_rate.to_bits()), (lesson.steps, lesson.learning_rate.to_bits()), "{name}");
            assert_eq!(second, method.settings.training, "{name}");
        }
        let star = experiment.method("star").expect("a method of the config");
        assert_eq!(star.training_in(1), star.settings.training);
    }
}
