//! Errors as Python exceptions: the words of the command line, in a class of `starloop/_errors.py`.

use anyhow::anyhow;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use starloop::usage::UsageError;
use starloop_core::error::Error as CoreError;
use starloop_lm::Error as ModelError;
use starloop_record::Error as RecordError;
use starloop_report::Error as ReportError;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A class of exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// An error of no other class.
    Failure,
    /// The arguments of a call cannot be used.
    Usage,
    /// A config has a key or a value that cannot be used.
    Config,
    /// A config, model or file does not exist.
    NotFound,
    /// A checkpoint cannot be read, or the model failed.
    Model,
    /// A run directory cannot be read or written.
    Run,
    /// A verifier failed.
    Verifier,
    /// The work was cancelled.
    Cancelled,
    /// A file cannot be read or written.
    File,
}

impl Class {
    /// Its name in Python.
    fn name(self) -> &'static str {
        match self {
            Class::Failure => "StarloopError",
            Class::Usage => "UsageError",
            Class::Config => "ConfigError",
            Class::NotFound => "NotFoundError",
            Class::Model => "ModelError",
            Class::Run => "RunError",
            Class::Verifier => "VerifierError",
            Class::Cancelled => "Cancelled",
            Class::File => "FileError",
        }
    }

    fn of(error: &anyhow::Error) -> Self {
        let of_report = |error: &ReportError| match error {
            ReportError::Record(error) => Class::of_record(error),
            error if error.is_usage() => Class::Usage,
            _ => Class::Run,
        };
        let of_usage = |error: &UsageError| match error {
            UsageError::NoSuchPath(_) => Class::NotFound,
            UsageError::Request(_) => Class::Usage,
        };
        let found = error.downcast_ref().map(Class::of_core);
        let found = found.or_else(|| error.downcast_ref().map(Class::of_model));
        let found = found.or_else(|| error.downcast_ref().map(Class::of_record));
        let found = found.or_else(|| error.downcast_ref().map(of_report));
        let found = found.or_else(|| error.downcast_ref().map(of_usage));
        let found = found.or_else(|| error.is::<Misuse>().then_some(Class::Usage));
        found.or_else(|| error.downcast_ref().map(Class::of_io)).unwrap_or(Class::Failure)
    }

    fn of_core(error: &CoreError) -> Self {
        match error {
            CoreError::Io(error) => Class::of_io(error),
            CoreError::Record(error) => Class::of_record(error),
            CoreError::ConfigSyntax { .. } | CoreError::UnknownKey { .. } | CoreError::ConfigValue { .. } | CoreError::Override { .. } => {
                Class::Config
            }
            CoreError::NotFound { .. } => Class::NotFound,
            CoreError::Cancelled => Class::Cancelled,
            CoreError::Verifier { .. } => Class::Verifier,
            CoreError::Engine { source, .. } => Class::of_model(source),
            error if error.is_usage() => Class::Usage,
            _ => Class::Failure,
        }
    }

    fn of_model(error: &ModelError) -> Self {
        match error {
            ModelError::Io(error) => Class::of_io(error),
            ModelError::NotFound { .. } => Class::NotFound,
            ModelError::Cancelled { .. } => Class::Cancelled,
            ModelError::InvalidSetting(_)
            | ModelError::InvalidRequest { .. }
            | ModelError::EmptyPrompt { .. }
            | ModelError::PromptTooLong { .. }
            | ModelError::DocumentTooLong { .. }
            | ModelError::UnknownText { .. }
            | ModelError::UnknownToken { .. } => Class::Usage,
            _ => Class::Model,
        }
    }

    fn of_record(error: &RecordError) -> Self {
        match error {
            RecordError::Io(error) => Class::of_io(error),
            _ => Class::Run,
        }
    }

    fn of_io(error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::NotFound { Class::NotFound } else { Class::File }
    }
}

/// A call with arguments that cannot be used.
#[derive(Debug)]
pub struct Misuse(pub String);

impl std::fmt::Display for Misuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// The exception of an error. If an exception of the user's code caused the error, it is the `__cause__`. An exception that asks the program to
/// end, such as `KeyboardInterrupt`, is the exception itself.
pub fn exception(py: Python<'_>, error: &anyhow::Error) -> PyErr {
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<PyErr>());
    if let Some(end) = cause.filter(|cause| !cause.is_instance_of::<PyException>(py)) {
        return end.clone_ref(py);
    }
    let made = py.import("starloop._errors").and_then(|errors| errors.getattr(Class::of(error).name())?.call1((format!("{error:#}"),)));
    let exception = match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    };
    exception.set_cause(py, cause.map(|cause| cause.clone_ref(py)));
    exception
}

/// Runs `work` without the interpreter's lock. A panic in it is an error, because Python code cannot continue after a panic.
pub fn released<T, E>(py: Python<'_>, work: impl FnOnce() -> Result<T, E> + Send) -> anyhow::Result<T>
where
    T: Send,
    E: Into<anyhow::Error>,
{
    py.detach(|| {
        catch_unwind(AssertUnwindSafe(work))
            .map_err(|_| anyhow!("an internal error of starloop; standard error names the place; please report it"))?
            .map_err(Into::into)
    })
}

/// Turns a result of the crates into one of Python.
pub trait OrRaise<T> {
    /// The value, or the exception.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T, E: Into<anyhow::Error>> OrRaise<T> for Result<T, E> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| exception(py, &error.into()))
    }
}
