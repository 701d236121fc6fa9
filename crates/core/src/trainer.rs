//! Fine-tunes a checkpoint on examples. The loop hands over text and gets a directory back.

use crate::config::TrainingConfig;
use crate::error::Result;
use crate::metrics::TrainingMetrics;
use crate::selection::TrainingData;
use std::ops::ControlFlow;
use std::path::Path;

pub mod command;
pub mod embedded;
pub mod finetune;
pub mod pretrain;
mod workplace;

pub(crate) use workplace::Workplace;

/// One fine-tuning, fully described.
#[derive(Debug, Clone, Copy)]
pub struct TrainingJob<'a> {
    /// The checkpoint to start from (a directory).
    pub base: &'a Path,
    /// The training data. Never empty.
    pub data: &'a TrainingData,
    /// The checkpoint that the penalty of [`Loss::PolicyGradient`](crate::selection::Loss::PolicyGradient) holds to; `None` for other losses.
    pub anchor: Option<&'a Path>,
    /// Optimizer, packing and schedule.
    pub settings: &'a TrainingConfig,
    /// Optimizer steps of this fine-tuning.
    pub steps: u64,
    /// The seed of the order of the rows.
    pub seed: u64,
    /// The directory that the new checkpoint is written to. It does not exist yet.
    pub output: &'a Path,
    /// A directory for the state of an unfinished training. It outlives a crash and is removed after success. It may not exist yet.
    pub scratch: &'a Path,
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

/// Fine-tunes. Implementations: the embedded trainer, a program of the user, and test doubles.
pub trait Trainer: Send {
    /// Writes the fine-tuned checkpoint to `job.output`. Reports progress for every step, including the steps before an interruption, so that
    /// the curve of the loss is complete. The same job gives the same bytes, also if an earlier try was interrupted and left its state in
    /// `job.scratch`; for a program of the user, as far as the program ensures it. If `progress` returns [`ControlFlow::Break`], the
    /// training stops as soon as it can.
    ///
    /// # Errors
    /// [`Error::Cancelled`](crate::error::Error::Cancelled) after `Break`, and
    /// [`Error::ObjectiveNotSupported`](crate::error::Error::ObjectiveNotSupported) if the trainer does not have the loss of the data.
    fn train(&mut self, job: &TrainingJob<'_>, progress: &mut dyn FnMut(TrainingProgress) -> ControlFlow<()>) -> Result<TrainingMetrics>;

    /// The learning rate of a step (from 1) of a job with `settings` and `steps`; `None` if the trainer does not know it.
    fn learning_rate(&self, _settings: &TrainingConfig, _steps: u64, _step: u64) -> Option<f64> {
        None
    }
}
