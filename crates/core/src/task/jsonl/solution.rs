//! Worked solutions whose end states the answer, as in GSM8K (`#### 72`) and MATH (`\boxed{72}`).

use super::settings::AnswerType;
use starloop_answers::{Ending, Mark, find};

/// The mark after which GSM8K's solutions state the answer.
const HASHES: &str = "####";

/// The parts of a worked solution.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Solution {
    /// The known answer.
    pub answer: String,
    /// The way to it: the text before the last `####`, or the whole text.
    pub rationale: String,
}

impl Solution {
    /// Reads a solution by the rules for completions.
    ///
    /// # Errors
    /// The text does not state an answer of this type.
    pub fn read(text: &str, answer_type: AnswerType) -> Result<Self, String> {
        let place = match answer_type {
            AnswerType::Number => find::number(text, &Mark::ALL, Ending::Complete).place().cloned(),
            _ => find::text(text, &Mark::ALL, Ending::Complete).place().cloned(),
        };
        let answer = place.filter(|place| place.reading.is_stated()).and_then(|place| text.get(place.span)).map(find::plain);
        let answer = answer.filter(|answer| !answer.is_empty()).ok_or_else(|| {
            format!("the solution states no answer, expected `{HASHES} ANSWER` or `\\boxed{{ANSWER}}` at its end: {:?}", end(text))
        })?;
        let rationale = text.rsplit_once(HASHES).map_or(text, |(before, _)| before).trim();
        Ok(Solution { answer, rationale: rationale.to_owned() })
    }

    /// Returns true if a text is a worked solution: it has more than a line, or more than an answer, and marks the answer.
    pub fn is_one(text: &str) -> bool {
        let is_marked = text.contains(HASHES) || text.contains("\\boxed");
        is_marked
            && Solution::read(text, AnswerType::Exact)
                .is_ok_and(|solution| solution.rationale.chars().count() > solution.answer.chars().count())
    }
}

/// The last words of a text.
fn end(text: &str) -> &str {
    let start = text.char_indices().rev().nth(59).map_or(0, |(place, _)| place);
    &text[start..]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn answer_and_rationale_are_parts_of_the_solution() {
        let read = |text, answer_type| Solution::read(text, answer_type).map(|solution| (solution.answer, solution.rationale)).unwrap();
        let parts = |answer: &str, rationale: &str| (answer.to_owned(), rationale.to_owned());
        assert_eq!(read("2+2 = <<2+2=4>>4.\n#### 4", AnswerType::Number), parts("4", "2+2 = <<2+2=4>>4."));
        assert_eq!(read("That is $\\boxed{\\frac{1}{2}}$.", AnswerType::Number).0, "\\frac{1}{2}");
        assert_eq!(read("So \\boxed{x + 1}.", AnswerType::Exact), parts("x + 1", "So \\boxed{x + 1}."));
        assert_eq!(read("It is a dog.\n#### The dog", AnswerType::Exact), parts("The dog", "It is a dog."));
        assert_eq!(read("2 + 2 = 4. The answer is 4.", AnswerType::Number), parts("4", "2 + 2 = 4. The answer is 4."));
        let refused = Solution::read("nothing is stated here", AnswerType::Number).unwrap_err();
        assert_eq!(
            refused,
            "the solution states no answer, expected `#### ANSWER` or `\\boxed{ANSWER}` at its end: \"nothing is stated here\""
        );
    }

    #[test]
    fn an_answer_alone_is_no_solution() {
        assert!(Solution::is_one("2+2 is 4.\n#### 4") && Solution::is_one("Well, $2+2 = \\boxed{4}$."));
        for text in ["4", "#### 4", "2+2 is 4.", ""] {
            assert!(!Solution::is_one(text), "{text:?}");
        }
    }
}
