//! Methods that share a label are distinguished by their settings.

use super::MethodReport;
use starloop_record::run_dir::settings::of_method;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Adds to equal labels the settings that differ: `STaR with rationalization, accumulate = true`. The first method of a label keeps it if
/// its settings are the most common ones.
pub(super) fn tell_apart(methods: &mut [MethodReport], config: &Table) {
    let labels: Vec<String> = methods.iter().map(|method| method.info.label.clone()).collect();
    let settings: Vec<_> = methods.iter().map(|method| of_method(config, &method.info.name)).collect();
    for (place, method) in methods.iter_mut().enumerate() {
        let same = || (0..labels.len()).filter(|&other| labels[other] == labels[place]).map(|other| &settings[other]);
        let own = differing(&settings[place], same);
        if !own.is_empty() {
            method.info.label = format!("{}, {}", labels[place], own.join(", "));
        }
    }
}

/// The settings of one of several whose value is not the most common one, as `key = value`.
pub(super) fn differing<'a, I>(own: &BTreeMap<String, Value>, all: impl Fn() -> I) -> Vec<String>
where
    I: Iterator<Item = &'a BTreeMap<String, Value>>,
{
    let is_special = |(key, value): &(&String, &Value)| {
        let times = |wanted: Option<&Value>| all().filter(|settings| settings.get(*key) == wanted).count();
        let (own, most) = (times(Some(*value)), all().map(|settings| times(settings.get(*key))).max().unwrap_or(0));
        // Of two values that are equally common, the first one counts as the common one.
        let first = all().map(|settings| settings.get(*key)).find(|value| times(*value) == most);
        own < most || first != Some(Some(*value))
    };
    let shown = |(key, value): (&String, &Value)| format!("{} = {value}", key.strip_prefix("method.").unwrap_or(key));
    own.iter().filter(is_special).map(shown).collect()
}
