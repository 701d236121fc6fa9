//! Losses that are functions of the log-probabilities of target tokens.
//!
//! The gradient of such a loss is the gradient of the log-probabilities, each times the derivative of the loss by it. So an objective says
//! these derivatives and knows no model, and the decoder's way back is that of cross-entropy with a factor for each target.

use super::Document;
use crate::error::{Error, Result};

/// What is weighed as one, and goes through the model at once: a document, or several.
pub trait Unit: Clone {
    /// Its documents.
    fn documents(&self) -> &[Document];

    /// Tokens of its documents.
    fn tokens(&self) -> usize {
        self.documents().iter().map(|document| document.tokens.len()).sum()
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

/// The size of a batch, which a mean over it divides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize {
    /// Units in it.
    pub units: usize,
    /// Their tokens.
    pub tokens: usize,
    /// Those that carry loss.
    pub targets: usize,
}

impl BatchSize {
    /// Counts a batch; one in which nothing carries loss is refused.
    pub fn of<U: Unit>(batch: &[U]) -> Result<Self> {
        let (tokens, targets) = (batch.iter().map(Unit::tokens).sum(), batch.iter().map(Unit::target_count).sum());
        if targets == 0 { Err(Error::NothingToLearn) } else { Ok(BatchSize { units: batch.len(), tokens, targets }) }
    }
}

/// A unit's part in the loss of its batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighed {
    /// The part; the loss of the batch is the sum of its units' parts.
    pub loss: f64,
    /// The derivative of the part by the log-probability of each of the unit's targets, document after document.
    pub slopes: Vec<f32>,
}

/// A loss over the log-probabilities of target tokens.
pub trait Objective {
    /// What it weighs as one.
    type Unit: Unit;

    /// The unit's part in the loss of a batch of this size, where its targets have these log-probabilities (natural logarithm).
    fn weigh(&self, unit: &Self::Unit, logprobs: &[f32], batch: BatchSize) -> Weighed;
}

/// The summed loss of `units`, whose targets have these log-probabilities in their order, and its derivative by each.
pub(super) fn weigh_all<O: Objective>(objective: &O, units: &[O::Unit], logprobs: &[f32], batch: BatchSize) -> (f64, Vec<f32>) {
    let mut loss = 0.0;
    let mut slopes = Vec::with_capacity(logprobs.len());
    for unit in units {
        let own = &logprobs[slopes.len()..][..unit.target_count()];
        let weighed = objective.weigh(unit, own, batch);
        debug_assert_eq!(weighed.slopes.len(), own.len());
        loss += weighed.loss;
        slopes.extend(weighed.slopes);
    }
    (loss, slopes)
}

/// The first unit with a document of more than `limit` tokens, and that document's tokens.
pub(super) fn longer_than<U: Unit>(limit: usize, units: &[U]) -> Option<(usize, usize)> {
    let longest = |unit: &U| unit.documents().iter().map(|document| document.tokens.len()).max().unwrap_or(0);
    units.iter().map(longest).enumerate().find(|(_, tokens)| *tokens > limit)
}
