//! `[selection]`: which right answers are not learned.

use crate::config::is_default;
use serde::{Deserialize, Serialize};

/// `[selection]`: rules that drop right answers. They apply to every method that learns right rationales. Each rule gives its own
/// [outcome](starloop_record::Outcome). Without a rule, only the answer counts (the paper's choice).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SelectionConfig {
    /// Drop rationales with a calculation that is false.
    #[serde(skip_serializing_if = "is_default")]
    pub drop_false_steps: bool,
    /// Drop rationalizations without any calculation that can be checked.
    #[serde(skip_serializing_if = "is_default")]
    pub drop_uncalculated: bool,
    /// Drop rationalizations that the hint makes more likely by more than this, in nats per token: the mean of log p(token | question, hint) −
    /// log p(token | question).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_hint_reliance: Option<f64>,
    /// Drop rationalizations of problems where the model, with a wrong answer as the hint, reaches the wrong answer.
    #[serde(skip_serializing_if = "is_default")]
    pub drop_reached_from_wrong_hint: bool,
}

impl SelectionConfig {
    /// Returns true if a rule asks again about rationalizations.
    pub(crate) fn checks_hints(self) -> bool {
        self.most_hint_reliance.is_some() || self.drop_reached_from_wrong_hint
    }

    /// The key of a rule that needs a task which checks steps, if there is one.
    pub(crate) fn needs_checked_steps(self) -> Option<&'static str> {
        let rules = [(self.drop_false_steps, "drop_false_steps"), (self.drop_uncalculated, "drop_uncalculated")];
        rules.into_iter().find(|(is_set, _)| *is_set).map(|(_, key)| key)
    }
}
