//! A language model on a processor: a Hugging Face directory becomes tokens, logits and gradients. Knows no problems and no answers.
//!
//! To read it in order: [`files`] and [`arch`] (what a model is), [`decoder`] on [`kernels`] (what it computes), [`model`] (a decoder with
//! its tokenizer), [`engine`] (sampling) and [`train`]. Everything computes in `f32` with one numeric definition, so that a result depends
//! neither on what else is in a batch nor on the number of threads.
//!
//! Modules import each other in one direction: `error`, `weights`, `kernels`, `lora`, `decoder`, `arch`, `files`, `model`, and then what works
//! on a model. A test refuses a circle.

pub mod arch;
pub mod decoder;
pub mod engine;
pub mod error;
pub mod files;
pub mod initialize;
pub mod kernels;
pub mod lora;
pub mod memory;
pub mod model;
pub mod train;
pub mod weights;

pub use decoder::Decoder;
pub use error::{Error, Result};
pub use files::checkpoint::Checkpoint;
pub use files::tokenizer::Tokenizer;
pub use files::{checkpoint, tokenizer};
pub use model::{LanguageModel, score};
