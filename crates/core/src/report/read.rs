//! From run directories to a [`Report`].

use super::{IterationReport, MethodReport, Report, RunReport};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::event::{Event, Stage};
use crate::run_dir::{RunDir, RunStatus};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Wall-clock seconds of every stage that was done, not found; by method, iteration and stage. In order, so that sums come out
/// the same to the last bit.
type Seconds = BTreeMap<(String, u32, Stage), f64>;

pub(super) fn report(paths: &[PathBuf]) -> Result<Report> {
    let mut report = Report { runs: Vec::new(), warnings: Vec::new() };
    for path in paths {
        report.runs.push(run(path, &mut report.warnings)?);
    }
    let names: Vec<String> = report.runs.iter().map(|run| run.name.clone()).collect();
    for (run, path) in report.runs.iter_mut().zip(paths) {
        if names.iter().filter(|name| **name == run.name).count() > 1 {
            run.name = path.display().to_string();
        }
    }
    Ok(report)
}

fn run(path: &Path, warnings: &mut Vec<String>) -> Result<RunReport> {
    let directory = RunDir::open_read_only(path)?;
    let config = directory.config()?;
    let seconds = seconds(directory.events()?);
    let mut methods = Vec::new();
    for name in &config.run {
        methods.extend(method(&directory, &config, name, &seconds)?);
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
    Ok(RunReport { name: file_name(path), task: config.task.kind().to_owned(), methods })
}

/// A method by its name in the config; `None` where it has no finished iteration.
fn method(directory: &RunDir, config: &Config, name: &str, seconds: &Seconds) -> Result<Option<MethodReport>> {
    let metrics = directory.metrics(name)?;
    if metrics.is_empty() {
        return Ok(None);
    }
    let Some(kind) = config.methods.get(name).map(|method| method.method.approach()) else { return Ok(None) };
    let seconds = |number: u32| {
        let stages = seconds.iter().filter(|((method, iteration, _), _)| method == name && *iteration == number);
        stages.map(|(_, seconds)| *seconds).reduce(|a, b| a + b)
    };
    let iterations = metrics.into_iter().map(|metrics| IterationReport { seconds: seconds(metrics.iteration), metrics }).collect();
    let final_metrics = directory.final_measurement(name).metrics()?;
    Ok(Some(MethodReport { name: name.to_owned(), kind, iterations, final_metrics }))
}

/// A stage that was done again, after the run was killed before its result was kept, counts with its last time.
fn seconds(events: Vec<Event>) -> Seconds {
    let finished = events.into_iter().filter_map(|event| match event {
        Event::StageFinished { method, iteration, stage, seconds, reused: false, .. } => Some(((method, iteration, stage), seconds)),
        _ => None,
    });
    finished.collect()
}

/// The last component of a path, `.` and `..` resolved.
fn file_name(path: &Path) -> String {
    let resolved = if path.file_name().is_some() { None } else { path.canonicalize().ok() };
    let path = resolved.as_deref().unwrap_or(path);
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
