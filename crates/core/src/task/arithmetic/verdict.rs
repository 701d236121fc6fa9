//! Reading the final answer of a completion.
//!
//! The rules, in order:
//! 1. The text ends before the first `Input:`, because a model may continue with a new problem.
//! 2. The answer is after the first `</scratch>`. A text without `<scratch>` and `</scratch>` is a direct answer, which is read from the
//!    beginning. A scratchpad that is not closed has no answer.
//! 3. The answer is the first line there that is not blank. It must consist of digits, with or without blanks between them. Leading zeros do
//!    not count. Later lines are ignored. As in the paper, only the answer is checked.
//! 4. A completion that the token limit cut has an answer only if the answer's line is complete. Otherwise it is truncated, because digits
//!    may be missing.

use super::scratchpad::{CLOSE, INPUT, OPEN, TARGET};
use crate::types::{StopReason, Verdict};

/// Compares the final answer of `completion` with the known one. Both may have blanks between their digits. A wrong answer is reported in
/// the form of the scratchpad: `8 8 3`.
pub(super) fn verify(answer: &str, completion: &str, stop_reason: &StopReason) -> Verdict {
    let no_answer = if stop_reason.is_cut() { Verdict::Truncated } else { Verdict::Unparsed };
    let (text, next_problem) = own_text(completion);
    let Some(region) = answer_region(text) else { return no_answer };
    let region = region.trim_start();
    let line = region.lines().next().unwrap_or("");
    let line_ended = next_problem || region.len() > line.len();
    if stop_reason.is_cut() && !line_ended {
        return Verdict::Truncated;
    }
    match number(line) {
        None => Verdict::Unparsed,
        Some(predicted) if number(answer).as_ref() == Some(&predicted) => Verdict::Correct,
        Some(predicted) => {
            let digits: Vec<String> = predicted.chars().map(String::from).collect();
            Verdict::Wrong { predicted: digits.join(" ") }
        }
    }
}

/// Returns true if a completion that was made with the hint shows the hint: it repeats a `Target:` line, or it has an answer without working, which
/// can only be the hint. The function must not be called for completions that were made without the hint.
pub(super) fn leaks_hint(completion: &str) -> bool {
    let (text, _) = own_text(completion);
    let has_working = text.split_once(CLOSE).is_some_and(|(scratch, _)| scratch.lines().any(|line| line.contains("C:")));
    text.contains(TARGET) || !has_working
}

/// The text before a new problem, and whether there is a new problem.
fn own_text(completion: &str) -> (&str, bool) {
    match completion.split_once(INPUT) {
        Some((own, _)) => (own, true),
        None => (completion, false),
    }
}

/// The text that must begin with the answer; `None` inside an open scratchpad.
fn answer_region(text: &str) -> Option<&str> {
    match text.split_once(CLOSE) {
        Some((_, after)) => Some(after),
        None if text.contains(OPEN) => None,
        None => Some(text),
    }
}

