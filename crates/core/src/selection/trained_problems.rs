//! The problems that a checkpoint was trained on. The checkpoint keeps their identities in a file, so that no config, split or run measures
//! accuracy on a problem that the model has learned.

use crate::error::{Error, Result};
use crate::task::{Identity, Task};
use crate::types::{Mode, Problem, Split};
use serde::{Deserialize, Serialize};
use starloop_lm::files::peft;
use starloop_record::atomic::{self, regular};
use std::collections::BTreeSet;
use std::path::Path;

/// The file's name in a checkpoint directory.
pub const TRAINED_PROBLEMS: &str = "trained_problems.json";

/// The identities of the problems that a model was trained on, those of the models that it was fine-tuned from included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainedProblems {
    /// Each as [`Identity`](crate::task::Identity) writes it.
    pub identities: BTreeSet<String>,
}

impl TrainedProblems {
    /// Reads the record of a checkpoint directory, and that of the base of adapters. A model from elsewhere has none.
    ///
    /// # Errors
    /// A file cannot be read, or does not hold such a record.
    pub fn of_checkpoint(directory: &Path) -> Result<Self> {
        let mut trained = Self::in_directory(directory)?;
        // An adapter without a base is an error where its weights are read.
        if peft::is_adapter(directory)
            && let Ok(base) = peft::base_of(directory)
        {
            trained.identities.extend(Self::in_directory(&base)?.identities);
        }
        Ok(trained)
    }

    fn in_directory(directory: &Path) -> Result<Self> {
        let path = directory.join(TRAINED_PROBLEMS);
        if !path.exists() {
            return Ok(TrainedProblems::default());
        }
        let text = regular::read_to_string(&path)?;
        serde_json::from_str(&text).map_err(|source| Error::Json { path, source })
    }

    /// Writes the record into a checkpoint directory, unless it is empty.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<()> {
        if self.identities.is_empty() {
            return Ok(());
        }
        let path = directory.join(TRAINED_PROBLEMS);
        let text = serde_json::to_string_pretty(self).map_err(|source| Error::Json { path: path.clone(), source })?;
        Ok(atomic::write(&path, (text + "\n").as_bytes())?)
    }

    /// Refuses to measure the model in `checkpoint`, which this is the record of, on the problems of `split` that measure iteration
    /// `iteration`.
    ///
    /// # Errors
    /// [`Error::TrainedOnHeldOut`] if the model was trained on one of them.
    pub fn refuse(&self, checkpoint: &Path, task: &dyn Task, split: Split, iteration: u32) -> Result<()> {
        if self.identities.is_empty() {
            return Ok(());
        }
        let problems = task.evaluation_problems(split, iteration);
        let is_trained = |problem: &&Problem| {
            // Rows for `starloop train` can hold the question or the whole prompt.
            let prompt = task.prompt(problem, Mode::Unhinted);
            let [question, prompt] = [&problem.question, &prompt].map(|text| Identity::of_texts([text.as_str()]));
            let identities = [task.identity(problem), Identity::of_question(problem), question, prompt];
            identities.iter().any(|identity| self.identities.contains(&identity.to_string()))
        };
        let mut trained = problems.iter().filter(is_trained);
        let Some(first) = trained.next() else { return Ok(()) };
        Err(Error::TrainedOnHeldOut {
            checkpoint: checkpoint.to_owned(),
            split: split.name(),
            trained: 1 + trained.count(),
            measured: problems.len(),
            problem: first.id.to_string(),
        })
    }
}
