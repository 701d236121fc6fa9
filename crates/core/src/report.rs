//! What a run found, from its directory alone: JSON, tables, a chart for the terminal and the figure as SVG.
//!
//! Nothing in the loop calls this module; it reads finished files, so a report can be made while a run goes on, on another machine, and
//! of several runs side by side. Every share is in 0..=1 here and in the JSON, and in percent wherever it is shown.

mod chart;
mod cost;
mod cost_plot;
mod digest;
mod fate;
mod figure;
mod findings;
mod html;
mod paper;
mod plot;
mod questions;
mod read;
mod rows;
mod table;
mod token_scores;

use crate::error::Result;
use crate::event::Stage;
use crate::metrics::{Accuracy, ClassAccuracy, IterationMetrics};
use rows::{measured, row, sampled_tokens, summary, trained_tokens};
use serde::Serialize;
use std::path::PathBuf;

pub use crate::method::Approach;
pub use cost::{CostCurve, CostPoint};
pub use digest::{Digest, Practice};
pub use fate::{Fate, Fates};
pub use findings::{Finding, FindingKind};
pub use html::{HtmlContents, HtmlReport, MOST_ATTEMPTS};
pub use paper::PaperFigure;
pub use questions::{Question, Questions};
pub use rows::{ByClass, MethodSummary, ResultRow, TrainUse};

/// Some runs, as their directories tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The runs, in the order in which they were asked for.
    pub runs: Vec<RunReport>,
    /// What a reader should know before trusting the figures.
    pub warnings: Vec<String>,
    /// Signs that a method learns something else than to reason, or little.
    pub findings: Vec<Finding>,
}

/// One run directory.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// The directory's name; its whole path where two runs of a report share a name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// The kind of the task.
    pub task: String,
    /// The accuracy of guessing, in 0..=1; 0 where it is not known.
    pub chance: f64,
    /// The parameters of the base model; `None` where it is not at hand.
    pub parameters: Option<u64>,
    /// The methods, in the order in which they were run.
    pub methods: Vec<MethodReport>,
}

/// One method of a run. It has at least one iteration.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodReport {
    /// The method's name in the config.
    pub name: String,
    /// What the method does.
    pub kind: Approach,
    /// The finished iterations, in order.
    pub iterations: Vec<IterationReport>,
    /// The best of them on the final split, where the config names one and the method is done.
    pub final_metrics: Option<IterationMetrics>,
    /// How often its problems are learned from; `None` where nothing was attempted.
    pub practice: Option<Practice>,
}

/// One finished iteration.
#[derive(Debug, Clone, PartialEq)]
pub struct IterationReport {
    /// Everything that was counted.
    pub metrics: IterationMetrics,
    /// Wall-clock seconds of its stages; `None` where `events.jsonl` has none of them.
    pub seconds: Option<f64>,
    /// Its stages as `events.jsonl` tells them, in the order of the work.
    pub stages: Vec<StageCost>,
    /// What its attempts tell; `None` where nothing was attempted.
    pub digest: Option<Digest>,
}

/// What a stage took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StageCost {
    /// The stage.
    pub stage: Stage,
    /// Tokens sampled or trained in it.
    pub tokens: u64,
    /// Wall-clock seconds; `None` where it was only ever found, not done.
    pub seconds: Option<f64>,
}

impl Report {
    /// Reads run directories, whoever else works in them. An unfinished iteration and a torn last event are left out.
    ///
    /// # Errors
    /// A directory that is no run, a run without a finished iteration, a damaged file; each names the path.
    pub fn read(paths: &[PathBuf]) -> Result<Report> {
        read::report(paths)
    }

    /// Every iteration of every method of every run.
    pub fn results(&self) -> Vec<ResultRow> {
        let mut rows = Vec::new();
        for (run, method) in self.methods() {
            rows.extend(method.iterations.iter().map(|iteration| row(run, method, iteration)));
        }
        rows
    }

    /// Every method of every run, by its final figure or last iteration.
    pub fn summaries(&self) -> Vec<MethodSummary> {
        self.methods().map(|(run, method)| summary(run, method)).collect()
    }

