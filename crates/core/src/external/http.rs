//! The one HTTP client: blocking calls, JSON in and out, downloads that continue where they broke off.
//!
//! [`HttpClient`] makes one call and does not repeat it. [`HttpError`] says what failed; its [`Failure`] says whether another try helps.
//! [`RetryPolicy`] says when that try is due. Who repeats a call differs: a download continues its file ([`crate::external::fetch`]), sampling may ask
//! another server (`policy/openai/dispatch.rs`).
//!
//! A secret is in no message, and no server receives it but the one that it is for.

mod body;
mod client;
mod error;
mod retry;

pub(crate) use client::HttpClient;
pub(crate) use error::{Failure, HttpError, HttpErrorKind};
pub(crate) use retry::RetryPolicy;
