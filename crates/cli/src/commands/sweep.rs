//! `starloop sweep`: one experiment at several settings.

mod grid;

use crate::access::Access;
use crate::commands::run::{Done, RunPlace, carry_out};
use crate::console;
use crate::progress::Log;
use anyhow::{Result, bail};
use grid::Varied;
use starloop_core::error::Error;
use starloop_core::experiment::Experiment;
use starloop_core::experiment::plan::{self, ACCELERATORS, Assumptions, Measure, PlanRequest};
use starloop_core::registry::Registry;
use starloop_record::info::RunStatus;
use starloop_record::{RunDir, atomic};
use starloop_report::Report;
use starloop_report::report::{Setting, Sweep, SweepEnd, SweepRun};
use std::path::{Path, PathBuf};

/// Run an experiment at several settings, each with one or more seeds, and compare the results.
///
/// If the command is repeated, it continues: finished runs are only read. A run that fails stops only itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop sweep arithmetic --set training.learning_rate=1e-4,2e-4 --seeds 2
  starloop sweep smoke --set training.steps=10,20,40 --set sampling.few_shot=0,3 --set run=[\"star\"]
  starloop sweep my.toml --set training.learning_rate=1e-4,2e-4 --seeds 4,7 --budget 2e15 --json

Values are divided by commas. A list in brackets is one value. A key with one value is set in every run.")]
pub struct Arguments {
    /// A preset's name or a TOML file
    config: String,
    /// A key of the config with the values to try, such as training.steps=50,100. Several keys: every combination
    #[arg(long = "set", value_name = "KEY=VALUE,...", required = true)]
    set: Vec<String>,
    /// A number of seeds, counted from the seed of the config, or the seeds themselves, such as 4,7
    #[arg(long, value_name = "N|SEED,...", default_value = "1", value_parser = seeds)]
    seeds: Seeds,
    /// The most floating-point operations of all runs together, such as 2e15. A run starts only if its upper limit (`starloop plan`) still fits
    #[arg(long, value_name = "FLOPS", value_parser = operations)]
    budget: Option<f64>,
    /// The directory of the runs [default: runs/NAME-sweep]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print the results as JSON instead of the table
    #[arg(long)]
    json: bool,
}

/// The seeds of each setting.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seeds {
    Count(u64),
    List(Vec<u64>),
}

fn seeds(text: &str) -> Result<Seeds, String> {
    let expected = || "expected a number from 1 to 1000, or different seeds divided by commas".to_owned();
    if !text.contains(',') {
        return text.parse().ok().filter(|count| (1..=1000).contains(count)).map(Seeds::Count).ok_or_else(expected);
    }
    let list: Vec<u64> = text.split(',').map(|seed| seed.trim().parse().map_err(|_| expected())).collect::<Result<_, _>>()?;
    let repeats = list.iter().enumerate().any(|(place, seed)| list[..place].contains(seed));
    if repeats { Err(expected()) } else { Ok(Seeds::List(list)) }
}

fn operations(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|flops: &f64| flops.is_finite() && *flops > 0.0)
        .ok_or_else(|| "expected a number above 0, such as 2e15".into())
}

/// A run to be done.
struct Planned {
    experiment: Experiment,
    settings: Vec<Setting>,
    seed: u64,
    directory: PathBuf,
}

pub fn run(arguments: &Arguments, registry: &Registry, access: Access, log: Log) -> Result<()> {
    let varied: Vec<Varied> = arguments.set.iter().map(|set| Varied::parse(set)).collect::<Result<_>>()?;
    let planned = planned(arguments, &varied, registry, access)?;
    let root = directory(arguments, &planned);
    let directories: Vec<PathBuf> = planned.iter().map(|run| run.directory.clone()).collect();
    let (mut runs, mut spent) = (Vec::new(), 0.0);
    for (at, Planned { experiment, settings, seed, directory }) in planned.into_iter().enumerate() {
        let is_finished =
            RunDir::open_read_only(&directory).and_then(|run| run.info()).is_ok_and(|info| info.status == RunStatus::Finished);
        let end = if !is_finished && !fits(&experiment, arguments.budget, spent)? {
            SweepEnd::OverBudget
        } else {
            if log.has_remarks() {
                console::say(&format!("run {} of {}: {}", at + 1, directories.len(), directory.display()));
            }
            match carry_out(&experiment, RunPlace { run_dir: &directory, resume: true, beside: &directories }, access, log) {
                Ok(Done { report, stalled: None }) => {
                    spent += report.flops().unwrap_or(0.0);
                    SweepEnd::Finished
                }
                Ok(Done { report, stalled: Some(error) }) => {
                    spent += report.flops().unwrap_or(0.0);
                    failed(&error)
                }
                Err(error) if concerns_all(&error) => return Err(error),
                Err(error) => {
                    spent += Report::read(std::slice::from_ref(&directory)).ok().and_then(|report| report.flops()).unwrap_or(0.0);
                    failed(&error)
                }
            }
        };
        runs.push(SweepRun { settings, seed, run: directory, end });
    }
    conclude(arguments, &Sweep::read(runs, arguments.budget)?, &root, log)
}

