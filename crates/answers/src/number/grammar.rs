//! The grammar of quantities, over tokens.
//!
//! ```text
//! expression = operand (operator operand)*
//! operand    = sign? currency? atom power? percent? scale? unit?
//! atom       = numeral | ½ | whole fraction | \frac argument argument | ( expression ) | mathematics that is not evaluated
//! ```
//!
//! An expression is consumed as a whole and has a value only if it is one number: one operand, a quotient of two, a mixed number, or a
//! number times a power. A sum, a range, a ratio `3:4`, two numbers side by side or a multiple of pi is consumed too, without a value. So no
//! part of it can be mistaken for the number.

use super::token::{Token, TokenKind};
use super::value::Value;
use super::words;

/// Brackets and fractions deeper than this have no value. The bound keeps the stack small.
const MAX_DEPTH: usize = 12;

/// A parser with its place in the tokens.
pub(super) struct Grammar<'a> {
    pub text: &'a str,
    pub tokens: &'a [Token],
    pub at: usize,
    depth: usize,
}

/// A value that was read at one place.
pub(super) struct Parsed {
    pub value: Option<Value>,
    /// The bytes of the unit.
    pub unit: Option<(usize, usize)>,
}

/// One operand. The scale word is kept apart, for in `3/4 million` it belongs to the fraction.
struct Operand {
    value: Option<Value>,
    scale: u32,
    unit: Option<(usize, usize)>,
}

impl Operand {
    fn scaled(self) -> Option<Value> {
        let Operand { value, scale, .. } = self;
        value.map(|value| if scale == 0 { value } else { Value::Scaled(Box::new(value), scale) })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Divide,
    Times,
    /// Sums, ranges, ratios: no number follows from them.
    Unevaluated,
    /// Two operands without an operator.
    Beside,
}

impl<'a> Grammar<'a> {
    pub fn new(text: &'a str, tokens: &'a [Token], at: usize) -> Self {
        Grammar { text, tokens, at, depth: 0 }
    }

    pub fn kind(&self, at: usize) -> Option<TokenKind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    pub fn word(&self, at: usize) -> Option<&'a str> {
        let token = self.tokens.get(at).filter(|token| token.kind == TokenKind::Word)?;
        Some(&self.text[token.start..token.end])
    }

    pub fn is_word(&self, at: usize, is_meant: fn(&str) -> bool) -> bool {
        self.word(at).is_some_and(is_meant)
    }

