//! The content of a stretch of text: one number, several, or none that is an answer.

use super::Search;
use crate::number::{Item, Link, TokenKind, is_filler, is_one_of};
use crate::phrase::{Form, Phrase, phrases};
use std::ops::Range;

/// The content of a stretch of text.
pub(super) enum Content {
    Item(usize),
    Unreadable(Range<usize>),
    /// Several numbers in a sentence, without one that it states.
    Several(Range<usize>),
    Nothing,
}

impl Search<'_, '_> {
    /// The answer in a stretch: a phrase in it, one number at its beginning, or its only number.
    pub fn content(&self, range: Range<usize>) -> Content {
        let inside = &self.numbers.text[range.clone()];
        let stated = phrases(inside, &[]).iter().rev().find_map(|phrase| {
            let shifted = Phrase { end: phrase.end + range.start, start: phrase.start + range.start, form: phrase.form };
            match self.stated(&shifted, range.end) {
                Content::Nothing | Content::Several(_) => None,
                content => Some(content),
            }
        });
        if let Some(content) = stated {
            return content;
        }
        let first = self.numbers.first_at(range.start);
        let Some(item) = self.numbers.items.get(first).filter(|item| item.start < range.end) else { return Content::Nothing };
        let end = self.end_of_equation(first, range.end);
        let is_only = self.numbers.items.get(end + 1).is_none_or(|next| next.start >= range.end);
        if self.is_direct(range.start, item, 0) || is_only {
            return self.side(first, range.end);
        }
        Content::Several(range)
    }

    /// The text behind a phrase, up to the end of its line.
    pub fn stated(&self, phrase: &Phrase, line_end: usize) -> Content {
        let first = self.numbers.first_at(phrase.end);
        let Some(item) = self.numbers.items.get(first).filter(|item| item.start < line_end) else { return Content::Nothing };
        if phrase.form == Form::Negated || self.is_question(item.end, line_end) {
            return Content::Nothing;
        }
        if self.is_direct(phrase.end, item, if phrase.form == Form::Direct { 3 } else { 0 }) {
            return self.side(first, line_end);
        }
        let sentence_end = self.sentence_end(phrase.end, line_end);
        if item.start >= sentence_end {
            return Content::Nothing;
        }
        let end = self.end_of_equation(first, sentence_end);
        let is_only = self.numbers.items.get(end + 1).is_none_or(|next| next.start >= sentence_end);
        match phrase.form {
            Form::Colon if !is_only || self.numbers.items.len() > end + 1 => Content::Several(phrase.end..sentence_end),
            _ => match self.side(first, sentence_end) {
                Content::Unreadable(span) => Content::Several(span),
                content => content,
            },
        }
    }

    /// The last item of the equation that starts with an item.
    pub fn end_of_equation(&self, first: usize, limit: usize) -> usize {
        let mut index = first;
        while self.numbers.items.get(index + 1).is_some_and(|next| next.start < limit)
            && matches!(self.numbers.link(index), Link::Equation | Link::Approximation)
        {
            index += 1;
        }
        index
    }

    /// The item of an equation that is its result: the last side, or else the first one. An approximation counts only if there is no exact
    /// side before it.
    pub fn side_of_equation(&self, first: usize, limit: usize) -> usize {
        let end = self.end_of_equation(first, limit);
        let numbers = self.numbers;
        let exact_end =
            (first..end).find(|&index| numbers.link(index) == Link::Approximation && numbers.items[index].value.is_some()).unwrap_or(end);
        if numbers.items[exact_end].value.is_none() && numbers.items[first].value.is_some() { first } else { exact_end }
    }

    /// The result of an equation, if no other number belongs to it.
    pub fn side(&self, first: usize, limit: usize) -> Content {
        let end = self.end_of_equation(first, limit);
        let numbers = self.numbers;
        let index = self.side_of_equation(first, limit);
        let item = &numbers.items[index];
        let goes_on = numbers.items.get(end + 1).is_some_and(|next| next.start < limit)
            && (numbers.link(end) != Link::None || numbers.is_compound(end));
        if goes_on || item.value.is_none() { Content::Unreadable(item.start..item.end) } else { Content::Item(index) }
    }

    /// Returns true if an item is what a place states: only fillers, or words with a colon or an equals sign behind them, stand before it.
    pub fn is_direct(&self, from: usize, item: &Item, free_words: usize) -> bool {
        let first = self.numbers.token_at(from);
        let between = self.numbers.tokens.get(first..item.first).unwrap_or_default();
        let mut free = free_words;
        let is_passed_over = |(at, kind): (usize, TokenKind)| match kind {
            TokenKind::Word
                if self.numbers.word(first + at).is_some_and(|word| is_filler(word) || is_one_of(word, &["a", "x", "me", "y"])) =>
            {
                true
            }
            TokenKind::Word if free > 0 => {
                free -= 1;
                true
            }
            TokenKind::Colon
            | TokenKind::Equals
            | TokenKind::Approximately
            | TokenKind::Currency
            | TokenKind::Open(_)
            | TokenKind::Line
            | TokenKind::Hash
            | TokenKind::Comma
            | TokenKind::Dash => true,
            _ => false,
        };
        let is_short = between.len() <= 24;
        let names_it = between.len() <= 12
            && matches!(between.last(), Some(token) if matches!(token.kind, TokenKind::Equals | TokenKind::Colon | TokenKind::Approximately))
            && between.iter().all(|token| !matches!(token.kind, TokenKind::Stop | TokenKind::Numeral(_)));
        names_it || (is_short && between.iter().map(|token| token.kind).enumerate().all(is_passed_over))
    }

    /// Returns true if the sentence behind a place ends with a question mark.
    pub fn is_question(&self, from: usize, line_end: usize) -> bool {
        let end = self.sentence_end(from, line_end);
        self.numbers.text[..end].ends_with(['?', '？', '؟'])
    }

    /// The end of the sentence that goes on at a place, with its stop.
    pub fn sentence_end(&self, from: usize, limit: usize) -> usize {
        let first = self.numbers.token_at(from);
        let stops = self.numbers.tokens[first..].iter().take(200).take_while(|token| token.start < limit);
        stops.filter(|token| token.kind == TokenKind::Stop).map(|token| token.end).next().unwrap_or(limit)
    }

    /// The end of the first line with tokens from a place on, at most 600 bytes away.
    pub fn line_end(&self, from: usize) -> usize {
        let first = self.numbers.token_at(from);
        let tokens = &self.numbers.tokens[first..];
        let begins = tokens.iter().take(40).position(|token| !matches!(token.kind, TokenKind::Line | TokenKind::Currency)).unwrap_or(0);
        let line = tokens[begins.min(tokens.len())..].iter().take(120);
        line.take_while(|token| token.kind != TokenKind::Line).last().map_or(from, |token| token.end)
    }
}
