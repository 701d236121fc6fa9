//! `[trainer]`: what does the fine-tuning that `[training]` describes.

use super::{Invalid, strict};
use serde::{Deserialize, Serialize};

/// The names in braces that are replaced in an argument of the command. See [`crate::trainer::command`].
pub(crate) const PLACES: [&str; 7] = ["base", "data", "out", "state", "settings", "steps", "seed"];

/// The trainer, which fine-tunes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrainerKind {
    /// This program, on this machine.
    #[default]
    Embedded,
    /// A program of the user.
    Command,
}

/// The settings of `[trainer]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TrainerConfig {
    /// The kind of trainer.
    pub kind: TrainerKind,
    /// With `kind = "command"`: the program and its arguments, in which `{base}`, `{data}`, `{out}`, `{state}`, `{settings}`, `{steps}` and
    /// `{seed}` are replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Environment variables with secrets, such as `WANDB_API_KEY`, that the program gets. It gets no others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
}

impl TrainerConfig {
    /// Checks the values against each other.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let invalid = |message: String| Err(Invalid { key: "trainer.command".to_owned(), message });
        match self.kind {
            TrainerKind::Embedded if self.command.is_empty() => return Ok(()),
            TrainerKind::Embedded => return invalid("is run by kind = \"command\" only".to_owned()),
            TrainerKind::Command => {}
        }
        if self.command.first().is_none_or(String::is_empty) {
            return invalid("is missing: name the program that fine-tunes, and its arguments".to_owned());
        }
        let places: Vec<&str> = self.command.iter().flat_map(|argument| places(argument)).collect();
        if let Some(unknown) = places.iter().find(|place| !PLACES.contains(place)) {
            let known = PLACES.map(str::to_owned);
            let near = strict::nearest(unknown, &known).map(|near| format!("; did you mean {{{near}}}?")).unwrap_or_default();
            return invalid(format!("{{{unknown}}} is not a placeholder; there are {{{}}}{near}", known.join("}, {")));
        }
        if !places.iter().any(|place| ["out", "settings"].contains(place)) {
            return invalid("has neither {out} nor {settings}, so the program would not know where its checkpoint is awaited".to_owned());
        }
        Ok(())
    }
}

/// The names in braces of an argument. A shell replaces braces after a dollar sign, so they do not count.
fn places(argument: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = argument;
    while let Some(at) = rest.find('{') {
        let is_shells = rest[..at].ends_with('$');
        rest = &rest[at + 1..];
        let name = &rest[..rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len())];
        if !is_shells && !name.is_empty() && rest[name.len()..].starts_with('}') {
            found.push(name);
        }
    }
    found
}
