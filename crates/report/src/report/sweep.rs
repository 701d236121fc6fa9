//! A sweep: one experiment at several settings, each with some seeds. Its table, and its figure.

use super::cost::interval_over_runs;
use super::figure::{Across, Area, Axis, Chart, Curve, INK, PANEL, SIDE, cut, page, style};
use super::over_runs::RunAccuracy;
use super::svg::{Anchor, Svg};
use super::{Report, table};
use crate::error::Result;
use serde::Serialize;
use starloop_record::format::{percent, range, thousands};
use starloop_record::metrics::Accuracy;
use starloop_record::types::Split;
use std::path::PathBuf;

/// A key of the config with a value of the sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The key, such as `training.learning_rate`.
    pub key: String,
    /// Its value, as TOML writes it.
    pub value: String,
}

/// One run of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepRun {
    /// The settings that the sweep varies.
    pub settings: Vec<Setting>,
    /// Its seed.
    pub seed: u64,
    /// Its directory.
    pub run: PathBuf,
    /// How it ended.
    #[serde(flatten)]
    pub end: SweepEnd,
}

/// How a run of a sweep ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SweepEnd {
    /// Every method is done.
    Finished,
    /// It was not started, because the budget could have been exceeded.
    OverBudget,
    /// It failed.
    Failed {
        /// The error.
        error: String,
    },
}

/// The results of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sweep {
    /// The keys that are varied.
    pub keys: Vec<String>,
    /// A row for each method that trains and each setting with a finished run.
    pub rows: Vec<SweepRow>,
    /// Every run.
    pub runs: Vec<SweepRun>,
    /// Floating-point operations of all finished runs; `null` if the number of the model's parameters is not known.
    pub flops: Option<f64>,
    /// The limit of these operations, if one was given.
    pub budget: Option<f64>,
}

/// A method at one setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepRow {
    /// The method's name in the config.
    pub method: String,
    /// The words that tables show for the method.
    pub label: String,
    /// The setting.
    pub settings: Vec<Setting>,
    /// The split that accuracy was measured on.
    pub split: Split,
    /// Each run.
    pub runs: Vec<RunAccuracy>,
    /// Mean accuracy over the runs.
    pub mean: f64,
    /// Its 95% interval.
    pub interval: [f64; 2],
    /// The source of the variation that the interval shows.
    pub interval_over: IntervalOver,
    /// Mean floating-point operations of the method in a run; `null` if the number of the model's parameters is not known.
    pub flops: Option<f64>,
}

/// The source of the variation that an interval shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalOver {
    /// The problems of one run (Wilson).
    Problems,
    /// Several seeds (Student).
    Seeds,
}

impl Sweep {
    /// Reads the finished runs.
    ///
    /// # Errors
    /// A run cannot be read.
    pub fn read(runs: Vec<SweepRun>, budget: Option<f64>) -> Result<Sweep> {
        let finished: Vec<&SweepRun> = runs.iter().filter(|run| run.end == SweepEnd::Finished).collect();
        let mut points: Vec<&[Setting]> = Vec::new();
        for run in &finished {
            if !points.contains(&run.settings.as_slice()) {
                points.push(&run.settings);
            }
        }
        let (mut rows, mut flops) = (Vec::new(), Some(0.0));
        for settings in points {
            let directories: Vec<PathBuf> = finished.iter().filter(|run| run.settings == settings).map(|run| run.run.clone()).collect();
            let report = Report::read(&directories)?;
            flops = flops.zip(report.flops()).map(|(all, of_point)| all + of_point);
            rows.extend(of_setting(&report, settings));
        }
        let order: Vec<String> = rows.iter().map(|row| row.method.clone()).collect();
        rows.sort_by_key(|row| order.iter().position(|method| *method == row.method));
        let keys = runs.first().map(|run| run.settings.iter().map(|setting| setting.key.clone()).collect()).unwrap_or_default();
        Ok(Sweep { keys, rows, runs, flops, budget })
    }

