//! The training set of an iteration, for other trainers.

use crate::error::{Error, Result};
use crate::report::MethodReport;
use serde::ser::{Serialize, SerializeMap, Serializer};
use starloop_record::{IterationDir, RunDir};

/// A table of texts, as `datasets` and TRL's trainers read it. Completions to imitate have the columns `prompt`, `completion`, `problem` and
/// `mode` (`unhinted` or `hinted`). Pairs of a better and a worse completion have `prompt`, `chosen`, `rejected` and `problem`. The texts have
/// no end tokens, because these trainers add them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingSet {
    /// The iteration that learned it.
    pub iteration: u32,
    /// The names of the columns.
    pub columns: [&'static str; 4],
    /// A text for each column.
    pub rows: Vec<[String; 4]>,
}

/// The training set of an iteration; the last iteration that trained if `iteration` is `None`.
///
/// # Errors
/// The iteration learned nothing, or it learned from rewards, which no trainer reads from a file; or its file is damaged.
pub fn training_set(directory: &RunDir, method: &MethodReport, iteration: Option<u32>) -> Result<TrainingSet> {
    let mut trained = method.iterations.iter().filter(|iteration| iteration.metrics.training.is_some());
    let last = trained.next_back().map(|iteration| iteration.metrics.iteration);
    let iteration = iteration.or(last).unwrap_or_default();
    let place = directory.iteration(&method.info.name, iteration);
    if let Some(examples) = examples(&place, iteration)? {
        return Ok(examples);
    }
    if let Some(pairs) = place.preferences()? {
        let rows = pairs.into_iter().map(|pair| [pair.prompt, pair.chosen, pair.rejected, pair.problem.0]).collect();
        return Ok(TrainingSet { iteration, columns: ["prompt", "chosen", "rejected", "problem"], rows });
    }
    let from = match place.compared_file() {
        Some(file) => format!("rewards, which trainers compute and do not read; they are in {}", file.display()),
        None => "nothing".to_owned(),
    };
    let message = format!("{} learned in iteration {iteration} from {from}", method.info.name);
    Err(Error::Unexportable { path: directory.root().to_owned(), message })
}

fn examples(place: &IterationDir, iteration: u32) -> Result<Option<TrainingSet>> {
    let mut rows = Vec::new();
    let found = place.each_example(|example| {
        rows.push([example.prompt, example.completion, example.problem.0, example.mode.to_string()]);
        Ok(())
    })?;
    Ok(found.then_some(TrainingSet { iteration, columns: ["prompt", "completion", "problem", "mode"], rows }))
}

impl TrainingSet {
    /// JSON lines, an object for each row.
    ///
    /// # Errors
    /// A text cannot be written as JSON.
    pub fn json_lines(&self) -> Result<String> {
        let line = |row| Ok(serde_json::to_string(&ExampleRow { columns: &self.columns, row }).map_err(std::io::Error::from)? + "\n");
        self.rows.iter().map(line).collect()
    }

    /// A Parquet file.
    ///
    /// # Errors
    /// The file cannot be written, or the program was built without the feature `parquet`.
    pub fn parquet(&self) -> Result<Vec<u8>> {
        #[cfg(feature = "parquet")]
        return super::parquet::of_texts(&self.columns, &self.rows);
        #[cfg(not(feature = "parquet"))]
        Err(Error::MissingFeature { what: "a Parquet file", feature: "parquet" })
    }
}

/// A row as an object whose keys are the columns, in their order.
struct ExampleRow<'a> {
    columns: &'a [&'static str; 4],
    row: &'a [String; 4],
}

impl Serialize for ExampleRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for (column, text) in self.columns.iter().zip(self.row) {
            map.serialize_entry(column, text)?;
        }
        map.end()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Report;
    use crate::sample_run::{begin, learned};
    use starloop_record::Approach;
    use starloop_record::run_dir::Digests;
    use starloop_record::training_rows::{PreferencePair, RewardedSample, TrainingRows};
    use starloop_record::types::ProblemId;

    /// The training set of an iteration that learned from these rows.
    fn exported(rows: &TrainingRows) -> Result<TrainingSet> {
        let place = tempfile::tempdir().unwrap();
        let run = begin(place.path(), &[("spin", Approach::Spin)]);
        run.iteration("spin", 1).write_selection(rows, &[], &[], Digests::new()).unwrap();
        run.iteration("spin", 1).write_metrics(&learned(1, &[50], 20, 10)).unwrap();
        let report = Report::read(&[place.path().to_owned()]).unwrap();
        training_set(&run, &report.runs[0].methods[0], None)
    }

    #[test]
    fn pairs_are_exported_and_rewards_are_refused() {
        let text = |text: &str| text.to_owned();
        let problem = ProblemId(text("a"));
        let pair = PreferencePair {
            problem: problem.clone(),
            prompt: text("Q"),
            chosen: text("good \"1\""),
            rejected: text("bad"),
            rejected_cut: false,
        };
        let set = exported(&TrainingRows::Preferences(vec![pair])).unwrap();
        assert_eq!(set.json_lines().unwrap(), "{\"prompt\":\"Q\",\"chosen\":\"good \\\"1\\\"\",\"rejected\":\"bad\",\"problem\":\"a\"}\n");
        let sample = RewardedSample { problem, prompt: text("Q"), completion: text("A"), cut: false, advantage: 0.5 };
        let error = exported(&TrainingRows::Rewards(vec![sample])).unwrap_err().to_string();
        assert!(error.contains("spin learned in iteration 1 from rewards") && error.contains("rewards.jsonl"), "{error}");
    }
}
