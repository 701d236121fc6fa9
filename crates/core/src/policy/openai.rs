//! The policy that samples on servers that speak `OpenAI`'s completions: `starloop serve`, vLLM, `SGLang`, llama.cpp, mistral.rs,
//! `transformers serve`.
//!
//! `launch.rs` starts a server for each checkpoint. `reload.rs` makes a running server load another checkpoint. `dialect.rs` writes the requests
//! that each server expects and checks the answers. `answer.rs` and `logprobs.rs` read the answers. `dispatch.rs` sends many requests at once,
//! through `external::http`.

use super::{Completion, OnCompletion, Policy, Progress, PromptRequest, SamplingParams};
use crate::config::{ModelConfig, PromptForm, RecordConfig, ServerKind, ServingConfig};
use crate::error::masks::without_password;
use crate::error::{EngineContext, Error, OrCancelled, Result, with_causes};
use crate::external::http::{Failure, HttpClient, HttpError, HttpErrorKind, RetryPolicy};
use answer::ModelList;
use dialect::{Dialect, Prompt};
use dispatch::{Arrival, Dispatch, Job, Limits, Refusal, ServerOutcome};
use launch::Server;
use logprobs::Logprobs;
use rayon::prelude::*;
use reload::{Reloading, RestartCheck};
use starloop_lm::checkpoint::weights_sha256;
use starloop_lm::files::chat::Chat;
use starloop_lm::model::PromptEncoder;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

mod answer;
mod dialect;
mod dispatch;
mod launch;
mod logprobs;
mod reload;
#[cfg(test)]
mod tests;

/// Time to wait for a server that cannot be reached when a stage begins.
const ABSENT: Duration = Duration::from_secs(120);
/// The longest time that a busy server can ask for with `Retry-After`.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);
/// Time between two checks whether servers still run, and whether `policy.patience_seconds` is over.
const POLL: Duration = Duration::from_millis(500);
/// Bytes of a text whose tokens are counted at once.
const PART: usize = 16 << 10;

/// Samples on servers.
#[derive(Debug)]
pub struct OpenAiPolicy {
    config: ServingConfig,
    chat: Chat,
    client: Arc<HttpClient>,
    /// The log of launched servers.
    log: PathBuf,
    served: Option<Served>,
    /// The adapter that running servers loaded last.
    adapter: Option<String>,
    record: RecordConfig,
}

/// A checkpoint that servers serve.
#[derive(Debug)]
struct Served {
    /// Base addresses.
    endpoints: Vec<String>,
    /// The name of the model in requests.
    model: String,
    /// The SHA-256 of its weights.
    sha256: String,
    prompts: Arc<PromptEncoder<'static>>,
    /// The servers that were launched for it.
    servers: Vec<Server>,
    /// How running servers load it, and for each server whether it may have restarted since.
    reloading: Option<Arc<(Reloading, Vec<RestartCheck>)>>,
}

impl OpenAiPolicy {
    /// A policy that asks as `[policy]` says; servers that it launches write into the file `log`.
    ///
    /// # Errors
    /// The API key is not in the environment.
    pub fn new(config: &ServingConfig, model: &ModelConfig, log: PathBuf) -> Result<Self> {
        let key = config.api_key_env.as_ref().map(|name| api_key(name)).transpose()?;
        let client = HttpClient::for_api(key, config.in_flight, Duration::from_secs_f64(config.request_seconds));
        let (config, client, record) = (config.clone(), Arc::new(client), RecordConfig::default());
        Ok(OpenAiPolicy { config, chat: model.chat(), client, log, served: None, adapter: None, record })
    }

    /// The same policy, whose completions hold what `[record]` asks for, as far as the servers return it.
    #[must_use]
    pub fn recording(self, record: RecordConfig) -> Self {
        OpenAiPolicy { record, ..self }
    }

