//! The trainer that runs a program of the user: TRL under accelerate, torchrun, a job of a cluster, or any other program that fine-tunes.
//!
//! The program is started once for each fine-tuning. These places in its arguments are filled in:
//!
//! | | |
//! |---|---|
//! | `{base}` | the checkpoint directory to start from |
//! | `{data}` | JSON lines of `prompt` and `completion`; the loss is on the completion and one end token after it |
//! | `{out}` | the checkpoint directory to write; it does not exist yet |
//! | `{state}` | a directory for its saved states; it is kept after an interruption and removed after success |
//! | `{settings}` | a JSON file with all of these, and `[training]` under `training` |
//! | `{steps}`, `{seed}` | optimizer steps, and the seed of the order of examples |
//!
//! Paths are absolute, and the program runs in this program's working directory. Its output is kept in `training.log`: beside its states while
//! it runs, and in the checkpoint afterwards. Lines of its standard output such as `{"step": 12, "loss": 1.25, "tokens": 98304,
//! "target_tokens": 40210}` are progress. `loss` is the natural logarithm per target token, the mean over the steps since the line before.
//! `tokens` and `target_tokens` count from the beginning and are optional. The program ends with exit code 0. Its checkpoint is checked by
//! [`starloop_lm::checkpoint::check_tuned`].
//!
//! Starloop does not check that the same job gives the same bytes.

mod steps;

use super::{Trainer, TrainingJob, TrainingProgress};
use crate::config::{TrainerConfig, TrainingConfig};
use crate::error::{Error, Result};
use crate::external::process::{ProcessGroup, Shutdown, log_tail};
use crate::metrics::TrainingMetrics;
use crate::types::Example;
use fs_err as fs;
use serde::Serialize;
use starloop_lm::checkpoint::{check_tuned, is_checkpoint};
use starloop_lm::files::chat::{Chat, ChatVariables};
use starloop_record::atomic;
use starloop_record::training_rows::TrainingRows;
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use steps::Steps;

const DATA: &str = "data.jsonl";
const SETTINGS: &str = "settings.json";
const STATES: &str = "states";
const LOG: &str = "training.log";

/// Bytes of the longest line that is kept in one piece.
const LONGEST_LINE: u64 = 1 << 20;
/// Lines that wait to be read. A program that prints faster has to wait.
const WAITING_LINES: usize = 16;
/// Time between two checks whether the program has ended.
const POLL: Duration = Duration::from_millis(50);
/// Time for the last lines to arrive after the program has ended, if another process still holds its output open.
const LAST_LINES: Duration = Duration::from_secs(2);
/// Lines of the log that an error shows.
const SHOWN: usize = 12;

/// Fine-tunes with a program of the user.
#[derive(Debug)]
pub struct CommandTrainer {
    command: Vec<String>,
    secrets: Vec<String>,
    chat: Chat,
}

/// The content of `{settings}`.
#[derive(Serialize)]
struct SettingsFile<'a> {
    base: &'a Path,
    data: &'a Path,
    out: &'a Path,
    state: &'a Path,
    steps: u64,
    seed: u64,
    examples: usize,
    /// True if prompts are put by the checkpoint's chat template.
    chat: bool,
    /// The variables of that template.
    #[serde(skip_serializing_if = "Option::is_none")]
    chat_variables: Option<&'a ChatVariables>,
    training: &'a TrainingConfig,
}

#[derive(Serialize)]
struct Pair<'a> {
    prompt: &'a str,
    completion: &'a str,
}

/// A line of the program's output.
struct Line {
    text: Vec<u8>,
    is_output: bool,
}

/// The paths of a fine-tuning, all absolute.
struct Paths {
    base: PathBuf,
    data: PathBuf,
    out: PathBuf,
    state: PathBuf,
    settings: PathBuf,
    log: PathBuf,
}

impl CommandTrainer {
    /// A trainer that runs the program of `[trainer]`. With `chat`, it formats prompts with the checkpoint's chat template.
    pub fn new(config: &TrainerConfig, chat: impl Into<Chat>) -> Self {
        CommandTrainer { command: config.command.clone(), secrets: config.secrets.clone(), chat: chat.into() }
    }

    fn prepare(&self, job: &TrainingJob<'_>) -> Result<Paths> {
        let TrainingRows::Completions(examples) = job.data.rows() else {
            return Err(Error::ObjectiveNotSupported { objective: job.data.loss().name() });
        };
        let scratch = std::path::absolute(job.scratch)?;
        let within = |name: &str| scratch.join(name);
        let (base, out) = (std::path::absolute(job.base)?, std::path::absolute(job.output)?);
        let paths = Paths { base, out, data: within(DATA), state: within(STATES), settings: within(SETTINGS), log: within(LOG) };
        atomic::make_directory(&scratch)?;
        atomic::make_directory(&paths.state)?;
        write_pairs(&paths.data, examples)?;
        let settings = SettingsFile {
            base: &paths.base,
            data: &paths.data,
            out: &paths.out,
            state: &paths.state,
            steps: job.steps,
            seed: job.seed,
            examples: examples.len(),
            chat: self.chat.0.is_some(),
            chat_variables: self.chat.0.as_ref().filter(|variables| !variables.is_empty()),
            training: job.settings,
        };
        atomic::write(&paths.settings, &serde_json::to_vec_pretty(&settings).expect("numbers and texts are always JSON"))?;
        Ok(paths)
    }

