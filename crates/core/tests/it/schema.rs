//! The JSON schema of configs and the reader accept the same keys and kinds.

use serde_json::{Map, Value};
use starloop_core::config::{Config, presets};
use starloop_core::error::Error;
use starloop_core::experiment::Experiment;
use starloop_core::registry::{Registry, SCHEMA};
use std::collections::BTreeSet;

/// The remedy of a failure in this file.
const REMEDY: &str = "list a new kind in registry/schema.rs, then make schema.json again: `just schema`";

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// The table of the schema that `value` refers to.
fn resolved<'s>(schema: &'s Value, value: &'s Value) -> &'s Value {
    let alternatives = value.get("anyOf").or_else(|| value.get("allOf")).and_then(Value::as_array);
    let value = alternatives.map_or(value, |alternatives| &alternatives[0]);
    match value.get("$ref").and_then(Value::as_str) {
        Some(place) => schema.pointer(place.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

fn keys(table: &Value) -> BTreeSet<String> {
    table["properties"].as_object().map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

/// The keys that the reader names as valid beside an unknown key.
fn accepted(overrides: &[&str]) -> BTreeSet<String> {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    let read = Config::load("smoke", &overrides).and_then(|config| Experiment::new(config, &Registry::default()));
    match read.err() {
        Some(Error::UnknownKey { valid, .. }) => valid.into_iter().collect(),
        other => panic!("{overrides:?}: {other:?}"),
    }
}

/// The `kind`s of a list of alternatives, with their tables.
fn kinds(alternatives: &Value) -> Map<String, Value> {
    let named = |table: &Value| (table["properties"]["kind"]["const"].as_str().unwrap().to_owned(), table.clone());
    alternatives["oneOf"].as_array().unwrap().iter().map(named).collect()
}

#[test]
fn common_sections_have_the_keys_that_the_reader_accepts() {
    let schema = schema();
    assert_eq!(keys(&schema), accepted(&["zzz=1"]), "{REMEDY}");
    for section in ["model", "sampling", "selection", "training", "trainer", "evaluation", "record"] {
        let table = resolved(&schema, &schema["properties"][section]);
        assert_eq!(keys(table), accepted(&[&format!("{section}.zzz=1")]), "[{section}]: {REMEDY}");
    }
    let lora = resolved(&schema, &resolved(&schema, &schema["properties"]["training"])["properties"]["lora"]);
    assert_eq!(keys(lora), accepted(&["training.lora.zzz=1"]), "{REMEDY}");
}

#[test]
fn the_reader_requires_the_keys_that_the_schema_requires() {
    let schema = schema();
    let required: BTreeSet<&str> = schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let (_, smoke) = presets().iter().find(|(name, _)| *name == "smoke").unwrap();
    let whole: toml::Table = smoke.parse().unwrap();
    for key in keys(&schema) {
        let mut without = whole.clone();
        without.remove(&key);
        let read = Config::parse("without", &without.to_string(), &[]);
        assert_eq!(read.is_err(), required.contains(key.as_str()), "{key}: {:?}", read.err());
    }
}

#[test]
fn tasks_methods_and_policies_have_the_kinds_and_keys_of_the_registry() {
    let (schema, registry) = (schema(), Registry::default());
    let without = |table: &Value, others: &[&str]| -> BTreeSet<String> {
        keys(table).into_iter().filter(|key| key != "kind" && !others.contains(&key.as_str())).collect()
    };
    let tasks = kinds(&schema["properties"]["task"]);
    assert_eq!(tasks.keys().collect::<BTreeSet<_>>(), registry.tasks.iter().map(|task| &task.kind).collect(), "{REMEDY}");
    for (kind, table) in &tasks {
        let Err(Error::UnknownKey { valid, .. }) = registry.task_settings(kind, &["task.zzz=1".to_owned()]) else { panic!("{kind}") };
        assert_eq!(without(table, &[]), valid.into_iter().collect(), "[task] kind = {kind:?}: {REMEDY}");
    }
    let methods = kinds(&schema["properties"]["methods"]["additionalProperties"]);
    assert_eq!(methods.keys().collect::<BTreeSet<_>>(), registry.methods.iter().map(|method| &method.kind).collect(), "{REMEDY}");
    for (kind, table) in &methods {
        let valid = accepted(&[&format!("methods.m={{kind=\"{kind}\", zzz=1}}"), "run=[\"m\"]"]);
        assert_eq!(without(table, &["sampling", "selection", "training", "evaluation"]), valid, "[methods.NAME] kind = {kind:?}: {REMEDY}");
    }
    let policies = kinds(&schema["properties"]["policy"]);
    assert_eq!(without(&policies["openai"], &[]), accepted(&["policy.kind=openai", "policy.zzz=1"]), "{REMEDY}");
    assert!(policies.contains_key("embedded"));
}
