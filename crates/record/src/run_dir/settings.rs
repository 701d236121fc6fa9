//! The settings of a run as a TOML table, for readers that show or compare them. The meaning of a key is defined elsewhere.

use std::collections::BTreeMap;
use toml::{Table, Value};

/// The sections that a method can override key by key.
const SHARED_SECTIONS: [&str; 4] = ["sampling", "selection", "training", "evaluation"];

/// Every key whose value differs, as `key (then -> now)`, in alphabetical order.
pub fn changed_keys(now: &Table, then: &Table) -> Vec<String> {
    let (now, then) = (flatten(now), flatten(then));
    let show = |table: &BTreeMap<String, Value>, key: &str| table.get(key).map_or_else(|| "unset".to_owned(), Value::to_string);
    let mut keys: Vec<&String> = now.keys().chain(then.keys()).collect();
    keys.sort();
    keys.dedup();
    let changed = keys.into_iter().filter(|key| now.get(*key) != then.get(*key));
    changed.map(|key| format!("{key} ({} -> {})", show(&then, key), show(&now, key))).collect()
}

/// A table's values under their dotted keys.
pub fn flatten(table: &Table) -> BTreeMap<String, Value> {
    fn into(path: &str, table: &Table, values: &mut BTreeMap<String, Value>) {
        for (key, value) in table {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match value {
                Value::Table(inner) => into(&path, inner, values),
                value => _ = values.insert(path, value.clone()),
            }
        }
    }
    let mut values = BTreeMap::new();
    into("", table, &mut values);
    values
}

/// Every setting that one method of a config used, by dotted keys. The method's own keys stand under `method`.
pub fn of_method(config: &Table, method: &str) -> BTreeMap<String, Value> {
    let mut table = config.clone();
    let methods = table.remove("methods");
    for key in ["name", "seeds", "run"] {
        table.remove(key);
    }
    let mut own = methods.as_ref().and_then(|methods| methods.get(method)).and_then(Value::as_table).cloned().unwrap_or_default();
    for section in SHARED_SECTIONS {
        if let Some(Value::Table(overrides)) = own.remove(section)
            && let Value::Table(shared) = table.entry(section).or_insert_with(|| Table::new().into())
        {
            shared.extend(overrides);
        }
    }
    table.insert("method".into(), own.into());
    flatten(&table)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn changed_keys_show_both_values() {
        let then = table("seed = 1\n[training]\nsteps = 10\nold = true");
        let now = table("seed = 1\n[training]\nsteps = 20");
        assert_eq!(changed_keys(&now, &then), ["training.old (true -> unset)", "training.steps (10 -> 20)"]);
        assert!(changed_keys(&now, &now).is_empty());
    }

    #[test]
    fn a_method_overrides_the_shared_sections() {
        let config = table(
            "name = 'x'\nseed = 1\n[training]\nsteps = 10\nbatch_size = 2\n\
             [methods.star]\nkind = 'star'\n[methods.star.training]\nsteps = 30\n[methods.other]\nkind = 'rft'",
        );
        let settings: Vec<String> = of_method(&config, "star").iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(settings, ["method.kind=\"star\"", "seed=1", "training.batch_size=2", "training.steps=30"]);
    }
}