    /// For the terminal: a row for each method and setting, then the best setting of each method, and what was not run.
    pub fn table(&self) -> String {
        let mut header = vec!["method".to_owned()];
        header.extend(self.keys.iter().cloned());
        header.extend(["split", "seeds", "accuracy, %", "95% interval", "interval over", "FLOPs of\na run"].map(str::to_owned));
        let mut table = table::table(header, 1 + self.keys.len());
        for (place, row) in self.rows.iter().enumerate() {
            let is_first = place == 0 || self.rows[place - 1].method != row.method;
            let mut cells = vec![if is_first { format!("{} ({})", row.label, row.method) } else { String::new() }];
            cells.extend(row.settings.iter().map(|setting| setting.value.clone()));
            let seeds: Vec<String> = row.runs.iter().map(|run| run.seed.to_string()).collect();
            cells.extend([row.split.name().to_owned(), seeds.join(" "), percent(row.mean), range(row.interval)]);
            cells.push(row.interval_in_words());
            cells.push(row.flops.map_or_else(|| "?".to_owned(), number));
            table.add_row(cells);
        }
        let remarks = [self.best(), self.not_finished()].into_iter().filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n"));
        std::iter::once(table::trim(&table)).chain(remarks).collect::<Vec<_>>().join("\n\n")
    }

    /// A line for each method with several settings.
    fn best(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for of_method in self.rows.chunk_by(|a, b| a.method == b.method).filter(|rows| rows.len() > 1) {
            let best = of_method.iter().reduce(|best, next| if next.mean > best.mean { next } else { best });
            lines.extend(best.map(|best| {
                format!(
                    "{}: the best of {} settings is {} with {}% ({} over {}).",
                    best.method,
                    of_method.len(),
                    best.name(),
                    percent(best.mean),
                    range(best.interval),
                    best.interval_in_words()
                )
            }));
        }
        if !lines.is_empty() {
            lines.push(
                "A figure that chose a setting is too high for that setting. Measure the chosen one on other problems \
                 (evaluation.split, evaluation.final_split)."
                    .to_owned(),
            );
        }
        lines
    }

    fn not_finished(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for run in &self.runs {
            let what = format!("{}, seed {}", name(&run.settings), run.seed);
            match &run.end {
                SweepEnd::Finished => {}
                SweepEnd::OverBudget => lines.push(format!("not run, because it could exceed the budget: {what}")),
                SweepEnd::Failed { error } => lines.push(format!("failed: {what}: {error}")),
            }
        }
        if let (Some(budget), Some(flops)) = (self.budget, self.flops) {
            lines.push(format!("budget: {} of {} FLOPs used", number(flops), number(budget)));
        }
        lines
    }

    /// Accuracy over the values of the first key, one panel for each method and one curve for each value of the other keys; `None` if no method
    /// has two settings.
    pub fn svg(&self) -> Option<String> {
        let panels: Vec<&[SweepRow]> = self.rows.chunk_by(|a, b| a.method == b.method).filter(|rows| rows.len() > 1).collect();
        let columns = panels.len().min(2);
        let title = format!("Accuracy over {}", self.keys.join(" and "));
        let footnote = [
            "Vertical bars: 95% intervals, Student's over seeds, Wilson's over problems if there is one seed.".to_owned(),
            "Equal distances between the values do not mean equal steps.".to_owned(),
        ];
        (columns > 0).then(|| page(&title, &panels, (columns, PANEL), &footnote, |svg, rows, area| panel(svg, rows, area)))
    }
}

impl SweepRow {
    fn name(&self) -> String {
        name(&self.settings)
    }

    fn interval_in_words(&self) -> String {
        match (self.interval_over, self.runs.first()) {
            (IntervalOver::Problems, Some(run)) => format!("{} problems (Wilson)", thousands(run.accuracy.total)),
            _ => format!("{} seeds (Student)", self.runs.len()),
        }
    }
}

