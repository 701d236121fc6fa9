//! `starloop verify`: grade completions against known answers.

use crate::console;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use starloop_core::config::TaskConfig;
use starloop_core::types::{FinishReason, Verdict};
use std::io::BufRead;

/// Grade completions against known answers, as the loop does.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  echo '{\"completion\": \"8 8 3\", \"answer\": \"8 8 3\"}' | starloop verify --task arithmetic --json
  starloop verify --task arithmetic < completions.jsonl

Each line of standard input: {\"completion\": \"...\", \"answer\": \"...\"}, with \"finish\": \"length\" where the token limit cut it off.")]
pub struct Arguments {
    /// The task whose answers they are
    #[arg(long, value_name = "NAME")]
    task: String,
    /// Print {\"verdict\": ..., \"predicted\": ...} for each line; otherwise counts are printed
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    completion: String,
    answer: String,
    #[serde(default = "stop")]
    finish: FinishReason,
}

fn stop() -> FinishReason {
    FinishReason::Stop
}

#[derive(Serialize)]
struct Output<'a> {
    verdict: &'static str,
    predicted: Option<&'a str>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let task = TaskConfig::named(&arguments.task)?.build(0)?;
    let mut counts = [("correct", 0u64), ("wrong", 0), ("unparsed", 0), ("truncated", 0)];
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let place = || format!("standard input, line {}", number + 1);
        let line = line.with_context(place)?;
        if line.trim().is_empty() {
            continue;
        }
        let input: Input = serde_json::from_str(&line).with_context(place)?;
        let verdict = task.verify(&input.answer, &input.completion, input.finish);
        let predicted = match &verdict {
            Verdict::Correct => Some(input.answer.as_str()),
            Verdict::Wrong { predicted } => Some(predicted.as_str()),
            Verdict::Unparsed | Verdict::Truncated => None,
        };
        counts.iter_mut().filter(|(name, _)| *name == verdict.name()).for_each(|(_, count)| *count += 1);
        if arguments.json {
            console::print_json(&Output { verdict: verdict.name(), predicted })?;
        }
    }
    if arguments.json { Ok(()) } else { counts.iter().try_for_each(|(name, count)| console::print(&format!("{name:>9} {count}"))) }
}
