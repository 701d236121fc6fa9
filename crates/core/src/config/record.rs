//! `[record]`: what the run directory keeps beyond what every run keeps.

use serde::{Deserialize, Serialize};

/// `[record]`: what the run records of each attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RecordConfig {
    /// Store the log-probability of each token of an attempt, and where in the completion the token ends. Servers that return no
    /// log-probabilities, or tokens that do not add up to the text, leave both out.
    pub token_logprobs: bool,
}
