//! The run directory: the only code that knows its file names.
//!
//! ```text
//! runs/<name>/ run.json config.toml events.jsonl lock
//!   base/                                                                   a shipped base model, unpacked
//!   accuracy.svg                                                            the plot
//!   METHOD/iter-000/ eval.jsonl metrics.json                                the base model, few-shot
//!   METHOD/iter-001/ balance.json                                           before it, where the method probes (B-STaR)
//!   METHOD/iter-001/ attempts.jsonl train.jsonl loss.jsonl training.json checkpoint/ eval.jsonl metrics.json
//!                    or preferences.jsonl, rewards.jsonl for train.jsonl     pairs, or samples with their advantages
//!   METHOD/final/    eval.jsonl metrics.json                                the best of them on the final split, if there is one
//!   METHOD/verifier/ preferences.jsonl loss.jsonl training.json checkpoint/ attempts.jsonl scores.jsonl verification.json
//! ```
//! Several seeds of one experiment are runs `seed-1`, `seed-2` ... in one directory, with `cost.svg` beside them.
//! Everything but `events.jsonl` is written under a temporary name (`*.partial`), synced and renamed, so a final name means done. While a
//! fine-tuning is under way, `training-state/` holds what it can be taken up from. `metrics.json` comes last and means that the
//! iteration is done. Where a policy's samples are dear, `journal.jsonl` holds those of a stage that is not done, and `server.log` what servers
//! say that a run starts. Only `events.jsonl` holds times; every other file is the same byte for byte whenever the run is repeated or resumed.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::inputs::Inputs;
use crate::metrics::IterationMetrics;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};

mod atomic;
mod events;
mod files;
mod iteration;
mod journal;
mod lock;

pub use atomic::create_directory;
pub use atomic::write as write_whole;
pub use events::EventLog;
use files::{read_json, write_json};
pub use iteration::IterationDir;
pub use journal::Journal;
pub(crate) use lock::try_lock;

/// The version of the layout that this program reads and writes.
pub const FORMAT_VERSION: u32 = 1;

const RUN: &str = "run.json";
const CONFIG: &str = "config.toml";
const EVENTS: &str = "events.jsonl";
const LOCK: &str = "lock";
const SERVER_LOG: &str = "server.log";
const BASE: &str = "base";
const FINAL: &str = "final";
const VERIFIER: &str = "verifier";
const PLOT: &str = "accuracy.svg";
const COST_PLOT: &str = "cost.svg";

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Begun and not finished; perhaps interrupted.
    Running,
    /// Every method is done.
    Finished,
}

/// `run.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The layout's version.
    pub format_version: u32,
    /// The run's name.
    pub name: String,
    /// The run's seed.
    pub seed: u64,
    /// How far it has come.
    pub status: RunStatus,
    /// What the files held that it depends on. Absent where there are none.
    #[serde(default, skip_serializing_if = "Inputs::is_empty")]
    pub inputs: Inputs,
}

/// A run directory, held by this process for writing or opened for reading.
#[derive(Debug)]
pub struct RunDir {
    root: PathBuf,
    /// Held for as long as this value lives; the system lets go of it when the process dies.
    _lock: Option<File>,
}

/// What is in a run directory that was taken for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing; the run begins.
    Nothing,
    /// An earlier part of the same run.
    EarlierWork,
}

impl RunDir {
    /// Takes `root` for writing: begins a run there, or with `resume` takes up the one that is there. Resuming where nothing is begins.
    ///
    /// # Errors
    /// The directory cannot be written, is in use, holds something else, holds a run and `resume` is false, or was begun with another
    /// config.
    pub fn open(root: &Path, config: &Config, resume: bool) -> Result<(RunDir, Found)> {
        fs::create_dir_all(root)?;
        refuse_strangers(root)?;
        let lock = try_lock(&root.join(LOCK))?.ok_or_else(|| Error::RunInUse { path: root.to_owned() })?;
        let run = RunDir { root: root.to_owned(), _lock: Some(lock) };
        let Some(info) = run.info()? else {
            atomic::write(&run.root.join(CONFIG), config.to_toml().as_bytes())?;
            let (name, seed, inputs) = (config.name.clone(), config.seed, Inputs::new());
            run.write_info(&RunInfo { format_version: FORMAT_VERSION, name, seed, status: RunStatus::Running, inputs })?;
            return Ok((run, Found::Nothing));
        };
        if !resume {
            return Err(Error::RunExists { path: root.to_owned() });
        }
        debug_assert_eq!(info.format_version, FORMAT_VERSION);
        let keys = config.changed_keys(&run.config()?);
        if keys.is_empty() { Ok((run, Found::EarlierWork)) } else { Err(Error::ConfigChanged { path: root.to_owned(), keys }) }
    }

    /// Where the plot of the run in `root` is put.
    pub fn plot(root: &Path) -> PathBuf {
        root.join(PLOT)
    }

    /// Where the run with one of several seeds is put, if all of them are put in `root`.
    pub fn of_seed(root: &Path, seed: u64) -> PathBuf {
        root.join(format!("seed-{seed}"))
    }

    /// Where the plot of accuracy against cost of the runs in `root` is put.
    pub fn cost_plot(root: &Path) -> PathBuf {
        root.join(COST_PLOT)
    }

