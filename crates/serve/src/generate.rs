//! From a checked request to an answer: prompts are encoded, the engine completes them, and the results become a body or a stream.

use crate::answer::{End, Endpoint, Head, Usage};
use crate::engine::{Engine, EngineEvent, Job};
use crate::error::{ApiError, Refused};
use crate::pieces::{self, Piece};
use crate::request::{ChatRequest, CompletionRequest, Prompts, Sampling};
use serde_json::Value;
use starloop_lm::engine::{Completion, Delivery, NewToken, Request, StopReason, Update};
use starloop_lm::score::ScoredToken;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A request whose prompts are encoded.
pub(crate) struct Prepared {
    pub(crate) engine: Arc<Engine>,
    pub(crate) head: Head,
    pub(crate) sampling: Sampling,
    pub(crate) prompts: Vec<Vec<u32>>,
    /// True if the answer begins with the prompt.
    pub(crate) echo: bool,
}

/// The work of the engine in progress. Dropping it cancels the work.
pub(crate) struct Running {
    pub(crate) prepared: Prepared,
    pub(crate) events: UnboundedReceiver<EngineEvent>,
    /// Completions that are not finished.
    pub(crate) missing: usize,
    pub(crate) usage: Usage,
}

impl Prepared {
    /// Encodes the prompts of a request for completions. `longest` limits the tokens of a completion.
    pub(crate) fn completion(engine: Arc<Engine>, name: &str, request: CompletionRequest, longest: usize) -> Result<Self, ApiError> {
        let CompletionRequest { prompts, echo, sampling } = request;
        let tokenizer = engine.model.tokenizer();
        let prompts = match prompts {
            Prompts::Tokens(lists) => lists,
            Prompts::Texts(texts) => {
                let encoded = texts.iter().map(|text| tokenizer.encode(text, true)).collect::<Result<_, _>>();
                encoded.map_err(|error| ApiError::of_engine(&error))?
            }
        };
        let head = Head::new(Endpoint::Completion, name, &engine.sha256);
        Prepared { engine, head, sampling, prompts, echo }.checked(longest)
    }

    /// Renders and encodes the conversation of a request.
    pub(crate) fn chat(engine: Arc<Engine>, name: &str, request: ChatRequest, longest: usize) -> Result<Self, ApiError> {
        let ChatRequest { messages, variables, sampling } = request;
        let prompt = engine.model.encode_conversation(&messages, variables).map_err(|error| ApiError::of_engine(&error))?;
        let head = Head::new(Endpoint::Chat, name, &engine.sha256);
        Prepared { engine, head, sampling, prompts: vec![prompt], echo: false }.checked(longest)
    }

    /// Sets the number of new tokens, and checks each prompt as the engine does.
    fn checked(mut self, longest: usize) -> Result<Self, ApiError> {
        let prompt_tokens = self.prompts.iter().map(Vec::len).max().unwrap_or(0);
        let wanted = self.sampling.max_tokens;
        if wanted.is_some_and(|wanted| wanted > longest) {
            let message = format!("max_tokens is {}, and this server generates at most {longest}", wanted.unwrap_or_default());
            return Err(ApiError::of_key("max_tokens", message));
        }
        let rest = self.engine.longest.saturating_sub(prompt_tokens).clamp(1, longest);
        self.sampling.params.max_new_tokens = wanted.unwrap_or(rest);
        let model = &self.engine.model;
        for (place, request) in self.requests().iter().enumerate().filter(|(_, request)| !request.seeds.is_empty()) {
            request.check(place, model.spec()).map_err(|error| ApiError::of_engine(&error))?;
        }
        Ok(self)
    }

    /// The engine's requests. A prompt that is only scored has no seeds.
    fn requests(&self) -> Vec<Request> {
        let params = &self.sampling.params;
        let seeds = if params.max_new_tokens == 0 { Vec::new() } else { self.sampling.seeds.clone() };
        let request = |prompt: &Vec<u32>| Request { prompt: prompt.clone(), seeds: seeds.clone(), params: params.clone() };
        self.prompts.iter().map(request).collect()
    }

    /// Completions of a prompt.
    pub(crate) fn samples(&self) -> usize {
        self.sampling.seeds.len()
    }

