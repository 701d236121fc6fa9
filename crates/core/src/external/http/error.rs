//! A call that failed, and whether another try helps.

use crate::error::masks::{masked, shortened};
use crate::error::{Cause, with_causes};
use std::time::Duration;

/// A failed call. The message names the address, without secrets; the cause below it is its source.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {kind}{}", .hint.map(|hint| format!("; {hint}")).unwrap_or_default())]
pub(crate) struct HttpError {
    /// The address, without secrets.
    url: String,
    kind: HttpErrorKind,
    hint: Option<&'static str>,
    source: Option<Cause>,
}

/// The kind of failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpErrorKind {
    /// The request cannot be sent, such as one to a malformed address.
    #[error("the request cannot be sent")]
    Request,
    /// There is no server, or it closed the connection before it answered.
    #[error("cannot be reached")]
    Connect,
    /// Something answered that does not speak HTTP.
    #[error("the answer is no HTTP; the address may be that of another service")]
    Protocol,
    /// The server did not answer in time.
    #[error("no complete answer in time")]
    Timeout,
    /// The server answered with a status that is not a success.
    #[error("HTTP {status}{}", after_colon(.excerpt))]
    Status {
        /// The status code.
        status: u16,
        /// The beginning of the body, on one line; empty if it is a web page.
        excerpt: String,
        /// The time after which the server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// A redirect that is not followed.
    #[error("redirects {0}")]
    Redirect(&'static str),
    /// The connection was lost within the answer.
    #[error("the answer broke off")]
    Interrupted,
    /// The answer is longer than the request warrants.
    #[error("the answer has more than {0} bytes, which is more than the request warrants")]
    TooLarge(u64),
    /// The answers that arrive at the same time are longer than the budget for all of them.
    #[error("the answers that arrive at the same time have more than {0} bytes together")]
    OverBudget(u64),
    /// The answer is not JSON, or not of the expected form.
    #[error("the answer is not the expected JSON{}", after_colon(.excerpt))]
    Json {
        /// The beginning of the body, on one line.
        excerpt: String,
    },
    /// The answer has the expected form, but its content does not answer the request.
    #[error("{0}")]
    Answer(String),
    /// The server understood the request and did not carry it out.
    #[error("{0}")]
    Rejected(String),
}

/// The kind of a failure, which says whether another try helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server cannot be reached. The request may be good.
    Unreachable,
    /// The server has too much to do.
    Busy {
        /// The time after which it wants to be asked again, if it says so.
        retry_after: Option<Duration>,
    },
    /// The server did not answer in time.
    Timeout,
    /// The server failed at this request. Another try may succeed.
    Server,
    /// Every further try will fail in the same way.
    Permanent,
}

impl HttpError {
    /// A failure at `url`. Secrets are removed from the address and from the words of the server.
    pub fn new(url: impl AsRef<str>, kind: HttpErrorKind) -> Self {
        let kind = match kind {
            HttpErrorKind::Status { status, excerpt, retry_after } => {
                let excerpt = shortened(&excerpt);
                HttpErrorKind::Status { status, excerpt, retry_after }
            }
            HttpErrorKind::Json { excerpt } => HttpErrorKind::Json { excerpt: shortened(&excerpt) },
            HttpErrorKind::Answer(text) => HttpErrorKind::Answer(shortened(&text)),
            HttpErrorKind::Rejected(text) => HttpErrorKind::Rejected(shortened(&text)),
            kind => kind,
        };
        HttpError { url: masked(url.as_ref()), kind, hint: None, source: None }
    }

    /// The same with its cause. A cause whose text is long or holds a secret is reduced to the rest of its text.
    pub fn caused_by(self, source: impl Into<Cause>) -> Self {
        let cause: Cause = source.into();
        let text = with_causes(cause.as_ref());
        let shown = shortened(&text);
        HttpError { source: Some(if shown == text { cause } else { shown.into() }), ..self }
    }

    /// The same with what the user can do.
    pub fn with_hint(self, hint: &'static str) -> Self {
        HttpError { hint: Some(hint), ..self }
    }

    /// The status code, if the server answered with one that is not a success.
    pub fn status(&self) -> Option<u16> {
        match self.kind {
            HttpErrorKind::Status { status, .. } => Some(status),
            _ => None,
        }
    }

    /// Classifies the failure. The class decides whether another attempt can succeed.
    pub fn failure(&self) -> Failure {
        use HttpErrorKind as Kind;
        match self.kind {
            Kind::Connect => Failure::Unreachable,
            Kind::Status { status: 429 | 503, retry_after, .. } => Failure::Busy { retry_after },
            Kind::Timeout | Kind::Status { status: 408, .. } => Failure::Timeout,
            Kind::Status { status: 500.., .. }
            | Kind::Interrupted
            | Kind::Protocol
            | Kind::TooLarge(_)
            | Kind::OverBudget(_)
            | Kind::Json { .. }
            | Kind::Answer(_) => Failure::Server,
            Kind::Request | Kind::Status { .. } | Kind::Redirect(_) | Kind::Rejected(_) => Failure::Permanent,
        }
    }
}

fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, retry_after: Option<Duration>) -> HttpError {
        HttpError::new("http://host/v1", HttpErrorKind::Status { status, excerpt: String::new(), retry_after })
    }

    #[test]
    fn a_status_says_whether_another_try_helps() {
        let minute = Some(Duration::from_secs(60));
        for (code, expected) in [
            (302, Failure::Permanent),
            (400, Failure::Permanent),
            (401, Failure::Permanent),
            (404, Failure::Permanent),
            (408, Failure::Timeout),
            (429, Failure::Busy { retry_after: minute }),
            (500, Failure::Server),
            (502, Failure::Server),
            (503, Failure::Busy { retry_after: minute }),
        ] {
            assert_eq!(status(code, minute).failure(), expected, "{code}");
        }
    }

    #[test]
    fn a_message_names_address_and_hint_and_leaves_the_cause_to_its_source() {
        let error = status(404, None).with_hint("check the name").caused_by("no such model");
        assert_eq!(error.to_string(), "http://host/v1: HTTP 404; check the name");
        assert_eq!(with_causes(&error), "http://host/v1: HTTP 404; check the name: no such model");
    }
}
