//! The bodies of requests, as `OpenAI` describes them.
//!
//! A body comes from outside, so it is read while it is parsed and keeps little. Every known key is listed. A key that would change the answer,
//! and that this server does not support, is refused unless it has the value that changes nothing. An unknown key is refused too.

mod neutral;
mod prompt;

pub use prompt::Prompts;

use crate::error::{ApiError, Refused};
use neutral::Value;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Number;
use serde_json::value::RawValue;
use starloop_lm::engine::SamplingParams;
use starloop_lm::files::chat::{ChatVariables, Message};

/// The most completions of one prompt.
const MOST_SAMPLES: u64 = 1024;
/// The most completions that one request asks for.
const MOST_CHOICES: usize = 4096;
/// The most likely tokens that are reported beside a token.
const MOST_ALTERNATIVES: u64 = 20;
/// The most stop strings. `OpenAI` takes 4.
const MOST_STOPS: usize = 64;
/// The longest text of template variables, in bytes.
const LONGEST_VARIABLES: usize = 64 << 10;
/// New tokens of a completion, where the request does not say. `OpenAI`'s default.
const DEFAULT_TOKENS: u64 = 16;

/// A request for completions of prompts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompletionBody {
    prompt: Prompts,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    logprobs: Option<u64>,
    #[serde(default)]
    echo: Option<bool>,
    #[serde(default)]
    suffix: Value,
    // The keys that both kinds of requests have. `flatten` would keep a copy of the whole body.
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    seed: Seed,
    #[serde(default)]
    stop: Stop,
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    top_p: Option<f64>,
    #[serde(default)]
    top_k: Option<i64>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    weights_sha256: Option<String>,
    #[serde(default)]
    best_of: Value,
    #[serde(default)]
    frequency_penalty: Value,
    #[serde(default)]
    presence_penalty: Value,
    #[serde(default)]
    repetition_penalty: Value,
    #[serde(default)]
    min_p: Value,
    #[serde(default)]
    logit_bias: Value,
    #[serde(default)]
    response_format: Value,
    #[serde(default, rename = "user")]
    _user: Option<IgnoredAny>,
    #[serde(default, rename = "metadata")]
    _metadata: Option<IgnoredAny>,
}

/// A request for the next message of a conversation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatBody {
    messages: Vec<MessageBody>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(default)]
    logprobs: Option<bool>,
    #[serde(default)]
    top_logprobs: Option<u64>,
    #[serde(default)]
    chat_template_kwargs: Option<Box<RawValue>>,
    #[serde(default)]
    tools: Value,
    #[serde(default)]
    tool_choice: Value,
    #[serde(default)]
    functions: Value,
    #[serde(default)]
    function_call: Value,
    #[serde(default)]
    parallel_tool_calls: Value,
    #[serde(default)]
    reasoning_effort: Value,
    #[serde(default)]
    modalities: Value,
    #[serde(default)]
    audio: Value,
    // The keys that both kinds of requests have.
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    seed: Seed,
    #[serde(default)]
    stop: Stop,
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    top_p: Option<f64>,
    #[serde(default)]
    top_k: Option<i64>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    weights_sha256: Option<String>,
    #[serde(default)]
    frequency_penalty: Value,
    #[serde(default)]
    presence_penalty: Value,
    #[serde(default)]
    repetition_penalty: Value,
    #[serde(default)]
    min_p: Value,
    #[serde(default)]
    logit_bias: Value,
    #[serde(default)]
    response_format: Value,
    #[serde(default, rename = "user")]
    _user: Option<IgnoredAny>,
    #[serde(default, rename = "metadata")]
    _metadata: Option<IgnoredAny>,
    #[serde(default, rename = "store")]
    _store: Option<IgnoredAny>,
    #[serde(default, rename = "service_tier")]
    _service_tier: Option<IgnoredAny>,
    #[serde(default, rename = "prompt_cache_key")]
    _prompt_cache_key: Option<IgnoredAny>,
    #[serde(default, rename = "safety_identifier")]
    _safety_identifier: Option<IgnoredAny>,
}

