//! The Python package `starloop`: the extension module `starloop._starloop`.
//!
//! This crate converts between Python and the crates of starloop. It makes no decision of the method: a call computes what the command of the
//! same name computes. Long work runs without Python's lock, and looks for signals between its steps, so that Ctrl-C stops it. An error becomes
//! an exception with the words that the command line prints.

mod arguments;
mod errors;
mod figure;
mod interrupt;
mod kinds;
mod model;
mod numpy;
mod problem;
mod record;
mod run;
mod table;
mod values;
mod verify;

use pyo3::prelude::*;

/// Models, runs and verdicts of starloop.
#[pymodule]
mod _starloop {
    use super::{Bound, PyModule, PyResult, Python, pyfunction};
    use std::ffi::OsString;

    #[pymodule_export]
    use super::figure::Figure;
    #[pymodule_export]
    use super::kinds::Registry;
    #[pymodule_export]
    use super::model::{Completion, Model, Score};
    #[pymodule_export]
    use super::problem::{Attempt, Problem};
    #[pymodule_export]
    use super::record::Run;
    #[pymodule_export]
    use super::run::run;
    #[pymodule_export]
    use super::table::Table;
    #[pymodule_export]
    use super::verify::{Verdict, verify};

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python programs look for")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    #[expect(clippy::unnecessary_wraps, reason = "PyO3 asks for a result")]
    fn start(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        starloop::report_uncontained_panics();
        Ok(())
    }

    /// Runs the command line. Returns its exit code.
    #[pyfunction]
    fn run_command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
        py.detach(|| starloop::run(arguments))
    }
}
