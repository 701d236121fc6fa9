//! `starloop verify`: grade completions against known answers.

use crate::console;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use starloop_core::registry::Registry;
use starloop_core::types::{Grade, Problem, ProblemId, Reading, StopReason, Verdict};
use std::io::BufRead;

/// Grade completions against known answers, with the verdicts of a run.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  echo '{\"completion\": \"8 8 3\", \"answer\": \"8 8 3\"}' | starloop verify --task arithmetic --json
  starloop verify --task arithmetic < completions.jsonl

Each line of standard input: {\"completion\": \"...\", \"answer\": \"...\"}, with \"choices\": [\"...\", ...] for multiple choice,
and \"stop_reason\": \"length\" if the token limit cut the completion off.")]
pub struct Arguments {
    /// The task that the answers belong to
    #[arg(long, value_name = "NAME")]
    task: String,
    /// Change a key of the task, such as `task.answer_type="number"`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print {\"verdict\": ..., \"predicted\": ...} for each line instead of the counts
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    completion: String,
    answer: String,
    #[serde(default)]
    choices: Vec<String>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default = "unspecified")]
    stop_reason: StopReason,
}

fn unspecified() -> StopReason {
    StopReason::Unspecified
}

#[derive(Serialize)]
struct Output<'a> {
    verdict: &'static str,
    predicted: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reading: Option<Reading>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

pub fn run(arguments: &Arguments, registry: &Registry) -> Result<()> {
    let task = registry.task_settings(&arguments.task, &arguments.set)?.grader()?;
    task.prepare()?;
    let mut counts = [("correct", 0u64), ("wrong", 0), ("unparsed", 0), ("truncated", 0), ("failed", 0)];
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let place = || format!("standard input, line {}", number + 1);
        let line = line.with_context(place)?;
        if line.trim().is_empty() {
            continue;
        }
        let input: Input = serde_json::from_str(&line).with_context(place)?;
        let id = ProblemId(input.id.unwrap_or_else(|| format!("line {}", number + 1)));
        let problem = Problem { id, class: String::new(), question: String::new(), answer: input.answer, choices: input.choices };
        let Grade { verdict, reading } = task.verify(&problem, &input.completion, &input.stop_reason).with_context(place)?;
        let (predicted, reason) = match &verdict {
            Verdict::Correct => (Some(problem.answer.as_str()), None),
            Verdict::Wrong { predicted } => (Some(predicted.as_str()), None),
            Verdict::Unparsed | Verdict::Truncated => (None, None),
            Verdict::Failed { reason } => (None, Some(reason.as_str())),
        };
        counts.iter_mut().filter(|(name, _)| *name == verdict.name()).for_each(|(_, count)| *count += 1);
        if arguments.json {
            console::print_json(&Output { verdict: verdict.name(), predicted, reading, reason })?;
        }
    }
    if arguments.json {
        return Ok(());
    }
    // Only a verifier program of the user can fail.
    let mut shown = counts.iter().filter(|(name, count)| *name != "failed" || *count > 0);
    shown.try_for_each(|(name, count)| console::print(&format!("{name:>9} {count}")))
}
