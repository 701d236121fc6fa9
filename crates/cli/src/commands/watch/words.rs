//! Durations and counts in words.

use starloop_core::event::Stage;
use starloop_core::inspect::Purpose;
use starloop_core::metrics::SelectionCounts;

pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) if minutes < 10 => format!("{minutes} min {seconds:02} s"),
        (0, 0, minutes, _) => format!("{minutes} min"),
        (0, hours, minutes, _) => format!("{hours} h {minutes:02} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

/// Three digits or so: `999`, `12.3k`, `4.56M`.
pub fn count(number: f64) -> String {
    match number {
        small if small < 1e3 => format!("{small:.0}"),
        thousands if thousands < 1e5 => format!("{:.1}k", thousands / 1e3),
        thousands if thousands < 1e6 => format!("{:.0}k", thousands / 1e3),
        millions if millions < 1e8 => format!("{:.2}M", millions / 1e6),
        more => format!("{:.2}G", more / 1e9),
    }
}

pub fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

/// What a stage counts.
pub fn units(stage: Stage) -> &'static str {
    if matches!(stage, Stage::FineTuning | Stage::Pretraining) { "steps" } else { "completions" }
}

/// What selection kept and dropped, in at most 31 characters for counts below ten thousand.
pub fn selected(counts: &SelectionCounts) -> String {
    if counts.pairs > 0 {
        return format!("{} pairs", count(counts.pairs as f64));
    }
    let hinted = if counts.kept_hinted > 0 { format!(" + {} hinted", count(counts.kept_hinted as f64)) } else { String::new() };
    format!("kept {}{hinted}, dropped {}", count(counts.kept_unhinted as f64), count(counts.dropped() as f64))
}

pub fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Unhinted => "unaided",
        Purpose::Hinted => "with the hint",
        Purpose::Evaluation => "held out",
        Purpose::FinalEvaluation => "final figure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_counts_are_short() {
        let durations =
            [(0.4, "0 s"), (59.6, "1 min 00 s"), (754.0, "12 min"), (3_660.0, "1 h 01 min"), (180_000.0, "2 d 2 h"), (-1.0, "0 s")];
        for (seconds, expected) in durations {
            assert_eq!(duration(seconds), expected);
        }
        let counts = [(999.0, "999"), (12_345.0, "12.3k"), (123_456.0, "123k"), (4_560_000.0, "4.56M"), (2.5e9, "2.50G")];
        for (number, expected) in counts {
            assert_eq!(count(number), expected);
        }
    }

    #[test]
    fn selection_is_told_in_a_line() {
        let counts = SelectionCounts { kept_unhinted: 120, kept_hinted: 30, dropped_duplicate: 4, ..SelectionCounts::default() };
        assert_eq!(selected(&counts), "kept 120 + 30 hinted, dropped 4");
        assert_eq!(selected(&SelectionCounts { kept_hinted: 0, ..counts }), "kept 120, dropped 4");
        assert_eq!(selected(&SelectionCounts { pairs: 44, ..SelectionCounts::default() }), "44 pairs");
    }
}