fn failed(error: &anyhow::Error) -> SweepEnd {
    let error = format!("{error:#}");
    console::say(&format!("error: {error}"));
    SweepEnd::Failed { error }
}

/// A run that another process holds, or that was begun with another config, is not a result of the sweep.
fn concerns_all(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(|error| error.is_usage() || matches!(error, Error::Record(_) | Error::Cancelled))
}

/// Writes table and figure. A sweep with a failed run fails.
fn conclude(arguments: &Arguments, sweep: &Sweep, root: &Path, log: Log) -> Result<()> {
    let svg = sweep.svg();
    if let Some(svg) = &svg {
        atomic::write(&root.join("sweep.svg"), svg.as_bytes())?;
    }
    if arguments.json { console::print_json(sweep) } else { console::print(&sweep.table()) }?;
    if log.has_remarks() && svg.is_some() {
        console::say(&format!("plot: {}", root.join("sweep.svg").display()));
    }
    let failed = sweep.runs.iter().filter(|run| matches!(run.end, SweepEnd::Failed { .. })).count();
    if failed > 0 {
        bail!("{failed} of {} runs failed; repeat the command to try them again", sweep.runs.len());
    }
    Ok(())
}

/// Every run. All settings come with the first seed before any comes with the second, so that a budget leaves out seeds before settings.
fn planned(arguments: &Arguments, varied: &[Varied], registry: &Registry, access: Access) -> Result<Vec<Planned>> {
    let points = grid::points(varied)?;
    let load = |more: &[String]| access.experiment(&arguments.config, more, registry);
    let first = load(&points[0].overrides(&["seeds=[]".to_owned()]))?;
    let seeds = match &arguments.seeds {
        Seeds::List(seeds) => seeds.clone(),
        Seeds::Count(count) => (0..*count).map(|place| first.config().seed.wrapping_add(place)).collect(),
    };
    let root = arguments.dir.clone().unwrap_or_else(|| Path::new("runs").join(format!("{}-sweep", first.config().name)));
    let mut planned = Vec::new();
    for seed in seeds {
        for point in &points {
            let experiment = load(&point.overrides(&["seeds=[]".to_owned(), format!("seed={seed}")]))?;
            let directory = RunDir::of_seed(&root.join(point.directory_name()), seed);
            planned.push(Planned { experiment, settings: point.varied.clone(), seed, directory });
        }
    }
    Ok(planned)
}

/// The directory of the sweep.
fn directory(arguments: &Arguments, planned: &[Planned]) -> PathBuf {
    let of_run = || planned.first().and_then(|run| run.directory.ancestors().nth(2)).map(Path::to_owned);
    arguments.dir.clone().or_else(of_run).unwrap_or_default()
}

/// Returns true if the most operations of a run fit into what is left of the budget.
fn fits(experiment: &Experiment, budget: Option<f64>, spent: f64) -> Result<bool> {
    let Some(budget) = budget else { return Ok(true) };
    let request = PlanRequest {
        shape: None,
        problems: None,
        accelerators: &ACCELERATORS,
        devices: 1,
        assumptions: Assumptions::default(),
        measure: Measure::Nothing,
    };
    let plan = plan::plan(experiment, &request)?;
    let most: f64 = plan.methods.iter().map(|method| method.sampling_flops + method.training_flops).sum();
    Ok(spent + most <= budget)
}