    pub fn is_glued(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is_glued)
    }

    /// Returns true if a number starts at a token, after signs, currencies and brackets.
    pub fn starts_operand(&self, at: usize) -> bool {
        for at in at..at + 6 {
            match self.kind(at) {
                Some(TokenKind::Fraction) => return !self.is_unit_fraction(at),
                Some(TokenKind::Numeral(_) | TokenKind::Vulgar(..)) => return true,
                Some(TokenKind::Foreign) => return self.is_constant(at) || self.starts_number(at + 1),
                Some(TokenKind::Dash | TokenKind::Plus | TokenKind::Currency | TokenKind::Open(_)) => {}
                Some(TokenKind::Word) if self.is_prefix_word(at) => {}
                Some(TokenKind::Stop) if at > 0 && self.is_word(at - 1, words::is_currency_code) => {}
                _ => return false,
            }
        }
        false
    }

    fn starts_number(&self, at: usize) -> bool {
        matches!(self.kind(at), Some(TokenKind::Numeral(_) | TokenKind::Vulgar(..) | TokenKind::Fraction | TokenKind::Open(_)))
    }

    /// Returns true if a piece of mathematics is a number by itself, as `\pi` is and `<` is not.
    fn is_constant(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| {
            let written = &self.text[token.start..token.end];
            matches!(written, "π" | "∞" | "√" | "\\pi" | "\\infty" | "\\sqrt" | "\\tau")
        })
    }

    fn is_prefix_word(&self, at: usize) -> bool {
        self.is_word(at, words::is_minus)
            || self.word(at).is_some_and(|word| {
                let symbol = self.kind(at + 1) == Some(TokenKind::Currency) && self.is_glued(at + 1);
                words::is_currency_code(word) && (symbol || !words::needs_symbol(word))
            })
    }

    pub fn expression(&mut self) -> Parsed {
        self.depth += 1;
        let mut left = self.operand();
        let mut count = 1;
        while let Some((operator, length)) = self.operator() {
            self.at += length;
            let before = self.at;
            let right = self.operand();
            if self.at == before {
                break;
            }
            left = Self::combined(left, operator, right, count);
            count += 1;
        }
        self.depth -= 1;
        Parsed { unit: left.unit, value: left.scaled() }
    }

    fn combined(left: Operand, operator: Operator, right: Operand, count: usize) -> Operand {
        let has_unit = left.unit.is_some();
        let (scale, unit) = (right.scale, right.unit);
        let value = match operator {
            _ if has_unit || count > 1 => None,
            Operator::Divide => left.scaled().zip(right.value).map(|(left, right)| Value::Ratio(left.into(), right.into())),
            Operator::Times if matches!(right.value, Some(Value::Power(..))) => {
                left.scaled().zip(right.value).map(|(left, right)| Value::Product(left.into(), right.into()))
            }
            _ => None,
        };
        Operand { value, scale, unit }
    }

    /// The operator before the next operand, with its count of tokens.
    fn operator(&self) -> Option<(Operator, usize)> {
        let at = self.at;
        let (operator, length) = match self.kind(at)? {
            TokenKind::Divide => (Operator::Divide, 1),
            TokenKind::Times => (Operator::Times, 1),
            TokenKind::Plus | TokenKind::Dash | TokenKind::Power => (Operator::Unevaluated, 1),
            TokenKind::Colon if self.is_glued(at) == self.is_glued(at + 1) && matches!(self.kind(at + 1), Some(TokenKind::Numeral(_))) => {
                (Operator::Unevaluated, 1)
            }
            TokenKind::Word if self.is_word(at, words::is_operator) => {
                let with_by = usize::from(self.word(at + 1).is_some_and(|word| words::is_one_of(word, &["by", "durch", "par", "por"])));
                (Operator::Unevaluated, 1 + with_by)
            }
            TokenKind::Foreign => return Some((Operator::Beside, 0)),
            TokenKind::Numeral(_) | TokenKind::Vulgar(..) | TokenKind::Fraction => (Operator::Beside, 0),
            TokenKind::Open('(' | '{') if self.is_glued(at) && self.starts_operand(at + 1) && self.word(at + 2).is_none() => {
                return Some((Operator::Beside, 0));
            }
            TokenKind::Currency if self.starts_operand(at) => return Some((Operator::Beside, 0)),
            _ => return None,
        };
        self.starts_operand(at + length).then_some((operator, length))
    }

    fn operand(&mut self) -> Operand {
        let (is_negative, mut money) = self.prefix();
        let atom = self.atom();
        let value = self.powers(atom);
        let value = self.mixed(value);
        let value = self.variable(value);
        let scale = self.scale(money.is_some());
        let unit = self.unit();
        if money.is_none() {
            money = unit.map(|(start, end)| &self.text[start..end]);
        }
        let value = value.filter(|value| !is_ambiguous_point(value, money));
        Operand { value: value.map(|value| if is_negative { Value::Negative(value.into()) } else { value }), scale, unit }
    }

    /// Signs and currencies before a number: whether they make it negative, and the currency.
    fn prefix(&mut self) -> (bool, Option<&'a str>) {
        let (mut is_negative, mut money) = (false, None);
        for _ in 0..6 {
            match self.kind(self.at) {
                Some(TokenKind::Dash) => is_negative = !is_negative,
                Some(TokenKind::Plus) => {}
                Some(TokenKind::Currency) => money = self.tokens.get(self.at).map(|token| &self.text[token.start..token.end]),
                Some(TokenKind::Word) if self.is_word(self.at, words::is_minus) => is_negative = !is_negative,
                Some(TokenKind::Word) if self.is_prefix_word(self.at) => money = self.word(self.at),
                Some(TokenKind::Stop) if money.is_some() && self.starts_operand(self.at + 1) => {}
                _ => break,
            }
            self.at += 1;
        }
        (is_negative, money)
    }

    fn atom(&mut self) -> Option<Value> {
        let kind = self.kind(self.at)?;
        if self.depth > MAX_DEPTH {
            self.at += 1;
            return None;
        }
        match kind {
            TokenKind::Numeral(numeral) => {
                self.at += 1;
                numeral.map(Value::Numeral)
            }
            TokenKind::Vulgar(numerator, denominator) => {
                self.at += 1;
                Some(Value::Small(numerator, denominator))
            }
            TokenKind::Fraction => self.fraction(),
            TokenKind::Open(_) => self.group(),
            TokenKind::Foreign => {
                self.at += 1;
                let mut has_argument = false;
                while matches!(self.kind(self.at), Some(TokenKind::Open(_))) && self.is_glued(self.at) {
                    self.skip_group();
                    has_argument = true;
                }
                if !has_argument && self.starts_operand(self.at) {
                    self.depth += 1;
                    self.operand();
                    self.depth -= 1;
                }
                None
            }
            _ => None,
        }
    }

    /// `(-8)`. A bracket that holds more than an expression has no value.
    fn group(&mut self) -> Option<Value> {
        let is_list = self.kind(self.at) != Some(TokenKind::Open('{'));
        self.at += 1;
        if !self.starts_operand(self.at) {
            return None;
        }
        let inside = self.at;
        let Parsed { value, .. } = self.expression();
        let is_pair = is_list && matches!(self.kind(inside), Some(TokenKind::Numeral(Some(numeral))) if numeral.has_decimal_comma);
        let is_closed = matches!(self.kind(self.at), Some(TokenKind::Close(_)));
        self.at += usize::from(is_closed);
        // The first bracket of an item may belong to the sentence: `(72 clips in all)`.
        value.filter(|_| !is_pair && (is_closed || self.depth == 1))
    }

    /// `\frac{3}{4}`, `\frac34`, `\frac3{4}`.
    fn fraction(&mut self) -> Option<Value> {
        self.at += 1;
        if let Some(TokenKind::Numeral(Some(numeral))) = self.kind(self.at)
            && let Some(token) = self.tokens.get(self.at)
            && let &[numerator @ b'0'..=b'9', denominator @ b'0'..=b'9'] = &self.text.as_bytes()[token.start..token.end]
            && numeral.is_whole
        {
            self.at += 1;
            return Some(Value::Small(u32::from(numerator - b'0'), u32::from(denominator - b'0')));
        }
        let numerator = self.argument();
        let denominator = self.argument();
        Some(Value::Ratio(numerator?.into(), denominator?.into()))
    }

    fn argument(&mut self) -> Option<Value> {
        match self.kind(self.at)? {
            TokenKind::Open('{') => self.group_in_braces(),
            TokenKind::Numeral(numeral) => {
                let is_one_digit = self.tokens[self.at].end - self.tokens[self.at].start == 1;
                self.at += 1;
                numeral.filter(|_| is_one_digit).map(Value::Numeral)
            }
            _ => None,
        }
    }

    fn group_in_braces(&mut self) -> Option<Value> {
        let open = self.at;
        self.at += 1;
        if self.starts_operand(self.at) {
            let Parsed { value, unit } = self.expression();
            if self.kind(self.at) == Some(TokenKind::Close('}')) {
                self.at += 1;
                return value.filter(|_| unit.is_none());
            }
        }
        self.at = open.max(self.at.saturating_sub(1));
        self.skip_group();
        None
    }

    /// Skips to the end of the bracket that is open here, or of the line.
    pub fn skip_group(&mut self) {
        let mut open = 0_usize;
        while let Some(kind) = self.kind(self.at).filter(|&kind| kind != TokenKind::Line) {
            self.at += 1;
            match kind {
                TokenKind::Open(_) => open += 1,
                TokenKind::Close(_) => open = open.saturating_sub(1),
                _ => {}
            }
            if open == 0 && matches!(kind, TokenKind::Close(_)) {
                break;
            }
        }
    }

    /// Exponents behind an atom: `^2`, `^{-3}`, `**10`, `²`.
    fn powers(&mut self, atom: Option<Value>) -> Option<Value> {
        let mut value = atom;
        let mut is_raised = false;
        while let Some((exponent, length)) = self.exponent() {
            self.at += length;
            let whole = value.filter(|_| !is_raised);
            value = whole.zip(exponent).map(|(base, exponent)| Value::Power(base.into(), exponent));
            is_raised = true;
        }
        if self.kind(self.at) == Some(TokenKind::Power) && !self.is_raised_unit(self.at + 1) {
            self.at += 1;
            if matches!(self.kind(self.at), Some(TokenKind::Open(_))) {
                self.skip_group();
            }
            return None;
        }
        value
    }

    pub fn exponent(&self) -> Option<(Option<i32>, usize)> {
        match self.kind(self.at)? {
            TokenKind::Superscript(exponent) => return Some((exponent, 1)),
            TokenKind::Power => {}
            _ => return None,
        }
        let is_open = matches!(self.kind(self.at + 1), Some(TokenKind::Open(_)));
        let sign = self.at + 1 + usize::from(is_open);
        let is_negative = self.kind(sign) == Some(TokenKind::Dash);
        let at = sign + usize::from(is_negative);
        let Some(TokenKind::Numeral(numeral)) = self.kind(at) else { return None };
        let is_closed = !is_open || matches!(self.kind(at + 1), Some(TokenKind::Close(_)));
        let whole = numeral.filter(|numeral| numeral.is_whole && is_closed).map(|_| self.tokens[at].clone());
        let magnitude: Option<i32> = whole.and_then(|token| self.text[token.start..token.end].parse().ok());
        let exponent = magnitude.map(|magnitude| if is_negative { -magnitude } else { magnitude });
        Some((exponent, at + 1 - self.at + usize::from(is_open && is_closed)))
    }

    /// `1 1/2`, `1½`, `1\frac{1}{2}`, `1 and 1/2`.
    fn mixed(&mut self, value: Option<Value>) -> Option<Value> {
        let Some(whole) = value.as_ref().filter(|value| value.is_whole()) else { return value };
        let with_and = usize::from(self.word(self.at) == Some("and"));
        let first = self.at + with_and;
        let is_quotient = matches!(self.kind(first), Some(TokenKind::Numeral(_)))
            && self.kind(first + 1) == Some(TokenKind::Divide)
            && matches!(self.kind(first + 2), Some(TokenKind::Numeral(_)))
            && self.is_glued(first + 1)
            && self.is_glued(first + 2);
        let fraction = match self.kind(first) {
            Some(TokenKind::Vulgar(numerator, denominator)) => Some((Value::Small(numerator, denominator), 1)),
            Some(TokenKind::Numeral(Some(numerator))) if is_quotient => match self.kind(first + 2) {
                Some(TokenKind::Numeral(Some(denominator))) => {
                    Some((Value::Ratio(Value::Numeral(numerator).into(), Value::Numeral(denominator).into()), 3))
                }
                _ => None,
            },
            Some(TokenKind::Fraction) => {
                self.at = first;
                let fraction = self.fraction()?;
                Some((fraction, self.at - first))
            }
            _ => None,
        };
        match fraction.filter(|(fraction, _)| fraction.is_proper_fraction(self.text)) {
            Some((fraction, length)) => {
                let mixed = Value::Mixed(whole.clone().into(), fraction.into());
                self.at = first + length;
                Some(mixed)
            }
            // `5\frac{7}{2}` has two meanings.
            None => value.filter(|_| self.at <= first),
        }
    }

    /// `3x` and `2i` are no numbers.
    fn variable(&mut self, value: Option<Value>) -> Option<Value> {
        if self.is_glued(self.at) && self.is_variable(self.at) {
            self.at += 1;
            return None;
        }
        value
    }

    pub fn is_variable(&self, at: usize) -> bool {
        matches!(self.word(at), Some("x" | "y" | "z" | "n" | "i"))
    }
}

/// `1.200 €` means 1.2 in one country and 1200 in the next.
fn is_ambiguous_point(value: &Value, money: Option<&str>) -> bool {
    let is_euro = money.is_some_and(|money| money.contains('€') || words::is_one_of(money, &["eur", "euro", "euros"]));
    is_euro && matches!(value, Value::Numeral(numeral) if numeral.is_point_before_three)
}
