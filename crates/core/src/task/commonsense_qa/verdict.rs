//! Reading which choice a completion ends with.
//!
//! 1. A model that goes on with a problem of its own is not held to it: the text ends before the first line that begins with `Q:`.
//! 2. Strict: the letter of the last conclusion in the task's form, `the answer is <text> (b)`, within one sentence. Or a first line that is
//!    `(b)` alone, the direct answer. The letter decides, whatever text stands beside it.
//! 3. Flexible, where there is no such thing: after the last `answer is` or the like, the letter or choice that is named first; else the
//!    last letter that is marked as one, `(b)`, `b)` or `b.` at the beginning of a line; else the one choice that the last line names.
//!    What is said *not* to be the answer is no conclusion, and a letter within a word or the article *a* is no letter.
//! 4. A text that the token limit ended has given its answer only in the strict form, which ends by itself. Otherwise it is truncated.

use super::choices::{self, letter};
use crate::task::prompts::own_text;
use crate::types::{FinishReason, Grade, Reading, Verdict};

/// What begins a conclusion in the task's form.
const CONCLUSION: &str = "answer is";
/// What else begins one.
const CONCLUSIONS: [&str; 7] = [CONCLUSION, "answer:", "answer would be", "choice is", "option is", "\\boxed{", "\\text{"];

/// Compares the choice that a completion ends with with the known one.
pub(super) fn verify(choices: &[String], answer: usize, completion: &str, finish: FinishReason) -> Grade {
    let own = own_text(completion);
    // The same bytes, so that places in one are places in the other.
    let text = own.to_ascii_lowercase();
    let ended = finish == FinishReason::Stop || own.len() < completion.len();
    let (found, reading) = match strict(&text, choices) {
        Some(found) => (Some(found), Reading::Strict),
        None if !ended => return Verdict::Truncated.into(),
        None => (flexible(&text, choices), Reading::Flexible),
    };
    match found {
        None => Verdict::Unparsed.into(),
        Some(found) if found == answer => Grade { verdict: Verdict::Correct, reading: Some(reading) },
        Some(found) => Grade { verdict: Verdict::Wrong { predicted: letter(found).to_string() }, reading: Some(reading) },
    }
}

/// The choice that a text names in the task's own form.
pub(super) fn strict(text: &str, choices: &[String]) -> Option<usize> {
    let text = text.to_ascii_lowercase();
    let concluded = conclusions_in_form(&text, choices.len()).filter(|(_, rest, _)| !is_negated(rest, choices)).last();
    concluded.map(|(_, _, choice)| choice).or_else(|| direct(&text, choices.len()))
}

/// What stands before the conclusion in the task's own form: the rationale. The whole text where there is none, and nothing where the text
/// is a direct answer.
pub(super) fn rationale(completion: &str) -> &str {
    let own = own_text(completion);
    let text = own.to_ascii_lowercase();
    match conclusions_in_form(&text, choices::MOST).last() {
        // `Therefore, the` belongs to the conclusion.
        Some((at, ..)) => own[..at].rfind(['.', '!', '?', '\n']).map_or("", |end| &own[..=end]),
        None if direct(&text, choices::MOST).is_some() => "",
        None => own,
    }
}

/// Every place of `the answer is <text> (b)`, with what follows its beginning and the choice.
fn conclusions_in_form(text: &str, count: usize) -> impl Iterator<Item = (usize, &str, usize)> {
    let in_form = move |(at, rest): (usize, &'_ str)| {
        let (named, inside) = rest.lines().next()?.split_once('(')?;
        let one_sentence = ![". ", "! ", "? "].iter().any(|end| named.contains(end));
        let choice = choices::index_of_letter(inside.split_once(')')?.0, count)?;
        one_sentence.then_some((at, choice))
    };
    after_each(text, CONCLUSION).filter_map(move |found| in_form(found).map(|(at, choice)| (at, found.1, choice)))
}

/// A first line that is a letter in parentheses alone.
fn direct(text: &str, count: usize) -> Option<usize> {
    let (inside, after) = text.trim_start().lines().next()?.trim_end().strip_prefix('(')?.split_once(')')?;
    after.chars().all(|c| c == '.').then(|| choices::index_of_letter(inside, count))?
}

fn flexible(text: &str, choices: &[String]) -> Option<usize> {
    let mut conclusions: Vec<(usize, &str)> = CONCLUSIONS.iter().flat_map(|begin| after_each(text, begin)).collect();
    conclusions.sort_unstable_by_key(|&(at, _)| at);
    let (negated, stated): (Vec<_>, Vec<_>) = conclusions.into_iter().partition(|(_, rest)| is_negated(rest, choices));
    let after_last_conclusion = || {
        let line = stated.last()?.1.trim_start_matches([':', ' ', '\n', '\r', '*']).lines().next()?;
        let named = choices::marked(line, choices.len()).chain(choices::bare(line, choices.len())).chain(choices::named(line, choices));
        named.min_by_key(|&(at, _)| at).map(|(_, choice)| choice)
    };
    let text = without(text, &negated);
    let last_mark = || text.lines().flat_map(|line| choices::marked(line, choices.len())).last().map(|(_, choice)| choice);
    let only_one_named = || {
        let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
        let mut named = choices::named(line, choices).map(|(_, choice)| choice);
        let first = named.next()?;
        named.all(|choice| choice == first).then_some(first)
    };
    after_last_conclusion().or_else(last_mark).or_else(only_one_named)
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
    let is_whole = move |(_, rest): &(usize, &str)| phrase.ends_with(['{', ':']) || !rest.starts_with(char::is_alphanumeric);
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