    /// Begins the work. The engine reports each token if `is_streamed`, or if more than the tokens' own log-probabilities are wanted.
    pub(crate) fn begin(self, is_streamed: bool) -> Result<Running, ApiError> {
        let (events, receiver) = unbounded_channel();
        let alternatives = self.sampling.logprobs.unwrap_or(0);
        let delivery = if is_streamed || alternatives > 0 { Delivery::Tokens { alternatives } } else { Delivery::Completions };
        let scoring = self.sampling.logprobs.filter(|_| self.echo);
        let requests = self.requests();
        let missing = requests.iter().map(|request| request.seeds.len()).sum();
        if !self.engine.submit(Job { requests, delivery, scoring, events }) {
            return Err(engine_failed());
        }
        let usage = Usage { prompt_tokens: self.prompts.iter().map(Vec::len).sum(), completion_tokens: 0 };
        Ok(Running { prepared: self, events: receiver, missing, usage })
    }

    /// The text and the tokens of a prompt that is repeated in the answer.
    pub(crate) fn echoed(&self, prompt: usize, scores: &[Vec<Option<ScoredToken>>]) -> Result<(String, Vec<Piece>), ApiError> {
        if !self.echo {
            return Ok((String::new(), Vec::new()));
        }
        let scores = scores.get(prompt).map_or(&[][..], Vec::as_slice);
        let tokenizer = self.engine.model.tokenizer();
        pieces::of_prompt(tokenizer, &self.prompts[prompt], scores).map_err(|error| ApiError::of_engine(&error))
    }

    /// A finished choice of a whole answer.
    fn choice(&self, prompt: usize, sample: usize, scores: &[Vec<Option<ScoredToken>>], result: &Finished) -> Result<Value, ApiError> {
        let (mut text, mut pieces) = self.echoed(prompt, scores)?;
        let Finished { tokens, completion } = result;
        let end = match completion {
            Some(completion) => {
                text += &completion.text;
                if self.sampling.logprobs.is_some() {
                    let tokenizer = self.engine.model.tokenizer();
                    let generated = pieces::of_completion(tokenizer, &self.prompts[prompt], completion, tokens);
                    pieces.extend(generated.map_err(|error| ApiError::of_engine(&error))?);
                }
                End { reason: completion.stop_reason.clone(), last_token: completion.tokens.last().copied() }
            }
            None => End { reason: StopReason::Length, last_token: None },
        };
        let logprobs = self.head.logprobs(&pieces, self.sampling.logprobs, 0);
        Ok(self.head.choice(prompt * self.samples() + sample, &text, &end, &logprobs))
    }
}

/// The tokens of a choice, where the engine reports them, and its completion.
#[derive(Default)]
struct Finished {
    tokens: Vec<NewToken>,
    completion: Option<Completion>,
}

impl Running {
    /// Waits for all results. Returns the body of the answer.
    pub(crate) async fn whole(mut self) -> Result<String, ApiError> {
        let (samples, mut scores) = (self.prepared.samples(), Vec::new());
        let mut finished: Vec<Finished> = Vec::new();
        finished.resize_with(self.prepared.prompts.len() * samples, Finished::default);
        let mut is_scored = self.prepared.sampling.logprobs.is_none() || !self.prepared.echo;
        while self.missing > 0 || !is_scored {
            match self.events.recv().await.ok_or_else(engine_failed)? {
                EngineEvent::Failed(error) => return Err(ApiError::of_engine(&error)),
                EngineEvent::Scored(all) => (scores, is_scored) = (all, true),
                EngineEvent::Update(prompt, Update { sample, token, end, .. }) => {
                    let finished = &mut finished[prompt * samples + sample];
                    finished.tokens.extend(token);
                    if let Some(end) = end {
                        let completion = end.map_err(|error| ApiError::of_engine(&error))?;
                        self.missing -= 1;
                        self.usage.completion_tokens += completion.tokens.len();
                        finished.completion = Some(completion);
                    }
                }
            }
        }
        let Running { prepared, usage, .. } = self;
        let body = move || {
            let place = |place: usize| (place / samples, place % samples);
            let choices = finished.iter().enumerate().map(|(at, finished)| {
                let (prompt, sample) = place(at);
                prepared.choice(prompt, sample, &scores, finished)
            });
            Ok(prepared.head.whole(choices.collect::<Result<_, _>>()?, usage).to_string())
        };
        // The texts of thousands of tokens take a while.
        tokio::task::spawn_blocking(body).await.map_err(|_| engine_failed())?
    }
}

/// The engine's thread has ended without an answer.
pub(crate) fn engine_failed() -> ApiError {
    ApiError::new(Refused::Failed, "the engine failed; the log of the server says why")
}
