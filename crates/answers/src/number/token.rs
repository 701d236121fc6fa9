//! A text as tokens: numerals, words, operators, brackets. Emphasis, math delimiters and other markup leave no token.

use super::digits::{DASHES, digit, is_currency, is_invisible, superscript, vulgar_fraction};
use super::latex::{self, Command};
use super::numeral::{self, Numeral};
use super::words;
use crate::script::is_boundless;

/// A token with its place in the text, in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub start: usize,
    pub end: usize,
    /// No blank and no markup stands between the token before and this one.
    pub is_glued: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TokenKind {
    /// `None`: the notation has no single meaning.
    Numeral(Option<Numeral>),
    /// `½`: numerator and denominator.
    Vulgar(u32, u32),
    /// `²`; `None` if the exponent is too large.
    Superscript(Option<i32>),
    /// `\frac`; two arguments follow.
    Fraction,
    Word,
    Currency,
    Percent,
    /// `°`, `^\circ`.
    Degree,
    Plus,
    Dash,
    Times,
    Divide,
    Power,
    Equals,
    /// `≈`.
    Approximately,
    Colon,
    Comma,
    Hash,
    Open(char),
    Close(char),
    /// Ends a sentence or a clause: `.`, `!`, `?`, `;`.
    Stop,
    Line,
    /// Mathematics that this grammar does not evaluate: `\pi`, `\sqrt`, `<`, `±`.
    Foreign,
    Other,
}

/// Functions and constants written as words.
const FUNCTIONS: &str = "sqrt cbrt root log ln sin cos tan exp max min mod";

/// Splits a text into tokens.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new(), braces: Vec::new(), after_markup: true };
    while lexer.at < text.len() {
        lexer.next();
    }
    lexer.tokens
}

