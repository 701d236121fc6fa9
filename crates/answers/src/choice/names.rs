//! Places where a text names a choice: by its letter or by its words.

use super::ChoiceStyle;
use crate::number::{DASHES, Numbers, is_one_of, parse};
use crate::script::is_boundless;

/// A text with every name of a choice in it, in order.
pub(super) struct Names<'a> {
    /// The text as it is written.
    pub text: &'a str,
    /// The text in lower case, where that changes no length, so that places in one are places in the other.
    pub folded: String,
    /// In their order.
    pub all: Vec<Name>,
}

/// A choice that is named at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub start: usize,
    pub end: usize,
    pub choice: usize,
    pub kind: NameKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameKind {
    /// `(b)`, `[B]`: a letter in brackets.
    Bracketed,
    /// `b)`, `“B”`, `**B**`, `B.` at the beginning of a line: a letter that is set off from the words around it.
    Marked,
    /// `B`, `b`: a letter between words, which may be a word itself.
    Plain,
    /// The words of a choice.
    Text,
}

impl Name {
    pub fn is_letter(&self) -> bool {
        self.kind != NameKind::Text
    }

    pub fn is_set_off(&self) -> bool {
        matches!(self.kind, NameKind::Bracketed | NameKind::Marked)
    }
}

/// Characters around a letter that have no meaning by themselves.
const MARKUP: [char; 10] = ['*', '_', '`', '"', '\'', '\\', '$', '~', '\u{200b}', '\u{feff}'];
const OPENING: [char; 13] = ['(', '（', '[', '【', '［', '{', '“', '‘', '「', '『', '«', '„', '<'];
const CLOSING: [char; 13] = [')', '）', ']', '】', '］', '}', '”', '’', '」', '』', '»', '“', '>'];

/// Words behind a capital *A* that show it to be a letter, for no article stands before them.
const AFTER_LETTER: [&str; 16] =
    ["because", "since", "as", "for", "is", "was", "would", "should", "must", "and", "or", "due", "which", "seems", "fits", "makes"];

impl<'a> Names<'a> {
    pub fn new(text: &'a str, choices: &[&str], style: ChoiceStyle) -> Self {
        let folded = fold(text);
        let mut names: Vec<Name> = match style {
            ChoiceStyle::Letters => letters(text, choices.len()).collect(),
            ChoiceStyle::Text => Vec::new(),
        };
        names.extend(numeric_texts(text, choices).unwrap_or_else(|| texts(&folded, choices)));
        // A letter within the words of a choice is no letter: `vitamin C`.
        names.sort_unstable_by_key(|name| (name.start, std::cmp::Reverse(name.end)));
        let mut read_to = 0;
        names.retain(|name| {
            let is_new = name.start >= read_to;
            read_to = read_to.max(name.end);
            is_new
        });
        let all = names.iter().copied().filter(|name| is_letter(text, name)).collect();
        Names { text, folded, all }
    }

    /// The names that start in a range.
    pub fn within(&self, from: usize, to: usize) -> &[Name] {
        let first = self.all.partition_point(|name| name.start < from);
        let last = self.all.partition_point(|name| name.start < to);
        self.all.get(first..last).unwrap_or_default()
    }
}

/// Returns true if a letter between words is a letter, not an article or a pronoun.
fn is_letter(text: &str, name: &Name) -> bool {
    if name.kind != NameKind::Plain {
        return true;
    }
    let letter = &text[name.start..name.end];
    let after = text[name.end..].trim_start_matches(MARKUP);
    if ends_there(after) || after.starts_with('/') {
        return true;
    }
    let next = after.trim_start_matches([' ', '(']).split(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
    match letter {
        "A" | "a" => is_one_of(next, &AFTER_LETTER),
        "I" | "i" => is_one_of(next, &["because", "since", "is"]),
        _ => after.starts_with([' ', '(', '\u{a0}']) || !after.starts_with(is_word),
    }
}

/// Returns true if a text begins with the end of a word and of what was said: a stop, a bracket, a line break or nothing.
fn ends_there(after: &str) -> bool {
    let mut chars = after.chars();
    match chars.next() {
        None => true,
        Some('.' | ',' | ':' | ';' | '!' | '?') => !chars.next().is_some_and(is_word),
        Some(c) => matches!(c, '\n' | '\r' | '<' | '。' | '，' | '；' | '！' | '？' | '、' | '：' | '।') || CLOSING.contains(&c),
    }
}

/// In lower case, but for characters whose lower case has another length.
pub(super) fn fold(text: &str) -> String {
    let lower = |c: char| {
        let mut lower = c.to_lowercase();
        lower.next().filter(|folded| lower.next().is_none() && folded.len_utf8() == c.len_utf8()).unwrap_or(c)
    };
    text.chars().map(lower).collect()
}

/// Returns true if a character belongs to a word of a script that separates words.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() && !is_boundless(c)
}

/// The choice of a letter, also of a full-width one.
pub(super) fn index(letter: char, count: usize) -> Option<usize> {
    let code = match letter {
        'a'..='z' => letter as u32 - 'a' as u32,
        'A'..='Z' => letter as u32 - 'A' as u32,
        'Ａ'..='Ｚ' => letter as u32 - 'Ａ' as u32,
        'ａ'..='ｚ' => letter as u32 - 'ａ' as u32,
        _ => return None,
    };
    Some(code as usize).filter(|&choice| choice < count)
}

