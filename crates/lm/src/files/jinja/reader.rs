//! Reads the lexemes of a tag one after another.

use super::lexemes::Lexeme;

/// The value that was read, or the fault.
pub(super) type Read<T> = Result<T, String>;

/// The lexemes that are left.
pub(super) struct Reader<'a> {
    lexemes: &'a [Lexeme<'a>],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lexemes: &'a [Lexeme<'a>]) -> Self {
        Reader { lexemes, at: 0 }
    }

    pub(super) fn peek(&self) -> &'a str {
        self.ahead(0)
    }

    pub(super) fn ahead(&self, by: usize) -> &'a str {
        self.lexemes.get(self.at + by).map_or("", |lexeme| lexeme.text)
    }

    pub(super) fn lexeme(&self) -> Option<Lexeme<'a>> {
        self.lexemes.get(self.at).copied()
    }

    pub(super) fn advance(&mut self, by: usize) {
        self.at += by;
    }

    /// The next lexeme with its blanks.
    pub(super) fn next(&mut self) -> Read<String> {
        let lexeme = self.lexemes.get(self.at).ok_or("the tag ends too early")?;
        self.at += 1;
        Ok([lexeme.blanks, lexeme.text].concat())
    }

    pub(super) fn next_name(&mut self) -> Read<String> {
        if self.lexemes.get(self.at).is_some_and(Lexeme::is_name) { self.next() } else { Err(self.unexpected("a name")) }
    }

    pub(super) fn skip(&mut self, text: &str) -> bool {
        let found = self.peek() == text && self.at < self.lexemes.len();
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, text: &str) -> Read<String> {
        if self.peek() == text { self.next() } else { Err(self.unexpected(&format!("`{text}`"))) }
    }

    pub(super) fn unexpected(&self, expected: &str) -> String {
        match self.peek() {
            "" => format!("syntax error: the tag ends too early, expected {expected}"),
            found => format!("syntax error: unexpected `{found}`, expected {expected}"),
        }
    }

    /// Refuses what is left behind the end of a tag.
    pub(super) fn end(&self) -> Read<()> {
        if self.at == self.lexemes.len() { Ok(()) } else { Err(self.unexpected("the end of the tag")) }
    }
}
