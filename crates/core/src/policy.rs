//! What samples completions. Text in, text out: the loop knows neither tokens nor tensors.

use crate::error::{Error, Result};
use crate::types::FinishReason;
use serde::{Deserialize, Serialize};
use std::path::Path;

pub mod embedded;
pub mod openai;

/// One completion that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleRequest {
    /// The whole prompt, worked examples included.
    pub prompt: String,
    /// The seed of this completion's own random generator.
    pub seed: u64,
}

/// How completions are drawn; the same for all requests of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SamplingParameters {
    /// Divides the logits; 0 takes the most likely token.
    pub temperature: f64,
    /// Only the `top_k` most likely tokens; 0 for all.
    pub top_k: usize,
    /// Only the most likely tokens whose probabilities add up to this; 1 for all.
    pub top_p: f64,
    /// Tokens after which a completion is cut off, the end token included.
    pub max_new_tokens: usize,
    /// Strings that end a completion besides the model's end token.
    pub stop_strings: Vec<String>,
}

/// One completion that was drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The generated text, without end token or stop string.
    pub text: String,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the completion, the end token included.
    pub completion_tokens: usize,
    /// Why it ended.
    pub finish: FinishReason,
    /// The sum of the completion's token log-probabilities (natural logarithm, temperature 1); `None` where the policy does not tell.
    pub logprob: Option<f64>,
}

/// A text whose log-probability is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreRequest {
    /// What stands before it, worked examples included.
    pub prompt: String,
    /// The text; where the prompt ends without a blank, it begins with one.
    pub continuation: String,
}

/// A completion whose log-probability is wanted, in the tokens that training on it sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletionRequest {
    /// The whole prompt.
    pub prompt: String,
    /// The completion, without its end token.
    pub completion: String,
    /// Whether the end token belongs to it.
    pub ended: bool,
}

/// A completion that was drawn once, and whose tokens are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What stood before it, worked examples included.
    pub prompt: String,
    /// Its text, without end token or stop string.
    pub text: String,
    /// The tokens that were counted when it was drawn, those that ended it among them.
    pub tokens: usize,
    /// What ended it.
    pub finish: FinishReason,
}

/// A token of a text, and how likely it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenScore {
    /// The byte of the text that it ends before; what ended the text ends where it does.
    pub end: usize,
    /// Its log-probability given all before it (natural logarithm, temperature 1).
    pub logprob: f32,
}

/// How far a call of [`Policy::sample`] or [`Scorer::score`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleProgress {
    /// Completions finished, or texts scored.
    pub finished: u64,
    /// Tokens generated, or put through the model.
    pub tokens: u64,
}

/// Takes a sample as soon as it is there, with its request's place in the call. An error stops the call.
pub type Keep<'a> = dyn FnMut(usize, &Sample) -> Result<()> + 'a;

/// A model that completes prompts. Implementations: the embedded engine, servers, and test doubles.
pub trait Policy {
    /// Makes `checkpoint` (a directory) the model that [`Policy::sample`] asks. Returns the SHA-256 of its weights, in hexadecimal.
    fn load(&mut self, checkpoint: &Path) -> Result<String>;

    /// Lets go of the model, which is not asked again before the next [`Policy::load`]: training needs the memory.
    fn unload(&mut self) {}

    /// Draws one sample for each request, in the order of the requests. A sample depends on its request, the parameters and the weights
    /// alone, not on what else is asked for in the same call.
    fn sample(
        &mut self,
        requests: &[SampleRequest],
        parameters: &SamplingParameters,
        progress: &mut dyn FnMut(SampleProgress),
    ) -> Result<Vec<Sample>>;

    /// Whether samples are dear enough to be written down one by one, so that an interrupted call is not repeated from its beginning.
    fn keeps_journal(&self) -> bool {
        false
    }

    /// As [`Policy::sample`], and hands each sample to `keep`: as soon as it is there, if the policy keeps a journal.
    fn sample_each(
        &mut self,
        requests: &[SampleRequest],
        parameters: &SamplingParameters,
        keep: &mut Keep<'_>,
        progress: &mut dyn FnMut(SampleProgress),
    ) -> Result<Vec<Sample>> {
        let samples = self.sample(requests, parameters, progress)?;
        if samples.len() != requests.len() {
            return Err(Error::SampleCount { expected: requests.len(), got: samples.len() });
        }
        samples.iter().enumerate().try_for_each(|(place, sample)| keep(place, sample))?;
        Ok(samples)
    }

    /// The log-probability of each completion given its prompt, in the order of the requests: the sum over its tokens (natural logarithm,
    /// temperature 1). Not every policy can tell.
    ///
    /// # Errors
    /// [`Error::ScoringNotSupported`], unless the policy has a method of its own.
    fn score_completions(&mut self, _requests: &[CompletionRequest], _progress: &mut dyn FnMut(SampleProgress)) -> Result<Vec<f64>> {
        Err(Error::ScoringNotSupported)
    }
}

/// A policy that also tells how likely a given text is. The loop needs no more than a [`Policy`].
pub trait Scorer: Policy {
    /// The log-probability of each continuation given its prompt, in the order of the requests: the sum over its tokens (natural
    /// logarithm, temperature 1).
    fn score(&mut self, requests: &[ScoreRequest], progress: &mut dyn FnMut(SampleProgress)) -> Result<Vec<f64>>;
}
