//! Finds the answer of a completion, for numbers and for texts.
//!
//! The rules are tried in this order, and the first one that finds a place decides:
//!
//! 1. The task's mark: `#### 72`, `\boxed{72}`, `<answer>72</answer>`.
//! 2. The last phrase that states a number: `the answer is 72`, `Answer: 72`, `答案：72`.
//! 3. The last line, if it is a quantity alone.
//! 4. The last number.
//!
//! A place that holds two numbers, or a notation with more than one meaning, is unparsed. The search does not go on to a weaker rule, which
//! would read a part of the answer for the whole.

mod content;
mod text;

use crate::completion::own;
use crate::marks::{Mark, Marked, boxes, hashes, tags};
use crate::number::{Item, Link, Numbers, Quantity, TokenKind, is_one_of, quantity};
use crate::phrase::{Form, phrases};
use crate::reading::{Ending, FoundAnswer, Place, ReadOutcome, Reading};
use content::Content;
use std::ops::Range;
pub use text::{plain, text};

/// Finds the final number of a completion.
///
/// ```
/// use starloop_answers::{find, Ending, Mark, Reading};
///
/// let text = "48/2 = 24, and 48 + 24 = 72. The answer is 72, after 3 days.";
/// let outcome = find::number(text, &Mark::ALL, Ending::Complete);
/// assert_eq!(outcome.answer().unwrap().value.to_string(), "72");
/// assert_eq!(outcome.place().unwrap().reading, Reading::Phrase);
/// assert_eq!(&text[outcome.place().unwrap().span.clone()], "72");
///
/// let text = "<think>Is it 71? No.</think>It is 72.<|im_end|>\n<|im_start|>user\nAnd 5+3?";
/// assert_eq!(find::number(text, &Mark::ALL, Ending::Complete).answer().unwrap().value.to_string(), "72");
/// ```
///
/// A completion that was cut off has an answer only where it closed its mark, for more digits may have been about to come. The same holds for
/// a completion whose thought has no end:
///
/// ```
/// use starloop_answers::{find, Ending, Mark, ReadOutcome};
///
/// assert_eq!(find::number("#### 7", &Mark::ALL, Ending::CutOff), ReadOutcome::Truncated);
/// assert_eq!(find::number("<think>It is 72.", &Mark::ALL, Ending::Complete), ReadOutcome::Truncated);
/// assert!(find::number("#### 72\n", &Mark::ALL, Ending::CutOff).answer().is_some());
/// ```
pub fn number(completion: &str, marks: &[Mark], ending: Ending) -> ReadOutcome<Quantity> {
    let Some(own) = own(completion) else { return ReadOutcome::Truncated };
    let numbers = Numbers::new(&own.text);
    let is_complete = ending == Ending::Complete || own.is_ended;
    let search = Search { numbers: &numbers, is_complete };
    let marked = marks.iter().find_map(|&mark| search.marked(mark));
    let place = match marked {
        Some(Hit::Open) => return ReadOutcome::Truncated,
        None if !is_complete => return ReadOutcome::Truncated,
        Some(place) => Some(place),
        None => search.phrase().or_else(|| search.last_line()).or_else(|| search.last_number()),
    };
    search.outcome(place)
}

/// Reads a text that is known to be the conclusion, such as the group of a user's pattern.
///
/// ```
/// use starloop_answers::find::conclusion;
///
/// assert_eq!(conclusion("48 + 24 = 72 clips").unwrap().value.to_string(), "72");
/// assert_eq!(conclusion("72 or 73"), None);
/// ```
pub fn conclusion(text: &str) -> Option<Quantity> {
    let numbers = Numbers::new(text);
    let search = Search { numbers: &numbers, is_complete: true };
    match search.content(0..text.len()) {
        Content::Item(index) => quantity(&numbers, &numbers.items[index]),
        _ => None,
    }
}

/// The number that a text states by a mark or a phrase.
pub(crate) fn stated_number(text: &str) -> Option<Quantity> {
    let numbers = Numbers::new(text);
    let search = Search { numbers: &numbers, is_complete: true };
    let place = Mark::ALL.iter().find_map(|&mark| search.marked(mark)).or_else(|| search.phrase());
    match search.outcome(place) {
        ReadOutcome::Found(found) => Some(found.answer),
        _ => None,
    }
}