/// The construct to which an open brace belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Brace {
    /// An argument of a command that leaves no token, such as `\text`.
    Markup,
    /// A box, which nothing outside belongs to.
    Box,
    Group,
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
    braces: Vec<Brace>,
    after_markup: bool,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn previous(&self) -> Option<char> {
        self.text[..self.at].chars().next_back()
    }

    fn push(&mut self, kind: TokenKind, length: usize) {
        let is_glued = !self.after_markup && self.tokens.last().is_some_and(|last| last.end == self.at);
        self.tokens.push(Token { kind, start: self.at, end: self.at + length, is_glued });
        self.at += length;
        self.after_markup = false;
    }

    fn skip(&mut self, length: usize) {
        self.at += length;
        self.after_markup = true;
    }

    fn next(&mut self) {
        let Some(c) = self.rest().chars().next() else { return };
        let width = c.len_utf8();
        if is_invisible(c) {
            // Glues what stands around it.
            if let Some(last) = self.tokens.last_mut().filter(|last| last.end == self.at) {
                last.end += width;
            }
            self.at += width;
        } else if digit(c).is_some() || (c == '.' && self.begins_with_point()) {
            self.numeral();
        } else if c == '\\' {
            self.command();
        } else if c.is_alphabetic() && !matches!(c, 'ª' | 'º') {
            self.word();
        } else if superscript(c).is_some() || matches!(c, '⁻' | '⁺') {
            self.superscript();
        } else if let Some((numerator, denominator)) = vulgar_fraction(c) {
            self.push(TokenKind::Vulgar(numerator, denominator), width);
        } else {
            self.symbol(c, width);
        }
    }

    /// `.5`, unless the point ends a sentence.
    fn begins_with_point(&self) -> bool {
        let begins = self.rest()[1..].starts_with(|c| digit(c).is_some());
        begins && !self.previous().is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | ')' | ']' | '}'))
    }

    fn numeral(&mut self) {
        let Some((numeral, end)) = numeral::at(self.text, self.at) else { return self.skip(1) };
        self.push(TokenKind::Numeral(numeral), end - self.at);
    }

    fn superscript(&mut self) {
        let text = self.rest();
        let length: usize = text.chars().take_while(|&c| superscript(c).is_some() || matches!(c, '⁻' | '⁺')).map(char::len_utf8).sum();
        let (sign, digits) = match text[..length].strip_prefix('⁻') {
            Some(digits) => (-1, digits),
            None => (1, &text[..length]),
        };
        let value = digits.chars().try_fold(0_i32, |value, c| value.checked_mul(10)?.checked_add(superscript(c)?.into()));
        self.push(TokenKind::Superscript(value.map(|value| sign * value)), length);
    }

    fn word(&mut self) {
        let text = self.rest();
        // A multiplication sign, as in `3 x 10`.
        if text.starts_with(['x', 'X']) && self.is_operand_before() && is_operand(&text[1..]) {
            return self.push(TokenKind::Times, 1);
        }
        let is_first_boundless = text.starts_with(is_boundless);
        let word = text.chars().take_while(|&c| is_in_word(c) && (is_boundless(c) == is_first_boundless || is_invisible(c)));
        let mut length: usize = word.map(char::len_utf8).sum();
        let letters = &text[..length];
        // `m2`, `x1`, `CO2`: digits of a name, not a number.
        let is_name = length <= 3 && letters.is_ascii() && !words::is_currency_code(letters);
        if is_name && text[length..].starts_with(|c: char| c.is_ascii_digit()) {
            length += text[length..].bytes().take_while(u8::is_ascii_alphanumeric).count();
        }
        let is_function = words::is_listed(letters, FUNCTIONS)
            && text[length..].trim_start_matches(' ').starts_with(|c: char| c == '(' || digit(c).is_some());
        self.push(if is_function || letters == "π" { TokenKind::Foreign } else { TokenKind::Word }, length);
    }

    fn is_operand_before(&self) -> bool {
        self.tokens.last().is_some_and(|last| {
            matches!(last.kind, TokenKind::Numeral(_) | TokenKind::Vulgar(..) | TokenKind::Superscript(_) | TokenKind::Close(_))
        }) && self.text[..self.at].trim_end_matches([' ', '$', '\u{a0}']).len() <= self.tokens.last().map_or(0, |last| last.end)
    }

    fn command(&mut self) {
        let (command, length) = latex::command(self.rest());
        match command {
            Command::Markup => {
                self.skip(length);
                if self.rest().starts_with('{') {
                    self.braces.push(Brace::Markup);
                    self.skip(1);
                }
            }
            Command::Box => {
                let brace = self.rest()[length..].trim_start_matches(' ');
                let is_open = brace.starts_with('{');
                let end = self.text.len() - brace.len() + usize::from(is_open);
                self.push(TokenKind::Line, end - self.at);
                self.braces.extend(is_open.then_some(Brace::Box));
            }
            Command::Nothing => self.at += length,
            Command::Blank => self.skip(length),
            Command::Token(kind) => self.push(kind, length),
        }
    }

    fn symbol(&mut self, c: char, width: usize) {
        if let Some(length) = self.annotation() {
            return self.skip(length);
        }
        if let Some((is_inline, length)) = self.tag() {
            return if is_inline { self.skip(length) } else { self.push(TokenKind::Line, length) };
        }
        if let Some(length) = arrow(self.rest()) {
            return self.push(TokenKind::Equals, length);
        }
        match c {
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => self.push(TokenKind::Line, width),
            c if c.is_whitespace() => self.skip(width),
            '*' | '＊' | '∗' => self.star(width),
            '_' | '`' | '"' | '\'' | '~' | '“' | '”' | '‘' | '’' | '«' | '»' | '„' | '「' | '」' | '『' | '』' => {
                self.skip(width);
            }
            // The mark of a quotation at the beginning of a line.
            '>' if self.tokens.last().is_none_or(|last| last.kind == TokenKind::Line) => self.skip(width),
            '{' => {
                self.braces.push(Brace::Group);
                self.push(TokenKind::Open('{'), width);
            }
            '}' => match self.braces.pop() {
                Some(Brace::Markup) => self.skip(width),
                Some(Brace::Box) => self.push(TokenKind::Line, width),
                _ => self.push(TokenKind::Close('}'), width),
            },
            _ if DASHES.contains(&c) => self.push(TokenKind::Dash, width),
            _ if is_currency(c) => self.push(TokenKind::Currency, width),
            _ => self.push(kind(c), width),
        }
    }

    /// `*` multiplies between two operands that stand equally near to it, and `**` raises to a power. All other stars are emphasis.
    fn star(&mut self, width: usize) {
        let stars = self.rest().chars().take_while(|&c| c == '*').count();
        let after = &self.rest()[if stars > 0 { stars } else { width }..];
        let is_spaced = [self.previous().is_none_or(char::is_whitespace), after.starts_with(char::is_whitespace)];
        let between = self.is_operand_before() && is_operand(after) && is_spaced[0] == is_spaced[1];
        match stars {
            0 | 1 if between => self.push(TokenKind::Times, width),
            2 if between => self.push(TokenKind::Power, 2),
            0 => self.skip(width),
            _ => self.skip(stars),
        }
    }

    /// A calculator annotation of GSM8K, `<<48/2=24>>24`. Its inside counts only if the result is not written behind it.
    fn annotation(&self) -> Option<usize> {
        let text = self.rest();
        if text.starts_with(">>") {
            return Some(2);
        }
        let inside = text.strip_prefix("<<")?;
        let end = inside.bytes().take(200).position(|byte| byte == b'>' || byte == b'\n')?;
        let after = inside[end..].strip_prefix(">>")?;
        let result = inside[..end].rfind('=').map_or(0, |at| at + 1);
        let is_written = after.trim_start_matches([' ', '$', '-', '.']).starts_with(|c| digit(c).is_some());
        Some(2 + if is_written { end + 2 } else { result })
    }

    /// A tag such as `<b>` or `</answer>`: whether it only changes the font, and its length.
    fn tag(&self) -> Option<(bool, usize)> {
        let inside = self.rest().strip_prefix('<')?;
        let begins = inside.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
        let end = inside.bytes().take(60).position(|byte| matches!(byte, b'>' | b'\n' | b'<'))?;
        let name = inside[..end].trim_start_matches('/').split([' ', '/']).next().unwrap_or("");
        let is_inline = ["b", "i", "u", "em", "strong", "span", "code", "font", "mark", "small", "big"]
            .iter()
            .any(|tag| name.eq_ignore_ascii_case(tag));
        (begins && inside[end..].starts_with('>')).then_some((is_inline, end + 2))
    }
}

