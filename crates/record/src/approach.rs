//! The kind of a method, in the terms of the paper's comparison.

use serde::{Deserialize, Serialize};

/// A way to solve problems with a pretrained model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approach {
    /// The base model with worked examples that show the answers alone; nothing is trained.
    FewShotDirect,
    /// The base model with worked examples that show their rationales; nothing is trained.
    FewShot,
    /// Fine-tuning on the known answers alone.
    Direct,
    /// Fine-tuning on rationales that came with the problems.
    Rationales,
    /// Self-taught reasoning from unaided rationales alone.
    Star,
    /// Self-taught reasoning with failures retried with the answer as a hint.
    StarRationalized,
    /// The control of a method: rounds that learn the model's own samples, whatever their verdict.
    SelfTraining,
    /// Self-taught reasoning with hints that show only a part.
    PartialHints,
    /// One round of many samples, different paths kept.
    RejectionSampling,
    /// Rounds of many samples, each learned by the base.
    RestEm,
    /// Self-taught reasoning that chooses its problems.
    AdaStar,
    /// Rounds of many samples that balance exploration and exploitation.
    BStar,
    /// Self-taught reasoning with a verifier that learned from right and wrong rationales.
    VStar,
    /// Self-play against what was written in the round before, toward rationales that came with the problems.
    Spin,
    /// Reinforcement by verified answers.
    Grpo,
    /// A method from outside this project.
    Other,
}

impl Approach {
    /// The name that figures and tables show.
    pub fn title(self) -> &'static str {
        match self {
            Approach::FewShotDirect => "untrained model, answers alone",
            Approach::FewShot => "untrained model, with examples",
            Approach::Direct => "direct fine-tuning",
            Approach::Rationales => "fine-tuning on known rationales",
            Approach::Star => "STaR without rationalization",
            Approach::StarRationalized => "STaR with rationalization",
            Approach::SelfTraining => "self-training (control)",
            Approach::PartialHints => "STaR with partial hints",
            Approach::RejectionSampling => "rejection-sampling fine-tuning",
            Approach::RestEm => "ReST-EM",
            Approach::AdaStar => "AdaSTaR",
            Approach::BStar => "B-STaR",
            Approach::VStar => "V-STaR",
            Approach::Spin => "SPIN",
            Approach::Grpo => "GRPO",
            Approach::Other => "other method",
        }
    }

    /// Returns true if it learns from its own samples, iteration by iteration.
    pub fn bootstraps(self) -> bool {
        !matches!(self, Approach::FewShotDirect | Approach::FewShot | Approach::Direct | Approach::Rationales)
    }

    /// Returns true if it learns what is known of every problem, so that all of them are used.
    pub fn learns_what_is_known(self) -> bool {
        matches!(self, Approach::Direct | Approach::Rationales)
    }
}
