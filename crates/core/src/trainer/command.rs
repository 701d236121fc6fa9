//! The trainer that is a program of the user's: TRL under accelerate, torchrun, Slurm, a cluster's jobs, or whatever else fine-tunes.
//!
//! It is started once for each fine-tuning and given, in its arguments,
//!
//! | | |
//! |---|---|
//! | `{base}` | the checkpoint directory to start from |
//! | `{data}` | JSON lines of `prompt` and `completion`; loss belongs on the completion and one end token behind it |
//! | `{out}` | the checkpoint directory to write, which is not there yet |
//! | `{state}` | a directory for its own saved states; it outlives an interruption and is removed after success |
//! | `{settings}` | a JSON file with all of these, and `[training]` under `training` |
//! | `{steps}`, `{seed}` | optimizer steps, and the seed of the order of examples |
//!
//! with absolute paths, in this program's working directory. Whatever it prints is kept in `training.log`, beside its states while it runs
//! and in the checkpoint afterwards. Lines of its standard output such as `{"step": 12, "loss": 1.25, "tokens": 98304, "target_tokens":
//! 40210}` are progress: the step, its loss (natural logarithm, per target token; where steps are left out, the mean since the one told
//! before), and the tokens so far, which may be left out. It ends with exit code 0, and what it wrote is checked before it counts: see
//! [`starloop_lm::checkpoint::check_tuned`].
//!
//! That the same job gives the same bytes is the program's own affair.

mod told;

use super::{Trainer, TrainingJob, TrainingProgress};
use crate::config::{TrainerConfig, TrainingConfig};
use crate::error::{Error, Result};
use crate::external::process::{ProcessGroup, Shutdown, log_tail};
use crate::metrics::TrainingMetrics;
use crate::types::Example;
use fs_err as fs;
use serde::Serialize;
use starloop_lm::checkpoint::check_tuned;
use starloop_lm::files::chat::{Chat, ChatVariables};
use starloop_record::atomic;
use starloop_record::training_rows::TrainingRows;
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use told::Told;

const DATA: &str = "data.jsonl";
const SETTINGS: &str = "settings.json";
const STATES: &str = "states";
const LOG: &str = "training.log";

/// Bytes of the longest line that is kept in one piece.
const LONGEST_LINE: u64 = 1 << 20;
/// How often the end of the program is looked for while it prints nothing.
const LOOK: Duration = Duration::from_millis(50);
/// What the last lines are given to arrive when the program has ended, while something that it started elsewhere holds its output open.
const LAST_LINES: Duration = Duration::from_secs(2);
/// Lines of the log that an error shows.
const SHOWN: usize = 12;

/// Fine-tunes with a program of the user's.
#[derive(Debug)]
pub struct CommandTrainer {
    command: Vec<String>,
    secrets: Vec<String>,
    chat: Chat,
}

/// What `{settings}` holds.
#[derive(Serialize)]
struct SettingsFile<'a> {
    base: &'a Path,
    data: &'a Path,
    out: &'a Path,
    state: &'a Path,
    steps: u64,
    seed: u64,
    examples: usize,
    /// Whether prompts are put by the checkpoint's chat template.
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

/// A line that the program has printed.
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
        Error::ExternalTrainer { command: self.command.join(" "), message }
    }
}

impl Trainer for CommandTrainer {
    fn train(&mut self, job: &TrainingJob<'_>, progress: &mut dyn FnMut(TrainingProgress) -> ControlFlow<()>) -> Result<TrainingMetrics> {
        let paths = self.prepare(job)?;
        let mut command = self.filled_in(&paths, job)?;
        let mut told = Told::take_up(&paths.state, progress)?;
        let group = ProcessGroup::start(&mut command, Shutdown::LAUNCHER, &self.secrets)
            .map_err(|error| self.failed(format!("cannot be started: {error}")))?;
        let status = follow(group, &paths.log, |line| if line.is_output { told.hear(&line.text) } else { Ok(()) })?;
        let log = paths.log.display();
        if !status.is_some_and(|status| status.success()) {
            let how = status.map_or_else(|| "did not end".to_owned(), |status| format!("failed ({status})"));
            return Err(self.failed(format!("{how}; its output is in {log} and ends with\n{}", log_tail(&paths.log, SHOWN))));
        }
        let metrics = told.metrics()?.ok_or_else(|| {
            let line = r#"{"step": 1, "loss": 2.5}"#;
            self.failed(format!("told no loss; it has to print a line such as {line} for its steps (its output is in {log})"))
        })?;
        if !paths.out.is_dir() {
            let out = paths.out.display();
            return Err(self.failed(format!("ended well, but there is no checkpoint in {{out}}, {out} (its output is in {log})")));
        }
        let unusable = |error| Error::TunedCheckpoint { command: self.command.join(" "), source: Box::new(error) };
        check_tuned(&paths.base, &paths.out).map_err(unusable)?;
        // With the checkpoint, because the states go.
        fs::rename(&paths.log, paths.out.join(LOG))?;
        Ok(metrics)
    }
}

/// An argument with its places filled in, from the left, so that what is filled in is not looked at again.
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

/// Hands on what the program prints, line by line, and keeps it in the log, until the program has ended. Where `each` fails, or this function
/// is left in any other way, the program is stopped.
fn follow(mut group: ProcessGroup, log: &Path, mut each: impl FnMut(&Line) -> Result<()>) -> Result<Option<ExitStatus>> {
    // A further try goes on in the same file.
    let mut log = atomic::open_to_append(log)?;
    let lines = lines_of(&mut group);
    let mut ended = None;
    loop {
        match lines.recv_timeout(LOOK) {
            Ok(line) => {
                log.write_all(&line.text)?;
                each(&line)?;
            }
            // All output is closed; it may go on without, or have come to its end.
            Err(RecvTimeoutError::Disconnected) if group.status().is_none() => std::thread::sleep(LOOK),
            Err(RecvTimeoutError::Disconnected) => return Ok(group.status()),
            Err(RecvTimeoutError::Timeout) => {
                if group.status().is_some() && ended.get_or_insert_with(Instant::now).elapsed() > LAST_LINES {
                    return Ok(group.status());
                }
            }
        }
    }
}

/// The lines of both outputs as they come.
fn lines_of(group: &mut ProcessGroup) -> Receiver<Line> {
    let (sender, lines) = channel();
    let program = group.leader();
    if let Some(output) = program.stdout.take() {
        send_lines(output, true, sender.clone());
    }
    if let Some(errors) = program.stderr.take() {
        send_lines(errors, false, sender);
    }
    lines
}

fn send_lines(output: impl Read + Send + 'static, is_output: bool, lines: Sender<Line>) {
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
