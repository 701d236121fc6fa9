//! Comparing the answer of a completion with the known one.

use crate::choice::{self, ChoicePreference, ChoiceStyle, Named};
use crate::find;
use crate::marks::Mark;
use crate::number::{Number, Quantity};
use crate::reading::{Ending, FoundAnswer, Place, ReadOutcome, Reading};
use serde::{Deserialize, Serialize};

/// The result of grading a completion. It is never a boolean, because each way of failing has its own remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The answer equals the known one.
    Correct,
    /// The answer is another one.
    Wrong {
        /// The answer as it was read: a number in its shortest exact form, or the choice as [`Choices::style`] shows it.
        predicted: String,
    },
    /// Letter and text name different choices, and neither counts ([`ChoicePreference::Neither`]).
    Contradiction {
        /// The letter of the choice that the letter names.
        letter: char,
        /// The letter of the choice that the text names.
        text: char,
    },
    /// No answer could be read.
    Unparsed,
    /// The completion ended before it gave an answer.
    Truncated,
    /// A verifier outside of this crate gave no verdict.
    Failed {
        /// How it failed.
        reason: String,
    },
}

impl Verdict {
    /// Returns true if the answer is right.
    pub fn is_correct(&self) -> bool {
        matches!(self, Verdict::Correct)
    }

    /// The name in records and tables, the same as in serde.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Correct => "correct",
            Verdict::Wrong { .. } => "wrong",
            Verdict::Contradiction { .. } => "contradiction",
            Verdict::Unparsed => "unparsed",
            Verdict::Truncated => "truncated",
            Verdict::Failed { .. } => "failed",
        }
    }
}

impl Grade {
    /// The rule that found the answer.
    pub fn reading(&self) -> Option<Reading> {
        self.place.as_ref().map(|place| place.reading)
    }
}

/// A verdict without a place in the text.
impl From<Verdict> for Grade {
    fn from(verdict: Verdict) -> Self {
        Grade { verdict, place: None, contradiction: None }
    }
}

/// A verdict and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grade {
    /// The result of grading.
    pub verdict: Verdict,
    /// The place that was read, and the rule that found it.
    pub place: Option<Place>,
    /// For choices: letter and text, if they name different choices. It is set whichever of the two counts.
    pub contradiction: Option<Named>,
}

/// How far a number may be from the known one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Tolerance {
    /// Not at all: the exact values are equal.
    #[default]
    Exact,
    /// By at most this number.
    Absolute(Number),
    /// By at most this fraction of the known number.
    Relative(Number),
}

impl Tolerance {
    /// Returns true if two numbers are equal under this tolerance.
    ///
    /// ```
    /// use starloop_answers::{number::parse, verdict::Tolerance};
    ///
    /// let value = |text| parse(text).unwrap().value;
    /// assert!(Tolerance::Exact.accepts(&value("0.75"), &value("3/4")));
    /// assert!(!Tolerance::Exact.accepts(&value("0.33"), &value("1/3")));
    /// assert!(Tolerance::Absolute(value("0.01")).accepts(&value("0.33"), &value("1/3")));
    /// assert!(Tolerance::Relative(value("0.01")).accepts(&value("1010"), &value("1000")));
    /// ```
    pub fn accepts(&self, answer: &Number, known: &Number) -> bool {
        match self {
            Tolerance::Exact => answer == known,
            Tolerance::Absolute(tolerance) => answer.is_within(known, tolerance),
            Tolerance::Relative(fraction) => answer.is_within(known, &known.scaled_magnitude(fraction)),
        }
    }
}

/// Grades a completion whose answer is a number.
///
/// ```
/// use starloop_answers::{number, verdict::{self, Tolerance, Verdict}, Ending, Mark};
///
/// let known = number::known("1,200").unwrap();
/// let grade = |text| verdict::number(text, &known, &Tolerance::Exact, &Mark::ALL, Ending::Complete).verdict;
/// assert_eq!(grade("#### $1200.00"), Verdict::Correct);
/// assert_eq!(grade("The answer is 1 200 €."), Verdict::Correct);
/// assert_eq!(grade("The answer is 12,00."), Verdict::Wrong { predicted: "12".into() });
/// assert_eq!(grade("The answer is 1200 or 1300."), Verdict::Unparsed);
/// ```
pub fn number(completion: &str, known: &Quantity, tolerance: &Tolerance, marks: &[Mark], ending: Ending) -> Grade {
    let outcome = find::number(completion, marks, ending);
    let place = outcome.place().cloned();
    let verdict = match outcome {
        ReadOutcome::Found(FoundAnswer { answer, .. }) if tolerance.accepts(&answer.value, &known.value) => Verdict::Correct,
        ReadOutcome::Found(FoundAnswer { answer, .. }) => Verdict::Wrong { predicted: answer.value.to_string() },
        ReadOutcome::Unparsed(_) => Verdict::Unparsed,
        ReadOutcome::Truncated => Verdict::Truncated,
    };
    Grade { verdict, place, contradiction: None }
}

