//! One call at a time for each thread, over connections that are kept and used again.

use super::body::{Budget, HEAD, LimitedBody, Pace, Paced};
use super::{HttpError, HttpErrorKind};
use crate::error::masks::{plain, remember, shortened};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{BufReader, Read, copy, sink};
use std::time::Duration;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, LOCATION, RANGE, RETRY_AFTER};
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body, RequestBuilder};

/// Bytes of an answer whose content does not matter.
const IGNORED_ANSWER: u64 = 1 << 20;
/// Time until a connection to a server of an API stands.
const CONNECT: Duration = Duration::from_secs(20);
/// The longest pause of a server that sends a file.
const SILENCE: Duration = Duration::from_secs(60);
/// An API's answer has a limit for the whole of it. Some servers send a blank now and then while they compute.
const ANY_PACE: Pace = Pace { bytes: 0, within: SILENCE };
/// The least that a file brings. Pauses alone are no measure: a server that sends a byte a second never pauses for long.
const PACE: Pace = Pace { bytes: 1 << 10, within: SILENCE };
/// Redirects that are followed to a file.
const REDIRECTS: usize = 8;
/// Bytes of the body of a failed request that are read. Of a longer body the end is left out, because a secret could be cut there.
const EXCERPT: usize = 64 << 10;
const END: usize = 4 << 10;

/// A client with the secret of its servers.
pub(crate) struct HttpClient {
    agent: Agent,
    secret: Option<Secret>,
    redirects: Redirects,
    budget: Budget,
    pace: Pace,
}

/// An API key or token. It has no `Debug`, so that no message can show it.
struct Secret {
    text: String,
    scope: Scope,
}

/// The servers that receive a secret.
enum Scope {
    /// Every server that is called. For endpoints that a user has configured together with their key.
    AllServers,
    /// The server with this scheme, host and port.
    Origin(String),
}

/// How a redirect is handled.
enum Redirects {
    /// It is an error, because a secret must not follow it.
    Refuse,
    /// It is followed to an HTTPS address, without the secret if the server is another one.
    Follow,
}

/// The body of a file, or of the rest of it.
pub(crate) struct Download {
    /// The byte of the file at which the body begins: the requested one, or 0 if the server sends whole files only.
    pub from: u64,
    /// The bytes.
    pub body: Box<dyn Read>,
}

