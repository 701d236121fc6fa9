//! Makes a running server load another checkpoint, and notices when the server has restarted: it then serves the checkpoint that it was started
//! with, under the same name.

use super::answer::{LONGEST_LIST, Loose, ModelList};
use crate::config::{Reload, ReloadRecipe, ServingConfig};
use crate::error::Result;
use crate::error::masks::without_password;
use crate::external::http::{Failure, HttpClient, HttpError, HttpErrorKind};
use crate::external::process::{ProcessGroup, Shutdown};
use serde::Deserialize;
use serde_json::json;
use starloop_lm::files::peft::is_adapter;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Bytes at the end of a program's output from which an error shows a line.
const SHOWN: u64 = 2000;

/// A checkpoint that running servers load on request.
#[derive(Debug, Clone)]
pub(super) struct Reloading {
    reload: Reload,
    /// Its directory, as an absolute path.
    directory: String,
    programs: Programs,
    /// The name of the adapter, if the checkpoint is one. Each checkpoint has another name, so a server cannot confuse it with an earlier one.
    adapter: Option<String>,
}

/// How a program of the user's is run.
#[derive(Debug, Clone)]
struct Programs {
    secrets: Vec<String>,
    limit: Duration,
}

impl Reloading {
    /// A checkpoint whose weights have this digest.
    pub(super) fn new(reload: &Reload, config: &ServingConfig, checkpoint: &Path, sha256: &str) -> Result<Self> {
        let is_named = *reload == Reload::Recipe(ReloadRecipe::VllmLora) && is_adapter(checkpoint);
        let adapter = is_named.then(|| format!("starloop-{}", &sha256[..sha256.len().min(12)]));
        let programs = Programs { secrets: config.secrets_for_programs(), limit: Duration::from_secs_f64(config.start_seconds) };
        Ok(Reloading { reload: reload.clone(), directory: std::path::absolute(checkpoint)?.display().to_string(), programs, adapter })
    }

    /// The name of the model in requests, if it is not `policy.model`.
    pub(super) fn adapter(&self) -> Option<&str> {
        self.adapter.as_deref()
    }

    /// A second name by which the server may list the checkpoint. `SGLang` lists it by its directory.
    pub(super) fn alias(&self) -> Option<&str> {
        matches!(self.reload, Reload::Recipe(ReloadRecipe::Sglang)).then_some(&self.directory)
    }

    /// Makes the server at `endpoint` load the checkpoint in place of the adapter `before`.
    pub(super) fn load(&self, client: &HttpClient, endpoint: &str, before: Option<&str>) -> Result<(), HttpError> {
        let endpoint = endpoint.trim_end_matches('/');
        match &self.reload {
            Reload::Recipe(ReloadRecipe::Sglang) => self.update_weights(client, root(endpoint)),
            Reload::Recipe(ReloadRecipe::VllmLora) => self.load_adapter(client, endpoint, before),
            Reload::Command(command) => run(command, &self.programs, endpoint, &self.directory),
        }
    }

    /// The directory of the checkpoint, as an absolute path.
    pub(super) fn directory(&self) -> &str {
        &self.directory
    }

    /// Asks the server at `endpoint` if it still serves the checkpoint.
    fn is_served(&self, client: &HttpClient, endpoint: &str) -> Result<bool, HttpError> {
        let endpoint = endpoint.trim_end_matches('/');
        match (&self.reload, &self.adapter) {
            (Reload::Recipe(ReloadRecipe::Sglang), _) => Ok(model_path(client, root(endpoint))?.is_some_and(|path| path == self.directory)),
            (Reload::Recipe(ReloadRecipe::VllmLora), None) => Ok(true),
            (Reload::Recipe(ReloadRecipe::VllmLora), Some(adapter)) => {
                let list: ModelList = client.get_json(&format!("{endpoint}/models"), LONGEST_LIST)?;
                Ok(list.has(adapter))
            }
            (Reload::Command(_), _) => Ok(false),
        }
    }

    fn update_weights(&self, client: &HttpClient, root: &str) -> Result<(), HttpError> {
        let url = format!("{root}/update_weights_from_disk");
        let answer: Updated = client.post_json(&url, &json!({ "model_path": self.directory }), LONGEST_LIST)?;
        if answer.success != Some(true) {
            return Err(rejected(&url, format!("the server says {:?}", answer.message.text().unwrap_or_default())));
        }
        match model_path(client, root)? {
            Some(path) if path != self.directory => {
                Err(rejected(&url, format!("the server says that it has loaded the checkpoint, and that it serves {path}")))
            }
            _ => Ok(()),
        }
    }

