//! `starloop run`: an experiment from config to table and plot.

use crate::commands::{plan, report};
use crate::console;
use crate::overrides::Overrides;
use crate::progress::Console;
use anyhow::Result;
use starloop_core::config::Config;
use starloop_core::error::Error;
use starloop_core::estimate::{Cost, MethodCost};
use starloop_core::estimate;
use starloop_core::experiment::Experiment;
use starloop_core::registry::Registry;
use starloop_record::RunDir;
use starloop_report::Report;
use std::path::{Path, PathBuf};

/// Run an experiment: sample rationales, keep those that reach the known answer, rationalize the failures, fine-tune the base, evaluate, repeat.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop run arithmetic                                      few-shot base, direct fine-tuning, STaR; table and plot at the end
  starloop run arithmetic --resume                             go on after an interruption, to the same bytes
  starloop run arithmetic --set methods.star.iterations=2 --seed 7 --run-dir runs/short
  starloop run methods                                         the family of methods, three seeds: accuracy against cost
  starloop run my-experiment.toml --dry-run                    the resolved config and an estimate of tokens and time")]
pub struct Arguments {
    /// A preset's name or a TOML file
    config: String,
    /// Where the run is kept [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Go on with the run that is there
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    overrides: Overrides,
    /// Print the resolved config and an estimate of tokens and time, and stop
    #[arg(long)]
    dry_run: bool,
    /// Print the results as JSON instead of table and plot
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, registry: &Registry, quiet: bool) -> Result<()> {
    let mut overrides = arguments.overrides.list();
    if arguments.overrides.seed.is_some() {
        // Asked for by name, a seed goes before those of the config.
        overrides.push("seeds=[]".to_owned());
    }
    let experiment = Experiment::new(Config::load(&arguments.config, &overrides)?, registry)?;
    if arguments.dry_run {
        return preview(&experiment, arguments.json);
    }
    let config = experiment.config();
    let run_dir = arguments.run_dir.clone().unwrap_or_else(|| Path::new("runs").join(&config.name));
    if !config.seeds.is_empty() {
        return run_seeds(arguments, registry, &config.seeds, &run_dir, quiet);
    }
    let Done { report, stalled } = carry_out(&experiment, &run_dir, arguments.resume, quiet)?;
    if arguments.json { console::print(&report.json()) } else { report::show(&report, false) }?;
    stalled.map_or(Ok(()), Err)
}

/// Runs an experiment once with each seed, and shows what the methods cost and came to over all of them.
fn run_seeds(arguments: &Arguments, registry: &Registry, seeds: &[u64], run_dir: &Path, quiet: bool) -> Result<()> {
    let mut stalled = None;
    let directories: Vec<PathBuf> = seeds.iter().map(|seed| RunDir::of_seed(run_dir, *seed)).collect();
    for (seed, directory) in seeds.iter().zip(&directories) {
        let one_seed = [format!("seed={seed}"), "seeds=[]".to_owned()];
        let overrides: Vec<String> = arguments.overrides.list().into_iter().chain(one_seed).collect();
        let experiment = Experiment::new(Config::load(&arguments.config, &overrides)?, registry)?;
        stalled = carry_out(&experiment, directory, arguments.resume, quiet)?.stalled.or(stalled);
    }
    let report = Report::read(&directories)?;
    report::write_cost_plot(&report, &RunDir::cost_plot(run_dir))?;
    if arguments.json { console::print_json(&report.costs()) } else { console::print(&report.cost_table()) }?;
    stalled.map_or(Ok(()), Err)
}

/// What a run has come to.
pub struct Done {
    /// Its table and plot.
    pub report: Report,
    /// Why a method could not go on, where others could.
    pub stalled: Option<anyhow::Error>,
}

/// Runs an experiment and reads its report. A method that solved nothing leaves the others' results to be shown.
pub fn carry_out(experiment: &Experiment, run_dir: &Path, resume: bool, quiet: bool) -> Result<Done> {
    let stalled = match experiment.run(run_dir, resume, &mut Console::new(quiet)) {
        Ok(()) => None,
        Err(error @ Error::NothingSolved { .. }) if experiment.config().run.len() > 1 => Some(error.into()),
        Err(error) => return Err(error.into()),
    };
    let report = Report::read(&[run_dir.to_owned()])?;
    report::write_plot(&report, &RunDir::plot(run_dir))?;
    if !quiet {
        eprintln!("every rationale, to read and search: starloop report {} --html report.html", run_dir.display());
    }
    Ok(Done { report, stalled })
}

/// Prints the resolved config, and what the run would cost.
fn preview(experiment: &Experiment, json: bool) -> Result<()> {
    let (config, cost) = (experiment.config(), estimate::cost(experiment)?);
    if json {
        return console::print_json(&serde_json::json!({ "config": experiment.to_toml(), "cost": cost }));
    }
    let (sampling, training) = (cost.sampled_tokens_per_second, cost.trained_tokens_per_second);
    console::print(&experiment.to_toml())?;
    let measured = if sampling.or(training).is_some() { ", speed measured just now" } else { "" };
    console::print(&format!("# Estimate, at most: every problem rationalized, every packed sequence full{measured}."))?;
    for m in &cost.methods {
        let seconds = m.seconds.map_or_else(String::new, |seconds| format!(" {seconds:>7.0} s"));
        console::print(&format!(
            "# {:<20} {:>3} iterations {:>8} completions {:>10} tokens sampled {:>10} tokens trained{seconds}",
            m.method, m.iterations, m.completions, m.sampled_tokens, m.trained_tokens
        ))?;
    }
    let (runs, seeds) =
        (config.seeds.len().max(1), if config.seeds.is_empty() { String::new() } else { format!(" with {} seeds", config.seeds.len()) });
    let total = cost.methods.iter().map(|m| m.seconds).sum::<Option<f64>>();
    let speed = |tokens: Option<f64>, what: &str| tokens.map(|tokens| format!("{tokens:.0} tokens/s {what}"));
    let speeds: Vec<String> = [speed(sampling, "sampled"), speed(training, "trained")].into_iter().flatten().collect();
    if let (Some(seconds), Some(_), Some(_)) = (total, sampling, training) {
        return console::print(&format!("# {:.0} s in all{seeds}, at {}", seconds * runs as f64, speeds.join(" and ")));
    }
    preview_elsewhere(experiment, &cost, &speeds)
}

/// The part of an estimate that this machine's speed says nothing of.
fn preview_elsewhere(experiment: &Experiment, cost: &Cost, speeds: &[String]) -> Result<()> {
    let starts = |count: fn(&MethodCost) -> u64| cost.methods.iter().map(count).sum::<u64>();
    if cost.sampled_tokens_per_second.is_none() {
        let starts = starts(|m| m.server_starts);
        console::print(&format!(
            "# Servers sample ([policy]), started or told another checkpoint {starts} times; their speed is not measured."
        ))?;
    }
    if cost.trained_tokens_per_second.is_none() {
        let starts = starts(|m| m.trainer_starts);
        console::print(&format!("# Another program trains ([trainer]), started {starts} times; its speed is not measured."))?;
    }
    for speed in speeds {
        console::print(&format!("# Here: {speed}."))?;
    }
    console::print("# On accelerators, both, by their data sheets and the assumptions of `starloop plan`:")?;
    plan::elsewhere(experiment)?.iter().try_for_each(|line| console::print(&format!("# {line}")))
}
