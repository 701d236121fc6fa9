//! A plain fine-tuning before the part that gives a method its name, and the rounds of the methods that may begin with one.

use super::rounds;
use crate::config::{Invalid, TrainingConfig};
use crate::error::{Error, Result};
use crate::iterate::{Arm, Lesson, Start};
use crate::metrics::SelectionCounts;
use crate::objective::{Adjusted, Material};
use crate::task::Style;
use crate::training_set::{Round, SelectionRules, TrainingSet};
use serde::{Deserialize, Serialize};

/// `[methods.NAME.warm_start]`: iteration 1 is a plain fine-tuning of the base model with these settings, and all else as in `training`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmStart {
    /// Optimizer steps.
    pub steps: u64,
    /// Peak learning rate.
    pub learning_rate: f64,
}

/// What a warm start learns from the problems of iteration 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstLesson {
    /// The base model's own right answers, as the first iteration of STaR without rationalization does.
    Own,
    /// The rationales that came with the problems (the cold start of DeepSeek-R1).
    Known,
}

/// What follows a round that found nothing to learn.
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

/// Measures the base, teaches it the first lesson if there is one, as iteration 1, and then round by round what `lesson` selects.
pub(super) fn run<M: Material>(
    arm: &mut Arm<'_>,
    iterations: u32,
    first: Option<(WarmStart, FirstLesson)>,
    mut lesson: impl FnMut(&mut Arm<'_>, u32) -> Result<Lesson<M>>,
    nothing_to_learn: NothingToLearn,
) -> Result<()> {
    arm.measure_base(Style::Rationale)?;
    for iteration in 1..=iterations {
        let last = iteration == iterations;
        if let Some((warm_start, learns)) = first.filter(|_| iteration == 1) {
            arm.iterate(iteration, last, |arm| warm_start.lesson(arm, learns))?;
            continue;
        }
        let mut found = SelectionCounts::default();
        let outcome = arm.iterate(iteration, last, |arm| {
            let lesson = lesson(arm, iteration)?;
            found = lesson.selection;
            Ok(lesson)
        });
        if let Err(error) = outcome {
            let why = if matches!(error, Error::NothingSolved { .. }) { nothing_to_learn.reason_to_end(&found) } else { None };
            let Some(why) = why else { return Err(error) };
            arm.warn(&format!("iteration {iteration}: {why}, so iteration {} is the last", iteration - 1));
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
    warm_start.map_or(Ok(()), WarmStart::check)
}

impl WarmStart {
    /// The lesson of iteration 1.
    fn lesson(self, arm: &mut Arm<'_>, first: FirstLesson) -> Result<Lesson<Adjusted<TrainingSet>>> {
        let problems = arm.training_problems(1);
        let (material, selection, attempts) = match first {
            FirstLesson::Known => (TrainingSet::of_known_rationales(arm.task(), &problems)?, SelectionCounts::default(), Vec::new()),
            FirstLesson::Own => {
                let attempts = arm.collect(1, &problems, Start::Base, None)?;
                let round = [Round { problems, attempts }];
                let (material, selection) = rounds::select(arm, &round, SelectionRules::default())?;
                let [round] = round;
                (material, selection, round.attempts)
            }
        };
        let training_set = Adjusted { material, settings: self.settings(&arm.config().training) };
        Ok(Lesson { attempts, training_set, selection, start: Start::Base })
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
    use crate::config::Config;

    #[test]
    fn a_first_lesson_has_its_own_steps_and_learning_rate() {
        let config = Config::load("methods", &[]).expect("a shipped config");
        for name in ["grpo", "spin", "v_star"] {
            let method = &config.methods[name];
            let lesson = method.method.warm_start().expect("a first lesson");
            let [first, second] = [1, 2].map(|iteration| method.training_in(iteration));
            assert_eq!((first.steps, first.learning_rate.to_bits()), (lesson.steps, lesson.learning_rate.to_bits()), "{name}");
            assert_eq!(second, method.training, "{name}");
        }
        assert_eq!(config.methods["star"].training_in(1), config.methods["star"].training);
    }
}