/// A message of a conversation. Keys that a client copies from an earlier answer are ignored.
#[derive(Debug, Deserialize)]
struct MessageBody {
    role: String,
    #[serde(default)]
    content: Content,
    #[serde(default)]
    tool_calls: Value,
    #[serde(default)]
    function_call: Value,
}

/// The text of a message, which some clients write in parts.
#[derive(Debug, Default)]
struct Content(String);

/// A part of a message.
#[derive(Debug, Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
    #[serde(default, rename = "include_obfuscation")]
    _include_obfuscation: Option<IgnoredAny>,
}

/// A seed. A negative one is read as its 64 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seed(Option<u64>);

/// One stop string or several.
#[derive(Debug, Default)]
struct Stop(Vec<String>);

/// How the answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// As one body.
    Whole,
    /// Token by token, as events.
    Stream,
    /// As events, and at the end an event with the counts of tokens.
    StreamWithUsage,
}

/// The parts that both kinds of requests have, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// The name of the model; the default one if the request names none.
    pub model: Option<String>,
    /// The SHA-256 that the weights must have.
    pub weights_sha256: Option<String>,
    /// How tokens are chosen. `max_new_tokens` is 0 if nothing is generated.
    pub params: SamplingParams,
    /// The new tokens, if the request names their number.
    pub max_tokens: Option<usize>,
    /// A seed for each completion of a prompt. A completion does not depend on the others.
    pub seeds: Vec<u64>,
    /// Log-probabilities are wanted, and this many of the likeliest tokens at each place.
    pub logprobs: Option<usize>,
    /// How the answer is sent.
    pub sending: Sending,
}

/// A checked request for completions.
#[derive(Debug, Clone, PartialEq)]
pub struct CompletionRequest {
    /// The prompts. At least one.
    pub prompts: Prompts,
    /// True if the answer begins with the prompt.
    pub echo: bool,
    /// The rest.
    pub sampling: Sampling,
}

/// A checked request for the next message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest {
    /// The conversation.
    pub messages: Vec<Message>,
    /// Variables of the chat template.
    pub variables: ChatVariables,
    /// The rest.
    pub sampling: Sampling,
}

/// Reads a body.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value: T = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let key = Some(path.clone()).filter(|path| path != "." && !path.is_empty());
        let place = key.as_ref().map_or_else(String::new, |key| format!("`{key}`: "));
        let message = format!("the body of the request cannot be read: {place}{}", error.inner());
        ApiError { param: key, ..ApiError::new(Refused::Invalid, message) }
    })?;
    json.end().map_err(|error| ApiError::new(Refused::Invalid, format!("the body of the request cannot be read: {error}")))?;
    Ok(value)
}

impl CompletionRequest {
    /// Reads and checks a body.
    ///
    /// # Errors
    /// The body is not JSON, or a key has a value that cannot be served. The error names the key.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        read::<CompletionBody>(body)?.checked()
    }
}

impl ChatRequest {
    /// Reads and checks a body.
    ///
    /// # Errors
    /// The body is not JSON, or a key has a value that cannot be served. The error names the key.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        read::<ChatBody>(body)?.checked()
    }
}

