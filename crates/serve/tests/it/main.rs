//! The server from the outside: real models over real connections.
#![allow(clippy::unwrap_used, clippy::float_cmp, missing_docs)]

mod chat;
mod client;
mod clients;
mod completions;
mod docs;
mod limits;
mod load;
mod policy;
