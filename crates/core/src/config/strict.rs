//! Strict reading of tables, and errors that say where a table came from.

use crate::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Track;
use starloop_lm::error::InvalidSetting;

/// A value that is not allowed, with the path of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The key, such as `training.steps`.
    pub key: String,
    /// The expected value, and the value that was found.
    pub message: String,
}

impl Invalid {
    /// A setting of the language model, as the key of the section `path`.
    pub(super) fn in_section(path: &str, InvalidSetting { key, problem }: InvalidSetting) -> Self {
        Invalid { key: format!("{path}.{key}"), message: problem }
    }
}

impl From<InvalidSetting> for Invalid {
    fn from(InvalidSetting { key, problem }: InvalidSetting) -> Self {
        Invalid { key: key.to_owned(), message: problem }
    }
}

/// The source of a config. The default is for a config that is made in code.
#[derive(Debug, Clone)]
pub struct Source {
    origin: String,
    /// The keys that overrides set, so that an error in one of them does not blame the file.
    overridden: Vec<String>,
}

impl Default for Source {
    fn default() -> Self {
        Source { origin: "the config".to_owned(), overridden: Vec::new() }
    }
}

/// A table of a config before it is read, with the path of its keys.
pub struct Section<'a> {
    source: &'a Source,
    path: String,
    table: toml::Table,
}

impl Source {
    /// Parses `text` and writes the overrides into it.
    pub(crate) fn read(origin: &str, text: &str, overrides: &[String]) -> Result<(Source, toml::Table)> {
        let mut table: toml::Table = text.parse().map_err(|source| Error::ConfigSyntax { origin: origin.to_owned(), source })?;
        let mut source = Source { origin: origin.to_owned(), overridden: Vec::new() };
        for text in overrides {
            let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.trim().is_empty()) else {
                return Err(Error::Override { text: text.clone() });
            };
            source.overridden.push(key.trim().to_owned());
            source.set(&mut table, key.trim(), parse_value(value.trim()))?;
        }
        Ok((source, table))
    }

    fn set(&self, table: &mut toml::Table, key: &str, value: toml::Value) -> Result<()> {
        let Some((first, rest)) = key.split_once('.') else {
            table.insert(key.to_owned(), value);
            return Ok(());
        };
        match table.entry(first.to_owned()).or_insert_with(|| toml::Table::new().into()) {
            toml::Value::Table(inner) => self.set(inner, rest, value),
            _ => Err(self.invalid(Invalid { key: first.to_owned(), message: format!("is not a table, so `{rest}` cannot be set in it") })),
        }
    }

    pub(crate) fn section(&self, path: &str, table: toml::Table) -> Section<'_> {
        Section { source: self, path: path.to_owned(), table }
    }

    /// A section as a table.
    ///
    /// # Errors
    /// TOML cannot hold a value, such as a number above 2^63 - 1.
    pub(crate) fn table<T: Serialize>(&self, path: &str, section: &T) -> Result<toml::Table> {
        let refused = |error: toml::ser::Error| self.invalid(Invalid { key: path.to_owned(), message: error.to_string() });
        toml::Table::try_from(section).map_err(refused)
    }

    pub(crate) fn invalid(&self, Invalid { key, message }: Invalid) -> Error {
        Error::ConfigValue { origin: self.origin_of(&key), key, message }
    }

    /// Takes `kind` out of a table and looks it up in a registry.
    pub(crate) fn kind<'r, T>(&self, path: &str, table: &mut toml::Table, registry: &'r [T], name: impl Fn(&T) -> &str) -> Result<&'r T> {
        let kinds: Vec<String> = registry.iter().map(|entry| name(entry).to_owned()).collect();
        let Some(kind) = table.remove("kind") else {
            let message = format!("is missing; one of: {}", kinds.join(", "));
            return Err(self.invalid(Invalid { key: format!("{path}.kind"), message }));
        };
        let found = kind.as_str().and_then(|kind| registry.iter().find(|entry| name(entry) == kind));
        found.ok_or_else(|| self.unknown_kind(path, &kind, &kinds))
    }

    /// The error about a `kind` that is not among `kinds`.
    pub(crate) fn unknown_kind(&self, path: &str, kind: &toml::Value, kinds: &[String]) -> Error {
        let near = kind.as_str().and_then(|kind| nearest(kind, kinds)).map(|near| format!("; did you mean {near:?}?"));
        let message = format!("there is no kind {kind}; one of: {}{}", kinds.join(", "), near.unwrap_or_default());
        self.invalid(Invalid { key: format!("{path}.kind"), message })
    }

    /// The error of a section at `path` whose key `inner` serde refused with `message`.
    fn refusal(&self, path: &str, inner: &str, message: &str) -> Error {
        let join = |parts: [&str; 3]| parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
        let message = message.lines().next().unwrap_or_default();
        if !message.starts_with("unknown field") {
            return self.invalid(Invalid { key: join([path, inner, ""]), message: message.to_owned() });
        }
        // serde names the unknown key first and then the valid ones, each in backquotes.
        let mut quoted = message.split('`').skip(1).step_by(2).map(str::to_owned);
        let unknown = quoted.next().unwrap_or_default();
        let parent = inner.rsplit_once('.').map_or("", |(parent, _)| parent);
        let valid: Vec<String> = quoted.collect();
        let key = join([path, parent, &unknown]);
        let nearest = nearest(&unknown, &valid).map(|near| join([path, parent, &near]));
        Error::UnknownKey { origin: self.origin_of(&key), nearest, key, valid }
    }

    fn origin_of(&self, key: &str) -> String {
        if self.overridden.iter().any(|overridden| overridden == key) { format!("override {key}") } else { self.origin.clone() }
    }
}

