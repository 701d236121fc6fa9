//! The memory of the embedded engine on this machine, by [`starloop_lm::memory`].

use crate::config::Config;
use crate::error::{EngineContext, Result};
use serde::Serialize;
use starloop_lm::decoder::DecoderSpec;
use starloop_lm::engine::EngineLimits;
use starloop_lm::lora::LoraConfig;
use starloop_lm::memory::{Job, MemoryNeeds, budget, needs};

/// Sequences at once for which the memory of sampling is given.
const SEQUENCES: usize = 64;

/// The memory of the embedded engine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EngineMemory {
    /// Bytes of sampling 64 sequences at once, as long as the config's training sequences.
    pub sampling: MemoryNeeds,
    /// Bytes of fine-tuning with as many tokens at once as the config says.
    pub training: MemoryNeeds,
    /// Bytes that this process may use (`--memory`). The engine then computes less at once to stay below.
    pub limit: Option<usize>,
}

impl EngineMemory {
    pub(super) fn of(config: &Config, spec: &DecoderSpec) -> Result<Self> {
        let settings = &config.training;
        let tokens = settings.micro_batch_tokens.max(settings.sequence_length).min(settings.batch_size * settings.sequence_length);
        let training = Job::Training { tokens, recompute: settings.recompute_activations };
        let training = match &settings.lora {
            None => needs(spec, training, size_of::<f32>()),
            // A frozen model stays in 16 bits, as published ones are stored.
            Some(lora) => needs(&adapted(spec, lora)?, training, 2),
        };
        let length = settings.sequence_length.min(spec.context);
        let sampling = needs(spec, Job::Sampling { sequences: SEQUENCES, length, step_rows: EngineLimits::default().step_rows }, 2);
        Ok(EngineMemory { sampling, training, limit: budget() })
    }

    /// Bytes of fine-tuning within the limit.
    pub(super) fn training_within_limit(&self) -> usize {
        self.limit.map_or(self.training.total(), |limit| limit.min(self.training.total()))
    }
}

/// A decoder with the adapters of `[training.lora]`.
pub(super) fn adapted(spec: &DecoderSpec, lora: &LoraConfig) -> Result<DecoderSpec> {
    spec.clone().adapted(lora).during("training.lora")
}
