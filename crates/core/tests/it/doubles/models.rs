//! Policies and a trainer, whose model is a file that holds one number.

use super::numbers::rationale;
use starloop_core::error::{Error, Result};
use starloop_core::metrics::TrainingMetrics;
use starloop_core::policy::{Completion, CompletionRequest, Policy, Progress, PromptRequest, SamplingParams, ScoreRequest, Scorer};
use starloop_core::trainer::{Trainer, TrainingJob, TrainingProgress};
use starloop_core::types::StopReason;
use starloop_record::training_rows::TrainingRows;
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Fails at the call with this number, counted over policy and trainer.
#[derive(Default)]
pub struct Fault {
    calls: AtomicUsize,
    at: Option<usize>,
}

impl Fault {
    pub fn at(call: usize) -> Self {
        Fault { at: Some(call), ..Fault::default() }
    }

    /// Returns true if the fault is still to come.
    pub fn is_ahead(&self) -> bool {
        self.at.is_some_and(|at| self.calls.load(Ordering::Relaxed) <= at)
    }

    fn call(&self) -> Result<()> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if Some(call) == self.at { Err(Error::Io(std::io::Error::other("injected"))) } else { Ok(()) }
    }
}

#[derive(Default)]
pub struct ToyPolicy<'a> {
    pub skill: Option<u32>,
    pub fault: Option<&'a Fault>,
    /// Every prompt that it was ever given.
    pub prompts: RefCell<Vec<String>>,
}

