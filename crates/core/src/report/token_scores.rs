//! How likely each token of an attempt was. A run records their sum alone, so the checkpoints that wrote them are asked again.
//!
//! Nothing is guessed: a prompt is written again from config and problem until it has the recorded hash, and weights are believed by their
//! hash too. What cannot be had so is left out, counted, and told.

use crate::config::Config;
use crate::error::Result;
use crate::policy::embedded::EmbeddedPolicy;
use crate::policy::{Policy, TokenScore, Written};
use crate::prompt;
use crate::run_dir::RunDir;
use crate::seed::sha256_hex;
use crate::task::{Style, Task};
use crate::types::{Attempt, Problem, ProblemId};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Why an attempt's tokens are not scored.
const NO_TASK: &str = "the task's problems cannot be read";
const NO_PROMPT: &str = "their prompts cannot be written again as they were";
const NO_CHECKPOINT: &str = "the checkpoints that wrote them are not there (training.keep_checkpoints)";

const TOO_LONG: &str = "they are longer than the model's context";

/// Scores the tokens of a run's attempts.
pub(super) struct TokenScores<'a> {
    config: &'a Config,
    task: Option<Box<dyn Task>>,
    problems: HashMap<ProblemId, Problem>,
    /// Checkpoint directories by the SHA-256 of their weights; the base's hash is known where a method measured it.
    checkpoints: HashMap<String, PathBuf>,
    policy: EmbeddedPolicy,
    /// What the policy was last asked to hold, and whether it does.
    loaded: Option<(String, bool)>,
    /// How the last prompt was put together: the next one likely is so too.
    last: (Style, usize),
    left_out: BTreeMap<&'static str, u64>,
}

impl<'a> TokenScores<'a> {
    /// Of a run; no problem is known yet.
    ///
    /// # Errors
    /// The run's metrics cannot be read.
    pub(super) fn of(config: &'a Config, run: &RunDir) -> Result<Self> {
        let base = if run.base_model().is_dir() { run.base_model() } else { PathBuf::from(&config.model.base) };
        let mut checkpoints = HashMap::new();
        for name in &config.run {
            for metrics in run.metrics(name)? {
                let trained = run.iteration(name, metrics.iteration).checkpoint();
                checkpoints.insert(metrics.checkpoint, if metrics.iteration == 0 { base.clone() } else { trained });
            }
        }
        checkpoints.retain(|_, path: &mut PathBuf| path.is_dir());
        Ok(TokenScores {
            config,
            task: config.task.build(config.seed).ok(),
            problems: HashMap::new(),
            checkpoints,
            policy: EmbeddedPolicy::new(&config.model),
            loaded: None,
            last: (Style::Rationale, 0),
            left_out: BTreeMap::new(),
        })
    }

    /// Makes the problems known that an iteration of a method attempted or was measured on.
    pub(super) fn learn(&mut self, method: &str, iteration: u32) {
        let Some(task) = &self.task else { return };
        let splits = self.config.methods.get(method).map(|method| (method.evaluation.split, method.evaluation.final_split));
        let measured = splits.into_iter().flat_map(|(split, last)| std::iter::once(split).chain(last));
        let problems = task.training_problems(iteration).into_iter();
        self.problems.extend(
            problems
                .chain(measured.flat_map(|split| task.evaluation_problems(split, iteration)))
                .map(|problem| (problem.id.clone(), problem)),
        );
    }

    /// The tokens of attempts of one method, in their order; nothing for those that cannot be scored.
    ///
    /// # Errors
    /// The engine fails.
    pub(super) fn score(&mut self, method: &str, attempts: &[&Attempt]) -> Result<Vec<Option<Vec<TokenScore>>>> {
        let mut scored = Vec::with_capacity(attempts.len());
        for written_by_one in attempts.chunk_by(|a, b| a.checkpoint == b.checkpoint) {
            let prompts: Vec<_> = written_by_one.iter().map(|attempt| self.prompt(method, attempt)).collect();
            let there = prompts.iter().any(Option::is_some) && self.load(&written_by_one[0].checkpoint);
            let request = |(attempt, prompt): (&&Attempt, &Option<String>)| {
                let (text, tokens, stop_reason) = (attempt.completion.clone(), attempt.completion_tokens, attempt.stop_reason.clone());
                prompt.clone().map(|prompt| Written { prompt, text, tokens, stop_reason })
            };
            let requests: Vec<Written> = written_by_one.iter().zip(&prompts).filter_map(request).collect();
            let stop_strings = self.task.as_ref().map(|task| task.stop_strings()).unwrap_or_default();
            let scores = if there { self.policy.score_tokens(&requests, &stop_strings)? } else { Vec::new() };
            if !there && !requests.is_empty() {
                *self.left_out.entry(NO_CHECKPOINT).or_default() += requests.len() as u64;
            }
            let mut scores = scores.into_iter();
            for (attempt, prompt) in written_by_one.iter().zip(&prompts) {
                let tokens = prompt.as_ref().and_then(|_| scores.next()).map(|tokens| tokens.map(|tokens| as_it_ended(attempt, tokens)));
                if tokens == Some(None) {
                    *self.left_out.entry(TOO_LONG).or_default() += 1;
                }
                scored.push(tokens.flatten());
            }
        }
        Ok(scored)
    }

