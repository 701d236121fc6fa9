//! The request that each server expects, and how its answer is read.
//!
//! Every request sends all sampling parameters, unset ones at neutral values, because servers have different defaults: llama.cpp's `top_k` is
//! 40 and its `min_p` 0.05, vLLM takes them from the checkpoint's `generation_config.json`.

use crate::config::{ServerKind, ServingConfig};
use crate::policy::SamplingParameters;
use crate::types::FinishReason;
use serde::Deserialize;
use serde_json::{Value, json};

/// A prompt as it is sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Prompt<'a> {
    /// Token ids, the beginning token among them.
    Tokens(Vec<u32>),
    /// Text.
    Text(&'a str),
}

/// How one stage asks: the same for all its requests.
#[derive(Debug, Clone)]
pub(super) struct Dialect {
    pub(super) server: ServerKind,
    pub(super) logprobs: bool,
    /// Whether the server is told the stop strings.
    pub(super) stop_at_server: bool,
    /// The name that the model is asked by.
    pub(super) model: String,
    /// Ids of the tokens that end a completion.
    pub(super) end_tokens: Vec<u32>,
    pub(super) parameters: SamplingParameters,
}

/// One completion, as a server gives it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub(super) text: String,
    pub(super) finish: FinishReason,
    /// Log-probabilities of its tokens (natural logarithm), where they were asked for and are of this text alone.
    pub(super) logprobs: Option<Vec<f64>>,
    /// Whether the server has generated more, which was cut off.
    pub(super) is_cut_here: bool,
}

/// What a request was answered with: at most as many completions as were wanted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) choices: Vec<Choice>,
    /// Tokens of the prompt, as the server counts.
    pub(super) prompt_tokens: Option<usize>,
    /// Tokens of all completions, as the server counts.
    pub(super) completion_tokens: Option<usize>,
}

impl ServingConfig {
    /// Samples of one prompt that one request asks for; 1 where the server knows no more.
    pub(super) fn samples_at_once(&self) -> usize {
        match self.server {
            ServerKind::Transformers | ServerKind::LlamaCppPython => 1,
            _ => self.samples_per_request as usize,
        }
    }
}

impl Dialect {
    /// The body of a request for `n` completions.
    pub(super) fn request(&self, prompt: &Prompt<'_>, n: usize, seed: u64) -> Value {
        let SamplingParameters { temperature, top_k, top_p, max_new_tokens, stop_strings } = &self.parameters;
        let prompt = match prompt {
            Prompt::Tokens(ids) => json!(ids),
            Prompt::Text(text) => json!(text),
        };
        let mut body =
            json!({ "model": self.model, "prompt": prompt, "max_tokens": max_new_tokens, "seed": folded(seed), "stream": false });
        if self.stop_at_server && !stop_strings.is_empty() {
            body["stop"] = json!(stop_strings);
        }
        if self.server == ServerKind::Transformers {
            // It refuses keys that it does not know, and reads everything else from this text, which replaces the checkpoint's own settings.
            let draws = *temperature > 0.0;
            let mut settings = json!({ "do_sample": draws, "eos_token_id": self.end_tokens, "pad_token_id": self.end_tokens.first() });
            if draws {
                merge(&mut settings, json!({ "temperature": temperature, "top_k": top_k, "top_p": top_p }));
            }
            body["generation_config"] = settings.to_string().into();
            return body;
        }
        merge(&mut body, json!({ "n": n, "temperature": temperature, "top_p": top_p, "presence_penalty": 0.0, "frequency_penalty": 0.0 }));
        if self.logprobs {
            body["logprobs"] = 1.into();
        }
        let all_or = |all: i64| if *top_k == 0 { all } else { *top_k as i64 };
        merge(
            &mut body,
            match self.server {
                ServerKind::Vllm | ServerKind::Sglang => json!({ "top_k": all_or(-1), "min_p": 0.0, "repetition_penalty": 1.0 }),
                ServerKind::LlamaCpp => json!({
                    "top_k": all_or(0), "min_p": 0.0, "typical_p": 1.0, "repeat_penalty": 1.0, "dry_multiplier": 0.0,
                    "xtc_probability": 0.0, "mirostat": 0
                }),
                ServerKind::LlamaCppPython => json!({ "top_k": all_or(0), "min_p": 0.0, "repeat_penalty": 1.0, "mirostat_mode": 0 }),
                ServerKind::MistralRs | ServerKind::OpenAi if *top_k > 0 => json!({ "top_k": top_k }),
                ServerKind::MistralRs => json!({ "min_p": 0.0 }),
                ServerKind::OpenAi | ServerKind::Transformers => json!({}),
            },
        );
        body
    }

