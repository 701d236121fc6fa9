//! The runs of several seeds in a terminal.

use super::{OverRuns, of};
use crate::report::{Report, table};
use starloop_record::Approach;
use starloop_record::format::{percent, range, thousands};
use std::collections::BTreeSet;

/// A row for each method, for a terminal of `width` columns; empty if no two runs share a method. The untrained model is first, then the methods
/// by accuracy. Labels and the right columns are left out if they do not fit.
pub(in crate::report) fn means(report: &Report, width: usize) -> String {
    let mut rows = of(report);
    if rows.is_empty() {
        return String::new();
    }
    let rank = |row: &OverRuns| if row.approach == Approach::FewShot { 2.0 } else { row.mean };
    rows.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
    let label: Cell = |row| format!("{} ({})", row.label, row.method);
    let name: Cell = |row| row.method.clone();
    let drawn = |(first, columns): (Cell, usize)| {
        let columns = &COLUMNS[..columns];
        let header = std::iter::once("over runs").chain(columns.iter().map(|(header, _)| *header)).map(str::to_owned);
        let mut table = table::table(header.collect(), 1);
        for row in &rows {
            table.add_row(std::iter::once(first(row)).chain(columns.iter().map(|(_, cell)| cell(row))));
        }
        table::trim(&table)
    };
    let forms = std::iter::once((label, COLUMNS.len())).chain((2..=COLUMNS.len()).rev().map(|columns| (name, columns)));
    let fits = |text: &String| text.lines().all(|line| line.chars().count() <= width);
    let table = forms.map(drawn).find(fits).unwrap_or_else(|| drawn((name, 2)));
    format!("{table}\n\nIntervals over runs (Student's) show the variation between seeds.")
}

/// For each method a row for each run, with its interval over problems, and a row for the mean, with its interval over runs; empty if no two
/// runs share a method.
pub(in crate::report) fn each_run(report: &Report) -> String {
    let rows = of(report);
    if rows.is_empty() {
        return String::new();
    }
    let header = ["", "run", "split", "accuracy, %", "95% interval", "interval over"];
    let mut table = table::table(header.map(str::to_owned).into(), 2);
    for OverRuns { label, method, split, runs, mean, interval, .. } in &rows {
        let mut label = format!("{label} ({method})");
        for run in runs {
            let (mean, interval) = (percent(run.accuracy.mean), range([run.accuracy.low, run.accuracy.high]));
            let problems = format!("{} problems (Wilson)", thousands(run.accuracy.total));
            table.add_row([std::mem::take(&mut label), run.run.clone(), split.name().to_owned(), mean, interval, problems]);
        }
        let seeds: BTreeSet<u64> = runs.iter().map(|run| run.seed).collect();
        let over = format!("{} {}", runs.len(), if seeds.len() == runs.len() { "seeds" } else { "runs" });
        table.add_row([
            String::new(),
            format!("mean of {over}"),
            String::new(),
            percent(*mean),
            range(*interval),
            format!("{over} (Student)"),
        ]);
    }
    table::trim(&table)
}

/// A cell of a row.
type Cell = fn(&OverRuns) -> String;

/// The columns behind the name, the most important first.
const COLUMNS: [(&str, Cell); 6] = [
    ("mean, %", |row| percent(row.mean)),
    ("95% interval\nover runs", |row| range(row.interval)),
    ("points from\nuntrained", |row| row.from_base.map_or_else(|| "-".to_owned(), |of| format!("{:+.1}", 100.0 * of.mean))),
    ("runs", |row| row.runs.len().to_string()),
    ("split", |row| row.split.name().to_owned()),
    ("each run, %", |row| row.runs.iter().map(|run| percent(run.accuracy.mean)).collect::<Vec<_>>().join(" ")),
];
