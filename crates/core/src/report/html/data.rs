//! What the page is told besides the attempts, as one JSON object.

use super::collect::{Attempts, Steps};
use crate::config::Config;
use crate::error::Result;
use crate::metrics::{IterationMetrics, LossPoint};
use crate::report::paper::{self, PAPER_MODEL, PaperFigure};
use crate::report::{Digest, Finding, MethodReport, MethodSummary, Practice, Report, RunReport, StageCost, summary};
use crate::run_dir::{FORMAT_VERSION, RunDir, RunStatus};
use serde::Serialize;

/// The most points that a curve of the learning rate is drawn with.
const MOST_RATES: u64 = 200;

/// The page's data.
#[derive(Serialize)]
pub(super) struct Data<'a> {
    starloop: &'static str,
    format: u32,
    paper_model: &'static str,
    runs: Vec<Run<'a>>,
    findings: &'a [Finding],
    warnings: Vec<&'a String>,
    attempts: Index<'a>,
}

#[derive(Serialize)]
struct Run<'a> {
    name: &'a str,
    task: &'a str,
    seed: u64,
    finished: bool,
    chance: f64,
    config: String,
    paper: Vec<Paper>,
    methods: Vec<Method<'a>>,
}

/// A row of the paper's table.
#[derive(Serialize)]
struct Paper {
    kind: crate::method::Approach,
    title: &'static str,
    #[serde(flatten)]
    figure: PaperFigure,
}

#[derive(Serialize)]
struct Method<'a> {
    name: &'a str,
    title: &'static str,
    bootstraps: bool,
    summary: MethodSummary,
    iterations: Vec<Iteration<'a>>,
    #[serde(rename = "final")]
    final_metrics: Option<&'a IterationMetrics>,
    practice: Option<&'a Practice>,
    /// Steps of the known solution, those of the model, and how many right rationales have them.
    steps: Vec<[u64; 3]>,
}

#[derive(Serialize)]
struct Iteration<'a> {
    metrics: &'a IterationMetrics,
    seconds: Option<f64>,
    stages: &'a [StageCost],
    digest: Option<&'a Digest>,
    losses: Vec<LossPoint>,
    /// The learning rate at some of the steps.
    rates: Vec<(u64, f64)>,
}

/// How to read the packs of attempts.
#[derive(Serialize)]
struct Index<'a> {
    shown: u64,
    total: u64,
    /// Whether only a part of the problems is here.
    sampled: bool,
    layout: Vec<[&'static str; 2]>,
    arms: &'a [[usize; 2]],
    classes: &'a [String],
    texts: &'a [u64],
    problems: &'a [u64],
}

pub(super) fn of<'a>(report: &'a Report, attempts: &'a Attempts, sampled: bool, warnings: &'a [String]) -> Result<Data<'a>> {
    let [texts, problems] = attempts.firsts();
    let mut steps = attempts.steps.iter();
    let runs = report.runs.iter().map(|found| run(found, &mut steps)).collect::<Result<_>>()?;
    let attempts = Index {
        shown: attempts.shown,
        total: attempts.total,
        sampled,
        layout: attempts.layout(),
        arms: &attempts.arms,
        classes: &attempts.classes,
        texts,
        problems,
    };
    Ok(Data {
        starloop: env!("CARGO_PKG_VERSION"),
        format: FORMAT_VERSION,
        paper_model: PAPER_MODEL,
        runs,
        findings: &report.findings,
        warnings: report.warnings.iter().chain(warnings).collect(),
        attempts,
    })
}

/// Takes the steps of its methods from those that are left.
fn run<'a>(run: &'a RunReport, steps: &mut dyn Iterator<Item = &Steps>) -> Result<Run<'a>> {
    let directory = RunDir::open_read_only(&run.path)?;
    let config = directory.config()?;
    let info = directory.info()?;
    let paper = paper::of_task(&run.task).map(|figure| Paper { kind: figure.approach, title: figure.approach.title(), figure: *figure });
    Ok(Run {
        name: &run.name,
        task: &run.task,
        seed: config.seed,
        finished: info.is_some_and(|info| info.status == RunStatus::Finished),
        chance: run.chance,
        paper: paper.collect(),
        methods: run
            .methods
            .iter()
            .zip(steps)
            .map(|(found, steps)| method(run, &directory, &config, found, steps))
            .collect::<Result<_>>()?,
        config: config.to_toml(),
    })
}

fn method<'a>(run: &RunReport, directory: &RunDir, config: &Config, method: &'a MethodReport, steps: &Steps) -> Result<Method<'a>> {
    let settings = config.methods.get(&method.name);
    let mut iterations = Vec::with_capacity(method.iterations.len());
    for iteration in &method.iterations {
        let metrics = &iteration.metrics;
        let losses = directory.iteration(&method.name, metrics.iteration).losses()?.unwrap_or_default();
        let last = metrics.training.map_or(0, |training| training.steps);
        let learning_rate = settings.map(|settings| settings.training_in(metrics.iteration).learning_rate(last));
        let points = last.min(MOST_RATES);
        let at = |n: u64| n * last / points;
        let rates = learning_rate.map_or_else(Vec::new, |rate| (1..=points).map(|n| (at(n), rate.at(at(n)))).collect());
        let (seconds, stages, digest) = (iteration.seconds, iteration.stages.as_slice(), iteration.digest.as_ref());
        iterations.push(Iteration { metrics, seconds, stages, digest, losses, rates });
    }
    Ok(Method {
        name: &method.name,
        title: method.kind.title(),
        bootstraps: method.kind.bootstraps(),
        summary: summary(run, method),
        iterations,
        final_metrics: method.final_metrics.as_ref(),
        practice: method.practice.as_ref(),
        steps: steps.iter().map(|(&[known, written], &rationales)| [known, written, rationales]).collect(),
    })
}
