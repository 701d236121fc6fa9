//! Sampling attempts: from problems to prompts, and from completions to graded attempts.

use super::collect::tokens;
use super::recall::Recall;
use super::{Hint, MethodRun, require_finite};
use crate::error::{OrCancelled, Result};
use crate::event::{Event, Stage};
use crate::policy::seed::sample_seed;
use crate::policy::{Completion, Progress, PromptRequest, SamplingParams, TokenScore};
use crate::task::prompt;
use crate::task::{self, Task};
use crate::types::{Attempt, GradedAttempt, Mode, ModelRef, Problem, Style};
use starloop_record::IterationDir;
use starloop_record::digest::sha256_hex;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// How attempts are sampled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AskPlan {
    /// The stage that asks, for the observer.
    pub(super) stage: Stage,
    /// The outer iteration.
    pub(super) iteration: u32,
    /// The hint in the prompt; `None` for an attempt without a hint.
    pub(super) hint: Option<Hint>,
    /// The style of the worked examples.
    pub(super) style: Style,
    /// Worked examples in front.
    pub(super) few_shot: usize,
    /// Samples for each problem.
    pub(super) samples: u32,
    /// How completions are drawn.
    pub(super) params: SamplingParams,
}

impl AskPlan {
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

impl MethodRun<'_> {
    /// Samples attempts at every problem with `model` and grades them, in the order of the problems and their samples. Attempts that the journal
    /// of `place` has from an interrupted stage are not sampled again.
    pub(super) fn ask(
        &mut self,
        place: &IterationDir,
        question: &AskPlan,
        problems: &[Problem],
        model: ModelRef,
    ) -> Result<Vec<GradedAttempt>> {
        let total = problems.len() as u64 * u64::from(question.samples);
        let began = self.started(question.iteration, question.stage, total)?;
        let attempts = self.answers(Some(place), question, problems, model, 0)?;
        self.ended(question.iteration, question.stage, tokens(&attempts), began)?;
        Ok(attempts)
    }

    /// As [`MethodRun::ask`], within a stage that has begun already, in which `done` completions were made before. Without a place there is no
    /// journal.
    pub(super) fn answers(
        &mut self,
        place: Option<&IterationDir>,
        question: &AskPlan,
        problems: &[Problem],
        model: ModelRef,
        done: u64,
    ) -> Result<Vec<GradedAttempt>> {
        if problems.is_empty() {
            return Ok(Vec::new());
        }
        let checkpoint = self.load(model)?;
        self.texts.asked(&checkpoint);
        let (task, mode) = (self.parts.task, question.mode());
        let mut asked = Vec::with_capacity(problems.len());
        for problem in problems {
            let Some((prompt, given)) = question.prompt(task, problem) else { continue };
            let seed = |sample| sample_seed(self.seed, question.iteration, mode, &problem.id, sample);
            let (prompt_sha256, seeds) = (sha256_hex(&prompt), (0..question.samples).map(seed).collect());
            self.texts.add(task, problem, mode, &prompt, &prompt_sha256);
            asked.push(Asked { problem, mode, given, prompt_sha256, request: PromptRequest { prompt, seeds } });
        }
        let attempts = self.draw(place, &question.params, &asked, &checkpoint, done)?;
        let problems = asked.iter().flat_map(|asked| asked.request.seeds.iter().map(|_| asked.problem));
        let attempts: Vec<(&Problem, Attempt)> = problems.zip(attempts).collect();
        for (problem, attempt) in &attempts {
            require_finite("the log-probability of a completion", attempt.logprob.unwrap_or(0.0), || {
                format!("{}, iteration {}, {mode} attempt at {}", self.name, question.iteration, problem.id)
            })?;
        }
        task::grade(task, attempts)
    }