impl std::fmt::Debug for HttpClient {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient").field("secret", &self.secret.as_ref().map(|_| "...")).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// A client for APIs. It keeps up to `connections` to a server open, and gives an answer the time `limit`.
    pub fn for_api(key: Option<String>, connections: usize, limit: Duration) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT.min(limit)))
            .timeout_global(Some(limit))
            .max_idle_connections(connections.saturating_mul(8))
            .max_idle_connections_per_host(connections)
            .user_agent(concat!("starloop/", env!("CARGO_PKG_VERSION")));
        let secret = key.map(|text| Secret::new(text, Scope::AllServers));
        HttpClient { agent: config.build().into(), secret, redirects: Redirects::Refuse, budget: Budget::default(), pace: ANY_PACE }
    }

    /// A client for files. It sends the token to the server of `endpoint` only. A file has no time limit while the server sends fast enough.
    pub fn for_downloads(endpoint: &str, token: Option<String>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("starloop/", env!("CARGO_PKG_VERSION")));
        let secret = token.map(|text| Secret::new(text, Scope::Origin(origin(endpoint).to_owned())));
        HttpClient { agent: config.build().into(), secret, redirects: Redirects::Follow, budget: Budget::default(), pace: PACE }
    }

    /// Returns true if it has a key or token.
    pub fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    /// Sends JSON and reads the JSON answer, which has at most `limit` bytes.
    pub fn post_json<T: DeserializeOwned>(&self, url: &str, body: &impl Serialize, limit: u64) -> Result<T, HttpError> {
        self.json(url, self.send(url, body)?, limit)
    }

    /// Sends JSON and ignores the answer.
    pub fn post(&self, url: &str, body: &impl Serialize) -> Result<(), HttpError> {
        // Read to its end, so that the connection can be used again.
        let answer = self.send(url, body)?.into_body().into_reader().take(IGNORED_ANSWER);
        let ignored = copy(&mut { answer }, &mut sink());
        ignored.map(drop).map_err(|error| HttpError::new(url, HttpErrorKind::Interrupted).caused_by(error))
    }

    fn send(&self, url: &str, body: &impl Serialize) -> Result<Response<Body>, HttpError> {
        let body = serde_json::to_vec(body).map_err(|error| HttpError::new(url, HttpErrorKind::Request).caused_by(error))?;
        let request = self.authorized(self.agent.post(url), url).header(CONTENT_TYPE, "application/json");
        let response = request.send(&body[..]).map_err(|error| Self::no_response(url, error))?;
        self.successful(url, response, &[StatusCode::OK])
    }

    /// Reads a JSON answer, which has at most `limit` bytes.
    pub fn get_json<T: DeserializeOwned>(&self, url: &str, limit: u64) -> Result<T, HttpError> {
        self.json(url, self.get(url, 0)?, limit)
    }

    /// Opens a file at byte `from`.
    pub fn download(&self, url: &str, from: u64) -> Result<Download, HttpError> {
        let response = self.get(url, from)?;
        let from = if response.status() == StatusCode::PARTIAL_CONTENT { from } else { 0 };
        Ok(Download { from, body: Box::new(Paced::new(response.into_body().into_reader(), self.pace)) })
    }

    /// Returns true if an address answers 200 within `limit`.
    pub fn is_healthy(&self, url: &str, limit: Duration) -> bool {
        let request = self.authorized(self.agent.get(url), url).config().timeout_global(Some(limit)).build();
        request.call().is_ok_and(|response| response.status() == StatusCode::OK)
    }

    /// The answer from byte `from` on. Redirects are followed here, because the secret must not follow them to another server.
    fn get(&self, url: &str, from: u64) -> Result<Response<Body>, HttpError> {
        let mut target = url.to_owned();
        for _ in 0..=REDIRECTS {
            let mut request = self.authorized(self.agent.get(&target), &target);
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            let response = request.call().map_err(|error| Self::no_response(url, error))?;
            if response.status().is_redirection() && matches!(self.redirects, Redirects::Follow) {
                target = redirected(&target, response.headers()).map_err(|kind| HttpError::new(url, kind))?;
            } else {
                let expected = [StatusCode::OK, StatusCode::PARTIAL_CONTENT];
                return self.successful(url, response, if from > 0 { &expected } else { &expected[..1] });
            }
        }
        Err(HttpError::new(url, HttpErrorKind::Redirect("too often")))
    }

    fn authorized<Any>(&self, request: RequestBuilder<Any>, url: &str) -> RequestBuilder<Any> {
        match &self.secret {
            Some(secret) if secret.is_for(url) => request.header(AUTHORIZATION, format!("Bearer {}", secret.text)),
            _ => request,
        }
    }

    /// The response, if its status is an `expected` one. Otherwise the beginning of its body becomes part of the error.
    fn successful(&self, url: &str, response: Response<Body>, expected: &[StatusCode]) -> Result<Response<Body>, HttpError> {
        let status = response.status();
        if expected.contains(&status) {
            return Ok(response);
        }
        let retry_after = retry_after(response.headers());
        let mut body = Vec::new();
        // A body that breaks off or is too slow is shown as far as it came.
        let body_in_time = Paced::new(response.into_body().into_reader(), self.pace);
        let _ = body_in_time.take(EXCERPT as u64).read_to_end(&mut body);
        let excerpt = excerpt(&body, EXCERPT);
        let excerpt = if excerpt.trim_start_matches('\u{feff}').starts_with('<') { String::new() } else { excerpt };
        Err(HttpError::new(url, HttpErrorKind::Status { status: status.as_u16(), excerpt, retry_after }))
    }

    /// Reads JSON while it arrives. Keys that `T` does not have are passed over and take no memory.
    fn json<T: DeserializeOwned>(&self, url: &str, response: Response<Body>, limit: u64) -> Result<T, HttpError> {
        let mut body = BufReader::new(LimitedBody::new(Paced::new(response.into_body().into_reader(), self.pace), limit, &self.budget));
        let mut json = serde_json::Deserializer::from_reader(&mut body);
        let value = T::deserialize(&mut json).and_then(|value| json.end().map(|()| value));
        value.map_err(|error| match body.get_ref().refusal() {
            Some(refusal) => HttpError::new(url, refusal),
            None if error.is_io() => HttpError::new(url, HttpErrorKind::Interrupted).caused_by(error),
            None => HttpError::new(url, HttpErrorKind::Json { excerpt: excerpt(body.get_ref().head(), HEAD) }).caused_by(error),
        })
    }

    fn no_response(url: &str, error: ureq::Error) -> HttpError {
        use ureq::Error::{BadUri, Http, Protocol, Timeout, Tls};
        let kind = match error {
            BadUri(_) | Http(_) | Tls(_) => HttpErrorKind::Request,
            Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => HttpErrorKind::Connect,
            Timeout(_) => HttpErrorKind::Timeout,
            Protocol(_) => HttpErrorKind::Protocol,
            _ => HttpErrorKind::Connect,
        };
        HttpError::new(url, kind).caused_by(error)
    }
}