impl Section<'_> {
    /// Reads the table; every key must be known.
    ///
    /// # Errors
    /// [`Error::UnknownKey`] and [`Error::ConfigValue`], with the key's path.
    pub fn read<T: DeserializeOwned>(self) -> Result<T> {
        let mut track = Track::new();
        let tracked = serde_path_to_error::Deserializer::new(toml::Value::Table(self.table), &mut track);
        T::deserialize(tracked).map_err(|error| {
            let inner = track.path().to_string();
            self.source.refusal(&self.path, if inner == "." { "" } else { &inner }, &error.to_string())
        })
    }

    /// [`Section::read`], and the whole section with its defaults.
    ///
    /// # Errors
    /// Those of [`Section::read`], or TOML cannot hold the settings.
    pub(crate) fn read_with_defaults<T: DeserializeOwned + Serialize>(self) -> Result<(T, toml::Table)> {
        let (source, path) = (self.source, self.path.clone());
        let settings: T = self.read()?;
        let table = source.table(&path, &settings)?;
        Ok((settings, table))
    }

    /// Takes `kind` out of the table and looks it up.
    pub(crate) fn kind<'r, T>(&mut self, registry: &'r [T], name: impl Fn(&T) -> &str) -> Result<&'r T> {
        self.source.kind(&self.path, &mut self.table, registry, name)
    }

    /// Takes `kind` out of the table. Any text is allowed.
    pub(crate) fn take_kind(&mut self) -> Result<String> {
        let invalid = |message: &str| Err(self.source.invalid(Invalid { key: format!("{}.kind", self.path), message: message.into() }));
        match self.table.remove("kind") {
            Some(toml::Value::String(kind)) => Ok(kind),
            Some(_) => invalid("expected a text"),
            None => invalid("is missing"),
        }
    }

    /// The keys, still unread.
    pub fn table(&self) -> &toml::Table {
        &self.table
    }

    /// The error about the value of a key.
    pub fn invalid(&self, key: &str, message: &str) -> Error {
        self.source.invalid(Invalid { key: format!("{}.{key}", self.path), message: message.to_owned() })
    }

    /// Checks that every key is one of these.
    ///
    /// # Errors
    /// [`Error::UnknownKey`], with the nearest of these.
    pub fn refuse_unknown(&self, valid: &[String]) -> Result<()> {
        let Some(unknown) = self.table.keys().find(|key| !valid.contains(key)) else { return Ok(()) };
        let path = |key: &str| format!("{}.{key}", self.path);
        let (key, nearest) = (path(unknown), nearest(unknown, valid).map(|near| path(&near)));
        Err(Error::UnknownKey { origin: self.source.origin_of(&key), nearest, key, valid: valid.to_vec() })
    }

    /// The keys, without reading them.
    pub fn into_table(self) -> toml::Table {
        self.table
    }
}

/// A value as TOML reads it, or else the text itself, so that strings need no quotes.
fn parse_value(text: &str) -> toml::Value {
    format!("value = {text}")
        .parse::<toml::Table>()
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

/// The most similar name, if one is similar at all.
pub(crate) fn nearest(name: &str, candidates: &[String]) -> Option<String> {
    let scored = candidates.iter().map(|candidate| (strsim::jaro_winkler(name, candidate), candidate));
    scored.filter(|(score, _)| *score > 0.75).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate.clone())
}

/// A section as a table. [`Experiment::new`](crate::experiment::Experiment::new) has checked that TOML can hold it.
pub(crate) fn to_table<T: Serialize>(section: &T) -> toml::Table {
    toml::Table::try_from(section).unwrap_or_default()
}
