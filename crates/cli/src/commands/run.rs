//! `starloop run`: an experiment from config to table and plot.

use crate::access::{Access, RunPart};
use crate::commands::{plan, report};
use crate::console;
use crate::model::provide_base;
use crate::overrides::Overrides;
use crate::progress::{Console, Log};
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
  starloop run arithmetic                                      untrained model, direct fine-tuning, STaR; table and plot at the end
  starloop run arithmetic --resume                             continue after an interruption, with the same results
  starloop run arithmetic --set methods.star.iterations=2 --seed 7 --run-dir runs/short
  starloop run arithmetic --seeds 1,2,3                        once with each seed: the mean, and its interval over seeds
  starloop run methods                                         all methods, three seeds: accuracy against cost
  starloop run my-experiment.toml --dry-run                    the resolved config and an estimate of tokens and time")]
pub struct Arguments {
    /// A preset's name or a TOML file
    config: String,
    /// The directory of the run [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Continue the run in the directory
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    overrides: Overrides,
    /// Run once with each of these seeds, and show every run, the mean, and its interval over seeds. Each run has a directory in --run-dir
    #[arg(long, value_name = "SEED,...", value_delimiter = ',', conflicts_with = "seed")]
    seeds: Vec<u64>,
    /// Print the resolved config and an estimate of tokens and time, and stop
    #[arg(long)]
    dry_run: bool,
    /// Print the results as JSON instead of table and plot
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, registry: &Registry, access: Access, log: Log) -> Result<()> {
    let mut overrides = arguments.overrides.list();
    if arguments.overrides.seed.is_some() {
        // --seed replaces the seeds of the config.
        overrides.push("seeds=[]".to_owned());
    } else if !arguments.seeds.is_empty() {
        overrides.push(format!("seeds={:?}", arguments.seeds));
    }
    let experiment = access.experiment(&arguments.config, &overrides, registry)?;
    if arguments.dry_run {
        return preview(&experiment, access, arguments.json);
    }
    let config = experiment.config();
    let run_dir = arguments.run_dir.clone().unwrap_or_else(|| Path::new("runs").join(&config.name));
    if !config.seeds.is_empty() {
        return run_seeds(arguments, registry, &config.seeds, &run_dir, (access, log));
    }
    let Done { report, stalled } = carry_out(&experiment, RunPlace::alone(&run_dir, arguments.resume), access, log)?;
    if arguments.json { console::print_json_text(&report.json()) } else { report::show(&report, false) }?;
    if log.has_remarks() {
        console::say(&next_steps(&report, &run_dir));
    }
    stalled.map_or(Ok(()), Err)
}

