//! The table of figures, as `starloop export --csv` writes it: a row for each iteration, and a column for each class.

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow_schema::ArrowError;
use starloop_report::report::ResultRow;
use std::sync::Arc;

pub(super) fn batch(rows: &[ResultRow]) -> Result<RecordBatch, ArrowError> {
    let texts = |of: fn(&ResultRow) -> &str| Arc::new(StringArray::from_iter_values(rows.iter().map(of))) as ArrayRef;
    let counts = |of: fn(&ResultRow) -> u64| Arc::new(UInt64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
    let shares = |of: fn(&ResultRow) -> Option<f64>| Arc::new(rows.iter().map(of).collect::<Float64Array>()) as ArrayRef;
    let text = |name: &str, of| (name.to_owned(), texts(of), false);
    let count = |name: &str, of| (name.to_owned(), counts(of), false);
    let share = |name: &str, of| (name.to_owned(), shares(of), true);
    let mut columns = vec![
        text("method", |row| &row.method),
        text("label", |row| &row.label),
        ("iteration".to_owned(), Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.iteration))), false),
        text("split", |row| row.split.name()),
        share("accuracy", |row| row.accuracy),
        share("accuracy_low", |row| row.interval.map(|[low, _]| low)),
        share("accuracy_high", |row| row.interval.map(|[_, high]| high)),
        count("evaluated", |row| row.evaluated),
        count("problems", |row| row.problems),
        count("kept", |row| row.kept),
        count("kept_unhinted", |row| row.kept_unhinted),
        count("kept_hinted", |row| row.kept_hinted),
        count("dropped", |row| row.dropped),
        share("train_used", |row| row.train_used.map(|used| used.share)),
        share("faithful_unhinted", |row| row.faithful_unhinted),
        share("faithful_hinted", |row| row.faithful_hinted),
        count("sampled_tokens", |row| row.sampled_tokens),
        count("trained_tokens", |row| row.trained_tokens),
        count("evaluation_tokens", |row| row.evaluation_tokens),
        ("steps".to_owned(), Arc::new(rows.iter().map(|row| row.steps).collect::<UInt64Array>()), true),
        share("loss", |row| row.loss),
        share("seconds", |row| row.seconds),
        text("checkpoint", |row| &row.checkpoint),
    ];
    let mut classes: Vec<&str> = Vec::new();
    for (class, _) in rows.iter().flat_map(|row| &row.by_class.0) {
        if !classes.contains(&class.as_str()) {
            classes.push(class);
        }
    }
    for class in classes {
        let of = |row: &ResultRow| row.by_class.0.iter().find(|(name, _)| name == class).map(|(_, share)| *share);
        columns.push((format!("accuracy {class}"), Arc::new(rows.iter().map(of).collect::<Float64Array>()), true));
    }
    RecordBatch::try_from_iter_with_nullable(columns)
}
