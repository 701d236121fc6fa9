//! `run.json`: what a run is. It states everything that readers need, so that they read no task, model or config to understand a run.

use crate::approach::Approach;
use crate::types::counts::MOST;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The files that a run depends on: each path as the config gives it, with its SHA-256. A checkpoint directory has that of its weights.
pub type Inputs = BTreeMap<String, String>;

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Begun and not finished. An interrupted run has this status too.
    Running,
    /// Every method is done.
    Finished,
}

/// `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The layout's version.
    pub format_version: u32,
    /// The program that began the run, with its version.
    pub program: String,
    /// The run's name.
    pub name: String,
    /// The run's seed.
    pub seed: u64,
    /// How far it has come.
    pub status: RunStatus,
    /// The pretrained model.
    pub model: ModelInfo,
    /// The task.
    pub task: TaskInfo,
    /// The methods, in the order in which they are run.
    pub methods: Vec<MethodInfo>,
    /// The method that the config names as its main one, before any result is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main: Option<String>,
    /// Config keys that say where and how the work is done. A change of them changes no result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub circumstances: Vec<String>,
    /// The SHA-256 of `config.toml`.
    pub config_sha256: String,
    /// The SHA-256 of the `config.toml` that prolongs the run and is about to be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_config_sha256: Option<String>,
    /// The hashes of the files that the run depends on.
    #[serde(default, skip_serializing_if = "Inputs::is_empty")]
    pub inputs: Inputs,
}

impl RunInfo {
    /// A method by its name in the config.
    pub fn method(&self, name: &str) -> Option<&MethodInfo> {
        self.methods.iter().find(|method| method.name == name)
    }
}

/// The pretrained model of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The model as the config names it: `builtin:NAME`, or a directory.
    pub base: String,
    /// Its name on the hub, if the config gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
    /// Its number of parameters, if its config could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
}

/// The task of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskInfo {
    /// The kind, as the config names it.
    pub kind: String,
    /// The words that tables and pages show.
    pub label: String,
    /// The accuracy of guessing, in 0..=1; 0 if guessing cannot be right.
    pub chance: f64,
    /// The figures of the paper for this task, in its order. The first figure is of the model that the paper fine-tunes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paper: Vec<PaperFigure>,
    /// Problems that were left out because their prompts are too long for the model.
    #[serde(default, skip_serializing_if = "crate::metrics::is_zero")]
    pub too_long: u64,
}

/// A method of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodInfo {
    /// Its name in the config.
    pub name: String,
    /// The kind, as the config names it.
    pub kind: String,
    /// The words that tables and pages show.
    pub label: String,
    /// Its kind, in the terms of the paper's comparison.
    pub approach: Approach,
    /// Its largest amount of work.
    pub estimate: Estimate,
}

/// The largest amount of work of a method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Outer iterations.
    #[serde(deserialize_with = "crate::types::counts::count")]
    pub iterations: u32,
    /// Completions sampled while collecting, rationalizations included (as if every problem needed one).
    #[serde(deserialize_with = "crate::types::counts::count")]
    pub attempts: u64,
    /// Completions sampled while evaluating, those of the base included.
    #[serde(deserialize_with = "crate::types::counts::count")]
    pub evaluations: u64,
    /// Optimizer steps.
    #[serde(deserialize_with = "crate::types::counts::count")]
    pub steps: u64,
    /// Tokens that go through the model in training, as if every packed sequence were full.
    #[serde(deserialize_with = "crate::types::counts::count")]
    pub trained_tokens: u64,
}

impl Estimate {
    /// The same with every count at most the largest that is read back.
    #[must_use]
    pub fn capped(self) -> Self {
        let Estimate { iterations, attempts, evaluations, steps, trained_tokens } = self;
        let [attempts, evaluations, steps, trained_tokens] = [attempts, evaluations, steps, trained_tokens].map(|count| count.min(MOST));
        Estimate { iterations, attempts, evaluations, steps, trained_tokens }
    }
}

/// An accuracy that the paper reports (Zelikman et al. 2022), on its own problems. All shares are in percent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaperFigure {
    /// The work that was done.
    pub approach: Approach,
    /// The pretrained model.
    pub model: String,
    /// Accuracy.
    pub percent: f64,
    /// Problems of the training split that were learned from: by an unhinted rationale, and by rationalization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_used: Option<[f64; 2]>,
    /// How it was reached.
    pub setting: String,
}
