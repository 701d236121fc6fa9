//! A language model on a processor: a Hugging Face directory becomes tokens, logits and gradients. Knows no problems and no answers.
//!
//! To read it in order: [`checkpoint`] and [`arch`] (what a model is), [`decoder`] on [`kernels`] (what it computes), [`engine`] (sampling)
//! and [`train`]. Everything computes in `f32` with one numeric definition, so that a result depends neither on what else is in a batch
//! nor on the number of threads.

pub mod arch;
pub mod chat;
pub mod checkpoint;
pub mod decoder;
pub mod engine;
pub mod error;
pub mod initialize;
pub mod kernels;
pub mod lora;
pub mod memory;
pub mod model;
pub mod score;
pub mod tokenizer;
pub mod train;
pub mod weights;

pub use checkpoint::Checkpoint;
pub use decoder::Decoder;
pub use error::{Error, Result};
pub use model::LanguageModel;
pub use tokenizer::Tokenizer;
