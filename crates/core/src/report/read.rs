//! From run directories to a [`Report`].

use super::digest::Reader;
use super::{IterationReport, MethodReport, Report, RunReport, StageCost, findings};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::event::{Event, Stage};
use crate::run_dir::{RunDir, RunStatus};
use crate::task::Task;
use starloop_lm::checkpoint::Summary;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What every stage took, by method, iteration and stage. In order, so that sums come out the same to the last bit.
type Costs = BTreeMap<(String, u32, Stage), StageCost>;

pub(super) fn report(paths: &[PathBuf]) -> Result<Report> {
    let mut report = Report { runs: Vec::new(), warnings: Vec::new(), findings: Vec::new() };
    for path in paths {
        report.runs.push(run(path, &mut report.warnings)?);
    }
    let names: Vec<String> = report.runs.iter().map(|run| run.name.clone()).collect();
    for (run, path) in report.runs.iter_mut().zip(paths) {
        if names.iter().filter(|name| **name == run.name).count() > 1 {
            run.name = path.display().to_string();
        }
    }
    report.findings = report.methods().flat_map(|(run, method)| findings::of(&run.name, method, run.chance)).collect();
    Ok(report)
}

fn run(path: &Path, warnings: &mut Vec<String>) -> Result<RunReport> {
    let directory = RunDir::open_read_only(path)?;
    let config = directory.config()?;
    let costs = costs(directory.events()?);
    // A task that cannot be had leaves some things untold, and the rest is as true as ever.
    let grader = config.task.grader().ok();
    let mut methods = Vec::new();
    for name in &config.run {
        methods.extend(method(&directory, &config, name, &costs, grader.as_deref())?);
    }
    if methods.is_empty() {
        let message = "the run has no finished iteration yet, so there is nothing to report".into();
        return Err(Error::Corrupt { path: path.to_owned(), message });
    }
    if directory.info()?.is_some_and(|info| info.status == RunStatus::Running) {
        warnings.push(format!("{}: the run is not finished; what follows is what it has so far", path.display()));
    }
    if methods.iter().any(|method| method.iterations.iter().any(|iteration| iteration.seconds.is_none())) {
        warnings.push(format!("{}: the times of some iterations are not in its events, and are shown as \"?\"", path.display()));
    }
    let chance = grader.map_or(0.0, |task| task.chance());
    let (task, parameters) = (config.task.kind().to_owned(), parameters(&directory, &config));
    Ok(RunReport { name: file_name(path), path: path.to_owned(), task, chance, parameters, methods })
}

/// The parameters of the base model; `None` where it is not at hand any more.
fn parameters(directory: &RunDir, config: &Config) -> Option<u64> {
    let unpacked = directory.base_model();
    let base = if unpacked.is_dir() { unpacked } else { PathBuf::from(&config.model.base) };
    Some(Summary::read(&base).ok()?.spec.parameter_count() as u64)
}

/// A method by its name in the config; `None` where it has no finished iteration.
fn method(directory: &RunDir, config: &Config, name: &str, costs: &Costs, grader: Option<&dyn Task>) -> Result<Option<MethodReport>> {
    let metrics = directory.metrics(name)?;
    if metrics.is_empty() {
        return Ok(None);
    }
    let Some(kind) = config.methods.get(name).map(|method| method.method.approach()) else { return Ok(None) };
    let mut reader = Reader::default();
    let mut iterations = Vec::with_capacity(metrics.len());
    for metrics in metrics {
        let of_iteration = costs.iter().filter(|((method, iteration, _), _)| method == name && *iteration == metrics.iteration);
        let stages: Vec<StageCost> = of_iteration.map(|(_, cost)| *cost).collect();
        let seconds = stages.iter().filter_map(|stage| stage.seconds).reduce(|a, b| a + b);
        let digest = reader.read(&directory.iteration(name, metrics.iteration), &metrics, grader)?;
        iterations.push(IterationReport { metrics, seconds, stages, digest });
    }
    let final_metrics = directory.final_measurement(name).metrics()?;
    Ok(Some(MethodReport { name: name.to_owned(), kind, iterations, final_metrics, practice: reader.practice() }))
}

/// A stage that was done again, after the run was killed before its result was kept, counts with its last time; one whose result was found
/// keeps the time of when it was done.
fn costs(events: Vec<Event>) -> Costs {
    let mut costs = Costs::new();
    for event in events {
        let Event::StageFinished { method, iteration, stage, tokens, seconds, reused } = event else { continue };
        let cost = costs.entry((method, iteration, stage)).or_insert(StageCost { stage, tokens, seconds: None });
        if !reused {
            *cost = StageCost { stage, tokens, seconds: Some(seconds) };
        }
    }
    costs
}

/// The last component of a path, `.` and `..` resolved.
fn file_name(path: &Path) -> String {
    let resolved = if path.file_name().is_some() { None } else { path.canonicalize().ok() };
    let path = resolved.as_deref().unwrap_or(path);
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
