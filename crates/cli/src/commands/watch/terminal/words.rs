//! Stages and selection in words.

use starloop_record::event::Stage;
use starloop_record::format::count;
use starloop_record::metrics::SelectionCounts;

/// The unit in which a stage counts.
pub fn units(stage: Stage) -> &'static str {
    if matches!(stage, Stage::FineTuning | Stage::Pretraining) { "steps" } else { "completions" }
}

/// The counts of learned and dropped attempts in a line of at most `width` columns. A shorter line has fewer counts, and no number is cut.
pub fn selected(iteration: u32, counts: &SelectionCounts, width: usize) -> String {
    let number = |number: u64| count(number as f64);
    let head = format!("iteration {iteration}: ");
    let SelectionCounts { kept_unhinted, kept_hinted, pairs, .. } = *counts;
    if pairs > 0 {
        return fitting([format!("{head}{} pairs", number(pairs)), format!("{} pairs", number(pairs))], width);
    }
    let hinted = if kept_hinted > 0 { format!(" + {} with hint", number(kept_hinted)) } else { String::new() };
    let all = format!("learned {}", number(kept_unhinted + kept_hinted));
    let dropped = format!("dropped {}", number(counts.dropped()));
    let apart = format!("learned {}{hinted}, {dropped}", number(kept_unhinted));
    fitting([format!("{head}{apart}"), apart, format!("{all}, {dropped}"), all], width)
}

/// The first text that fits; nothing if none does.
fn fitting<const N: usize>(texts: [String; N], width: usize) -> String {
    texts.into_iter().find(|text| text.chars().count() <= width).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selection_is_one_line() {
        let counts = SelectionCounts { kept_unhinted: 120, kept_hinted: 30, dropped_duplicate: 4, ..SelectionCounts::default() };
        assert_eq!(selected(2, &counts, 60), "iteration 2: learned 120 + 30 with hint, dropped 4");
        assert_eq!(selected(2, &SelectionCounts { kept_hinted: 0, ..counts }, 60), "iteration 2: learned 120, dropped 4");
        assert_eq!(selected(2, &SelectionCounts { pairs: 44, ..SelectionCounts::default() }, 60), "iteration 2: 44 pairs");
    }

    #[test]
    fn no_number_is_cut() {
        let counts = SelectionCounts { kept_unhinted: 1_739, kept_hinted: 412, dropped_duplicate: 322, ..SelectionCounts::default() };
        let lines = [60, 42, 30, 20, 5].map(|width| selected(12, &counts, width));
        assert_eq!(
            lines,
            [
                "iteration 12: learned 1739 + 412 with hint, dropped 322",
                "learned 1739 + 412 with hint, dropped 322",
                "learned 2151, dropped 322",
                "learned 2151",
                ""
            ]
        );
    }
}
