//! Reading the final answer of a solution.
//!
//! 1. A model that goes on with a problem of its own is not held to it: the text ends before the first line that begins with `Q:`.
//! 2. Strict: the number on the first line that begins with `####`, after its last `=` if it has one. What follows on later lines is
//!    ignored, as for arithmetic. Such a line without a number is an answer that cannot be read.
//! 3. Flexible, where there is no such line: the last number in the last `\boxed{}`, or else the last number of the text. Which of the two
//!    readings was used is recorded, for the last number of a text is often right by accident (both are lm-evaluation-harness's).
//! 4. A text that the token limit ended has given its answer only if the line of the strict answer was ended. Otherwise it is truncated.

use crate::task::number::Number;
use crate::task::prompts::own_text;
use crate::types::{Grade, Reading, StopReason, Verdict};
use std::borrow::Cow;

/// What stands before the final answer.
pub(super) const MARK: &str = "####";

/// Compares the final answer of a completion with the known one.
pub(super) fn verify(answer: Number, completion: &str, stop_reason: &StopReason) -> Grade {
    let own = own_text(completion);
    let ended = !stop_reason.is_cut() || own.len() < completion.len();
    let (number, reading) = match marked_line(own) {
        Some((_, false)) | None if !ended => return Verdict::Truncated.into(),
        Some((line, _)) => (Number::first(plain(line).rsplit('=').next().unwrap_or_default()), Reading::Strict),
        None => (boxed(own).and_then(|inside| Number::last(&plain(inside))).or_else(|| Number::last(own)), Reading::Flexible),
    };
    match number {
        None => Verdict::Unparsed.into(),
        Some(number) if number == answer => Grade { verdict: Verdict::Correct, reading: Some(reading) },
        Some(number) => Grade { verdict: Verdict::Wrong { predicted: number.to_string() }, reading: Some(reading) },
    }
}

/// What stands before the final answer: the rationale. The whole text where there is no marked line.
pub(super) fn rationale(completion: &str) -> &str {
    let own = own_text(completion);
    own.find(MARK).map_or(own, |at| &own[..at])
}

/// The final answer as a solution states it, unread.
pub(super) fn stated(solution: &str) -> Option<&str> {
    marked_line(solution).map(|(line, _)| line.trim())
}

/// The rest of the first line that begins with the mark, and whether the line was ended.
fn marked_line(text: &str) -> Option<(&str, bool)> {
    text.split_inclusive('\n').find_map(|line| Some((line.trim_start().strip_prefix(MARK)?, line.ends_with('\n'))))
}

/// The inside of the last `\boxed{...}`.
fn boxed(text: &str) -> Option<&str> {
    let (_, inside) = text.rsplit_once("\\boxed{")?;
    let mut depth = 1;
    let end = inside.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    })?;
    Some(&inside[..end])
}

