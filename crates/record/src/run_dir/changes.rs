//! The comparison of a run that is resumed with how it was begun. Changes that only prolong the run are accepted: more iterations, methods
//! after the others, another path to the same data. A change of anything that was done already is refused.

use super::{CONFIG, FINAL, NewRun, RunDir, settings};
use crate::atomic;
use crate::digest::sha256_hex;
use crate::error::{Error, Result};
use crate::info::{RunInfo, RunStatus};
use fs_err as fs;
use std::collections::BTreeMap;
use toml::Value;

/// A change of a key between the beginning of a run and its resumption.
enum Change {
    /// It changes no result.
    Circumstance,
    /// The path of an input whose content is the same.
    Moved,
    /// The path of an input with other content, now.
    OtherContent(String),
    /// A method is added behind the others, or belongs to one that was added.
    Added,
    /// This method has more iterations.
    Prolonged(String),
    /// Something that was done already depends on it.
    Past,
}

impl RunDir {
    /// Compares a run with `new`, and records the changes that prolong it. Methods that go on lose their final figure, which is measured again.
    ///
    /// # Errors
    /// [`Error::ConfigChanged`] and [`Error::InputChanged`].
    pub(super) fn accept_changes(&self, info: &RunInfo, new: &NewRun) -> Result<()> {
        let (now, then) = (settings::flatten(&new.config), settings::flatten(&self.config()?));
        let (mut refused, mut files, mut prolonged, mut is_changed) = (Vec::new(), Vec::new(), Vec::new(), false);
        for change in settings::changed_keys(&new.config, &self.config()?) {
            let key = change.split(' ').next().unwrap_or_default();
            match kind(key, (&then, info), (&now, new)) {
                Change::Circumstance => continue,
                Change::Moved | Change::Added => {}
                Change::OtherContent(file) => files.push(file),
                Change::Prolonged(method) => prolonged.push(method),
                Change::Past => refused.push(change),
            }
            is_changed = true;
        }
        if !refused.is_empty() {
            return Err(Error::ConfigChanged { path: self.root.clone(), keys: refused });
        }
        let changed = new.info.inputs.iter().filter(|(path, sha256)| info.inputs.get(*path).is_some_and(|then| then != *sha256));
        files.extend(changed.map(|(path, _)| path.clone()));
        if !files.is_empty() {
            return Err(Error::InputChanged { path: self.root.clone(), files });
        }
        if is_changed || info.next_config_sha256.is_some() { self.record_changes(info, new, &prolonged) } else { Ok(()) }
    }

    /// Writes the new config and description. A reader between the two writes accepts both configs.
    fn record_changes(&self, info: &RunInfo, new: &NewRun, prolonged: &[String]) -> Result<()> {
        let config = new.config.to_string();
        let sha256 = sha256_hex(&config);
        self.write_info(&RunInfo { next_config_sha256: Some(sha256.clone()), ..info.clone() })?;
        for method in prolonged {
            let figure = self.root.join(method).join(FINAL);
            if figure.is_dir() {
                fs::remove_dir_all(figure)?;
            }
        }
        atomic::write(&self.root.join(CONFIG), config.as_bytes())?;
        self.write_info(&RunInfo {
            status: RunStatus::Running,
            methods: new.info.methods.clone(),
            inputs: new.info.inputs.clone(),
            config_sha256: sha256,
            next_config_sha256: None,
            ..info.clone()
        })
    }
}

type Values = BTreeMap<String, Value>;

fn kind(key: &str, (then, info): (&Values, &RunInfo), (now, new): (&Values, &NewRun)) -> Change {
    if new.info.circumstances.iter().any(|circumstance| circumstance == key) {
        return Change::Circumstance;
    }
    let (before, after) = (then.get(key), now.get(key));
    let path = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    if let (Some(before), Some(after)) = (path(before), path(after))
        && let (Some(old), Some(other)) = (info.inputs.get(&before), new.info.inputs.get(&after))
    {
        return if old == other { Change::Moved } else { Change::OtherContent(after) };
    }
    let run = |values: &Values| values.get("run").and_then(Value::as_array).cloned().unwrap_or_default();
    if key == "run" {
        return if run(now).starts_with(&run(then)) { Change::Added } else { Change::Past };
    }
    let Some(method) = key.strip_prefix("methods.").and_then(|rest| rest.split('.').next()) else { return Change::Past };
    if !run(then).iter().any(|ran| ran.as_str() == Some(method)) {
        return Change::Added;
    }
    let count = |value: Option<&Value>| value.and_then(Value::as_integer);
    let has_grown = count(before).zip(count(after)).is_some_and(|(before, after)| after > before);
    if has_grown && new.prolongs.iter().any(|prolongs| prolongs == key) { Change::Prolonged(method.to_owned()) } else { Change::Past }
}
