//! The run directory: the only code that knows its file names.
//!
//! ```text
//! runs/NAME/ run.json config.toml events.jsonl lock
//!   base/                                        a shipped base model, unpacked
//!   problems/SHA256.jsonl prompts/SHA256.jsonl   the problems and prompts that attempts name, each set of them once
//!   accuracy.svg                                 the plot
//!   METHOD/iter-000/ eval.jsonl metrics.json     the base model, few-shot
//!   METHOD/iter-001/ balance.json                before it, if the method probes (B-STaR)
//!   METHOD/iter-001/ attempts.jsonl outcomes.jsonl train.jsonl loss.jsonl training.json checkpoint/ eval.jsonl metrics.json
//!                    or preferences.jsonl, rewards.jsonl for train.jsonl: pairs, or samples with their advantages
//!   METHOD/final/    eval.jsonl metrics.json     the best iteration on the final split, if there is one
//!   METHOD/verifier/ preferences.jsonl loss.jsonl training.json checkpoint/ attempts.jsonl scores.jsonl verification.json
//!   METHOD/audit/   NAME.json                     what `starloop audit` found; no stage reads it
//!   METHOD/*/stages/STAGE.json                   what each stage read and wrote, with digests
//! ```
//! Several seeds of one experiment are runs `seed-1`, `seed-2` ... in one directory, with `cost.svg` beside them.
//!
//! Every file but `events.jsonl` is written under a temporary name (`*.partial`), synced and renamed, so a final name means that the file is
//! complete. `metrics.json` comes last and means that the iteration is done. During a fine-tuning, `training-state/` holds what it can be
//! resumed from. If samples are expensive, `journal.jsonl` holds those of a stage that is not done. `server.log` has the output of servers that
//! the run started. Only `events.jsonl` holds times. Every other file is the same byte for byte whenever the run is repeated or resumed. All
//! paths are relative, so a run directory can be moved and copied.

use crate::atomic::{self, regular};
use crate::digest::sha256_hex;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::info::{RunInfo, RunStatus};
use crate::metrics::IterationMetrics;
use fs_err as fs;
use std::path::{Component, Path, PathBuf};

mod audits;
mod changes;
mod clean;
mod events;
mod files;
mod iteration;
mod journal;
mod lock;
mod origin;
pub mod settings;
mod stage;
mod texts;

pub use audits::AuditFile;
pub use events::EventLog;
pub use iteration::IterationDir;
pub use journal::Journal;
pub use lock::Lock;
pub use origin::{Outside, leads_outside};
pub use stage::{Digests, FileStage, Maker, StageRecord};

use files::{read_json, write_json};
use stage::{STAGES, Stages};

/// The version of the layout that this program reads and writes.
pub const FORMAT_VERSION: u32 = 2;

const RUN: &str = "run.json";
const AUDIT: &str = "audit.json";
const CONFIG: &str = "config.toml";
const EVENTS: &str = "events.jsonl";
const LOCK: &str = "lock";
const SERVER_LOG: &str = "server.log";
const BASE: &str = "base";
const PROBLEMS: &str = "problems";
const PROMPTS: &str = "prompts";
const FINAL: &str = "final";
const VERIFIER: &str = "verifier";
const PLOT: &str = "accuracy.svg";
const COST_PLOT: &str = "cost.svg";

/// A run directory, held by this process for writing or opened for reading.
#[derive(Debug)]
pub struct RunDir {
    root: PathBuf,
    maker: Maker,
    /// Held as long as this value lives.
    lock: Option<Lock>,
}

/// The inputs of a new run. A resumed run must have the same inputs, or more work.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// The description of the run. Format version, status and config digest are filled in.
    pub info: RunInfo,
    /// The resolved config.
    pub config: toml::Table,
    /// The keys of the config that may grow when the run is resumed, because a greater value only adds work after the work that was done.
    pub prolongs: Vec<String>,
    /// The device that computes, for the stage records.
    pub device: String,
}

/// The state of a run directory that was opened for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenedAs {
    /// Nothing; the run begins.
    New,
    /// An earlier part of the same run.
    Resumed,
}

