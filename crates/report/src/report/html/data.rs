//! The page's data without the attempts, as one JSON object.

use super::asked::{self, AskedPrompt};
use super::collect::{Attempts, MOST_STEPS, Steps};
use super::names::Names;
use crate::error::Result;
use crate::paired::{GainLedger, gain_ledger};
use crate::report::{
    AttemptFigures, Finding, Headline, MethodReport, MethodSummary, OverRuns, Practice, Report, RunReport, StageCost, audits, over_runs,
    summary,
};
use crate::verdicts::VerdictAudit;
use crate::words::loss_unit;
use serde::Serialize;
use starloop_record::RunDir;
use starloop_record::info::{PaperFigure, RunStatus};
use starloop_record::metrics::audits::Reliance;
use starloop_record::metrics::{IterationMetrics, LossPoint};
use starloop_record::run_dir::FORMAT_VERSION;
use starloop_record::run_dir::settings::of_method;

/// The page's data.
#[derive(Serialize)]
pub(super) struct Data<'a> {
    starloop: &'static str,
    format: u32,
    runs: Vec<Run<'a>>,
    /// The methods of several runs.
    over_runs: Vec<OverRuns>,
    findings: &'a [Finding],
    warnings: Vec<&'a String>,
    attempts: Index<'a>,
    /// Steps from which on they are counted together.
    most_steps: u64,
}

#[derive(Serialize)]
struct Run<'a> {
    name: &'a str,
    /// The task with its file of problems.
    data: &'a str,
    headline: Option<&'a Headline>,
    seed: u64,
    finished: bool,
    chance: f64,
    /// True if the model's chat template renders each prompt.
    chat: bool,
    config: String,
    paper: Vec<Paper<'a>>,
    paper_model: Option<&'a str>,
    paper_note: Option<String>,
    methods: Vec<Method<'a>>,
    verdicts: &'a VerdictAudit,
}

/// A row of the paper's table.
#[derive(Serialize)]
struct Paper<'a> {
    title: &'static str,
    #[serde(flatten)]
    figure: &'a PaperFigure,
}

#[derive(Serialize)]
struct Method<'a> {
    name: &'a str,
    label: &'a str,
    /// The classes with their numbers of problems, as charts and tables name them.
    class_names: Vec<(&'a str, String)>,
    bootstraps: bool,
    /// True if each iteration trains the untrained model, false if it trains the model before it; `null` if the method has no such setting.
    restarts: Option<bool>,
    loss_unit: Option<&'static str>,
    summary: MethodSummary,
    iterations: Vec<Iteration<'a>>,
    #[serde(rename = "final")]
    final_metrics: Option<&'a IterationMetrics>,
    practice: Option<&'a Practice>,
    /// Steps of the reference, those of the model, and the number of right rationales that have them.
    steps: Vec<[u64; 3]>,
    asked: Vec<AskedPrompt>,
    audit: Option<Audit<'a>>,
}

/// The audits of a method.
#[derive(Serialize)]
struct Audit<'a> {
    /// The iteration whose model was audited.
    iteration: u32,
    /// Names and values, as the terminal shows them.
    lines: Vec<(String, String)>,
    /// The rationalizations at both ends of hint reliance.
    extremes: &'a [Reliance],
    /// From the first to the last measurement.
    ledger: Option<GainLedger>,
}

#[derive(Serialize)]
struct Iteration<'a> {
    metrics: &'a IterationMetrics,
    seconds: Option<f64>,
    stages: &'a [StageCost],
    attempts: Option<&'a AttemptFigures>,
    losses: Vec<LossPoint>,
}

/// How to read the packs of attempts.
#[derive(Serialize)]
struct Index<'a> {
    shown: u64,
    total: u64,
    /// True if the page holds only a part of the problems.
    sampled: bool,
    layout: Vec<[&'static str; 2]>,
    names: Names,
    methods: &'a [[usize; 2]],
    classes: &'a [String],
    texts: &'a [u64],
    problems: &'a [u64],
}

