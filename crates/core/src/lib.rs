//! Self-taught reasoning as a library: sample rationales, keep those that reach the known answer, rationalize the failures, fine-tune
//! from the base, evaluate, repeat (Zelikman et al., "STaR: Bootstrapping Reasoning With Reasoning", NeurIPS 2022).
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

pub use starloop_record::{event, metrics, types};