/// The path of the plot, and the commands to try next.
pub fn next_steps(report: &Report, run_dir: &Path) -> String {
    let run = run_dir.display();
    let headline = report.runs.first().and_then(|run| run.headline.as_ref());
    let method = headline.map_or_else(String::new, |headline| format!(" --method {}", headline.method));
    let trained = report.runs.iter().flat_map(|run| &run.methods).any(|method| method.tokens()[1] > 0);
    let plot = if report.svg().is_some() { format!("plot: {}\n", RunDir::plot(run_dir).display()) } else { String::new() };
    let mut commands = vec![
        (format!("starloop report {run} --html report.html"), "one page: tables, plots, every rationale"),
        (format!("starloop inspect {run}{method}"), "problems and rationales in the terminal"),
    ];
    if trained {
        commands.push((format!("starloop export {run}"), "the best checkpoint with a model card"));
    }
    let width = commands.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    let lines = commands.iter().map(|(command, what)| format!("  {command:width$}   {what}"));
    format!("{plot}Next:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// Runs an experiment once with each seed. Shows each run, and the mean accuracy and cost of each method.
fn run_seeds(arguments: &Arguments, registry: &Registry, seeds: &[u64], run_dir: &Path, (access, log): (Access, Log)) -> Result<()> {
    let mut stalled = None;
    let directories: Vec<PathBuf> = seeds.iter().map(|seed| RunDir::of_seed(run_dir, *seed)).collect();
    for (seed, directory) in seeds.iter().zip(&directories) {
        let one_seed = [format!("seed={seed}"), "seeds=[]".to_owned()];
        let overrides: Vec<String> = arguments.overrides.list().into_iter().chain(one_seed).collect();
        let experiment = access.experiment(&arguments.config, &overrides, registry)?;
        let place = RunPlace { run_dir: directory, resume: arguments.resume, beside: &directories };
        stalled = carry_out(&experiment, place, access, log)?.stalled.or(stalled);
    }
    let report = Report::read(&directories)?;
    if let Some(svg) = report.cost_svg() {
        starloop_record::atomic::write(&RunDir::cost_plot(run_dir), svg.as_bytes())?;
    }
    if arguments.json {
        console::print_json_text(&report.json())?;
    } else {
        let over_seeds = report.table_over_runs();
        console::print(if over_seeds.is_empty() { report.summary_tables(console::width()) } else { over_seeds }.trim_end())?;
        console::print(&format!("\n{}", report.cost_table()))?;
    }
    if log.has_remarks() && report.cost_svg().is_some() {
        let seeds: Vec<String> = directories.iter().map(|directory| directory.display().to_string()).collect();
        let plot = RunDir::cost_plot(run_dir);
        console::say(&format!("plot: {}\nNext:\n  starloop report {} --html report.html", plot.display(), seeds.join(" ")));
    }
    stalled.map_or(Ok(()), Err)
}

/// The end of a run.
pub struct Done {
    /// The report of the run.
    pub report: Report,
    /// The error of a method that could not continue, if other methods could.
    pub stalled: Option<anyhow::Error>,
}

/// The place of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunPlace<'a> {
    /// Its directory.
    pub run_dir: &'a Path,
    /// True if a run that is there may be continued.
    pub resume: bool,
    /// Runs of the same experiment. Answers that the run has in common with them are taken from there.
    pub beside: &'a [PathBuf],
}

impl<'a> RunPlace<'a> {
    /// The place of a run without others of the same experiment.
    pub fn alone(run_dir: &'a Path, resume: bool) -> Self {
        RunPlace { run_dir, resume, beside: &[] }
    }
}

/// Runs an experiment, reads its report and writes its plot. If a method solved nothing, the results of the others are shown.
pub fn carry_out(experiment: &Experiment, place: RunPlace<'_>, access: Access, log: Log) -> Result<Done> {
    let RunPlace { run_dir, resume, beside } = place;
    access.check_programs(experiment)?;
    access.check_run(run_dir, RunPart::Checkpoints)?;
    provide_base(&experiment.config().model)?;
    let stalled = match experiment.run_beside(beside, run_dir, resume, &mut Console::new(log)) {
        Ok(()) => None,
        Err(error @ (Error::NothingSolved { .. } | Error::NothingGraded { .. })) if experiment.config().run.len() > 1 => Some(error.into()),
        Err(error) => return Err(error.into()),
    };
    let report = Report::read(&[run_dir.to_owned()])?;
    if let Some(svg) = report.svg() {
        starloop_record::atomic::write(&RunDir::plot(run_dir), svg.as_bytes())?;
    }
    Ok(Done { report, stalled })
}

/// Prints the resolved config, and an estimate of the cost.
fn preview(experiment: &Experiment, access: Access, json: bool) -> Result<()> {
    if let Some(program) = experiment.task_settings().program().filter(|_| !access.no_programs) {
        console::remark(&format!("starting the verifier {program:?}, to see that it starts; --no-programs leaves it out"));
        experiment.task()?;
    }
    provide_base(&experiment.config().model)?;
    let (config, plan) = (experiment.config(), plan::before_run(experiment)?);
    if json {
        return console::print_json(&serde_json::json!({ "config": experiment.to_toml(), "plan": plan }));
    }
    console::print(&experiment.to_toml())?;
    console::print("# Estimate (upper limits): every problem rationalized, every packed sequence full.")?;
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
        Some(hours) => console::print(&format!("# Total{seeds}: {}", duration(3600.0 * hours * runs as f64))),
        None => preview_elsewhere(config, &plan),
    }
}

/// The part of an estimate that does not run on this machine.
fn preview_elsewhere(config: &Config, plan: &Plan) -> Result<()> {
    let starts = |count: fn(&Work) -> u64| plan.methods.iter().map(|method| count(&method.work)).sum::<u64>();
    if config.policy != PolicyConfig::Embedded {
        let starts = starts(|work| work.server_starts);
        console::print(&format!(
            "# Servers sample ([policy]). They start or load a checkpoint {starts} times. Their speed is not measured."
        ))?;
    }
    if config.trainer.kind != TrainerKind::Embedded {
        let starts = starts(|work| work.trainer_starts);
        console::print(&format!("# Another program trains ([trainer]). It starts {starts} times. Its speed is not measured."))?;
    }
    console::print("# Estimate for accelerators, from their data sheets and the assumptions of `starloop plan`:")?;
    plan::elsewhere(plan).try_for_each(|line| console::print(&format!("# {line}")))
}
