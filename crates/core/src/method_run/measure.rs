//! Measuring: one greedy answer to every held-out problem.

use super::MethodRun;
use super::ask::AskPlan;
use crate::error::Result;
use crate::evaluation;
use crate::event::{Event, Stage};
use crate::metrics::{IterationMetrics, SelectionCounts};
use crate::policy::SamplingParams;
use crate::types::{GradedAttempt, Mode, ModelRef, Split, Style};
use starloop_record::IterationDir;
use starloop_record::run_dir::FileStage;

/// All that the base model's answers depend on within one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BaseMeasurement {
    split: Split,
    style: Style,
    few_shot: usize,
    max_new_tokens: usize,
}

/// The model that is measured, and the way of measuring.
pub(super) struct Measurement {
    /// The stage, for the observer.
    pub(super) stage: Stage,
    /// The iteration that made the model; 0 for the base.
    pub(super) iteration: u32,
    /// The problems.
    pub(super) split: Split,
    /// The style of the worked examples.
    pub(super) style: Style,
}

impl MethodRun<'_> {
    /// Measures the base model with the worked examples of iteration 1 in its prompt, as iteration 0. Methods that measure alike share the
    /// answers.
    ///
    /// # Errors
    /// Those of the policy and of the run directory.
    pub fn measure_base(&mut self, style: Style) -> Result<IterationMetrics> {
        let place = self.place(0);
        let split = self.settings.evaluation.split;
        let max_new_tokens = self.settings.sampling.max_new_tokens;
        let measurement = BaseMeasurement { split, style, few_shot: self.few_shot_after(0), max_new_tokens };
        let shared =
            self.base_answers.iter().find(|(known, ..)| *known == measurement).map(|(_, answers, read)| (answers.clone(), read.clone()));
        let answers = match &shared {
            Some((shared, read)) if place.evaluation()?.is_none() => {
                // It is a stage too, so that the log says that it took no time.
                let began = self.started(0, Stage::Evaluating, shared.len() as u64)?;
                place.write_evaluation(shared, read.clone())?;
                self.ended(0, Stage::Evaluating, 0, began)?;
                shared.clone()
            }
            _ => self.evaluate(&place, &Measurement { stage: Stage::Evaluating, iteration: 0, split, style })?,
        };
        let metrics = match place.metrics()? {
            Some(metrics) => metrics,
            None => self.write_metrics(0, &[], SelectionCounts::default(), None, &answers)?,
        };
        self.finished(&metrics)?;
        if shared.is_none() {
            self.warn_of_failed_verdicts(&metrics, &answers)?;
            // Answers without rationales say nothing of what there is to bootstrap from.
            if !self.warn_of_another_prompt(measurement.few_shot)? && style == Style::Rationale {
                self.warn_of_a_hopeless_base(&metrics)?;
            }
            let read = place.stage(FileStage::Evaluate)?.map(|record| record.read).unwrap_or_default();
            self.base_answers.push((measurement, answers, read));
        }
        Ok(metrics)
    }

    /// Measures the method's best model once on `evaluation.final_split`, where the config names one. Best is what `evaluation.split` says,
    /// which no final figure comes from.
    pub(crate) fn measure_final(&mut self) -> Result<()> {
        let Some(split) = self.settings.evaluation.final_split else { return Ok(()) };
        let place = self.run_dir.final_measurement(self.name);
        let metrics = if let Some(metrics) = place.metrics()? {
            metrics
        } else {
            let measured = self.run_dir.metrics(self.name)?;
            let Some(chosen) = best(&measured) else { return Ok(()) };
            let (stage, iteration, style) = (Stage::FinalEvaluation, chosen.iteration, self.style);
            let answers = self.evaluate(&place, &Measurement { stage, iteration, split, style })?;
            let metrics = IterationMetrics {
                split,
                accuracy: evaluation::accuracy(&answers),
                by_class: evaluation::accuracy_by_class(&self.parts.task.classes(iteration), &answers),
                evaluation_tokens: evaluation::count(&answers, Mode::Unhinted).tokens,
                evaluation_failed: evaluation::count(&answers, Mode::Unhinted).failed,
                ..chosen.clone()
            };
            place.write_metrics(&metrics)?;
            self.warn_of_failed_verdicts(&metrics, &answers)?;
            metrics
        };
        let (method, metrics) = (self.name.to_owned(), Box::new(metrics));
        self.report(&Event::MethodFinished { method, metrics })
    }

    /// One greedy answer to every problem of the split.
    pub(super) fn evaluate(&mut self, place: &IterationDir, measurement: &Measurement) -> Result<Vec<GradedAttempt>> {
        let Measurement { stage, iteration, split, style } = *measurement;
        if let Some(answers) = place.evaluation()? {
            place.discard_journal()?;
            let counts = evaluation::count(&answers, Mode::Unhinted);
            self.reused(iteration, stage, counts.attempts, counts.tokens)?;
            return Ok(answers);
        }
        let problems = self.settings.evaluation.problems(self.parts.task, split, iteration);
        let stop = self.parts.task.stop_strings();
        let params = SamplingParams { stop, ..SamplingParams::greedy(self.settings.sampling.max_new_tokens) };
        let few_shot = self.few_shot_after(iteration);
        let question = AskPlan { stage, iteration, hint: None, style, few_shot, samples: 1, params };
        let model = if iteration == 0 { ModelRef::Base } else { ModelRef::Iteration(iteration) };
        let answers = self.ask(place, &question, &problems, model)?;
        let read = self.keep_texts()?;
        place.write_evaluation(&answers, read)?;
        place.discard_journal()?;
        Ok(answers)
    }

    /// Worked examples in front of a problem that measures what iteration `iteration` made.
    pub(super) fn few_shot_after(&self, iteration: u32) -> usize {
        let sampling = &self.settings.sampling;
        let next = || sampling.few_shot_in(iteration + 1);
        if iteration == 0 { sampling.few_shot } else { self.settings.evaluation.few_shot.unwrap_or_else(next) }
    }
}

/// The iteration with the highest accuracy, the earliest of equals; the base only where nothing was trained.
pub(super) fn best(measured: &[IterationMetrics]) -> Option<&IterationMetrics> {
    let trained = measured.iter().filter(|metrics| metrics.iteration > 0 && metrics.accuracy.total > 0);
    let earliest_of_the_highest =
        |a: &&IterationMetrics, b: &&IterationMetrics| a.accuracy.mean.total_cmp(&b.accuracy.mean).then(b.iteration.cmp(&a.iteration));
    trained.max_by(earliest_of_the_highest).or(measured.first())
}