/// Letters, and marks that combine with them.
fn is_in_word(c: char) -> bool {
    (c.is_alphabetic() && !matches!(c, 'ª' | 'º'))
        || is_invisible(c)
        || matches!(c, '\u{300}'..='\u{36f}' | '\u{94d}' | '\u{9cd}' | '\u{e47}'..='\u{e4e}')
}

/// Returns true if a text begins as an operand does, after blanks.
fn is_operand(text: &str) -> bool {
    let text = text.trim_start_matches([' ', '\u{a0}', '$', '{', '(']);
    let text = text.strip_prefix(DASHES).unwrap_or(text);
    let text = text.strip_prefix('.').unwrap_or(text);
    text.starts_with(|c| digit(c).is_some() || is_currency(c) || c == '\\')
}

/// `=>`, `->`, `==`: a result follows.
fn arrow(text: &str) -> Option<usize> {
    let shaft = text.bytes().take(8).take_while(|byte| matches!(byte, b'=' | b'-')).count();
    match text.as_bytes().get(shaft) {
        Some(b'>') if shaft > 0 => Some(shaft + 1),
        _ => text.starts_with("==").then_some(text.bytes().take(8).take_while(|&byte| byte == b'=').count()),
    }
}

fn kind(c: char) -> TokenKind {
    match c {
        '+' | '＋' => TokenKind::Plus,
        '×' | '⋅' | '·' | '•' | '✕' | '✖' | '∙' => TokenKind::Times,
        '/' | '÷' | '⁄' | '∕' | '／' | '➗' => TokenKind::Divide,
        '^' | '＾' => TokenKind::Power,
        '=' | '＝' | '→' | '⇒' | '⟹' | '⟶' | '➔' => TokenKind::Equals,
        '≈' | '≃' | '≅' | '∼' | '≒' | '～' => TokenKind::Approximately,
        ':' | '：' | '∶' => TokenKind::Colon,
        ',' | '，' | '、' | '،' => TokenKind::Comma,
        '%' | '％' | '٪' | '﹪' | '‰' => TokenKind::Percent,
        '°' | 'º' | '℃' | '℉' | '˚' => TokenKind::Degree,
        '#' | '＃' => TokenKind::Hash,
        '(' | '（' => TokenKind::Open('('),
        ')' | '）' => TokenKind::Close(')'),
        '[' | '【' | '［' => TokenKind::Open('['),
        ']' | '】' | '］' => TokenKind::Close(']'),
        '.' | '!' | '?' | ';' | '。' | '！' | '？' | '；' | '．' | '।' | '؟' | '؛' | '…' | '|' => TokenKind::Stop,
        '√' | '∛' | '∞' | '<' | '>' | '≤' | '≥' | '≠' | '±' | '∓' | '＜' | '＞' => TokenKind::Foreign,
        _ => TokenKind::Other,
    }
}
