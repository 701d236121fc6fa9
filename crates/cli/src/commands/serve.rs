//! `starloop serve`: models over `OpenAI`'s interface.

#[cfg(feature = "serve")]
mod server;

use crate::access::Access;
use anyhow::Result;
use bytesize::ByteSize;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Serve models over OpenAI's interface: completions, chat completions, scores.
///
/// MODEL is a checkpoint directory, an adapter directory or builtin:NAME. RUN is a run directory: its iterations have the names METHOD/N, and its
/// base model the name `base`. A request that names no model gets the first one; of a run, this is the most accurate iteration of the last method.
/// Results are those of `starloop sample`: they depend on the weights, the prompt, the seed and the settings of the request only.
///
/// Standard output gets one line, the base address. SIGTERM and Ctrl-C end the server when the open requests are finished.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop serve builtin:arithmetic                                    at http://127.0.0.1:8000/v1
  starloop serve models/NAME.gguf --name small                         requests name the model \"small\"
  starloop serve runs/arithmetic --port 8100                           a request names star/3, base, ...
  starloop serve DIR --adapter law=adapters/law --adapter code=adapters/code
  starloop serve DIR --host 0.0.0.0 --api-key-file key.txt             for other machines, with a key
  starloop serve builtin:arithmetic --checkpoints runs                 for `[policy] kind = \"openai\"`, `server = \"starloop\"`")]
pub struct Arguments {
    /// A checkpoint or adapter directory, builtin:NAME, or a run directory
    #[arg(value_name = "MODEL|RUN")]
    model: String,
    /// The name of the model in requests; of a run, that of its most accurate iteration [default: MODEL as it was given, or METHOD/N]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Another model under a name, such as an adapter directory; may be given several times
    #[arg(long, value_name = "NAME=DIR", value_parser = named)]
    adapter: Vec<(String, PathBuf)>,
    /// Let requests name each checkpoint below this directory by its absolute path; may be given several times
    #[arg(long, value_name = "DIR")]
    checkpoints: Vec<PathBuf>,
    /// The address to listen on. Other machines can reach 0.0.0.0
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// The port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    port: u16,
    /// The key that requests must carry [default: the variable `STARLOOP_API_KEY`]. Other users of this machine can see arguments
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// A file that holds the key that requests must carry
    #[arg(long, value_name = "FILE", conflicts_with = "api_key")]
    api_key_file: Option<PathBuf>,
    /// Requests that may be open at once. Further ones get status 429
    #[arg(long, value_name = "N", default_value = "256")]
    queue: NonZeroUsize,
    /// The largest body of a request
    #[arg(long, value_name = "SIZE", default_value = "8MiB")]
    max_body: ByteSize,
    /// The most new tokens of a completion
    #[arg(long, value_name = "N", default_value = "131072")]
    max_new_tokens: NonZeroUsize,
    /// Models in memory at once. The one that was used longest ago leaves first
    #[arg(long, value_name = "N", default_value = "2")]
    models_in_memory: NonZeroUsize,
    /// Memory of each model's cache of keys and values
    #[arg(long, value_name = "SIZE", default_value = "512MiB")]
    cache: ByteSize,
    /// Sequences that each model samples at once
    #[arg(long, value_name = "N", default_value = "256")]
    sequences: NonZeroUsize,
    /// Seconds that open requests get when the server is asked to end
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain: u64,
}

fn named(text: &str) -> Result<(String, PathBuf), String> {
    let parts = text.split_once('=').filter(|(name, directory)| !name.is_empty() && !directory.is_empty());
    parts.map(|(name, directory)| (name.to_owned(), directory.into())).ok_or_else(|| "expected NAME=DIR".into())
}

#[cfg(feature = "serve")]
pub fn run(arguments: &Arguments, access: Access) -> Result<()> {
    server::run(arguments, access)
}

#[cfg(not(feature = "serve"))]
pub fn run(_: &Arguments, _: Access) -> Result<()> {
    Err(starloop_report::Error::MissingFeature { what: "the server", feature: "serve" }.into())
}
