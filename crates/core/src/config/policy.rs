//! `[policy]`: the policy, which samples: the embedded engine by default, or an OpenAI-compatible server.

use super::{Invalid, Section};
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// The policy, which samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum PolicyConfig {
    /// This process.
    #[default]
    Embedded,
    /// Servers that speak `OpenAI`'s completions.
    OpenAi(Box<ServingConfig>),
    /// A policy from outside this crate: the `kind` that a registry knows it by, and its keys.
    Other {
        /// The value of `kind`.
        kind: String,
        /// The other keys.
        keys: toml::Table,
    },
}

const EMBEDDED: &str = "embedded";
const OPENAI: &str = "openai";
/// The kinds that need no registry.
pub(crate) const KINDS: [&str; 2] = [EMBEDDED, OPENAI];

/// Keys that say where requests are sent and how failures are retried. They change no answer, so a run may be resumed with other values.
const CIRCUMSTANCES: &[&str] = &[
    "endpoints",
    "api_key_env",
    "in_flight",
    "request_seconds",
    "patience_seconds",
    "tries",
    "launch",
    "replicas",
    "health",
    "start_seconds",
    "reload",
    "secrets",
];

/// The kind of server. All kinds take the same requests. Each has further keys and gaps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ServerKind {
    /// Any other: only what `OpenAI` describes is sent.
    #[default]
    #[serde(rename = "openai")]
    OpenAi,
    /// `starloop serve`, which gives the results of the embedded engine.
    Starloop,
    /// `vllm serve`.
    Vllm,
    /// `python -m sglang.launch_server`.
    Sglang,
    /// llama.cpp's own `llama-server`.
    LlamaCpp,
    /// `python -m llama_cpp.server`, of llama-cpp-python.
    LlamaCppPython,
    /// `mistralrs-server`, which ignores seeds.
    MistralRs,
    /// `transformers serve`, which gives no log-probabilities.
    Transformers,
}

/// How prompts are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PromptForm {
    /// As token ids, made here: no beginning token is doubled, and the tokenizer is the one that training uses.
    Tokens,
    /// As text, which the server tokenises.
    Text,
}

/// How a running server is made to serve another checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Reload {
    /// A recipe.
    Recipe(ReloadRecipe),
    /// A program of the user's with its arguments; `{checkpoint}` and `{endpoint}` are filled in. It is done when the server serves it.
    Command(Vec<String>),
}

/// A way to make a server load another checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReloadRecipe {
    /// `SGLang`: `/update_weights_from_disk`.
    Sglang,
    /// vLLM: `/v1/load_lora_adapter`, for checkpoints that are adapters. Requests to the base use `model`.
    VllmLora,
}

/// `[policy]` of `kind = "openai"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ServingConfig {
    /// The kind of server.
    pub server: ServerKind,
    /// Base addresses such as `http://127.0.0.1:8000/v1`, one for each replica. Empty if the servers are launched: their addresses are known then.
    pub endpoints: Vec<String>,
    /// The name that the server knows the model by; `{checkpoint}` is the checkpoint's directory.
    pub model: String,
    /// The environment variable that holds the API key. The key itself has no place in a config.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// How prompts are sent; by default as token ids where the server takes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompts: Option<PromptForm>,
    /// Ask for log-probabilities; by default where the server gives them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// Let the server end completions at the task's stop strings. If the server does not support that, it generates more, and this program cuts the text.
    pub stop_at_server: bool,
    /// Samples of one prompt in one request (`n`). With 1, each sample has its own seed. With more, the server makes the seeds of the others.
    pub samples_per_request: u32,
    /// Requests that are open at once, for each endpoint.
    pub in_flight: usize,
    /// Seconds for a whole answer.
    pub request_seconds: f64,
    /// Seconds without any answer after which the run stops.
    pub patience_seconds: f64,
    /// Failed answers to one request after which the run stops. Connections that break and servers that are busy do not count.
    pub tries: u32,
    /// The program that serves a checkpoint, with its arguments; `{checkpoint}`, `{port}` and `{replica}` (from 0) are filled in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub launch: Vec<String>,
    /// Servers that are launched.
    pub replicas: usize,
    /// The path at the server's root that answers 200 once it serves; by default the server's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Seconds until a launched server serves, and until the program of `reload` has ended.
    pub start_seconds: f64,
    /// How a running server is made to serve another checkpoint. Without it, requests name the checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reload: Option<Reload>,
    /// Environment variables with secrets that the programs of `launch` and `reload` get, besides that of `api_key_env`. They get no others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
}

impl Default for ServingConfig {
    fn default() -> Self {
        ServingConfig {
            server: ServerKind::OpenAi,
            endpoints: Vec::new(),
            model: "{checkpoint}".to_owned(),
            api_key_env: None,
            prompts: None,
            logprobs: None,
            stop_at_server: true,
            samples_per_request: 1,
            in_flight: 32,
            request_seconds: 600.0,
            patience_seconds: 1800.0,
            tries: 8,
            launch: Vec::new(),
            replicas: 1,
            health: None,
            start_seconds: 1800.0,
            reload: None,
            secrets: Vec::new(),
        }
    }
}

