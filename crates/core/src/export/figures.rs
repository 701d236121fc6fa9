//! The figures of every iteration as rows.

use crate::error::Result;
use crate::report::{Report, ResultRow};

/// One line of CSV for each iteration of each method, under a header; shares in 0..=1, an empty cell where there is no figure. The classes'
/// accuracies are columns of their own, after the others.
///
/// # Errors
/// The writer's, which writing to memory does not make.
pub fn csv(report: &Report) -> Result<String> {
    let rows = report.results();
    let mut classes: Vec<&str> = Vec::new();
    for (class, _) in rows.iter().flat_map(|row| &row.by_class.0) {
        if !classes.contains(&class.as_str()) {
            classes.push(class);
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = COLUMNS.iter().map(|(name, _)| (*name).to_owned()).chain(classes.iter().map(|class| format!("accuracy {class}")));
    writer.write_record(header).map_err(std::io::Error::from)?;
    for row in &rows {
        let of_class =
            |class: &&str| row.by_class.0.iter().find(|(name, _)| name == class).map_or(String::new(), |(_, share)| share.to_string());
        let cells = COLUMNS.iter().map(|(_, cell)| cell(row)).chain(classes.iter().map(of_class));
        writer.write_record(cells).map_err(std::io::Error::from)?;
    }
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// One JSON object for each iteration of each method, a line each: the rows of `starloop report --json`.
///
/// # Errors
/// None that plain rows make.
pub fn json_lines(report: &Report) -> Result<String> {
    let line = |row: &ResultRow| Ok(serde_json::to_string(row).map_err(std::io::Error::from)? + "\n");
    report.results().iter().map(line).collect()
}

type Column = (&'static str, fn(&ResultRow) -> String);

const COLUMNS: &[Column] = &[
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
mod tests {
    use super::*;
    use crate::metrics::{Accuracy, AttemptCounts, ClassAccuracy, IterationMetrics, SelectionCounts};
    use crate::report::{Approach, IterationReport, MethodReport, RunReport};
    use crate::types::Split;

    fn iteration(iteration: u32, classes: &[&str]) -> IterationReport {
        let by_class = classes.iter().map(|class| ClassAccuracy { class: (*class).to_owned(), accuracy: Accuracy::new(1, 4) });
        let metrics = IterationMetrics {
            iteration,
            checkpoint: "abc".to_owned(),
            problems: 8,
            unhinted: AttemptCounts::default(),
            hinted: AttemptCounts::default(),
            selection: SelectionCounts::default(),
            training: None,
            balance: None,
            split: Split::Dev,
            accuracy: Accuracy::new(1, 4),
            by_class: by_class.collect(),
            evaluation_tokens: 9,
        };
        IterationReport { metrics, seconds: Some(1.5), stages: Vec::new(), digest: None }
    }

    #[test]
    fn every_row_has_every_column_whatever_a_class_is_called() {
        let iterations = vec![iteration(0, &["a, \"b\"\nc"]), iteration(1, &["a, \"b\"\nc", "later"])];
        let method = MethodReport { name: "star".into(), kind: Approach::Star, iterations, final_metrics: None, practice: None };
        let run = RunReport {
            name: "run".into(),
            path: "run".into(),
            task: "jsonl".into(),
            chance: 0.0,
            parameters: None,
            methods: vec![method],
        };
        let report = Report { runs: vec![run], warnings: Vec::new(), findings: Vec::new() };
        let text = csv(&report).expect("rows");
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().expect("a header").clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("as many cells as columns")).collect();
        let cell = |row: usize, column: &str| rows[row][header.iter().position(|name| name == column).expect("a column")].to_owned();
        assert_eq!(rows.len(), 2);
        assert_eq!([cell(0, "iteration"), cell(1, "iteration")], ["0", "1"]);
        assert_eq!([cell(0, "accuracy"), cell(0, "seconds"), cell(0, "loss")], ["0.25", "1.5", ""]);
        assert_eq!([cell(0, "accuracy later"), cell(1, "accuracy later"), cell(0, "accuracy a, \"b\"\nc")], ["", "0.25", "0.25"]);
        let lines = json_lines(&report).expect("lines");
        let parsed: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!([&parsed[1]["by_class"]["later"], &parsed[1]["accuracy"]], [0.25, 0.25]);
    }
}
