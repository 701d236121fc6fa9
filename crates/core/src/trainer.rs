//! What fine-tunes a checkpoint on examples. The loop hands over text and gets a directory back.

use crate::config::TrainingConfig;
use crate::error::{Error, Result};
use crate::metrics::TrainingMetrics;
use crate::objective::Objective;
use crate::types::Example;
use std::path::Path;

pub mod command;
pub mod embedded;
mod workplace;

pub(crate) use workplace::Workplace;

/// One fine-tuning, fully described.
#[derive(Debug, Clone, Copy)]
pub struct FineTuning<'a> {
    /// The checkpoint to start from (a directory).
    pub start: &'a Path,
    /// What to learn; never empty.
    pub examples: &'a [Example],
    /// Optimizer, packing and schedule.
    pub settings: &'a TrainingConfig,
    /// Optimizer steps of this fine-tuning.
    pub steps: u64,
    /// The seed of the order of examples.
    pub seed: u64,
    /// Where the new checkpoint is written: a directory that is not there yet.
    pub output: &'a Path,
    /// A directory for state in the middle of the work; it outlives a crash and is removed after success. It may not exist yet.
    pub scratch: &'a Path,
}

/// Where a training starts and ends, and how it is done, whatever is learned.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// The checkpoint to start from (a directory).
    pub start: &'a Path,
    /// Optimizer, packing and schedule.
    pub settings: &'a TrainingConfig,
    /// Optimizer steps.
    pub steps: u64,
    /// The seed of the order of what is learned.
    pub seed: u64,
    /// Where the new checkpoint is written: a directory that is not there yet.
    pub output: &'a Path,
    /// A directory for state in the middle of the work, as of [`FineTuning`].
    pub scratch: &'a Path,
}

impl<'a> FineTuning<'a> {
    /// All but the examples.
    pub fn training(&self) -> Training<'a> {
        let FineTuning { start, settings, steps, seed, output, scratch, .. } = *self;
        Training { start, settings, steps, seed, output, scratch }
    }
}

/// How far a fine-tuning has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingProgress {
    /// Optimizer steps done.
    pub step: u64,
    /// Tokens that went through the model so far.
    pub tokens: u64,
    /// The loss of the latest step (natural logarithm, per target token).
    pub loss: f64,
}

/// Fine-tunes. Implementations: the embedded trainer, a program of the user's, and test doubles.
pub trait Trainer {
    /// Writes the fine-tuned checkpoint to `job.output`. Progress is told step by step, of the steps before an interruption too, so that the
    /// curve of the loss is whole. The same job gives the same bytes, also when an earlier try was interrupted and
    /// left its state in `job.scratch`; of a program of the user's, as far as it keeps to that.
    fn finetune(&mut self, job: &FineTuning<'_>, progress: &mut dyn FnMut(TrainingProgress)) -> Result<TrainingMetrics>;

    /// Writes the checkpoint that `training` toward `objective` makes, and otherwise does as [`Trainer::finetune`]. Not every trainer can.
    ///
    /// # Errors
    /// [`Error::ObjectiveNotSupported`], unless the trainer has a method of its own.
    fn optimize(
        &mut self,
        _training: &Training<'_>,
        objective: &Objective<'_>,
        _progress: &mut dyn FnMut(TrainingProgress),
    ) -> Result<TrainingMetrics> {
        Err(Error::ObjectiveNotSupported { objective: objective.name() })
    }
}
