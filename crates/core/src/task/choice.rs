//! Multiple choice: reading which choice a completion ends with.
//!
//! 1. Strict: the letter of the last conclusion, `the answer is <text> (b)` within one sentence, `#### (b)`, or `#### b` on a line that was
//!    ended. Or a first line that is `(b)` alone, the direct answer. The letter decides, whatever text stands beside it.
//! 2. Flexible, where there is no such thing: after the last `answer is` or the like, the letter or choice that is named first; else the
//!    last letter that is marked as one, `(b)`, `b)` or `b.` at the beginning of a line; else the one choice that the last line names.
//! 3. What is said *not* to be the answer is no conclusion, and a letter within a word or the article *a* is no letter. `(a) or (b)` settles
//!    on neither.
//! 4. A text that the token limit ended has given its answer only in the strict form, which ends by itself. Otherwise it is truncated.

mod mentions;

use crate::types::{Grade, Reading, StopReason, Verdict};
pub(crate) use mentions::{MOST, index_of_letter, known, letter};

/// What begins a conclusion that ends with a letter in parentheses.
const CONCLUSION: &str = "answer is";
/// What begins one that may be a letter alone.
const MARK: &str = "####";
/// What else begins one.
const CONCLUSIONS: [&str; 8] = [CONCLUSION, MARK, "answer:", "answer would be", "choice is", "option is", "\\boxed{", "\\text{"];

/// Compares the choice that a completion ends with with the right one, counted from 0. A wrong one is reported by its letter.
pub(crate) fn verify(choices: &[String], right: usize, completion: &str, stop_reason: &StopReason) -> Grade {
    // The same bytes, so that places in one are places in the other.
    let mut text = completion.to_ascii_lowercase();
    if !stop_reason.is_cut() {
        text.push('\n');
    }
    match strict(&text, choices) {
        Some(found) => grade(Some(found), right, Reading::Strict),
        None if stop_reason.is_cut() => Verdict::Truncated.into(),
        None => grade(flexible(&text, choices), right, Reading::Flexible),
    }
}

/// As [`verify`], for a text that is known to be a conclusion.
pub(crate) fn verify_conclusion(choices: &[String], right: usize, conclusion: &str) -> Grade {
    let said = conclusion.to_ascii_lowercase();
    let found = concluded(&said, choices).filter(|_| !is_negated(&said, choices));
    grade(found.and_then(Conclusion::choice), right, Reading::Strict)
}

fn grade(found: Option<usize>, right: usize, reading: Reading) -> Grade {
    match found {
        None => Verdict::Unparsed.into(),
        Some(found) if found == right => Grade { verdict: Verdict::Correct, reading: Some(reading) },
        Some(found) => Grade { verdict: Verdict::Wrong { predicted: letter(found).to_string() }, reading: Some(reading) },
    }
}

/// The choice that a text names in the strict form.
pub(crate) fn strict(text: &str, choices: &[String]) -> Option<usize> {
    let text = text.to_ascii_lowercase();
    let concluded = conclusions_in_form(&text, choices.len()).filter(|(_, rest, _)| !is_negated(rest, choices)).last();
    concluded.filter(|(_, rest, _)| !is_undecided(rest, choices)).map(|(_, _, choice)| choice).or_else(|| direct(&text, choices.len()))
}

/// What stands before the conclusion in the strict form: the rationale. The whole text where there is none, and nothing where the text is a
/// direct answer.
pub(crate) fn rationale(own: &str) -> &str {
    let text = own.to_ascii_lowercase();
    match conclusions_in_form(&text, MOST).last() {
        // `Therefore, the` belongs to the conclusion.
        Some((at, ..)) => own[..at].rfind(['.', '!', '?', '\n']).map_or("", |end| &own[..=end]),
        None if direct(&text, MOST).is_some() => "",
        None => own,
    }
}

/// Every place of `the answer is <text> (b)` and `#### b`, with what follows its beginning and the choice.
fn conclusions_in_form(text: &str, count: usize) -> impl Iterator<Item = (usize, &str, usize)> {
    let in_parentheses = move |rest: &str| {
        let (named, inside) = rest.lines().next()?.split_once('(')?;
        let is_one_sentence = ![". ", "! ", "? "].iter().any(|end| named.contains(end));
        index_of_letter(inside.split_once(')')?.0, count).filter(|_| is_one_sentence)
    };
    // A letter at the end of a text that was cut off may be the beginning of a word.
    let alone = move |rest: &str| index_of_letter(rest.split_once('\n')?.0.trim().trim_end_matches('.'), count);
    let stated = after_each(text, CONCLUSION).map(move |(at, rest)| (at, rest, in_parentheses(rest)));
    let marked = after_each(text, MARK).map(move |(at, rest)| (at, rest, in_parentheses(rest).or_else(|| alone(rest))));
    let mut found: Vec<_> = stated.chain(marked).filter_map(|(at, rest, choice)| Some((at, rest, choice?))).collect();
    found.sort_unstable_by_key(|&(at, ..)| at);
    found.into_iter()
}

