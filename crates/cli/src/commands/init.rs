//! `starloop init`: a config for the user's own problems.

use crate::console;
use anyhow::Result;
use starloop_core::experiment::base_model::BaseModel;
use starloop_core::experiment::init::{Draft, NamedColumns, init};
use starloop_core::external::data_source::DataSource;
use std::path::{Path, PathBuf};

/// Write a config for your own problems, and show the first prompt.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop init problems.jsonl                          reads the columns, writes problems.toml
  starloop init problems.csv --out configs/mine.toml --base bases/MODEL
  starloop init sheet.csv --question 'Question Text' --answer Key
  starloop init ORG/NAME --config main --split train    a data set in the hub's cache
  starloop run problems.toml --dry-run                  next: all keys, and an estimate of the cost

The file has JSON lines, a JSON array, CSV, TSV or Parquet, each also compressed (.gz, .zst). Each row has at least a question and its
known answer. The answer may stand at the end of a worked solution, as in GSM8K (#### 72) and MATH (\\boxed{72}).
Instead of a file, name a folder of such files, or a data set of the hub.")]
pub struct Arguments {
    /// The problems: a file, a folder, or a data set of the hub
    file: PathBuf,
    /// The configuration of a folder or data set
    #[arg(long, value_name = "NAME")]
    config: Option<String>,
    /// The split of a folder or data set [default: train]
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// The column of the question [default: the column with a usual name]
    #[arg(long, value_name = "COLUMN")]
    question: Option<String>,
    /// The column of the known answer, or of a worked solution that ends with it
    #[arg(long, value_name = "COLUMN")]
    answer: Option<String>,
    /// The column of a known rationale
    #[arg(long, value_name = "COLUMN")]
    rationale: Option<String>,
    /// The config to write [default: the file's name with .toml]
    #[arg(long, value_name = "CONFIG")]
    out: Option<PathBuf>,
    /// The base model that the config names
    #[arg(long, value_name = "DIR", default_value = "bases/MODEL")]
    base: String,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let out = arguments.out.clone().unwrap_or_else(|| named_after(&arguments.file));
    let source = DataSource::new(arguments.file.clone(), arguments.config.clone(), arguments.split.clone());
    let Arguments { question, answer, rationale, .. } = arguments;
    let named = NamedColumns { question: question.clone(), answer: answer.clone(), rationale: rationale.clone() };
    let draft = init(&source, &named, &out, &arguments.base)?;
    let Draft { train_problems, dev_problems, columns, has_chat, has_worked_examples, prompt, rows, checked_rows, warnings } = draft;
    console::print(&format!("wrote {}: {train_problems} problems to learn from, {dev_problems} held out.", out.display()))?;
    for warning in &warnings {
        console::say(&format!("warning: {warning}"));
    }
    if checked_rows < rows {
        let checks_all = format!("`starloop run {} --dry-run` checks all", out.display());
        console::say(&format!("warning: the file has {rows} rows. The first {checked_rows} of them were checked; {checks_all}"));
    }
    let width = columns.iter().map(|(column, _)| column.len()).max().unwrap_or(0);
    for (column, what) in &columns {
        console::print(&format!("  {column:width$}  {what}"))?;
    }
    console::print(&format!("\nThe first prompt:\n--------\n{prompt}\n--------\n\nNext:"))?;
    if has_chat {
        console::print("  the base has a chat template, so the config has model.chat = true")?;
    }
    let out = out.display();
    if !has_worked_examples {
        console::print(&format!("  write rationales for the worked examples in {out}, and set sampling.few_shot"))?;
    }
    if BaseModel::find(&arguments.base).is_err() {
        console::print(&format!("  set model.base in {out} to a checkpoint directory (starloop get model ORG/NAME downloads one)"))?;
    }
    console::print(&format!("  starloop prompt {out}"))?;
    console::print(&format!("  starloop run {out} --dry-run"))?;
    console::print(&format!("  starloop run {out}"))
}

/// The file's name with `.toml` instead of its extension.
fn named_after(file: &Path) -> PathBuf {
    let name = file.file_name().map_or_else(|| Path::new("own").into(), PathBuf::from);
    let is_compressed = name.extension().is_some_and(|extension| ["gz", "zst", "zstd"].iter().any(|known| extension == *known));
    if is_compressed { name.with_extension("").with_extension("toml") } else { name.with_extension("toml") }
}
