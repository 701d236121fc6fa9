//! The lists of names that the packed columns point into. They are part of the page's data, so that its scripts look names up and know no
//! numbers.

use crate::paired::Change;
use crate::words::{Purpose, VERDICTS, VerdictWords};
use serde::Serialize;
use starloop_record::Outcome;
use starloop_record::types::{GradedAttempt, Mode};

/// Every list.
#[derive(Serialize)]
pub(super) struct Names {
    outcomes: Vec<OutcomeName>,
    verdicts: [VerdictWords; VERDICTS.len()],
    purposes: [PurposeName; Purpose::ALL.len()],
    flags: [&'static str; FLAGS.len()],
}

#[derive(Serialize)]
struct OutcomeName {
    name: OutcomeKey,
    label: &'static str,
    tone: Tone,
}

/// An entry of the list of outcomes.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum OutcomeKey {
    Decided(Outcome),
    Undecided(Undecided),
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Undecided {
    /// The attempt measures accuracy and is never learned from.
    EvaluationOnly,
    /// Selection has not decided about it.
    NotSelected,
}

/// How an outcome is coloured.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Tone {
    Good,
    Dropped,
    Bad,
    Plain,
}

#[derive(Clone, Copy, Serialize)]
struct PurposeName {
    name: &'static str,
    label: &'static str,
}

impl Names {
    pub(super) fn all() -> Self {
        let outcomes = keys().map(|name| {
            let (label, tone) = match name {
                OutcomeKey::Decided(outcome) => (outcome.label(), tone(outcome)),
                OutcomeKey::Undecided(Undecided::EvaluationOnly) => ("evaluation only", Tone::Plain),
                OutcomeKey::Undecided(Undecided::NotSelected) => ("not selected yet", Tone::Plain),
            };
            OutcomeName { name, label, tone }
        });
        Names {
            outcomes: outcomes.collect(),
            verdicts: VERDICTS,
            purposes: Purpose::ALL.map(|purpose| PurposeName { name: purpose.name(), label: purpose.label() }),
            flags: FLAGS.map(|(name, _)| name),
        }
    }
}

fn keys() -> impl Iterator<Item = OutcomeKey> {
    let undecided = [Undecided::EvaluationOnly, Undecided::NotSelected].map(OutcomeKey::Undecided);
    Outcome::ALL.into_iter().map(OutcomeKey::Decided).chain(undecided)
}

fn tone(outcome: Outcome) -> Tone {
    match outcome {
        outcome if outcome.is_learned() => Tone::Good,
        Outcome::Wrong | Outcome::Unreadable | Outcome::Truncated | Outcome::VerifierFailed => Tone::Bad,
        _ => Tone::Dropped,
    }
}

/// The place of an attempt's outcome in the list.
pub(super) fn outcome_index(outcome: Option<Outcome>, purpose: Purpose) -> u8 {
    let key = match (outcome, purpose) {
        (Some(outcome), _) => OutcomeKey::Decided(outcome),
        (None, Purpose::Unhinted | Purpose::Hinted) => OutcomeKey::Undecided(Undecided::NotSelected),
        (None, Purpose::Evaluation | Purpose::FinalEvaluation) => OutcomeKey::Undecided(Undecided::EvaluationOnly),
    };
    keys().position(|other| other == key).unwrap_or_default() as u8
}

/// The place of a purpose in the list.
pub(super) fn purpose_index(purpose: Purpose) -> u8 {
    Purpose::ALL.iter().position(|other| *other == purpose).unwrap_or_default() as u8
}

/// Facts about an attempt that come from other attempts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beside {
    /// The change from the untrained model's answer.
    pub(super) change: Change,
    /// True if an earlier sample at the problem in the iteration is right by another reasoning path, and so is this one.
    pub(super) other_path: bool,
}

type Flag = (&'static str, fn(&GradedAttempt, Beside) -> bool);

/// Further properties of an attempt in the record. Each flag is the bit of its place.
const FLAGS: [Flag; 8] = [
    ("equals_reference", |graded, _| graded.faithful == Some(true)),
    ("steps_checked", |graded, _| graded.false_step.is_some()),
    ("false_step", |graded, _| graded.verdict.is_correct() && graded.false_step == Some(true)),
    ("answer_not_stated", |graded, _| graded.reading().is_some_and(|reading| !reading.is_stated())),
    ("only_with_hint", |graded, _| graded.verdict.is_correct() && graded.attempt.mode == Mode::Hinted),
    ("gained", |_, beside| beside.change == Change::Gained),
    ("lost", |_, beside| beside.change == Change::Lost),
    ("other_path", |_, beside| beside.other_path),
];

/// The flags of an attempt as bits.
pub(super) fn flags(graded: &GradedAttempt, beside: Beside) -> u8 {
    FLAGS.iter().enumerate().filter(|(_, (_, holds))| holds(graded, beside)).map(|(place, _)| 1 << place).sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn columns_point_at_the_names_of_the_record() {
        let names = serde_json::to_value(Names::all()).unwrap();
        let name = |outcome, purpose| names["outcomes"][usize::from(outcome_index(outcome, purpose))]["name"].clone();
        for outcome in Outcome::ALL {
            assert_eq!(name(Some(outcome), Purpose::Hinted), serde_json::json!(outcome));
        }
        assert_eq!(name(None, Purpose::Unhinted), "not_selected");
        assert_eq!(name(None, Purpose::FinalEvaluation), "evaluation_only");
        for purpose in Purpose::ALL {
            assert_eq!(names["purposes"][usize::from(purpose_index(purpose))]["name"], serde_json::json!(purpose));
        }
    }
}
