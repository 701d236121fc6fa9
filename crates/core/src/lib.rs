//! Self-taught reasoning as a library: sample rationales, keep those that reach the known answer, rationalize the failures, fine-tune
//! from the base, evaluate, repeat (Zelikman et al., "STaR: Bootstrapping Reasoning With Reasoning", NeurIPS 2022).
//!
//! Data flows one way: config, task, problem, prompt, policy, attempt, verdict, training set, trainer, checkpoint, evaluation, report.

pub mod base_model;
pub mod best_of;
pub mod compare;
pub mod config;
pub mod error;
pub mod eval;
pub mod event;
pub mod experiment;
pub mod export;
pub mod fetch;
pub mod finetune;
pub mod format;
mod http;
pub mod init;
pub mod inputs;
pub mod inspect;
pub mod iterate;
pub mod likelihood;
pub mod method;
pub mod metrics;
pub mod objective;
pub mod plan;
pub mod policy;
pub mod pretrain;
mod process;
pub mod prompt;
pub mod report;
pub mod run_dir;
pub mod seed;
pub mod self_consistency;
pub mod task;
pub mod template;
pub mod trainer;
pub mod training_set;
pub mod types;
pub mod watch;
