//! What a method did, told from its figures, and what the paper found when it did the same.

use crate::metrics::IterationMetrics;
use serde::Serialize;

/// The kinds of method that the paper compares. Told from what was counted, so that a method may have any name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The base model with worked examples; nothing was trained.
    FewShot,
    /// Fine-tuning on given text, without sampling.
    Direct,
    /// Self-taught reasoning from unaided rationales alone.
    Star,
    /// Self-taught reasoning with failures retried with the answer as a hint.
    StarRationalized,
}

impl Kind {
    /// The kind of method whose iterations have these figures.
    pub(super) fn of(iterations: &[IterationMetrics]) -> Kind {
        let any = |test: fn(&IterationMetrics) -> bool| iterations.iter().any(test);
        if any(|metrics| metrics.hinted.attempts > 0) {
            Kind::StarRationalized
        } else if any(|metrics| metrics.unhinted.attempts > 0) {
            Kind::Star
        } else if any(|metrics| metrics.training.is_some()) {
            Kind::Direct
        } else {
            Kind::FewShot
        }
    }

    /// The name that figures and tables show.
    pub fn title(self) -> &'static str {
        match self {
            Kind::FewShot => "few-shot base",
            Kind::Direct => "direct fine-tuning",
            Kind::Star => "STaR without rationalization",
            Kind::StarRationalized => "STaR with rationalization",
        }
    }

    /// Whether it learns from its own samples, iteration by iteration.
    pub fn bootstraps(self) -> bool {
        matches!(self, Kind::Star | Kind::StarRationalized)
    }
}

/// An accuracy that the paper reports, for GPT-J (6 billion parameters).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PaperFigure {
    /// Accuracy in percent, on the paper's own problems.
    pub percent: f64,
    /// How it was reached.
    pub setting: &'static str,
}

/// The paper's accuracy for a task and kind of method (Zelikman et al. 2022: its tables, and its text for arithmetic); `None`
/// where it reports none.
pub fn paper_figure(task: &str, kind: Kind) -> Option<PaperFigure> {
    let (percent, setting) = match (task, kind) {
        ("arithmetic", Kind::Direct) => (76.3, "10,000 examples, 5,000 steps"),
        ("arithmetic", Kind::StarRationalized) => (89.5, "16 iterations"),
        ("commonsense_qa", Kind::FewShot) => (36.6, "chain of thought"),
        ("commonsense_qa", Kind::Direct) => (60.0, "all of train"),
        ("commonsense_qa", Kind::Star) => (68.8, "69.7% of train"),
        ("commonsense_qa", Kind::StarRationalized) => (72.5, "86.7% of train"),
        ("gsm8k", Kind::FewShot) => (3.1, "chain of thought"),
        ("gsm8k", Kind::Direct) => (5.8, "all of train"),
        ("gsm8k", Kind::Star) => (10.1, "36 iterations"),
        ("gsm8k", Kind::StarRationalized) => (10.7, "10 iterations more"),
        _ => return None,
    };
    Some(PaperFigure { percent, setting })
}
