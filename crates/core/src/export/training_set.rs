//! What an iteration learned from, for other trainers.

use super::parquet;
use crate::error::{Error, Result};
use crate::report::MethodReport;
use crate::run_dir::{IterationDir, RunDir};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A table of texts, as `datasets` and TRL's trainers read it: what is imitated in the columns `prompt`, `completion`, `problem` and `mode`
/// (`unhinted` or `hinted`: how it was found), pairs of a better and a worse completion in `prompt`, `chosen`, `rejected` and `problem`. End
/// tokens are understood, as these trainers add them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingSet {
    /// The names of the columns.
    pub columns: [&'static str; 4],
    /// A text for each column.
    pub rows: Vec<[String; 4]>,
}

/// What an iteration of a method learned from, the last that trained if none is named.
///
/// # Errors
/// The iteration learned nothing, or from rewards, which no trainer takes from a file; or its file is damaged.
pub fn training_set(directory: &RunDir, method: &MethodReport, iteration: Option<u32>) -> Result<TrainingSet> {
    let mut trained = method.iterations.iter().filter(|iteration| iteration.metrics.training.is_some());
    let last = trained.next_back().map(|iteration| iteration.metrics.iteration);
    let iteration = iteration.or(last).unwrap_or_default();
    let place = directory.iteration(&method.name, iteration);
    if let Some(examples) = examples(&place)? {
        return Ok(examples);
    }
    if let Some(pairs) = place.preferences()? {
        let rows = pairs.into_iter().map(|pair| [pair.prompt, pair.chosen, pair.rejected, pair.problem.0]).collect();
        return Ok(TrainingSet { columns: ["prompt", "chosen", "rejected", "problem"], rows });
    }
    let from = match place.compared_file() {
        Some(file) => format!("rewards, which trainers compute and do not read; they stand in {}", file.display()),
        None => "nothing".to_owned(),
    };
    let message = format!("{} learned in iteration {iteration} from {from}", method.name);
    Err(Error::Unexportable { path: directory.root().to_owned(), message })
}

fn examples(place: &IterationDir) -> Result<Option<TrainingSet>> {
    let mut rows = Vec::new();
    let found = place.each_example(|example| {
        rows.push([example.prompt, example.completion, example.problem.0, example.mode.to_string()]);
        Ok(())
    })?;
    Ok(found.then_some(TrainingSet { columns: ["prompt", "completion", "problem", "mode"], rows }))
}

impl TrainingSet {
    /// JSON lines, an object for each row.
    ///
    /// # Errors
    /// None that texts make.
    pub fn json_lines(&self) -> Result<String> {
        let line = |row| Ok(serde_json::to_string(&Row { columns: &self.columns, row }).map_err(std::io::Error::from)? + "\n");
        self.rows.iter().map(line).collect()
    }

    /// A Parquet file.
    ///
    /// # Errors
    /// None that writing to memory makes.
    pub fn parquet(&self) -> Result<Vec<u8>> {
        parquet::of_texts(&self.columns, &self.rows)
    }
}

/// A row as an object whose keys are the columns, in their order.
struct Row<'a> {
    columns: &'a [&'static str; 4],
    row: &'a [String; 4],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for (column, text) in self.columns.iter().zip(self.row) {
            map.serialize_entry(column, text)?;
        }
        map.end()
    }
}
