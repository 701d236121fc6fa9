//! Every format as a user of the crate reads it.

#![allow(clippy::unwrap_used)]

mod text;
