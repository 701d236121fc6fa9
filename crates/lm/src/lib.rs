//! Language models on a processor: read a Hugging Face checkpoint, sample from it, score texts, and train it.
//!
//! **Use this crate** to run or fine-tune a small decoder-only model in a Rust program, without Python and without a GPU, if results must be
//! reproducible. Everything is computed in `f32` with one numeric definition. The same input gives the same bits, whatever else is in the batch
//! and on any number of threads. The crate knows no problems and no answers. For self-taught reasoning, use `starloop-core`. For large models or
//! a GPU, use an inference server.
//!
//! | to | use |
//! |---|---|
//! | load a model | [`LanguageModel::load`]; to train all weights, [`LanguageModel::load_to_train`] |
//! | sample | [`engine::sample`]; token by token, [`engine::sample_streaming`] |
//! | score a text | [`LanguageModel::score`]; only the end of each text, [`LanguageModel::score_tails`] |
//! | fine-tune | [`train::TrainingSession`]; adapters, [`LanguageModel::with_fresh_adapters`] |
//! | save | [`LanguageModel::save`]; adapters, [`LanguageModel::save_adapter`] |
//! | encode and decode text | [`Tokenizer`] |
//!
//! The folder `examples` has a short program for sampling, scoring and fine-tuning. Long calls take a callback that returns
//! [`ControlFlow`](std::ops::ControlFlow). If it returns `Break`, the call stops with [`Error::Cancelled`].
//!
//! ```
//! use starloop_lm::LanguageModel;
//! use starloop_lm::engine::{EngineLimits, Request, SamplingParams, sample};
//! use std::ops::ControlFlow;
//! use std::path::Path;
//!
//! let model = LanguageModel::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/models/arithmetic"))?;
//! let prompt = model.tokenizer().encode("Input:\n6 2 4 + 2 5 9\nTarget:\n", true)?;
//! let request = Request { prompt, seeds: vec![0], params: SamplingParams::greedy(100) };
//! let completions = sample(&model, &[request], &EngineLimits::default(), &mut |_progress| ControlFlow::Continue(()))?;
//! assert!(!completions[0].text.is_empty());
//! # Ok::<(), starloop_lm::Error>(())
//! ```
//!
//! To read the source in order: [`files`] and [`arch`] (what a model is), [`decoder`] on the crate [`kernels`] (what it computes), [`model`] (a decoder
//! with its tokenizer), [`engine`] (sampling) and [`train`]. Modules import each other in one direction: `error`, `weights`, `lora`, `decoder`, `arch`, `files`, `model`, and then those that work on a model. A test refuses a cycle.

#![forbid(unsafe_code)]

pub mod arch;
pub mod decoder;
pub mod engine;
pub mod error;
pub mod files;
pub mod initialize;
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
pub use starloop_kernels as kernels;