    /// `{"results": [one object per iteration], "methods": [one object per method], "warnings": [text], "findings": [one object each]}`,
    /// indented.
    pub fn json(&self) -> String {
        #[derive(Serialize)]
        struct Json<'a> {
            results: Vec<ResultRow>,
            methods: Vec<MethodSummary>,
            warnings: &'a [String],
            findings: &'a [Finding],
        }
        let json = Json { results: self.results(), methods: self.summaries(), warnings: &self.warnings, findings: &self.findings };
        serde_json::to_string_pretty(&json).expect("numbers and strings alone always serialize")
    }

    /// The result at a glance, for the terminal: one table per run, a column per method, with the paper's figures beside.
    pub fn summary_tables(&self) -> String {
        table::summaries(self)
    }

    /// The paper's table with what was measured beside it, one per run; for the terminal.
    pub fn paper_tables(&self) -> String {
        table::beside_the_paper(self)
    }

    /// What happened in each iteration, for the terminal: two tables per method that trained, what came out and what went in.
    pub fn iteration_tables(&self) -> String {
        table::iterations(self)
    }

    /// Accuracy per class over iterations, for a terminal of `width` columns; empty where no method was evaluated twice.
    pub fn chart(&self, width: usize) -> String {
        chart::draw(self, width)
    }

    /// Accuracy per class over iterations as an SVG document, one panel per method (the paper's figure 4); `None` where no method was
    /// evaluated twice.
    pub fn svg(&self) -> Result<Option<String>> {
        plot::draw(self)
    }

    /// Accuracy against cost for each method name, over the runs, which should differ in their seed alone.
    pub fn costs(&self) -> Vec<CostCurve> {
        cost::curves(self)
    }

    /// [`Report::costs`] at the last iteration, for the terminal.
    pub fn cost_table(&self) -> String {
        cost::tables(self)
    }

    /// [`Report::costs`] as an SVG document; `None` where nothing was learned.
    pub fn cost_svg(&self) -> Result<Option<String>> {
        cost_plot::draw(&cost::curves(self))
    }

    /// One self-contained HTML page: everything above, and the rationales to browse. Of too many attempts and answers it holds those of a
    /// part of the problems, always the same one, and says so. `progress` is told how many attempts of how many are read.
    ///
    /// # Errors
    /// A file of a run cannot be read; a model that scores tokens fails.
    pub fn html(&self, contents: &HtmlContents, progress: &mut dyn FnMut(u64, u64)) -> Result<HtmlReport> {
        html::page(self, contents, progress)
    }

    fn methods(&self) -> impl Iterator<Item = (&RunReport, &MethodReport)> {
        self.runs.iter().flat_map(|run| run.methods.iter().map(move |method| (run, method)))
    }

    /// The methods worth a curve: those evaluated twice or more, and of these, where there are any, the ones that bootstrap.
    fn panels(&self) -> Vec<Panel<'_>> {
        let curves: Vec<_> = self.methods().filter(|(_, method)| method.evaluated().count() > 1).collect();
        let bootstraps = curves.iter().any(|(_, method)| method.kind.bootstraps());
        let chosen: Vec<_> = curves.into_iter().filter(|(_, method)| method.kind.bootstraps() || !bootstraps).collect();
        let several_runs = self.runs.len() > 1;
        let title = |run: &RunReport, method: &MethodReport| {
            let twin = |other: &&(&RunReport, &MethodReport)| other.0.name == run.name && other.1.kind == method.kind;
            let run_name = if several_runs { format!("{}: ", run.name) } else { String::new() };
            let method_name = if chosen.iter().filter(twin).count() > 1 { format!(" ({})", method.name) } else { String::new() };
            format!("{run_name}{}{method_name}", method.kind.title())
        };
        chosen.iter().map(|&(run, method)| Panel { title: title(run, method), method }).collect()
    }
}

/// One method's curves and what to call them.
struct Panel<'a> {
    title: String,
    method: &'a MethodReport,
}

impl MethodReport {
    /// The last iteration that was evaluated; where none was, the last.
    pub fn last_evaluated(&self) -> &IterationReport {
        self.evaluated().last().or(self.iterations.last()).expect("a method that was read has an iteration")
    }

    /// What the method is told by: its final figures, or else those of its last evaluation.
    fn shown(&self) -> &IterationMetrics {
        self.final_metrics.as_ref().unwrap_or(&self.last_evaluated().metrics)
    }

    /// What the method is judged by: the accuracy of [`MethodReport::shown`]; `None` as long as none but its base was measured.
    fn judged(&self) -> Option<&Accuracy> {
        let shown = self.shown();
        measured(&shown.accuracy).filter(|_| shown.iteration > 0 || !self.kind.bootstraps())
    }

    /// Tokens over all iterations: sampled and evaluated with, and trained on.
    pub fn tokens(&self) -> [u64; 2] {
        let last = self.final_metrics.as_ref().map_or(0, |metrics| metrics.evaluation_tokens);
        [self.total(|metrics| sampled_tokens(metrics) + metrics.evaluation_tokens) + last, self.total(trained_tokens)]
    }

    /// Wall-clock seconds over all iterations whose time is known; `None` where none is.
    pub fn seconds(&self) -> Option<f64> {
        self.iterations.iter().filter_map(|iteration| iteration.seconds).reduce(|a, b| a + b)
    }

    /// The iterations whose accuracy was measured.
    fn evaluated(&self) -> impl Iterator<Item = &IterationReport> {
        self.iterations.iter().filter(|iteration| iteration.metrics.accuracy.total > 0)
    }

    /// The classes of all iterations, in the order of display. Later iterations may bring more (the digit extension).
    fn classes(&self) -> Vec<&str> {
        let mut classes: Vec<&str> = Vec::new();
        for ClassAccuracy { class, .. } in self.iterations.iter().flat_map(|iteration| &iteration.metrics.by_class) {
            if !classes.contains(&class.as_str()) {
                classes.push(class);
            }
        }
        classes
    }

    fn total(&self, count: impl Fn(&IterationMetrics) -> u64) -> u64 {
        self.iterations.iter().map(|iteration| count(&iteration.metrics)).sum()
    }
}

#[cfg(test)]
mod tests;
