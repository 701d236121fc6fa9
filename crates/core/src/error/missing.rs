//! The kinds of things that can be missing.

use std::fmt;

/// The role of a column that [`Error::NoColumn`](super::Error::NoColumn) misses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnRole {
    /// The question.
    Question,
    /// The known answer.
    Answer,
}

impl fmt::Display for ColumnRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ColumnRole::Question => "the question",
            ColumnRole::Answer => "the known answer",
        })
    }
}

/// The kind of thing that an [`Error::NotFound`](super::Error::NotFound) misses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// A config or recipe: a file, or a name that this program ships.
    Config,
    /// A base model: a directory, or a name that this program ships.
    Model,
    /// A base model by its name on the hub.
    HubModel,
    /// The shape of a model, which a plan needs: that of the base, or a published one.
    Shape,
    /// A file of problems.
    Data,
}

impl Missing {
    pub(super) fn about(self, name: &str, known: &[String]) -> String {
        let known = known.join(", ");
        match self {
            Missing::Config => format!("{name:?} is neither a config file nor a preset; presets: {known}"),
            Missing::Model if known.is_empty() => format!("`model.base = {name:?}`: no such directory"),
            Missing::Model => format!("`model.base = {name:?}`: no such shipped model; there are: {known}"),
            Missing::HubModel => format!("`model.base = {name:?}`: no such model on this machine; searched: {known}"),
            Missing::Shape => {
                format!("`model.base = {name:?}`: no such directory, so the plan lacks its config.json; published shapes: {known}")
            }
            Missing::Data => format!(
                "{name}: no such file of problems in the working directory or in the directory of the config; set its path in [task] (a run \
                 that is resumed accepts another path to the same content)"
            ),
        }
    }
}
