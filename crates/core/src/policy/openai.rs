//! The policy that samples on servers that speak `OpenAI`'s completions: vLLM, `SGLang`, llama.cpp, mistral.rs, `transformers serve`.
//!
//! `launch.rs` starts a server for each checkpoint where the config says how. `reload.rs` makes a running server load another checkpoint.
//! `dialect.rs` knows the requests that each server expects, and `logprobs.rs` reads what it says of tokens. `dispatch.rs` sends many at once,
//! through `external::http`.

use super::{Completion, Keep, Policy, Progress, PromptRequest, SamplingParams};
use crate::config::{ModelConfig, PromptForm, RecordConfig, ServerKind, ServingConfig};
use crate::error::{EngineContext, Error, Result, with_causes};
use crate::external::http::{Failure, HttpClient, HttpError, HttpErrorKind, RetryPolicy, without_password};
use dialect::{Dialect, Prompt};
use dispatch::{Arrival, Dispatch, Job, Manner, Outcome, Refusal};
use launch::Server;
use logprobs::Logprobs;
use rayon::prelude::*;
use reload::{Doubt, Reloading};
use serde_json::Value;
use starloop_lm::checkpoint::weights_sha256;
use starloop_lm::model::PromptEncoder;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

mod dialect;
mod dispatch;
mod launch;
mod logprobs;
mod reload;
#[cfg(test)]
mod tests;

/// How long to wait for a server that is not there when a checkpoint is to be sampled.
const ABSENT: Duration = Duration::from_secs(120);
/// The longest time that a busy server can ask for with `Retry-After`.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);
/// Time between two looks whether servers still run, and whether the patience is over.
const LOOK: Duration = Duration::from_millis(500);

/// Samples on servers.
#[derive(Debug)]
pub struct OpenAiPolicy {
    config: ServingConfig,
    chat: bool,
    client: Arc<HttpClient>,
    /// Where launched servers write what they say.
    log: PathBuf,
    served: Option<Served>,
    /// The adapter that running servers were last told to load.
    adapter: Option<String>,
    record: RecordConfig,
}

