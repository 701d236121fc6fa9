//! The policy that samples on servers that speak `OpenAI`'s completions: vLLM, `SGLang`, llama.cpp, mistral.rs, `transformers serve`.
//!
//! `launch.rs` starts a server for each checkpoint where the config says how. `reload.rs` makes a running server load another checkpoint.
//! `dialect.rs` knows the requests that each server expects. `dispatch.rs` sends many at once, through [`crate::http`].

use super::{Keep, Policy, Sample, SampleProgress, SampleRequest, SamplingParameters};
use crate::config::{ModelConfig, PromptForm, ServerKind, ServingConfig};
use crate::error::{Error, Result, with_causes};
use crate::http::{Failure, HttpClient, HttpError, HttpErrorKind, RetryPolicy, without_password};
use dialect::{Dialect, Prompt};
use dispatch::{Arrival, Dispatch, Job, Manner, Outcome, Refusal};
use launch::Server;
use reload::{Doubt, Reloading};
use serde_json::Value;
use starloop_lm::checkpoint::weights_sha256;
use starloop_lm::model::PromptEncoder;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

mod dialect;
mod dispatch;
mod launch;
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
        Ok(OpenAiPolicy { config: config.clone(), chat: model.chat, client: Arc::new(client), log, served: None, adapter: None })
    }

    /// The servers to ask, started for this checkpoint where they are ours.
    fn serve(&mut self, checkpoint: &Path, sha256: &str) -> Result<Served> {
        let prompts = PromptEncoder::load(checkpoint, self.chat);
        let prompts =
            Arc::new(prompts.map_err(|error| Error::Engine { context: "reading a tokenizer".into(), message: error.to_string() })?);
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

    /// Requests in the order of their prompts, some samples of one prompt together.
    fn jobs(&self, requests: &[SampleRequest]) -> Vec<Job> {
        let mut order: Vec<usize> = (0..requests.len()).collect();
        order.sort_by(|&a, &b| requests[a].prompt.cmp(&requests[b].prompt));
        let mut jobs: Vec<Job> = Vec::new();
        for place in order {
            let SampleRequest { prompt, seed } = &requests[place];
            match jobs.last_mut() {
                Some(job) if *job.prompt == **prompt && job.samples.len() < self.config.samples_at_once() => {
                    job.samples.push((place, *seed));
                }
                Some(job) if *job.prompt == **prompt => {
                    let prompt = Arc::clone(&job.prompt);
                    jobs.push(Job { prompt, samples: vec![(place, *seed)], failures: 0 });
                }
                _ => jobs.push(Job { prompt: prompt.as_str().into(), samples: vec![(place, *seed)], failures: 0 }),
            }
        }
        jobs
    }

    /// What puts one job to a server.
    fn ask(&self, served: &Served, parameters: &SamplingParameters) -> Box<dispatch::Ask> {
        let form = self.config.prompt_form();
        let (client, prompts, reloading) = (Arc::clone(&self.client), Arc::clone(&served.prompts), served.reloading.clone());
        let endpoints = served.endpoints.clone();
        let urls: Vec<String> = served.endpoints.iter().map(|endpoint| format!("{}/completions", endpoint.trim_end_matches('/'))).collect();
        let dialect = Dialect {
            server: self.config.server,
            logprobs: self.config.wants_logprobs(),
            stop_at_server: self.config.stop_at_server,
            model: served.model.clone(),
            end_tokens: prompts.tokenizer().end_tokens().to_vec(),
            parameters: parameters.clone(),
        };
        Box::new(move |server, job| {
            let url = &urls[server];
            let refused = |error: starloop_lm::Error| HttpError::new(without_password(url), HttpErrorKind::Request).caused_by(error);
            let encode = |text: &str| prompts.encode(text).map_err(refused);
            let count = |text: &str| prompts.tokenizer().encode(text, false).map_err(refused).map(|ids| ids.len());
            let prompt = match form {
                PromptForm::Tokens => Prompt::Tokens(encode(&job.prompt)?),
                PromptForm::Text => Prompt::Text(&job.prompt),
            };
            let seed = job.samples.first().map_or(0, |(_, seed)| *seed);
            let put = || {
                let answer = client.post_json(url, &dialect.request(&prompt, job.samples.len(), seed))?;
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
            let prompt_tokens = match (&prompt, answer.prompt_tokens) {
                (Prompt::Tokens(ids), _) => ids.len(),
                (Prompt::Text(_), Some(counted)) => counted,
                (Prompt::Text(text), None) => encode(text)?.len(),
            };
            let only = answer.completion_tokens.filter(|_| answer.choices.len() == 1 && !answer.choices[0].is_cut_here);
            let arrive = |(choice, &(place, _)): (dialect::Choice, &(usize, u64))| {
                let completion_tokens = match (only, &choice.logprobs) {
                    (Some(counted), _) => counted,
                    (None, Some(logprobs)) => logprobs.len(),
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
        let failed = |error: starloop_lm::Error| Error::Engine { context: "reading a checkpoint".to_owned(), message: error.to_string() };
        let sha256 = weights_sha256(checkpoint).map_err(failed)?;
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
        requests: &[SampleRequest],
        parameters: &SamplingParameters,
        progress: &mut dyn FnMut(SampleProgress),
    ) -> Result<Vec<Sample>> {
        self.sample_each(requests, parameters, &mut |_, _| Ok(()), progress)
    }

    fn sample_each(
        &mut self,
        requests: &[SampleRequest],
        parameters: &SamplingParameters,
        keep: &mut Keep<'_>,
        progress: &mut dyn FnMut(SampleProgress),
    ) -> Result<Vec<Sample>> {
        let nothing = || Error::Engine { context: "sampling".to_owned(), message: "no checkpoint is loaded".to_owned() };
        let served = self.served.as_ref().ok_or_else(nothing)?;
        let (servers, ask) = (served.endpoints.len(), self.ask(served, parameters));
        let retry = RetryPolicy { attempts: self.config.tries, longest_retry_after: LONGEST_RETRY_AFTER };
        let manner = Manner { in_flight: self.config.in_flight, retry };
        let dispatch = Dispatch::begin(self.jobs(requests), servers, manner, ask)?;
        let mut samples: HashMap<usize, Sample> = HashMap::with_capacity(requests.len());
        let (mut tokens, mut last) = (0, Instant::now());
        while samples.len() < requests.len() {
            match dispatch.next(LOOK) {
                Some(Outcome::Samples(arrivals)) => {
                    last = Instant::now();
                    for arrival in arrivals {
                        let (place, sample) = (arrival.place, sample(arrival));
                        keep(place, &sample)?;
                        tokens += sample.completion_tokens as u64;
                        samples.insert(place, sample);
                    }
                    progress(SampleProgress { finished: samples.len() as u64, tokens });
                }
                Some(Outcome::Refused(request, refusal)) => {
                    return Err(Error::Request { request, problem: None, message: describe(refusal) });
                }
                None => {
                    self.check_servers()?;
                    let served = self.served.as_ref().ok_or_else(nothing)?;
                    if last.elapsed().as_secs_f64() > self.config.patience_seconds {
                        return Err(self.out_of_patience(&dispatch, served));
                    }
                }
            }
        }
        Ok((0..requests.len()).filter_map(|place| samples.remove(&place)).collect())
    }
}

fn sample(arrival: Arrival) -> Sample {
    let Arrival { choice, prompt_tokens, completion_tokens, .. } = arrival;
    let logprob = choice.logprobs.map(|logprobs| logprobs.iter().sum());
    Sample { text: choice.text, prompt_tokens, completion_tokens, finish: choice.finish, logprob }
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
