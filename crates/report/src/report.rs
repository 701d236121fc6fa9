//! Reports of runs from their directories: JSON, tables, a chart for the terminal, figures as SVG and a web page.
//!
//! The loop never calls this module. A report can be made while a run goes on, on another machine, and of several runs side by side. Every
//! share is in 0..=1 here and in the JSON, and in percent wherever it is shown.

mod attempts;
pub mod audits;
mod changes;
mod chart;
mod cost;
mod cost_plot;
mod figure;
mod findings;
mod flow;
mod headline;
mod html;
mod labels;
mod over_runs;
mod plot;
mod read;
mod rows;
mod svg;
mod sweep;
mod table;

use crate::error::Result;
use crate::paired::PairedDifference;
use rows::{measured, row, sampled_tokens, summary, trained_tokens};
use serde::Serialize;
use starloop_record::event::Stage;
use starloop_record::format::thousands;
use starloop_record::info::{MethodInfo, PaperFigure, RunInfo};
use starloop_record::metrics::audits::Audits;
use starloop_record::metrics::{Accuracy, ClassAccuracy, IterationMetrics};
use std::path::PathBuf;

pub use attempts::{AttemptFigures, Practice};
pub use changes::before;
pub use cost::{CostCurve, CostPoint};
pub use findings::{Finding, FindingKind};
pub use flow::{Flow, FlowCount, Retry, Source};
pub use headline::{Headline, HeadlineChoice};
pub use html::{HtmlReport, MOST_ATTEMPTS};
pub use over_runs::{IterationOverRuns, MeanOverRuns, OverRuns, RunAccuracy};
pub(crate) use read::directory_name;
pub use rows::{ByClass, MethodSummary, ResultRow, TrainUse};
pub use sweep::{IntervalOver, Setting, Sweep, SweepEnd, SweepRow, SweepRun};

/// Some runs, as their directories hold them.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The runs, in the order in which they were asked for.
    pub runs: Vec<RunReport>,
    /// Warnings that a reader needs before trusting the figures.
    pub warnings: Vec<String>,
    /// Signs that a method learns little, or learns something other than reasoning.
    pub findings: Vec<Finding>,
}

/// One run directory.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// The directory's name; its whole path if two runs of a report share a name.
    pub name: String,
    /// The path of the directory.
    pub path: PathBuf,
    /// The description of the run.
    pub info: RunInfo,
    /// The methods that have a finished iteration, in the order in which they were run.
    pub methods: Vec<MethodReport>,
    /// The result in sentences; `None` if no method was measured yet.
    pub headline: Option<Headline>,
    /// The name of the data: the task, with the file of the problems if they are the user's own.
    pub data: String,
    /// The config as it was resolved.
    pub config: toml::Table,
}

impl RunReport {
    /// The paper's figure for a method's approach with the paper's model. The figures of that model come first.
    pub fn paper_figure(&self, method: &MethodInfo) -> Option<&PaperFigure> {
        let model = self.paper_model()?;
        self.info.task.paper.iter().find(|figure| figure.approach == method.approach && figure.model == model)
    }

    /// The number of problems that were left out because their prompts are too long, in a sentence; `None` if there are none.
    pub fn left_out_note(&self) -> Option<String> {
        match self.info.task.too_long {
            0 => None,
            1 => Some("1 problem is left out, because its prompt is too long for the model.".to_owned()),
            many => Some(format!("{many} problems are left out, because their prompts are too long for the model.")),
        }
    }

    /// The paper's figures for the approaches of the run, in a sentence with their settings; `None` if it reports nothing for them.
    pub fn paper_note(&self) -> Option<String> {
        let mut figures: Vec<String> = Vec::new();
        for figure in self.methods.iter().filter_map(|method| self.paper_figure(&method.info)) {
            let words = format!("{} {:.1} ({})", figure.approach.title(), figure.percent, figure.setting);
            if !figures.contains(&words) {
                figures.push(words);
            }
        }
        (!figures.is_empty()).then(|| format!("The paper, %: {}.", figures.join("; ")))
    }

    /// The model that the paper fine-tunes, if it reports anything for the task.
    pub fn paper_model(&self) -> Option<&str> {
        self.info.task.paper.first().map(|figure| figure.model.as_str())
    }
}

/// The audits of a method.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AuditedMethod<'a> {
    /// The run's name.
    pub run: &'a str,
    /// The method's name in the config.
    pub method: &'a str,
    /// The findings.
    pub audits: &'a Audits,
}

/// One method of a run. It has at least one iteration.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodReport {
    /// The description of the method.
    pub info: MethodInfo,
    /// The finished iterations, in order.
    pub iterations: Vec<IterationReport>,
    /// The figures of the best iteration on the final split, if the config names one and the method is done.
    pub final_metrics: Option<IterationMetrics>,
    /// The results of `starloop audit`.
    pub audits: Audits,
    /// How often its problems are learned from; `None` if nothing was attempted.
    pub practice: Option<Practice>,
    /// Its difference from the untrained model on the same problems; `None` if either was not measured on them.
    pub from_base: Option<PairedDifference>,
    /// Its difference from the method of the headline; `None` for that method itself.
    pub from_main: Option<PairedDifference>,
}

