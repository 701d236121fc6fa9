//! What is learned beyond imitation: which of two completions is the better, and how much better than its like a sample was.

use crate::config::TrainingConfig;
use crate::iterate::Start;
use crate::types::{Example, ProblemId};
use serde::{Deserialize, Serialize};
use starloop_lm::train::PolicyGradient;
use std::path::Path;

/// Two completions of one prompt, the better one first. The names are those of TRL's data sets. The prompt never holds a hint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreferencePair {
    /// The problem that it came from.
    pub problem: ProblemId,
    /// What the model is shown.
    pub prompt: String,
    /// The better completion, its end token understood.
    pub chosen: String,
    /// The worse completion, its end token understood unless it was cut.
    pub rejected: String,
    /// Whether the token limit cut the worse one, so that no end token belongs to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rejected_cut: bool,
}

/// A sample with its advantage over the others of its group. The prompt is the one that it was sampled with, and never holds a hint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RewardedSample {
    /// The problem that it came from.
    pub problem: ProblemId,
    /// What the model was shown.
    pub prompt: String,
    /// What it wrote, its end token understood unless it was cut.
    pub completion: String,
    /// Whether the token limit cut it, so that no end token belongs to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// How much better than its group it was; negative for worse.
    pub advantage: f64,
}

/// A loss that is no likelihood, with what it is over.
#[derive(Debug, Clone, Copy)]
pub enum Objective<'a> {
    /// Direct preference optimization; the reference is the model at the start of the training.
    Preferences {
        /// The pairs; never empty.
        pairs: &'a [PreferencePair],
        /// How strongly the model is held to the reference; the smaller, the farther it goes.
        beta: f64,
    },
    /// Group-relative policy optimization; the model at the start of the training has sampled.
    Rewards {
        /// The samples; never empty.
        samples: &'a [RewardedSample],
        /// The loss.
        loss: PolicyGradient,
        /// The checkpoint from which the divergence is measured.
        anchor: &'a Path,
    },
}

impl Objective<'_> {
    /// What it learns from, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Objective::Preferences { .. } => "preferences",
            Objective::Rewards { .. } => "rewards",
        }
    }
}

/// What one training learns, as selection leaves it.
#[derive(Debug, Clone, Copy)]
pub enum Learned<'a> {
    /// Completions to be imitated.
    Examples(&'a [Example]),
    /// Better and worse completions, and `beta`.
    Preferences(&'a [PreferencePair], f64),
    /// Samples with their advantages, the loss, and the model from which its divergence is measured.
    Rewards(&'a [RewardedSample], PolicyGradient, Start),
}

impl<'a> Learned<'a> {
    /// Whether there is nothing.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Examples, pairs or samples.
    pub fn len(self) -> usize {
        match self {
            Learned::Examples(examples) => examples.len(),
            Learned::Preferences(pairs, _) => pairs.len(),
            Learned::Rewards(samples, ..) => samples.len(),
        }
    }

    /// The problem and the prompt of each.
    pub fn prompts(self) -> Box<dyn Iterator<Item = (&'a ProblemId, &'a str)> + 'a> {
        match self {
            Learned::Examples(examples) => Box::new(examples.iter().map(|example| (&example.problem, example.prompt.as_str()))),
            Learned::Preferences(pairs, _) => Box::new(pairs.iter().map(|pair| (&pair.problem, pair.prompt.as_str()))),
            Learned::Rewards(samples, ..) => Box::new(samples.iter().map(|sample| (&sample.problem, sample.prompt.as_str()))),
        }
    }
}

/// A set that can be learned.
pub trait Material {
    /// What there is to learn.
    fn learned(&self) -> Learned<'_>;

    /// The settings of its training, where they are not the method's.
    fn settings(&self) -> Option<&TrainingConfig> {
        None
    }

    /// Optimizer steps of its training in `iteration`.
    fn steps(&self, settings: &TrainingConfig, iteration: u32) -> u64 {
        settings.steps_in(iteration)
    }
}

/// A set that is learned with settings of its own, such as a start from known rationales before self-play.
#[derive(Debug)]
pub struct Adjusted<M> {
    /// The set.
    pub material: M,
    /// The settings.
    pub settings: TrainingConfig,
}

impl<M: Material> Material for Adjusted<M> {
    fn learned(&self) -> Learned<'_> {
        self.material.learned()
    }

    fn settings(&self) -> Option<&TrainingConfig> {
        Some(&self.settings)
    }

    fn steps(&self, settings: &TrainingConfig, _: u32) -> u64 {
        settings.steps
    }
}