    /// The servers of this checkpoint. Launches them if the config says so.
    fn serve(&mut self, checkpoint: &Path, sha256: &str) -> Result<Served> {
        let prompts = Arc::new(PromptEncoder::load(checkpoint, self.chat.clone()).during("reading a tokenizer")?);
        let directory = std::path::absolute(checkpoint)?.display().to_string();
        let mut model = self.config.model.replace("{checkpoint}", &directory);
        let (mut endpoints, mut servers) = (self.config.endpoints.clone(), Vec::new());
        if !self.config.launch.is_empty() {
            endpoints.clear();
            for replica in 0..self.config.replicas {
                let server = Server::start(&self.config, &directory, replica, &self.log)?;
                endpoints.push(server.endpoint());
                servers.push(server);
            }
            let limit = Duration::from_secs_f64(self.config.start_seconds);
            let health = self.config.health.as_deref().unwrap_or(health_path(self.config.server));
            servers.iter_mut().try_for_each(|server| server.wait(&self.client, health, limit))?;
        }
        let mut names = vec![model.clone()];
        let reloading = self.config.reload.as_ref().map(|reload| Reloading::new(reload, &self.config, checkpoint, sha256)).transpose()?;
        if let Some(reloading) = &reloading {
            let before = self.adapter.take();
            for endpoint in &endpoints {
                let load = || reloading.load(&self.client, endpoint, before.as_deref());
                // A server that is there and failed would fail again.
                let is_absent = |failure| matches!(failure, Failure::Unreachable | Failure::Busy { .. });
                self.patiently(endpoint, &format!("loading {} failed", reloading.directory()), load, is_absent)?;
            }
            self.adapter = reloading.adapter().map(str::to_owned);
            names = self.adapter.iter().cloned().collect();
            if names.is_empty() {
                names = [Some(model.as_str()), reloading.alias()].into_iter().flatten().map(str::to_owned).collect();
            }
            model.clone_from(&names[0]);
        }
        endpoints.iter().try_for_each(|endpoint| self.check_model(endpoint, &names))?;
        let doubts = || endpoints.iter().map(|_| RestartCheck::default()).collect();
        let reloading = reloading.map(|reloading| Arc::new((reloading, doubts())));
        Ok(Served { endpoints, model, sha256: sha256.to_owned(), prompts, servers, reloading })
    }

    /// Calls a server that may be starting or busy. Repeats the call while `may_pass` holds for the failure. An error begins with `problem`.
    fn patiently<T>(
        &self,
        endpoint: &str,
        problem: &str,
        call: impl Fn() -> Result<T, HttpError>,
        may_pass: impl Fn(Failure) -> bool,
    ) -> Result<T> {
        let (began, limit) = (Instant::now(), ABSENT.min(Duration::from_secs_f64(self.config.patience_seconds)));
        loop {
            match call() {
                Ok(answer) => return Ok(answer),
                Err(error) if began.elapsed() > limit || !may_pass(error.failure()) => {
                    return Err(server_error(endpoint, problem.to_owned(), Some(advised(error))));
                }
                Err(_) => std::thread::sleep(POLL),
            }
        }
    }

    /// Checks that a server lists the model by one of these names. A server without a list passes, because its answers name the model.
    fn check_model(&self, endpoint: &str, models: &[String]) -> Result<()> {
        if matches!(self.config.server, ServerKind::Transformers | ServerKind::Starloop) {
            // `transformers` lists the models of a cache on its disk. Both load a directory at the first request that names it. A request to
            // `starloop serve` also names the digest of the weights.
            return Ok(());
        }
        let list = || match self.client.get_json(&format!("{}/models", endpoint.trim_end_matches('/')), answer::LONGEST_LIST) {
            Err(error) if error.status() == Some(404) => Ok(ModelList::default()),
            answer => answer,
        };
        let list = self.patiently(endpoint, "the list of its models cannot be read", list, |failure| failure != Failure::Permanent)?;
        let names: Vec<&str> = list.names().collect();
        if names.is_empty() || names.iter().any(|name| models.iter().any(|model| dialect::is_name_of(name, model))) {
            return Ok(());
        }
        let problem = format!(
            "serves {}, and not {:?}; start it with that name, or set policy.model to the name of the checkpoint",
            names.join(", "),
            models[0]
        );
        Err(server_error(endpoint, problem, None))
    }

    /// The requests in the order of their prompts. One request can ask for several completions of a prompt. Each prompt is encoded once.
    ///
    /// # Errors
    /// The chat template or the tokenizer refuses a prompt.
    fn jobs(&self, served: &Served, requests: &[PromptRequest]) -> Result<Vec<Job>> {
        let form = self.config.prompt_form();
        let encode = |(request, PromptRequest { prompt, .. }): (usize, &PromptRequest)| match form {
            PromptForm::Text => Ok(Arc::new(Prompt::Text(prompt.clone()))),
            PromptForm::Tokens => match served.prompts.encode(prompt) {
                Ok(ids) => Ok(Arc::new(Prompt::Tokens(ids))),
                Err(error) => Err(Error::Request { request, problem: None, source: error.into() }),
            },
        };
        let prompts = requests.par_iter().enumerate().map(encode).collect::<Result<Vec<_>>>()?;
        let places = first_places(requests);
        let mut order: Vec<usize> = (0..requests.len()).collect();
        order.sort_by(|&a, &b| requests[a].prompt.cmp(&requests[b].prompt));
        let mut jobs: Vec<Job> = Vec::new();
        for request in order {
            for (place, &seed) in (places[request]..).zip(&requests[request].seeds) {
                match jobs.last_mut() {
                    Some(job) if job.prompt == prompts[request] && job.samples.len() < self.config.samples_at_once() => {
                        job.samples.push((place, seed));
                    }
                    _ => jobs.push(Job { prompt: Arc::clone(&prompts[request]), samples: vec![(place, seed)], failures: 0 }),
                }
            }
        }
        Ok(jobs)
    }

