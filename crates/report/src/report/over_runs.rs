//! The accuracy of each method over several runs: the mean, and the interval of the variation between seeds.

use super::cost::interval_over_runs;
use super::{Report, table};
use serde::Serialize;
use starloop_record::format::{percent, range};
use starloop_record::types::Split;

/// A method's accuracy over the runs that have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverRuns {
    /// The method's name in the configs.
    pub method: String,
    /// The words that tables show for the method.
    pub label: String,
    /// The name of the data.
    pub data: String,
    /// The split that accuracy was measured on.
    pub split: Split,
    /// The accuracy of each run, in 0..=1, with the run's name.
    pub runs: Vec<(String, f64)>,
    /// Mean accuracy over the runs.
    pub mean: f64,
    /// The 95% interval of the mean over runs (Student's).
    pub interval: [f64; 2],
}

/// The methods that at least two runs have measured on the same data and split.
pub(super) fn of(report: &Report) -> Vec<OverRuns> {
    let mut found: Vec<OverRuns> = Vec::new();
    for (run, method) in report.methods() {
        let (name, split) = (&method.info.name, method.shown().split);
        if found.iter().any(|known| (&known.method, known.split, &known.data) == (name, split, &run.data)) {
            continue;
        }
        let same = report
            .methods()
            .filter(|(other_run, other)| (&other.info.name, other.shown().split, &other_run.data) == (name, split, &run.data));
        let runs: Vec<(String, f64)> = same.filter_map(|(run, method)| Some((run.name.clone(), method.final_accuracy()?.mean))).collect();
        let accuracies: Vec<f64> = runs.iter().map(|(_, accuracy)| *accuracy).collect();
        if let Some((mean, interval)) = interval_over_runs(&accuracies) {
            let (method, label, data) = (name.clone(), method.info.label.clone(), run.data.clone());
            found.push(OverRuns { method, label, data, split, runs, mean, interval });
        }
    }
    found
}

/// For the terminal; empty if no two runs share a method.
pub(super) fn table(report: &Report) -> String {
    let rows = of(report);
    if rows.is_empty() {
        return String::new();
    }
    let header = ["over runs", "split", "runs", "mean, %", "95% interval\nover runs", "each run, %"];
    let mut table = table::table(header.map(str::to_owned).into(), 1);
    for OverRuns { method, label, split, runs, mean, interval, .. } in &rows {
        let each = runs.iter().map(|(_, accuracy)| percent(*accuracy)).collect::<Vec<_>>().join(" ");
        let number = runs.len().to_string();
        table.add_row([format!("{label} ({method})"), split.name().to_owned(), number, percent(*mean), range(*interval), each]);
    }
    table::trim(&table)
}
