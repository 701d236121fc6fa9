//! The bodies of answers, as `OpenAI` describes them.

use crate::pieces::Piece;
use serde_json::{Map, Value, json};
use starloop_lm::engine::StopReason;

/// The kind of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Completion,
    Chat,
}

/// The keys that all parts of an answer share.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) kind: Endpoint,
    pub(crate) id: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
    pub(crate) model: String,
    /// The SHA-256 of the weights.
    pub(crate) sha256: String,
}

/// The counts of tokens in an answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: usize,
    pub(crate) completion_tokens: usize,
}

/// The end of a completion.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) reason: StopReason,
    pub(crate) last_token: Option<u32>,
}

impl Endpoint {
    fn prefix(self) -> &'static str {
        match self {
            Endpoint::Completion => "cmpl",
            Endpoint::Chat => "chatcmpl",
        }
    }
}

impl Head {
    pub(crate) fn new(kind: Endpoint, model: &str, sha256: &str) -> Self {
        let created = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        let id = format!("{}-{:032x}", kind.prefix(), rand::random::<u128>());
        Head { kind, id, created, model: model.to_owned(), sha256: sha256.to_owned() }
    }

    fn object(&self, object: &str, choices: Vec<Value>) -> Map<String, Value> {
        let fingerprint = format!("fp_{}", &self.sha256[..self.sha256.len().min(12)]);
        let keys: [(&str, Value); 6] = [
            ("id", self.id.as_str().into()),
            ("object", object.into()),
            ("created", self.created.into()),
            ("model", self.model.as_str().into()),
            ("system_fingerprint", fingerprint.into()),
            ("choices", choices.into()),
        ];
        keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// A whole answer.
    pub(crate) fn whole(&self, choices: Vec<Value>, usage: Usage) -> Value {
        let object = match self.kind {
            Endpoint::Completion => "text_completion",
            Endpoint::Chat => "chat.completion",
        };
        let mut body = self.object(object, choices);
        body.insert("usage".into(), usage.json());
        body.into()
    }

    /// A part of a streamed answer.
    pub(crate) fn part(&self, choices: Vec<Value>, usage: Option<Usage>) -> Value {
        let object = match self.kind {
            Endpoint::Completion => "text_completion",
            Endpoint::Chat => "chat.completion.chunk",
        };
        let mut body = self.object(object, choices);
        if let Some(usage) = usage {
            body.insert("usage".into(), usage.json());
        }
        body.into()
    }

    /// A completion of a whole answer. `logprobs` is that of [`Head::logprobs`].
    pub(crate) fn choice(&self, index: usize, text: &str, end: &End, logprobs: &Value) -> Value {
        let mut choice = match self.kind {
            Endpoint::Completion => json!({ "index": index, "text": text, "logprobs": logprobs }),
            Endpoint::Chat => {
                let message = json!({ "role": "assistant", "content": text, "refusal": null });
                json!({ "index": index, "message": message, "logprobs": logprobs })
            }
        };
        end.add_to(&mut choice);
        choice
    }

    /// A part of a completion. The first part of a message names its role.
    pub(crate) fn choice_part(&self, index: usize, text: &str, is_first: bool, end: Option<&End>, logprobs: &Value) -> Value {
        let mut choice = match self.kind {
            Endpoint::Completion => json!({ "index": index, "text": text, "logprobs": logprobs, "finish_reason": null }),
            Endpoint::Chat => {
                let delta = if is_first { json!({ "role": "assistant", "content": text }) } else { json!({ "content": text }) };
                json!({ "index": index, "delta": delta, "logprobs": logprobs, "finish_reason": null })
            }
        };
        if let Some(end) = end {
            end.add_to(&mut choice);
        }
        choice
    }

    /// Log-probabilities in the form of this kind of answer. `wanted` is the number of likeliest tokens that the request asked for, and `offset`
    /// the characters of the text before the first token.
    pub(crate) fn logprobs(&self, pieces: &[Piece], wanted: Option<usize>, offset: usize) -> Value {
        match (wanted, self.kind) {
            (None, _) => Value::Null,
            (Some(count), Endpoint::Completion) => lists(pieces, count, offset),
            (Some(_), Endpoint::Chat) => json!({ "content": pieces.iter().map(object).collect::<Vec<_>>(), "refusal": null }),
        }
    }
}

impl Usage {
    fn json(self) -> Value {
        let Usage { prompt_tokens, completion_tokens } = self;
        json!({ "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": prompt_tokens + completion_tokens })
    }
}

impl End {
    /// `finish_reason` is `OpenAI`'s. `stop_reason` is vLLM's: the stop string, or the end token.
    fn add_to(&self, choice: &mut Value) {
        let (finish, stop) = match &self.reason {
            StopReason::EndToken => ("stop", json!(self.last_token)),
            StopReason::StopString(stop) => ("stop", json!(stop)),
            StopReason::Length => ("length", Value::Null),
        };
        choice["finish_reason"] = finish.into();
        choice["stop_reason"] = stop;
    }
}

/// The lists that completions have.
fn lists(pieces: &[Piece], count: usize, offset: usize) -> Value {
    let offsets = pieces.iter().scan(offset, |next, piece| {
        let begin = *next;
        *next += piece.text.chars().count();
        Some(begin)
    });
    let offsets: Vec<usize> = offsets.collect();
    let top = |piece: &Piece| match piece.logprob {
        Some(logprob) if count > 0 => {
            let mut top = Map::new();
            // Two tokens may have the same text. The likelier one counts.
            for (text, logprob) in piece.alternatives.iter().chain([&(piece.text.clone(), logprob)]) {
                let known = top.get(text).and_then(Value::as_f64);
                if known.is_none_or(|known| known < f64::from(*logprob)) {
                    top.insert(text.clone(), (*logprob).into());
                }
            }
            Value::Object(top)
        }
        _ => Value::Null,
    };
    json!({
        "tokens": pieces.iter().map(|piece| piece.text.as_str()).collect::<Vec<_>>(),
        "token_logprobs": pieces.iter().map(|piece| piece.logprob).collect::<Vec<_>>(),
        "top_logprobs": if count > 0 { pieces.iter().map(top).collect::<Vec<_>>().into() } else { Value::Null },
        "text_offset": offsets,
    })
}

/// The object that a message has for a token.
fn object(piece: &Piece) -> Value {
    let token = |text: &str, logprob: Option<f32>| json!({ "token": text, "logprob": logprob, "bytes": text.as_bytes() });
    let mut object = token(&piece.text, piece.logprob);
    object["top_logprobs"] = piece.alternatives.iter().map(|(text, logprob)| token(text, Some(*logprob))).collect::<Vec<_>>().into();
    object
}
