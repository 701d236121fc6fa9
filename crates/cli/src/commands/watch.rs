//! `starloop watch`: a run while it goes on.

#[cfg(feature = "watch")]
mod terminal;

use crate::access::{Access, Reading};
use crate::console;
use anyhow::Result;
use starloop_report::watch::Watch;
use std::path::PathBuf;

/// Watch a run while it goes on: its stage, its speed, the time left, its curves, and what the model wrote last.
///
/// Only reads the run's files, so it works beside a run, on a finished run and on a copied directory, and does not slow the run down. No file
/// shows how far a stage under way has come. That is an estimate from the time that the same kind of work took before.
///
/// Keys: q quits; left and right browse what the model wrote, up and down scroll; v filters by verdict; c changes the curves; m the method.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop watch runs/arithmetic               until q is pressed
  starloop watch runs/arithmetic --once        one screen, printed
  starloop watch runs/arithmetic --json        what it shows, as JSON")]
pub struct Arguments {
    /// The run directory
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Print one screen and end
    #[arg(long)]
    once: bool,
    /// Print where the run is as JSON and end
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, access: Access) -> Result<()> {
    access.check_run(&arguments.run, Reading::Files)?;
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
