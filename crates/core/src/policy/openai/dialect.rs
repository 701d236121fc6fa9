//! The request that each server expects, and how its answer is read.
//!
//! Every request sends all sampling parameters, unset ones at neutral values, because servers have different defaults: llama.cpp's `top_k` is
//! 40 and its `min_p` 0.05, vLLM takes them from the checkpoint's `generation_config.json`.

use super::answer::{Completions, Loose, RawChoice, Usage};
use super::logprobs::Logprobs;
use crate::config::{ServerKind, ServingConfig};
use crate::policy::SamplingParams;
use crate::types::StopReason;
use serde_json::{Value, json};

/// A prompt as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Prompt {
    /// Token ids, the beginning token among them.
    Tokens(Vec<u32>),
    /// Text.
    Text(String),
}

/// The parts that all requests of a stage share.
#[derive(Debug, Clone)]
pub(super) struct Dialect {
    pub(super) server: ServerKind,
    pub(super) logprobs: bool,
    /// True if requests contain the stop strings.
    pub(super) stop_at_server: bool,
    /// The name of the model.
    pub(super) model: String,
    /// The SHA-256 of its weights.
    pub(super) sha256: String,
    /// Ids of the tokens that end a completion.
    pub(super) end_tokens: Vec<u32>,
    pub(super) params: SamplingParams,
}

/// One completion, as a server gives it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ServerChoice {
    pub(super) text: String,
    pub(super) stop_reason: StopReason,
    /// Log-probabilities of its tokens (natural logarithm), if they were requested and belong to this text alone.
    pub(super) logprobs: Option<Logprobs>,
    /// True if the server generated more text, which was cut off here.
    pub(super) is_cut_here: bool,
}

/// The answer to a request: at most as many completions as were requested.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) choices: Vec<ServerChoice>,
    /// Tokens of the prompt, as the server counts.
    pub(super) prompt_tokens: Option<usize>,
    /// Tokens of all completions, as the server counts.
    pub(super) completion_tokens: Option<usize>,
}

/// Bytes of an answer besides its completions.
const ENVELOPE: u64 = 256 << 10;
/// Bytes of a token in an answer: its text, log-probability and bytes, and the same of the likeliest token.
const BYTES_PER_TOKEN: u64 = 1 << 10;
/// Bytes of the text of a token, at most.
const TEXT_OF_TOKEN: usize = 512;
/// Bytes of the longest answer to any request.
const LONGEST_ANSWER: u64 = 64 << 20;

impl Prompt {
    /// Bytes of the prompt, about.
    fn bytes(&self) -> u64 {
        match self {
            Prompt::Tokens(ids) => 8 * ids.len() as u64,
            Prompt::Text(text) => text.len() as u64,
        }
    }
}