impl RunDir {
    /// Opens `root` for writing. Begins a run there, or resumes the run that is there if `resume` is true. Resuming an empty directory begins a
    /// run.
    ///
    /// # Errors
    /// The directory cannot be written, is in use, holds something else, holds a run and `resume` is false, or holds a run that was begun
    /// with other input files or with a config that changes what was done.
    pub fn open(root: &Path, new: &NewRun, resume: bool) -> Result<(RunDir, OpenedAs)> {
        fs::create_dir_all(root)?;
        refuse_strangers(root)?;
        let lock = Lock::try_take(&root.join(LOCK))?.ok_or_else(|| Error::RunInUse { path: root.to_owned() })?;
        // Everything below is written to, and a link could lead to any file of the user.
        atomic::refuse_links(root)?;
        let maker = Maker { program: new.info.program.clone(), device: new.device.clone() };
        let run = RunDir { root: root.to_owned(), maker, lock: Some(lock) };
        if !root.join(RUN).exists() {
            // A run that was killed as it began has left unfinished files here.
            for name in [CONFIG, RUN] {
                atomic::sweep_beside(&root.join(name))?;
            }
            run.mark_as_made_here()?;
            let config = new.config.to_string();
            atomic::write(&root.join(CONFIG), config.as_bytes())?;
            let info = RunInfo {
                format_version: FORMAT_VERSION,
                status: RunStatus::Running,
                config_sha256: sha256_hex(&config),
                ..new.info.clone()
            };
            run.write_info(&info)?;
            return Ok((run, OpenedAs::New));
        }
        let info = run.info()?;
        if !resume {
            return Err(Error::RunExists { path: root.to_owned() });
        }
        run.accept_changes(&info, new)?;
        let info = run.info()?;
        run.sweep(&info)?;
        Ok((run, OpenedAs::Resumed))
    }

    /// Removes what interrupted writers left.
    fn sweep(&self, info: &RunInfo) -> Result<()> {
        self.written_directories(info)?.iter().try_for_each(|directory| Ok(atomic::sweep(directory)?))
    }

    /// The directories in which a run writes files. Some may be missing.
    fn written_directories(&self, info: &RunInfo) -> Result<Vec<PathBuf>> {
        let mut written = vec![self.root.clone()];
        written.extend([PROBLEMS, PROMPTS, STAGES].map(|name| self.root.join(name)));
        for method in &info.methods {
            let directory = self.root.join(&method.name);
            for place in directories_in(&directory)? {
                written.extend([place.join(STAGES), place]);
            }
            written.push(directory);
        }
        Ok(written)
    }

    /// The path of the plot of the run in `root`.
    pub fn plot(root: &Path) -> PathBuf {
        root.join(PLOT)
    }

    /// The directory of the run with one of several seeds in `root`.
    pub fn of_seed(root: &Path, seed: u64) -> PathBuf {
        root.join(format!("seed-{seed}"))
    }

    /// The path of the plot of accuracy against cost of the runs in `root`.
    pub fn cost_plot(root: &Path) -> PathBuf {
        root.join(COST_PLOT)
    }

    /// Opens a run for reading, even while another process works in it.
    ///
    /// # Errors
    /// There is no run, or it has another layout.
    pub fn open_read_only(root: &Path) -> Result<RunDir> {
        // A path that does not exist is another error than a directory without a run.
        fs::read_dir(root)?;
        let run = RunDir { root: root.to_owned(), maker: Maker::default(), lock: None };
        run.info().map(|_| run)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `run.json`.
    ///
    /// # Errors
    /// There is no run, it has another layout, or the file is damaged.
    pub fn info(&self) -> Result<RunInfo> {
        #[derive(serde::Deserialize)]
        struct Version {
            format_version: u32,
        }
        let path = self.root.join(RUN);
        let not_a_run = || Error::NotARun { path: self.root.clone() };
        let Version { format_version: found } = read_json(&path)?.ok_or_else(not_a_run)?;
        if found != FORMAT_VERSION {
            return Err(Error::FormatVersion { path, found, expected: FORMAT_VERSION });
        }
        let info: RunInfo = read_json(&path)?.ok_or_else(not_a_run)?;
        // A method's name is the name of its directory.
        match info.methods.iter().find(|method| !is_directory_name(&method.name)) {
            Some(method) => Err(Error::Corrupt { path, message: format!("the method {:?} is not the name of a directory", method.name) }),
            None => Ok(info),
        }
    }

    /// Writes the results of an audit, in the place of earlier ones.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_audit<T: serde::Serialize>(&self, audit: &T) -> Result<()> {
        write_json(&self.root.join(AUDIT), audit)
    }

    /// The config that the run was begun with, all defaults resolved.
    ///
    /// # Errors
    /// The file is missing, or was changed after the run began.
    pub fn config(&self) -> Result<toml::Table> {
        let path = self.root.join(CONFIG);
        let text = regular::read_to_string(&path)?;
        let (found, info) = (sha256_hex(&text), self.info()?);
        let expected = info.config_sha256;
        if found != expected && info.next_config_sha256.as_ref() != Some(&found) {
            let delete = self.root.clone();
            return Err(Error::Altered { path, stage: "begin".into(), found, expected, delete });
        }
        text.parse().map_err(|error: toml::de::Error| Error::Corrupt { path, message: error.to_string() })
    }