    /// Opens a run for reading, whoever else works in it.
    ///
    /// # Errors
    /// There is no run, or it has another layout.
    pub fn open_read_only(root: &Path) -> Result<RunDir> {
        let run = RunDir { root: root.to_owned(), _lock: None };
        match run.info()? {
            Some(_) => Ok(run),
            None => Err(Error::Corrupt { path: root.join(RUN), message: "no such file, so this is no run directory".into() }),
        }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `run.json`, or nothing where no run has begun.
    pub fn info(&self) -> Result<Option<RunInfo>> {
        let path = self.root.join(RUN);
        let Some(info) = read_json::<RunInfo>(&path)? else { return Ok(None) };
        if info.format_version != FORMAT_VERSION {
            return Err(Error::FormatVersion { path, found: info.format_version, expected: FORMAT_VERSION });
        }
        Ok(Some(info))
    }

    /// The config that the run was begun with.
    pub fn config(&self) -> Result<Config> {
        let path = self.root.join(CONFIG);
        Config::parse(&path.display().to_string(), &fs::read_to_string(&path)?, &[])
    }

    /// Writes down what the run depends on, or compares it with what was written down when the run began.
    ///
    /// # Errors
    /// A file has changed since.
    pub fn pin(&self, inputs: Inputs) -> Result<()> {
        let Some(info) = self.info()? else { return Ok(()) };
        if info.inputs.is_empty() {
            return self.write_info(&RunInfo { inputs, ..info });
        }
        let changed = inputs.into_iter().filter(|(path, sha256)| info.inputs.get(path).is_some_and(|then| then != sha256));
        let files: Vec<String> = changed.map(|(path, _)| path).collect();
        if files.is_empty() { Ok(()) } else { Err(Error::InputChanged { path: self.root.clone(), files }) }
    }

    /// Marks the run as finished.
    pub fn finish(&self) -> Result<()> {
        match self.info()? {
            Some(info) => self.write_info(&RunInfo { status: RunStatus::Finished, ..info }),
            None => Ok(()),
        }
    }

    fn write_info(&self, info: &RunInfo) -> Result<()> {
        write_json(&self.root.join(RUN), info)
    }

    /// Opens `events.jsonl` for appending, after repairing a line that a crash cut off.
    pub fn event_log(&self) -> Result<EventLog> {
        EventLog::append_to(&self.root.join(EVENTS))
    }

    /// Every event of the run, repeated or resumed parts included. A last line that is cut off is left out.
    pub fn events(&self) -> Result<Vec<Event>> {
        Ok(self.timed_events()?.into_iter().map(|(_, event)| event).collect())
    }

    /// [`RunDir::events`] with the time of each, in seconds since the Unix epoch.
    pub fn timed_events(&self) -> Result<Vec<(f64, Event)>> {
        events::read(&self.root.join(EVENTS))
    }

    /// The length of the event log, which grows with every event; nothing where there is none.
    pub fn events_length(&self) -> Option<u64> {
        fs::metadata(self.root.join(EVENTS)).ok().map(|metadata| metadata.len())
    }

    /// What servers that are started for the run say, of all times that it was taken up.
    pub fn server_log(&self) -> PathBuf {
        self.root.join(SERVER_LOG)
    }

    /// Where a shipped base model is unpacked.
    pub fn base_model(&self) -> PathBuf {
        self.root.join(BASE)
    }

    /// The place of one iteration of one method.
    pub fn iteration(&self, method: &str, iteration: u32) -> IterationDir {
        IterationDir::new(self.root.join(method).join(format!("iter-{iteration:03}")))
    }

    /// The iterations of a method that have begun, finished or not, in order.
    pub fn iterations(&self, method: &str) -> Result<Vec<u32>> {
        let root = self.root.join(method);
        let mut found = Vec::new();
        if root.is_dir() {
            for entry in fs::read_dir(&root)? {
                let name = entry?.file_name();
                found.extend(name.to_str().and_then(|name| name.strip_prefix("iter-")).and_then(|number| number.parse::<u32>().ok()));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The place of a method's final figure: the best iteration's, measured on `evaluation.final_split`.
    pub fn final_measurement(&self, method: &str) -> IterationDir {
        IterationDir::new(self.root.join(method).join(FINAL))
    }

    /// The place of a method's verifier, with the candidates that it scored.
    pub fn verifier(&self, method: &str) -> IterationDir {
        IterationDir::new(self.root.join(method).join(VERIFIER))
    }

    /// The finished iterations of a method, in order.
    pub fn metrics(&self, method: &str) -> Result<Vec<IterationMetrics>> {
        let mut found = Vec::new();
        let root = self.root.join(method);
        if root.is_dir() {
            for entry in fs::read_dir(&root)? {
                let entry = entry?;
                if entry.file_name() != FINAL {
                    found.extend(IterationDir::new(entry.path()).metrics()?);
                }
            }
        }
        found.sort_by_key(|metrics| metrics.iteration);
        Ok(found)
    }
}

/// A run that was killed before its `run.json` was there has left these at most; anything else is not ours to write into.
fn refuse_strangers(root: &Path) -> Result<()> {
    if root.join(RUN).exists() {
        return Ok(());
    }
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        if ![LOCK, CONFIG].iter().any(|own| name == *own) && !atomic::is_temporary(Path::new(&name)) {
            return Err(Error::NotARun { path: root.to_owned() });
        }
    }
    Ok(())
}
