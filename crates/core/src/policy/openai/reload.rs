//! Making a running server serve another checkpoint, and noticing one that has forgotten it: a server that restarts serves what it was
//! started with, under the same name.

use crate::config::{Recipe, Reload};
use crate::error::Result;
use crate::external::http::{Failure, HttpClient, HttpError, HttpErrorKind, without_password};
use serde_json::{Value, json};
use starloop_lm::files::peft::is_adapter;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// A checkpoint that running servers are told to load.
#[derive(Debug, Clone)]
pub(super) struct Reloading {
    reload: Reload,
    /// Its directory, as an absolute path.
    directory: String,
    /// The name that it is loaded by, where it is an adapter that has one. Another for each checkpoint, so that nothing which a server keeps by
    /// name can be that of an earlier one.
    adapter: Option<String>,
}

impl Reloading {
    /// A checkpoint whose weights have this digest.
    pub(super) fn new(reload: &Reload, checkpoint: &Path, sha256: &str) -> Result<Self> {
        let is_named = *reload == Reload::Recipe(Recipe::VllmLora) && is_adapter(checkpoint);
        let adapter = is_named.then(|| format!("starloop-{}", &sha256[..sha256.len().min(12)]));
        Ok(Reloading { reload: reload.clone(), directory: std::path::absolute(checkpoint)?.display().to_string(), adapter })
    }

    /// The name to ask by, where it is not `policy.model`.
    pub(super) fn adapter(&self) -> Option<&str> {
        self.adapter.as_deref()
    }

    /// A further name that the server may list the checkpoint by: `SGLang` takes its directory for one.
    pub(super) fn alias(&self) -> Option<&str> {
        matches!(self.reload, Reload::Recipe(Recipe::Sglang)).then_some(&self.directory)
    }

    /// Lets the server at `endpoint` load the checkpoint, in the place of the adapter `before`.
    pub(super) fn load(&self, client: &HttpClient, endpoint: &str, before: Option<&str>) -> Result<(), HttpError> {
        let endpoint = endpoint.trim_end_matches('/');
        match &self.reload {
            Reload::Recipe(Recipe::Sglang) => self.update_weights(client, root(endpoint)),
            Reload::Recipe(Recipe::VllmLora) => self.load_adapter(client, endpoint, before),
            Reload::Command(command) => run(command, endpoint, &self.directory).map_err(|message| rejected(endpoint, message)),
        }
    }

    /// The directory of the checkpoint, as an absolute path.
    pub(super) fn directory(&self) -> &str {
        &self.directory
    }

    /// Whether the server at `endpoint` says that it still serves the checkpoint.
    fn is_served(&self, client: &HttpClient, endpoint: &str) -> Result<bool, HttpError> {
        let endpoint = endpoint.trim_end_matches('/');
        match (&self.reload, &self.adapter) {
            (Reload::Recipe(Recipe::Sglang), _) => Ok(model_path(client, root(endpoint))?.is_some_and(|path| path == self.directory)),
            (Reload::Recipe(Recipe::VllmLora), None) => Ok(true),
            (Reload::Recipe(Recipe::VllmLora), Some(adapter)) => {
                let list: Value = client.get_json(&format!("{endpoint}/models"))?;
                Ok(list["data"].as_array().is_some_and(|models| models.iter().any(|model| model["id"] == adapter.as_str())))
            }
            (Reload::Command(_), _) => Ok(false),
        }
    }

    fn update_weights(&self, client: &HttpClient, root: &str) -> Result<(), HttpError> {
        let url = format!("{root}/update_weights_from_disk");
        let answer: Value = client.post_json(&url, &json!({ "model_path": self.directory }))?;
        if answer["success"] != Value::Bool(true) {
            return Err(rejected(&url, format!("the server says {}", answer["message"])));
        }
        match model_path(client, root)? {
            Some(path) if path != self.directory => {
                Err(rejected(&url, format!("the server says that it has loaded the checkpoint, and that it serves {path}")))
            }
            _ => Ok(()),
        }
    }

    fn load_adapter(&self, client: &HttpClient, endpoint: &str, before: Option<&str>) -> Result<(), HttpError> {
        // Unloading only frees memory. A server that has restarted has no adapter and refuses.
        for name in before.into_iter().chain(self.adapter()) {
            let _ = client.post(&format!("{endpoint}/unload_lora_adapter"), &json!({ "lora_name": name }));
        }
        let Some(adapter) = &self.adapter else { return Ok(()) };
        let body = json!({ "lora_name": adapter, "lora_path": self.directory });
        client.post(&format!("{endpoint}/load_lora_adapter"), &body).map(drop).map_err(|error| match error.failure() {
            Failure::Permanent => error.with_hint("vLLM has to be started with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"),
            _ => error,
        })
    }
}

fn rejected(url: &str, message: String) -> HttpError {
    HttpError::new(without_password(url), HttpErrorKind::Rejected(message))
}

/// The address below which `SGLang` serves requests that are not part of `OpenAI`'s interface.
fn root(endpoint: &str) -> &str {
    endpoint.strip_suffix("/v1").unwrap_or(endpoint)
}

/// The directory whose weights `SGLang` says that it serves; nothing where it does not say.
fn model_path(client: &HttpClient, root: &str) -> Result<Option<String>, HttpError> {
    match client.get_json::<Value>(&format!("{root}/get_model_info")) {
        Ok(info) => Ok(info["model_path"].as_str().map(str::to_owned)),
        Err(error) if error.failure() == Failure::Permanent => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a running server may have restarted since it was told what to serve.
#[derive(Debug, Default)]
pub(super) struct Doubt(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_there: bool,
    /// How often it was removed.
    removed: u64,
}

impl Doubt {
    /// Removes it: the server serves the checkpoint, again if it has to be. Returns how often that was necessary so far.
    pub(super) fn remove(&self, reloading: &Reloading, client: &HttpClient, endpoint: &str) -> Result<u64, HttpError> {
        // Others that would ask this server wait here meanwhile.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_there {
            if !reloading.is_served(client, endpoint)? {
                reloading.load(client, endpoint, None)?;
            }
            *state = State { is_there: false, removed: state.removed + 1 };
        }
        Ok(state.removed)
    }

    /// Raises it for what went wrong with a request that was put when it had been removed so often. Older ones were broken by that restart.
    pub(super) fn raise(&self, error: &HttpError, reloading: &Reloading, removed: u64) {
        let is_cause = match error.failure() {
            Failure::Unreachable => true,
            // To ask costs little, to run a program may cost a restart.
            Failure::Server | Failure::Timeout => matches!(reloading.reload, Reload::Recipe(_)),
            Failure::Busy { .. } | Failure::Permanent => false,
        };
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_there |= is_cause && state.removed == removed;
    }
}

/// Runs the user's program to its end. It is not a [`crate::external::process::ProcessGroup`]: a server that it starts in the background keeps running.
fn run(command: &[String], endpoint: &str, directory: &str) -> Result<(), String> {
    let fill = |word: &String| word.replace("{checkpoint}", directory).replace("{endpoint}", endpoint);
    let words: Vec<String> = command.iter().map(fill).collect();
    let (program, arguments) = words.split_first().ok_or("policy.reload names no program")?;
    // Standard output carries data only.
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&said);
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
    Err(format!("{program} failed ({}) and said: {}", output.status, last.trim()))
}