/// A checkpoint that is served.
#[derive(Debug)]
struct Served {
    /// Base addresses.
    endpoints: Vec<String>,
    /// The name that it is asked by.
    model: String,
    prompts: Arc<PromptEncoder<'static>>,
    /// The servers that were launched for it.
    servers: Vec<Server>,
    /// How running servers were told to load it, and whether each may have forgotten it.
    reloading: Option<Arc<(Reloading, Vec<Doubt>)>>,
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
        Ok(OpenAiPolicy { config, chat: model.chat, client, log, served: None, adapter: None, record })
    }

    /// The same policy, whose completions hold what `[record]` asks for, as far as the servers return it.
    #[must_use]
    pub fn recording(self, record: RecordConfig) -> Self {
        OpenAiPolicy { record, ..self }
    }

    /// The servers to ask, started for this checkpoint where they are ours.
    fn serve(&mut self, checkpoint: &Path, sha256: &str) -> Result<Served> {
        let prompts = Arc::new(PromptEncoder::load(checkpoint, self.chat).during("reading a tokenizer")?);
        let directory = std::path::absolute(checkpoint)?.display().to_string();
        let mut model = self.config.model.replace("{checkpoint}", &directory);
        let (mut endpoints, mut servers) = (self.config.endpoints.clone(), Vec::new());
        if !self.config.launch.is_empty() {
            endpoints.clear();
            for replica in 0..self.config.replicas {
                let server = Server::start(&self.config.launch, &directory, replica, &self.log)?;
                endpoints.push(server.endpoint());
                servers.push(server);
            }
            let limit = Duration::from_secs_f64(self.config.start_seconds);
            let health = self.config.health.as_deref().unwrap_or(health_path(self.config.server));
            servers.iter_mut().try_for_each(|server| server.wait(&self.client, health, limit))?;
        }
        let mut names = vec![model.clone()];
        let reloading = self.config.reload.as_ref().map(|reload| Reloading::new(reload, checkpoint, sha256)).transpose()?;
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
        let doubts = || endpoints.iter().map(|_| Doubt::default()).collect();
        let reloading = reloading.map(|reloading| Arc::new((reloading, doubts())));
        Ok(Served { endpoints, model, prompts, servers, reloading })
    }

    /// Calls a server that may be starting or busy, again as long as `may_pass` holds of the failure. An error begins with `problem`.
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
                Err(_) => std::thread::sleep(LOOK),
            }
        }
    }

    /// Whether a server lists the model that it will be asked for, by one of these names. One that has no list is taken at its word: its
    /// answers name the model.
    fn check_model(&self, endpoint: &str, models: &[String]) -> Result<()> {
        if self.config.server == ServerKind::Transformers {
            // Its list is that of a cache on its disk; a directory is loaded when it is asked for.
            return Ok(());
        }
        let list = || match self.client.get_json(&format!("{}/models", endpoint.trim_end_matches('/'))) {
            Err(error) if error.status() == Some(404) => Ok(Value::Null),
            answer => answer,
        };
        let list = self.patiently(endpoint, "the list of its models cannot be read", list, |failure| failure != Failure::Permanent)?;
        let entries = list["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        let names: Vec<&str> = entries.iter().flat_map(|entry| [entry["id"].as_str(), entry["root"].as_str()]).flatten().collect();
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

    /// The requests in the order of their prompts, some completions of one prompt together. Each prompt is encoded once.
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

    /// What puts one job to a server.
    fn ask(&self, served: &Served, params: &SamplingParams) -> Box<dispatch::Ask> {
        let (client, prompts, reloading) = (Arc::clone(&self.client), Arc::clone(&served.prompts), served.reloading.clone());
        let endpoints = served.endpoints.clone();
        let urls: Vec<String> = served.endpoints.iter().map(|endpoint| format!("{}/completions", endpoint.trim_end_matches('/'))).collect();
        let dialect = Dialect {
            server: self.config.server,
            logprobs: self.config.wants_logprobs(),
            stop_at_server: self.config.stop_at_server,
            model: served.model.clone(),
            end_tokens: prompts.tokenizer().end_tokens().to_vec(),
            params: params.clone(),
        };
        Box::new(move |server, job| {
            let url = &urls[server];
            let refused = |error: starloop_lm::Error| HttpError::new(without_password(url), HttpErrorKind::Request).caused_by(error);
            // These are counted only, so text without a token may count as the unknown token.
            let encode = |text: &str| prompts.encode_lossy(text).map_err(refused);
            let count = |text: &str| prompts.tokenizer().encode_lossy(text, false).map_err(refused).map(|ids| ids.len());
            let seed = job.samples.first().map_or(0, |(_, seed)| *seed);
            let put = || {
                let answer = client.post_json(url, &dialect.request(&job.prompt, job.samples.len(), seed))?;
                let read = dialect.read(answer, job.samples.len());
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
            let arrive = |(choice, &(place, _)): (dialect::Choice, &(usize, u64))| {
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
        let told: Vec<String> = dispatch.last_errors().into_iter().flatten().collect();
        let problem = format!(
            "no answer for {:.0} s (policy.patience_seconds){}; what was answered is kept, and a run goes on from there with --resume",
            self.config.patience_seconds,
            if told.is_empty() { String::new() } else { format!("; {}", told.join("; ")) }
        );
        server_error(&served.endpoints.join(", "), problem, None)
    }
}

impl Policy for OpenAiPolicy {
    fn load(&mut self, checkpoint: &Path) -> Result<String> {
        // The old servers go first: two may not fit.
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
        progress: &mut dyn FnMut(Progress),
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
        keep: &mut Keep<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<()> {
        let served = self.served.as_ref().ok_or(Error::NoCheckpoint)?;
        let (servers, ask) = (served.endpoints.len(), self.ask(served, params));
        let retry = RetryPolicy { attempts: self.config.tries, longest_retry_after: LONGEST_RETRY_AFTER };
        let manner = Manner { in_flight: self.config.in_flight, retry };
        let dispatch = Dispatch::begin(self.jobs(served, requests)?, servers, manner, ask)?;
        let wanted = requests.iter().map(|request| request.seeds.len() as u64).sum();
        let (mut state, mut last) = (Progress { finished: 0, tokens: 0 }, Instant::now());
        while state.finished < wanted {
            match dispatch.next(LOOK) {
                Some(Outcome::Samples(arrivals)) => {
                    last = Instant::now();
                    for arrival in arrivals {
                        let (place, completion) = (arrival.place, self.completion(arrival));
                        keep(place, &completion)?;
                        state.finished += 1;
                        state.tokens += completion.completion_tokens as u64;
                    }
                    progress(state);
                }
                Some(Outcome::Refused(place, message)) => {
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
    // What cannot stand in a header would be shown by an error about it.
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("the environment variable {name} has to hold the API key (visible ASCII, no blanks)");
        return Err(Error::ConfigValue { origin: "the environment".into(), key: "policy.api_key_env".into(), message });
    }
    Ok(key)
}

/// What answers 200 at a server's root once it serves.
fn health_path(server: ServerKind) -> &'static str {
    match server {
        ServerKind::LlamaCppPython | ServerKind::OpenAi => "/v1/models",
        _ => "/health",
    }
}
