//! Self-taught reasoning as a library: sample rationales, keep those that reach the known answer, rationalize the failures, fine-tune
//! from the base, evaluate, repeat (Zelikman et al., "STaR: Bootstrapping Reasoning With Reasoning", NeurIPS 2022).
//!
//! # Who should use this crate
//!
//! - Programs that run experiments: they load or build a [`Config`](config::Config), resolve it to an
//!   [`Experiment`](experiment::Experiment), and run it into a run directory.
//! - Programs with their own tasks, methods or policies: they add kinds to a [`Registry`](registry::Registry), without a fork. The crate in
//!   `examples/extension/` does that.
//! - Programs that grade answers: [`Registry::task_settings`](registry::Registry::task_settings) gives a task without its problems.
//!
//! Other crates do less: `starloop-record` reads finished runs, `starloop-report` makes tables and pages of them, `starloop-lm` samples and
//! trains a language model, and `starloop-answers` reads answers in text.
//!
//! # Example
//!
//! An experiment that measures the shipped model on four sums, and prints each figure. An observer that returns `ControlFlow::Break` cancels
//! the run: [`run`](experiment::Experiment::run) returns [`Error::Cancelled`](error::Error::Cancelled), and running with `resume` goes on.
//!
//! ```
//! use starloop_core::config::Config;
//! use starloop_core::event::{Event, Observer};
//! use starloop_core::experiment::Experiment;
//! use starloop_core::method::FewShot;
//! use starloop_core::record::RunDir;
//! use starloop_core::registry::Registry;
//! use starloop_core::task::arithmetic::ArithmeticConfig;
//! use std::ops::ControlFlow;
//!
//! struct Print;
//!
//! impl Observer for Print {
//!     fn observe(&mut self, event: &Event) -> ControlFlow<()> {
//!         if let Event::IterationFinished { method, metrics } = event {
//!             println!("{method}: {} of {}", metrics.accuracy.correct, metrics.accuracy.total);
//!         }
//!         ControlFlow::Continue(())
//!     }
//! }
//!
//! let mut config = Config::default();
//! config.set_task("arithmetic", &ArithmeticConfig { digits: [1, 1], evaluation_per_class: 4, ..Default::default() })?;
//! config.add_method("base", "few_shot", &FewShot::default())?;
//! config.sampling.max_new_tokens = 32;
//!
//! let place = tempfile::tempdir()?;
//! Experiment::new(config, &Registry::default())?.run(place.path(), false, &mut Print)?;
//! assert_eq!(RunDir::open_read_only(place.path())?.metrics("base")?[0].accuracy.total, 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Order of the modules
//!
//! Data flows one way: config, task, problem, prompt, policy, attempt, verdict, selection, trainer, checkpoint, evaluation, record.

pub mod config;
pub mod error;
pub mod evaluation;
pub mod experiment;
pub mod external;
pub mod method;
pub mod method_run;
pub mod policy;
pub mod registry;
pub mod selection;
pub mod task;
pub mod trainer;

pub use starloop_record as record;
pub use starloop_record::{event, metrics, types};

/// Returns true while this thread calls a library whose panics become errors. A panic hook need not report them.
pub fn contains_panics() -> bool {
    #[cfg(feature = "parquet")]
    if starloop_data::contains_panics() {
        return true;
    }
    starloop_lm::files::contained::contains_panics()
}