/// A first line that is a letter in parentheses alone.
fn direct(text: &str, count: usize) -> Option<usize> {
    let (inside, after) = text.trim_start().lines().next()?.trim_end().strip_prefix('(')?.split_once(')')?;
    after.chars().all(|c| c == '.').then(|| index_of_letter(inside, count))?
}

fn flexible(text: &str, choices: &[String]) -> Option<usize> {
    let mut conclusions: Vec<(usize, &str)> = CONCLUSIONS.iter().flat_map(|begin| after_each(text, begin)).collect();
    conclusions.sort_unstable_by_key(|&(at, _)| at);
    let (negated, stated): (Vec<_>, Vec<_>) = conclusions.into_iter().partition(|(_, rest)| is_negated(rest, choices));
    if let Some(conclusion) = stated.last().and_then(|(_, rest)| concluded(rest, choices)) {
        return conclusion.choice();
    }
    let text = without(text, &negated);
    let last_mark = || {
        let marks = text.lines().flat_map(|line| mentions::marked(line, choices.len()).map(move |(at, choice)| (line, at, choice)));
        marks.last().map(|(line, at, choice)| mentions::alternatives(line, choices).all(|other| other != at).then_some(choice))
    };
    let only_one_named = || {
        let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
        let mut named = mentions::named(line, choices).map(|(_, choice)| choice);
        let first = named.next()?;
        named.all(|choice| choice == first).then_some(first)
    };
    last_mark().unwrap_or_else(only_one_named)
}

/// What a conclusion comes to that names a choice.
enum Conclusion {
    Settled(usize),
    /// `(a) or (b)`.
    Undecided,
}

impl Conclusion {
    fn choice(self) -> Option<usize> {
        match self {
            Conclusion::Settled(choice) => Some(choice),
            Conclusion::Undecided => None,
        }
    }
}

/// What a conclusion comes to by the choice that it names first; nothing where it names none.
fn concluded(rest: &str, choices: &[String]) -> Option<Conclusion> {
    let line = conclusion_line(rest)?;
    let named = mentions::marked(line, choices.len()).chain(mentions::bare(line, choices.len())).chain(mentions::named(line, choices));
    let (_, first) = named.min_by_key(|&(at, _)| at)?;
    Some(if is_undecided(rest, choices) { Conclusion::Undecided } else { Conclusion::Settled(first) })
}

/// `(a) or (b)`.
fn is_undecided(rest: &str, choices: &[String]) -> bool {
    conclusion_line(rest).is_some_and(|line| mentions::alternatives(line, choices).next().is_some())
}

fn conclusion_line(rest: &str) -> Option<&str> {
    rest.trim_start_matches([':', ' ', '\n', '\r', '*']).lines().next()
}

/// A text without some of its conclusions, each up to the end of its clause.
fn without(text: &str, conclusions: &[(usize, &str)]) -> String {
    let (mut kept, mut read_to) = (String::new(), 0);
    for &(at, rest) in conclusions {
        let clause = [" but", ", ", ". ", ";", "\n"].iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
        kept.push_str(text.get(read_to..at).unwrap_or_default());
        read_to = read_to.max(text.len() - rest.len() + clause);
    }
    kept + &text[read_to..]
}

/// Every place of a phrase that ends there, with what follows it.
fn after_each<'a>(text: &'a str, phrase: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let after = move |(at, _)| (at, &text[at + phrase.len()..]);
    let is_whole = move |(_, rest): &(usize, &str)| phrase.ends_with(['{', ':', '#']) || !rest.starts_with(char::is_alphanumeric);
    text.match_indices(phrase).map(after).filter(is_whole)
}

/// `the answer is not blotter`, `is neither`; but where a choice begins so, as `not hungry`, it is named.
fn is_negated(rest: &str, choices: &[String]) -> bool {
    let rest = rest.trim_start();
    let first = rest.split_whitespace().next().unwrap_or_default();
    ["not", "neither", "none", "unlikely"].contains(&first.trim_end_matches([',', '.', ':']))
        && choices.iter().all(|choice| !rest.starts_with(&choice.trim().to_ascii_lowercase()))
}

#[cfg(test)]
mod tests;
