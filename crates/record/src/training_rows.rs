//! The rows of one fine-tuning, as the run directory keeps them. No prompt holds a hint.

use crate::types::{Example, ProblemId};
use serde::{Deserialize, Serialize};

/// Two completions of one prompt, the better one first. The field names are those of TRL's data sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreferencePair {
    /// The problem that it came from.
    pub problem: ProblemId,
    /// The prompt.
    pub prompt: String,
    /// The better completion. The end token follows it.
    pub chosen: String,
    /// The worse completion. The end token follows it unless it was cut off.
    pub rejected: String,
    /// True if the token limit cut off the worse completion, so that no end token follows it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rejected_cut: bool,
}

/// A sample with its advantage over the other samples of its group. The prompt is the one that it was sampled with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RewardedSample {
    /// The problem that it came from.
    pub problem: ProblemId,
    /// The prompt.
    pub prompt: String,
    /// The completion. The end token follows it unless it was cut off.
    pub completion: String,
    /// True if the token limit cut it off, so that no end token follows it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// The reward minus the mean of its group, perhaps scaled; negative if it is worse than its group.
    pub advantage: f64,
}

/// The rows of one fine-tuning, by the kind of loss that they are for.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainingRows {
    /// Completions to imitate (`train.jsonl`).
    Completions(Vec<Example>),
    /// Pairs of a better and a worse completion (`preferences.jsonl`).
    Preferences(Vec<PreferencePair>),
    /// Samples with advantages (`rewards.jsonl`).
    Rewards(Vec<RewardedSample>),
}

impl TrainingRows {
    /// The number of completions, pairs or samples.
    pub fn len(&self) -> usize {
        match self {
            TrainingRows::Completions(examples) => examples.len(),
            TrainingRows::Preferences(pairs) => pairs.len(),
            TrainingRows::Rewards(samples) => samples.len(),
        }
    }

    /// The bytes of memory that the rows take.
    pub fn memory_bytes(&self) -> usize {
        /// Bookkeeping of the allocator for each text.
        const ALLOCATION: usize = 16;
        let texts = |texts: &[&String]| texts.iter().map(|text| text.capacity() + ALLOCATION).sum::<usize>();
        let (row, all): (usize, usize) = match self {
            TrainingRows::Completions(rows) => {
                (size_of::<Example>(), rows.iter().map(|row| texts(&[&row.problem.0, &row.prompt, &row.completion])).sum())
            }
            TrainingRows::Preferences(rows) => (
                size_of::<PreferencePair>(),
                rows.iter().map(|row| texts(&[&row.problem.0, &row.prompt, &row.chosen, &row.rejected])).sum(),
            ),
            TrainingRows::Rewards(rows) => {
                (size_of::<RewardedSample>(), rows.iter().map(|row| texts(&[&row.problem.0, &row.prompt, &row.completion])).sum())
            }
        };
        self.len() * row + all
    }

    /// Returns true if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The problem and the prompt of each row.
    pub fn prompts(&self) -> Box<dyn Iterator<Item = (&ProblemId, &str)> + '_> {
        match self {
            TrainingRows::Completions(examples) => Box::new(examples.iter().map(|row| (&row.problem, row.prompt.as_str()))),
            TrainingRows::Preferences(pairs) => Box::new(pairs.iter().map(|row| (&row.problem, row.prompt.as_str()))),
            TrainingRows::Rewards(samples) => Box::new(samples.iter().map(|row| (&row.problem, row.prompt.as_str()))),
        }
    }
}
