//! Multiple choice: which of the choices a completion settles on.
//!
//! 1. The conclusion is what follows the last `answer is`, `answer:` or `####`, to the end of that line, or of the next one if the line says
//!    no more. Strict: a letter in parentheses there, or a letter that is all it says.
//! 2. Flexible: another spelling of a letter there (`b)`, `b.`, `B`), or else the text of a choice. Where there is no conclusion, the last
//!    letter in parentheses of the whole text, or else the last line in the same way.
//! 3. What is said not to be the answer (`not (a)`) does not count. Of several that are left, a conclusion means the first and a text the
//!    last. The word `a` is no letter, and neither is one within a word or beyond the last choice.
//! 4. A text that the token limit ended has given its answer only if the conclusion's line was ended, or has a letter in parentheses.

use crate::types::{FinishReason, Grade, Reading, Verdict};

/// What stands before a conclusion, in lower case.
const MARKS: [&str; 3] = ["answer is", "answer:", "####"];

/// Compares the choice that a completion settles on with the right one, counted from 0. A wrong one is reported by its letter.
pub(crate) fn verify(choices: &[String], right: usize, completion: &str, finish: FinishReason) -> Grade {
    let cut_off = finish == FinishReason::Length;
    let (found, reading) = match conclusion(completion) {
        Some((said, ended)) if cut_off && !ended => (in_parentheses(said, choices.len()).next(), Reading::Strict),
        Some((said, _)) => match stated(said, choices.len()) {
            Some(index) => (Some(index), Reading::Strict),
            None => (loosely(said, choices), Reading::Flexible),
        },
        None if cut_off => (None, Reading::Flexible),
        None => (last_stated(completion, choices), Reading::Flexible),
    };
    match found {
        None if cut_off => Verdict::Truncated.into(),
        None => Verdict::Unparsed.into(),
        Some(index) if index == right => Grade { verdict: Verdict::Correct, reading: Some(reading) },
        Some(index) => Grade { verdict: Verdict::Wrong { predicted: letter(index).to_string() }, reading: Some(reading) },
    }
}

/// The letter of a choice: `a` for the first.
pub(crate) fn letter(index: usize) -> char {
    char::from(b'a' + index as u8)
}

/// The choice that a known answer names, by its letter or by its text; `None` where it names none, or two.
pub(crate) fn known(answer: &str, choices: &[String]) -> Option<usize> {
    let answer = answer.trim();
    let mut letters = answer.trim_matches(['(', ')', '.']).chars();
    let by_letter = letters.next().filter(|_| letters.next().is_none()).and_then(|c| index_of(c, choices.len()));
    let by_text = choices.iter().position(|choice| choice.trim() == answer);
    match (by_letter, by_text) {
        (Some(letter), Some(text)) if letter != text => None,
        (letter, text) => text.or(letter),
    }
}

/// What follows the last mark, and whether its line was ended: the rest of the mark's line, or the next line that is not blank.
pub(crate) fn conclusion(text: &str) -> Option<(&str, bool)> {
    // Of the same length, so that places hold for both.
    let lower = text.to_ascii_lowercase();
    let end = MARKS.iter().filter_map(|mark| lower.rfind(mark).map(|at| at + mark.len())).max()?;
    let line = text[end..].trim_start_matches(|c: char| c.is_whitespace() || c == ':').split_inclusive('\n').next()?;
    Some((line.trim_end(), line.ends_with('\n')))
}

fn index_of(letter: char, choices: usize) -> Option<usize> {
    let index = (letter.to_ascii_lowercase() as usize).checked_sub('a' as usize)?;
    (letter.is_ascii_alphabetic() && index < choices).then_some(index)
}

/// A letter in parentheses, or one that is all that is said.
fn stated(said: &str, choices: usize) -> Option<usize> {
    let mut alone = said.trim_matches(|c: char| c.is_whitespace() || ".*".contains(c)).chars();
    let alone = alone.next().filter(|_| alone.next().is_none());
    alone.and_then(|c| index_of(c, choices)).or_else(|| in_parentheses(said, choices).next())
}