/// Grades a completion whose answer is any text. `is_right` gets the answer as [`find::plain`] makes it.
///
/// ```
/// use starloop_answers::{verdict::{self, Verdict}, Ending, Mark};
///
/// let grade = |text| verdict::text(text, |answer| answer == "New York", &Mark::ALL, Ending::Complete).verdict;
/// assert_eq!(grade("It is big.\n#### New York."), Verdict::Correct);
/// assert_eq!(grade("The answer is Boston."), Verdict::Wrong { predicted: "Boston".into() });
/// ```
pub fn text(completion: &str, is_right: impl Fn(&str) -> bool, marks: &[Mark], ending: Ending) -> Grade {
    let outcome = find::text(completion, marks, ending);
    let place = outcome.place().cloned();
    let verdict = match outcome {
        ReadOutcome::Found(FoundAnswer { answer, .. }) if is_right(&answer) => Verdict::Correct,
        ReadOutcome::Found(FoundAnswer { answer, .. }) => Verdict::Wrong { predicted: answer },
        ReadOutcome::Unparsed(_) => Verdict::Unparsed,
        ReadOutcome::Truncated => Verdict::Truncated,
    };
    Grade { verdict, place, contradiction: None }
}

/// The choices of a multiple-choice problem, and the right one.
#[derive(Debug, Clone, Copy)]
pub struct Choices<'a, S> {
    /// The texts of the choices.
    pub texts: &'a [S],
    /// The right one, counted from 0.
    pub right: usize,
    /// How they are shown.
    pub style: ChoiceStyle,
    /// The part that counts if letter and text contradict each other.
    pub preference: ChoicePreference,
}

/// The verdict on a choice that is named.
pub fn of_named<S: AsRef<str>>(answer: Named, choices: &Choices<'_, S>) -> Verdict {
    let letter = |choice: usize| choice::letter(choice).unwrap_or('?');
    match (answer.choice(choices.preference), answer.letter, answer.text) {
        (Some(found), ..) if found == choices.right => Verdict::Correct,
        (Some(found), ..) => Verdict::Wrong {
            predicted: match choices.style {
                ChoiceStyle::Letters => letter(found).to_string(),
                ChoiceStyle::Text => choices.texts[found].as_ref().to_owned(),
            },
        },
        (None, Some(by_letter), Some(by_text)) => Verdict::Contradiction { letter: letter(by_letter), text: letter(by_text) },
        (None, ..) => Verdict::Unparsed,
    }
}

/// Grades a completion whose answer is one of several choices.
///
/// ```
/// use starloop_answers::{choice::{ChoicePreference, ChoiceStyle}, verdict::{self, Choices, Verdict}, Ending, Mark};
///
/// let texts = ["shop", "synagogue", "park"];
/// let choices = Choices { texts: &texts, right: 1, style: ChoiceStyle::Letters, preference: ChoicePreference::Letter };
/// let grade = |text, preference| verdict::choice(text, &Choices { preference, ..choices }, &Mark::ALL, Ending::Complete).verdict;
/// assert_eq!(grade("I'd go with B.", ChoicePreference::Letter), Verdict::Correct);
/// assert_eq!(grade("The answer is synagogue (c).", ChoicePreference::Letter), Verdict::Wrong { predicted: "c".into() });
/// assert_eq!(grade("The answer is synagogue (c).", ChoicePreference::Text), Verdict::Correct);
/// assert_eq!(grade("The answer is synagogue (c).", ChoicePreference::Neither), Verdict::Contradiction { letter: 'c', text: 'b' });
/// ```
pub fn choice<S: AsRef<str>>(completion: &str, choices: &Choices<'_, S>, marks: &[Mark], ending: Ending) -> Grade {
    let outcome = choice::find(completion, choices.texts, choices.style, marks, ending);
    let place = outcome.place().cloned();
    let verdict = match &outcome {
        ReadOutcome::Found(FoundAnswer { answer, .. }) => of_named(*answer, choices),
        ReadOutcome::Unparsed(_) => Verdict::Unparsed,
        ReadOutcome::Truncated => Verdict::Truncated,
    };
    Grade { verdict, place, contradiction: outcome.answer().copied().filter(|named| named.is_contradiction()) }
}
