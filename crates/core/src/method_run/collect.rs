//! Collecting: sampling the attempts of an iteration, with and without hints. A method combines the functions here. Functions named `sample_`
//! write nothing; `collect_and_record` and `record_attempts` write the attempts.

use super::MethodRun;
use super::ask::AskPlan;
use crate::error::Result;
use crate::evaluation;
use crate::event::Stage;
use crate::metrics::BalanceMetrics;
use crate::policy::SamplingParams;
use crate::types::{GradedAttempt, Mode, ModelRef, Problem, Style};
use starloop_record::run_dir::FileStage;
use std::collections::HashSet;

/// The content of a hint. No training prompt has a hint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hint {
    /// The answer (paper, section 3.2).
    Answer,
    /// This share of the answer, in 0..=1, if the task can show a part.
    PartOfAnswer(f64),
    /// This share of the known rationale, in 0..=1. The model continues it, and both together are learned.
    Prefix(f64),
}

/// The stages of collecting, as observers see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollectStages {
    /// All attempts are one stage.
    Sample,
    /// Hinted attempts at the failures are a second stage.
    SampleAndRationalize,
}

impl CollectStages {
    /// Two stages if failures are retried with a hint.
    pub fn with_retries(retries: bool) -> Self {
        if retries { CollectStages::SampleAndRationalize } else { CollectStages::Sample }
    }
}

