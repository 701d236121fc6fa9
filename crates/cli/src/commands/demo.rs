//! `starloop demo`: the smallest experiment, with two of the rationales that it made.

use crate::access::Access;
use crate::commands::report;
use crate::commands::run::{Done, RunPlace, carry_out, next_steps};
use crate::console;
use crate::progress::Log;
use crate::untrusted::visible;
use anyhow::Result;
use starloop_core::config::Config;
use starloop_core::experiment::Experiment;
use starloop_core::registry::Registry;
use starloop_record::RunDir;
use starloop_record::types::ProblemRecord;
use starloop_report::inspect::{self, Filter, InspectedAttempt, Selected};
use starloop_report::words::Purpose;
use std::path::PathBuf;

/// The config of the demo.
const PRESET: &str = "smoke";
/// The method whose rationales are shown.
const METHOD: &str = "star";

/// Run the preset `smoke`: two iterations of STaR on sums of up to three digits, from the base model that is part of the program.
///
/// Prints the table, the plot, a rationale that the model found without a hint, and one that it found with the answer as a hint. A finished
/// demo is not run again; it is only shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop demo
  starloop demo --run-dir /tmp/demo
  starloop watch runs/demo              the same run as it goes on, from another terminal")]
pub struct Arguments {
    /// The directory of the run
    #[arg(long, value_name = "DIR", default_value = "runs/demo")]
    run_dir: PathBuf,
}

pub fn run(arguments: &Arguments, registry: &Registry, access: Access, log: Log) -> Result<()> {
    let experiment = Experiment::new(Config::load(PRESET, &[])?, registry)?;
    let Done { report, stalled } = carry_out(&experiment, RunPlace::alone(&arguments.run_dir, true), access, log)?;
    report::show(&report, false)?;
    let run = RunDir::open_read_only(&arguments.run_dir)?;
    for (purpose, heading) in [
        (Purpose::Unhinted, "A rationale that the model found without a hint, and learned:"),
        (
            Purpose::Hinted,
            "A rationale that the model found with the answer as a hint, after it had failed. It learned it without the hint:",
        ),
    ] {
        if let Some(text) = learned(&run, purpose)? {
            console::print(&format!("\n{heading}\n{text}"))?;
        }
    }
    if log.has_remarks() {
        console::say(&format!("\n{}", next_steps(&report, &arguments.run_dir)));
    }
    stalled.map_or(Ok(()), Err)
}

/// The longest problem of its kind that was learned first, with its rationale.
fn learned(run: &RunDir, purpose: Purpose) -> Result<Option<String>> {
    let filter = Filter {
        method: Some(METHOD.to_owned()),
        iteration: Some(1),
        purpose: Some(purpose),
        selected: Some(Selected::Learned),
        ..Filter::default()
    };
    let mut longest: Option<(ProblemRecord, InspectedAttempt)> = None;
    inspect::each(run, &filter, |attempt, problem| {
        if let Some(problem) = problem
            && longest.as_ref().is_none_or(|(known, _)| known.text.len() < problem.text.len())
        {
            longest = Some((problem.clone(), attempt));
        }
        Ok(())
    })?;
    Ok(longest.map(|(problem, attempt)| indented(&format!("{}\n{}", problem.text.trim_end(), attempt.graded.attempt.completion))))
}

fn indented(text: &str) -> String {
    visible(text).lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
