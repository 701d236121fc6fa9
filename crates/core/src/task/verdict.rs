//! The verdicts of the built-in tasks, which [`starloop_answers`] gives.

use crate::types::StopReason;
use starloop_answers::choice::{ChoicePreference, ChoiceStyle};
use starloop_answers::verdict::Choices;
use starloop_answers::{Ending, choice};

/// The most choices that a problem can have: one for each letter.
pub(super) const MOST_CHOICES: usize = 26;

/// How a completion ended, as far as its answer is concerned.
pub(super) fn ending(stop_reason: &StopReason) -> Ending {
    if stop_reason.is_cut() { Ending::CutOff } else { Ending::Complete }
}

/// The letter of a choice, `a` for the first. There are at most [`MOST_CHOICES`].
pub(super) fn letter(choice: usize) -> char {
    choice::letter(choice).expect("a task refuses problems with more choices than letters")
}

/// The choice that is right, and how choices are read.
///
/// # Errors
/// The known answer names none of the choices, or two of them.
pub(super) fn choices<'a>(
    answer: &str,
    texts: &'a [String],
    style: ChoiceStyle,
    preference: ChoicePreference,
) -> Result<Choices<'a, String>, String> {
    let right = choice::known(answer, texts).ok_or_else(|| {
        format!("the answer {answer:?} names none of the choices, or two of them: {}; write its letter or its text", texts.join(", "))
    })?;
    Ok(Choices { texts, right, style, preference })
}