impl MethodRun<'_> {
    /// Attempts `problems` with `model`, and writes the attempts to the run directory. Problems whose attempts all failed are attempted once
    /// more with the answer as a hint by `rationalizer`, if there is one (paper, section 3.2). The attempts without hint come first. Attempts
    /// that the run directory has are read instead.
    ///
    /// # Errors
    /// Those of the policy and of the run directory.
    pub fn collect_and_record(
        &mut self,
        iteration: u32,
        problems: &[Problem],
        model: ModelRef,
        rationalizer: Option<ModelRef>,
    ) -> Result<Vec<GradedAttempt>> {
        self.record_attempts(iteration, CollectStages::with_retries(rationalizer.is_some()), |run| {
            let temperature = run.settings.sampling.temperature;
            let mut attempts = run.sample_attempts(iteration, problems, model, temperature)?;
            if let Some(rationalizer) = rationalizer {
                let hinted = run.sample_retries(iteration, problems, &attempts, rationalizer, Hint::Answer)?;
                attempts.extend(hinted);
            }
            Ok(attempts)
        })
    }

    /// Reads the attempts of the iteration from the run directory, or else samples them with `make` and writes them there. `stages` says
    /// which stages `make` has, for observers.
    ///
    /// # Errors
    /// Those of `make` and of the run directory.
    pub fn record_attempts(
        &mut self,
        iteration: u32,
        stages: CollectStages,
        make: impl FnOnce(&mut Self) -> Result<Vec<GradedAttempt>>,
    ) -> Result<Vec<GradedAttempt>> {
        let place = self.place(iteration);
        if let Some(attempts) = place.attempts()? {
            place.discard_journal()?;
            for (stage, mode) in [(Stage::Sampling, Mode::Unhinted), (Stage::Rationalizing, Mode::Hinted)] {
                let counts = evaluation::count(&attempts, mode);
                if mode == Mode::Unhinted || stages == CollectStages::SampleAndRationalize {
                    self.reused(iteration, stage, counts.attempts, counts.tokens)?;
                }
            }
            return Ok(attempts);
        }
        let attempts = make(self)?;
        let read = self.keep_texts()?;
        place.write_attempts(&attempts, read)?;
        place.discard_journal()?;
        Ok(attempts)
    }

    /// Takes over the unaided attempts that another method of the run made in an iteration. The caller makes sure that this method would ask the
    /// same model in the same way: then it would get the same completions, because no seed depends on the name of the method.
    ///
    /// # Errors
    /// Those of the run directory.
    pub fn share_attempts(&mut self, method: &str, iteration: u32) -> Result<Vec<GradedAttempt>> {
        let (place, theirs) = (self.place(iteration), self.run_dir.iteration(method, iteration));
        if place.attempts()?.is_none() {
            let attempts = theirs.attempts()?.unwrap_or_default();
            let unaided: Vec<GradedAttempt> = attempts.into_iter().filter(|graded| graded.attempt.mode == Mode::Unhinted).collect();
            let read = theirs.stage(FileStage::Collect)?.map(|record| record.read).unwrap_or_default();
            place.write_attempts(&unaided, read)?;
        }
        self.record_attempts(iteration, CollectStages::Sample, |_| Ok(Vec::new()))
    }

    /// Samples attempts at `problems` without a hint at `temperature`. All else is as in `[sampling]`. Nothing is written.
    ///
    /// # Errors
    /// Those of the policy.
    pub fn sample_attempts(
        &mut self,
        iteration: u32,
        problems: &[Problem],
        model: ModelRef,
        temperature: f64,
    ) -> Result<Vec<GradedAttempt>> {
        let mut question = self.question(iteration, Stage::Sampling, None, model);
        question.params.temperature = temperature;
        self.ask(&self.place(iteration), &question, problems, model)
    }

    /// Samples attempts with `hint` at the problems at which every one of `attempts` failed. Nothing is written.
    ///
    /// # Errors
    /// Those of the policy.
    pub fn sample_retries(
        &mut self,
        iteration: u32,
        problems: &[Problem],
        attempts: &[GradedAttempt],
        model: ModelRef,
        hint: Hint,
    ) -> Result<Vec<GradedAttempt>> {
        let question = self.question(iteration, Stage::Rationalizing, Some(hint), model);
        let mut hinted = self.ask(&self.place(iteration), &question, &failed(problems, attempts), model)?;
        self.check_hinted(&question, problems, model, &mut hinted)?;
        Ok(hinted)
    }

    /// Attempts problems from the front of `problems` until `quota` of them are solved or none is left, with the failures retried by
    /// `rationalizer` if there is one. Each call samples as many problems as are still to be solved, but at least `at_least`. Returns
    /// unaided attempts before hinted ones, each in the order of `problems`. Nothing is written.
    ///
    /// # Errors
    /// Those of the policy.
    pub fn sample_until(
        &mut self,
        iteration: u32,
        problems: &[Problem],
        model: ModelRef,
        rationalizer: Option<ModelRef>,
        quota: u64,
        at_least: usize,
    ) -> Result<Vec<GradedAttempt>> {
        let unaided = self.question(iteration, Stage::Sampling, None, model);
        let retried = rationalizer.map(|model| (self.question(iteration, Stage::Sampling, Some(Hint::Answer), model), model));
        let place = self.place(iteration);
        let began = self.started(iteration, Stage::Sampling, quota)?;
        let (mut attempts, mut hinted, mut solved, mut left) = (Vec::new(), Vec::new(), 0, problems);
        while solved < quota && !left.is_empty() {
            let (asked, rest) = left.split_at(usize::try_from(quota - solved).unwrap_or(usize::MAX).max(at_least).min(left.len()));
            left = rest;
            let mut answers = self.answers(Some(&place), &unaided, asked, model, solved)?;
            let mut of_these = asked.len() - failed(asked, &answers).len();
            attempts.append(&mut answers);
            if let Some((question, rationalizer)) = &retried {
                let failures = failed(asked, &attempts);
                let mut answers = self.answers(Some(&place), question, &failures, *rationalizer, solved)?;
                of_these += failures.len() - failed(&failures, &answers).len();
                hinted.append(&mut answers);
            }
            solved += of_these as u64;
        }
        self.ended(iteration, Stage::Sampling, tokens(&attempts) + tokens(&hinted), began)?;
        if let Some((question, rationalizer)) = &retried {
            self.check_hinted(question, problems, *rationalizer, &mut hinted)?;
        }
        attempts.append(&mut hinted);
        Ok(attempts)
    }

    /// Unaided attempts at `problems` at the temperature that suits the model. The first `probes` of them are attempted at each of
    /// `temperatures`; `choose` sees these attempts, temperature by temperature, and names one by its place; at that one the rest are
    /// attempted too. Nothing is written, and a journal does not hold the probes, because it does not record temperatures.
    ///
    /// # Errors
    /// Those of the policy.
    pub fn sample_balanced(
        &mut self,
        iteration: u32,
        problems: &[Problem],
        model: ModelRef,
        probes: usize,
        temperatures: &[f64],
        choose: impl FnOnce(&[Vec<GradedAttempt>]) -> usize,
    ) -> Result<Vec<GradedAttempt>> {
        let place = self.place(iteration);
        let (probed, rest) = problems.split_at(probes.min(problems.len()));
        let mut question = self.question(iteration, Stage::Sampling, None, model);
        let samples = u64::from(question.samples);
        let asked_of_all = (temperatures.len() * probed.len() + rest.len()) as u64 * samples;
        let began = self.started(iteration, Stage::Sampling, asked_of_all)?;
        let (mut tried, mut done) = (Vec::new(), 0);
        for &temperature in temperatures {
            question.params.temperature = temperature;
            tried.push(self.answers(None, &question, probed, model, done)?);
            done += probed.len() as u64 * samples;
        }
        let chosen = choose(&tried);
        question.params.temperature = temperatures[chosen];
        let mut tokens = tried.iter().map(|attempts| tokens(attempts)).sum();
        let mut attempts = tried.swap_remove(chosen);
        let of_the_rest = self.answers(Some(&place), &question, rest, model, done)?;
        tokens += self::tokens(&of_the_rest);
        attempts.extend(of_the_rest);
        self.ended(iteration, Stage::Sampling, tokens, began)?;
        Ok(attempts)
    }

    /// Keeps what an iteration found before it collected, beside its attempts.
    ///
    /// # Errors
    /// Those of the run directory.
    pub fn keep_balance(&self, iteration: u32, balance: &BalanceMetrics) -> Result<()> {
        Ok(self.place(iteration).write_balance(balance)?)
    }

    /// Reads what [`MethodRun::keep_balance`] wrote.
    ///
    /// # Errors
    /// Those of the run directory.
    pub fn balance(&self, iteration: u32) -> Result<Option<BalanceMetrics>> {
        Ok(self.place(iteration).balance()?)
    }

    fn question(&self, iteration: u32, stage: Stage, hint: Option<Hint>, model: ModelRef) -> AskPlan {
        let sampling = &self.settings.sampling;
        // The base knows the task from the worked examples alone, in every iteration.
        let base_rationalizes = hint.is_some() && model == ModelRef::Base;
        let few_shot = if base_rationalizes { sampling.few_shot } else { sampling.few_shot_in(iteration) };
        AskPlan { stage, iteration, hint, style: Style::Rationale, few_shot, samples: sampling.samples_per_problem, params: self.params() }
    }

    /// How completions are drawn while collecting.
    pub(super) fn params(&self) -> SamplingParams {
        self.settings.sampling.params(self.parts.task.stop_strings())
    }
}

/// Tokens that were generated.
pub(super) fn tokens(attempts: &[GradedAttempt]) -> u64 {
    attempts.iter().map(|graded| graded.attempt.completion_tokens as u64).sum()
}

/// The problems of which no attempt is right, in their order.
fn failed(problems: &[Problem], attempts: &[GradedAttempt]) -> Vec<Problem> {
    let right = attempts.iter().filter(|graded| graded.verdict.is_correct());
    let solved: HashSet<_> = right.map(|graded| &graded.attempt.problem).collect();
    problems.iter().filter(|problem| !solved.contains(&problem.id)).cloned().collect()
}
