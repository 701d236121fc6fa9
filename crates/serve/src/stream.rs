//! Answers that are sent token by token, as server-sent events.

use crate::answer::End;
use crate::engine::EngineEvent;
use crate::error::ApiError;
use crate::generate::{Running, engine_failed};
use crate::pieces;
use crate::request::Sending;
use serde_json::Value;
use starloop_lm::engine::{NewToken, StopReason, Update};
use starloop_lm::score::ScoredToken;
use std::collections::VecDeque;

/// The data of the last event.
const DONE: &str = "[DONE]";

/// The state of one choice.
#[derive(Default)]
struct Choice {
    /// The tokens of the prompt and those that were generated.
    tokens: Vec<u32>,
    /// Characters that were sent.
    sent: usize,
    has_begun: bool,
}

/// An answer in progress. Dropping it cancels the work.
pub(crate) struct Stream<G> {
    running: Running,
    choices: Vec<Choice>,
    /// The data of events that are ready.
    ready: VecDeque<String>,
    is_done: bool,
    /// Dropped with the stream.
    _guard: G,
}

impl<G> Stream<G> {
    pub(crate) fn new(running: Running, guard: G) -> Self {
        let prepared = &running.prepared;
        let choice = |place: usize| Choice { tokens: prepared.prompts[place / prepared.samples()].clone(), ..Choice::default() };
        let choices = (0..prepared.prompts.len() * prepared.samples()).map(choice).collect();
        Stream { running, choices, ready: VecDeque::new(), is_done: false, _guard: guard }
    }

    /// The data of the next event. Nothing after the last one.
    pub(crate) async fn next(&mut self) -> Option<String> {
        while self.ready.is_empty() && !self.is_done {
            if let Err(error) = self.advance().await {
                // The status was sent, so the error is an event.
                self.ready.push_back(error.body().to_string());
                self.is_done = true;
            }
        }
        self.ready.pop_front()
    }

    /// Handles one event of the engine, or the end.
    async fn advance(&mut self) -> Result<(), ApiError> {
        let prepared = &self.running.prepared;
        if self.choices.iter().all(|choice| choice.has_begun) && self.running.missing == 0 {
            self.finish();
            return Ok(());
        }
        // Without log-probabilities, the repeated prompt needs no work.
        if prepared.echo && prepared.sampling.logprobs.is_none() && self.choices.iter().any(|choice| !choice.has_begun) {
            return self.send_prompts(&[]);
        }
        match self.running.events.recv().await.ok_or_else(engine_failed)? {
            EngineEvent::Failed(error) => Err(ApiError::of_engine(&error)),
            EngineEvent::Scored(scores) => self.send_prompts(&scores),
            EngineEvent::Update(prompt, update) => self.send_token(prompt, update),
        }
    }

    /// Sends each choice's prompt as its first part.
    fn send_prompts(&mut self, scores: &[Vec<Option<ScoredToken>>]) -> Result<(), ApiError> {
        let Running { prepared, .. } = &self.running;
        for (index, choice) in self.choices.iter_mut().enumerate() {
            let (text, pieces) = prepared.echoed(index / prepared.samples(), scores)?;
            let logprobs = prepared.head.logprobs(&pieces, prepared.sampling.logprobs, 0);
            let end = (prepared.sampling.params.max_new_tokens == 0).then_some(End { reason: StopReason::Length, last_token: None });
            let part = prepared.head.choice_part(index, &text, true, end.as_ref(), &logprobs);
            self.ready.push_back(prepared.head.part(vec![part], None).to_string());
            (choice.has_begun, choice.sent) = (true, text.chars().count());
        }
        Ok(())
    }

    fn send_token(&mut self, prompt: usize, update: Update) -> Result<(), ApiError> {
        let Update { sample, token, end, .. } = update;
        let prepared = &self.running.prepared;
        let index = prompt * prepared.samples() + sample;
        let Some(choice) = self.choices.get_mut(index) else { return Ok(()) };
        let end = match end.transpose().map_err(|error| ApiError::of_engine(&error))? {
            Some(completion) => {
                self.running.missing -= 1;
                self.running.usage.completion_tokens += completion.tokens.len();
                Some(End { reason: completion.stop_reason, last_token: completion.tokens.last().copied() })
            }
            None => None,
        };
        let Some(token) = token else { return Ok(()) };
        let wanted = prepared.sampling.logprobs;
        if token.text.is_empty() && wanted.is_none() && end.is_none() && choice.has_begun {
            choice.tokens.push(token.id);
            return Ok(());
        }
        let logprobs = if wanted.is_some() {
            let piece = pieces::of_token(prepared.engine.model.tokenizer(), &choice.tokens, &token);
            prepared.head.logprobs(&[piece.map_err(|error| ApiError::of_engine(&error))?], wanted, choice.sent)
        } else {
            Value::Null
        };
        let NewToken { id, text, .. } = token;
        let part = prepared.head.choice_part(index, &text, !choice.has_begun, end.as_ref(), &logprobs);
        self.ready.push_back(prepared.head.part(vec![part], None).to_string());
        choice.tokens.push(id);
        choice.sent += text.chars().count();
        choice.has_begun = true;
        Ok(())
    }

    fn finish(&mut self) {
        let Running { prepared, usage, .. } = &self.running;
        if prepared.sampling.sending == Sending::StreamWithUsage {
            self.ready.push_back(prepared.head.part(Vec::new(), Some(*usage)).to_string());
        }
        self.ready.push_back(DONE.to_owned());
        self.is_done = true;
    }
}