    /// What was left out, and why.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.left_out
            .iter()
            .map(|(reason, attempts)| format!("{attempts} attempts are without the log-probabilities of their tokens: {reason}"))
    }

    /// The attempt's prompt as its hash says that it was.
    fn prompt(&mut self, method: &str, attempt: &Attempt) -> Option<String> {
        let found = self.written_again(method, attempt);
        if found.is_none() {
            let reason = if self.task.is_some() { NO_PROMPT } else { NO_TASK };
            *self.left_out.entry(reason).or_default() += 1;
        }
        found
    }

    fn written_again(&mut self, method: &str, attempt: &Attempt) -> Option<String> {
        let (task, problem) = (self.task.as_deref()?, self.problems.get(&attempt.problem)?);
        let settings = self.config.methods.get(method)?;
        let counts = [settings.sampling.few_shot, 0, settings.evaluation.few_shot.unwrap_or(0)];
        let ways = [Style::Rationale, settings.method.style()].into_iter().flat_map(|style| counts.map(|few_shot| (style, few_shot)));
        for (style, few_shot) in std::iter::once(self.last).chain(ways) {
            let prompt = prompt::assemble(task, problem, attempt.mode, style, few_shot);
            if sha256_hex(&prompt) == attempt.prompt_sha256 {
                self.last = (style, few_shot);
                return Some(prompt);
            }
        }
        None
    }

    /// Makes the policy hold the weights with this hash. Whether it does.
    fn load(&mut self, sha256: &str) -> bool {
        if let Some((loaded, there)) = &self.loaded
            && loaded == sha256
        {
            return *there;
        }
        let mut load = |path: &Path| self.policy.load(path).is_ok_and(|found| found == sha256);
        let there = self.checkpoints.get(sha256).is_some_and(|path| load(path));
        self.loaded = Some((sha256.to_owned(), there));
        there
    }
}

/// Where a stop string of one token may have ended a completion as well as the end token, the recorded sum tells: the end token goes where the
/// sum is nearer without it.
fn as_it_ended(attempt: &Attempt, mut tokens: Vec<TokenScore>) -> Vec<TokenScore> {
    let Some(recorded) = attempt.logprob else { return tokens };
    let has_end_token = tokens.iter().nth_back(1).map_or(0, |before| before.end) == attempt.completion.len();
    let sum: f64 = tokens.iter().map(|token| f64::from(token.logprob)).sum();
    let end = tokens.last().map_or(0.0, |token| f64::from(token.logprob));
    if has_end_token && (sum - end - recorded).abs() < (sum - recorded).abs() {
        tokens.pop();
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Mode, StopReason};

    #[test]
    fn an_end_token_counts_where_the_recorded_sum_says_so() {
        let attempt = |completion: &str, stop_reason, logprob| {
            let bare = Attempt::bare("p", Mode::Unhinted, completion);
            Attempt { completion_tokens: 3, stop_reason, logprob: Some(logprob), ..bare }
        };
        let tokens = |tokens: &[(usize, f32)]| tokens.iter().map(|&(end, logprob)| TokenScore { end, logprob }).collect::<Vec<_>>();
        let scored = [(1, -0.5), (2, -0.25), (2, -3.0)];
        for (completion, stop_reason, logprob, scored, kept) in [
            ("ab", StopReason::Unspecified, -3.74, &scored[..], 3),
            // A stop string ended it, likelier than the end token was.
            ("ab", StopReason::Unspecified, -0.76, &scored, 2),
            ("ab", StopReason::Length, -0.75, &scored[..2], 2),
            ("", StopReason::Unspecified, -1.0, &[(0, -1.0)], 1),
        ] {
            let found = as_it_ended(&attempt(completion, stop_reason, logprob), tokens(scored));
            assert_eq!(found, tokens(&scored[..kept]), "{completion} {logprob}");
        }
    }
}