/// A line of digits and blanks as a number without leading zeros.
fn number(line: &str) -> Option<String> {
    let digits: String = line.chars().filter(|c| !c.is_whitespace()).collect();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value = digits.trim_start_matches('0');
    Some(if value.is_empty() { "0".to_owned() } else { value.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use StopReason::{EndToken, Length};

    const PAD: &str = "<scratch>\n6 2 4 + 2 5 9 , C: 0\n2 + 5 , 3 C: 1\n6 + 2 , 8 3 C: 0\n, 8 8 3 C: 0\n0 8 8 3\n</scratch>";

    /// One row of a verdict table. `*` means a whole scratchpad. `wrong:` is followed by the answer as it was read.
    #[track_caller]
    fn check(answer: &str, completion: &str, stop_reason: &StopReason, expected: &str) {
        let verdict = verify(answer, &completion.replace('*', PAD), stop_reason);
        let shown = match &verdict {
            Verdict::Wrong { predicted } => format!("wrong: {predicted}"),
            other => other.name().to_owned(),
        };
        assert_eq!(shown, expected, "{completion:?} ended by {stop_reason:?}");
    }

    #[test]
    fn answers_after_a_scratchpad() {
        check("8 8 3", "*\n8 8 3", &EndToken, "correct");
        check("883", "*\n8 8 3", &EndToken, "correct");
        check("8 8 3", "*\n883", &EndToken, "correct");
        check("8 8 3", "*\n8 8 3\n", &EndToken, "correct");
        check("8 8 3", "* 8 8 3", &EndToken, "correct");
        check("8 8 3", "*\n\n  8  8 3  ", &EndToken, "correct");
        check("8 8 3", "*\r\n8 8 3\r\n", &EndToken, "correct");
        check("8 8 3", "*\n8 8 4", &EndToken, "wrong: 8 8 4");
        check("8 8 4", "*\n8 8 3", &EndToken, "wrong: 8 8 3");
        // Only the answer is checked, never the working.
        check("5", "<scratch>\n</scratch>\n5", &EndToken, "correct");
        check("5", "2 + 3 , C: 0\n</scratch>\n5", &EndToken, "correct");
    }

    #[test]
    fn lengths_and_leading_zeros() {
        check("8 8 3", "*\n0 8 8 3", &EndToken, "correct");
        check("8 8 3", "*\n0 0 0 8 8 3", &EndToken, "correct");
        check("0 8 8 3", "*\n8 8 3", &EndToken, "correct");
        check("0", "*\n0 0", &EndToken, "correct");
        check("0", "*\n0", &EndToken, "correct");
        check("8 8 3", "*\n0", &EndToken, "wrong: 0");
        check("8 8 3", "*\n8 8 3 0", &EndToken, "wrong: 8 8 3 0");
        check("8 8 3", "*\n8 8", &EndToken, "wrong: 8 8");
        check("8 8 3", "*\n8 8 3 8 8 3 8 8 3 8 8 3 8 8 3 8 8 3 8 8 3", &EndToken, "wrong: 8 8 3 8 8 3 8 8 3 8 8 3 8 8 3 8 8 3 8 8 3");
    }

    #[test]
    fn text_around_the_answer() {
        check("8 8 3", "*\n8 8 3\nInput:\n1 + 1\nTarget:\n2", &EndToken, "correct");
        check("8 8 3", "*\n8 8 3 Input:", &EndToken, "correct");
        check("8 8 3", "*\n8 8 3\nand so on", &EndToken, "correct");
        check("8 8 3", "*\n8 8 3\n9 9 9", &EndToken, "correct");
        check("8 8 3", "*\n8 8 3\n<scratch>\n", &EndToken, "correct");
        check("8 8 3", "*\n8 8 3 .", &EndToken, "unparsed");
        check("8 8 3", "*\nthe answer is 8 8 3", &EndToken, "unparsed");
        check("8 8 3", "*\n+ 8 8 3", &EndToken, "unparsed");
        check("8 8 3", "*\n- 8 8 3", &EndToken, "unparsed");
        check("8 8 3", "*\n8 8 , 3", &EndToken, "unparsed");
        check("8 8 3", "*\n\u{0668} 8 3", &EndToken, "unparsed");
        check("8 8 3", "*\n<scratch>\n8 8 3", &EndToken, "unparsed");
    }

    #[test]
    fn nothing_to_read() {
        check("8 8 3", "", &EndToken, "unparsed");
        check("8 8 3", "\n \n", &EndToken, "unparsed");
        check("8 8 3", "*", &EndToken, "unparsed");
        check("8 8 3", "*\n", &EndToken, "unparsed");
        check("8 8 3", "<scratch>\n6 2 4 + 2 5 9 , C: 0\n8 8 3", &EndToken, "unparsed");
        check("8 8 3", "6 2 4 + 2 5 9 , C: 0\n8 8 3", &EndToken, "unparsed");
        check("8 8 3", "Input:\n8 8 3", &EndToken, "unparsed");
        check("not a number", "*\n8 8 3", &EndToken, "wrong: 8 8 3");
        check("", "*\n8 8 3", &EndToken, "wrong: 8 8 3");
    }

    #[test]
    fn cut_off_by_the_token_limit() {
        check("8 8 3", "", &Length, "truncated");
        check("8 8 3", "<scratch>\n6 2 4 + 2 5 9 , C: 0\n2 +", &Length, "truncated");
        check("8 8 3", "*", &Length, "truncated");
        check("8 8 3", "*\n8 8", &Length, "truncated");
        // The answer may have been meant to go on.
        check("8 8 3", "*\n8 8 3", &Length, "truncated");
        check("8 8 3", "*\n8 8 3\n", &Length, "correct");
        check("8 8 3", "*\n8 8 3\nInput:\n1", &Length, "correct");
        check("8 8 3", "*\n8 8 4\nInput:\n1", &Length, "wrong: 8 8 4");
        check("8 8 3", "*\n+\nInput:", &Length, "unparsed");
    }

    #[test]
    fn direct_answers() {
        check("8 8 3", "8 8 3", &EndToken, "correct");
        check("8 8 3", "0 8 8 3", &EndToken, "correct");
        check("8 8 3", "8 8 3\nInput:", &EndToken, "correct");
        check("8 8 3", "8 8 4", &EndToken, "wrong: 8 8 4");
        check("8 8 3", "8 8 3", &Length, "truncated");
        check("8 8 3", "8 8 3\n8", &Length, "correct");
    }

    #[test]
    fn leaked_hints() {
        let leaks = |text: &str| leaks_hint(&text.replace('*', PAD));
        assert!(!leaks("*\n8 8 3"));
        assert!(!leaks("*\n8 8 3\nInput:\n1 + 1\nTarget: 2"), "another problem's hint is not this one's");
        assert!(leaks("Target: 0 8 8 3\n*\n8 8 3"));
        assert!(leaks("<scratch>\n6 2 4 + 2 5 9 , C: 0\nTarget: 0 8 8 3\n</scratch>\n8 8 3"));
        assert!(leaks("8 8 3"), "the hint copied");
        assert!(leaks("<scratch>\n0 8 8 3\n</scratch>\n8 8 3"), "the hint copied into the scratchpad");
    }
}