/// The beginning of a body, on one line. `limit` is the number of bytes that were kept of a longer one.
fn excerpt(body: &[u8], limit: usize) -> String {
    let whole = if body.len() < limit { body } else { &body[..limit - END] };
    shortened(&plain(whole))
}

impl Secret {
    fn new(text: String, scope: Scope) -> Self {
        remember(&text);
        Secret { text, scope }
    }

    fn is_for(&self, url: &str) -> bool {
        match &self.scope {
            Scope::AllServers => true,
            Scope::Origin(server) => origin(url) == server,
        }
    }
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    &url[..end]
}

/// The address that a redirect leads to.
fn redirected(from: &str, headers: &HeaderMap) -> Result<String, HttpErrorKind> {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_path = location.starts_with('/') && !location.starts_with("//");
    let to = if is_path { format!("{}{location}", origin(from)) } else { location.to_owned() };
    let is_allowed = to.starts_with("https://") || (to.starts_with("http://") && from.starts_with("http://"));
    if is_allowed { Ok(to) } else { Err(HttpErrorKind::Redirect("to an address that is not an HTTPS one")) }
}

/// Seconds until a server wants to be asked again. A date is ignored.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::with_causes;
    use serde_json::Value;

    #[test]
    fn a_secret_is_in_no_message() {
        let client = HttpClient::for_api(Some("sk-secret".into()), 1, Duration::from_secs(1));
        assert_eq!(format!("{client:?}"), "HttpClient { secret: Some(\"...\"), .. }");
        let error = client.get_json::<Value>("ftp://sk-secret@nowhere/sk-secret", 9).expect_err("no such scheme");
        assert!(!with_causes(&error).contains("sk-secret") && !format!("{error:?}").contains("sk-secret"), "{error:?}");
        assert!(error.to_string().starts_with("ftp://***@nowhere/[API key]: the request cannot be sent"), "{error}");
    }

    #[test]
    fn a_token_is_for_one_server() {
        let secret = Secret { text: String::new(), scope: Scope::Origin(origin("https://hub.example/api").to_owned()) };
        assert!(secret.is_for("https://hub.example/other?a=b") && secret.is_for("https://hub.example"));
        for other in ["http://hub.example/", "https://hub.example.org/", "https://hub.example:8443/", "https://cdn.example/hub.example"] {
            assert!(!secret.is_for(other), "{other}");
        }
    }
}
