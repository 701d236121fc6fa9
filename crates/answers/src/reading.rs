//! The result of a search for an answer, and the rule that found it.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The rule that found an answer, from the strongest to the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// The task's own pattern.
    Pattern,
    /// A line with `####` (the form of GSM8K).
    Hashes,
    /// `\boxed{...}`.
    Boxed,
    /// `<answer>...</answer>`.
    Tag,
    /// A phrase such as `the answer is`, `Answer:`, `答案：`.
    Phrase,
    /// For choices: another conclusion, such as `I would choose B` or `B is correct`.
    Conclusion,
    /// For choices: the first line is the answer alone, `(b)`.
    FirstLine,
    /// The last line is the answer alone.
    LastLine,
    /// For choices: the last letter that is marked as one, `(b)`.
    LastLetter,
    /// For choices: the only choice that the last line names.
    LastLineNames,
    /// For numbers: the last number of the text.
    LastNumber,
}

impl Reading {
    /// Every rule, from the strongest to the weakest.
    pub const ALL: [Reading; 11] = [
        Reading::Pattern,
        Reading::Hashes,
        Reading::Boxed,
        Reading::Tag,
        Reading::Phrase,
        Reading::Conclusion,
        Reading::FirstLine,
        Reading::LastLine,
        Reading::LastLetter,
        Reading::LastLineNames,
        Reading::LastNumber,
    ];

    /// The name in records and tables, the same as in serde.
    pub fn name(self) -> &'static str {
        match self {
            Reading::Pattern => "pattern",
            Reading::Hashes => "hashes",
            Reading::Boxed => "boxed",
            Reading::Tag => "tag",
            Reading::Phrase => "phrase",
            Reading::Conclusion => "conclusion",
            Reading::FirstLine => "first_line",
            Reading::LastLine => "last_line",
            Reading::LastLetter => "last_letter",
            Reading::LastLineNames => "last_line_names",
            Reading::LastNumber => "last_number",
        }
    }

    /// The rule in words.
    pub fn description(self) -> &'static str {
        match self {
            Reading::Pattern => "the task's pattern",
            Reading::Hashes => "the line behind ####",
            Reading::Boxed => "\\boxed{...}",
            Reading::Tag => "<answer>...</answer>",
            Reading::Phrase => "a phrase such as \"the answer is\"",
            Reading::Conclusion => "a conclusion such as \"I would choose\"",
            Reading::FirstLine => "the first line is the answer alone",
            Reading::LastLine => "the last line is the answer alone",
            Reading::LastLetter => "the last letter in parentheses",
            Reading::LastLineNames => "the only choice that the last line names",
            Reading::LastNumber => "the last number of the text",
        }
    }

    /// Returns true if the text states the answer. The other readings take a mention for the answer, which is often right by accident.
    pub fn is_stated(self) -> bool {
        self <= Reading::FirstLine
    }
}

/// How a completion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself: with an end token or a stop string.
    Complete,
    /// By the limit on its tokens. Its last number or word may have been about to go on.
    CutOff,
}

/// The result of a search in a completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadOutcome<T> {
    /// An answer.
    Found(FoundAnswer<T>),
    /// No answer, or one that has no single meaning. The place is known if something states an answer there.
    Unparsed(Option<Place>),
    /// The completion ended before it gave an answer.
    Truncated,
}

/// An answer and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundAnswer<T> {
    /// The value that was read.
    pub answer: T,
    /// The place, and the rule that found it.
    pub place: Place,
}

/// A place in a completion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The rule that led here.
    pub reading: Reading,
    /// The bytes of the completion that were read.
    pub span: Range<usize>,
}

impl Place {
    /// The bytes of the completion around this place, with at least `margin` more on each side where there are so many.
    ///
    /// ```
    /// use starloop_answers::{Place, Reading};
    ///
    /// let place = Place { reading: Reading::Phrase, span: 15..17 };
    /// assert_eq!(&"The answer is: 72, I think."[place.around("The answer is: 72, I think.", 4)], "is: 72, I ");
    /// ```
    pub fn around(&self, completion: &str, margin: usize) -> Range<usize> {
        let (mut start, mut end) = (self.span.start.saturating_sub(margin), (self.span.end + margin).min(completion.len()));
        while !completion.is_char_boundary(start) {
            start -= 1;
        }
        while !completion.is_char_boundary(end) {
            end += 1;
        }
        start..end
    }
}

impl<T> ReadOutcome<T> {
    /// The answer, if there is one.
    pub fn answer(&self) -> Option<&T> {
        match self {
            ReadOutcome::Found(found) => Some(&found.answer),
            _ => None,
        }
    }

    /// The place that was read.
    pub fn place(&self) -> Option<&Place> {
        match self {
            ReadOutcome::Found(found) => Some(&found.place),
            ReadOutcome::Unparsed(place) => place.as_ref(),
            ReadOutcome::Truncated => None,
        }
    }
}
