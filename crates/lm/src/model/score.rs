//! Log-probabilities of given texts, by training's forward pass.

use super::LanguageModel;
use crate::decoder::{Packed, TrainingMemory};
use crate::error::{Error, Result};
use crate::kernels::Kernels;

/// How far a call that samples or scores has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Completions that are finished, or texts that are scored.
    pub finished: u64,
    /// Tokens that were generated or scored.
    pub tokens: u64,
}

/// Tokens that go through the model at once; a longer document goes alone. A document's scores do not depend on it.
const BATCH_TOKENS: usize = 4096;

/// A document of which only the end is scored, such as an answer after its prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The whole document.
    pub tokens: Vec<u32>,
    /// Where the end begins; nothing is scored before it, nor the first token, which nothing stands before.
    pub from: usize,
}

impl<K: Kernels> LanguageModel<K> {
    /// The log-probability (natural logarithm) of each token given those before; the first has none.
    pub fn score(&self, tokens: &[u32]) -> Result<Vec<Option<f32>>> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let scores = self.score_tails(&[Tail { tokens: tokens.to_vec(), from: 1 }], &mut |_| {})?;
        Ok(std::iter::once(None).chain(scores.into_iter().flatten().map(Some)).collect())
    }

    /// The log-probability of each token from [`Tail::from`] on, given the tokens before it, document by document. `progress` counts documents
    /// and their tokens.
    ///
    /// # Errors
    /// A document is longer than the model's context.
    pub fn score_tails(&self, documents: &[Tail], progress: &mut dyn FnMut(Progress)) -> Result<Vec<Vec<f32>>> {
        let limit = self.spec().context;
        if let Some((document, long)) = documents.iter().enumerate().find(|(_, document)| document.tokens.len() > limit) {
            return Err(Error::DocumentTooLong { document, tokens: long.tokens.len(), what: "the model's context", limit });
        }
        // Nothing goes back, so no layer's activations are kept for it.
        let mut memory = TrainingMemory::new(self.decoder.kernels()).with_recomputation();
        let (mut scores, mut tokens) = (Vec::with_capacity(documents.len()), 0);
        while scores.len() < documents.len() {
            let (batch, packed) = next_batch(&documents[scores.len()..]);
            let losses = if packed.rows.is_empty() { Vec::new() } else { self.decoder.losses(&packed, &mut memory) };
            let mut losses = losses.into_iter().map(|loss| -loss);
            scores.extend(batch.iter().map(|document| losses.by_ref().take(document.scored().len()).collect()));
            tokens += packed.tokens.len() as u64;
            progress(Progress { finished: scores.len() as u64, tokens });
        }
        Ok(scores)
    }
}

impl Tail {
    /// The places of the tokens that are scored.
    fn scored(&self) -> std::ops::Range<usize> {
        self.from.max(1).min(self.tokens.len())..self.tokens.len()
    }
}

/// The first document and as many more as fit beside it, end to end.
fn next_batch(documents: &[Tail]) -> (&[Tail], Packed) {
    let mut packed = Packed { offsets: vec![0], ..Packed::default() };
    let mut taken = 0;
    for document in documents {
        let begin = packed.tokens.len();
        if taken > 0 && begin + document.tokens.len() > BATCH_TOKENS {
            break;
        }
        for target in document.scored() {
            packed.rows.push((begin + target - 1) as u32);
            packed.targets.push(document.tokens[target]);
        }
        packed.tokens.extend(&document.tokens);
        packed.positions.extend(0..document.tokens.len() as u32);
        packed.offsets.push(packed.tokens.len());
        taken += 1;
    }
    (&documents[..taken], packed)
}
