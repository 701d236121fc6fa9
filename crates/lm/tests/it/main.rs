//! One binary of integration tests: the model against PyTorch's figures, the engine against the trainer, files against damage.
#![allow(clippy::unwrap_used, clippy::float_cmp, missing_docs)]

mod adapters;
mod batch;
mod cancelling;
mod chat;
mod checkpoints;
mod checks;
mod configs;
mod engine;
mod fixture;
mod gguf;
mod golden;
mod llama_cpp;
mod losses;
mod memory;
mod modules;
mod names;
mod quantised;
#[cfg(unix)]
mod special_files;
mod template_limits;
mod templates;
mod tokenizer_definitions;
mod tokenizers;
mod torch;
mod training;
