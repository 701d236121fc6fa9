//! What the user sees that is not data: messages, errors, interruption.

pub use crate::output::{json_line, print, print_json, print_json_text, say};

use crate::output::Messages;
use starloop_core::error::Error;
use starloop_record as record;
use std::io::{ErrorKind, IsTerminal};
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
    messages.with_writer(Messages).with_ansi(colours).init();
}

/// Makes Ctrl-C say what is kept; for the commands that do not leave it to a pager or take it as a key.
pub fn explain_interruption() {
    // Every file appears whole or not at all, so stopping at any moment loses only the work since the last one.
    let handler = ctrlc::set_handler(|| {
        say("\nstopped; what was finished is kept, and a run goes on from there with --resume");
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
    say(&format!("error: {error:#}"));
    if let Some(hint) = error.downcast_ref::<Error>().and_then(hint) {
        say(&format!("hint: {hint}"));
    }
    let is_usage = error.downcast_ref::<Error>().is_some_and(Error::is_usage)
        || error.downcast_ref::<starloop_report::Error>().is_some_and(starloop_report::Error::is_usage);
    ExitCode::from(if is_usage { 2 } else { 1 })
}

/// What to do about an error on the command line, in its options.
fn hint(error: &Error) -> Option<&'static str> {
    let Error::Record(error) = error else { return None };
    match error {
        record::Error::RunExists { .. } => Some("--resume goes on with that run; --run-dir DIR begins another one"),
        record::Error::NotARun { .. } | record::Error::RunInUse { .. } => Some("--run-dir DIR names another directory"),
        record::Error::ConfigChanged { .. } | record::Error::InputChanged { .. } => Some("--run-dir DIR begins another run"),
        _ => None,
    }
}

/// Columns of the terminal that standard output goes to, within what a chart can use.
pub fn width() -> usize {
    usize::from(::console::Term::stdout().size().1).clamp(60, 140)
}
