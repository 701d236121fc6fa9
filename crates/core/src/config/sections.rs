//! The sections of a config that are plain values: `[model]`, `[sampling]`, `[evaluation]`.

use super::is_default;
use crate::task::Task;
use crate::types::{Problem, Split};
use serde::{Deserialize, Serialize};
use starloop_lm::engine::{CacheDtype, SamplingParams};
use starloop_lm::files::chat::{Chat, ChatVariables};
use starloop_record::digest::sha256_hex;

/// `[model]`: the pretrained model that everything starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// A checkpoint directory in the Hugging Face layout, a `.gguf` file, `builtin:NAME` for a shipped model, or `ORG/NAME[@REVISION]` on the
    /// Hugging Face hub.
    pub base: String,
    /// Render prompts as the user's message with the checkpoint's chat template, in sampling and in training. By default prompts are not
    /// changed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub chat: bool,
    /// Variables that the chat template reads, such as `{ enable_thinking = false }`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub chat_variables: ChatVariables,
    /// The type of the cached keys and values in sampling. `f16` takes half the memory of `f32` and moves log-probabilities by some 1e-3.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kv_cache: CacheDtype,
    /// The name of the model on the hub. The error about a missing directory names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
}

impl Default for ModelConfig {
    /// The shipped arithmetic model.
    fn default() -> Self {
        let base = "builtin:arithmetic".to_owned();
        ModelConfig { base, chat: false, chat_variables: ChatVariables::default(), kv_cache: CacheDtype::default(), hub: None }
    }
}

impl ModelConfig {
    /// How prompts are formatted for the model.
    pub fn chat(&self) -> Chat {
        Chat(self.chat.then(|| self.chat_variables.clone()))
    }
}

/// `[sampling]`: how rationales are drawn while collecting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SamplingConfig {
    /// Divides the logits; 0 takes the most likely token (the paper samples near greedily).
    pub temperature: f64,
    /// Only the `top_k` most likely tokens; 0 for all.
    pub top_k: usize,
    /// Only the most likely tokens whose probabilities add up to this; 1 for all.
    pub top_p: f64,
    /// Tokens after which a completion is cut off.
    pub max_new_tokens: usize,
    /// Samples for each problem (paper: 1).
    pub samples_per_problem: u32,
    /// Worked examples in front of a problem (paper: 10).
    pub few_shot: usize,
    /// The worked examples are shown in the first so many iterations; 0 for always (paper: dropped after iteration 1 for arithmetic).
    pub few_shot_iterations: u32,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        SamplingConfig {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            max_new_tokens: 256,
            samples_per_problem: 1,
            few_shot: 0,
            few_shot_iterations: 0,
        }
    }
}

impl SamplingConfig {
    /// Worked examples shown in `iteration` (from 1).
    pub fn few_shot_in(&self, iteration: u32) -> usize {
        if self.few_shot_iterations == 0 || iteration <= self.few_shot_iterations { self.few_shot } else { 0 }
    }

    /// How completions are drawn, with the task's stop strings.
    pub fn params(&self, stop: Vec<String>) -> SamplingParams {
        let SamplingConfig { temperature, top_k, top_p, max_new_tokens, .. } = *self;
        SamplingParams { temperature, top_k, top_p, max_new_tokens, stop }
    }
}

/// `[evaluation]`: how accuracy is measured. Always one greedy completion for each problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationConfig {
    /// The held-out problems: `dev` for choices, `test` for the final figure.
    pub split: Split,
    /// Worked examples shown to a fine-tuned model. By default, as many as the next iteration's sampling shows. The base always gets
    /// `sampling.few_shot`.
    pub few_shot: Option<usize>,
    /// Evaluate after every so many iterations, and after the last.
    pub every: u32,
    /// Measure on this many of the split's problems, chosen by their ids; 0 for all.
    #[serde(skip_serializing_if = "is_default")]
    pub limit: usize,
    /// `test`: at the end of each method, its best model on `split` = `dev` is measured once more, on the problems of the final figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_split: Option<Split>,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        EvaluationConfig { split: Split::Dev, few_shot: None, every: 1, limit: 0, final_split: None }
    }
}

impl EvaluationConfig {
    /// The number of [`EvaluationConfig::problems`].
    pub fn count(&self, task: &dyn Task, split: Split, iteration: u32) -> usize {
        let all = task.evaluation_count(split, iteration);
        if self.limit > 0 { all.min(self.limit) } else { all }
    }

    /// The problems of a split that accuracy is measured on: the same for every model and seed.
    pub fn problems(&self, task: &dyn Task, split: Split, iteration: u32) -> Vec<Problem> {
        let mut problems = task.evaluation_problems(split, iteration);
        if self.limit > 0 && self.limit < problems.len() {
            let mut ranks: Vec<_> = problems.iter().map(|problem| sha256_hex(format!("limit {}", problem.id))).collect();
            ranks.sort_unstable();
            let last = ranks.swap_remove(self.limit - 1);
            problems.retain(|problem| sha256_hex(format!("limit {}", problem.id)) <= last);
        }
        problems
    }
}
