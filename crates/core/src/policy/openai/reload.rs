//! Making a running server serve another checkpoint.

use super::client::Client;
use crate::config::{Recipe, Reload};
use crate::error::{Error, Result};
use serde_json::{Value, json};
use starloop_lm::lora::is_adapter;
use std::path::Path;
use std::process::{Command, Stdio};

/// The name that an adapter with these weights is served by: another for each, so that nothing which a server keeps by name can be that of
/// an earlier one.
pub(super) fn adapter_name(sha256: &str) -> String {
    format!("starloop-{}", &sha256[..sha256.len().min(12)])
}

/// Lets the server at `endpoint` serve `checkpoint`, an adapter by the name `adapter`, in the place of the adapter `before`. Returns whether
/// that name is the one to ask by, and not `policy.model`.
pub(super) fn reload(
    reload: &Reload,
    client: &Client,
    endpoint: &str,
    checkpoint: &Path,
    adapter: &str,
    before: Option<&str>,
) -> Result<bool> {
    let endpoint = endpoint.trim_end_matches('/');
    let directory = std::path::absolute(checkpoint)?.display().to_string();
    let failed = |problem: String| Error::Server { endpoint: endpoint.to_owned(), problem: format!("loading {directory}: {problem}") };
    match reload {
        Reload::Recipe(Recipe::Sglang) => {
            let root = endpoint.strip_suffix("/v1").unwrap_or(endpoint);
            let answer = client.post(&format!("{root}/update_weights_from_disk"), &json!({ "model_path": directory }));
            let answer = answer.map_err(|trouble| failed(trouble.message().to_owned()))?;
            if answer["success"] != Value::Bool(true) {
                return Err(failed(format!("the server says {}", answer["message"])));
            }
            Ok(false)
        }
        Reload::Recipe(Recipe::VllmLora) => {
            // Of these it only takes memory, and a server that has restarted has none.
            for name in before.into_iter().chain([adapter]) {
                let _ = client.send(&format!("{endpoint}/unload_lora_adapter"), &json!({ "lora_name": name }));
            }
            if !is_adapter(checkpoint) {
                return Ok(false);
            }
            let body = json!({ "lora_name": adapter, "lora_path": directory });
            client.send(&format!("{endpoint}/load_lora_adapter"), &body).map_err(|trouble| {
                let needs = "vLLM has to be started with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True";
                failed(format!("{}; {needs}", trouble.message()))
            })?;
            Ok(true)
        }
        Reload::Command(command) => run(command, endpoint, &directory).map_err(failed).map(|()| false),
    }
}

/// Runs the user's program to its end.
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
