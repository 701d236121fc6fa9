//! The numbers of a text, in order, each with what surrounds it.

use super::exact::Number;
use super::grammar::{Grammar, Parsed};
use super::token::{Token, TokenKind, tokens};
use super::value::Value;
use super::words;
use crate::script::is_boundless;

/// A text with its tokens and numbers.
pub(crate) struct Numbers<'a> {
    pub text: &'a str,
    pub tokens: Vec<Token>,
    pub items: Vec<Item>,
}

/// An expression in a text. Without a value it is one that this grammar does not read.
#[derive(Debug)]
pub(crate) struct Item {
    /// Its bytes.
    pub start: usize,
    pub end: usize,
    /// Its first token, and the token after its last.
    pub first: usize,
    pub next: usize,
    pub value: Option<Value>,
    pub unit: Option<(usize, usize)>,
}

/// How two neighbouring items belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// The second is the other side of an equation.
    Equation,
    /// The second is an approximation of the first.
    Approximation,
    /// A list, a range: `3 and 4`, `3, 4`, `3 to 4`.
    List,
    /// `3 or 4`.
    Alternatives,
    None,
}

impl<'a> Numbers<'a> {
    /// Finds the numbers of a text. Labels (`step 3`), numbers of list entries, citations (`[1]`) and statements of confidence
    /// (`99% sure`) are left out.
    pub fn new(text: &'a str) -> Self {
        let tokens = tokens(text);
        let items = Scan { text, tokens: &tokens, bullets: bullets(&tokens), entry: 0 }.items();
        Numbers { text, tokens, items }
    }

    /// The value of an item.
    pub fn value(&self, item: &Item) -> Option<Number> {
        item.value.as_ref()?.evaluate(self.text)
    }

    /// The index of the first item that ends after a byte.
    pub fn first_at(&self, byte: usize) -> usize {
        self.items.partition_point(|item| item.end <= byte)
    }

    /// The index of the first token that starts at or after a byte.
    pub fn token_at(&self, byte: usize) -> usize {
        self.tokens.partition_point(|token| token.start < byte)
    }

    pub fn word(&self, token: usize) -> Option<&'a str> {
        let token = self.tokens.get(token).filter(|token| token.kind == TokenKind::Word)?;
        Some(&self.text[token.start..token.end])
    }

    /// How an item belongs together with the next one.
    pub fn link(&self, index: usize) -> Link {
        let [item, next, ..] = &self.items[index..] else { return Link::None };
        let between = &self.tokens[item.next..next.first];
        let words: Vec<&str> =
            between.iter().take(3).filter(|token| token.kind == TokenKind::Word).map(|token| &self.text[token.start..token.end]).collect();
        let kinds: Vec<TokenKind> = between.iter().take(3).map(|token| token.kind).collect();
        match (kinds.as_slice(), words.as_slice()) {
            ([TokenKind::Equals], _) => Link::Equation,
            ([TokenKind::Approximately] | [TokenKind::Approximately, TokenKind::Equals], _) => Link::Approximation,
            ([TokenKind::Word], [word]) if words::is_equality(word) => Link::Equation,
            ([TokenKind::Word, TokenKind::Word], [word, "to"]) if words::is_equality(word) => Link::Equation,
            ([TokenKind::Word] | [TokenKind::Comma, TokenKind::Word], [word]) if words::is_alternative(word) => Link::Alternatives,
            ([TokenKind::Word] | [TokenKind::Comma, TokenKind::Word], [word]) if words::is_joiner(word) => Link::List,
            // `72, 3 days later` is no list.
            ([TokenKind::Comma], _) if item.unit.is_some() || next.unit.is_none() => Link::List,
            // `x = 5, y = 3`
            ([TokenKind::Comma, TokenKind::Word, TokenKind::Equals], _) => Link::List,
            ([TokenKind::Word, TokenKind::Word, TokenKind::Equals], [word, _]) if words::is_joiner(word) => Link::List,
            _ => Link::None,
        }
    }

    /// Returns true if two neighbouring items are parts of one quantity: `2 hours and 30 minutes`.
    pub fn is_compound(&self, index: usize) -> bool {
        let dimension = |item: &Item| item.unit.and_then(|(start, end)| words::dimension(self.text[start..end].trim()));
        let [item, next, ..] = &self.items[index..] else { return false };
        matches!(self.link(index), Link::List | Link::None)
            && next.first <= item.next + 2
            && dimension(item).is_some_and(|one| dimension(next) == Some(one))
            && self.unit(item) != self.unit(next)
    }

    fn unit(&self, item: &Item) -> Option<&str> {
        item.unit.map(|(start, end)| self.text[start..end].trim())
    }
}

