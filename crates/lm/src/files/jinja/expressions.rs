//! Rewrites expressions: each operator becomes a filter of [`super::operators`], which does what Python does and pays for its work.
//!
//! `a + b * c == d` becomes `a|_add(b|_mul(c))|_eq(d)`. The words `and`, `or`, `not` and `if` stay, because they may leave out a part.

use super::nesting::{LONGEST, METERED, SHALLOW, SHORT};
use super::reader::{Read, Reader};

/// How closely the parts of a rewritten expression belong together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bond {
    /// A literal.
    Constant,
    /// Attributes, subscripts and calls may follow.
    Primary,
    /// Filters may follow.
    Filtered,
    /// It needs parentheses before anything follows.
    Loose,
}

/// A rewritten expression.
pub(super) struct Code {
    pub(super) text: String,
    bond: Bond,
}

impl Code {
    pub(super) fn new(text: impl Into<String>, bond: Bond) -> Self {
        Code { text: text.into(), bond }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn is_constant(&self) -> bool {
        self.bond == Bond::Constant
    }

    pub(super) fn filtered(self, filter: &str, arguments: &str) -> Self {
        let operand = if self.bond == Bond::Loose { format!("({})", self.text) } else { self.text };
        let arguments = if arguments.is_empty() { String::new() } else { format!("({arguments})") };
        Code { text: format!("{operand}|{filter}{arguments}"), bond: Bond::Filtered }
    }

    /// The text with something behind it that no filter may precede.
    pub(super) fn primary(self) -> String {
        if matches!(self.bond, Bond::Constant | Bond::Primary) { self.text } else { format!("({})", self.text) }
    }

    /// Returns whether it is a key that is found at once, even in a text.
    pub(super) fn is_short_key(&self) -> bool {
        self.is_constant() && (self.text.trim().len() == 1 || self.text.trim_start().starts_with(['\'', '"']))
    }

    /// The text as a key, the work for which is paid.
    pub(super) fn into_key(self) -> String {
        if self.is_constant() { self.text } else { self.filtered(METERED, "").text }
    }

    /// The text as a short argument.
    pub(super) fn into_short(self) -> String {
        let is_short = self.text.trim_start().starts_with(['\'', '"']) && self.text.len() <= LONGEST;
        if self.is_constant() && is_short { self.text } else { self.filtered(SHORT, "").text }
    }
}

impl Reader<'_> {
    /// Expressions between commas; several are a tuple.
    pub(super) fn tuple(&mut self) -> Read<String> {
        let first = self.expression()?;
        self.rest_of_tuple(first, Self::expression)
    }

    /// The same without conditions, as in `for x in a, b if c`.
    pub(super) fn tuple_without_condition(&mut self) -> Read<String> {
        let first = self.either()?;
        self.rest_of_tuple(first, Self::either)
    }

    fn rest_of_tuple(&mut self, first: Code, item: fn(&mut Self) -> Read<Code>) -> Read<String> {
        if self.peek() != "," {
            return Ok(first.text);
        }
        let mut text = first.text;
        while self.skip(",") && !["", "if", "recursive"].contains(&self.peek()) {
            text = text + ", " + &item(self)?.text;
        }
        Ok(format!("({text},)|{SHALLOW}(0)"))
    }

    /// `a if b else c`
    pub(super) fn expression(&mut self) -> Read<Code> {
        let mut code = self.either()?;
        let mut text = String::new();
        while self.peek() == "if" {
            text += &(code.text + &self.next()? + &self.either()?.text);
            code = Code::new("", Bond::Loose);
            if self.peek() != "else" {
                break;
            }
            text += &self.next()?;
            code = self.either()?;
        }
        Ok(if text.is_empty() { code } else { Code::new(text + &code.text, Bond::Loose) })
    }

    fn either(&mut self) -> Read<Code> {
        self.chain("or", Self::both)
    }

    fn both(&mut self) -> Read<Code> {
        self.chain("and", Self::negated)
    }

    fn chain(&mut self, word: &str, operand: fn(&mut Self) -> Read<Code>) -> Read<Code> {
        let mut code = operand(self)?;
        while self.peek() == word {
            let text = code.text + &self.next()? + &operand(self)?.text;
            code = Code::new(text, Bond::Loose);
        }
        Ok(code)
    }

    fn negated(&mut self) -> Read<Code> {
        let mut negations = String::new();
        while self.peek() == "not" && self.ahead(1) != "in" {
            negations += &self.next()?;
        }
        let code = self.comparison()?;
        Ok(if negations.is_empty() { code } else { Code::new(negations + " " + &code.text, Bond::Loose) })
    }

    /// `a < b < c` is `a < b and b < c`.
    fn comparison(&mut self) -> Read<Code> {
        let mut left = self.sum()?;
        let mut compared: Vec<String> = Vec::new();
        while let Some(filter) = self.comparing_filter() {
            let right = self.sum()?;
            compared.push(left.filtered(filter, &right.text).text);
            left = right;
        }
        Ok(match compared.len() {
            0 => left,
            1 => Code::new(compared.remove(0), Bond::Filtered),
            _ => Code::new(compared.join(" and "), Bond::Loose),
        })
    }

