//! The figures of every iteration as rows.

use crate::error::Result;
use crate::report::{Report, ResultRow};

/// One line of CSV for each iteration of each method, under a header. Shares are in 0..=1, and a cell is empty if there is no figure. The
/// accuracy of each class is a column after the others.
pub fn csv(report: &Report) -> String {
    let rows = report.results();
    let mut classes: Vec<&str> = Vec::new();
    for (class, _) in rows.iter().flat_map(|row| &row.by_class.0) {
        if !classes.contains(&class.as_str()) {
            classes.push(class);
        }
    }
    let names = COLUMNS.iter().map(|(name, _)| (*name).to_owned()).chain(classes.iter().map(|class| format!("accuracy {class}")));
    let mut text = line(names);
    for row in &rows {
        let of_class = |class: &&str| cell(row.by_class.0.iter().find(|(name, _)| name == class).map(|(_, share)| share));
        text += &line(COLUMNS.iter().map(|(_, value)| value(row)).chain(classes.iter().map(of_class)));
    }
    text
}

/// A line of CSV (RFC 4180, with line feeds).
fn line(cells: impl Iterator<Item = String>) -> String {
    let quoted = |cell: String| {
        if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
    };
    cells.map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

/// One line of JSON for each iteration of each method: the rows of `starloop report --json`.
///
/// # Errors
/// A row cannot be written as JSON.
pub fn json_lines(report: &Report) -> Result<String> {
    let line = |row: &ResultRow| Ok(serde_json::to_string(row).map_err(std::io::Error::from)? + "\n");
    report.results().iter().map(line).collect()
}

type FigureColumn = (&'static str, fn(&ResultRow) -> String);

const COLUMNS: &[FigureColumn] = &[
    ("run", |row| row.run.clone()),
    ("method", |row| row.method.clone()),
    ("iteration", |row| row.iteration.to_string()),
    ("split", |row| row.split.name().to_owned()),
    ("accuracy", |row| cell(row.accuracy)),
    ("accuracy_low", |row| cell(row.interval.map(|[low, _]| low))),
    ("accuracy_high", |row| cell(row.interval.map(|[_, high]| high))),
    ("evaluated", |row| row.evaluated.to_string()),
    ("problems", |row| row.problems.to_string()),
    ("kept", |row| row.kept.to_string()),
    ("kept_unhinted", |row| row.kept_unhinted.to_string()),
    ("kept_hinted", |row| row.kept_hinted.to_string()),
    ("dropped", |row| row.dropped.to_string()),
    ("train_used", |row| cell(row.train_used.map(|used| used.share))),
    ("faithful_unhinted", |row| cell(row.faithful_unhinted)),
    ("faithful_hinted", |row| cell(row.faithful_hinted)),
    ("sampled_tokens", |row| row.sampled_tokens.to_string()),
    ("trained_tokens", |row| row.trained_tokens.to_string()),
    ("evaluation_tokens", |row| row.evaluation_tokens.to_string()),
    ("steps", |row| cell(row.steps)),
    ("loss", |row| cell(row.loss)),
    ("seconds", |row| cell(row.seconds)),
    ("checkpoint", |row| row.checkpoint.clone()),
];

fn cell(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sample_run::{begin, metrics};
    use starloop_record::Approach;
    use starloop_record::metrics::{Accuracy, ClassAccuracy, IterationMetrics};

    fn write(run: &starloop_record::RunDir, iteration: u32, classes: &[&str]) {
        let by_class = classes.iter().map(|class| ClassAccuracy { class: (*class).to_owned(), accuracy: Accuracy::new(1, 4) }).collect();
        let metrics = IterationMetrics { accuracy: Accuracy::new(1, 4), by_class, ..metrics(iteration, &[]) };
        run.iteration("star", iteration).write_metrics(&metrics).unwrap();
    }

    #[test]
    fn every_row_has_every_column_and_odd_names_are_quoted() {
        let place = tempfile::tempdir().unwrap();
        let run = begin(place.path(), &[("star", Approach::Star)]);
        write(&run, 0, &["a, \"b\"\nc"]);
        write(&run, 1, &["a, \"b\"\nc", "later"]);
        let report = Report::read(&[place.path().to_owned()]).unwrap();
        let text = csv(&report);
        let (header, rows) = text.split_once("\nc\",accuracy later\n").unwrap();
        assert!(header.starts_with("run,method,iteration,split,accuracy,") && header.ends_with("checkpoint,\"accuracy a, \"\"b\"\""));
        let rows: Vec<Vec<&str>> = rows.lines().map(|line| line.split(',').collect()).collect();
        let cell = |row: usize, column: &str| rows[row][COLUMNS.iter().position(|(name, _)| *name == column).unwrap()];
        assert_eq!([cell(0, "iteration"), cell(1, "iteration")], ["0", "1"]);
        assert_eq!([cell(0, "accuracy"), cell(0, "seconds"), cell(0, "loss")], ["0.25", "", ""]);
        assert_eq!([&rows[0][COLUMNS.len()..], &rows[1][COLUMNS.len()..]], [["0.25", ""], ["0.25", "0.25"]]);
        let lines = json_lines(&report).unwrap();
        let parsed: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!([&parsed[1]["by_class"]["later"], &parsed[1]["accuracy"]], [0.25, 0.25]);
    }
}
