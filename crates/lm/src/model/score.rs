//! Log-probabilities of given texts, by the forward pass of training.

use super::LanguageModel;
use crate::decoder::{DecoderSpec, Packed, TrainingMemory};
use crate::error::{Error, Result};
use crate::kernels::{Kernels, exponentials};
use std::ops::ControlFlow;

/// The progress of a call that samples or scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Finished completions, or scored documents.
    pub finished: u64,
    /// Generated tokens, or tokens of scored documents.
    pub tokens: u64,
}

/// Tokens that go through the model at once. A longer document goes alone. The scores do not depend on this constant.
const BATCH_TOKENS: usize = 4096;

/// A document whose end is scored, such as an answer after its prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The whole document.
    pub tokens: Vec<u32>,
    /// The first token to score, counted from 0. Token 0 has no context, so 0 means the same as 1.
    pub from: usize,
}

/// The score of a token of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredToken {
    /// Its log-probability (natural logarithm) given the tokens before it.
    pub logprob: f32,
    /// The likeliest tokens at its place with their log-probabilities, the likeliest first.
    pub alternatives: Vec<(u32, f32)>,
}

/// The `count` likeliest tokens of a row of finite logits with their log-probabilities, the likeliest first.
pub(crate) fn likeliest(logits: &[f32], count: usize) -> Vec<(u32, f32)> {
    let count = count.min(logits.len());
    if count == 0 {
        return Vec::new();
    }
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    let by_logit = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
    if count < order.len() {
        order.select_nth_unstable_by(count - 1, by_logit);
        order.truncate(count);
    }
    order.sort_unstable_by(by_logit);
    let largest = logits[order[0] as usize];
    let total = libm::log(exponentials(logits, largest, 1.0, &mut Vec::new()));
    order.into_iter().map(|token| (token, (f64::from(logits[token as usize] - largest) - total) as f32)).collect()
}

impl<K: Kernels> LanguageModel<K> {
    /// The log-probability (natural logarithm) of each token given the tokens before it. The first token has none.
    ///
    /// ```
    /// use starloop_lm::LanguageModel;
    /// use std::path::Path;
    ///
    /// let model = LanguageModel::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/models/arithmetic"))?;
    /// let tokens = model.tokenizer().encode("Input:\n6 2 4 + 2 5 9\nTarget:\n", true)?;
    /// let logprobs = model.score(&tokens)?;
    /// assert_eq!(logprobs.len(), tokens.len());
    /// assert!(logprobs[0].is_none() && logprobs[1].is_some_and(|logprob| logprob < 0.0));
    /// # Ok::<(), starloop_lm::Error>(())
    /// ```
    ///
    /// # Errors
    /// The document is longer than the model's context, or has a token that is not in the vocabulary.
    pub fn score(&self, tokens: &[u32]) -> Result<Vec<Option<f32>>> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let scores = self.score_tails(&[Tail { tokens: tokens.to_vec(), from: 1 }], &mut |_| ControlFlow::Continue(()))?;
        Ok(std::iter::once(None).chain(scores.into_iter().flatten().map(Some)).collect())
    }

    /// As [`LanguageModel::score`], and for each token but the first the `alternatives` likeliest tokens at its place.
    ///
    /// # Errors
    /// As [`LanguageModel::score`].
    pub fn score_with_alternatives(&self, tokens: &[u32], alternatives: usize) -> Result<Vec<Option<ScoredToken>>> {
        let logprobs = self.score(tokens)?;
        let mut likeliest_at = vec![Vec::new(); tokens.len().saturating_sub(1)];
        if alternatives > 0 && tokens.len() > 1 {
            let (_, packed) = next_batch(&[Tail { tokens: tokens.to_vec(), from: 1 }]);
            let mut memory = TrainingMemory::new(self.decoder.kernels()).with_recomputation();
            let mut places = likeliest_at.iter_mut();
            self.decoder.each_logits(&packed, &mut memory, |row| {
                if let Some(place) = places.next() {
                    *place = likeliest(row, alternatives);
                }
            });
        }
        let scored = logprobs.into_iter().zip(std::iter::once(Vec::new()).chain(likeliest_at)).zip(tokens);
        let scored = scored.map(|((logprob, mut alternatives), &token)| {
            let logprob = logprob?;
            // The two are computed by different sums, which must not differ for the same token.
            alternatives.iter_mut().filter(|(id, _)| *id == token).for_each(|(_, of_token)| *of_token = logprob);
            Some(ScoredToken { logprob, alternatives })
        });
        Ok(scored.collect())
    }

    /// The log-probability of each token from [`Tail::from`] on, given the tokens before it, document by document. Calls `progress` after each
    /// batch of documents.
    ///
    /// # Errors
    /// [`Tail::check`] fails. [`Error::Cancelled`] if `progress` returns [`ControlFlow::Break`].
    pub fn score_tails(&self, documents: &[Tail], progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Vec<Vec<f32>>> {
        for (index, document) in documents.iter().enumerate() {
            document.check(index, self.spec())?;
        }
        // There is no backward pass, so the activations of the layers are not kept.
        let mut memory = TrainingMemory::new(self.decoder.kernels()).with_recomputation();
        let (mut scores, mut tokens) = (Vec::with_capacity(documents.len()), 0);
        while scores.len() < documents.len() {
            let (batch, packed) = next_batch(&documents[scores.len()..]);
            let losses = if packed.rows.is_empty() { Vec::new() } else { self.decoder.losses(&packed, &mut memory) };
            let mut losses = losses.into_iter().map(|loss| -loss);
            scores.extend(batch.iter().map(|document| losses.by_ref().take(document.scored().len()).collect()));
            tokens += packed.tokens.len() as u64;
            if progress(Progress { finished: scores.len() as u64, tokens }).is_break() {
                return Err(Error::Cancelled { work: "scoring" });
            }
        }
        Ok(scores)
    }
}

impl Tail {
    /// Checks the document for a model with this specification. [`LanguageModel::score_tails`] does so first. `index` is the document's place in
    /// the call; errors name it.
    ///
    /// # Errors
    /// The document is longer than the model's context, has a token that is not in the vocabulary, or ends before [`Tail::from`].
    pub fn check(&self, index: usize, spec: &DecoderSpec) -> Result<()> {
        let (tokens, from, limit) = (self.tokens.len(), self.from, spec.context);
        if tokens > limit {
            return Err(Error::DocumentTooLong { document: index, tokens, what: "the model's context", limit });
        }
        if from > tokens {
            return Err(Error::TailBeginsAfterEnd { document: index, tokens, from });
        }
        spec.check_tokens("document", index, &self.tokens)
    }

    /// The positions of the tokens that are scored.
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
