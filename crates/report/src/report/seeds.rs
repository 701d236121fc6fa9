//! The runs of several seeds for the terminal: every run with its interval over problems, and the mean with its interval over the runs.

use super::cost::interval_over_runs;
use super::{Report, table};
use serde::Serialize;
use starloop_record::format::{percent, range, thousands};
use starloop_record::metrics::Accuracy;
use std::collections::BTreeSet;

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

/// A row for each run of each method and a row for the mean; empty if no two runs share a method.
pub(super) fn table(report: &Report) -> String {
    let header = ["", "run", "split", "accuracy, %", "95% interval", "interval over"];
    let mut table = table::table(header.map(str::to_owned).into(), 2);
    let mut names: Vec<&str> = Vec::new();
    for (_, method) in report.methods() {
        let name = method.info.name.as_str();
        if names.contains(&name) {
            continue;
        }
        let runs: Vec<RunAccuracy> = report.methods().filter(|(_, other)| other.info.name == name).filter_map(run_accuracy).collect();
        let Some((mean, interval)) = interval_over_runs(&runs.iter().map(|run| run.accuracy.mean).collect::<Vec<_>>()) else { continue };
        names.push(name);
        let mut label = format!("{} ({name})", method.info.label);
        for RunAccuracy { run, accuracy, .. } in &runs {
            let (mean, interval) = (percent(accuracy.mean), range([accuracy.low, accuracy.high]));
            let problems = format!("{} problems (Wilson)", thousands(accuracy.total));
            table.add_row([std::mem::take(&mut label), run.clone(), method.shown().split.name().to_owned(), mean, interval, problems]);
        }
        let seeds: BTreeSet<u64> = runs.iter().map(|run| run.seed).collect();
        let over = format!("{} {}", runs.len(), if seeds.len() == runs.len() { "seeds" } else { "runs" });
        let mean_of = format!("mean of {over}");
        table.add_row([String::new(), mean_of, String::new(), percent(mean), range(interval), format!("{over} (Student)")]);
    }
    if names.is_empty() { String::new() } else { table::trim(&table) }
}

pub(super) fn run_accuracy((run, method): (&super::RunReport, &super::MethodReport)) -> Option<RunAccuracy> {
    Some(RunAccuracy { run: run.name.clone(), seed: run.info.seed, accuracy: *method.final_accuracy()? })
}