impl ServingConfig {
    /// Samples of one prompt in one request; 1 if the server supports no more.
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
        let seed = if self.server == ServerKind::Starloop { seed } else { folded(seed) };
        let mut body = json!({ "model": self.model, "prompt": prompt, "max_tokens": max_new_tokens, "seed": seed, "stream": false });
        if self.stop_at_server && !stop.is_empty() {
            body["stop"] = json!(stop);
        }
        if self.server == ServerKind::Transformers {
            // It refuses unknown keys. It reads all other settings from this text, which replaces the settings of the checkpoint.
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
            // This program gives those of the tokens alone for 0; some servers give none.
            body["logprobs"] = u8::from(self.server != ServerKind::Starloop).into();
        }
        let all_or = |all: i64| if *top_k == 0 { all } else { *top_k as i64 };
        merge(
            &mut body,
            match self.server {
                ServerKind::Starloop => json!({ "top_k": all_or(0), "weights_sha256": self.sha256 }),
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

    /// Bytes of the longest answer that a request for `n` completions warrants.
    pub(super) fn longest_answer(&self, prompt: &Prompt, n: usize) -> u64 {
        let tokens = (n as u64).saturating_mul(self.params.max_new_tokens as u64);
        ENVELOPE.saturating_add(8 * prompt.bytes()).saturating_add(tokens.saturating_mul(BYTES_PER_TOKEN)).min(LONGEST_ANSWER)
    }

    /// Reads an answer to a request for `n` completions of `prompt`.
    ///
    /// # Errors
    /// The answer does not answer such a request. The text says why.
    pub(super) fn read(&self, mut answer: Completions, prompt: &Prompt, n: usize) -> Result<Answer, String> {
        let choices = answer.take_choices()?;
        if let Some(other) = answer.model.filter(|name| !is_name_of(name, &self.model)) {
            return Err(format!("the answer is of the model {other:?}, expected {:?}", self.model));
        }
        let usage = answer.usage.unwrap_or_default();
        let (prompt_tokens, completion_tokens) = self.counts(&usage, prompt, choices.len())?;
        let only = completion_tokens.filter(|_| choices.len() == 1);
        let choices: Vec<ServerChoice> =
            in_order(choices, n)?.into_iter().map(|choice| self.choice(choice, only)).collect::<Result<_, _>>()?;
        if choices.is_empty() {
            return Err(format!("the indices of the completions are not below {n}"));
        }
        let scored: usize = choices.iter().filter_map(|choice| choice.logprobs.as_ref()).map(|scored| scored.logprobs.len()).sum();
        match completion_tokens {
            // Some servers do not count the token that ends a completion.
            Some(counted) if scored > counted + choices.len() => {
                Err(format!("the answer has log-probabilities of {scored} tokens and counts {counted} tokens"))
            }
            _ => Ok(Answer { choices, prompt_tokens, completion_tokens }),
        }
    }

    /// The counts of the server: tokens of the prompt, and of all completions. A server that does not count writes 0.
    fn counts(&self, usage: &Usage, prompt: &Prompt, completions: usize) -> Result<(Option<usize>, Option<usize>), String> {
        let within = |what: &str, counted: Option<u64>, most: u64| match counted {
            Some(counted) if counted > most => Err(format!("the answer counts {counted} tokens of {what}, expected at most {most}")),
            counted => Ok(counted.filter(|&counted| counted > 0).map(|counted| counted as usize)),
        };
        // A token has a byte or more. A server may add some, such as the beginning token.
        let prompt_tokens = within("the prompt", usage.prompt_tokens, prompt.bytes() + 1024)?;
        let most = (self.params.max_new_tokens as u64 + 1).saturating_mul(completions as u64);
        Ok((prompt_tokens, within("the completions", usage.completion_tokens, most)?))
    }

    /// Reads one completion. `counted` is the number of its tokens, where the server counts them.
    fn choice(&self, mut choice: RawChoice, counted: Option<usize>) -> Result<ServerChoice, String> {
        // Some servers leave the stop string in the text, and some have generated on.
        let (full, listed) = (choice.text.take().unwrap_or_default(), choice.logprobs.take());
        let most = self.params.max_new_tokens.saturating_add(1).saturating_mul(TEXT_OF_TOKEN);
        if full.len() > most {
            let (bytes, tokens) = (full.len(), self.params.max_new_tokens);
            return Err(format!("a completion has {bytes} bytes, more than {tokens} tokens can have; the server passed over `max_tokens`"));
        }
        let stop = self.params.first_stop(&full);
        let (ending, detail) = ending(&choice.finish_reason, choice.stop())?;
        let ending = match ending {
            // A server that gives no reason ended the text at the limit, or before it at an end token or a stop string.
            Ending::Unsaid => match counted {
                Some(tokens) if tokens >= self.params.max_new_tokens => Ending::Length,
                Some(_) => Ending::Stop,
                None => return Err("a completion has no finish_reason, and the answer does not count its tokens".to_owned()),
            },
            ending => ending,
        };
        let stop_reason = match (stop, ending) {
            (Some((_, stop)), _) => StopReason::StopString(stop.to_owned()),
            (None, Ending::Length) => StopReason::Length,
            (None, Ending::EndToken) => StopReason::EndToken,
            (None, Ending::Stop | Ending::Unsaid) => self.ended(detail, choice.finish_reason == Loose::Null),
        };
        let is_cut_here = stop.is_some() && !self.stop_at_server;
        let text = full[..stop.map_or(full.len(), |(at, _)| at)].to_owned();
        let logprobs = if self.logprobs && !is_cut_here { Some(Logprobs::read(listed, &text)?) } else { None };
        if let (Some(counted), Some(scored)) = (counted, logprobs.as_ref().map(|scored| scored.logprobs.len()))
            && scored + self.unscored_tokens() < counted
        {
            return Err(format!("a completion of {counted} tokens has {scored} log-probabilities"));
        }
        Ok(ServerChoice { text, stop_reason, logprobs, is_cut_here })
    }

    /// The tokens of a completion that a server may count and not score. Some score the end token. llama.cpp returns one log-probability for
    /// several tokens that make one character, and none for a stop string.
    fn unscored_tokens(&self) -> usize {
        match self.server {
            ServerKind::Starloop | ServerKind::Vllm | ServerKind::Sglang => 1,
            _ => 8 + self.params.max_new_tokens / 2,
        }
    }

    /// The cause of the end of a completion that a server reports as stopped. vLLM and `SGLang` name the stop string or the id of the end token. vLLM names
    /// nothing if it is the model's own end token.
    fn ended(&self, detail: &Loose, is_guessed: bool) -> StopReason {
        let knows_stops = self.stop_at_server && self.params.stop.iter().any(|stop| !stop.is_empty());
        match detail {
            Loose::Text(stop) if self.params.stop.contains(stop) => StopReason::StopString(stop.clone()),
            Loose::Number(_) => StopReason::EndToken,
            Loose::Null if self.server == ServerKind::Vllm && !is_guessed => StopReason::EndToken,
            _ if knows_stops => StopReason::Unspecified,
            _ => StopReason::EndToken,
        }
    }
}

/// The reason why a server ended a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// An end token or a stop string.
    Stop,
    EndToken,
    Length,
    /// The server gives no reason.
    Unsaid,
}

/// Reads a `finish_reason` and what belongs to it. Servers have different words, and `SGLang` has an object in its own interface.
fn ending<'a>(reason: &'a Loose, detail: &'a Loose) -> Result<(Ending, &'a Loose), String> {
    let (word, detail) = match reason {
        Loose::Null => return Ok((Ending::Unsaid, detail)),
        Loose::Text(word) => (Some(word), detail),
        Loose::Object { kind, matched, .. } => (kind.as_ref(), matched.as_ref()),
        Loose::Number(_) | Loose::List(_) | Loose::Other => (None, detail),
    };
    let word = word.ok_or("a completion has a finish_reason that is neither a text nor an object with the key `type`")?;
    let ending = match word.to_ascii_lowercase().as_str() {
        "stop" | "stop_sequence" | "end_turn" => Ending::Stop,
        "eos_token" | "eos" => Ending::EndToken,
        "length" | "max_tokens" | "model_length" => Ending::Length,
        _ => return Err(format!("a completion ended for the reason {word:?}, expected `stop` or `length`")),
    };
    Ok((ending, detail))
}

/// The completions in the order of their indices, without those that were not asked for.
fn in_order(mut choices: Vec<RawChoice>, n: usize) -> Result<Vec<RawChoice>, String> {
    if choices.iter().all(|choice| choice.index.is_none()) {
        choices.truncate(n);
        return Ok(choices);
    }
    choices.sort_by_key(|choice| choice.index);
    if let Some(twice) = choices.windows(2).find(|pair| pair[0].index == pair[1].index) {
        let index = twice[0].index.map_or_else(|| "none".to_owned(), |index| index.to_string());
        return Err(format!("two completions have the same index ({index})"));
    }
    choices.retain(|choice| choice.index.is_none_or(|index| index < n as u64));
    Ok(choices)
}

/// Returns true if a server's name for a model means `model`: `transformers serve` adds a revision.
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
