//! HTTP to servers: one blocking call at a time for each thread, connections kept and used again, every failure sorted by what helps.

use serde_json::Value;
use std::io::Read;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode};

/// Bytes of the largest answer that is read.
const LARGEST_ANSWER: u64 = 256 << 20;
/// A server that takes no connection within this is not there.
const CONNECT: Duration = Duration::from_secs(20);
/// What is shown of an answer that is an error.
const SHOWN: usize = 300;

/// A client with the key of its servers.
pub(super) struct Client {
    agent: Agent,
    key: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Trouble {
    /// No server, or one that went away before it answered: says nothing of the request.
    Gone(String),
    /// The server has too much to do, and may say when to come again.
    Busy(String, Option<Duration>),
    /// The server has not answered in time.
    Late(String),
    /// The server failed at this request, or its answer is none. May work at another time.
    Failed(String),
    /// The server will not answer this request, now or later.
    Refused(String),
}

impl Trouble {
    /// What happened.
    pub(super) fn message(&self) -> &str {
        use Trouble::{Busy, Failed, Gone, Late, Refused};
        let (Gone(message) | Busy(message, _) | Late(message) | Failed(message) | Refused(message)) = self;
        message
    }

    /// The same of a request that is not put again where the server was there and failed at it.
    pub(super) fn settled(self) -> Self {
        match self {
            Trouble::Failed(message) | Trouble::Late(message) => Trouble::Refused(message),
            other => other,
        }
    }

    /// The same, with what was being done.
    pub(super) fn during(self, what: &str) -> Self {
        use Trouble::{Busy, Failed, Gone, Late, Refused};
        let told = |message: String| format!("{what}: {message}");
        match self {
            Gone(message) => Gone(told(message)),
            Busy(message, wait) => Busy(told(message), wait),
            Late(message) => Late(told(message)),
            Failed(message) => Failed(told(message)),
            Refused(message) => Refused(told(message)),
        }
    }
}

impl std::fmt::Debug for Client {
    /// The key is not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("key", &self.key.as_ref().map(|_| "...")).finish_non_exhaustive()
    }
}

impl Client {
    /// A client that keeps up to `connections` to a server open, and gives an answer so much time.
    pub(super) fn new(key: Option<String>, connections: usize, time_limit: Duration) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A key must not follow to another server.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT.min(time_limit)))
            .timeout_global(Some(time_limit))
            .max_idle_connections(connections.saturating_mul(8))
            .max_idle_connections_per_host(connections)
            .user_agent(concat!("starloop/", env!("CARGO_PKG_VERSION")));
        Client { agent: config.build().into(), key }
    }

    /// Sends a value and reads the answer's.
    pub(super) fn post(&self, url: &str, body: &Value) -> Result<Value, Trouble> {
        self.value(&self.send(url, body)?)
    }

    /// Sends a value that is answered in any words.
    pub(super) fn send(&self, url: &str, body: &Value) -> Result<Vec<u8>, Trouble> {
        let request = self.agent.post(url).header("Content-Type", "application/json");
        let request = match &self.key {
            Some(key) => request.header("Authorization", format!("Bearer {key}")),
            None => request,
        };
        self.answer(request.send(body.to_string().as_bytes()))
    }

    /// Reads a value.
    pub(super) fn get(&self, url: &str) -> Result<Value, Trouble> {
        self.value(&self.answer(self.request(url).call())?)
    }

    /// Whether an address answers 200.
    pub(super) fn is_healthy(&self, url: &str, time_limit: Duration) -> bool {
        let request = self.request(url).config().timeout_global(Some(time_limit)).build();
        request.call().is_ok_and(|response| response.status() == StatusCode::OK)
    }

    fn request(&self, url: &str) -> ureq::RequestBuilder<ureq::typestate::WithoutBody> {
        let request = self.agent.get(url);
        match &self.key {
            Some(key) => request.header("Authorization", format!("Bearer {key}")),
            None => request,
        }
    }

    fn answer(&self, response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Vec<u8>, Trouble> {
        let response = response.map_err(|error| self.no_response(&error))?;
        let (status, wait) = (response.status(), retry_after(response.headers()));
        let mut bytes = Vec::new();
        let read = response.into_body().into_reader().take(LARGEST_ANSWER).read_to_end(&mut bytes);
        if status != StatusCode::OK {
            return Err(self.not_ok(status, wait, &bytes));
        }
        read.map_err(|error| Trouble::Failed(format!("the answer broke off ({error})")))?;
        Ok(bytes)
    }

    fn value(&self, bytes: &[u8]) -> Result<Value, Trouble> {
        serde_json::from_slice(bytes).map_err(|error| Trouble::Failed(format!("the answer is not JSON ({error}): {}", self.shown(bytes))))
    }

    fn no_response(&self, error: &ureq::Error) -> Trouble {
        use ureq::Error::{BadUri, Http, Timeout, Tls};
        match error {
            BadUri(_) | Http(_) | Tls(_) => Trouble::Refused(self.without_key(&error.to_string())),
            Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => Trouble::Gone("no connection in time".to_owned()),
            Timeout(_) => Trouble::Late("no whole answer in time (policy.request_seconds)".to_owned()),
            _ => Trouble::Gone(self.without_key(&format!("cannot be reached ({error})"))),
        }
    }

    fn not_ok(&self, status: StatusCode, wait: Option<Duration>, body: &[u8]) -> Trouble {
        let said = format!("HTTP {}: {}", status.as_u16(), self.shown(body));
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Trouble::Busy(said, wait),
            StatusCode::REQUEST_TIMEOUT => Trouble::Late(said),
            _ if status.is_server_error() => Trouble::Failed(said),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Trouble::Refused(format!("{said}; the server wants an API key: policy.api_key_env names the variable that holds it"))
            }
            _ => Trouble::Refused(said),
        }
    }

    /// What a server said, on one line and without the key, which some repeat.
    fn shown(&self, body: &[u8]) -> String {
        let text = self.without_key(&String::from_utf8_lossy(body));
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.chars().count() > SHOWN { line.chars().take(SHOWN).chain("...".chars()).collect() } else { line }
    }

    fn without_key(&self, text: &str) -> String {
        self.key.as_ref().map_or_else(|| text.to_owned(), |key| text.replace(key.as_str(), "[API key]"))
    }
}

/// Seconds until a server wants to be asked again. A date is left to the usual pauses.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get("Retry-After")?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
