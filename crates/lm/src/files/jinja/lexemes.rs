//! The lexemes of a tag: strings, numbers, names, operators and brackets.

/// The operators of two characters.
const PAIRS: [&str; 6] = ["**", "//", "==", "!=", "<=", ">="];

/// A lexeme with the blanks before it. The blanks stay in the text, so that lines keep their numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lexeme<'a> {
    pub(super) blanks: &'a str,
    pub(super) text: &'a str,
}

impl Lexeme<'_> {
    pub(super) fn is_string(&self) -> bool {
        self.text.starts_with(['\'', '"'])
    }

    pub(super) fn is_number(&self) -> bool {
        self.text.starts_with(|c: char| c.is_ascii_digit())
    }

    pub(super) fn is_name(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// All lexemes of a tag's code, and the blanks behind them.
pub(super) fn lexemes(code: &str) -> (Vec<Lexeme<'_>>, &str) {
    let (mut found, mut at, mut blanks) = (Vec::new(), 0, 0);
    while at < code.len() {
        let text = &code[at..at + lexeme_length(&code[at..])];
        if !text.trim().is_empty() {
            found.push(Lexeme { blanks: &code[blanks..at], text });
            blanks = at + text.len();
        }
        at += text.len();
    }
    (found, &code[blanks..])
}

/// The bytes before the `close` that is in no string and no bracket.
pub(super) fn code_length(code: &str, close: &str) -> Option<usize> {
    let (mut at, mut open) = (0, 0_usize);
    while at < code.len() {
        if open == 0 && code[at..].starts_with(close) {
            return Some(at);
        }
        let length = lexeme_length(&code[at..]);
        match &code[at..at + length] {
            "(" | "[" | "{" => open += 1,
            ")" | "]" | "}" => open = open.saturating_sub(1),
            _ => {}
        }
        at += length;
    }
    None
}

/// A string, a number, a name, blanks, an operator or one other character.
fn lexeme_length(code: &str) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let until = |end: &dyn Fn(char) -> bool| code.find(end).unwrap_or(code.len());
    match code.chars().next() {
        None => 0,
        Some(quote @ ('\'' | '"')) => string_length(code, quote),
        Some(c) if c.is_ascii_digit() => number_length(code),
        Some(c) if is_word(c) => until(&|c| !is_word(c)),
        Some(c) if c.is_whitespace() => until(&|c| !c.is_whitespace()),
        Some(_) if PAIRS.iter().any(|pair| code.starts_with(pair)) => 2,
        Some(c) => c.len_utf8(),
    }
}

fn string_length(code: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = code.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(code.len(), |(at, _)| at + 1)
}

/// The bytes of `12`, `1_000`, `0x1f`, `1.5` or `1e-05`.
fn number_length(code: &str) -> usize {
    let word = |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let digit_at = |at: usize| code[at..].starts_with(|c: char| c.is_ascii_digit());
    let mut length = word(code);
    let is_decimal = !code[..length].starts_with("0x") && !code[..length].starts_with("0X");
    if code[length..].starts_with('.') && digit_at(length + 1) {
        length += 1 + word(&code[length + 1..]);
    }
    if is_decimal && code[..length].ends_with(['e', 'E']) && code[length..].starts_with(['+', '-']) && digit_at(length + 1) {
        length += 1 + word(&code[length + 1..]);
    }
    length
}
