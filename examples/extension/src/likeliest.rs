//! The policy: draws several completions for each sample, and takes the one that the model finds most likely.

use serde::{Deserialize, Serialize};
use starloop_core::config::ModelConfig;
use starloop_core::error::Result;
use starloop_core::policy::embedded::EmbeddedPolicy;
use starloop_core::policy::{Completion, Policy, Progress, PromptRequest, SamplingParams};
use starloop_core::registry::PolicySettings;
use std::ops::ControlFlow;
use std::path::Path;

/// `[policy] kind = "likeliest"`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Likeliest {
    /// Completions that are drawn for each sample.
    pub draws: u64,
}

impl PolicySettings for Likeliest {
    fn build(&self, model: &ModelConfig) -> Result<Box<dyn Policy>> {
        Ok(Box::new(Drawing { inner: EmbeddedPolicy::new(model), draws: self.draws.max(1) }))
    }
}

struct Drawing {
    inner: EmbeddedPolicy,
    draws: u64,
}

impl Policy for Drawing {
    fn load(&mut self, checkpoint: &Path) -> Result<String> {
        self.inner.load(checkpoint)
    }

    fn unload(&mut self) {
        self.inner.unload();
    }

    fn sample(
        &mut self,
        requests: &[PromptRequest],
        params: &SamplingParams,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<Completion>> {
        // The seeds of the draws follow from the sample's seed alone, so a resumed run draws the same.
        let draws = |seed: &u64| (0..self.draws).map(|draw| seed.wrapping_add(draw)).collect::<Vec<_>>();
        let more = |request: &PromptRequest| PromptRequest {
            prompt: request.prompt.clone(),
            seeds: request.seeds.iter().flat_map(draws).collect(),
        };
        let requests: Vec<PromptRequest> = requests.iter().map(more).collect();
        let count = self.draws;
        let mut samples = |state: Progress| progress(Progress { finished: state.finished / count, ..state });
        let drawn = self.inner.sample(&requests, params, &mut samples)?;
        let logprob = |completion: &Completion| completion.logprob.unwrap_or(f64::NEG_INFINITY);
        let likeliest = |draws: &[Completion]| draws.iter().max_by(|a, b| logprob(a).total_cmp(&logprob(b))).cloned();
        Ok(drawn.chunks(count as usize).filter_map(likeliest).collect())
    }
}
