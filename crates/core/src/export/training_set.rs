//! What an iteration learned from, for other trainers.

use super::parquet;
use crate::error::{Error, Result};
use crate::report::MethodReport;
use crate::run_dir::RunDir;
use serde::Serialize;

/// An example, as `datasets` and TRL's trainers read it: loss on the completion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Learned {
    /// What the model is shown.
    pub prompt: String,
    /// What it learns to write; the end token is understood.
    pub completion: String,
    /// The problem's id.
    pub problem: String,
    /// `unhinted` or `hinted`: how the completion was found.
    pub mode: String,
}

/// The examples of an iteration of a method, the last that trained if none is named.
///
/// # Errors
/// The iteration has none, or its file is damaged.
pub fn training_set(directory: &RunDir, method: &MethodReport, iteration: Option<u32>) -> Result<Vec<Learned>> {
    let mut trained = method.iterations.iter().filter(|iteration| iteration.metrics.training.is_some());
    let last = trained.next_back().map(|iteration| iteration.metrics.iteration);
    let iteration = iteration.or(last).unwrap_or_default();
    let mut learned = Vec::new();
    let place = directory.iteration(&method.name, iteration);
    let found = place.each_example(|example| {
        let (problem, mode) = (example.problem.0, example.mode.to_string());
        learned.push(Learned { prompt: example.prompt, completion: example.completion, problem, mode });
        Ok(())
    })?;
    if !found {
        let from = match place.compared_file() {
            Some(file) => format!("no completions to imitate, but from what stands in {}", file.display()),
            None => "nothing".to_owned(),
        };
        let message = format!("{} learned in iteration {iteration} from {from}", method.name);
        return Err(Error::Unexportable { path: directory.root().to_owned(), message });
    }
    Ok(learned)
}

impl Learned {
    /// JSON lines.
    ///
    /// # Errors
    /// None that texts make.
    pub fn json_lines(learned: &[Learned]) -> Result<String> {
        learned.iter().map(|example| Ok(serde_json::to_string(example).map_err(std::io::Error::from)? + "\n")).collect()
    }

    /// A Parquet file of four columns of text.
    ///
    /// # Errors
    /// None that writing to memory makes.
    pub fn parquet(learned: &[Learned]) -> Result<Vec<u8>> {
        let columns: [parquet::Column<'_, Learned>; 4] = [
            ("prompt", |example| &example.prompt),
            ("completion", |example| &example.completion),
            ("problem", |example| &example.problem),
            ("mode", |example| &example.mode),
        ];
        parquet::of_texts(learned, &columns)
    }
}