/// The item that is all of a text, but for a unit behind it and `x =` before it.
pub(crate) fn only_quantity<'n>(numbers: &'n Numbers) -> Option<&'n Item> {
    let search = Search { numbers, is_complete: true };
    let first = numbers.items.first()?;
    let before = &numbers.tokens[..first.first];
    let is_assigned = before.len() <= 6 && matches!(before.last(), Some(token) if matches!(token.kind, TokenKind::Equals));
    let is_alone = before.iter().all(|token| matches!(token.kind, TokenKind::Currency | TokenKind::Line | TokenKind::Open(_)));
    let index = search.side_of_equation(0, numbers.text.len());
    let is_last = search.end_of_equation(0, numbers.text.len()) + 1 == numbers.items.len();
    let item = &numbers.items[index];
    let is_followed = numbers.tokens[item.next..].iter().any(|token| matches!(token.kind, TokenKind::Foreign | TokenKind::Vulgar(..)));
    ((is_assigned || is_alone) && is_last && !is_followed && item.value.is_some()).then_some(item)
}

/// The result of a rule.
enum Hit {
    /// The item with an index.
    Item(Reading, usize),
    /// A place whose number has no single meaning.
    Unreadable(Reading, Range<usize>),
    /// A mark that the end of a cut-off text left open.
    Open,
}

struct Search<'a, 'n> {
    numbers: &'n Numbers<'a>,
    is_complete: bool,
}

impl Search<'_, '_> {
    fn outcome(&self, place: Option<Hit>) -> ReadOutcome<Quantity> {
        match place {
            Some(Hit::Item(reading, index)) => {
                let item = &self.numbers.items[index];
                let place = Place { reading, span: item.start..item.end };
                match quantity(self.numbers, item) {
                    Some(answer) => ReadOutcome::Found(FoundAnswer { answer, place }),
                    None => ReadOutcome::Unparsed(Some(place)),
                }
            }
            Some(Hit::Unreadable(reading, span)) => ReadOutcome::Unparsed(Some(Place { reading, span })),
            Some(Hit::Open) => ReadOutcome::Truncated,
            None => ReadOutcome::Unparsed(None),
        }
    }

    fn marked(&self, mark: Mark) -> Option<Hit> {
        match mark {
            Mark::Hashes => self.hashes(),
            Mark::Boxed => self.first_readable(Reading::Boxed, &boxes(self.numbers.text)),
            Mark::Tag => self.first_readable(Reading::Tag, &tags(self.numbers.text)),
        }
    }

    /// The first line behind `####` that is an answer. A heading, `#### Step 1: add`, is none if a text follows it.
    fn hashes(&self) -> Option<Hit> {
        let lines = hashes(self.numbers.text);
        let mut weaker = None;
        for (at, line) in lines.iter().enumerate() {
            let is_last = at + 1 == lines.len();
            let content =
                if self.is_blank(line.content.clone()) && is_last { self.next_line(line.content.end) } else { line.content.clone() };
            let is_closed = line.is_closed && (content == line.content || self.numbers.text[content.end..].starts_with('\n'));
            let is_end = self.is_blank(content.end..self.numbers.text.len());
            if !is_closed && !self.is_complete {
                return weaker.or(Some(Hit::Open));
            }
            let read = match self.content(content.clone()) {
                Content::Item(index) => Hit::Item(Reading::Hashes, index),
                Content::Unreadable(span) => Hit::Unreadable(Reading::Hashes, span),
                Content::Several(span) if is_last => Hit::Unreadable(Reading::Hashes, span),
                Content::Nothing if is_last && is_end => Hit::Unreadable(Reading::Hashes, content.clone()),
                _ => continue,
            };
            if !self.is_numbered_heading(&content) || is_last {
                return Some(read);
            }
            weaker = weaker.or(Some(read));
        }
        weaker
    }

    fn first_readable(&self, reading: Reading, marked: &[Marked]) -> Option<Hit> {
        for Marked { content, is_closed } in marked {
            if !is_closed && !self.is_complete {
                return Some(Hit::Open);
            }
            match self.content(content.clone()) {
                Content::Item(index) => return Some(Hit::Item(reading, index)),
                Content::Unreadable(span) | Content::Several(span) => return Some(Hit::Unreadable(reading, span)),
                Content::Nothing => {}
            }
        }
        None
    }

    /// The last phrase that states a number. If the text ends with a phrase that states something else, it states no number.
    fn phrase(&self) -> Option<Hit> {
        let text = self.numbers.text;
        let all = phrases(text, &[]);
        for phrase in all.iter().rev() {
            match self.stated(phrase, self.line_end(phrase.end)) {
                Content::Item(index) => return Some(Hit::Item(Reading::Phrase, index)),
                Content::Unreadable(span) => return Some(Hit::Unreadable(Reading::Phrase, span)),
                Content::Several(_) | Content::Nothing => {}
            }
        }
        let last = all.last()?;
        let is_end = self.numbers.first_at(last.end) == self.numbers.items.len() && last.form != Form::Direct;
        is_end.then(|| Hit::Unreadable(Reading::Phrase, last.end..self.line_end(last.end)))
    }