    /// Marks the run as finished.
    ///
    /// # Errors
    /// `run.json` cannot be read or written.
    pub fn finish(&self) -> Result<()> {
        self.write_info(&RunInfo { status: RunStatus::Finished, ..self.info()? })
    }

    /// Notes the number of parameters of the base model, once its directory is there.
    ///
    /// # Errors
    /// `run.json` cannot be read or written.
    pub fn note_parameters(&self, parameters: Option<u64>) -> Result<()> {
        let mut info = self.info()?;
        if info.model.parameters == parameters {
            return Ok(());
        }
        info.model.parameters = parameters;
        self.write_info(&info)
    }

    /// Returns true if another process holds the run for writing. A run that is not finished and not held was interrupted.
    ///
    /// # Errors
    /// The lock file cannot be opened.
    pub fn is_held(&self) -> Result<bool> {
        Ok(Lock::is_held(&self.root.join(LOCK))?)
    }

    fn write_info(&self, info: &RunInfo) -> Result<()> {
        write_json(&self.root.join(RUN), info)
    }

    fn place(&self, relative: PathBuf) -> IterationDir {
        IterationDir::new(&self.root, relative, &self.maker)
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

    /// The output of servers that the run started, appended at each resume.
    pub fn server_log(&self) -> PathBuf {
        self.root.join(SERVER_LOG)
    }

    /// The directory of an unpacked shipped base model.
    pub fn base_model(&self) -> PathBuf {
        self.root.join(BASE)
    }

    /// The place of one iteration of one method.
    pub fn iteration(&self, method: &str, iteration: u32) -> IterationDir {
        self.place(Path::new(method).join(format!("iter-{iteration:03}")))
    }

    /// The iterations of a method that have begun, finished or not, in order.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn iterations(&self, method: &str) -> Result<Vec<u32>> {
        let names = directories_in(&self.root.join(method))?;
        let number = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix("iter-")?.parse::<u32>().ok();
        let mut found: Vec<u32> = names.iter().filter_map(number).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// The place of a method's final figure: the best iteration's, measured on `evaluation.final_split`.
    pub fn final_measurement(&self, method: &str) -> IterationDir {
        self.place(Path::new(method).join(FINAL))
    }

    /// The place of a method's verifier, with the candidates that it scored.
    pub fn verifier(&self, method: &str) -> IterationDir {
        self.place(Path::new(method).join(VERIFIER))
    }

    /// The figures of the finished iterations of a method, in order.
    ///
    /// # Errors
    /// A file is damaged.
    pub fn metrics(&self, method: &str) -> Result<Vec<IterationMetrics>> {
        let mut found = Vec::new();
        for iteration in self.iterations(method)? {
            found.extend(self.iteration(method, iteration).metrics()?);
        }
        Ok(found)
    }

    /// Lets `unpack` create the directory of a shipped base model, unless it is there.
    ///
    /// # Errors
    /// Those of `unpack`, and [`Error::Altered`] if a file of an unpacked model was changed.
    pub fn unpack_base<E: From<Error> + From<std::io::Error>>(&self, unpack: impl FnOnce(&Path) -> Result<(), E>) -> Result<PathBuf, E> {
        let path = self.base_model();
        let stages = Stages::beside(&self.root);
        if path.is_dir() {
            stages.check_below(FileStage::Unpack, &self.root, BASE)?;
            return Ok(path);
        }
        atomic::create_directory(&path, |directory| {
            unpack(directory)?;
            let mut wrote = Digests::new();
            for file in atomic::files_below(directory)? {
                let name = format!("{BASE}/{}", file.display());
                wrote.insert(name, crate::digest::file_sha256(&directory.join(&file))?);
            }
            stages.put(&StageRecord { stage: FileStage::Unpack, maker: self.maker.clone(), read: Digests::new(), wrote })?;
            Ok::<_, E>(())
        })?;
        Ok(path)
    }
}

/// Returns true if a text is the name of a directory in another one.
fn is_directory_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
}

/// The directories in a directory, which may be missing.
fn directories_in(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if root.is_dir() {
        for entry in fs::read_dir(root)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

/// Before its `run.json` is there, an interrupted run has left these files at most. A directory with anything else is not a run.
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
