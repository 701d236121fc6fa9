//! Messages, errors and interruption: everything on the terminal besides data.

use anyhow::Context;
use starloop_core::error::Error;
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

/// Prints a message on Ctrl-C. The commands that use a pager or read keys handle Ctrl-C themselves.
pub fn explain_interruption() {
    // Every file is written completely or not at all, so an interruption loses only the work since the last file.
    let handler = ctrlc::set_handler(|| {
        eprintln!("\nstopped; finished work is kept; --resume continues a run");
        std::process::exit(INTERRUPTED);
    });
    if let Err(error) = handler {
        tracing::warn!("failed to install the handler of Ctrl-C, so that Ctrl-C stops the program without a message: {error}");
    }
}

/// Prints an error with its causes on one line. Returns the exit code: 2 for wrong usage or config, 1 for failures.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    // A reader that closed the pipe early is no failure.
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

/// The options that help against an error.
fn hint(error: &Error) -> Option<&'static str> {
    let Error::Record(error) = error else { return None };
    match error {
        record::Error::RunExists { .. } => Some("--resume continues that run; --run-dir DIR starts another one"),
        record::Error::NotARun { .. } | record::Error::RunInUse { .. } => Some("--run-dir DIR names another directory"),
        record::Error::ConfigChanged { .. } | record::Error::InputChanged { .. } => Some("--run-dir DIR starts another run"),
        _ => None,
    }
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

/// Columns of the terminal of standard output, within the range that a chart can use.
pub fn width() -> usize {
    usize::from(::console::Term::stdout().size().1).clamp(60, 140)
}
