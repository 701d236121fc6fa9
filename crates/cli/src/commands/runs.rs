//! `starloop runs`: the runs in a directory.

use crate::access::{Access, RunPart};
use crate::console;
use crate::usage::UsageError;
use anyhow::Result;
use starloop_record::format::{bytes, duration, interval};
use starloop_report::listing::{self, BestResult, Content, ListedRun};
use std::path::PathBuf;
use std::time::SystemTime;

/// List runs: size, state (running, stopped, finished, failed), last event, and best result.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop runs                                the runs in ./runs
  starloop runs experiments                    in another directory, and in the directories below it
  starloop runs --json

The best result is the highest accuracy of any method and iteration. If the run has final figures, it is one of them.")]
pub struct Arguments {
    /// The directory
    #[arg(value_name = "DIR", default_value = "runs")]
    directory: PathBuf,
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, access: Access) -> Result<()> {
    let directory = &arguments.directory;
    if !directory.is_dir() {
        return Err(UsageError::no_such_path(format!(
            "{}: no such directory; give the directory that holds your runs",
            directory.display()
        )));
    }
    let runs = listing::runs(directory, &|run| access.check_run(run, RunPart::Files).map_err(|error| format!("{error:#}")))?;
    if arguments.json {
        return console::print_json(&serde_json::json!({ "runs": runs }));
    }
    if runs.is_empty() {
        console::remark(&format!("no runs in {}", directory.display()));
    }
    let names: Vec<String> = runs.iter().map(|run| run.run.display().to_string()).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64());
    for (name, run) in names.iter().zip(&runs) {
        console::print(&format!("{name:width$}  {:>9}  {}", bytes(run.bytes), content(run, now)))?;
    }
    for ListedRun { content, .. } in &runs {
        if let Content::Read { resume: Some(command), .. } = content {
            console::remark(&format!("to continue: {command}"));
        }
    }
    Ok(())
}

/// `finished    2 h ago  star 5: 99.7% (98.1-99.9) on test`
fn content(run: &ListedRun, now: f64) -> String {
    match &run.content {
        Content::Unreadable { error } => format!("unreadable: {error}"),
        Content::Read { state, last_news, best, .. } => {
            let ago = last_news.map_or_else(|| "-".to_owned(), |time| format!("{} ago", duration((now - time).max(0.0))));
            let best = best.as_ref().map_or_else(|| "nothing measured yet".to_owned(), best_in_words);
            format!("{:<8}  {ago:>14}  {best}", state.name())
        }
    }
}

fn best_in_words(BestResult { method, iteration, split, accuracy }: &BestResult) -> String {
    format!("{method} {iteration}: {} on {}", interval(accuracy.mean, [accuracy.low, accuracy.high]), split.name())
}
