//! Asking a model: problems into prompts, samples into graded attempts.

use super::{Arm, Start, require_finite};
use crate::error::{Error, Result};
use crate::event::{Event, Stage};
use crate::policy::{Sample, SampleRequest, SamplingParameters};
use crate::prompt;
use crate::seed::{sample_seed, sha256_hex};
use crate::task::{Style, Task};
use crate::types::{Attempt, Grade, GradedAttempt, Mode, Problem};
use std::path::PathBuf;

/// How problems are asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    /// The stage that asks, for the observer.
    pub(super) stage: Stage,
    /// The outer iteration.
    pub(super) iteration: u32,
    /// With or without the hint.
    pub(super) mode: Mode,
    /// What the worked examples show.
    pub(super) style: Style,
    /// Worked examples in front.
    pub(super) few_shot: usize,
    /// Samples for each problem.
    pub(super) samples: u32,
    /// How completions are drawn.
    pub(super) parameters: SamplingParameters,
}

impl Arm<'_> {
    /// Asks `model` every problem and grades what comes back, in the order of the problems and their samples.
    pub(super) fn ask(&mut self, question: &Question, problems: &[Problem], model: Start) -> Result<Vec<GradedAttempt>> {
        let total = problems.len() as u64 * u64::from(question.samples);
        let began = self.started(question.iteration, question.stage, total);
        if problems.is_empty() {
            self.ended(question.iteration, question.stage, 0, began);
            return Ok(Vec::new());
        }
        let checkpoint = self.load(model)?;
        let task = self.parts.task;
        let mut asked = Vec::new();
        let mut requests = Vec::new();
        for problem in problems {
            let prompt = prompt::assemble(task, problem, question.mode, question.style, question.few_shot);
            for sample in 0..question.samples {
                let seed = sample_seed(self.seed, question.iteration, question.mode, &problem.id, sample);
                asked.push((problem, sample));
                requests.push(SampleRequest { prompt: prompt.clone(), seed });
            }
        }
        let observer = &mut *self.observer;
        let samples = self.parts.policy.sample(&requests, &question.parameters, &mut |progress| {
            observer.observe(&Event::StageProgress { done: progress.finished, tokens: progress.tokens, loss: None });
        });
        let samples = samples.map_err(|error| match error {
            Error::Request { request, message, .. } => {
                let problem = asked.get(request).map(|(problem, _)| format!("problem {}", problem.id));
                Error::Request { request, problem, message }
            }
            other => other,
        })?;
        if samples.len() != requests.len() {
            return Err(Error::SampleCount { expected: requests.len(), got: samples.len() });
        }
        let mut attempts = Vec::with_capacity(samples.len());
        for (((problem, index), request), sample) in asked.into_iter().zip(&requests).zip(samples) {
            require_finite("the log-probability of a completion", sample.logprob, || {
                format!("{}, iteration {}, {} attempt at {}", self.name, question.iteration, question.mode, problem.id)
            })?;
            attempts.push(grade(task, problem, question.mode, index, request, sample, &checkpoint)?);
        }
        let tokens = attempts.iter().map(|graded| graded.attempt.completion_tokens as u64).sum();
        self.ended(question.iteration, question.stage, tokens, began);
        Ok(attempts)
    }

    /// Makes `model` the policy's model, if it is not yet. Returns the SHA-256 of its weights.
    pub(super) fn load(&mut self, model: Start) -> Result<String> {
        self.load_from(self.checkpoint(model))
    }

    /// The same with the checkpoint in `path`.
    pub(super) fn load_from(&mut self, path: PathBuf) -> Result<String> {
        match &self.loaded {
            Some((loaded, sha256)) if *loaded == path => Ok(sha256.clone()),
            _ => {
                // Forgotten first: after a failure it is not known what the policy holds.
                self.loaded = None;
                let sha256 = self.parts.policy.load(&path)?;
                self.loaded = Some((path, sha256.clone()));
                Ok(sha256)
            }
        }
    }
}

fn grade(
    task: &dyn Task,
    problem: &Problem,
    mode: Mode,
    index: u32,
    request: &SampleRequest,
    sample: Sample,
    checkpoint: &str,
) -> Result<GradedAttempt> {
    let Grade { verdict, reading } = task.verify(problem, &sample.text, sample.finish)?;
    let faithful = task.reference(problem).map(|reference| reference.trim() == sample.text.trim());
    let attempt = Attempt {
        problem: problem.id.clone(),
        class: problem.class.clone(),
        mode,
        sample: index,
        seed: request.seed,
        checkpoint: checkpoint.to_owned(),
        prompt_sha256: sha256_hex(&request.prompt),
        prompt_tokens: sample.prompt_tokens,
        completion_tokens: sample.completion_tokens,
        completion: sample.text,
        finish: sample.finish,
        logprob: sample.logprob,
    };
    Ok(GradedAttempt { attempt, verdict, reading, faithful })
}
