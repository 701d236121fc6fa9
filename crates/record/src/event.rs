//! Everything worth showing or logging while a run goes on, as one enum.
//!
//! The loop passes events to an [`Observer`]. The command line draws bars from them, and the run directory keeps them in `events.jsonl`. Only
//! events have times, so that every other file of a run has the same bytes when the run is repeated.

use crate::metrics::{IterationMetrics, Verification};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// A stretch of work with a beginning and an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Attempts without the answer.
    Sampling,
    /// Attempts with the answer as a hint, for the problems that failed.
    Rationalizing,
    /// Asking again about rationalizations, without the hint or with a wrong one.
    CheckingHints,
    /// Training on what was kept.
    FineTuning,
    /// Measuring accuracy on held-out problems.
    Evaluating,
    /// Measuring the chosen model on the problems of the final figure.
    FinalEvaluation,
    /// Sampling candidates for held-out problems, for a verifier to choose among.
    Proposing,
    /// Scoring them with the verifier.
    Verifying,
    /// Training a base model from scratch.
    Pretraining,
}

/// The kind of event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run began, or was resumed.
    RunStarted {
        /// The run's name.
        run: String,
        /// True if earlier work was found and kept.
        resumed: bool,
    },
    /// A stage began.
    StageStarted {
        /// The method's name in the config.
        method: String,
        /// The outer iteration, 0 for the base.
        iteration: u32,
        /// The stage.
        stage: Stage,
        /// Problems (sampling, evaluating) or steps (training) in it.
        #[serde(deserialize_with = "crate::types::counts::count")]
        total: u64,
    },
    /// A stage moved on. Not kept in `events.jsonl`.
    StageProgress {
        /// Problems or steps done.
        done: u64,
        /// Tokens sampled or trained so far in this stage.
        tokens: u64,
        /// The loss of the latest step (natural logarithm, per target token), when training.
        loss: Option<f64>,
    },
    /// A stage ended.
    StageFinished {
        /// The method's name in the config.
        method: String,
        /// The outer iteration.
        iteration: u32,
        /// The stage.
        stage: Stage,
        /// Tokens sampled or trained in it.
        #[serde(deserialize_with = "crate::types::counts::count")]
        tokens: u64,
        /// Wall-clock seconds that it took.
        seconds: f64,
        /// True if its result was found in the run directory instead of being computed.
        reused: bool,
    },
    /// An iteration ended; its figures are those of `metrics.json`.
    IterationFinished {
        /// The method's name in the config.
        method: String,
        /// The figures.
        metrics: Box<IterationMetrics>,
    },
    /// A method's best model was measured for the final figure.
    MethodFinished {
        /// The method's name in the config.
        method: String,
        /// The figures of the iteration that made the model, with the accuracy on the final split.
        metrics: Box<IterationMetrics>,
    },
    /// A verifier was measured.
    Verified {
        /// The method's name in the config.
        method: String,
        /// The figures.
        verification: Box<Verification>,
    },
    /// Something that the user should know and that does not stop the run.
    Warning {
        /// The warning, and the remedy.
        message: String,
    },
    /// The run ended with an error. It can be resumed.
    RunFailed {
        /// The error.
        message: String,
    },
    /// The run ended well.
    RunFinished {
        /// Wall-clock seconds since it was started or resumed.
        seconds: f64,
    },
}

/// Receives the events of a run while it goes on.
pub trait Observer {
    /// Receives an event. [`ControlFlow::Break`] cancels the run: it stops as soon as it can, and keeps everything that is finished. A cancelled
    /// run can be resumed.
    fn observe(&mut self, event: &Event) -> ControlFlow<()>;
}
