//! Self-taught reasoning as a library: sample rationales, keep those that reach the known answer, rationalize the failures, fine-tune
//! from the base, evaluate, repeat (Zelikman et al., "STaR: Bootstrapping Reasoning With Reasoning", NeurIPS 2022).
//!
//! Data flows one way: config, task, problem, prompt, policy, attempt, verdict, training set, trainer, checkpoint, evaluation, report.

pub mod event;
pub mod metrics;
pub mod task;
pub mod types;
