//! `starloop train`: plain supervised fine-tuning.

use crate::access::Access;
use crate::console;
use crate::model::Model;
use crate::progress::{Console, Log};
use crate::usage::UsageError;
use anyhow::Result;
use starloop_core::config::TrainingConfig;
use starloop_core::external::data_source::DataSource;
use starloop_core::trainer::finetune::finetune;
use std::path::PathBuf;

/// Fine-tune a checkpoint on prompts and completions. Only the completion and its end token have a loss.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop train --model DIR --data pairs.jsonl --out tuned
  starloop train --model DIR --data pairs.jsonl --out tuned --steps 200 --learning-rate 1e-4 --batch-size 8 --sequence-length 1024
  starloop train --model DIR --data pairs.jsonl --out tuned --set schedule=cosine --set weight_decay=0.1 --json

The data is JSON lines, a JSON array, CSV, TSV or Parquet, each also compressed (.gz, .zst), a folder of such files, or a data set of the hub.
Each row has `prompt` and `completion`, or `instruction`, `input` and `output`. With --chat, a row can also have `messages`, or lists of
messages in `prompt` and `completion`. Every message of the assistant is learned, except those in `prompt`. With --set checkpoint_every=100 the training saves its state.
If an interrupted command is repeated, it continues from the saved state.")]
pub struct Arguments {
    /// The checkpoint directory to start from, a GGUF file, builtin:NAME, or ORG/NAME on the hub
    #[arg(long, value_name = "DIR")]
    model: String,
    /// Rows of prompt and completion: a file, a folder, or a data set of the hub
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The configuration of a folder or data set
    #[arg(long, value_name = "NAME")]
    config: Option<String>,
    /// The split of a folder or data set [default: train]
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// The checkpoint directory to write. It must not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of optimizer steps
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Peak learning rate
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Number of packed sequences in a step
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Number of tokens in a packed sequence
    #[arg(long, value_name = "N")]
    sequence_length: Option<usize>,
    /// Seed of the order of examples
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Change any key of a config's `[training]` section, such as `warmup_steps=10`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Use the checkpoint's chat template, with each prompt as the user's message
    #[arg(long)]
    chat: bool,
    /// Print the training metrics as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, access: Access, log: Log) -> Result<()> {
    let mut set = arguments.set.clone();
    set.extend(arguments.steps.map(|n| format!("steps={n}")));
    set.extend(arguments.learning_rate.map(|rate| format!("learning_rate={rate:?}")));
    set.extend(arguments.batch_size.map(|n| format!("batch_size={n}")));
    set.extend(arguments.sequence_length.map(|n| format!("sequence_length={n}")));
    let settings = TrainingConfig::from_overrides(&set)?;
    let model = Model::find(&arguments.model, access)?;
    if settings.lora.is_some() && model.is_unpacked() {
        let name = &arguments.model;
        return Err(UsageError::request(format!(
            "{name}: adapters name the directory of their base, and this model has none; `starloop model convert {name} DIR` writes it to one"
        )));
    }
    let Arguments { data, out, chat, seed, .. } = arguments;
    let data = DataSource::new(data.clone(), arguments.config.clone(), arguments.split.clone());
    let metrics = finetune(model.directory(), &data, out, &settings, *chat, *seed, &mut Console::new(log))?;
    if arguments.json {
        return console::print_json(&metrics);
    }
    let out = arguments.out.display();
    console::print(&format!("{out}: {} steps, {} tokens, loss {:.4} per target token", metrics.steps, metrics.tokens, metrics.final_loss))
}
