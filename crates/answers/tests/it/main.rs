//! Tables of verdicts, properties of random answers, and hostile texts.
#![allow(clippy::unwrap_used)]

mod table;

mod choices;
mod quantities;
