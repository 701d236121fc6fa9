//! `starloop reproduce`: an experiment of the paper, and its table with what was measured beside it.

use crate::access::Access;
use crate::commands::run::{Done, carry_out};
use crate::console;
use crate::overrides::Overrides;
use anyhow::Result;
use clap::builder::PossibleValuesParser;
use starloop_core::config::Config;
use starloop_core::experiment::Experiment;
use starloop_core::experiment::base_model::BaseModel;
use starloop_core::registry::Registry;
use std::path::{Path, PathBuf};

/// Run what is missing of an experiment of the paper, and print the paper's table with what was measured beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop reproduce arithmetic            minutes, from the shipped base
  starloop reproduce gsm8k --small         a small checkpoint of today in place of GPT-J
  starloop reproduce commonsense_qa        the paper's model and settings; needs a large machine
  starloop reproduce gsm8k --small --set model.base=bases/Qwen2.5-1.5B --run-dir runs/larger

What is finished is kept: given again, the command goes on where it was, and at the end only prints.")]
pub struct Arguments {
    /// The task
    #[arg(value_parser = PossibleValuesParser::new(["arithmetic", "commonsense_qa", "gsm8k"]))]
    task: String,
    /// The same experiment with a small checkpoint and parts of the data (arithmetic is small as it is)
    #[arg(long)]
    small: bool,
    /// Where the run is kept [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    /// Print the results as JSON instead of the table
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, registry: &Registry, access: Access, quiet: bool) -> Result<()> {
    let small = arguments.small && arguments.task != "arithmetic";
    let preset = if small { format!("{}-small", arguments.task) } else { arguments.task.clone() };
    let experiment = Experiment::new(Config::load(&preset, &arguments.overrides.list())?, registry)?;
    everything_is_there(&experiment)?;
    let run_dir = arguments.run_dir.clone().unwrap_or_else(|| Path::new("runs").join(&experiment.config().name));
    let Done { report, stalled } = carry_out(&experiment, &run_dir, true, access, quiet)?;
    if arguments.json { console::print_json_text(&report.json()) } else { console::print(&report.paper_tables()) }?;
    stalled.map_or(Ok(()), Err)
}

/// Model and data are told in one message, so that both can be fetched before the next try.
fn everything_is_there(experiment: &Experiment) -> Result<()> {
    match (BaseModel::of(&experiment.config().model), experiment.read_task()) {
        (Err(model), Err(data)) => {
            let hint = console::hint(&model).map(|hint| format!(" ({hint})")).unwrap_or_default();
            Err(anyhow::Error::new(data).context(format!("{model}{hint}; and besides")))
        }
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error.into()),
        (Ok(_), Ok(_)) => Ok(()),
    }
}
