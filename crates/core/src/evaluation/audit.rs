//! Audits of a finished method: what its rationales are worth. They need sampling and scoring only, and train nothing.
//!
//! Each audit is one file here and one file in the run directory, `METHOD/audit/NAME.json`. An audit whose file is there with the same plan and
//! weights is not measured again, so an interrupted command continues. `docs/audit.md` describes each audit, its source and its limits.

use crate::config::MethodSettings;
use crate::error::{Error, OrCancelled, Result};
use crate::event::{Event, Observer, Stage};
use crate::metrics::IterationMetrics;
use crate::metrics::audits::{Audit, AuditPlan, Audits};
use crate::policy::{self, Completion, Policy, PromptRequest, SamplingParams};
use crate::task::identity::digest;
use crate::task::{Task, prompt};
use crate::types::{Mode, Problem, ProblemId, Style};
use serde::Serialize;
use serde::de::DeserializeOwned;
use starloop_record::RunDir;
use starloop_record::run_dir::AuditFile;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

mod early;
mod hints;
mod mistakes;
mod samples;
mod steps;

/// The parts that audits are made of.
pub struct AuditParts<'a> {
    /// The problems.
    pub task: &'a dyn Task,
    /// The run.
    pub run_dir: &'a RunDir,
    /// The base model's checkpoint directory.
    pub base: &'a Path,
    /// The policy, which samples and scores.
    pub policy: &'a mut dyn Policy,
    /// Sees the progress.
    pub observer: &'a mut dyn Observer,
}

/// A method of a run.
#[derive(Debug, Clone, Copy)]
pub struct Audited<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its settings.
    pub settings: &'a MethodSettings,
    /// The style of the worked examples when its model is measured.
    pub style: Style,
    /// True if a chat template puts the prompts. Then a completion cannot be continued.
    pub chat: bool,
}

/// The results of the audits, and the reason for each audit that was left out.
#[derive(Debug, Default)]
pub struct AuditResults {
    /// The results.
    pub audits: Audits,
    /// Audits that were not possible, with the reason.
    pub left_out: Vec<(AuditFile, String)>,
}

/// Audits a method.
///
/// # Errors
/// The method has no measured iteration with a checkpoint, and those of the policy and of the run directory. An audit that this task, policy or
/// method does not allow is left out instead, with its reason.
pub fn audit<'a>(parts: AuditParts<'a>, audited: Audited<'a>, plan: AuditPlan) -> Result<AuditResults> {
    let measured = parts.run_dir.metrics(audited.name)?;
    let mut auditor = Auditor { parts, audited, plan, measured, loaded: None };
    let Some(last) = auditor.last() else {
        let message = format!("method {} has no measured iteration whose checkpoint is there, so nothing can be audited", audited.name);
        return Err(Error::Corrupt { path: auditor.parts.run_dir.root().to_owned(), message });
    };
    let mut left_out = Vec::new();
    let audits = Audits {
        true_steps: auditor.kept(AuditFile::TrueSteps, &last, &mut left_out, steps::measure)?,
        hint_reliance: auditor.kept(AuditFile::HintReliance, &last, &mut left_out, hints::reliance)?,
        wrong_hint: auditor.kept(AuditFile::WrongHint, &last, &mut left_out, hints::wrong)?,
        early_answers: auditor.kept(AuditFile::EarlyAnswers, &last, &mut left_out, early::measure)?,
        mistake_propagation: auditor.kept(AuditFile::MistakePropagation, &last, &mut left_out, mistakes::measure)?,
        sharpening: auditor.kept(AuditFile::Sharpening, &last, &mut left_out, samples::measure)?,
    };
    Ok(AuditResults { audits, left_out })
}

/// The result of an audit, or the reason why it is not possible.
type AuditResult<T> = Result<Result<T, String>>;

struct Auditor<'a> {
    parts: AuditParts<'a>,
    audited: Audited<'a>,
    plan: AuditPlan,
    measured: Vec<IterationMetrics>,
    /// The checkpoint that the policy holds.
    loaded: Option<PathBuf>,
}

