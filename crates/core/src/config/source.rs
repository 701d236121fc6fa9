//! Reading a table strictly, and saying where it came from when it is wrong.

use crate::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value that cannot be, with its key's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The key, such as `training.steps`.
    pub key: String,
    /// What was expected, and what was found.
    pub message: String,
}

/// Where a config came from.
pub(super) struct Source {
    origin: String,
    /// The keys that overrides set, so that an error in one of them does not blame the file.
    overridden: Vec<String>,
}

/// A table of a config that is still to be read, with the path of its keys.
pub struct Section<'a> {
    source: &'a Source,
    path: String,
    table: toml::Table,
}

impl Source {
    /// Parses `text` and writes the overrides into it.
    pub(super) fn read(origin: &str, text: &str, overrides: &[String]) -> Result<(Source, toml::Table)> {
        let mut table: toml::Table = text.parse().map_err(|error: toml::de::Error| Error::ConfigSyntax {
            origin: origin.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        })?;
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
            _ => Err(self.invalid(Invalid { key: first.to_owned(), message: format!("is no table, so `{rest}` cannot be set in it") })),
        }
    }

    pub(super) fn section(&self, path: &str, table: toml::Table) -> Section<'_> {
        Section { source: self, path: path.to_owned(), table }
    }

    pub(super) fn invalid(&self, Invalid { key, message }: Invalid) -> Error {
        Error::ConfigValue { origin: self.origin_of(&key), key, message }
    }

    /// Takes `kind` out of a table and looks it up in a registry.
    pub(super) fn kind<'r, T>(
        &self,
        path: &str,
        table: &mut toml::Table,
        registry: &'r [T],
        name: impl Fn(&T) -> &'static str,
    ) -> Result<&'r T> {
        let kinds: Vec<String> = registry.iter().map(|entry| name(entry).to_owned()).collect();
        let key = format!("{path}.kind");
        let Some(kind) = table.remove("kind") else {
            return Err(self.invalid(Invalid { key, message: format!("is missing; one of: {}", kinds.join(", ")) }));
        };
        let found = kind.as_str().and_then(|kind| registry.iter().find(|entry| name(entry) == kind));
        found.ok_or_else(|| {
            let near = kind.as_str().and_then(|kind| nearest(kind, &kinds)).map(|near| format!("; did you mean {near:?}?"));
            let message = format!("there is no kind {kind}; one of: {}{}", kinds.join(", "), near.unwrap_or_default());
            self.invalid(Invalid { key, message })
        })
    }

    fn origin_of(&self, key: &str) -> String {
        if self.overridden.iter().any(|overridden| overridden == key) { format!("--set {key}") } else { self.origin.clone() }
    }
}

impl Section<'_> {
    /// Reads the table; every key must be known.
    ///
    /// # Errors
    /// [`Error::UnknownKey`] and [`Error::ConfigValue`], with the key's path.
    pub fn read<T: DeserializeOwned>(self) -> Result<T> {
        let Section { source, path, table } = self;
        serde_path_to_error::deserialize(toml::Value::Table(table)).map_err(|error| {
            let inner = match error.path().to_string() {
                here if here == "." => String::new(),
                inner => inner,
            };
            let message = error.inner().message().to_owned();
            let join = |key: &str| [path.as_str(), key].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(".");
            if !message.starts_with("unknown field") {
                return source.invalid(Invalid { key: join(&inner), message });
            }
            // serde names the unknown key first and then the valid ones, each in backquotes.
            let mut quoted = message.split('`').skip(1).step_by(2).map(str::to_owned);
            let unknown = quoted.next().unwrap_or_default();
            let parent = inner.rsplit_once('.').map_or("", |(parent, _)| parent);
            let valid: Vec<String> = quoted.collect();
            let within = |key: &str| join(&[parent, key].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("."));
            let key = within(&unknown);
            Error::UnknownKey { origin: source.origin_of(&key), nearest: nearest(&unknown, &valid).map(|near| within(&near)), key, valid }
        })
    }

    /// Takes `kind` out of the table and looks it up.
    pub(super) fn kind<'r, T>(&mut self, registry: &'r [T], name: impl Fn(&T) -> &'static str) -> Result<&'r T> {
        self.source.kind(&self.path, &mut self.table, registry, name)
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
pub(super) fn nearest(name: &str, candidates: &[String]) -> Option<String> {
    let scored = candidates.iter().map(|candidate| (strsim::jaro_winkler(name, candidate), candidate));
    scored.filter(|(score, _)| *score > 0.75).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate.clone())
}

/// A section as a table. Sections are plain structs of numbers, strings and lists, which TOML can always hold.
pub(super) fn to_table<T: Serialize>(section: &T) -> toml::Table {
    toml::Table::try_from(section).unwrap_or_default()
}

/// Every key whose value differs, with both values.
pub(super) fn changed_keys(now: &toml::Table, then: &toml::Table) -> Vec<String> {
    let (mut now_flat, mut then_flat) = (Vec::new(), Vec::new());
    flatten("", now, &mut now_flat);
    flatten("", then, &mut then_flat);
    let find = |flat: &[(String, toml::Value)], key: &str| {
        flat.iter().find(|(candidate, _)| candidate == key).map_or_else(|| "unset".to_owned(), |(_, value)| value.to_string())
    };
    let mut keys: Vec<&String> = now_flat.iter().chain(&then_flat).map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .map(|key| (key, find(&then_flat, key), find(&now_flat, key)))
        .filter(|(_, then, now)| then != now)
        .map(|(key, then, now)| format!("{key} ({then} -> {now})"))
        .collect()
}

/// A table's values under their dotted keys.
pub(super) fn flatten(path: &str, table: &toml::Table, into: &mut Vec<(String, toml::Value)>) {
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(inner) => flatten(&path, inner, into),
            value => into.push((path, value.clone())),
        }
    }
}
