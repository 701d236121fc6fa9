//! What the user sees that is not data: messages, errors, interruption.

use anyhow::Context;
use starloop_core::error::{Error, Missing};
use starloop_record as record;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// The exit code of an interrupted program.
const INTERRUPTED: i32 = 130;

/// Sends messages to standard error.
pub fn start(quiet: bool) {
    let level = if quiet { "error" } else { "warn" };
    let filter = EnvFilter::try_from_env("STARLOOP_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let messages = tracing_subscriber::fmt().with_env_filter(filter).without_time().with_target(false);
    // Colours are for terminals, and not for those who set NO_COLOR.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    messages.with_writer(std::io::stderr).with_ansi(colours).init();
}

/// Makes Ctrl-C say what is kept; for the commands that do not leave it to a pager or take it as a key.
pub fn explain_interruption() {
    // Every file appears whole or not at all, so stopping at any moment loses only the work since the last one.
    let handler = ctrlc::set_handler(|| {
        eprintln!("\nstopped; what was finished is kept, and a run goes on from there with --resume");
        std::process::exit(INTERRUPTED);
    });
    if let Err(error) = handler {
        tracing::warn!("Ctrl-C will stop the program without a message: {error}");
    }
}

/// Prints an error with its causes on one line, and says how to exit: 2 for wrong usage or config, 1 for failures.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    // Whoever reads no further has seen enough.
    let of_io = |cause: &&(dyn std::error::Error + 'static)| {
        let through_core = match cause.downcast_ref() {
            Some(Error::Io(error)) => Some(error.kind()),
            _ => None,
        };
        let through_report = cause.downcast_ref().and_then(starloop_report::Error::io_kind);
        through_core.or(through_report).or(cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind)) == Some(ErrorKind::BrokenPipe)
    };
    if error.chain().any(|cause| of_io(&cause)) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error:#}");
    if let Some(hint) = error.downcast_ref::<Error>().and_then(hint) {
        eprintln!("hint: {hint}");
    }
    let is_usage = error.downcast_ref::<Error>().is_some_and(Error::is_usage)
        || error.downcast_ref::<starloop_report::Error>().is_some_and(starloop_report::Error::is_usage);
    ExitCode::from(if is_usage { 2 } else { 1 })
}

/// What to do about an error on the command line, in its options.
pub fn hint(error: &Error) -> Option<String> {
    let hint = match error {
        Error::NotFound { what: Missing::Model, name, download: Some(model), .. } => {
            return Some(format!("`starloop get model {model} --out {name}` downloads it"));
        }
        Error::NotFound { what: Missing::Data, download: Some(data), .. } => {
            return Some(format!("`starloop get data {data}` downloads it"));
        }
        Error::NotFound { what: Missing::Shape, .. } => "--shape takes a config.json or one of these names",
        Error::Cancelled | Error::Server { .. } => "--resume goes on with the run",
        Error::Io(error) if error.kind() == ErrorKind::AlreadyExists => "--out names another place",
        Error::OutputInUse { .. } => "--out DIR names another output",
        Error::NoKnownRationale { .. } => {
            "`starloop run CONFIG --dry-run` shows all settings; docs/methods.md says which methods need none"
        }
        Error::NoChoices { .. } => "measure it without --by-likelihood",
        Error::Record(record::Error::RunExists { .. }) => "--resume goes on with that run; --run-dir DIR begins another one",
        Error::Record(record::Error::NotARun { .. } | record::Error::RunInUse { .. }) => "--run-dir DIR names another directory",
        Error::Record(record::Error::ConfigChanged { .. } | record::Error::InputChanged { .. }) => "--run-dir DIR begins another run",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Prints a line of data.
pub fn print(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    written.context("cannot write to standard output")
}

/// Prints a value as one line of JSON.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string(value)?)
}

/// Columns of the terminal that standard output goes to, within what a chart can use.
pub fn width() -> usize {
    usize::from(::console::Term::stdout().size().1).clamp(60, 140)
}