impl Policy for ToyPolicy<'_> {
    fn load(&mut self, checkpoint: &Path) -> Result<String> {
        self.fault.map_or(Ok(()), Fault::call)?;
        let skill = std::fs::read_to_string(checkpoint.join("skill"))?;
        self.skill = Some(skill.parse().unwrap());
        Ok(format!("sha-of-{skill}"))
    }

    /// At a temperature, every other seed is lucky and solves one level more.
    fn sample(
        &mut self,
        requests: &[PromptRequest],
        params: &SamplingParams,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<Completion>> {
        self.fault.map_or(Ok(()), Fault::call)?;
        let skill = self.skill.unwrap();
        self.prompts.borrow_mut().extend(requests.iter().map(|request| request.prompt.clone()));
        let luck = |seed: u64| u32::from(params.temperature > 0.0 && seed.is_multiple_of(2));
        let of_request = |request| completions(request, |prompt, seed| complete(prompt, seed, skill + luck(seed)));
        let completions: Vec<Completion> = requests.iter().flat_map(of_request).collect();
        let _ = progress(Progress { finished: completions.len() as u64, tokens: 5 * completions.len() as u64 });
        Ok(completions)
    }

    /// It tells right from wrong a level beyond what it solves itself.
    fn score_completions(
        &mut self,
        requests: &[CompletionRequest],
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<f64>> {
        self.fault.map_or(Ok(()), Fault::call)?;
        let skill = self.skill.unwrap();
        self.prompts.borrow_mut().extend(requests.iter().map(|request| request.prompt.clone()));
        let _ = progress(Progress { finished: requests.len() as u64, tokens: 5 * requests.len() as u64 });
        let own = |prompt: &String| complete(prompt, 0, skill + 1).text;
        Ok(requests.iter().map(|request| if request.completion == own(&request.prompt) { -1.0 } else { -2.5 }).collect())
    }
}

impl Scorer for ToyPolicy<'_> {
    /// It is sure of the problems that it solves; elsewhere it prefers 0.
    fn score(&mut self, requests: &[ScoreRequest], progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Vec<f64>> {
        self.fault.map_or(Ok(()), Fault::call)?;
        let skill = self.skill.unwrap();
        self.prompts.borrow_mut().extend(requests.iter().map(|request| request.prompt.clone()));
        let _ = progress(Progress { finished: requests.len() as u64, tokens: 5 * requests.len() as u64 });
        let score = |request: &ScoreRequest| {
            let number = number_asked(&request.prompt);
            let preferred = if number / 100 <= skill { number * 7 } else { 0 };
            if request.continuation == format!(" {preferred}") { -1.0 } else { -2.0 }
        };
        Ok(requests.iter().map(score).collect())
    }
}

/// Has no answer, and repeats a hint if it may.
pub struct Hopeless {
    pub repeats_hints: bool,
}

impl Policy for Hopeless {
    fn load(&mut self, _: &Path) -> Result<String> {
        Ok("sha".into())
    }

    fn sample(
        &mut self,
        requests: &[PromptRequest],
        _: &SamplingParams,
        _: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<Completion>> {
        let complete = |prompt: &str, _| {
            let hint = prompt.rsplit("Q: ").next().unwrap().split_once("HINT ").filter(|_| self.repeats_hints);
            let text = hint.map_or("hm".into(), |(_, hint)| format!("so {}", hint.trim_end_matches(")\nA:")));
            Completion { stop_reason: StopReason::Length, ..completion(text) }
        };
        Ok(requests.iter().flat_map(|request| completions(request, complete)).collect())
    }
}

impl Scorer for Hopeless {
    fn score(&mut self, requests: &[ScoreRequest], _: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Vec<f64>> {
        Ok(vec![f64::NAN; requests.len()])
    }
}

fn number_asked(prompt: &str) -> u32 {
    prompt.rsplit("Q: ").next().unwrap().split([' ', '\n']).next().unwrap().parse().unwrap()
}

/// A completion of one token, ended by an end token.
pub fn completion(text: String) -> Completion {
    Completion { text, prompt_tokens: 1, completion_tokens: 1, stop_reason: StopReason::EndToken, logprob: Some(-1.0), tokens: None }
}

/// The completions of `complete` for a prompt and each of its seeds.
pub fn completions(request: &PromptRequest, complete: impl Fn(&str, u64) -> Completion) -> Vec<Completion> {
    request.seeds.iter().map(|&seed| complete(&request.prompt, seed)).collect()
}

pub fn complete(prompt: &str, seed: u64, skill: u32) -> Completion {
    let asked = prompt.rsplit("Q: ").next().unwrap();
    let number = number_asked(prompt);
    let hinted = asked.contains("HINT");
    let solves = number / 100 <= skill + u32::from(hinted);
    let text = match (solves, hinted, number % 5) {
        (true, true, 0) => format!("as the hint says, so {}", number * 7),
        (true, ..) => rationale(&number.to_string()),
        (false, _, 0) => "no idea".into(),
        (false, ..) => "a guess, so 1".into(),
    };
    // A float with all its digits, so that JSON returns it exactly.
    let logprob = Some(-(seed as f64) / 3e19);
    Completion { prompt_tokens: prompt.len(), completion_tokens: 5, logprob, ..completion(text) }
}

#[derive(Default)]
pub struct ToyTrainer<'a> {
    pub fault: Option<&'a Fault>,
    pub diverges: bool,
}

impl Trainer for ToyTrainer<'_> {
    /// Learns the highest level among the prompts; of rewarded samples, among those that are better than their group.
    fn train(&mut self, job: &TrainingJob<'_>, progress: &mut dyn FnMut(TrainingProgress) -> ControlFlow<()>) -> Result<TrainingMetrics> {
        let start: u32 = std::fs::read_to_string(job.base.join("skill"))?.parse().unwrap();
        std::fs::create_dir_all(job.scratch)?;
        std::fs::write(job.scratch.join("state"), "half way")?;
        // Files that a killed trainer leaves beside its output must not stay.
        std::fs::write(job.output.with_file_name("stray"), "")?;
        std::fs::create_dir(job.output)?;
        self.fault.map_or(Ok(()), Fault::call)?;
        let level = |prompt: &str| prompt.rsplit("Q: ").next().unwrap().split('\n').next().unwrap().parse::<u32>().unwrap() / 100;
        let learned = match job.data.rows() {
            TrainingRows::Rewards(samples) => samples.iter().filter(|row| row.advantage > 0.0).map(|row| level(&row.prompt)).max(),
            rows => rows.prompts().map(|(_, prompt)| level(prompt)).max(),
        };
        std::fs::write(job.output.join("skill"), start.max(learned.unwrap()).to_string())?;
        let loss = if self.diverges { f64::NAN } else { 1.0 / (3.0 * job.seed as f64) };
        let _ = progress(TrainingProgress { step: job.steps, tokens: 100, loss });
        Ok(TrainingMetrics { steps: job.steps, tokens: 100, target_tokens: 50, final_loss: loss, dropped_too_long: 0 })
    }
}