    /// Reads an answer to a request for `n` completions.
    ///
    /// # Errors
    /// The answer does not answer such a request. The text says why.
    pub(super) fn read(&self, answer: Completions, n: usize) -> Result<Answer, String> {
        if let Some(other) = answer.model.filter(|name| !is_name_of(name, &self.model)) {
            return Err(format!("the answer is of the model {other:?}, expected {:?}", self.model));
        }
        if answer.choices.is_empty() {
            return Err("the answer holds no completion".to_owned());
        }
        let mut choices = answer.choices;
        choices.sort_by_key(|choice| choice.index);
        let choices = choices.into_iter().take(n).map(|choice| self.choice(choice)).collect::<Result<_, _>>()?;
        let usage = answer.usage.unwrap_or_default();
        Ok(Answer { choices, prompt_tokens: usage.prompt_tokens, completion_tokens: usage.completion_tokens })
    }

    fn choice(&self, choice: RawChoice) -> Result<Choice, String> {
        let finish = match choice.finish_reason.as_deref() {
            Some("stop") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            other => return Err(format!("a completion ended for the reason {:?}", other.unwrap_or("none"))),
        };
        let stops = self.parameters.stop_strings.iter().filter(|stop| !stop.is_empty());
        // Some servers leave it in the text, and some have generated on.
        let end = stops.filter_map(|stop| choice.text.find(stop.as_str())).min();
        let is_cut_here = end.is_some() && !self.stop_at_server;
        let logprobs = if self.logprobs && !is_cut_here { Some(logprobs(choice.logprobs)?) } else { None };
        let finish = if end.is_some() { FinishReason::Stop } else { finish };
        Ok(Choice { text: choice.text[..end.unwrap_or(choice.text.len())].to_owned(), finish, logprobs, is_cut_here })
    }
}

/// Whether a server's name for a model means `model`: `transformers serve` adds a revision.
pub(super) fn is_name_of(name: &str, model: &str) -> bool {
    name.strip_prefix(model).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}

/// Some servers take 32 bits, and the highest means something else to one of them.
fn folded(seed: u64) -> u64 {
    (seed ^ seed >> 32) & 0x7fff_ffff
}

fn merge(body: &mut Value, further: Value) {
    if let (Value::Object(body), Value::Object(further)) = (body, further) {
        body.extend(further);
    }
}

fn logprobs(raw: Option<RawLogprobs>) -> Result<Vec<f64>, String> {
    let missing = || "a completion has no log-probabilities; where the server gives none, set policy.logprobs = false".to_owned();
    let raw = raw.ok_or_else(missing)?;
    let listed = raw.token_logprobs.or_else(|| raw.content.map(|tokens| tokens.into_iter().map(|token| token.logprob).collect()));
    listed.and_then(|values| values.into_iter().collect::<Option<Vec<f64>>>()).ok_or_else(missing)
}

/// The body of an answer.
#[derive(Debug, Deserialize)]
pub(super) struct Completions {
    #[serde(default)]
    model: Option<String>,
    choices: Vec<RawChoice>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct RawChoice {
    #[serde(default)]
    index: usize,
    text: String,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    logprobs: Option<RawLogprobs>,
}

/// `OpenAI`'s lists for completions, or its objects for chats, which llama.cpp gives for both.
#[derive(Debug, Deserialize)]
struct RawLogprobs {
    #[serde(default)]
    token_logprobs: Option<Vec<Option<f64>>>,
    #[serde(default)]
    content: Option<Vec<RawToken>>,
}

#[derive(Debug, Deserialize)]
struct RawToken {
    logprob: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Option<usize>,
    #[serde(default)]
    completion_tokens: Option<usize>,
}