/// All letters in parentheses that are not denied.
fn in_parentheses(text: &str, choices: usize) -> impl Iterator<Item = usize> {
    text.match_indices('(').filter_map(move |(at, _)| {
        let mut inside = text[at + 1..].chars();
        let index = index_of(inside.next()?, choices)?;
        (inside.next() == Some(')') && !is_denied(&text[..at])).then_some(index)
    })
}

/// Another spelling of a letter, or the text of a choice, whichever is there first.
fn loosely(said: &str, choices: &[String]) -> Option<usize> {
    letters(said, choices.len()).next().or_else(|| texts(said, choices).into_iter().min().map(|(_, index)| index))
}

/// Where nothing is concluded: the last letter in parentheses, or else what the last line says last.
fn last_stated(text: &str, choices: &[String]) -> Option<usize> {
    let line = text.trim_end().lines().next_back().unwrap_or_default();
    let in_line = || letters(line, choices.len()).last().or_else(|| texts(line, choices).into_iter().max().map(|(_, index)| index));
    in_parentheses(text, choices.len()).last().or_else(in_line)
}

/// Letters that stand alone as words: `b)`, `b.` and `b:` at the end or before a blank, and capitals, but for those that are words.
fn letters(text: &str, choices: usize) -> impl Iterator<Item = usize> {
    text.char_indices().filter_map(move |(at, c)| {
        let index = index_of(c, choices)?;
        let mut after = text[at + 1..].chars();
        let (next, second) = (after.next(), after.next());
        let ends = |c: Option<char>| c.is_none_or(char::is_whitespace);
        let marked = next.is_some_and(|mark| ").:".contains(mark)) && ends(second);
        let alone = ends(next) || next.is_some_and(|mark| ",;!?\"'*".contains(mark) && ends(second));
        // `A dog`, `I think`, `a dog`.
        let is_word = matches!(c, 'A' | 'I') && next.is_some() || c.is_ascii_lowercase();
        let begins = text[..at].chars().next_back().is_none_or(|before| before.is_whitespace() || "\"'*(".contains(before));
        (begins && (marked || alone && !is_word) && !is_denied(&text[..at])).then_some(index)
    })
}

/// Where in a text choices stand as whole words, in whatever case. One within a longer one does not count.
fn texts(text: &str, choices: &[String]) -> Vec<(usize, usize)> {
    let text = text.to_lowercase();
    let mut found: Vec<(usize, usize, usize)> = Vec::new();
    for (index, choice) in choices.iter().enumerate() {
        let choice = choice.trim().to_lowercase();
        if choice.is_empty() {
            continue;
        }
        for (at, _) in text.match_indices(&choice) {
            let end = at + choice.len();
            let within_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            let whole = !within_word(text[..at].chars().next_back()) && !within_word(text[end..].chars().next());
            if whole && !is_denied(&text[..at]) {
                found.push((at, end, index));
            }
        }
    }
    let contained = |&(at, end, _): &(usize, usize, usize)| found.iter().any(|&(a, e, _)| a <= at && end <= e && (a, e) != (at, end));
    found.iter().filter(|place| !contained(place)).map(|&(at, _, index)| (at, index)).collect()
}

