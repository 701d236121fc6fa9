//! The accuracy of each method over several runs: the mean, and the interval of the variation between seeds. Runs are put together if a method
//! has the same settings in them, except for the seed.

pub(super) mod tables;

use super::cost::{interval_over_runs, students_interval};
use super::{MethodReport, Report, RunReport, labels};
use serde::Serialize;
use starloop_record::Approach;
use starloop_record::metrics::Accuracy;
use starloop_record::run_dir::settings::of_method;
use starloop_record::types::Split;
use std::collections::BTreeMap;
use toml::Value;

/// A method's accuracy over the runs that have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverRuns {
    /// The method's name in the configs.
    pub method: String,
    /// The words that tables show for the method, with the settings in which its runs differ from other runs of it.
    pub label: String,
    /// The approach of the method, in the terms of the paper's comparison.
    pub approach: Approach,
    /// The name of the data.
    pub data: String,
    /// The split that accuracy was measured on.
    pub split: Split,
    /// Each run.
    pub runs: Vec<RunAccuracy>,
    /// Mean accuracy over the runs.
    pub mean: f64,
    /// The 95% interval of the mean over runs (Student's).
    pub interval: [f64; 2],
    /// The difference from the untrained model; `null` if a run has none.
    pub from_base: Option<MeanOverRuns>,
    /// The accuracy after each iteration that all runs have measured.
    pub iterations: Vec<IterationOverRuns>,
}

/// A method's accuracy in one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunAccuracy {
    /// The run's name.
    pub run: String,
    /// Its seed.
    pub seed: u64,
    /// Its accuracy, with the 95% interval over problems (Wilson's).
    pub accuracy: Accuracy,
}

impl RunAccuracy {
    /// The final accuracy of a method; `None` if it was not measured.
    pub(super) fn of(run: &RunReport, method: &MethodReport) -> Option<Self> {
        Some(RunAccuracy { run: run.name.clone(), seed: run.info.seed, accuracy: *method.final_accuracy()? })
    }
}

/// A mean over runs with its 95% interval (Student's).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MeanOverRuns {
    /// The mean.
    pub mean: f64,
    /// Its interval.
    pub interval: [f64; 2],
}

/// The accuracy of several runs after an iteration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IterationOverRuns {
    /// The outer iteration, 0 for the base.
    pub iteration: u32,
    /// The accuracy of each run, in 0..=1, in the order of the runs.
    pub runs: Vec<f64>,
    /// Mean accuracy over the runs, with its interval.
    #[serde(flatten)]
    pub accuracy: MeanOverRuns,
}

/// A method in one run, with its settings except for the seed.
struct Member<'a> {
    run: &'a RunReport,
    method: &'a MethodReport,
    settings: BTreeMap<String, Value>,
}

impl<'a> Member<'a> {
    fn new(run: &'a RunReport, method: &'a MethodReport) -> Self {
        let mut settings = of_method(&run.config, &method.info.name);
        settings.retain(|key, _| key != "seed" && key != "main" && !run.info.circumstances.contains(key));
        Member { run, method, settings }
    }

    /// Returns true if two members are the same method on the same data.
    fn is_comparable(&self, other: &Self) -> bool {
        let key = |member: &Self| (member.method.info.name.clone(), member.method.shown().split, member.run.data.clone());
        key(self) == key(other)
    }
}

/// The methods that at least two runs have measured with the same settings on the same data and split.
pub(super) fn of(report: &Report) -> Vec<OverRuns> {
    let measured = report.methods().filter(|(_, method)| method.final_accuracy().is_some());
    let mut groups: Vec<Vec<Member<'_>>> = Vec::new();
    for member in measured.map(|(run, method)| Member::new(run, method)) {
        match groups.iter_mut().find(|group| group[0].is_comparable(&member) && group[0].settings == member.settings) {
            Some(group) => group.push(member),
            None => groups.push(vec![member]),
        }
    }
    groups.iter().filter_map(|group| over_runs(group, &groups)).collect()
}

fn over_runs(group: &[Member<'_>], groups: &[Vec<Member<'_>>]) -> Option<OverRuns> {
    let first = &group[0];
    let runs: Vec<RunAccuracy> = group.iter().filter_map(|member| RunAccuracy::of(member.run, member.method)).collect();
    let (mean, interval) = interval_over_runs(&runs.iter().map(|run| run.accuracy.mean).collect::<Vec<_>>())?;
    let alike = || groups.iter().filter(|other| other[0].is_comparable(first)).map(|other| &other[0].settings);
    let settings = if alike().count() > 1 { labels::differing(&first.settings, alike) } else { Vec::new() };
    let label = std::iter::once(first.method.info.label.clone()).chain(settings).collect::<Vec<_>>().join(", ");
    let differences: Option<Vec<f64>> = group.iter().map(|member| Some(member.method.from_base?.difference)).collect();
    Some(OverRuns {
        method: first.method.info.name.clone(),
        label,
        approach: first.method.info.approach,
        data: first.run.data.clone(),
        split: first.method.shown().split,
        runs,
        mean,
        interval,
        from_base: differences.and_then(|differences| students_interval(&differences)).map(MeanOverRuns::new),
        iterations: iterations(group),
    })
}

impl MeanOverRuns {
    fn new((mean, interval): (f64, [f64; 2])) -> Self {
        MeanOverRuns { mean, interval }
    }
}

fn iterations(group: &[Member<'_>]) -> Vec<IterationOverRuns> {
    let accuracy = |member: &Member<'_>, iteration| {
        let found = member.method.evaluated().find(|found| found.metrics.iteration == iteration)?;
        Some(found.metrics.accuracy.mean)
    };
    let of = |iteration| {
        let runs: Vec<f64> = group.iter().map(|member| accuracy(member, iteration)).collect::<Option<_>>()?;
        Some(IterationOverRuns { iteration, accuracy: interval_over_runs(&runs).map(MeanOverRuns::new)?, runs })
    };
    group[0].method.evaluated().filter_map(|found| of(found.metrics.iteration)).collect()
}
