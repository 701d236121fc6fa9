//! Policies sample completions. Text in, text out: the loop knows neither tokens nor tensors.

use crate::error::{Error, Result};
use crate::types::StopReason;
use std::ops::ControlFlow;
use std::path::Path;

pub mod embedded;
pub mod openai;
pub mod prompting;
pub mod seed;

pub use starloop_lm::engine::{Progress, SamplingParams};

/// A prompt that is completed once for each seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptRequest {
    /// The whole prompt, worked examples included.
    pub prompt: String,
    /// For each completion the seed of its random generator.
    pub seeds: Vec<u64>,
}

/// One completion of a prompt. A server gives text and counts and no token ids, so this is less than [`starloop_lm::engine::Completion`].
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The generated text, without end token or stop string.
    pub text: String,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the completion, the end token included.
    pub completion_tokens: usize,
    /// The reason for its end.
    pub stop_reason: StopReason,
    /// The sum of the completion's token log-probabilities (natural logarithm, temperature 1); `None` where the policy gives none.
    pub logprob: Option<f64>,
    /// Its tokens, the end token included; `None` if they were not requested or the policy gives none.
    pub tokens: Option<Vec<TokenScore>>,
}

/// A text whose log-probability is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreRequest {
    /// The text before it, worked examples included.
    pub prompt: String,
    /// The text. It begins with a blank if the prompt ends without one.
    pub continuation: String,
}

/// A completion whose log-probability is wanted, in the tokens that training on it sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletionRequest {
    /// The whole prompt.
    pub prompt: String,
    /// The completion, without its end token.
    pub completion: String,
    /// True if the end token belongs to it.
    pub ended: bool,
}

/// A completion that was sampled before, and whose tokens are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The prompt, worked examples included.
    pub prompt: String,
    /// Its text, without end token or stop string.
    pub text: String,
    /// Its number of tokens, those that ended it included, as counted when it was sampled.
    pub tokens: usize,
    /// The cause of its end.
    pub stop_reason: StopReason,
}

/// A token of a text, and how likely it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenScore {
    /// The byte of the text before which it ends. An end token or stop string ends at the end of the text.
    pub end: usize,
    /// Its log-probability given all before it (natural logarithm, temperature 1).
    pub logprob: f32,
}

/// Receives each completion when it arrives, with its place in the result of the call. An error stops the call.
pub type OnCompletion<'a> = dyn FnMut(usize, &Completion) -> Result<()> + 'a;

/// A model that completes prompts. Implementations: the embedded engine, servers, and test doubles.
pub trait Policy: Send {
    /// Loads `checkpoint` (a directory), from which [`Policy::sample`] samples. Returns the SHA-256 of its weights, in hexadecimal.
    fn load(&mut self, checkpoint: &Path) -> Result<String>;

    /// Frees the model. The caller loads another one before it samples again. Training needs the memory.
    fn unload(&mut self) {}

    /// Completes each prompt once for each of its seeds. Returns the completions of the first request in the order of its seeds, then those of
    /// the second, and so on. A completion depends on its prompt, its seed, the parameters and the weights, and on nothing else in the call.
    ///
    /// If `progress` returns [`ControlFlow::Break`], the call stops as soon as it can.
    ///
    /// # Errors
    /// No model is loaded, the model fails, a request cannot be served ([`Error::Request`]), or the call was cancelled ([`Error::Cancelled`]).
    fn sample(
        &mut self,
        requests: &[PromptRequest],
        params: &SamplingParams,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<Completion>>;

    /// Returns true if each completion is kept as it arrives, so that an interrupted call is not repeated from its beginning.
    fn keeps_journal(&self) -> bool {
        false
    }

    /// As [`Policy::sample`], and passes each completion to `keep`. A policy that keeps a journal passes it when it arrives.
    ///
    /// # Errors
    /// Those of [`Policy::sample`] and of `keep`.
    fn sample_each(
        &mut self,
        requests: &[PromptRequest],
        params: &SamplingParams,
        keep: &mut OnCompletion<'_>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<()> {
        let completions = checked(self.sample(requests, params, progress)?, requests)?;
        completions.iter().enumerate().try_for_each(|(place, completion)| keep(place, completion))
    }

    /// The log-probability of each completion given its prompt, in the order of the requests: the sum over its tokens (natural logarithm,
    /// temperature 1). Not every policy can compute it.
    ///
    /// # Errors
    /// [`Error::ScoringNotSupported`], unless the policy implements this method.
    fn score_completions(
        &mut self,
        _requests: &[CompletionRequest],
        _progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<f64>> {
        Err(Error::ScoringNotSupported)
    }
}

/// A policy that also computes the log-probability of a given text. The loop needs a [`Policy`] only.
pub trait Scorer: Policy {
    /// The log-probability of each continuation given its prompt, in the order of the requests: the sum over its tokens (natural
    /// logarithm, temperature 1).
    fn score(&mut self, requests: &[ScoreRequest], progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Vec<f64>>;
}

/// The completions, if there is one for each seed of each request.
///
/// # Errors
/// [`Error::SampleCount`].
pub(crate) fn checked(completions: Vec<Completion>, requests: &[PromptRequest]) -> Result<Vec<Completion>> {
    let (expected, got) = (requests.iter().map(|request| request.seeds.len()).sum(), completions.len());
    if got == expected { Ok(completions) } else { Err(Error::SampleCount { expected, got }) }
}