/// `training.learning_rate=1e-4, training.steps=20`
fn name(settings: &[Setting]) -> String {
    settings.iter().map(|Setting { key, value }| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

/// Each text once, in the order in which they come first.
fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    texts.fold(Vec::new(), |mut all, text| {
        if !all.contains(&text) {
            all.push(text);
        }
        all
    })
}

fn number(flops: f64) -> String {
    format!("{flops:.2e}")
}

/// The methods that train, over the runs of one setting.
fn of_setting(report: &Report, settings: &[Setting]) -> Vec<SweepRow> {
    let costs = report.costs();
    let trains = |method: &str| report.methods().any(|(_, other)| other.info.name == method && other.tokens()[1] > 0);
    let mut rows = Vec::new();
    for cost in costs.iter().filter(|cost| trains(&cost.method)) {
        let mut split = None;
        let mut runs = Vec::new();
        for (run, method) in report.methods().filter(|(_, method)| method.info.name == cost.method) {
            if let Some(measured) = RunAccuracy::of(run, method) {
                split = Some(method.shown().split);
                runs.push(measured);
            }
        }
        let accuracies: Vec<f64> = runs.iter().map(|run| run.accuracy.mean).collect();
        let (mean, interval, interval_over) = match (interval_over_runs(&accuracies), runs.first()) {
            (Some((mean, interval)), _) => (mean, interval, IntervalOver::Seeds),
            (None, Some(RunAccuracy { accuracy, .. })) => (accuracy.mean, [accuracy.low, accuracy.high], IntervalOver::Problems),
            (None, None) => continue,
        };
        let (method, label, settings) = (cost.method.clone(), cost.label.clone(), settings.to_vec());
        let (flops, split) = (cost.points.last().and_then(|last| last.flops), split.unwrap_or(Split::Test));
        rows.push(SweepRow { method, label, settings, split, runs, mean, interval, interval_over, flops });
    }
    rows
}

fn panel(svg: &mut Svg, rows: &[SweepRow], area: Area) {
    let first = |row: &SweepRow| row.settings.first().map_or_else(String::new, |setting| setting.value.clone());
    let others = |row: &SweepRow| name(row.settings.get(1..).unwrap_or_default());
    let values = distinct(rows.iter().map(first));
    let mut curves = Vec::new();
    for (place, name) in distinct(rows.iter().map(others)).into_iter().enumerate() {
        let of_curve = rows.iter().filter(|row| others(row) == name);
        let point = |row: &SweepRow| {
            let x = values.iter().position(|value| *value == first(row))? as f64;
            let [low, high] = row.interval;
            Some((x, Accuracy { correct: 0, total: 0, mean: row.mean, low, high }))
        };
        let points = of_curve.filter_map(point).collect();
        let label = if name.is_empty() { rows[0].method.clone() } else { name };
        curves.push(Curve { name: label.into(), place, aside: 0.03 * place as f64, points });
    }
    let last = values.len().saturating_sub(1) as f64;
    let tick = |x: f64| values.get(x as usize).map_or_else(String::new, |value| cut(value, 12));
    let key = rows[0].settings.first().map_or("", |setting| setting.key.as_str());
    let axis = Axis { range: -0.2..last + 0.2, ticks: (0..values.len()).map(|place| place as f64).collect() };
    let up = Axis { range: -2.0..102.0, ticks: (0..=5).map(|n| f64::from(n * 20)).collect() };
    let chart = Chart::begin(svg, area, 38.0, Across { axis, name: key, tick: &tick }, up, &curves);
    svg.text(&format!("{} ({})", rows[0].label, rows[0].method), area.at(SIDE, 18.0), style(12.0, INK, Anchor::Start));
    for curve in &curves {
        chart.curve(svg, curve, 1.0);
    }
    chart.labels(svg, &curves);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sample_run::{learned, metrics, new_run};
    use starloop_record::{Approach, RunDir};

    /// A finished run with so many right answers of 100.
    fn run(root: &std::path::Path, rate: &str, seed: u64, right: u64) -> SweepRun {
        let directory = root.join(format!("{rate}/seed-{seed}"));
        let mut new = new_run(&[("star", Approach::Star)]);
        new.info.seed = seed;
        let (run, _) = RunDir::open(&directory, &new, false).unwrap();
        run.iteration("star", 0).write_metrics(&metrics(0, &[20])).unwrap();
        run.iteration("star", 1).write_metrics(&learned(1, &[right], 800, 600)).unwrap();
        run.finish().unwrap();
        let settings = vec![Setting { key: "training.learning_rate".into(), value: rate.into() }];
        SweepRun { settings, seed, run: directory, end: SweepEnd::Finished }
    }

    #[test]
    fn a_table_says_which_interval_is_which() {
        let place = tempfile::tempdir().unwrap();
        let mut runs = vec![run(place.path(), "1e-4", 1, 60), run(place.path(), "1e-4", 2, 70), run(place.path(), "2e-4", 1, 90)];
        let settings = runs[2].settings.clone();
        runs.push(SweepRun { settings, seed: 2, run: place.path().join("none"), end: SweepEnd::OverBudget });
        let sweep = Sweep::read(runs, Some(1e15)).unwrap();
        assert_eq!(sweep.rows.iter().map(|row| row.interval_over).collect::<Vec<_>>(), [IntervalOver::Seeds, IntervalOver::Problems]);
        let table = sweep.table();
        for words in [
            "2 seeds (Student)",
            "100 problems (Wilson)",
            "star: the best of 2 settings is training.learning_rate=2e-4 with 90.0%",
            "not run, because it could exceed the budget: training.learning_rate=2e-4, seed 2",
        ] {
            assert!(table.contains(words), "no {words:?} in\n{table}");
        }
        let svg = sweep.svg().unwrap();
        assert!(svg.contains(">1e-4</text>") && svg.contains("training.learning_rate"), "{svg}");
    }
}
