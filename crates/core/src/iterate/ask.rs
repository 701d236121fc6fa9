//! Asking a model: problems into prompts, samples into graded attempts.

use super::collect::tokens;
use super::{Arm, Hint, Start, require_finite};
use crate::error::{Error, Result};
use crate::event::{Event, Stage};
use crate::policy::{Sample, SampleRequest, SamplingParameters};
use crate::prompt;
use crate::seed::{sample_seed, sha256_hex};
use crate::task::{Style, Task};
use crate::types::{Attempt, Grade, GradedAttempt, Mode, Problem};

/// How problems are asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    /// The stage that asks, for the observer.
    pub(super) stage: Stage,
    /// The outer iteration.
    pub(super) iteration: u32,
    /// What the prompt gives away; `None` for an unaided attempt.
    pub(super) hint: Option<Hint>,
    /// What the worked examples show.
    pub(super) style: Style,
    /// Worked examples in front.
    pub(super) few_shot: usize,
    /// Samples for each problem.
    pub(super) samples: u32,
    /// How completions are drawn.
    pub(super) parameters: SamplingParameters,
}

impl Question {
    fn mode(&self) -> Mode {
        if self.hint.is_some() { Mode::Hinted } else { Mode::Unhinted }
    }

    /// The whole prompt, and the part of the completion that it already holds; `None` where the task has no such hint for the problem.
    fn prompt(&self, task: &dyn Task, problem: &Problem) -> Option<(String, String)> {
        let assemble = |mode| prompt::assemble(task, problem, mode, self.style, self.few_shot);
        match self.hint {
            None => Some((assemble(Mode::Unhinted), String::new())),
            Some(Hint::Answer) => Some((assemble(Mode::Hinted), String::new())),
            Some(Hint::PartOfAnswer(share)) => {
                let (whole, part) = (task.prompt(problem, Mode::Hinted), task.partly_hinted_prompt(problem, share)?);
                let examples = assemble(Mode::Hinted);
                Some((examples.strip_suffix(&whole).unwrap_or_default().to_owned() + &part, String::new()))
            }
            Some(Hint::Prefix(share)) => {
                let given = prompt::prefix(&task.reference(problem)?, share).to_owned();
                Some((assemble(Mode::Unhinted) + &given, given))
            }
        }
    }
}

impl Arm<'_> {
    /// Asks `model` every problem and grades what comes back, in the order of the problems and their samples.
    pub(super) fn ask(&mut self, question: &Question, problems: &[Problem], model: Start) -> Result<Vec<GradedAttempt>> {
        let total = problems.len() as u64 * u64::from(question.samples);
        let began = self.started(question.iteration, question.stage, total);
        let attempts = self.answers(question, problems, model, 0)?;
        self.ended(question.iteration, question.stage, tokens(&attempts), began);
        Ok(attempts)
    }

    /// As [`Arm::ask`], within a stage that has begun already, in which `done` completions were made before.
    pub(super) fn answers(&mut self, question: &Question, problems: &[Problem], model: Start, done: u64) -> Result<Vec<GradedAttempt>> {
        if problems.is_empty() {
            return Ok(Vec::new());
        }
        let checkpoint = self.load(model)?;
        let task = self.parts.task;
        let mode = question.mode();
        let mut asked = Vec::new();
        let mut requests = Vec::new();
        for problem in problems {
            let Some((prompt, given)) = question.prompt(task, problem) else { continue };
            for sample in 0..question.samples {
                let seed = sample_seed(self.seed, question.iteration, mode, &problem.id, sample);
                asked.push((problem, sample, given.clone()));
                requests.push(SampleRequest { prompt: prompt.clone(), seed });
            }
        }
        let observer = &mut *self.observer;
        let samples = self.parts.policy.sample(&requests, &question.parameters, &mut |progress| {
            observer.observe(&Event::StageProgress { done: done + progress.finished, tokens: progress.tokens, loss: None });
        });
        let samples = samples.map_err(|error| match error {
            Error::Request { request, message, .. } => {
                let problem = asked.get(request).map(|(problem, ..)| format!("problem {}", problem.id));
                Error::Request { request, problem, message }
            }
            other => other,
        })?;
        if samples.len() != requests.len() {
            return Err(Error::SampleCount { expected: requests.len(), got: samples.len() });
        }
        let mut attempts = Vec::with_capacity(samples.len());
        for (((problem, index, given), request), sample) in asked.into_iter().zip(&requests).zip(samples) {
            require_finite("the log-probability of a completion", sample.logprob, || {
                format!("{}, iteration {}, {mode} attempt at {}", self.name, question.iteration, problem.id)
            })?;
            let sample = Sample { text: given + &sample.text, ..sample };
            attempts.push(grade(task, problem, mode, index, request, sample, &checkpoint)?);
        }
        Ok(attempts)
    }

    /// Makes `model` the policy's model, if it is not yet. Returns the SHA-256 of its weights.
    pub(super) fn load(&mut self, model: Start) -> Result<String> {
        let path = self.checkpoint(model);
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
