//! The record of a self-taught reasoning run: plain types, and the run directory that holds them.
//!
//! This crate is for programs that write or read runs. It knows no model and no task: a reader needs neither to understand a run. Every
//! decision of a run (what ended a text, how an answer was read, why an attempt was or was not learned) is written here once, and a reader
//! never derives it again.
//!
//! ```no_run
//! use starloop_record::RunDir;
//!
//! let run = RunDir::open_read_only("runs/arithmetic".as_ref())?;
//! for method in run.info()?.methods {
//!     for metrics in run.metrics(&method.name)? {
//!         println!("{} {}: {:.1}%", method.label, metrics.iteration, 100.0 * metrics.accuracy.mean);
//!     }
//! }
//! # Ok::<(), starloop_record::Error>(())
//! ```

pub mod approach;
pub mod atomic;
pub mod digest;
pub mod error;
pub mod event;
pub mod format;
pub mod info;
pub mod metrics;
pub mod outcome;
pub mod run_dir;
pub mod training_rows;
pub mod types;

pub use approach::Approach;
pub use error::{Error, Result};
pub use outcome::{Outcome, OutcomeRecord};
pub use run_dir::{IterationDir, RunDir};
