//! Self-taught reasoning as a library: sample rationales, keep those that reach the known answer, rationalize the failures, fine-tune
//! from the base, evaluate, repeat (Zelikman et al., "STaR: Bootstrapping Reasoning With Reasoning", NeurIPS 2022).
//!
//! Data flows one way: config, task, problem, prompt, policy, attempt, verdict, selection, trainer, checkpoint, evaluation, record.

pub mod base_model;
pub mod best_of;
pub mod config;
pub mod error;
pub mod eval;
pub mod experiment;
pub mod export;
pub mod fetch;
pub mod finetune;
mod http;
pub mod init;
pub mod inputs;
pub mod likelihood;
pub mod method;
pub mod method_run;
pub mod plan;
pub mod policy;
pub mod pretrain;
mod process;
pub mod prompt;
pub mod registry;
pub mod seed;
pub mod selection;
pub mod self_consistency;
pub mod task;
pub mod template;
pub mod trainer;

pub use starloop_record::{event, metrics, types};