impl CompletionBody {
    fn checked(self) -> Result<CompletionRequest, ApiError> {
        neutral::check(&[
            ("suffix", &self.suffix),
            ("best_of", &self.best_of),
            ("frequency_penalty", &self.frequency_penalty),
            ("presence_penalty", &self.presence_penalty),
            ("repetition_penalty", &self.repetition_penalty),
            ("min_p", &self.min_p),
            ("logit_bias", &self.logit_bias),
            ("response_format", &self.response_format),
        ])?;
        let echo = self.echo.unwrap_or(false);
        let max_tokens = self.max_tokens.unwrap_or(DEFAULT_TOKENS);
        if max_tokens == 0 && !echo {
            return Err(ApiError::of_key("max_tokens", "max_tokens is 0, expected at least 1, or `echo` to score the prompt"));
        }
        let sampling = Sampling {
            model: self.model,
            weights_sha256: self.weights_sha256,
            params: params(self.temperature, self.top_p, self.top_k, self.stop)?,
            max_tokens: Some(whole("max_tokens", max_tokens)?),
            seeds: seeds(self.seed, self.n)?,
            logprobs: self.logprobs.map(|count| alternatives("logprobs", count)).transpose()?,
            sending: sending(self.stream, self.stream_options),
        };
        let choices = self.prompt.len().saturating_mul(sampling.seeds.len());
        if choices > MOST_CHOICES {
            let message = format!("the request asks for {choices} completions, expected at most {MOST_CHOICES}; send several requests");
            return Err(ApiError::of_key("n", message));
        }
        Ok(CompletionRequest { prompts: self.prompt, echo, sampling })
    }
}

impl ChatBody {
    fn checked(self) -> Result<ChatRequest, ApiError> {
        neutral::check(&[
            ("tools", &self.tools),
            ("tool_choice", &self.tool_choice),
            ("functions", &self.functions),
            ("function_call", &self.function_call),
            ("parallel_tool_calls", &self.parallel_tool_calls),
            ("reasoning_effort", &self.reasoning_effort),
            ("modalities", &self.modalities),
            ("audio", &self.audio),
            ("frequency_penalty", &self.frequency_penalty),
            ("presence_penalty", &self.presence_penalty),
            ("repetition_penalty", &self.repetition_penalty),
            ("min_p", &self.min_p),
            ("logit_bias", &self.logit_bias),
            ("response_format", &self.response_format),
        ])?;
        for message in &self.messages {
            neutral::check(&[("tool_calls", &message.tool_calls), ("function_call", &message.function_call)])?;
        }
        if self.messages.is_empty() {
            return Err(ApiError::of_key("messages", "messages is empty, expected at least one message"));
        }
        let logprobs = match (self.logprobs.unwrap_or(false), self.top_logprobs) {
            (true, count) => Some(alternatives("top_logprobs", count.unwrap_or(0))?),
            (false, None | Some(0)) => None,
            (false, Some(_)) => return Err(ApiError::of_key("top_logprobs", "top_logprobs needs `logprobs` to be true")),
        };
        let max_tokens = self.max_completion_tokens.or(self.max_tokens);
        if max_tokens == Some(0) {
            return Err(ApiError::of_key("max_tokens", "max_tokens is 0, expected at least 1"));
        }
        let sampling = Sampling {
            model: self.model,
            weights_sha256: self.weights_sha256,
            params: params(self.temperature, self.top_p, self.top_k, self.stop)?,
            max_tokens: max_tokens.map(|count| whole("max_tokens", count)).transpose()?,
            seeds: seeds(self.seed, self.n)?,
            logprobs,
            sending: sending(self.stream, self.stream_options),
        };
        let messages = self.messages.into_iter().map(|message| Message { role: message.role, content: message.content.0 }).collect();
        Ok(ChatRequest { messages, variables: variables(self.chat_template_kwargs)?, sampling })
    }
}

/// How tokens are chosen. The number of new tokens is set later, when the prompt's length is known.
fn params(temperature: Option<f64>, top_p: Option<f64>, top_k: Option<i64>, Stop(stop): Stop) -> Result<SamplingParams, ApiError> {
    if stop.len() > MOST_STOPS {
        return Err(ApiError::of_key("stop", format!("stop has {} strings, expected at most {MOST_STOPS}", stop.len())));
    }
    let top_k = match top_k {
        None | Some(-1 | 0) => 0,
        Some(count) => usize::try_from(count).map_err(|_| ApiError::of_key("top_k", format!("top_k is {count}, expected -1 or more")))?,
    };
    let params = SamplingParams { temperature: temperature.unwrap_or(1.0), top_p: top_p.unwrap_or(1.0), top_k, stop, max_new_tokens: 1 };
    match params.check() {
        Ok(()) => Ok(params),
        Err(error) => Err(ApiError::of_key(error.key, error.to_string())),
    }
}