/// How many lines begin with a dash and a blank, as the entries of a list do.
fn bullets(tokens: &[Token]) -> usize {
    let begins = |at: usize| at == 0 || tokens[at - 1].kind == TokenKind::Line;
    let is_bullet = |&at: &usize| tokens[at].kind == TokenKind::Dash && begins(at) && tokens.get(at + 1).is_some_and(|next| !next.is_glued);
    (0..tokens.len()).filter(is_bullet).count()
}

struct Scan<'a> {
    text: &'a str,
    tokens: &'a [Token],
    bullets: usize,
    /// The number of the last list entry.
    entry: u32,
}

impl Scan<'_> {
    fn items(mut self) -> Vec<Item> {
        let (mut items, mut at) = (Vec::new(), 0);
        while at < self.tokens.len() {
            at = self.next(at, &mut items);
        }
        items
    }

    fn next(&mut self, at: usize, items: &mut Vec<Item>) -> usize {
        if let Some(next) = self.citation(at, items).or_else(|| self.list_entry(at)) {
            return next;
        }
        let grammar = Grammar::new(self.text, self.tokens, at);
        if !self.starts_item(at, &grammar) {
            return at + 1;
        }
        let (item, next) = self.item(at);
        items.extend(item);
        next
    }

    fn kind(&self, at: usize) -> Option<TokenKind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    fn word(&self, at: usize) -> Option<&str> {
        let token = self.tokens.get(at).filter(|token| token.kind == TokenKind::Word)?;
        Some(&self.text[token.start..token.end])
    }

    fn is_glued(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is_glued)
    }

    fn starts_item(&self, at: usize, grammar: &Grammar) -> bool {
        match self.kind(at) {
            Some(TokenKind::Dash) => self.is_sign(at) && grammar.starts_operand(at),
            Some(TokenKind::Plus) => {
                self.is_glued(at + 1) && !(self.is_glued(at) && self.is_operand_before(at)) && grammar.starts_operand(at)
            }
            Some(
                TokenKind::Numeral(_)
                | TokenKind::Vulgar(..)
                | TokenKind::Fraction
                | TokenKind::Foreign
                | TokenKind::Currency
                | TokenKind::Word
                | TokenKind::Open(_),
            ) => grammar.starts_operand(at),
            _ => false,
        }
    }

    fn is_operand_before(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.kind(before));
        matches!(before, Some(TokenKind::Word | TokenKind::Numeral(_) | TokenKind::Close(_) | TokenKind::Percent | TokenKind::Degree))
    }

    /// Returns true if a dash before a number is its sign, and not a hyphen, a pause or the mark of a list entry.
    fn is_sign(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.kind(before));
        if self.is_glued(at + 1) {
            let is_hyphen = self.is_glued(at) && self.is_operand_before(at) && !self.text[..self.tokens[at].start].ends_with(is_boundless);
            return !is_hyphen && before != Some(TokenKind::Dash);
        }
        match before {
            None | Some(TokenKind::Line) => self.bullets == 1,
            Some(
                TokenKind::Equals
                | TokenKind::Approximately
                | TokenKind::Colon
                | TokenKind::Hash
                | TokenKind::Open(_)
                | TokenKind::Currency,
            ) => true,
            Some(TokenKind::Word) => {
                self.word(at - 1).is_some_and(|word| words::is_filler(word) || words::is_one_of(word, &["es", "est", "ist", "é"]))
            }
            _ => false,
        }
    }

    /// The item that starts at a token, and the token after it. The item is left out if it is no number of the text's own.
    fn item(&self, first: usize) -> (Option<Item>, usize) {
        let mut grammar = Grammar::new(self.text, self.tokens, first);
        let Parsed { value, unit } = grammar.expression();
        let next = grammar.at.max(first + 1);
        if self.is_label(first) || self.is_confidence(first, next) {
            return (None, next);
        }
        let value = value.filter(|_| !self.is_part(first, next));
        let (start, end) = (self.tokens[first].start, self.tokens[next - 1].end);
        (Some(Item { start, end, first, next, value, unit }), next)
    }

    /// Returns true if an expression goes on with something that is no number: `3 + x`, `x - 3`, `y/2`.
    fn is_part(&self, first: usize, next: usize) -> bool {
        let is_letter = |at: usize| self.word(at).is_some_and(|word| word.len() == 1 && !matches!(word, "a" | "I"));
        let before = first.checked_sub(1).and_then(|at| self.kind(at));
        let goes_on = match self.kind(next) {
            Some(TokenKind::Plus | TokenKind::Times | TokenKind::Divide | TokenKind::Power) => {
                !matches!(self.kind(next + 1), None | Some(TokenKind::Line | TokenKind::Stop))
            }
            Some(TokenKind::Dash) => is_letter(next + 1),
            _ => false,
        };
        let went_before = match before {
            Some(TokenKind::Plus | TokenKind::Times | TokenKind::Divide | TokenKind::Power) => {
                first > 1 && self.kind(first - 2) != Some(TokenKind::Line)
            }
            Some(TokenKind::Dash) => first > 1 && is_letter(first - 2),
            // `x +3`
            Some(TokenKind::Word) => self.kind(first) == Some(TokenKind::Plus) && is_letter(first - 1),
            _ => false,
        };
        goes_on || went_before || self.repeats(next)
    }

    /// A decimal without an end: `0.333...`, `0.\overline{3}`, `0.(3)`.
    fn repeats(&self, next: usize) -> bool {
        let rest = &self.text[self.tokens[next - 1].end..];
        let is_decimal = matches!(self.kind(next - 1), Some(TokenKind::Numeral(Some(numeral))) if !numeral.is_whole);
        let is_open = ["...", "…", "\\ldots", "\\dots", "\\overline"].iter().any(|dots| rest.starts_with(dots));
        let period = rest.strip_prefix('.').is_some_and(|rest| {
            rest.starts_with("\\overline") || rest.strip_prefix('(').is_some_and(|inside| inside.starts_with(|c: char| c.is_ascii_digit()))
        });
        (is_decimal && is_open) || period
    }

    /// `step 3`, `#5`.
    fn is_label(&self, first: usize) -> bool {
        let Some(before) = first.checked_sub(1) else { return false };
        match self.kind(before) {
            Some(TokenKind::Word) => {
                self.word(before).is_some_and(words::is_label) && matches!(self.kind(first), Some(TokenKind::Numeral(_)))
            }
            Some(TokenKind::Hash) => self.is_glued(first) && !(before > 0 && self.kind(before - 1) == Some(TokenKind::Hash)),
            _ => false,
        }
    }

    /// `99% sure`, `confidence: 95%`.
    fn is_confidence(&self, first: usize, next: usize) -> bool {
        let is_percent = self.kind(next - 1) == Some(TokenKind::Percent);
        let before = |back: usize| {
            first.checked_sub(back).and_then(|at| self.word(at)).is_some_and(|word| words::is_one_of(word, &["confidence", "confident"]))
        };
        (is_percent && self.word(next).is_some_and(words::is_confidence)) || (2..=3).any(before) || before(1)
    }

    /// The token after a citation such as `[1]` or `[2, 3]` behind something.
    fn citation(&self, at: usize, items: &[Item]) -> Option<usize> {
        if self.kind(at) != Some(TokenKind::Open('[')) || at == 0 {
            return None;
        }
        let follows_number = items.last().is_some_and(|item| item.next == at);
        let follows_words = self
            .word(at - 1)
            .is_some_and(|word| !words::is_filler(word) && !words::is_one_of(word, &["answer", "ans", "ist", "est", "es"]))
            || matches!(self.kind(at - 1), Some(TokenKind::Stop | TokenKind::Close(_)));
        let is_inside = |kind: &TokenKind| matches!(kind, TokenKind::Numeral(_) | TokenKind::Comma | TokenKind::Dash);
        let length = (at + 1..at + 12).take_while(|&at| self.kind(at).as_ref().is_some_and(is_inside)).count();
        let is_citation = length > 0 && self.kind(at + 1 + length) == Some(TokenKind::Close(']')) && (follows_number || follows_words);
        is_citation.then_some(at + length + 2)
    }

    /// The token after the number of a list entry, `1.` or `2)` at the beginning of a line, if the entries count up.
    fn list_entry(&mut self, at: usize) -> Option<usize> {
        let begins_line = at == 0 || self.kind(at - 1) == Some(TokenKind::Line);
        let Some(TokenKind::Numeral(Some(_))) = self.kind(at).filter(|_| begins_line) else { return None };
        let is_marked = self.is_glued(at + 1) && matches!(self.kind(at + 1), Some(TokenKind::Stop | TokenKind::Close(')')));
        let has_text = !self.is_glued(at + 2) && !matches!(self.kind(at + 2), None | Some(TokenKind::Line));
        let token = &self.tokens[at];
        let number: u32 = self.text[token.start..token.end].parse().ok().filter(|_| is_marked && has_text)?;
        if number != self.entry + 1 && number != 1 {
            return None;
        }
        self.entry = number;
        Some(at + 2)
    }
}
