//! The names and settings of a run without the paths of the machine that it ran on.

use crate::report::RunReport;
use std::path::Path;
use toml::{Table, Value};

/// The name of a run's base model for readers on other machines: its name on the hub, if the config or its place in the hub's cache has it;
/// `builtin:NAME`; or else the last part of its path.
pub fn base_name(run: &RunReport) -> String {
    hub_name(run).unwrap_or_else(|| last_part(&run.info.model.base))
}

/// The name of a run's base model on the hub, if it is known.
pub fn hub_name(run: &RunReport) -> Option<String> {
    let model = &run.info.model;
    model.hub.clone().or_else(|| cached_name(&model.base))
}

/// The model of a directory in the hub's cache: `models--ORG--NAME/snapshots/REVISION`.
fn cached_name(path: &str) -> Option<String> {
    let part = path.split(['/', '\\']).find_map(|part| part.strip_prefix("models--"))?;
    Some(part.replacen("--", "/", 1))
}

fn last_part(path: &str) -> String {
    if path.starts_with("builtin:") {
        return path.to_owned();
    }
    path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}

/// The config of a run with the base model by its name, and with the last part of each absolute path.
pub(super) fn config(run: &RunReport, config: &Table) -> Table {
    let mut table: Table = config.iter().map(|(key, value)| (key.clone(), without_directories(value))).collect();
    if let Some(Value::Table(model)) = table.get_mut("model") {
        model.insert("base".to_owned(), base_name(run).into());
    }
    table
}

fn without_directories(value: &Value) -> Value {
    match value {
        Value::String(text) if Path::new(text).is_absolute() => Value::String(last_part(text)),
        Value::Array(values) => Value::Array(values.iter().map(without_directories).collect()),
        Value::Table(table) => Value::Table(table.iter().map(|(key, value)| (key.clone(), without_directories(value))).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_no_directory_of_a_machine() {
        assert_eq!(cached_name("/home/me/hub/models--Org--Name-1B/snapshots/abc"), Some("Org/Name-1B".to_owned()));
        assert_eq!(cached_name("bases/Name"), None);
        for (path, name) in [("/home/me/bases/Name/", "Name"), ("bases/Name", "Name"), ("builtin:arithmetic", "builtin:arithmetic")] {
            assert_eq!(last_part(path), name);
        }
        let table: Table = "[task]\ntrain = '/home/me/p.jsonl'\nlist = ['/a/b', 'c/d']".parse().unwrap_or_default();
        let plain = without_directories(&Value::Table(table)).to_string();
        assert!(!plain.contains("/home") && !plain.contains("/a/") && plain.contains("p.jsonl") && plain.contains("c/d"), "{plain}");
    }
}
