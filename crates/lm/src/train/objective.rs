//! Losses that are functions of the log-probabilities of target tokens.
//!
//! By the chain rule, the gradient of such a loss is the sum of the gradients of the log-probabilities, each times the derivative of the loss
//! by that log-probability. An objective computes these derivatives and needs no model. The backward pass of the decoder is that of
//! cross-entropy with one factor for each target.

use super::Document;
use crate::error::{Error, InvalidSetting, Result};

/// A training example: one document or several that an objective compares. Its documents go through the model together.
pub trait Unit: Clone {
    /// The documents.
    fn documents(&self) -> &[Document];

    /// Tokens of the documents.
    fn token_count(&self) -> usize {
        self.documents().iter().map(|document| document.tokens().len()).sum()
    }

    /// Tokens that carry loss.
    fn target_count(&self) -> usize {
        self.documents().iter().map(Document::target_count).sum()
    }
}

impl Unit for Document {
    fn documents(&self) -> &[Document] {
        std::slice::from_ref(self)
    }
}

/// The size of a batch. An objective that is a mean divides by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize {
    /// Units in the batch.
    pub units: usize,
    /// Tokens of the units.
    pub tokens: usize,
    /// Tokens that carry loss.
    pub targets: usize,
}

impl BatchSize {
    /// Counts a batch.
    ///
    /// # Errors
    /// [`Error::NothingToLearn`] if no token carries loss.
    pub fn of<U: Unit>(batch: &[U]) -> Result<Self> {
        let (tokens, targets) = (batch.iter().map(Unit::token_count).sum(), batch.iter().map(Unit::target_count).sum());
        if targets == 0 { Err(Error::NothingToLearn) } else { Ok(BatchSize { units: batch.len(), tokens, targets }) }
    }
}

/// The part of a unit in the loss of its batch.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitLoss {
    /// The part. The loss of the batch is the sum over its units.
    pub loss: f64,
    /// The derivative of `loss` by the log-probability of each target of the unit, document after document.
    pub logprob_grads: Vec<f32>,
}

/// A loss that is a function of the log-probabilities of target tokens.
pub trait Objective {
    /// The training example that the loss is defined on.
    type Unit: Unit;

    /// Checks the settings. [`TrainingSession::step_toward`](super::TrainingSession::step_toward) does so first.
    ///
    /// # Errors
    /// The first value that cannot be used.
    fn check(&self) -> Result<(), InvalidSetting> {
        Ok(())
    }

    /// Checks the data of a unit. [`TrainingSession::step_toward`](super::TrainingSession::step_toward) does so first.
    ///
    /// # Errors
    /// The fault of the data, and the expected data.
    fn check_unit(&self, unit: &Self::Unit) -> Result<(), String> {
        let _ = unit;
        Ok(())
    }

    /// The part of the unit in the loss of a batch of this size, where its targets have these log-probabilities (natural logarithm).
    fn unit_loss(&self, unit: &Self::Unit, logprobs: &[f32], batch: BatchSize) -> UnitLoss;
}

/// The loss of `units`, whose targets have these log-probabilities in order, and its derivative by each of them.
///
/// # Errors
/// The objective returns another number of derivatives than the unit has targets.
pub(super) fn total_loss<O: Objective>(objective: &O, units: &[O::Unit], logprobs: &[f32], batch: BatchSize) -> Result<(f64, Vec<f32>)> {
    let mut loss = 0.0;
    let mut grads = Vec::with_capacity(logprobs.len());
    for (index, unit) in units.iter().enumerate() {
        let targets = unit.target_count();
        let part = objective.unit_loss(unit, &logprobs[grads.len()..][..targets], batch);
        let returned = part.logprob_grads.len();
        if returned != targets {
            let problem = format!("the objective returned {returned} derivatives, expected one for each of its {targets} targets");
            return Err(Error::InvalidUnit { unit: index, problem });
        }
        loss += part.loss;
        grads.extend(part.logprob_grads);
    }
    Ok((loss, grads))
}

/// The first unit with a document of more than `limit` tokens, and the tokens of that document.
pub(super) fn longer_than<U: Unit>(limit: usize, units: &[U]) -> Option<(usize, usize)> {
    let longest = |unit: &U| unit.documents().iter().map(|document| document.tokens().len()).max().unwrap_or(0);
    units.iter().map(longest).enumerate().find(|(_, tokens)| *tokens > limit)
}