    fn load_adapter(&self, client: &HttpClient, endpoint: &str, before: Option<&str>) -> Result<(), HttpError> {
        // Unloading only frees memory. A server that has restarted has no adapter to unload and answers with an error.
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

/// The answer of `SGLang` to a request for other weights.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Updated {
    success: Option<bool>,
    message: Loose,
}

/// The description that `SGLang` gives of the model that it serves.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ServedModel {
    model_path: Loose,
}

/// The directory whose weights `SGLang` says that it serves; nothing where it does not say.
fn model_path(client: &HttpClient, root: &str) -> Result<Option<String>, HttpError> {
    match client.get_json::<ServedModel>(&format!("{root}/get_model_info"), LONGEST_LIST) {
        Ok(info) => Ok(info.model_path.text().map(str::to_owned)),
        Err(error) if error.failure() == Failure::Permanent => Ok(None),
        Err(error) => Err(error),
    }
}

/// Records if a running server may have restarted since it loaded the checkpoint.
#[derive(Debug, Default)]
pub(super) struct RestartCheck(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_there: bool,
    /// How often it was removed.
    removed: u64,
}

impl RestartCheck {
    /// Makes sure that the server serves the checkpoint. Loads it again if necessary. Returns how often a check was necessary so far.
    pub(super) fn remove(&self, reloading: &Reloading, client: &HttpClient, endpoint: &str) -> Result<u64, HttpError> {
        // Other threads of this server wait here meanwhile.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_there {
            if !reloading.is_served(client, endpoint)? {
                reloading.load(client, endpoint, None)?;
            }
            *state = State { is_there: false, removed: state.removed + 1 };
        }
        Ok(state.removed)
    }

    /// Records a failed request that was sent after `removed` checks. An older request failed because of a restart that is already known.
    pub(super) fn raise(&self, error: &HttpError, reloading: &Reloading, removed: u64) {
        let is_cause = match error.failure() {
            Failure::Unreachable => true,
            // A check costs little, but a program may restart the server.
            Failure::Server | Failure::Timeout => matches!(reloading.reload, Reload::Recipe(_)),
            Failure::Busy { .. } | Failure::Permanent => false,
        };
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_there |= is_cause && state.removed == removed;
    }
}

/// Runs the user's program to its end. A server that it starts in the background keeps running if the program succeeds.
fn run(command: &[String], settings: &Programs, endpoint: &str, directory: &str) -> Result<(), HttpError> {
    let failed = |message: String| rejected(endpoint, message);
    let fill = |word: &String| word.replace("{checkpoint}", directory).replace("{endpoint}", endpoint);
    let words: Vec<String> = command.iter().map(fill).collect();
    let (program, arguments) = words.split_first().ok_or_else(|| failed("policy.reload names no program".to_owned()))?;
    let cannot = |error: io::Error| failed(format!("{program} cannot be run (policy.reload)")).caused_by(error);
    // A file, because a server in the background would keep a pipe open. Standard output of this process carries data only.
    let mut output = tempfile::tempfile().map_err(cannot)?;
    let mut prepared = Command::new(program);
    prepared.args(arguments).stdin(Stdio::null());
    prepared.stdout(output.try_clone().map_err(cannot)?).stderr(output.try_clone().map_err(cannot)?);
    let group = ProcessGroup::start(&mut prepared, Shutdown::Immediate, &settings.secrets).map_err(cannot)?;
    match group.finish(settings.limit) {
        Some(status) if status.success() => Ok(()),
        ended => {
            let limit = settings.limit.as_secs_f64();
            let how = ended.map_or_else(|| format!("did not end within {limit:.0} s"), |status| format!("failed ({status})"));
            Err(failed(format!("{program} {how} and said: {}", last_line(&mut output).map_err(cannot)?)))
        }
    }
}

/// The last line of a program's output that is not blank.
fn last_line(output: &mut File) -> io::Result<String> {
    let length = output.seek(SeekFrom::End(0))?;
    output.seek(SeekFrom::Start(length.saturating_sub(SHOWN)))?;
    let mut end = Vec::new();
    output.take(SHOWN).read_to_end(&mut end)?;
    let text = String::from_utf8_lossy(&end);
    Ok(text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("nothing").to_owned())
}
