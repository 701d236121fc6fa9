//! What the paper found (Zelikman et al. 2022: its tables 1 and 2, and its text for arithmetic), to stand beside what was measured.

use crate::method::Approach;
use serde::Serialize;

/// The model that the paper fine-tunes.
pub const PAPER_MODEL: &str = "GPT-J 6B";

/// An accuracy that the paper reports, on its own problems. All shares are in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PaperFigure {
    /// The task's kind.
    #[serde(skip)]
    pub task: &'static str,
    /// What was done.
    #[serde(skip)]
    pub approach: Approach,
    /// The pretrained model.
    pub model: &'static str,
    /// Accuracy.
    pub percent: f64,
    /// Problems of the training split that were learned from: by an unaided rationale, and by rationalization.
    pub train_used: Option<[f64; 2]>,
    /// How it was reached.
    pub setting: &'static str,
}

/// Every figure, task by task, in the paper's order.
pub const FIGURES: &[PaperFigure] = {
    use Approach::{Direct, FewShot, FewShotDirect, Star, StarRationalized};
    &[
        figure("arithmetic", Direct, 76.3, None, "10,000 examples, 5,000 steps"),
        figure("arithmetic", StarRationalized, 89.5, None, "16 iterations"),
        figure("commonsense_qa", FewShotDirect, 20.9, None, "answers alone"),
        figure("commonsense_qa", FewShot, 36.6, None, "chain of thought"),
        PaperFigure { model: "LaMDA 137B", ..figure("commonsense_qa", FewShot, 55.6, None, "chain of thought") },
        figure("commonsense_qa", Direct, 60.0, Some([100.0, 0.0]), "all of train"),
        PaperFigure { model: "GPT-3", ..figure("commonsense_qa", Direct, 73.0, Some([100.0, 0.0]), "all of train") },
        figure("commonsense_qa", Star, 68.8, Some([69.7, 0.0]), "69.7% of train"),
        figure("commonsense_qa", StarRationalized, 72.5, Some([78.2, 8.5]), "86.7% of train"),
        figure("gsm8k", FewShotDirect, 3.0, None, "answers alone"),
        figure("gsm8k", FewShot, 3.1, None, "chain of thought"),
        figure("gsm8k", Direct, 5.8, Some([100.0, 0.0]), "all of train"),
        figure("gsm8k", Star, 10.1, Some([25.0, 0.0]), "36 iterations"),
        figure("gsm8k", StarRationalized, 10.7, Some([28.2, 0.5]), "10 iterations more"),
    ]
};

const fn figure(task: &'static str, approach: Approach, percent: f64, train_used: Option<[f64; 2]>, setting: &'static str) -> PaperFigure {
    PaperFigure { task, approach, model: PAPER_MODEL, percent, train_used, setting }
}

/// What the paper reports for a task, in its order.
pub fn of_task(task: &str) -> impl Iterator<Item = &'static PaperFigure> {
    FIGURES.iter().filter(move |figure| figure.task == task)
}

/// What it reports for its own model and this approach; `None` where it reports nothing.
pub fn figure_of(task: &str, approach: Approach) -> Option<PaperFigure> {
    of_task(task).find(|figure| figure.approach == approach && figure.model == PAPER_MODEL).copied()
}
