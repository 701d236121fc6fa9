//! Messages, errors and interruption: everything on the terminal besides data.

use crate::output::say_warning;
pub use crate::output::{is_stdout, json_line, print, print_json, print_json_text, print_piece, prompt, say, say_json, write_file};

use crate::usage::UsageError;
use starloop_core::error::{ColumnRole, Error, Missing};
use starloop_record as record;
use std::io::{ErrorKind, IsTerminal};

/// The exit code of an interrupted program.
pub const INTERRUPTED: i32 = 130;

/// Prints the messages of all crates to standard error, from a level on.
struct Messages {
    level: log::LevelFilter,
    has_colours: bool,
}

impl log::Log for Messages {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= self.level
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) && record.target().starts_with("starloop") {
            let name = match record.level() {
                log::Level::Error => "error",
                log::Level::Warn => "warning",
                log::Level::Info => "info",
                log::Level::Debug | log::Level::Trace => "debug",
            };
            say_warning(name, &record.args().to_string(), self.has_colours);
        }
    }

    fn flush(&self) {}
}

/// Sends messages to standard error. `STARLOOP_LOG` names another level, such as `debug`.
pub fn start(quiet: bool) {
    let given = std::env::var("STARLOOP_LOG").ok().and_then(|level| level.parse().ok());
    let level = given.unwrap_or(if quiet { log::LevelFilter::Error } else { log::LevelFilter::Warn });
    // Colours are for terminals. Users who set NO_COLOR get none.
    let has_colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if log::set_boxed_logger(Box::new(Messages { level, has_colours })).is_ok() {
        log::set_max_level(level);
    }
    report_uncontained_panics();
}

/// Leaves out the report of a panic that becomes an error. The library that panicked stands behind a boundary, and the error names the file.
/// The command line and the Python package call this. A second call changes nothing.
pub fn report_uncontained_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !starloop_core::contains_panics() {
            report(panic);
        }
    }));
}

/// Prints a message on Ctrl-C. The commands that use a pager or read keys handle Ctrl-C themselves.
pub fn explain_interruption() {
    // Every file is written completely or not at all, so an interruption loses only the work since the last file.
    let handler = ctrlc::set_handler(|| {
        say("\nstopped; finished work is kept; --resume continues a run");
        std::process::exit(INTERRUPTED);
    });
    if let Err(error) = handler {
        log::warn!("failed to install the handler of Ctrl-C, so that Ctrl-C stops the program without a message: {error}");
    }
}

/// Prints an error with its causes on one line. Returns the exit code: 2 if the request cannot be carried out as it is (a wrong option, key or
/// value, an input that is not there, an output that is there already), 1 if the work failed.
pub fn fail(error: &anyhow::Error) -> u8 {
    let of_io = |cause: &&(dyn std::error::Error + 'static)| {
        let through_core = cause.downcast_ref().and_then(Error::io_kind);
        let through_record = cause.downcast_ref().and_then(starloop_record::Error::io_kind);
        let through_report = cause.downcast_ref().and_then(starloop_report::Error::io_kind);
        let through_engine = match cause.downcast_ref() {
            // A file that is missing in a checkpoint is damage, and not a wrong request.
            Some(starloop_lm::Error::Io(error)) if error.kind() != ErrorKind::NotFound => Some(error.kind()),
            _ => None,
        };
        through_core
            .or(through_record)
            .or(through_report)
            .or(through_engine)
            .or(cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind))
    };
    let kind = error.chain().find_map(|cause| of_io(&cause));
    // A reader that closed the pipe early is no failure.
    if kind == Some(ErrorKind::BrokenPipe) {
        return 0;
    }
    say(&format!("error: {error:#}"));
    if let Some(hint) = error.downcast_ref::<Error>().and_then(hint) {
        say(&format!("hint: {hint}"));
    }
    let is_usage = error.is::<UsageError>()
        || matches!(kind, Some(ErrorKind::NotFound | ErrorKind::AlreadyExists))
        || error.downcast_ref::<Error>().is_some_and(Error::is_usage)
        || error.downcast_ref::<starloop_record::Error>().is_some_and(starloop_record::Error::is_usage)
        || error.downcast_ref::<starloop_report::Error>().is_some_and(starloop_report::Error::is_usage);
    #[cfg(feature = "serve")]
    let is_usage = is_usage || error.downcast_ref::<starloop_serve::Error>().is_some_and(starloop_serve::Error::is_usage);
    if is_usage { 2 } else { 1 }
}

/// Prints a remark on standard error. With `--quiet`, only warnings and errors are shown.
pub fn remark(message: &str) {
    if log::max_level() >= log::LevelFilter::Warn {
        say(message);
    }
}

/// The options that help against an error.
pub fn hint(error: &Error) -> Option<String> {
    let hint = match error {
        Error::NotFound { what: Missing::Model, name, download: Some(model), .. } => {
            let download = format!("`starloop get model {model} --out {name}` downloads it");
            return Some(format!("{download}; --set model.base=PATH names another directory, or a GGUF file of the model"));
        }
        Error::NotFound { what: Missing::Data, download: Some(data), .. } => {
            return Some(format!("`starloop get data {data}` downloads it"));
        }
        Error::NoDataset { name, .. } => {
            return Some(format!("`starloop get data {name}` downloads it; HF_HUB_CACHE names another cache"));
        }
        Error::NoColumn { role, .. } => {
            return Some(match role {
                ColumnRole::Question => "--question COLUMN names it".to_owned(),
                ColumnRole::Answer => "--answer COLUMN names it".to_owned(),
            });
        }
        Error::NotFound { what: Missing::Shape, .. } => "--shape takes a config.json or one of these names",
        Error::Cancelled | Error::Server { .. } => "--resume continues the run",
        Error::Io(error) if error.kind() == ErrorKind::AlreadyExists => "--out names another place",
        Error::OutputInUse { .. } => "--out DIR names another output",
        Error::NoKnownRationale { .. } => {
            "`starloop run CONFIG --dry-run` shows all settings; docs/methods.md says which methods need none"
        }
        Error::NoChoices { .. } => "measure it without --by-likelihood",
        Error::Record(record::Error::RunExists { .. }) => "--resume continues that run; --run-dir DIR starts another one",
        Error::Record(record::Error::LeadsOutside { .. }) => "--trust lets the command use all of this",
        Error::Record(record::Error::NotARun { .. } | record::Error::RunInUse { .. }) => "--run-dir DIR names another directory",
        Error::Record(record::Error::ConfigChanged { .. } | record::Error::InputChanged { .. }) => "--run-dir DIR starts another run",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Columns of the terminal of standard output, within the range that a chart can use.
pub fn width() -> usize {
    usize::from(::console::Term::stdout().size().1).clamp(60, 140)
}
