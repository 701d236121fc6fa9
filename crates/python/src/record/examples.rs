//! The table of what was learned: examples, pairs, and samples with advantages.

use super::Column;
use arrow_array::{Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::ArrowError;
use starloop_record::training_rows::TrainingRows;
use starloop_record::{Result, RunDir};
use std::sync::Arc;

/// A row of a fine-tuning.
pub(super) struct ExampleRow {
    method: String,
    iteration: u32,
    problem: String,
    prompt: String,
    completion: String,
    /// `unhinted` or `hinted`, for an example.
    mode: Option<String>,
    /// The worse completion of a pair.
    rejected: Option<String>,
    /// The advantage of a sample over its group.
    advantage: Option<f64>,
}

/// The examples that a method learned in an iteration.
pub(super) fn rows(run: &RunDir, method: &str, iteration: u32) -> Result<Vec<ExampleRow>> {
    let row = |problem: String, prompt: String, completion: String| ExampleRow {
        method: method.to_owned(),
        iteration,
        problem,
        prompt,
        completion,
        mode: None,
        rejected: None,
        advantage: None,
    };
    Ok(match run.iteration(method, iteration).training_rows()? {
        None => Vec::new(),
        Some(TrainingRows::Completions(examples)) => {
            let of = |it: starloop_record::types::Example| ExampleRow {
                mode: Some(it.mode.to_string()),
                ..row(it.problem.0, it.prompt, it.completion)
            };
            examples.into_iter().map(of).collect()
        }
        Some(TrainingRows::Preferences(pairs)) => {
            pairs.into_iter().map(|it| ExampleRow { rejected: Some(it.rejected), ..row(it.problem.0, it.prompt, it.chosen) }).collect()
        }
        Some(TrainingRows::Rewards(samples)) => samples
            .into_iter()
            .map(|it| ExampleRow { advantage: Some(it.advantage), ..row(it.problem.0, it.prompt, it.completion) })
            .collect(),
    })
}

pub(super) fn batch(rows: &[ExampleRow]) -> std::result::Result<RecordBatch, ArrowError> {
    let columns: Vec<Column> = vec![
        ("method", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.method))), false),
        ("iteration", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.iteration))), false),
        ("problem", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.problem))), false),
        ("mode", Arc::new(rows.iter().map(|row| row.mode.as_deref()).collect::<StringArray>()), true),
        ("prompt", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.prompt))), false),
        ("completion", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.completion))), false),
        ("rejected", Arc::new(rows.iter().map(|row| row.rejected.as_deref()).collect::<StringArray>()), true),
        ("advantage", Arc::new(rows.iter().map(|row| row.advantage).collect::<Float64Array>()), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns)
}
