//! The words and signs of tables, pages and terminals for attempts. The labels of outcomes, tasks and methods are in the record.

use serde::Serialize;
use starloop_record::Approach;
use starloop_record::types::{Mode, Verdict};

/// The purpose of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To be learned from, without the hint.
    Unhinted,
    /// To be learned from, with the hint.
    Hinted,
    /// To measure accuracy.
    Evaluation,
    /// To measure the final accuracy.
    FinalEvaluation,
}

impl Purpose {
    /// Every purpose, in the order in which reports list them.
    pub const ALL: [Purpose; 4] = [Purpose::Unhinted, Purpose::Hinted, Purpose::Evaluation, Purpose::FinalEvaluation];

    /// The words that tables and pages show.
    pub fn label(self) -> &'static str {
        match self {
            Purpose::Unhinted => "without hint",
            Purpose::Hinted => "with hint",
            Purpose::Evaluation => "evaluation",
            Purpose::FinalEvaluation => "final evaluation",
        }
    }

    /// The name that options and JSON use.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Unhinted => "unhinted",
            Purpose::Hinted => "hinted",
            Purpose::Evaluation => "evaluation",
            Purpose::FinalEvaluation => "final_evaluation",
        }
    }
}

impl From<Mode> for Purpose {
    /// The purpose of an attempt of `attempts.jsonl`.
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Unhinted => Purpose::Unhinted,
            Mode::Hinted => Purpose::Hinted,
        }
    }
}

/// How a verdict is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct VerdictWords {
    /// The verdict's name in the record.
    pub name: &'static str,
    /// The words that tables and pages show.
    pub label: &'static str,
    /// One character, so that the verdict is not shown by colour alone.
    pub sign: &'static str,
}

/// Every verdict, in the order in which reports list them.
pub const VERDICTS: [VerdictWords; 6] = [
    VerdictWords { name: "correct", label: "right", sign: "✓" },
    VerdictWords { name: "wrong", label: "wrong", sign: "✗" },
    VerdictWords { name: "contradiction", label: "letter contradicts text", sign: "≠" },
    VerdictWords { name: "unparsed", label: "no readable answer", sign: "?" },
    VerdictWords { name: "truncated", label: "cut off", sign: "…" },
    VerdictWords { name: "failed", label: "verifier failed", sign: "!" },
];

/// The place of a verdict in [`VERDICTS`].
pub fn verdict_index(verdict: &Verdict) -> usize {
    match verdict {
        Verdict::Correct => 0,
        Verdict::Wrong { .. } => 1,
        Verdict::Contradiction { .. } => 2,
        Verdict::Unparsed => 3,
        Verdict::Truncated => 4,
        Verdict::Failed { .. } => 5,
    }
}

/// How a verdict is shown.
pub fn of_verdict(verdict: &Verdict) -> VerdictWords {
    VERDICTS[verdict_index(verdict)]
}

/// The unit of a method's loss, if it has one. Objectives that compare completions have a loss without a unit.
pub fn loss_unit(approach: Approach) -> Option<&'static str> {
    match approach {
        Approach::Grpo | Approach::Spin => None,
        _ => Some("nats per target token"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_is_shown_under_its_own_name() {
        let text = || String::from("x");
        let verdicts = [
            Verdict::Correct,
            Verdict::Wrong { predicted: text() },
            Verdict::Contradiction { letter: 'a', text: 'b' },
            Verdict::Unparsed,
            Verdict::Truncated,
            Verdict::Failed { reason: text() },
        ];
        assert_eq!(verdicts.each_ref().map(|verdict| of_verdict(verdict).name), verdicts.each_ref().map(Verdict::name));
    }

    #[test]
    fn purposes_have_the_names_of_their_json() {
        for purpose in Purpose::ALL {
            assert_eq!(serde_json::json!(purpose), purpose.name());
        }
    }
}
