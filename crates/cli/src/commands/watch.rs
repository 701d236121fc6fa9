//! `starloop watch`: a run in progress.

#[cfg(feature = "watch")]
mod terminal;

use crate::access::{Access, RunPart};
use crate::console;
use anyhow::Result;
use starloop_report::watch::Watch;
use std::path::PathBuf;

/// Watch a run in progress: its stage, speed, time left, curves, and the model's latest rationales.
///
/// The command only reads files, so it works on a running, finished or copied run, and does not slow the run down. The progress within a stage
/// is an estimate from the time that the same kind of work took before.
///
/// Keys: q quits. Left and right choose a rationale, up and down scroll it. v filters by verdict. c changes the curves. m changes the method.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop watch runs/arithmetic               until q is pressed
  starloop watch runs/arithmetic --once        one screen, printed
  starloop watch runs/arithmetic --json        the same as JSON")]
pub struct Arguments {
    /// The run directory
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Print one screen and end
    #[arg(long)]
    once: bool,
    /// Print the state of the run as JSON and end
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, access: Access) -> Result<()> {
    access.check_run(&arguments.run, RunPart::Files)?;
    let watch = Watch::open(&arguments.run)?;
    if arguments.json {
        return console::print_json(&watch.progress()?);
    }
    show(watch, arguments.once)
}

#[cfg(feature = "watch")]
fn show(watch: Watch, once: bool) -> Result<()> {
    if once { terminal::print_once(watch) } else { terminal::follow(watch) }
}

#[cfg(not(feature = "watch"))]
fn show(_: Watch, _: bool) -> Result<()> {
    Err(starloop_report::Error::MissingFeature { what: "the screen of a run", feature: "watch" }.into())
}
