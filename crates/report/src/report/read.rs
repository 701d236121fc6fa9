//! From run directories to a [`Report`].

use super::attempts::Reader;
use super::{IterationReport, MethodReport, Report, RunReport, StageCost, findings, headline, labels};
use crate::error::{Error, Result};
use starloop_record::RunDir;
use starloop_record::event::{Event, Stage};
use starloop_record::info::{MethodInfo, RunStatus};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The cost of every stage, by method, iteration and stage. The order is fixed, so that sums are the same to the last bit.
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
    report.findings = report.methods().flat_map(|(run, method)| findings::of(&run.name, method, run.info.task.chance)).collect();
    Ok(report)
}

pub(super) fn run(path: &Path, warnings: &mut Vec<String>) -> Result<RunReport> {
    let directory = RunDir::open_read_only(path)?;
    let info = directory.info()?;
    let costs = costs(directory.events()?);
    let mut methods = Vec::new();
    for found in &info.methods {
        methods.extend(method(&directory, found, &costs)?);
    }
    if methods.is_empty() {
        return Err(Error::NothingToReport { path: path.to_owned() });
    }
    if info.status == RunStatus::Running {
        warnings.push(format!("{}: the run is not finished; the report shows what it has so far", path.display()));
    }
    if methods.iter().any(|method| method.iterations.iter().any(|iteration| iteration.seconds.is_none())) {
        warnings.push(format!("{}: `events.jsonl` has no times for some iterations; they are shown as \"?\"", path.display()));
    }
    let config = directory.config()?;
    labels::tell_apart(&mut methods, &config);
    let mut run =
        RunReport { name: directory_name(path), path: path.to_owned(), info, methods, headline: None, data: String::new(), config };
    run.data = headline::data(&run);
    headline::add(&mut run, &directory)?;
    Ok(run)
}

/// Reads a method. Returns `None` if it has no finished iteration.
fn method(directory: &RunDir, info: &MethodInfo, costs: &Costs) -> Result<Option<MethodReport>> {
    let metrics = directory.metrics(&info.name)?;
    if metrics.is_empty() {
        return Ok(None);
    }
    let mut reader = Reader::default();
    let mut iterations = Vec::with_capacity(metrics.len());
    for metrics in metrics {
        let number = metrics.iteration;
        let of_iteration = costs.iter().filter(|((method, iteration, _), _)| *method == info.name && *iteration == number);
        let stages: Vec<StageCost> = of_iteration.map(|(_, cost)| *cost).collect();
        let seconds = stages.iter().filter_map(|stage| stage.seconds).reduce(|a, b| a + b);
        let attempts = reader.read(&directory.iteration(&info.name, number), number)?;
        iterations.push(IterationReport { metrics, seconds, stages, attempts });
    }
    let final_metrics = directory.final_measurement(&info.name).metrics()?;
    let (practice, audits) = (reader.practice(), directory.method_audits(&info.name)?);
    Ok(Some(MethodReport { info: info.clone(), iterations, final_metrics, audits, practice, from_base: None, from_main: None }))
}

/// A stage that was done twice, because the run was killed before its result was written, counts with its last time. A stage whose result was
/// found keeps the time of the first event.
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
pub(crate) fn directory_name(path: &Path) -> String {
    let resolved = if path.file_name().is_some() { None } else { path.canonicalize().ok() };
    let path = resolved.as_deref().unwrap_or(path);
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