/// Letters of choices that stand alone, not in a word.
fn letters(text: &str, count: usize) -> impl Iterator<Item = Name> {
    let (mut open, mut before, mut is_line_start) = (0_usize, '\n', true);
    text.char_indices().filter_map(move |(at, c)| {
        let end = at + c.len_utf8();
        let name = index(c, count).filter(|_| is_alone(before, &text[end..])).map(|choice| Name {
            start: at,
            end,
            choice,
            kind: kind(text, at, end, open > 0, is_line_start),
        });
        match c {
            '(' | '（' => open += 1,
            ')' | '）' => open = open.saturating_sub(1),
            '\n' => (open, is_line_start) = (0, true),
            _ => {}
        }
        is_line_start = (is_line_start || c == '\n')
            && (c.is_whitespace() || MARKUP.contains(&c) || OPENING.contains(&c) || matches!(c, '-' | '#' | '>'));
        before = c;
        name
    })
}

/// Returns true if a letter is no part of a word, an abbreviation or an elision: `d'accord`, `e-mail`, `e.g.`, `it's`.
fn is_alone(before: char, after: &str) -> bool {
    let mut next = after.chars();
    let (first, second, third) = (next.next(), next.next(), next.next());
    let joins = match first {
        Some('\'' | '’' | '-' | '.' | '&' | '+' | '#') => second.is_some_and(is_word),
        // `A/C` are two letters.
        Some('/') => second.is_some_and(is_word) && third.is_some_and(is_word),
        _ => false,
    };
    let is_in_word = is_word(before) || matches!(before, '’' | '-' | '&' | '@' | '=' | '+') || DASHES[1..4].contains(&before);
    !is_in_word && !joins && !first.is_some_and(is_word)
}

fn kind(text: &str, start: usize, end: usize, is_in_parenthesis: bool, is_line_start: bool) -> NameKind {
    let before = text[..start].trim_end_matches([' ', '*', '_', '`', '\\']);
    let after = text[end..].trim_start_matches([' ', '*', '_', '`', '\\']);
    let (opening, closing) = (before.chars().next_back(), after.chars().next());
    let is_opened = opening.is_some_and(|c| OPENING.contains(&c));
    let is_closed = closing.is_some_and(|c| CLOSING.contains(&c));
    let pair = |marks: &[char]| opening.is_some_and(|c| marks.contains(&c)) && closing.is_some_and(|c| marks.contains(&c));
    let is_emphasised = text[..start].ends_with(['*', '`']) && text[end..].starts_with(['*', '`']);
    if is_opened && is_closed {
        return if closing.is_some_and(|c| matches!(c, ')' | '）' | ']' | '】')) { NameKind::Bracketed } else { NameKind::Marked };
    }
    let half_bracket = closing.is_some_and(|c| matches!(c, ')' | '）'))
        && !is_in_parenthesis
        && text[end..].trim_start_matches(['*', '_']).starts_with([')', '）']);
    let begins_line = is_line_start
        && (after.starts_with('\n')
            || after.is_empty()
            || (ends_there(text[end..].trim_start_matches(MARKUP)) && !after.starts_with([',', '!', '?', ';'])));
    if half_bracket || begins_line || is_emphasised || pair(&['$']) || pair(&['"']) || pair(&['\'']) {
        NameKind::Marked
    } else {
        NameKind::Plain
    }
}

/// Choices named by their words, as whole words. A text that two choices share names neither.
fn texts(folded: &str, choices: &[&str]) -> Vec<Name> {
    let choices: Vec<String> = choices.iter().map(|choice| fold(choice.trim())).collect();
    let is_one = |text: &String| !text.is_empty() && choices.iter().filter(|other| *other == text).count() == 1;
    let mut found = Vec::new();
    for (choice, text) in choices.iter().enumerate().filter(|(_, text)| is_one(text)) {
        let is_whole = |start: usize, end: usize| {
            let (first, last) = (text.chars().next(), text.chars().next_back());
            let begins = !first.is_some_and(is_word) || !folded[..start].ends_with(is_word);
            begins && (!last.is_some_and(is_word) || !folded[end..].starts_with(is_word))
        };
        let places = folded.match_indices(text.as_str()).map(|(start, text)| (start, start + text.len()));
        found.extend(places.filter(|&(start, end)| is_whole(start, end)).map(|(start, end)| Name {
            start,
            end,
            choice,
            kind: NameKind::Text,
        }));
    }
    found
}

/// Choices that are all numbers are named by any notation of their value.
fn numeric_texts(text: &str, choices: &[&str]) -> Option<Vec<Name>> {
    let values: Vec<_> = choices.iter().map(|choice| parse(choice).map(|quantity| quantity.value)).collect::<Option<_>>()?;
    let numbers = Numbers::new(text);
    let named = numbers.items.iter().filter_map(|item| {
        let value = numbers.value(item)?;
        let mut same = (0..values.len()).filter(|&choice| values[choice] == value);
        let choice = same.next().filter(|_| same.next().is_none())?;
        Some(Name { start: item.start, end: item.end, choice, kind: NameKind::Text })
    });
    Some(named.collect())
}

/// The words of a text, cut at everything that is no letter, digit or apostrophe.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '\'' | '’')).filter(|word| !word.is_empty())
}