/// Without what LaTeX adds to numbers: `1{,}200`, `1\,200`, `\$5`, `\frac{3}{4}`.
fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') && !text.contains('{') {
        return text.into();
    }
    let text = text.replace("{,}", ",").replace("\\,", "").replace("\\!", "").replace("\\$", "$").replace("\\%", "%");
    let fractions = regex::Regex::new(r"\\[dt]?frac\{\s*(\d+)\s*\}\{\s*(\d+)\s*\}").expect("a valid pattern");
    fractions.replace_all(&text, "$1/$2").into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use StopReason::{EndToken, Length};

    /// Rows of a verdict table: completion, how it ended, verdict with reading.
    #[track_caller]
    fn check(answer: &str, rows: &[(&str, StopReason, &str)]) {
        let answer = Number::whole(answer).expect("a number");
        for (completion, stop_reason, expected) in rows {
            let grade = verify(answer, completion, stop_reason);
            let reading = grade.reading.map_or("", |reading| if reading == Reading::Strict { " strict" } else { " flexible" });
            let shown = match grade.verdict {
                Verdict::Wrong { predicted } => format!("wrong: {predicted}{reading}"),
                other => format!("{}{reading}", other.name()),
            };
            assert_eq!(shown, *expected, "{completion:?} ended by {stop_reason:?}");
        }
    }

    #[test]
    fn marked_answers() {
        check(
            "72",
            &[
                (" 48/2 = <<48/2=24>>24 clips.\n48+24 = <<48+24=72>>72\n#### 72", EndToken, "correct strict"),
                ("#### 72", EndToken, "correct strict"),
                ("####72", EndToken, "correct strict"),
                ("so\n  #### 72.", EndToken, "correct strict"),
                ("so\r\n#### 72\r\n", EndToken, "correct strict"),
                ("so\n#### 72.00", EndToken, "correct strict"),
                ("so\n#### $72", EndToken, "correct strict"),
                ("so\n#### 72 clips", EndToken, "correct strict"),
                ("so\n#### 72%", EndToken, "correct strict"),
                ("so\n#### **72**", EndToken, "correct strict"),
                ("so\n#### \\boxed{72}", EndToken, "correct strict"),
                ("so\n#### 144/2", EndToken, "correct strict"),
                ("so\n#### 48 + 24 = 72", EndToken, "correct strict"),
                ("so\n#### 48 + 24 = <<48+24=72>>72", EndToken, "correct strict"),
                ("so\n#### The answer is 72", EndToken, "correct strict"),
                ("so\n#### 72\n#### 73", EndToken, "correct strict"),
                ("so\n#### 72\n\nQ: And 5?\nA: 5\n#### 5", EndToken, "correct strict"),
                ("so\n#### 72\nand 9 more words", EndToken, "correct strict"),
                ("so 72\n#### 73", EndToken, "wrong: 73 strict"),
                ("#### 73\n#### 72", EndToken, "wrong: 73 strict"),
                ("so\n#### -72", EndToken, "wrong: -72 strict"),
                ("so\n#### - 72", EndToken, "wrong: -72 strict"),
                ("so\n#### 7 2", EndToken, "wrong: 7 strict"),
                ("so\n#### 7200%", EndToken, "wrong: 7200 strict"),
                ("so 72\n####", EndToken, "unparsed"),
                ("so 72\n#### unknown", EndToken, "unparsed"),
                ("so\n#### seventy-two", EndToken, "unparsed"),
            ],
        );
    }

    #[test]
    fn other_answers() {
        check(
            "1,200",
            &[
                ("The answer is 1,200.", EndToken, "correct flexible"),
                ("The answer is $1200.00", EndToken, "correct flexible"),
                ("2 * 600 = 1200", EndToken, "correct flexible"),
                ("#5 is 1200", EndToken, "correct flexible"),
                ("\\boxed{1200} is the answer to question 7", EndToken, "correct flexible"),
                ("\\boxed{1{,}200}", EndToken, "correct flexible"),
                ("\\boxed{1\\,200 \\text{ coins}}", EndToken, "correct flexible"),
                ("\\boxed{\\$1,200}", EndToken, "correct flexible"),
                ("\\boxed{7} no, \\boxed{1200}", EndToken, "correct flexible"),
                ("\\boxed{\\frac{2400}{2}}", EndToken, "correct flexible"),
                ("\\boxed{none}, 1200", EndToken, "correct flexible"),
                ("\\boxed{1200", EndToken, "correct flexible"),
                ("The answer is 1200, after 3 days", EndToken, "wrong: 3 flexible"),
                ("1 200", EndToken, "wrong: 200 flexible"),
                ("12,00", EndToken, "wrong: 0 flexible"),
                ("1200.5", EndToken, "wrong: 1200.5 flexible"),
                ("the sum ##### 1200", EndToken, "correct flexible"),
                ("", EndToken, "unparsed"),
                ("\n \n", EndToken, "unparsed"),
                ("I do not know.", EndToken, "unparsed"),
                ("\nQ: What is 1200?\nA: 1200", EndToken, "unparsed"),
            ],
        );
    }

    #[test]
    fn answers_cut_off_by_the_token_limit() {
        check(
            "72",
            &[
                ("", Length, "truncated"),
                ("48+24 = 72", Length, "truncated"),
                ("48+24 = 72\n####", Length, "truncated"),
                // More digits may have been to come.
                ("so\n#### 72", Length, "truncated"),
                ("so\n#### 72\n", Length, "correct strict"),
                ("so\n#### 72\nand", Length, "correct strict"),
                ("so\n#### 73\nand", Length, "wrong: 73 strict"),
                ("so\n#### 72\nQ: Next", Length, "correct strict"),
                ("it is 72\nQ: Next", Length, "correct flexible"),
                ("so\n####\n72", Length, "unparsed"),
            ],
        );
    }

    #[test]
    fn fractions_and_signs() {
        check(
            "3/4",
            &[("#### 0.75", EndToken, "correct strict"), ("#### 6/8", EndToken, "correct strict"), ("#### 3", EndToken, "wrong: 3 strict")],
        );
        check(
            "0.5",
            &[
                ("#### .5", EndToken, "correct strict"),
                ("\\boxed{\\dfrac{1}{2}}", EndToken, "correct flexible"),
                ("1/2", EndToken, "correct flexible"),
            ],
        );
        check(
            "-8",
            &[
                ("#### -8", EndToken, "correct strict"),
                ("#### \u{2212}8", EndToken, "correct strict"),
                ("5 - 13 = -8.", EndToken, "correct flexible"),
            ],
        );
        check("-8", &[("#### 8", EndToken, "wrong: 8 strict"), ("it is 10-8", EndToken, "wrong: 8 flexible")]);
    }
}
