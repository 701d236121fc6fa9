//! How a prompt is built: worked examples, then the problem, with the answer as a hint in hinted mode.

use crate::task::Task;
use crate::types::{Mode, Problem, Style};

/// The whole prompt: up to `few_shot` worked examples, each followed by the task's separator, then the problem (paper, section 3.1).
///
/// `style` says what the worked examples show; in [`Mode::Hinted`] the worked examples show their hints too, as the problem does (paper, section 3.2).
pub fn assemble(task: &dyn Task, problem: &Problem, mode: Mode, style: Style, few_shot: usize) -> String {
    let mut prompt = String::new();
    if few_shot > 0 {
        for example in task.worked_examples(problem, mode, style, few_shot) {
            prompt.push_str(&example.prompt);
            prompt.push_str(&example.completion);
            prompt.push_str(task.separator());
        }
    }
    prompt.push_str(&task.prompt(problem, mode));
    prompt
}

/// The first `share` of a rationale, in whole lines, or in whole words where it has fewer than three lines. The last of them is never given.
pub(crate) fn prefix(rationale: &str, share: f64) -> &str {
    let lines: Vec<&str> = rationale.split_inclusive('\n').collect();
    let words = || rationale.split_inclusive(' ').collect();
    let pieces: Vec<&str> = if lines.len() < 3 { words() } else { lines };
    let given = ((share * pieces.len() as f64).floor() as usize).min(pieces.len().saturating_sub(1));
    let end = pieces[..given].iter().map(|piece| piece.len()).sum();
    // A blank belongs to the word after it, which the model writes.
    rationale[..end].trim_end_matches(' ')
}

#[cfg(test)]
mod tests {
    use super::prefix;

    #[test]
    fn a_prefix_has_whole_lines_or_words_and_never_the_last() {
        let lines = "one\ntwo\nthree\nfour";
        let words = "a pond is wet";
        for (rationale, share, expected) in [
            (lines, 0.0, ""),
            (lines, 0.24, ""),
            (lines, 0.5, "one\ntwo\n"),
            (lines, 0.76, "one\ntwo\nthree\n"),
            (lines, 1.0, "one\ntwo\nthree\n"),
            (words, 0.5, "a pond"),
            (words, 1.0, "a pond is"),
            ("one", 1.0, ""),
            ("", 0.5, ""),
        ] {
            assert_eq!(prefix(rationale, share), expected, "{share} of {rationale:?}");
        }
    }
}
