//! Asking a model: problems into prompts, samples into graded attempts.

use super::collect::tokens;
use super::recall::Recall;
use super::{Hint, MethodRun, require_finite};
use crate::error::{Error, Result};
use crate::event::{Event, Stage};
use crate::policy::{Sample, SampleProgress, SampleRequest, SamplingParameters};
use crate::prompt;
use crate::seed::sample_seed;
use crate::task::{self, Task};
use crate::types::{Attempt, GradedAttempt, Mode, ModelRef, Problem, Style};
use starloop_record::IterationDir;
use starloop_record::digest::sha256_hex;
use std::path::PathBuf;

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

impl MethodRun<'_> {
    /// Asks `model` every problem and grades what comes back, in the order of the problems and their samples. What an interrupted stage was
    /// answered, as the journal of `place` has it, is not asked again.
    pub(super) fn ask(
        &mut self,
        place: &IterationDir,
        question: &Question,
        problems: &[Problem],
        model: ModelRef,
    ) -> Result<Vec<GradedAttempt>> {
        let total = problems.len() as u64 * u64::from(question.samples);
        let began = self.started(question.iteration, question.stage, total);
        let attempts = self.answers(Some(place), question, problems, model, 0)?;
        self.ended(question.iteration, question.stage, tokens(&attempts), began);
        Ok(attempts)
    }

    /// As [`MethodRun::ask`], within a stage that has begun already, in which `done` completions were made before. Without a place there is no
    /// journal.
    pub(super) fn answers(
        &mut self,
        place: Option<&IterationDir>,
        question: &Question,
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
        let mut asked = Vec::new();
        for problem in problems {
            let Some((prompt, given)) = question.prompt(task, problem) else { continue };
            self.texts.add(task, problem, mode, &prompt, &sha256_hex(&prompt));
            for sample in 0..question.samples {
                let seed = sample_seed(self.seed, question.iteration, mode, &problem.id, sample);
                let request = SampleRequest { prompt: prompt.clone(), seed };
                asked.push(Asked { problem, mode, sample, given: given.clone(), request });
            }
        }
        let attempts = self.draw(place, &question.parameters, &asked, &checkpoint, done)?;
        let mut graded = Vec::with_capacity(attempts.len());
        for (Asked { problem, .. }, attempt) in asked.iter().zip(attempts) {
            require_finite("the log-probability of a completion", attempt.logprob.unwrap_or(0.0), || {
                format!("{}, iteration {}, {mode} attempt at {}", self.name, question.iteration, problem.id)
            })?;
            graded.push(task::grade(task, problem, attempt)?);
        }
        Ok(graded)
    }

    /// An attempt for everything that is asked, in order; `done` completions of the stage were made before.
    fn draw(
        &mut self,
        place: Option<&IterationDir>,
        parameters: &SamplingParameters,
        asked: &[Asked<'_>],
        checkpoint: &str,
        done: u64,
    ) -> Result<Vec<Attempt>> {
        let policy = &mut *self.parts.policy;
        let mut recall = match place.filter(|_| policy.keeps_journal()) {
            Some(place) => Recall::open(place, asked, checkpoint)?,
            None => Recall::nothing(asked),
        };
        let places = recall.missing();
        let requests: Vec<SampleRequest> = places.iter().map(|&place| asked[place].request.clone()).collect();
        let (known, known_tokens) = recall.known();
        let observer = &mut *self.observer;
        let mut report = |progress: SampleProgress| {
            let (done, tokens) = (done + known + progress.finished, known_tokens + progress.tokens);
            observer.observe(&Event::StageProgress { done, tokens, loss: None });
        };
        let mut keep = |request: usize, sample: &Sample| recall.keep(places[request], asked[places[request]].attempt(sample, checkpoint));
        let samples = policy.sample_each(&requests, parameters, &mut keep, &mut report).map_err(|error| match error {
            Error::Request { request, message, .. } => {
                let place = places.get(request).copied();
                let problem = place.and_then(|place| asked.get(place)).map(|asked| format!("problem {}", asked.problem.id));
                Error::Request { request, problem, message }
            }
            other => other,
        })?;
        debug_assert_eq!(samples.len(), requests.len());
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
                // Forgotten first: after a failure it is not known what the policy holds.
                self.loaded = None;
                let sha256 = self.parts.policy.load(&path)?;
                self.loaded = Some((path, sha256.clone()));
                Ok(sha256)
            }
        }
    }
}

/// One sample that is wanted.
pub(super) struct Asked<'a> {
    pub(super) problem: &'a Problem,
    pub(super) mode: Mode,
    /// Which of the samples for this prompt, from 0.
    pub(super) sample: u32,
    /// The part of the completion that the prompt already holds.
    pub(super) given: String,
    pub(super) request: SampleRequest,
}

impl Asked<'_> {
    /// The attempt that a sample makes.
    fn attempt(&self, sample: &Sample, checkpoint: &str) -> Attempt {
        Attempt {
            problem: self.problem.id.clone(),
            class: self.problem.class.clone(),
            mode: self.mode,
            sample: self.sample,
            seed: self.request.seed,
            checkpoint: checkpoint.to_owned(),
            prompt_sha256: sha256_hex(&self.request.prompt),
            prompt_tokens: sample.prompt_tokens,
            completion_tokens: sample.completion_tokens,
            completion: self.given.clone() + &sample.text,
            finish: sample.finish,
            logprob: sample.logprob,
            token_logprobs: None,
            token_ends: None,
        }
    }
}