impl PolicyConfig {
    /// Reads `[policy]`, if the config has it.
    pub(super) fn read(section: Option<Section<'_>>) -> Result<Self> {
        let Some(mut section) = section else { return Ok(PolicyConfig::Embedded) };
        match section.take_kind()?.as_str() {
            OPENAI => Ok(PolicyConfig::OpenAi(Box::new(section.read()?))),
            EMBEDDED => section.read::<Nothing>().map(|_| PolicyConfig::Embedded),
            kind => Ok(PolicyConfig::Other { kind: kind.to_owned(), keys: section.into_table() }),
        }
    }

    /// The section as it is written, if it says anything.
    pub(super) fn to_table(&self) -> Option<toml::Table> {
        let (mut table, kind) = match self {
            PolicyConfig::Embedded => return None,
            PolicyConfig::OpenAi(config) => (super::strict::to_table(config.as_ref()), OPENAI),
            PolicyConfig::Other { kind, keys } => (keys.clone(), kind.as_str()),
        };
        table.insert("kind".into(), kind.into());
        Some(table)
    }

    /// The keys of a config that say where and how the work is done. They change no result, so a run may be resumed with others.
    pub(crate) fn circumstances() -> Vec<String> {
        CIRCUMSTANCES.iter().map(|key| format!("policy.{key}")).collect()
    }

    /// Checks the values.
    pub(crate) fn check(&self, chat: bool) -> Result<(), Invalid> {
        match self {
            PolicyConfig::Embedded | PolicyConfig::Other { .. } => Ok(()),
            PolicyConfig::OpenAi(config) => config.check(chat),
        }
    }
}

/// A section without keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl ServingConfig {
    /// How prompts are sent.
    pub fn prompt_form(&self) -> PromptForm {
        let takes_tokens = matches!(self.server, ServerKind::Starloop | ServerKind::Vllm | ServerKind::Sglang | ServerKind::LlamaCpp);
        self.prompts.unwrap_or(if takes_tokens { PromptForm::Tokens } else { PromptForm::Text })
    }

    /// The environment variables with secrets that programs of this section get.
    pub(crate) fn secrets_for_programs(&self) -> Vec<String> {
        self.secrets.iter().chain(&self.api_key_env).cloned().collect()
    }

    /// Returns true if requests ask for log-probabilities.
    pub fn wants_logprobs(&self) -> bool {
        self.logprobs.unwrap_or(self.server != ServerKind::Transformers)
    }

    fn check(&self, chat: bool) -> Result<(), Invalid> {
        let require = |holds: bool, key: &str, message: &str| {
            if holds { Ok(()) } else { Err(Invalid { key: format!("policy.{key}"), message: message.to_owned() }) }
        };
        let launched = !self.launch.is_empty();
        require(
            launched == self.endpoints.is_empty(),
            "endpoints",
            "name the running servers here, or the program that serves a checkpoint in policy.launch, and not both",
        )?;
        require(!launched || self.launch.iter().any(|word| word.contains("{port}")), "launch", "has to tell the server its {port}")?;
        require(
            !launched || self.launch.iter().any(|word| word.contains("{checkpoint}")),
            "launch",
            "has to tell the server the {checkpoint}",
        )?;
        require(!launched || self.reload.is_none(), "reload", "a server that is launched for each checkpoint needs none")?;
        require(
            self.endpoints.iter().all(|endpoint| is_address(endpoint)),
            "endpoints",
            "each has to be an address such as http://127.0.0.1:8000/v1; in a user or password, `/` is written as %2F",
        )?;
        require(self.replicas > 0, "replicas", "must be at least 1")?;
        require((1..=MOST_IN_FLIGHT).contains(&self.in_flight), "in_flight", "must be in 1..=65536")?;
        require(self.tries > 0, "tries", "must be at least 1")?;
        require(self.samples_per_request > 0, "samples_per_request", "must be at least 1")?;
        let seconds = |value: f64| value.is_finite() && value > 0.0 && value < 1e9;
        require(seconds(self.request_seconds), "request_seconds", "must be a number of seconds above 0 and below 1e9")?;
        require(seconds(self.start_seconds), "start_seconds", "must be a number of seconds above 0 and below 1e9")?;
        require(
            seconds(self.patience_seconds) && self.patience_seconds >= self.request_seconds,
            "patience_seconds",
            "must be a number of seconds, at least policy.request_seconds and below 1e9",
        )?;
        require(
            !chat || self.prompt_form() == PromptForm::Tokens,
            "prompts",
            "model.chat = true renders prompts here, so they have to be sent as token ids (prompts = \"tokens\")",
        )
    }
}
/// The most open requests for each server. Each has a thread.
const MOST_IN_FLIGHT: usize = 1 << 16;

/// Returns true if a text is an address of the web with a host and, if there is one, a port that is a number.
fn is_address(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else { return false };
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let server = authority.rsplit_once('@').map_or(authority, |(_, server)| server);
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (server, None),
    };
    !host.is_empty() && port.is_none_or(|port| port.parse::<u16>().is_ok())
}
