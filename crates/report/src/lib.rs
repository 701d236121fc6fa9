//! Everything that reads runs: tables, figures, the web page, exports, comparisons and the live view.
//!
//! This crate reads run directories through `starloop-record` and nothing else. It knows no task, no model and no method. It repeats no
//! decision of a run: outcomes, false steps, reasoning paths, problems, labels and settings are read as the run recorded them.
//!
//! ```no_run
//! use starloop_report::Report;
//!
//! let report = Report::read(&["runs/arithmetic".into()])?;
//! println!("{}", report.summary_tables(80));
//! # Ok::<(), starloop_report::Error>(())
//! ```

pub mod compare;
pub mod error;
pub mod export;
pub mod inspect;
pub mod listing;
mod outcomes;
pub mod paired;
pub mod report;
pub mod verdicts;
pub mod watch;
pub mod words;

#[cfg(test)]
mod sample_run;

pub use error::{Error, Result};
pub use report::Report;