    fn comparing_filter(&mut self) -> Option<&'static str> {
        let (filter, lexemes) = match (self.peek(), self.ahead(1)) {
            ("==", _) => ("_eq", 1),
            ("!=", _) => ("_ne", 1),
            ("<", _) => ("_lt", 1),
            ("<=", _) => ("_le", 1),
            (">", _) => ("_gt", 1),
            (">=", _) => ("_ge", 1),
            ("in", _) => ("_in", 1),
            ("not", "in") => ("_not_in", 2),
            _ => return None,
        };
        self.advance(lexemes);
        Some(filter)
    }

    fn sum(&mut self) -> Read<Code> {
        self.operators(&[("+", "_add"), ("-", "_sub")], Self::concatenation)
    }

    fn concatenation(&mut self) -> Read<Code> {
        self.operators(&[("~", "_concat")], Self::product)
    }

    fn product(&mut self) -> Read<Code> {
        self.operators(&[("*", "_mul"), ("/", "_div"), ("//", "_floordiv"), ("%", "_mod")], Self::power)
    }

    fn power(&mut self) -> Read<Code> {
        self.operators(&[("**", "_pow")], Self::signed)
    }

    fn operators(&mut self, filters: &[(&str, &'static str)], operand: fn(&mut Self) -> Read<Code>) -> Read<Code> {
        let mut code = operand(self)?;
        while let Some((_, filter)) = filters.iter().find(|(operator, _)| *operator == self.peek()) {
            let blanks = self.next()?;
            let right = operand(self)?;
            let line_ends = "\n".repeat(blanks.matches('\n').count());
            code = code.filtered(filter, &(line_ends + &right.text));
        }
        Ok(code)
    }

    /// Signs, an operand and its filters and tests.
    fn signed(&mut self) -> Read<Code> {
        let mut signs = Vec::new();
        while let sign @ ("-" | "+") = self.peek() {
            signs.push(sign);
            self.advance(1);
        }
        let is_number = self.lexeme().is_some_and(|lexeme| lexeme.is_number());
        let mut code = self.operand()?;
        if is_number && signs == ["-"] {
            return self.filters_and_tests(Code::new(format!(" -{}", code.text.trim_start()), code.bond));
        }
        for sign in signs.iter().rev() {
            let filter = if *sign == "-" { "_neg" } else { "_pos" };
            code = code.filtered(filter, "");
        }
        self.filters_and_tests(code)
    }

    fn filters_and_tests(&mut self, mut code: Code) -> Read<Code> {
        loop {
            match self.peek() {
                "|" => code = self.filter(code)?,
                "is" => code = self.test(code)?,
                "(" => code = Code::new(code.primary() + &self.arguments()?, Bond::Primary),
                _ => return Ok(code),
            }
        }
    }

    /// `|name(arguments)`. Some filters compare or show values, and `map` applies them: what they work on is paid for.
    fn filter(&mut self, code: Code) -> Read<Code> {
        const COMPARING: [&str; 9] = ["dictsort", "groupby", "join", "map", "max", "min", "pprint", "sort", "unique"];
        self.expect("|")?;
        let name = self.next_name()?;
        let code = if COMPARING.contains(&name.trim()) { code.filtered(METERED, "") } else { code };
        let arguments = if self.peek() == "(" { self.arguments_of(&name)? } else { String::new() };
        Ok(Code { text: code.filtered(&name, "").text + &arguments, bond: Bond::Filtered })
    }

    /// The arguments of a filter.
    fn arguments_of(&mut self, filter: &str) -> Read<String> {
        match filter.trim() {
            "groupby" | "rejectattr" | "selectattr" => self.arguments_with_attribute(true),
            "map" | "max" | "min" | "sort" | "unique" => self.arguments_with_attribute(false),
            _ => self.paid_arguments(),
        }
    }

    /// The filters of `{% filter a|b %}` and `{% set x|a %}`.
    pub(super) fn filter_chain(&mut self) -> Read<String> {
        let mut text = String::new();
        loop {
            let name = self.next_name()?;
            let arguments = if self.peek() == "(" { self.arguments_of(&name)? } else { String::new() };
            text += &(name + &arguments);
            if self.peek() != "|" {
                return Ok(text);
            }
            text += &self.next()?;
        }
    }

    fn test(&mut self, code: Code) -> Read<Code> {
        let operand = if code.bond == Bond::Loose { format!("({})", code.text) } else { code.text };
        let mut text = operand + &self.next()?;
        if self.peek() == "not" {
            text += &self.next()?;
        }
        let name = self.next_name()?;
        text += &name;
        let next = self.lexeme();
        let begins = next.is_some_and(|lexeme| lexeme.is_string() || lexeme.is_number() || ["[", "{"].contains(&lexeme.text))
            || next.is_some_and(|lexeme| {
                lexeme.is_name() && !["else", "or", "and", "is", "if", "not", "in", "recursive"].contains(&lexeme.text)
            });
        if self.peek() == "(" {
            text += &self.arguments()?;
        } else if begins {
            text.extend(["(", &self.operand()?.text, ")"]);
        }
        Ok(Code::new(text, Bond::Loose))
    }
}
