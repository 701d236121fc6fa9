//! Every format as a user of the crate reads it.

#![allow(clippy::unwrap_used)]

#[cfg(feature = "parquet")]
mod parquet;
mod text;
