//! Signals of Python during long work, such as Ctrl-C.

use crate::errors::exception;
use pyo3::prelude::*;
use starloop_core::error::Error as CoreError;
use starloop_lm::Error as ModelError;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// The shortest time between two looks: each takes Python's lock.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks for signals between the steps of some work, and keeps the exception that a signal raised.
#[derive(Debug)]
pub struct Interrupts {
    looked: Instant,
    raised: Option<PyErr>,
}

impl Interrupts {
    /// Nothing was raised yet.
    pub fn new() -> Self {
        Interrupts { looked: Instant::now(), raised: None }
    }

    /// Runs Python's handlers of signals that have arrived. Returns `Break` if one raised an exception.
    pub fn look(&mut self) -> ControlFlow<()> {
        if self.looked.elapsed() < PAUSE {
            return ControlFlow::Continue(());
        }
        self.looked = Instant::now();
        match Python::attach(|py| py.check_signals().err()) {
            None => ControlFlow::Continue(()),
            Some(raised) => self.stop(raised),
        }
    }

    /// Keeps an exception that stops the work.
    pub fn stop(&mut self, raised: PyErr) -> ControlFlow<()> {
        self.raised.get_or_insert(raised);
        ControlFlow::Break(())
    }

    /// The result of the work. If the work was cancelled because of an exception, the result is that exception.
    pub fn finish<T>(self, py: Python<'_>, result: Result<T, impl Into<anyhow::Error>>) -> PyResult<T> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error.into(),
        };
        let is_cancelled = matches!(error.downcast_ref(), Some(CoreError::Cancelled))
            || matches!(error.downcast_ref(), Some(ModelError::Cancelled { .. }));
        Err(self.raised.filter(|_| is_cancelled).unwrap_or_else(|| exception(py, &error)))
    }
}