impl Auditor<'_> {
    /// The last measured iteration whose checkpoint is there.
    fn last(&self) -> Option<IterationMetrics> {
        let there = |metrics: &&IterationMetrics| metrics.accuracy.total > 0 && self.directory(metrics.iteration).is_some();
        self.measured.iter().rev().find(there).cloned()
    }

    /// The checkpoint directory of an iteration, 0 for the base, if it is there.
    fn directory(&self, iteration: u32) -> Option<PathBuf> {
        let made = || self.parts.run_dir.iteration(self.audited.name, iteration).checkpoint();
        let directory = if iteration == 0 { self.parts.base.to_owned() } else { made() };
        directory.is_dir().then_some(directory)
    }

    /// Reads an audit of the same plan and weights, or measures it and writes it.
    fn kept<T: Serialize + DeserializeOwned>(
        &mut self,
        file: AuditFile,
        last: &IterationMetrics,
        left_out: &mut Vec<(AuditFile, String)>,
        measure: impl FnOnce(&mut Self, &IterationMetrics) -> AuditResult<T>,
    ) -> Result<Option<Audit<T>>> {
        let (run_dir, name) = (self.parts.run_dir, self.audited.name);
        if let Some(audit) = run_dir.method_audit::<T>(name, file)?
            && (audit.plan, &audit.checkpoint) == (self.plan, &last.checkpoint)
        {
            return Ok(Some(audit));
        }
        match measure(self, last) {
            Ok(Ok(found)) => {
                let audit = Audit { plan: self.plan, iteration: last.iteration, checkpoint: last.checkpoint.clone(), found };
                run_dir.write_method_audit(name, file, &audit)?;
                Ok(Some(audit))
            }
            Ok(Err(reason)) => {
                left_out.push((file, reason));
                Ok(None)
            }
            Err(error @ Error::ScoringNotSupported) => {
                left_out.push((file, error.to_string()));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// At most as many as the plan says, in an order that depends on the seed and on `key` alone.
    fn some<T>(&self, all: Vec<T>, key: impl Fn(&T) -> String) -> Vec<T> {
        let seed = self.plan.seed.to_string();
        let mut ranked: Vec<([u8; 32], T)> = all.into_iter().map(|one| (digest([seed.as_str(), &key(&one)]), one)).collect();
        ranked.sort_by_key(|entry| entry.0);
        ranked.into_iter().take(usize::try_from(self.plan.problems).unwrap_or(usize::MAX)).map(|(_, one)| one).collect()
    }

    /// Every problem that an iteration of the method can have attempted or been measured on.
    fn problems(&self) -> HashMap<ProblemId, Problem> {
        let (task, last) = (self.parts.task, self.measured.last().map_or(1, |metrics| metrics.iteration.max(1)));
        let trained = (1..=last).flat_map(|iteration| task.training_problems(iteration));
        let measured = task.evaluation_problems(self.audited.settings.evaluation.split, last);
        trained.chain(measured).map(|problem| (problem.id.clone(), problem)).collect()
    }

    /// Worked examples in front of a problem that measures what an iteration made.
    fn few_shot_after(&self, iteration: u32) -> usize {
        let MethodSettings { sampling, evaluation, .. } = self.audited.settings;
        if iteration == 0 { sampling.few_shot } else { evaluation.few_shot.unwrap_or_else(|| sampling.few_shot_in(iteration + 1)) }
    }

    /// The prompt that measures the model of an iteration.
    fn measuring_prompt(&self, problem: &Problem, iteration: u32) -> String {
        prompt::assemble(self.parts.task, problem, Mode::Unhinted, self.audited.style, self.few_shot_after(iteration))
    }

    /// How completions are drawn, at most `longest` tokens.
    fn params(&self, temperature: f64, longest: usize) -> SamplingParams {
        let stop = self.parts.task.stop_strings();
        let sampling = &self.audited.settings.sampling;
        SamplingParams { temperature, max_new_tokens: sampling.max_new_tokens.min(longest), ..sampling.params(stop) }
    }

    fn load(&mut self, iteration: u32) -> Result<()> {
        let Some(directory) = self.directory(iteration) else { return Ok(()) };
        if self.loaded.as_ref() != Some(&directory) {
            self.loaded = None;
            self.parts.policy.load(&directory)?;
            self.loaded = Some(directory);
        }
        Ok(())
    }

    /// Completes prompts with the model of an iteration.
    fn complete(
        &mut self,
        file: AuditFile,
        iteration: u32,
        requests: &[PromptRequest],
        params: &SamplingParams,
    ) -> Result<Vec<Completion>> {
        self.load(iteration)?;
        let total = requests.iter().map(|request| request.seeds.len() as u64).sum();
        let method = format!("{} {}", self.audited.name, file.name());
        let AuditParts { policy, observer, .. } = &mut self.parts;
        let (stage, began) = (Stage::Evaluating, Instant::now());
        observer.observe(&Event::StageStarted { method: method.clone(), iteration, stage, total }).or_cancelled()?;
        let completions = policy.sample(requests, params, &mut |progress| {
            observer.observe(&Event::StageProgress { done: progress.finished, tokens: progress.tokens, loss: None })
        })?;
        let completions = policy::checked(completions, requests)?;
        let tokens = completions.iter().map(|completion| completion.completion_tokens as u64).sum();
        let seconds = began.elapsed().as_secs_f64();
        observer.observe(&Event::StageFinished { method, iteration, stage, tokens, seconds, reused: false }).or_cancelled()?;
        Ok(completions)
    }

    /// The seeds of `count` samples of something that `key` names.
    fn seeds(&self, key: &str, count: u32) -> Vec<u64> {
        let seed = |sample: u32| {
            let hash = digest([self.plan.seed.to_string().as_str(), key, &sample.to_string()]);
            u64::from_le_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
        };
        (0..count).map(seed).collect()
    }
}

/// The text before the answer in a completion, and the words that lead to the answer, as the task's direct completion writes them: `####` or
/// `The answer is`. `None` if the task has no such words.
fn rationale<'c>(task: &dyn Task, problem: &Problem, completion: &'c str) -> Option<(&'c str, String)> {
    let direct = task.direct_completion(problem);
    let lead = direct[..direct.rfind(problem.answer.as_str())?].trim().to_owned();
    // Words that show the right choice would give the answer away.
    if lead.is_empty() || problem.choices.iter().any(|choice| lead.contains(choice.as_str())) {
        return None;
    }
    Some((completion.rfind(&lead).map_or(completion, |at| &completion[..at]).trim_end(), lead))
}