    /// The program with its arguments filled in, its output to be read.
    fn filled_in(&self, paths: &Paths, job: &TrainingJob<'_>) -> Result<Command> {
        let text = |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| self.failed(format!("{} is not UTF-8", path.display())));
        let places = [
            ("{base}", text(&paths.base)?),
            ("{data}", text(&paths.data)?),
            ("{out}", text(&paths.out)?),
            ("{state}", text(&paths.state)?),
            ("{settings}", text(&paths.settings)?),
            ("{steps}", job.steps.to_string()),
            ("{seed}", job.seed.to_string()),
        ];
        let mut arguments = self.command.iter().map(|argument| fill_in(argument, &places));
        let mut command = Command::new(arguments.next().unwrap_or_default());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    fn failed(&self, message: String) -> Error {
        Error::ExternalTrainer { command: self.command.join(" "), message, source: None }
    }
}

impl Trainer for CommandTrainer {
    fn train(&mut self, job: &TrainingJob<'_>, progress: &mut dyn FnMut(TrainingProgress) -> ControlFlow<()>) -> Result<TrainingMetrics> {
        let paths = self.prepare(job)?;
        let mut command = self.filled_in(&paths, job)?;
        let mut steps = Steps::resume(&paths.state, progress)?;
        let group = ProcessGroup::start(&mut command, Shutdown::LAUNCHER, &self.secrets).map_err(|error| {
            let (command, message) = (self.command.join(" "), "cannot be started".to_owned());
            Error::ExternalTrainer { command, message, source: Some(error.into()) }
        })?;
        let status = follow(group, &paths.log, |line| if line.is_output { steps.read_line(&line.text) } else { Ok(()) })?;
        let log = paths.log.display();
        if !status.is_some_and(|status| status.success()) {
            let how = status.map_or_else(|| "did not end".to_owned(), |status| format!("failed ({status})"));
            return Err(self.failed(format!("{how}; its output is in {log} and ends with\n{}", log_tail(&paths.log, SHOWN))));
        }
        let metrics = steps.metrics()?.ok_or_else(|| {
            let line = r#"{"step": 1, "loss": 2.5}"#;
            self.failed(format!("reported no loss; it must print a line such as {line} for its steps (its output is in {log})"))
        })?;
        if !is_checkpoint(&paths.out) {
            let out = paths.out.display();
            return Err(self.failed(format!("ended with exit code 0 and wrote no checkpoint to {{out}}, {out} (its output is in {log})")));
        }
        let unusable = |error| Error::TunedCheckpoint { command: self.command.join(" "), source: Box::new(error) };
        check_tuned(&paths.base, &paths.out).map_err(unusable)?;
        // Into the checkpoint, because the states are removed.
        fs::rename(&paths.log, paths.out.join(LOG))?;
        Ok(metrics)
    }
}

/// An argument with its places filled in. It is read once from the left, so that a filled-in text is not replaced again.
fn fill_in(argument: &str, places: &[(&str, String)]) -> String {
    let (mut filled, mut rest) = (String::new(), argument);
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let place = places.iter().find(|(name, _)| rest.starts_with(name));
        let (text, length) = place.map_or(("{", 1), |(name, value)| (value.as_str(), name.len()));
        filled.push_str(text);
        rest = &rest[length..];
    }
    filled + rest
}

fn write_pairs(path: &Path, examples: &[Example]) -> Result<()> {
    let mut lines = Vec::new();
    for Example { prompt, completion, .. } in examples {
        serde_json::to_writer(&mut lines, &Pair { prompt, completion }).expect("texts are always JSON");
        lines.push(b'\n');
    }
    Ok(atomic::write(path, &lines)?)
}

/// Passes each line of the program's output to `each` and appends it to the log, until the program has ended. The program is stopped if `each`
/// fails.
fn follow(mut group: ProcessGroup, log: &Path, mut each: impl FnMut(&Line) -> Result<()>) -> Result<Option<ExitStatus>> {
    // A later try appends to the same file.
    let mut log = atomic::open_to_append(log)?;
    let lines = lines_of(&mut group);
    let mut ended = None;
    loop {
        match lines.recv_timeout(POLL) {
            Ok(line) => {
                log.write_all(&line.text)?;
                each(&line)?;
            }
            // The output is closed. The program may still run.
            Err(RecvTimeoutError::Disconnected) if group.status().is_none() => std::thread::sleep(POLL),
            Err(RecvTimeoutError::Disconnected) => return Ok(group.status()),
            Err(RecvTimeoutError::Timeout) => {
                if group.status().is_some() && ended.get_or_insert_with(Instant::now).elapsed() > LAST_LINES {
                    return Ok(group.status());
                }
            }
        }
    }
}

/// The lines of standard output and standard error as they arrive.
fn lines_of(group: &mut ProcessGroup) -> Receiver<Line> {
    let (sender, lines) = sync_channel(WAITING_LINES);
    let program = group.leader();
    if let Some(output) = program.stdout.take() {
        send_lines(output, true, sender.clone());
    }
    if let Some(errors) = program.stderr.take() {
        send_lines(errors, false, sender);
    }
    lines
}

fn send_lines(output: impl Read + Send + 'static, is_output: bool, lines: SyncSender<Line>) {
    std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        loop {
            let mut text = Vec::new();
            match output.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut text) {
                Ok(1..) if lines.send(Line { text, is_output }).is_ok() => {}
                _ => return,
            }
        }
    });
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests;
