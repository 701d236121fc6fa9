//! Errors: those that stop the server, and those that answer a request.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;

/// An error that stops the server, or with which it does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be used.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The server has no model.
    #[error("there is no model to serve")]
    NoModel,
    /// Two models have the same name.
    #[error("two models have the name {name:?}; give each another name")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// A model cannot be loaded.
    #[error("cannot load the model {name:?}")]
    Load {
        /// Its name.
        name: String,
        /// Why.
        source: Box<starloop_lm::Error>,
    },
    /// An API key that no request can carry.
    #[error("the API key is empty or has characters other than visible ASCII; set another key")]
    ApiKey,
    /// A directory of checkpoints that cannot be read.
    #[error("{}: cannot serve the checkpoints of this directory", path.display())]
    Root {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The network failed.
    #[error("the server failed")]
    Io(#[from] std::io::Error),
}

impl Error {
    /// Returns true if the arguments are wrong and nothing failed.
    pub fn is_usage(&self) -> bool {
        matches!(self, Error::NoModel | Error::NameTaken { .. } | Error::ApiKey)
    }
}

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of a refusal, from which its status and its words follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The request is wrong.
    Invalid,
    /// The API key is missing or wrong.
    Unauthorized,
    /// There is no such model or address.
    NotFound,
    /// The address does not take this method.
    Method,
    /// The body did not arrive in time.
    TooSlow,
    /// The weights are not those that the request names.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// Too many requests are open.
    Busy,
    /// This program failed.
    Failed,
}

/// The answer to a request that is not served, in `OpenAI`'s form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The kind.
    pub refused: Refused,
    /// The text.
    pub message: String,
    /// The key of the body that is wrong.
    pub param: Option<String>,
}

impl ApiError {
    pub(crate) fn new(refused: Refused, message: impl Into<String>) -> Self {
        ApiError { refused, message: message.into(), param: None }
    }

    /// A wrong value of a key.
    pub(crate) fn of_key(key: &str, message: impl Into<String>) -> Self {
        ApiError { param: Some(key.to_owned()), ..ApiError::new(Refused::Invalid, message) }
    }

    /// An error of the engine, with the text that the command line shows.
    pub(crate) fn of_engine(error: &starloop_lm::Error) -> Self {
        use starloop_lm::Error as E;
        let refused = match error {
            E::InvalidRequest { .. }
            | E::InvalidSetting(_)
            | E::EmptyPrompt { .. }
            | E::PromptTooLong { .. }
            | E::DocumentTooLong { .. }
            | E::UnknownToken { .. }
            | E::UnknownText { .. }
            | E::ChatTemplate { .. } => Refused::Invalid,
            _ => Refused::Failed,
        };
        ApiError::new(refused, with_causes(error))
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self.refused {
            Refused::Invalid => StatusCode::BAD_REQUEST,
            Refused::Unauthorized => StatusCode::UNAUTHORIZED,
            Refused::NotFound => StatusCode::NOT_FOUND,
            Refused::Method => StatusCode::METHOD_NOT_ALLOWED,
            Refused::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Refused::Conflict => StatusCode::CONFLICT,
            Refused::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refused::Busy => StatusCode::TOO_MANY_REQUESTS,
            Refused::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> serde_json::Value {
        let (kind, code) = match self.refused {
            Refused::Invalid | Refused::Method | Refused::TooSlow | Refused::Conflict => ("invalid_request_error", None),
            Refused::TooLarge => ("invalid_request_error", Some("request_too_large")),
            Refused::Unauthorized => ("invalid_request_error", Some("invalid_api_key")),
            Refused::NotFound => ("invalid_request_error", Some("not_found")),
            Refused::Busy => ("rate_limit_error", Some("rate_limit_exceeded")),
            Refused::Failed => ("server_error", None),
        };
        json!({ "error": { "message": self.message, "type": kind, "param": self.param, "code": code } })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body().to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self.refused {
            Refused::Busy => _ = headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
            Refused::Unauthorized => _ = headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            _ => {}
        }
        response
    }
}

/// An error with its causes on one line, as the command line shows it.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