/// The seeds of the completions of a prompt: the given one and those that follow it, as `starloop sample` counts. Without one, they are drawn.
fn seeds(Seed(seed): Seed, n: Option<u64>) -> Result<Vec<u64>, ApiError> {
    let n = n.unwrap_or(1);
    if !(1..=MOST_SAMPLES).contains(&n) {
        return Err(ApiError::of_key("n", format!("n is {n}, expected 1 to {MOST_SAMPLES}")));
    }
    let first = seed.unwrap_or_else(rand::random);
    Ok((0..n).map(|sample| first.wrapping_add(sample)).collect())
}

fn alternatives(key: &str, count: u64) -> Result<usize, ApiError> {
    if count > MOST_ALTERNATIVES {
        return Err(ApiError::of_key(key, format!("{key} is {count}, expected at most {MOST_ALTERNATIVES}")));
    }
    whole(key, count)
}

fn whole(key: &str, count: u64) -> Result<usize, ApiError> {
    usize::try_from(count).map_err(|_| ApiError::of_key(key, format!("{key} is {count}, which is too large")))
}

fn sending(stream: Option<bool>, options: Option<StreamOptions>) -> Sending {
    match (stream.unwrap_or(false), options.is_some_and(|options| options.include_usage)) {
        (false, _) => Sending::Whole,
        (true, false) => Sending::Stream,
        (true, true) => Sending::StreamWithUsage,
    }
}

fn variables(raw: Option<Box<RawValue>>) -> Result<ChatVariables, ApiError> {
    const KEY: &str = "chat_template_kwargs";
    let Some(raw) = raw else { return Ok(ChatVariables::new()) };
    if raw.get().len() > LONGEST_VARIABLES {
        return Err(ApiError::of_key(KEY, format!("{KEY} has {} bytes, expected at most {LONGEST_VARIABLES}", raw.get().len())));
    }
    serde_json::from_str(raw.get()).map_err(|error| ApiError::of_key(KEY, format!("{KEY}: {error}")))
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Some(seed) = Option::<Number>::deserialize(deserializer)? else { return Ok(Seed(None)) };
        let bits = seed.as_u64().or_else(|| seed.as_i64().map(|seed| seed as u64));
        bits.map(|bits| Seed(Some(bits))).ok_or_else(|| serde::de::Error::custom(format!("{seed} is not an integer of 64 bits")))
    }
}

impl<'de> Deserialize<'de> for Stop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            None(()),
            One(String),
            Several(Vec<String>),
        }
        Ok(Stop(match Raw::deserialize(deserializer).map_err(|_| serde::de::Error::custom("expected a string or a list of strings"))? {
            Raw::None(()) => Vec::new(),
            Raw::One(stop) => vec![stop],
            Raw::Several(stops) => stops,
        }))
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            None(()),
            Text(String),
            Parts(Vec<Part>),
        }
        let expected = "expected a text or a list of parts such as {\"type\": \"text\", \"text\": \"...\"}";
        match Raw::deserialize(deserializer).map_err(|_| serde::de::Error::custom(expected))? {
            Raw::None(()) => Ok(Content(String::new())),
            Raw::Text(text) => Ok(Content(text)),
            Raw::Parts(parts) => match parts.iter().find(|part| part.kind != "text") {
                None => Ok(Content(parts.into_iter().map(|part| part.text).collect())),
                Some(part) => Err(serde::de::Error::custom(format!("a part has the type {:?}, expected \"text\"", part.kind))),
            },
        }
    }
}

#[cfg(test)]
#[path = "request/tests.rs"]
mod tests;
