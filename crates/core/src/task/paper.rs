//! The figures of the paper (Zelikman et al. 2022: its tables 1 and 2, and its text for arithmetic). Runs record it beside their own figures.

use starloop_record::approach::Approach;
use starloop_record::info::PaperFigure;

/// The model that the paper fine-tunes.
const PAPER_MODEL: &str = "GPT-J 6B";

/// Section 4.2.
pub(super) fn arithmetic() -> Vec<PaperFigure> {
    vec![
        figure(Approach::Direct, 76.3, None, "10,000 examples, 5,000 steps"),
        figure(Approach::StarRationalized, 89.5, None, "16 iterations"),
    ]
}

/// Table 1.
pub(super) fn commonsense_qa() -> Vec<PaperFigure> {
    let of_model = |model: &str, figure: PaperFigure| PaperFigure { model: model.to_owned(), ..figure };
    vec![
        figure(Approach::FewShotDirect, 20.9, None, "answers alone"),
        figure(Approach::FewShot, 36.6, None, "chain of thought"),
        of_model("LaMDA 137B", figure(Approach::FewShot, 55.6, None, "chain of thought")),
        figure(Approach::Direct, 60.0, Some([100.0, 0.0]), "all of train"),
        of_model("GPT-3", figure(Approach::Direct, 73.0, Some([100.0, 0.0]), "all of train")),
        figure(Approach::Star, 68.8, Some([69.7, 0.0]), "69.7% of train"),
        figure(Approach::StarRationalized, 72.5, Some([78.2, 8.5]), "86.7% of train"),
    ]
}

/// Table 2.
pub(super) fn gsm8k() -> Vec<PaperFigure> {
    vec![
        figure(Approach::FewShotDirect, 3.0, None, "answers alone"),
        figure(Approach::FewShot, 3.1, None, "chain of thought"),
        figure(Approach::Direct, 5.8, Some([100.0, 0.0]), "all of train"),
        figure(Approach::Star, 10.1, Some([25.0, 0.0]), "36 iterations"),
        figure(Approach::StarRationalized, 10.7, Some([28.2, 0.5]), "10 iterations more"),
    ]
}

fn figure(approach: Approach, percent: f64, train_used: Option<[f64; 2]>, setting: &str) -> PaperFigure {
    PaperFigure { approach, model: PAPER_MODEL.to_owned(), percent, train_used, setting: setting.to_owned() }
}