/// One finished iteration.
#[derive(Debug, Clone, PartialEq)]
pub struct IterationReport {
    /// Everything that was counted.
    pub metrics: IterationMetrics,
    /// Wall-clock seconds of its stages; `None` if `events.jsonl` has none of them.
    pub seconds: Option<f64>,
    /// Its stages in `events.jsonl`, in the order of the work.
    pub stages: Vec<StageCost>,
    /// The figures of its attempts; `None` if nothing was attempted.
    pub attempts: Option<AttemptFigures>,
}

/// The cost of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StageCost {
    /// The stage.
    pub stage: Stage,
    /// Tokens sampled or trained in it.
    pub tokens: u64,
    /// Wall-clock seconds; `None` if its result was always found and never computed.
    pub seconds: Option<f64>,
}

impl Report {
    /// Reads run directories, even while other processes work in them. Unfinished iterations are left out.
    ///
    /// # Errors
    /// A directory is not a run, a run has no finished iteration, or a file is damaged. The error names the path.
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

    /// `{"headlines": [one object per run, or null], "over_runs": [one object per method of several runs], "costs": [one object per method],
    /// "results": [one object per iteration], "methods": [one object per method of each run], "audits": [one object per audited method],
    /// "warnings": [text], "findings": [one object each]}`, indented.
    pub fn json(&self) -> String {
        #[derive(Serialize)]
        struct Json<'a> {
            headlines: Vec<Option<&'a Headline>>,
            over_runs: Vec<OverRuns>,
            costs: Vec<CostCurve>,
            results: Vec<ResultRow>,
            methods: Vec<MethodSummary>,
            audits: Vec<AuditedMethod<'a>>,
            warnings: &'a [String],
            findings: &'a [Finding],
        }
        let json = Json {
            headlines: self.runs.iter().map(|run| run.headline.as_ref()).collect(),
            over_runs: over_runs::of(self),
            costs: self.costs(),
            results: self.results(),
            methods: self.summaries(),
            audits: self.audited().collect(),
            warnings: &self.warnings,
            findings: &self.findings,
        };
        serde_json::to_string_pretty(&json).expect("numbers and strings alone always serialize")
    }

    /// The methods that were audited.
    pub fn audited(&self) -> impl Iterator<Item = AuditedMethod<'_>> {
        let audited = self.methods().filter(|(_, method)| method.audits != Audits::default());
        audited.map(|(run, method)| AuditedMethod { run: &run.name, method: &method.info.name, audits: &method.audits })
    }

    /// The results for a terminal of `width` columns: one table per run, with the paper's figures. Methods are columns, or rows if they do not
    /// fit.
    pub fn summary_tables(&self, width: usize) -> String {
        let over_runs = over_runs::tables::means(self, width);
        let tables = table::summaries(self, width);
        if over_runs.is_empty() { tables } else { format!("{tables}\n\n{over_runs}") }
    }

    /// The results as HTML for a notebook: for each run its headline, and a table with one column per method. All text is escaped.
    pub fn summary_html(&self) -> String {
        table::summaries_html(self)
    }

    /// Every run of every method that several runs have, each with its interval over problems, and the mean with its interval over the runs;
    /// empty if no two runs share a method.
    pub fn table_over_runs(&self) -> String {
        over_runs::tables::each_run(self)
    }

    /// The paper's table beside the measured results, one per run, for the terminal.
    pub fn paper_tables(&self) -> String {
        table::beside_the_paper(self)
    }

    /// Every iteration, for the terminal: two tables per method, one of accuracies and one of the work.
    pub fn iteration_tables(&self) -> String {
        table::iterations(self)
    }

    /// Accuracy per class over iterations, for a terminal of `width` columns; empty if no method was evaluated twice.
    pub fn chart(&self, width: usize) -> String {
        chart::draw(self, width)
    }

    /// Accuracy per class over iterations as an SVG document, one panel per method (the paper's figure 4); `None` if no method was evaluated
    /// twice.
    pub fn svg(&self) -> Option<String> {
        plot::draw(self)
    }

    /// Accuracy against cost for each method name, over all runs. The runs should differ in their seed only.
    pub fn costs(&self) -> Vec<CostCurve> {
        cost::curves(self)
    }

    /// [`Report::costs`] at the last iteration, for the terminal.
    pub fn cost_table(&self) -> String {
        cost::tables(self)
    }

    /// [`Report::costs`] as an SVG document; `None` if nothing was learned.
    pub fn cost_svg(&self) -> Option<String> {
        cost_plot::draw(&cost::curves(self))
    }

    /// Floating-point operations of all runs and methods, counted as [`Report::costs`] does; `None` if the number of a model's parameters is not
    /// known.
    pub fn flops(&self) -> Option<f64> {
        let ends = cost::curves(self).into_iter().filter_map(|curve| curve.points.last().copied());
        ends.map(|end| end.flops.map(|flops| flops * f64::from(end.runs))).sum()
    }

    /// One self-contained HTML page: everything above, and the attempts to browse. If the runs have more than `most_attempts` attempts and
    /// answers, the page holds those of a part of the problems and says so. The part is always the same.
    ///
    /// # Errors
    /// A file of a run cannot be read.
    pub fn html(&self, most_attempts: u64) -> Result<HtmlReport> {
        html::page(self, most_attempts)
    }

    fn methods(&self) -> impl Iterator<Item = (&RunReport, &MethodReport)> {
        self.runs.iter().flat_map(|run| run.methods.iter().map(move |method| (run, method)))
    }

    /// The methods that get a panel: those evaluated at least twice. If any of them bootstraps, only those that do.
    fn panels(&self) -> Vec<Panel<'_>> {
        let curves: Vec<_> = self.methods().filter(|(_, method)| method.evaluated().count() > 1).collect();
        let bootstraps = curves.iter().any(|(_, method)| method.info.approach.bootstraps());
        let chosen: Vec<_> = curves.into_iter().filter(|(_, method)| method.info.approach.bootstraps() || !bootstraps).collect();
        let several_runs = self.runs.len() > 1;
        let title = |run: &RunReport, method: &MethodReport| {
            let twin = |other: &&(&RunReport, &MethodReport)| other.0.name == run.name && other.1.info.label == method.info.label;
            let run_name = if several_runs { format!("{}: ", run.name) } else { String::new() };
            let method_name = if chosen.iter().filter(twin).count() > 1 { format!(" ({})", method.info.name) } else { String::new() };
            format!("{run_name}{}{method_name}", method.info.label)
        };
        chosen.iter().map(|&(run, method)| Panel { title: title(run, method), method }).collect()
    }
}

