//! The state of one sequence: what it completes, and what it has generated.

use super::sampler::Sampler;
use super::stream::TextStream;
use super::{Completion, Delivery, NewToken, Request, StopReason, Update, stop};
use crate::error::{Error, Result};
use crate::kernels::Kernels;
use crate::model::LanguageModel;
use crate::model::score::likeliest;
use std::sync::Arc;

/// One completion in progress.
#[derive(Debug)]
pub(super) struct Generation {
    /// The number of the request in the batch.
    pub(super) request_number: u64,
    /// The place of the seed in the request.
    sample: usize,
    request: Arc<Request>,
    delivery: Delivery,
    sampler: Sampler,
    tokens: Vec<u32>,
    logprobs: Vec<f32>,
    stream: TextStream,
    /// True if nobody wants the completion any more.
    pub(super) is_cancelled: bool,
}

impl Generation {
    pub(super) fn new(request_number: u64, sample: usize, request: &Arc<Request>, delivery: Delivery) -> Self {
        Generation {
            request_number,
            sample,
            sampler: Sampler::new(&request.params, request.seeds[sample]),
            request: Arc::clone(request),
            delivery,
            tokens: Vec::new(),
            logprobs: Vec::new(),
            stream: TextStream::default(),
            is_cancelled: false,
        }
    }

    /// The latest token.
    pub(super) fn last_token(&self) -> Option<u32> {
        self.tokens.last().copied()
    }

    /// Draws the next token from a row of logits. `weights` is a temporary buffer.
    pub(super) fn advance(&mut self, model: &LanguageModel<impl Kernels>, logits: &[f32], weights: &mut Vec<f32>) -> Update {
        let (request, sample) = (self.request_number, self.sample);
        match self.extended(model, logits, weights) {
            Ok((token, end)) => Update { request, sample, token, end: end.map(Ok) },
            Err(error) => Update { request, sample, token: None, end: Some(Err(error)) },
        }
    }

    fn extended(
        &mut self,
        model: &LanguageModel<impl Kernels>,
        logits: &[f32],
        weights: &mut Vec<f32>,
    ) -> Result<(Option<NewToken>, Option<Completion>)> {
        let tokens = self.request.prompt.len() + self.tokens.len();
        let not_finite = || Error::NonFiniteLogit { request: self.request_number as usize, tokens };
        let (token, logprob) = self.sampler.draw(logits, weights).ok_or_else(not_finite)?;
        self.tokens.push(token);
        self.logprobs.push(logprob);
        let end = match self.stop_reason(model)? {
            Some(stop_reason) => Some(self.complete(model, stop_reason)?),
            None => None,
        };
        let Delivery::Tokens { alternatives } = self.delivery else { return Ok((None, end)) };
        let text = match &end {
            Some(completion) => self.stream.rest(completion.text.clone()),
            None => self.stream.next(model.tokenizer(), &self.request.prompt, &self.tokens, &self.request.params)?,
        };
        Ok((Some(NewToken { id: token, logprob, text, alternatives: likeliest(logits, alternatives) }), end))
    }

    /// The reason why the sequence ends with its latest token. `None` if it continues.
    fn stop_reason(&self, model: &LanguageModel<impl Kernels>) -> Result<Option<StopReason>> {
        let Request { prompt, params, .. } = &*self.request;
        if self.tokens.last().is_some_and(|token| model.tokenizer().eos_token_ids().contains(token)) {
            return Ok(Some(StopReason::EndToken));
        }
        if let Some(stop) = stop::reached(model.tokenizer(), prompt, &self.tokens, params)? {
            return Ok(Some(StopReason::StopString(stop.to_owned())));
        }
        Ok((self.tokens.len() >= params.max_new_tokens).then_some(StopReason::Length))
    }

    /// The text of the completion: without end token, and up to the stop string.
    fn text(&self, model: &LanguageModel<impl Kernels>) -> Result<String> {
        let shown = match self.tokens.split_last() {
            Some((last, before)) if model.tokenizer().eos_token_ids().contains(last) => before,
            _ => &self.tokens,
        };
        let mut text = model.tokenizer().decode_after(&self.request.prompt, shown)?;
        if let Some((end, _)) = self.request.params.first_stop(&text) {
            text.truncate(end);
        }
        Ok(text)
    }

    fn complete(&mut self, model: &LanguageModel<impl Kernels>, stop_reason: StopReason) -> Result<Completion> {
        let text = self.text(model)?;
        Ok(Completion { tokens: std::mem::take(&mut self.tokens), logprobs: std::mem::take(&mut self.logprobs), text, stop_reason })
    }
}
