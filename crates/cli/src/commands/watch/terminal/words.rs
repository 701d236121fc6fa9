//! Stages and selection in words.

use starloop_record::event::Stage;
use starloop_record::format::count;
use starloop_record::metrics::SelectionCounts;

/// The unit in which a stage counts.
pub fn units(stage: Stage) -> &'static str {
    if matches!(stage, Stage::FineTuning | Stage::Pretraining) { "steps" } else { "completions" }
}

/// What selection kept and dropped, in one line.
pub fn selected(counts: &SelectionCounts) -> String {
    if counts.pairs > 0 {
        return format!("{} pairs", count(counts.pairs as f64));
    }
    let hinted = if counts.kept_hinted > 0 { format!(" + {} hinted", count(counts.kept_hinted as f64)) } else { String::new() };
    format!("kept {}{hinted}, dropped {}", count(counts.kept_unhinted as f64), count(counts.dropped() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selection_is_one_line() {
        let counts = SelectionCounts { kept_unhinted: 120, kept_hinted: 30, dropped_duplicate: 4, ..SelectionCounts::default() };
        assert_eq!(selected(&counts), "kept 120 + 30 hinted, dropped 4");
        assert_eq!(selected(&SelectionCounts { kept_hinted: 0, ..counts }), "kept 120, dropped 4");
        assert_eq!(selected(&SelectionCounts { pairs: 44, ..SelectionCounts::default() }), "44 pairs");
    }
}
