//! File formats: what Hugging Face directories, PyTorch and PEFT write, in and out.
//!
//! This folder reads and writes checkpoints, tokenizers, chat templates and adapters, checks them, and says which file is damaged. It knows
//! a decoder only as data: a [`DecoderSpec`](crate::decoder::DecoderSpec) lists the tensors, their shapes and layouts. It computes nothing:
//! it calls no kernel and runs no model.

pub mod chat;
pub mod checkpoint;
pub mod peft;
pub mod tokenizer;