    /// The function that sends one job to a server.
    fn ask(&self, served: &Served, params: &SamplingParams) -> Box<dispatch::Ask> {
        let (client, prompts, reloading) = (Arc::clone(&self.client), Arc::clone(&served.prompts), served.reloading.clone());
        let endpoints = served.endpoints.clone();
        let urls: Vec<String> = served.endpoints.iter().map(|endpoint| format!("{}/completions", endpoint.trim_end_matches('/'))).collect();
        let dialect = Dialect {
            server: self.config.server,
            logprobs: self.config.wants_logprobs(),
            stop_at_server: self.config.stop_at_server,
            model: served.model.clone(),
            sha256: served.sha256.clone(),
            end_tokens: prompts.tokenizer().eos_token_ids().to_vec(),
            params: params.clone(),
        };
        Box::new(move |server, job| {
            let url = &urls[server];
            let refused = |error: starloop_lm::Error| HttpError::new(without_password(url), HttpErrorKind::Request).caused_by(error);
            // These are counted only, so text without a token may count as the unknown token.
            let encode = |text: &str| prompts.encode_lossy(text).map_err(refused);
            let tokens = |part: &str| prompts.tokenizer().encode_lossy(part, false).map_err(refused).map(|ids| ids.len());
            let count = |text: &str| -> Result<usize, HttpError> { parts(text).map(tokens).sum() };
            let seed = job.samples.first().map_or(0, |(_, seed)| *seed);
            let put = || {
                let n = job.samples.len();
                let limit = dialect.longest_answer(&job.prompt, n);
                let answer = client.post_json(url, &dialect.request(&job.prompt, n, seed), limit)?;
                let read = dialect.read(answer, &job.prompt, n);
                read.map_err(|message| HttpError::new(without_password(url), HttpErrorKind::Answer(message)))
            };
            let answer = match reloading.as_deref() {
                None => put(),
                Some((reloading, doubts)) => {
                    let removed = doubts[server].remove(reloading, &client, &endpoints[server])?;
                    put().inspect_err(|error| doubts[server].raise(error, reloading, removed))
                }
            }?;
            let prompt_tokens = match (&*job.prompt, answer.prompt_tokens) {
                (Prompt::Tokens(ids), _) => ids.len(),
                (Prompt::Text(_), Some(counted)) => counted,
                (Prompt::Text(text), None) => encode(text)?.len(),
            };
            let only = answer.completion_tokens.filter(|_| answer.choices.len() == 1 && !answer.choices[0].is_cut_here);
            let arrive = |(choice, &(place, _)): (dialect::ServerChoice, &(usize, u64))| {
                let completion_tokens = match (only, &choice.logprobs) {
                    (Some(counted), _) => counted,
                    (None, Some(logprobs)) => logprobs.logprobs.len(),
                    // The end token is not in the text.
                    (None, None) => count(&choice.text)? + 1,
                };
                Ok(Arrival { place, choice, prompt_tokens, completion_tokens })
            };
            answer.choices.into_iter().zip(&job.samples).map(arrive).collect()
        })
    }

    /// A launched server that has ended, as an error.
    fn check_servers(&mut self) -> Result<()> {
        let mut servers = self.served.iter_mut().flat_map(|served| &mut served.servers);
        servers.try_for_each(Server::check)
    }

    fn out_of_patience(&self, dispatch: &Dispatch, served: &Served) -> Error {
        let errors: Vec<String> = dispatch.last_errors().into_iter().flatten().collect();
        let problem = format!(
            "no answer for {:.0} s (policy.patience_seconds){}; the answers so far are kept, and resuming the run continues from them",
            self.config.patience_seconds,
            if errors.is_empty() { String::new() } else { format!("; {}", errors.join("; ")) }
        );
        server_error(&served.endpoints.iter().map(|endpoint| without_password(endpoint)).collect::<Vec<_>>().join(", "), problem, None)
    }
}

impl Policy for OpenAiPolicy {
    fn load(&mut self, checkpoint: &Path) -> Result<String> {
        // The old servers stop first, because the memory may not hold both.
        self.served = None;
        let sha256 = weights_sha256(checkpoint).during("reading a checkpoint")?;
        self.served = Some(self.serve(checkpoint, &sha256)?);
        Ok(sha256)
    }

    fn unload(&mut self) {
        self.served = None;
    }

    fn keeps_journal(&self) -> bool {
        true
    }

