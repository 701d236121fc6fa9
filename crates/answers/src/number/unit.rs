//! The words behind a number: scale words and units.

use super::grammar::Grammar;
use super::token::TokenKind;
use super::words;

impl Grammar<'_> {
    /// The power of ten of the scale words at this place.
    pub fn scale(&mut self, is_money: bool) -> u32 {
        let mut scale = 0;
        for _ in 0..2 {
            let Some(word) = self.word(self.at) else { break };
            // In `$8m^2$` and `$8m$` the signs enclose mathematics.
            let is_money =
                is_money && !matches!(self.kind(self.at + 1), Some(TokenKind::Power | TokenKind::Superscript(_) | TokenKind::Currency));
            let Some(power) = words::scale(word, self.is_glued(self.at), is_money) else { break };
            scale += power;
            self.at += 1;
        }
        if scale == 0
            && let Some((power, _)) = self.word(self.at).and_then(words::scale_prefix)
        {
            // The rest of the word stays a unit.
            return power;
        }
        scale
    }

    /// The unit behind a number, with its powers: `%`, `km/h`, `m^2`, `square metres`, `calories per 100 g`.
    pub fn unit(&mut self) -> Option<(usize, usize)> {
        let first = self.at;
        match self.kind(first)? {
            TokenKind::Percent => self.at += 1,
            TokenKind::Degree => self.at += 1 + usize::from(self.is_glued(first + 1) && self.word(first + 1).is_some()),
            TokenKind::Power if self.is_raised_unit(first + 1) => {
                let is_open = self.kind(first + 1) == Some(TokenKind::Open('{'));
                self.at += 2 + usize::from(is_open);
                self.at += usize::from(is_open && matches!(self.kind(self.at), Some(TokenKind::Close(_))));
            }
            TokenKind::Currency
                if !matches!(
                    self.kind(first + 1),
                    Some(TokenKind::Numeral(_) | TokenKind::Vulgar(..) | TokenKind::Fraction | TokenKind::Dash)
                ) =>
            {
                self.at += 1;
            }
            TokenKind::Dash if self.is_glued(first) && self.is_glued(first + 1) && self.is_unit_word(first + 1) => self.at += 2,
            TokenKind::Word if self.is_unit_word(first) => self.unit_word(),
            TokenKind::Fraction if self.is_unit_fraction(first) => {
                self.at += 1;
                self.skip_group();
                self.skip_group();
            }
            _ => {}
        }
        self.unit_factors();
        if self.at == first {
            return None;
        }
        Some((self.tokens[first].start, self.tokens[self.at - 1].end))
    }

    fn is_unit_word(&self, at: usize) -> bool {
        self.word(at).is_some_and(|word| {
            let is_operator = words::is_operator(word) && self.starts_operand(at + 1);
            let is_label = words::is_label(word) && matches!(self.kind(at + 1), Some(TokenKind::Numeral(_)));
            (!words::ends_quantity(word) || self.is_glued(at)) && !is_operator && !is_label && !words::is_equality(word)
        })
    }

    fn unit_word(&mut self) {
        let begins = self.is_word(self.at, words::begins_unit);
        self.at += 1;
        if begins && self.is_unit_word(self.at) {
            self.at += 1;
        }
        if let Some((_, length)) = self.exponent() {
            self.at += length;
        }
    }

    /// `/h`, `·m`, `per 100 g`.
    fn unit_factors(&mut self) {
        for _ in 0..4 {
            let at = self.at;
            match self.kind(at) {
                Some(TokenKind::Divide | TokenKind::Times) if self.is_unit_word(at + 1) && !self.is_variable(at + 1) => self.at += 1,
                Some(TokenKind::Word) if self.word(at) == Some("per") => {
                    let with_number = usize::from(matches!(self.kind(at + 1), Some(TokenKind::Numeral(_))));
                    if self.word(at + 1 + with_number).is_none() {
                        return;
                    }
                    self.at += 1 + with_number;
                }
                _ => return,
            }
            self.unit_word();
        }
    }

    /// `\frac{m}{s}`
    pub fn is_unit_fraction(&self, at: usize) -> bool {
        let begins = |at: usize| self.kind(at) == Some(TokenKind::Open('{')) && self.word(at + 1).is_some() && !self.is_variable(at + 1);
        let close = (at + 3..at + 10).find(|&at| self.kind(at) == Some(TokenKind::Close('}')));
        begins(at + 1) && close.is_some_and(|close| begins(close + 1))
    }

    /// `^\circ`, `^{nd}`.
    pub fn is_raised_unit(&self, at: usize) -> bool {
        let at = at + usize::from(self.kind(at) == Some(TokenKind::Open('{')));
        self.kind(at) == Some(TokenKind::Degree) || self.word(at).is_some_and(|word| words::is_one_of(word, &["st", "nd", "rd", "th", "o"]))
    }
}
