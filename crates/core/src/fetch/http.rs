//! HTTP: one blocking GET at a time, redirects followed by hand, because a token must not follow them to another host.

use std::io::Read;
use std::time::Duration;
use ureq::Agent;
use ureq::http::StatusCode;

/// How many redirects lead to a file.
const REDIRECTS: usize = 8;
/// A server that says nothing for so long is not there.
const SILENCE: Duration = Duration::from_secs(60);

/// A client, with a token for one server.
pub(super) struct Http {
    agent: Agent,
    token: Option<Token>,
}

/// A secret; it has no `Debug`, so that no message can show it.
struct Token {
    /// The scheme and server that it is for.
    origin: String,
    text: String,
}

/// What a server sends.
pub(super) struct Answer {
    /// Whether the body begins where it was asked to begin; else it is the whole file.
    pub(super) resumed: bool,
    pub(super) body: Box<dyn Read>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may work a moment later.
    Passing(String),
    /// It will not.
    Lasting(String),
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("token", &self.token.as_ref().map(|token| &token.origin)).finish_non_exhaustive()
    }
}

impl Http {
    /// A client that shows the token to the server of `endpoint` alone.
    pub(super) fn new(endpoint: &str, token: Option<String>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("starloop/", env!("CARGO_PKG_VERSION")));
        let token = token.map(|text| Token { origin: origin(endpoint).into(), text });
        Http { agent: config.build().into(), token }
    }

    /// The file at an address, from byte `from` on if the server can.
    pub(super) fn get(&self, url: &str, from: u64) -> Result<Answer, Trouble> {
        let mut url = url.to_owned();
        for _ in 0..REDIRECTS {
            let mut request = self.agent.get(&url);
            if let Some(token) = self.token.as_ref().filter(|token| token.origin == origin(&url)) {
                request = request.header("Authorization", format!("Bearer {}", token.text));
            }
            if from > 0 {
                request = request.header("Range", format!("bytes={from}-"));
            }
            let response = request.call().map_err(|error| no_response(&error))?;
            let status = response.status();
            if status.is_redirection() {
                let location = response.headers().get("Location").and_then(|value| value.to_str().ok());
                url = redirected(&url, location.unwrap_or_default())?;
                continue;
            }
            return match status {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
                    let resumed = status == StatusCode::PARTIAL_CONTENT;
                    Ok(Answer { resumed, body: Box::new(response.into_body().into_reader()) })
                }
                other => Err(self.refused(other)),
            };
        }
        Err(Trouble::Lasting(format!("more than {REDIRECTS} redirects")))
    }

    fn refused(&self, status: StatusCode) -> Trouble {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Trouble::Lasting(match &self.token {
                None => format!(
                    "HTTP {}: there is no such file, or it is not for everyone; check the name, and if the model is gated accept its terms \
                     on its page and set HF_TOKEN to a token of yours",
                    status.as_u16()
                ),
                Some(_) => format!(
                    "HTTP {}: the token (HF_TOKEN) does not open this; check the name, and if the model is gated accept its terms on its page",
                    status.as_u16()
                ),
            }),
            StatusCode::NOT_FOUND => Trouble::Lasting("HTTP 404: there is no such file, model or revision; check the name".into()),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Trouble::Passing(format!("HTTP {}", status.as_u16())),
            other if other.is_server_error() => Trouble::Passing(format!("HTTP {}: the server has a problem", other.as_u16())),
            other => Trouble::Lasting(format!("HTTP {}", other.as_u16())),
        }
    }
}

fn no_response(error: &ureq::Error) -> Trouble {
    use ureq::Error::{BadUri, Tls};
    match error {
        BadUri(_) | Tls(_) => Trouble::Lasting(error.to_string()),
        _ => Trouble::Passing(format!("cannot be reached ({error})")),
    }
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    &url[..end]
}

fn redirected(from: &str, location: &str) -> Result<String, Trouble> {
    let to =
        if location.starts_with('/') && !location.starts_with("//") { format!("{}{location}", origin(from)) } else { location.to_owned() };
    let secure = to.starts_with("https://") || (to.starts_with("http://") && from.starts_with("http://"));
    if secure { Ok(to) } else { Err(Trouble::Lasting("redirects to an address that is not an HTTPS one".into())) }
}