pub(super) fn of<'a>(report: &'a Report, attempts: &'a Attempts, sampled: bool, warnings: &'a [String]) -> Result<Data<'a>> {
    let [texts, problems] = attempts.firsts();
    let mut steps = attempts.steps.iter();
    let with_audits = report.runs.iter().zip(&attempts.audits);
    let runs = with_audits.map(|(found, verdicts)| run(found, verdicts, &mut steps)).collect::<Result<_>>()?;
    let attempts = Index {
        shown: attempts.shown,
        total: attempts.total,
        sampled,
        layout: attempts.layout(),
        names: Names::all(),
        methods: &attempts.methods,
        classes: &attempts.classes,
        texts,
        problems,
    };
    Ok(Data {
        starloop: env!("CARGO_PKG_VERSION"),
        format: FORMAT_VERSION,
        runs,
        over_runs: over_runs::of(report),
        findings: &report.findings,
        warnings: report.warnings.iter().chain(warnings).collect(),
        most_steps: MOST_STEPS,
        attempts,
    })
}

fn audit<'a>(directory: &RunDir, method: &'a MethodReport) -> Result<Option<Audit<'a>>> {
    let Some(iteration) = audits::iteration_of(&method.audits) else { return Ok(None) };
    let mut measured = method.evaluated().map(|found| found.metrics.iteration);
    let ledger = match (measured.next(), measured.last()) {
        (Some(first), Some(last)) => gain_ledger(directory, &method.info.name, [first, last])?,
        _ => None,
    };
    let extremes = method.audits.hint_reliance.as_ref().map_or(&[][..], |audit| &audit.found.extremes);
    Ok(Some(Audit { iteration, lines: audits::lines(&method.audits), extremes, ledger }))
}

/// Takes the steps of its methods from `steps`.
fn run<'a>(run: &'a RunReport, verdicts: &'a VerdictAudit, steps: &mut dyn Iterator<Item = &Steps>) -> Result<Run<'a>> {
    let directory = RunDir::open_read_only(&run.path)?;
    let paper = run.info.task.paper.iter().map(|figure| Paper { title: figure.approach.title(), figure });
    Ok(Run {
        name: &run.name,
        data: &run.data,
        headline: run.headline.as_ref(),
        seed: run.info.seed,
        verdicts,
        finished: run.info.status == RunStatus::Finished,
        chance: run.info.task.chance,
        chat: run.config.get("model").and_then(|model| model.get("chat")).and_then(toml::Value::as_bool).unwrap_or(false),
        config: run.config.to_string(),
        paper: paper.collect(),
        paper_model: run.paper_model(),
        paper_note: run.paper_note(),
        methods: run.methods.iter().zip(steps).map(|(found, steps)| method(run, &directory, found, steps)).collect::<Result<_>>()?,
    })
}

fn method<'a>(run: &RunReport, directory: &RunDir, method: &'a MethodReport, steps: &Steps) -> Result<Method<'a>> {
    let mut iterations = Vec::with_capacity(method.iterations.len());
    for iteration in &method.iterations {
        let metrics = &iteration.metrics;
        let losses = directory.iteration(&method.info.name, metrics.iteration).losses()?.unwrap_or_default();
        let (seconds, stages, attempts) = (iteration.seconds, iteration.stages.as_slice(), iteration.attempts.as_ref());
        iterations.push(Iteration { metrics, seconds, stages, attempts, losses });
    }
    Ok(Method {
        name: &method.info.name,
        label: &method.info.label,
        class_names: method.classes().into_iter().map(|class| (class, method.class_with_number(class))).collect(),
        bootstraps: method.info.approach.bootstraps(),
        restarts: of_method(&run.config, &method.info.name).get("method.reset_to_base").and_then(toml::Value::as_bool),
        loss_unit: loss_unit(method.info.approach),
        summary: summary(run, method),
        iterations,
        final_metrics: method.final_metrics.as_ref(),
        practice: method.practice.as_ref(),
        asked: asked::of_method(method, directory)?,
        audit: audit(directory, method)?,
        steps: steps.iter().map(|(&[known, written], &rationales)| [known, written, rationales]).collect(),
    })
}
