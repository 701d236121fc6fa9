//! `starloop run`: an experiment from config to table and plot.

use crate::access::{Access, Reading};
use crate::commands::{plan, report};
use crate::console;
use crate::overrides::Overrides;
use crate::progress::Console;
use anyhow::Result;
use starloop_core::config::{Config, PolicyConfig, TrainerKind};
use starloop_core::error::Error;
use starloop_core::experiment::Experiment;
use starloop_core::experiment::plan::{MethodPlan, Plan, Work};
use starloop_core::registry::Registry;
use starloop_record::RunDir;
use starloop_record::format::{count, duration};
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

pub fn run(arguments: &Arguments, registry: &Registry, access: Access, quiet: bool) -> Result<()> {
    let mut overrides = arguments.overrides.list();
    if arguments.overrides.seed.is_some() {
        // Asked for by name, a seed goes before those of the config.
        overrides.push("seeds=[]".to_owned());
    }
    let experiment = Experiment::new(Config::load(&arguments.config, &overrides)?, registry)?;
    if arguments.dry_run {
        return preview(&experiment, access, arguments.json);
    }
    let config = experiment.config();
    let run_dir = arguments.run_dir.clone().unwrap_or_else(|| Path::new("runs").join(&config.name));
    if !config.seeds.is_empty() {
        return run_seeds(arguments, registry, &config.seeds, &run_dir, (access, quiet));
    }
    let Done { report, stalled } = carry_out(&experiment, &run_dir, arguments.resume, access, quiet)?;
    if arguments.json { console::print_json_text(&report.json()) } else { report::show(&report, false) }?;
    stalled.map_or(Ok(()), Err)
}

/// Runs an experiment once with each seed, and shows what the methods cost and came to over all of them.
fn run_seeds(arguments: &Arguments, registry: &Registry, seeds: &[u64], run_dir: &Path, (access, quiet): (Access, bool)) -> Result<()> {
    let mut stalled = None;
    let directories: Vec<PathBuf> = seeds.iter().map(|seed| RunDir::of_seed(run_dir, *seed)).collect();
    for (seed, directory) in seeds.iter().zip(&directories) {
        let one_seed = [format!("seed={seed}"), "seeds=[]".to_owned()];
        let overrides: Vec<String> = arguments.overrides.list().into_iter().chain(one_seed).collect();
        let experiment = Experiment::new(Config::load(&arguments.config, &overrides)?, registry)?;
        stalled = carry_out(&experiment, directory, arguments.resume, access, quiet)?.stalled.or(stalled);
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
pub fn carry_out(experiment: &Experiment, run_dir: &Path, resume: bool, access: Access, quiet: bool) -> Result<Done> {
    access.check_programs(experiment)?;
    access.check_run(run_dir, Reading::Checkpoints)?;
    let stalled = match experiment.run(run_dir, resume, &mut Console::new(quiet)) {
        Ok(()) => None,
        Err(error @ Error::NothingSolved { .. }) if experiment.config().run.len() > 1 => Some(error.into()),
        Err(error) => return Err(error.into()),
    };
    let report = Report::read(&[run_dir.to_owned()])?;
    report::write_plot(&report, &RunDir::plot(run_dir))?;
    if !quiet {
        console::say(&format!("every rationale, to read and search: starloop report {} --html report.html", run_dir.display()));
    }
    Ok(Done { report, stalled })
}

/// Prints the resolved config, and what the run would cost.
fn preview(experiment: &Experiment, access: Access, json: bool) -> Result<()> {
    if let Some(program) = experiment.task_settings().program().filter(|_| !access.no_programs) {
        console::say(&format!("starting the verifier {program:?}, to see that it starts; --no-programs leaves it out"));
        experiment.task()?;
    }
    let (config, plan) = (experiment.config(), plan::before_run(experiment)?);
    if json {
        return console::print_json(&serde_json::json!({ "config": experiment.to_toml(), "plan": plan }));
    }
    console::print(&experiment.to_toml())?;
    console::print("# Estimate, at most: every problem rationalized, every packed sequence full.")?;
    for MethodPlan { method, work, embedded_hours, .. } in &plan.methods {
        let time = embedded_hours.map_or_else(String::new, |hours| format!("  {}", duration(3600.0 * hours)));
        console::print(&format!(
            "# {method:<20} {:>3} iterations {:>8} completions {:>7} tokens sampled {:>7} tokens trained{time}",
            work.iterations,
            work.prompts,
            count(work.completion_tokens),
            count(work.trained_tokens as f64)
        ))?;
    }
    console::print(&format!("# Memory here: {}", plan::memory(&plan.memory)))?;
    if let Some(speed) = &plan.speed {
        console::print(&format!("# Measured just now: {}", plan::measured(speed)))?;
    }
    let hours: Option<f64> = plan.methods.iter().map(|method| method.embedded_hours).sum();
    let runs = config.seeds.len().max(1);
    let seeds = if config.seeds.is_empty() { String::new() } else { format!(" with {runs} seeds") };
    match hours {
        Some(hours) => console::print(&format!("# In all{seeds}: {}", duration(3600.0 * hours * runs as f64))),
        None => preview_elsewhere(config, &plan),
    }
}

/// The part of an estimate that this machine does not do.
fn preview_elsewhere(config: &Config, plan: &Plan) -> Result<()> {
    let starts = |count: fn(&Work) -> u64| plan.methods.iter().map(|method| count(&method.work)).sum::<u64>();
    if config.policy != PolicyConfig::Embedded {
        let starts = starts(|work| work.server_starts);
        console::print(&format!(
            "# Servers sample ([policy]). They start or load another checkpoint {starts} times; their speed is not measured."
        ))?;
    }
    if config.trainer.kind != TrainerKind::Embedded {
        let starts = starts(|work| work.trainer_starts);
        console::print(&format!("# Another program trains ([trainer]). It starts {starts} times; its speed is not measured."))?;
    }
    console::print("# On accelerators, both, by their data sheets and the assumptions of `starloop plan`:")?;
    plan::elsewhere(plan).try_for_each(|line| console::print(&format!("# {line}")))
}