    /// An attempt for each sample of each problem, in order. `done` completions of the stage were made before.
    fn draw(
        &mut self,
        place: Option<&IterationDir>,
        params: &SamplingParams,
        asked: &[Asked<'_>],
        checkpoint: &str,
        done: u64,
    ) -> Result<Vec<Attempt>> {
        let policy = &mut *self.parts.policy;
        let mut recall = match place.filter(|_| policy.keeps_journal()) {
            Some(place) => Recall::open(place, asked, checkpoint)?,
            None => Recall::nothing(asked),
        };
        let is_base = self.loaded.as_ref().is_some_and(|(path, _)| path == self.parts.base);
        if let Some(place) = place.filter(|_| is_base) {
            recall.adopt(asked, self.twins.answers(place, params, checkpoint)?);
        }
        let missing = recall.missing();
        let by_prompt: Vec<&[AttemptPlace]> = missing.chunk_by(|a, b| a.asked == b.asked).collect();
        let requests: Vec<PromptRequest> = by_prompt.iter().map(|places| asked[places[0].asked].request_for(places)).collect();
        let (known, known_tokens) = recall.known();
        let observer = &mut *self.observer;
        let mut flow = ControlFlow::Continue(());
        let mut report = |progress: Progress| {
            let (done, tokens) = (done + known + progress.finished, known_tokens + progress.tokens);
            flow = observer.observe(&Event::StageProgress { done, tokens, loss: None });
            flow
        };
        let mut keep = |at: usize, completion: &Completion| {
            let place = missing[at];
            recall.keep(place, asked[place.asked].attempt(place.sample, completion, checkpoint))
        };
        let drawn = policy.sample_each(&requests, params, &mut keep, &mut report);
        drawn.map_err(|error| error.naming(|request| Some(asked[by_prompt.get(request)?[0].asked].problem.id.to_string())))?;
        // A policy may have been done before it could stop.
        flow.or_cancelled()?;
        Ok(recall.attempts())
    }

    /// Makes `model` the policy's model, if it is not yet. Returns the SHA-256 of its weights.
    pub(super) fn load(&mut self, model: ModelRef) -> Result<String> {
        let path = self.checked_checkpoint(model)?;
        self.load_from(path)
    }

    /// The same with the checkpoint in `path`.
    pub(super) fn load_from(&mut self, path: PathBuf) -> Result<String> {
        match &self.loaded {
            Some((loaded, sha256)) if *loaded == path => Ok(sha256.clone()),
            _ => {
                // After a failure, the checkpoint that the policy holds is unknown.
                self.loaded = None;
                let sha256 = self.parts.policy.load(&path)?;
                self.loaded = Some((path, sha256.clone()));
                Ok(sha256)
            }
        }
    }
}

/// A problem with its request, which has a seed for each sample.
pub(super) struct Asked<'a> {
    pub(super) problem: &'a Problem,
    pub(super) mode: Mode,
    /// The part of the completion that the prompt already holds.
    pub(super) given: String,
    pub(super) prompt_sha256: String,
    pub(super) request: PromptRequest,
}

/// The place of an attempt: the problem among those of the stage, and the sample, both from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AttemptPlace {
    pub(super) asked: usize,
    pub(super) sample: usize,
}

impl Asked<'_> {
    /// The request for these of its samples.
    fn request_for(&self, places: &[AttemptPlace]) -> PromptRequest {
        let seeds = places.iter().map(|place| self.request.seeds[place.sample]).collect();
        PromptRequest { prompt: self.request.prompt.clone(), seeds }
    }

    /// The attempt that a completion makes.
    fn attempt(&self, sample: usize, completion: &Completion, checkpoint: &str) -> Attempt {
        let token = |token: &TokenScore| (token.logprob, self.given.len() + token.end);
        let tokens = completion.tokens.as_ref().map(|tokens| tokens.iter().map(token).unzip());
        let (token_logprobs, token_ends) = tokens.unzip();
        Attempt {
            problem: self.problem.id.clone(),
            class: self.problem.class.clone(),
            mode: self.mode,
            sample: sample as u32,
            seed: self.request.seeds[sample],
            checkpoint: checkpoint.to_owned(),
            prompt_sha256: self.prompt_sha256.clone(),
            prompt_tokens: completion.prompt_tokens,
            completion_tokens: completion.completion_tokens,
            completion: self.given.clone() + &completion.text,
            stop_reason: completion.stop_reason.clone(),
            logprob: completion.logprob,
            token_logprobs,
            token_ends,
        }
    }
}