    fn sample(
        &mut self,
        requests: &[PromptRequest],
        params: &SamplingParams,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<Completion>> {
        let mut completions = BTreeMap::new();
        let mut keep = |place: usize, completion: &Completion| {
            completions.insert(place, completion.clone());
            Ok(())
        };
        self.sample_each(requests, params, &mut keep, progress)?;
        Ok(completions.into_values().collect())
    }

    fn sample_each(
        &mut self,
        requests: &[PromptRequest],
        params: &SamplingParams,
        keep: &mut OnCompletion<'_>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<()> {
        let served = self.served.as_ref().ok_or(Error::NoCheckpoint)?;
        let (servers, ask) = (served.endpoints.len(), self.ask(served, params));
        let retry = RetryPolicy { attempts: self.config.tries, longest_retry_after: LONGEST_RETRY_AFTER };
        let limits = Limits { in_flight: self.config.in_flight, retry };
        let dispatch = Dispatch::begin(self.jobs(served, requests)?, servers, limits, ask)?;
        let wanted = requests.iter().map(|request| request.seeds.len() as u64).sum();
        let (mut state, mut last) = (Progress { finished: 0, tokens: 0 }, Instant::now());
        while state.finished < wanted {
            match dispatch.next(POLL) {
                Some(ServerOutcome::Samples(arrivals)) => {
                    last = Instant::now();
                    for arrival in arrivals {
                        let (place, completion) = (arrival.place, self.completion(arrival));
                        keep(place, &completion)?;
                        state.finished += 1;
                        state.tokens += completion.completion_tokens as u64;
                    }
                    progress(state).or_cancelled()?;
                }
                Some(ServerOutcome::Refused(place, message)) => {
                    let request = first_places(requests).partition_point(|&first| first <= place) - 1;
                    return Err(Error::Request { request, problem: None, source: describe(message).into() });
                }
                None => {
                    self.check_servers()?;
                    let served = self.served.as_ref().ok_or(Error::NoCheckpoint)?;
                    if last.elapsed().as_secs_f64() > self.config.patience_seconds {
                        return Err(self.out_of_patience(&dispatch, served));
                    }
                }
            }
        }
        Ok(())
    }
}

impl OpenAiPolicy {
    fn completion(&self, arrival: Arrival) -> Completion {
        let Arrival { choice, prompt_tokens, completion_tokens, .. } = arrival;
        let logprobs = choice.logprobs.as_ref();
        Completion {
            prompt_tokens,
            completion_tokens,
            logprob: logprobs.map(|logprobs| logprobs.logprobs.iter().sum()),
            tokens: logprobs.filter(|_| self.record.token_logprobs).and_then(Logprobs::tokens),
            text: choice.text,
            stop_reason: choice.stop_reason,
        }
    }
}

/// A long text in parts, because a tokenizer takes hundreds of bytes of memory for each byte of a text.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = (0..=PART.min(rest.len())).rev().find(|&end| rest.is_char_boundary(end)).unwrap_or(0);
        let (part, after) = rest.split_at(end);
        rest = after;
        (!part.is_empty()).then_some(part)
    })
}

/// For each request the place of its first completion in the result of the call.
fn first_places(requests: &[PromptRequest]) -> Vec<usize> {
    let places = requests.iter().scan(0, |next, request| {
        let first = *next;
        *next += request.seeds.len();
        Some(first)
    });
    places.collect()
}

/// The text of a refusal, with its causes.
fn describe(Refusal { failures, error }: Refusal) -> String {
    let error = with_causes(&advised(error));
    if failures == 0 { error } else { format!("failed {failures} times, the last time: {error}") }
}

/// The error with the key of `[policy]` that may help.
fn advised(error: HttpError) -> HttpError {
    match (error.status(), error.failure()) {
        (Some(401 | 403), _) => error.with_hint("the server wants an API key: policy.api_key_env names the variable that holds it"),
        (Some(404), _) => error.with_hint(
            "policy.endpoints names the address before /completions, such as http://127.0.0.1:8000/v1, of a server that completes texts",
        ),
        (None, Failure::Timeout) => error.with_hint("policy.request_seconds limits the time of an answer"),
        _ => error,
    }
}

fn server_error(endpoint: &str, problem: String, source: Option<HttpError>) -> Error {
    Error::Server { endpoint: without_password(endpoint), problem, source: source.map(Into::into) }
}

/// The key in an environment variable.
fn api_key(name: &str) -> Result<String> {
    let key = std::env::var(name).unwrap_or_default();
    // An error about a header would show a key that does not fit into a header.
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("the environment variable {name} is empty or has characters other than visible ASCII; set it to the API key");
        return Err(Error::ConfigValue { origin: "the environment".into(), key: "policy.api_key_env".into(), message });
    }
    Ok(key)
}

/// The path at a server's root that answers 200 when the server is ready.
fn health_path(server: ServerKind) -> &'static str {
    match server {
        ServerKind::LlamaCppPython | ServerKind::OpenAi => "/v1/models",
        _ => "/health",
    }
}
