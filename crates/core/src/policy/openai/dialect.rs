//! The request that each server expects, and how its answer is read.
//!
//! Every request sends all sampling parameters, unset ones at neutral values, because servers have different defaults: llama.cpp's `top_k` is
//! 40 and its `min_p` 0.05, vLLM takes them from the checkpoint's `generation_config.json`.

use super::logprobs::{Logprobs, RawLogprobs};
use crate::config::{ServerKind, ServingConfig};
use crate::policy::SamplingParams;
use crate::types::StopReason;
use serde::Deserialize;
use serde_json::{Value, json};

/// A prompt as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Prompt {
    /// Token ids, the beginning token among them.
    Tokens(Vec<u32>),
    /// Text.
    Text(String),
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
    pub(super) params: SamplingParams,
}

/// One completion, as a server gives it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub(super) text: String,
    pub(super) stop_reason: StopReason,
    /// Log-probabilities of its tokens (natural logarithm), where they were asked for and are of this text alone.
    pub(super) logprobs: Option<Logprobs>,
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
    pub(super) fn request(&self, prompt: &Prompt, n: usize, seed: u64) -> Value {
        let SamplingParams { temperature, top_k, top_p, max_new_tokens, stop } = &self.params;
        let prompt = match prompt {
            Prompt::Tokens(ids) => json!(ids),
            Prompt::Text(text) => json!(text),
        };
        let mut body =
            json!({ "model": self.model, "prompt": prompt, "max_tokens": max_new_tokens, "seed": folded(seed), "stream": false });
        if self.stop_at_server && !stop.is_empty() {
            body["stop"] = json!(stop);
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
        // Some servers leave the stop string in the text, and some have generated on.
        let stop = self.params.first_stop(&choice.text);
        let stop_reason = match (stop, choice.finish_reason.as_deref()) {
            (Some((_, stop)), Some("stop" | "length")) => StopReason::StopString(stop.to_owned()),
            (None, Some("stop")) => self.ended(choice.stop_reason.as_ref()),
            (None, Some("length")) => StopReason::Length,
            (_, other) => return Err(format!("a completion ended for the reason {:?}", other.unwrap_or("none"))),
        };
        let is_cut_here = stop.is_some() && !self.stop_at_server;
        let text = choice.text[..stop.map_or(choice.text.len(), |(at, _)| at)].to_owned();
        let logprobs = if self.logprobs && !is_cut_here { Some(Logprobs::read(choice.logprobs, &text)?) } else { None };
        Ok(Choice { text, stop_reason, logprobs, is_cut_here })
    }

    /// What ended a completion that a server calls stopped. vLLM and `SGLang` name the stop string or the id of the end token; vLLM names
    /// nothing where that is the model's own end token.
    fn ended(&self, said: Option<&Value>) -> StopReason {
        let knows_stops = self.stop_at_server && self.params.stop.iter().any(|stop| !stop.is_empty());
        match said {
            Some(Value::String(stop)) if self.params.stop.contains(stop) => StopReason::StopString(stop.clone()),
            Some(Value::Number(_)) => StopReason::EndToken,
            None if self.server == ServerKind::Vllm => StopReason::EndToken,
            _ if knows_stops => StopReason::Unspecified,
            _ => StopReason::EndToken,
        }
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
    /// vLLM's own key, and that of `SGLang`.
    #[serde(default, alias = "matched_stop")]
    stop_reason: Option<Value>,
    #[serde(default)]
    logprobs: Option<RawLogprobs>,
}

#[derive(Debug, Default, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Option<usize>,
    #[serde(default)]
    completion_tokens: Option<usize>,
}