fn is_denied(before: &str) -> bool {
    let words = before.trim_end().to_ascii_lowercase();
    words.strip_suffix("not").is_some_and(|rest| !rest.ends_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;
    use FinishReason::{Length, Stop};

    fn shown(choices: &[&str], right: usize, completion: &str, finish: FinishReason) -> String {
        let choices: Vec<String> = choices.iter().map(|&choice| choice.to_owned()).collect();
        let grade = verify(&choices, right, completion, finish);
        let reading = grade.reading.map_or("", |reading| if reading == Reading::Strict { " strict" } else { " flexible" });
        match grade.verdict {
            Verdict::Wrong { predicted } => format!("wrong: {predicted}{reading}"),
            other => format!("{}{reading}", other.name()),
        }
    }

    const PLACES: [&str; 5] = ["bank", "library", "department store", "mall", "new york bank"];

    #[test]
    fn a_conclusion_is_read_whatever_its_spelling() {
        for (completion, expected) in [
            (" You borrow books there. Therefore, the answer is library (b).", "correct strict"),
            ("The answer is (b)", "correct strict"),
            ("The answer is (B).", "correct strict"),
            ("The answer is B.", "correct strict"),
            ("The answer is b", "correct strict"),
            ("the ANSWER IS: **b**", "correct strict"),
            ("Answer:\n(b) library", "correct strict"),
            ("so\n#### b", "correct strict"),
            ("so\n#### (b)\n", "correct strict"),
            ("The answer is b) library", "correct flexible"),
            ("The answer is b. It has books.", "correct flexible"),
            ("The answer is B because of the books", "correct flexible"),
            ("The answer is a library", "correct flexible"),
            ("The answer is the Library, not the bank.", "correct flexible"),
            ("The answer is library", "correct flexible"),
            ("The answer is not (a) but (b)", "correct strict"),
            ("The answer is (b), not (a)", "correct strict"),
            ("The answer is not bank, it is the library", "correct flexible"),
            ("The answer is (a). No: the answer is (b).", "correct strict"),
            ("(a) is where money is. The answer is (b).", "correct strict"),
            ("The answer is A.", "wrong: a strict"),
            ("The answer is (b). On second thought, the answer is (c).", "wrong: c strict"),
            ("The answer is new york bank", "wrong: e flexible"),
            ("The answer is department store", "wrong: c flexible"),
            ("The answer is bank", "wrong: a flexible"),
            ("The answer is A dog", "unparsed"),
            ("The answer is (f)", "unparsed"),
            ("The answer is F", "unparsed"),
            ("The answer is banking", "unparsed"),
            ("The answer is", "unparsed"),
            ("The answer is in the cab", "unparsed"),
        ] {
            assert_eq!(shown(&PLACES, 1, completion, Stop), expected, "{completion}");
        }
    }

    #[test]
    fn without_a_conclusion_the_last_choice_counts() {
        for (completion, expected) in [
            ("(b)", "correct flexible"),
            ("b.", "correct flexible"),
            ("B", "correct flexible"),
            ("B) library", "correct flexible"),
            ("It is not (a). So (b)", "correct flexible"),
            ("A bank is for money.\nIt must be a library.", "correct flexible"),
            ("library", "correct flexible"),
            ("(a) or (c)", "wrong: c flexible"),
            ("A", "wrong: a flexible"),
            ("A dog", "unparsed"),
            ("a b c", "unparsed"),
            ("abc", "unparsed"),
            ("", "unparsed"),
            ("\n\n", "unparsed"),
            ("é(", "unparsed"),
            ("I do not know", "unparsed"),
            ("library\nI do not know", "unparsed"),
        ] {
            assert_eq!(shown(&PLACES, 1, completion, Stop), expected, "{completion}");
        }
    }

    #[test]
    fn what_was_cut_off_has_an_answer_only_where_it_is_closed() {
        for (completion, expected) in [
            ("The answer is library (b)", "correct strict"),
            ("The answer is bank (a)", "wrong: a strict"),
            ("#### b\nand so on", "correct strict"),
            ("The answer is library.\n", "correct flexible"),
            // It may have become `bank`.
            ("#### b", "truncated"),
            ("The answer is library", "truncated"),
            ("So (b)", "truncated"),
            ("The", "truncated"),
            ("", "truncated"),
        ] {
            assert_eq!(shown(&PLACES, 1, completion, Length), expected, "{completion}");
        }
    }

    #[test]
    fn a_known_answer_is_a_letter_or_a_text() {
        let choices = ["red", "Blue", "b"].map(str::to_owned);
        for (answer, index) in
            [("a", Some(0)), ("A", Some(0)), ("(a)", Some(0)), ("C.", Some(2)), ("red", Some(0)), (" Blue ", Some(1)), ("b", None)]
        {
            assert_eq!(known(answer, &choices), index, "{answer}");
        }
        assert_eq!([known("d", &choices), known("blue", &choices), known("", &choices), known("1", &choices)], [None; 4]);
    }
}