/// One method's curves and their title.
struct Panel<'a> {
    title: String,
    method: &'a MethodReport,
}

impl MethodReport {
    /// The last iteration that was evaluated, or the last one if none was.
    pub fn last_evaluated(&self) -> &IterationReport {
        self.evaluated().last().or(self.iterations.last()).expect("a method that was read has an iteration")
    }

    /// The figures that represent the method: its final ones, or else those of its last evaluation.
    fn shown(&self) -> &IterationMetrics {
        self.final_metrics.as_ref().unwrap_or(&self.last_evaluated().metrics)
    }

    /// The accuracy of [`MethodReport::shown`]; `None` if a method that trains has measured only its base so far.
    fn final_accuracy(&self) -> Option<&Accuracy> {
        let shown = self.shown();
        let trains = self.info.approach.bootstraps() || self.info.estimate.iterations > 0;
        measured(&shown.accuracy).filter(|_| shown.iteration > 0 || !trains)
    }

    /// Tokens over all iterations: sampled (evaluation included), and trained on.
    pub fn tokens(&self) -> [u64; 2] {
        let last = self.final_metrics.as_ref().map_or(0, |metrics| metrics.evaluation_tokens);
        [self.total(|metrics| sampled_tokens(metrics) + metrics.evaluation_tokens) + last, self.total(trained_tokens)]
    }

    /// Wall-clock seconds over all iterations whose time is known; `None` if no time is known.
    pub fn seconds(&self) -> Option<f64> {
        self.iterations.iter().filter_map(|iteration| iteration.seconds).reduce(|a, b| a + b)
    }

    /// The iterations whose accuracy was measured.
    fn evaluated(&self) -> impl Iterator<Item = &IterationReport> {
        self.iterations.iter().filter(|iteration| iteration.metrics.accuracy.total > 0)
    }

    /// The classes that have measured problems, in the order of display. Later iterations may bring more (the digit extension).
    fn classes(&self) -> Vec<&str> {
        let mut classes: Vec<&str> = Vec::new();
        for ClassAccuracy { class, accuracy } in self.iterations.iter().flat_map(|iteration| &iteration.metrics.by_class) {
            if accuracy.total > 0 && !classes.contains(&class.as_str()) {
                classes.push(class);
            }
        }
        classes
    }

    /// A class with its number of problems in the last iteration that measured it: `1 digit (n = 8)`.
    fn class_with_number(&self, class: &str) -> String {
        let entries = self.iterations.iter().rev().flat_map(|iteration| &iteration.metrics.by_class);
        let total = entries.filter(|entry| entry.class == class).map(|entry| entry.accuracy.total).find(|total| *total > 0);
        total.map_or_else(|| class.to_owned(), |total| format!("{class} (n = {})", thousands(total)))
    }

    fn total(&self, count: impl Fn(&IterationMetrics) -> u64) -> u64 {
        self.iterations.iter().map(|iteration| count(&iteration.metrics)).sum()
    }

    /// Completions without a verdict, because the user's verifier program failed, those of the final figure included.
    fn failed_verdicts(&self) -> u64 {
        let of_final = self.final_metrics.as_ref().map_or(0, |metrics| metrics.evaluation_failed);
        self.total(IterationMetrics::failed_verdicts) + of_final
    }

    /// All completions that were to have a verdict.
    fn verdicts(&self) -> u64 {
        let of_final = self.final_metrics.as_ref().map_or(0, |metrics| metrics.accuracy.total);
        self.total(IterationMetrics::verdicts) + of_final
    }
}

#[cfg(test)]
mod tests;