    /// The last line that is not blank, if it is a quantity alone.
    fn last_line(&self) -> Option<Hit> {
        let numbers = self.numbers;
        let last = numbers.tokens.iter().rposition(|token| token.kind != TokenKind::Line)?;
        let first_token = numbers.tokens[..last].iter().rposition(|token| token.kind == TokenKind::Line).map_or(0, |line| line + 1);
        let start = numbers.tokens[first_token].start;
        let end = numbers.tokens[last].end;
        let first = numbers.first_at(start);
        let item = numbers.items.get(first)?;
        let index = self.end_of_equation(first, end);
        let words_after = numbers.tokens[numbers.items[index].next..=last.max(numbers.items[index].next - 1)].len();
        if !self.is_direct(start, item, 0)
            || index + 1 != numbers.items.len() && numbers.link(index) == Link::None
            || words_after > 4
            || item.first - first_token > 4
        {
            return None;
        }
        match self.side(first, end) {
            Content::Item(index) => Some(Hit::Item(Reading::LastLine, index)),
            Content::Unreadable(span) => Some(Hit::Unreadable(Reading::LastLine, span)),
            _ => None,
        }
    }

    fn last_number(&self) -> Option<Hit> {
        let numbers = self.numbers;
        let last = self.before_remark(numbers.items.len().checked_sub(1)?);
        let span = numbers.items[last].start..numbers.items[last].end;
        if last > 0 && (numbers.link(last - 1) == Link::Alternatives || numbers.is_compound(last - 1) || self.ends_range(last)) {
            return Some(Hit::Unreadable(Reading::LastNumber, span));
        }
        if self.is_denied(last) {
            return Some(Hit::Unreadable(Reading::LastNumber, span));
        }
        let mut first = last;
        while first > 0 && matches!(numbers.link(first - 1), Link::Equation | Link::Approximation) {
            first -= 1;
        }
        Some(match self.side(first, numbers.text.len()) {
            Content::Item(index) => Hit::Item(Reading::LastNumber, index),
            _ => Hit::Unreadable(Reading::LastNumber, span),
        })
    }

    /// `between 5 and 7`
    fn ends_range(&self, last: usize) -> bool {
        let first = &self.numbers.items[last - 1];
        let before = first.first.checked_sub(1).and_then(|token| self.numbers.word(token));
        self.numbers.link(last - 1) == Link::List && before.is_some_and(|word| is_one_of(word, &["between", "zwischen", "entre", "между"]))
    }

    /// The last number outside of a remark: 72 in `She has 72 clips (48 + 24).`
    fn before_remark(&self, last: usize) -> usize {
        let numbers = self.numbers;
        let mut index = last;
        for _ in 0..4 {
            let Some(before) = index.checked_sub(1).map(|before| &numbers.items[before]) else { return last };
            let first = numbers.items[index].first;
            let between = &numbers.tokens[before.next..=first];
            if between.iter().any(|token| matches!(token.kind, TokenKind::Stop | TokenKind::Line | TokenKind::Close(_) | TokenKind::Equals))
            {
                return last;
            }
            index -= 1;
            if between.iter().any(|token| token.kind == TokenKind::Open('(')) {
                return index;
            }
        }
        last
    }

    /// `it is not 72`
    fn is_denied(&self, index: usize) -> bool {
        let before = self.numbers.items[index].first.checked_sub(1).and_then(|token| self.numbers.word(token));
        before.is_some_and(|word| is_one_of(word, &["not", "never", "nicht", "pas", "не"]))
    }

    /// The content of the next line that is not blank.
    fn next_line(&self, from: usize) -> Range<usize> {
        let text = self.numbers.text;
        let start = text.len() - text[from..].trim_start().len();
        start..text[start..].find('\n').map_or(text.len(), |length| start + length)
    }

    fn is_blank(&self, range: Range<usize>) -> bool {
        self.numbers.text[range].trim_matches(|c: char| c.is_whitespace() || c == '*' || c == '`').is_empty()
    }

    /// `1. Find the cost`: the number of a heading.
    fn is_numbered_heading(&self, content: &Range<usize>) -> bool {
        let text = self.numbers.text[content.clone()].trim_start_matches([' ', '*']);
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let after = &text[digits..];
        let begins_words = |rest: &str| rest.trim_start().starts_with(char::is_alphabetic) && rest.starts_with(' ');
        (1..=2).contains(&digits) && after.strip_prefix(['.', ')', ':']).is_some_and(begins_words)
    }
}
