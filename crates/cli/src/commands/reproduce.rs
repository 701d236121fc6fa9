//! `starloop reproduce`: an experiment of the paper, and the paper's table beside the measured results.

use crate::access::Access;
use crate::commands::run::{Done, RunPlace, carry_out, next_steps};
use crate::console;
use crate::model::provide_base;
use crate::overrides::Overrides;
use crate::progress::Log;
use anyhow::Result;
use clap::builder::PossibleValuesParser;
use starloop_core::config::Config;
use starloop_core::experiment::Experiment;
use starloop_core::experiment::base_model::BaseModel;
use starloop_core::registry::Registry;
use std::path::{Path, PathBuf};

/// Run an experiment of the paper, and print the paper's table beside the measured results. Finished work is kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop reproduce arithmetic            minutes, from the shipped base
  starloop reproduce gsm8k --small         a recent small checkpoint instead of GPT-J
  starloop reproduce commonsense_qa        the paper's model and settings; needs a large machine
  starloop reproduce gsm8k --small --set model.base=bases/Qwen2.5-1.5B --run-dir runs/larger

If the command is repeated, it continues the run. A finished run is only printed.")]
pub struct Arguments {
    /// The task
    #[arg(value_parser = PossibleValuesParser::new(["arithmetic", "commonsense_qa", "gsm8k"]))]
    task: String,
    /// Use a small checkpoint and a part of the data (no effect on arithmetic, which is small already)
    #[arg(long)]
    small: bool,
    /// The directory of the run [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    /// Print the results as JSON instead of the table
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, registry: &Registry, access: Access, log: Log) -> Result<()> {
    let small = arguments.small && arguments.task != "arithmetic";
    let preset = if small { format!("{}-small", arguments.task) } else { arguments.task.clone() };
    let experiment = Experiment::new(Config::load(&preset, &arguments.overrides.list())?, registry)?;
    everything_is_there(&experiment)?;
    let run_dir = arguments.run_dir.clone().unwrap_or_else(|| Path::new("runs").join(&experiment.config().name));
    let Done { report, stalled } = carry_out(&experiment, RunPlace::alone(&run_dir, true), access, log)?;
    if arguments.json { console::print_json_text(&report.json()) } else { console::print(&report.paper_tables()) }?;
    if log.has_remarks() {
        console::say(&next_steps(&report, &run_dir));
    }
    stalled.map_or(Ok(()), Err)
}

/// Reports a missing model and missing data in one message, so that both can be downloaded before the next try.
fn everything_is_there(experiment: &Experiment) -> Result<()> {
    provide_base(&experiment.config().model)?;
    match (BaseModel::of(&experiment.config().model), experiment.read_task()) {
        (Err(model), Err(data)) => {
            let hint = console::hint(&model).map(|hint| format!(" ({hint})")).unwrap_or_default();
            Err(anyhow::Error::new(data).context(format!("{model}{hint}; also")))
        }
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error.into()),
        (Ok(_), Ok(_)) => Ok(()),
    }
}
