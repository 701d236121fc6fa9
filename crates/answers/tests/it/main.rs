//! Tables of verdicts, properties of random answers, and hostile texts.
#![allow(clippy::unwrap_used)]

mod random;
mod table;

mod choices;
mod hostile;
mod properties;
mod quantities;
