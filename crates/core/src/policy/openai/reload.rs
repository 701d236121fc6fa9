//! Making a running server serve another checkpoint.

use super::client::Client;
use crate::config::{Recipe, Reload};
use crate::error::{Error, Result};
use serde_json::{Value, json};
use starloop_lm::lora::is_adapter;
use std::path::Path;
use std::process::{Command, Stdio};

/// The name that an adapter is served by.
const ADAPTER: &str = "starloop";

/// Lets the server at `endpoint` serve `checkpoint`. Returns the name to ask it by, where that is not `policy.model`.
pub(super) fn reload(reload: &Reload, client: &Client, endpoint: &str, checkpoint: &Path) -> Result<Option<String>> {
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
            Ok(None)
        }
        Reload::Recipe(Recipe::VllmLora) => {
            // The one before, which need not be there.
            let _ = client.send(&format!("{endpoint}/unload_lora_adapter"), &json!({ "lora_name": ADAPTER }));
            if !is_adapter(checkpoint) {
                return Ok(None);
            }
            let body = json!({ "lora_name": ADAPTER, "lora_path": directory });
            client.send(&format!("{endpoint}/load_lora_adapter"), &body).map_err(|trouble| {
                let needs = "vLLM has to be started with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True";
                failed(format!("{}; {needs}", trouble.message()))
            })?;
            Ok(Some(ADAPTER.to_owned()))
        }
        Reload::Command(command) => run(command, endpoint, &directory).map_err(failed).map(|()| None),
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
