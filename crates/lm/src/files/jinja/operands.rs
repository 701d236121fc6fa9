//! Rewrites names, literals and brackets with what stands behind them: attributes, subscripts and calls.

use super::expressions::{Bond, Code};
use super::literals::with_known_escapes;
use super::nesting::{METERED, PAID, SHALLOW, SHORT};
use super::reader::{Read, Reader};

impl Reader<'_> {
    /// A name, literal or bracket with attributes, subscripts and calls.
    pub(super) fn operand(&mut self) -> Read<Code> {
        let mut code = self.primary()?;
        loop {
            match self.peek() {
                "." => {
                    let point = self.next()?;
                    let is_key = self.lexeme().is_some_and(|lexeme| lexeme.is_name() || lexeme.is_number());
                    let key = if is_key { self.next()? } else { return Err(self.unexpected("a name or a number")) };
                    // A loop compares what `changed` gets with what it got before.
                    let arguments = if key == "changed" && self.peek() == "(" { self.paid_arguments()? } else { String::new() };
                    code = Code::new([code.primary(), point, key, arguments].concat(), Bond::Primary);
                }
                "(" => code = Code::new(code.primary() + &self.arguments()?, Bond::Primary),
                "[" => code = self.subscript(code)?,
                _ => return Ok(code),
            }
        }
    }

    fn subscript(&mut self, code: Code) -> Read<Code> {
        let bracket = self.next()?;
        let mut parts = vec![None];
        while self.peek() != "]" {
            if self.skip(":") {
                parts.push(None);
            } else if parts.last().is_some_and(Option::is_some) {
                return Err(self.unexpected("`]`"));
            } else {
                let part = self.expression()?;
                parts.pop();
                parts.push(Some(part));
            }
        }
        let close = self.next()?;
        if parts.len() > 1 {
            parts.resize_with(3, || None);
            let parts: Vec<String> = parts.into_iter().map(|part| part.map_or_else(|| "none".into(), Code::into_text)).collect();
            return Ok(code.filtered("_slice", &parts.join(", ")));
        }
        let key = parts.pop().flatten().ok_or_else(|| "syntax error: a subscript is empty".to_owned())?;
        let code = if key.is_short_key() { code } else { code.filtered(PAID, "") };
        Ok(Code::new(code.primary() + &bracket + &key.into_key() + &close, Bond::Primary))
    }

    /// The arguments of a call, in their parentheses. They are passed on as they are: who is called pays.
    pub(super) fn arguments(&mut self) -> Read<String> {
        self.arguments_with(|argument, _| argument.into_text(), METERED)
    }

    /// The same for who does not pay.
    pub(super) fn paid_arguments(&mut self) -> Read<String> {
        self.arguments_with(|argument, _| argument.into_key(), METERED)
    }

    /// The same with a short `attribute`, which may be the first argument: its name is divided into parts for each item.
    pub(super) fn arguments_with_attribute(&mut self, is_first: bool) -> Read<String> {
        let argument = |argument: Code, place: &str| {
            let is_attribute = place.trim() == "attribute" || is_first && place == "0";
            if is_attribute { argument.into_short() } else { argument.into_key() }
        };
        self.arguments_with(argument, SHORT)
    }

    /// `argument` gets the name of an argument, or else its number. `spread` is the filter of a list or a dict of arguments.
    fn arguments_with(&mut self, argument: impl Fn(Code, &str) -> String, spread: &str) -> Read<String> {
        let (mut text, mut number) = (self.expect("(")?, 0);
        while self.peek() != ")" {
            if let star @ ("*" | "**") = self.peek() {
                self.advance(1);
                text.extend([" ", star, &self.expression()?.filtered(spread, "").text]);
            } else {
                let mut place = number.to_string();
                if self.ahead(1) == "=" {
                    place = self.next_name()?;
                    text += &(place.clone() + &self.next()?);
                }
                text += &argument(self.expression()?, &place);
            }
            number += 1;
            if self.peek() != ")" {
                text += &self.expect(",")?;
            }
        }
        Ok(text + &self.next()?)
    }

    fn primary(&mut self) -> Read<Code> {
        let Some(lexeme) = self.lexeme() else { return Err(self.unexpected("an expression")) };
        if lexeme.is_string() {
            return self.strings();
        }
        if lexeme.is_number() {
            return Ok(Code::new(self.next()?, Bond::Constant));
        }
        match lexeme.text {
            "(" => self.parenthesis(),
            "[" => self.list(),
            "{" => self.dict(),
            "true" | "True" | "false" | "False" | "none" | "None" => Ok(Code::new(self.next()?, Bond::Constant)),
            _ => Ok(Code::new(self.next_name()?, Bond::Primary)),
        }
    }

    /// Strings that follow one another are one.
    fn strings(&mut self) -> Read<Code> {
        let mut text = String::new();
        while self.lexeme().is_some_and(|lexeme| lexeme.is_string()) {
            text += &with_known_escapes(&self.next()?);
        }
        Ok(Code::new(text, Bond::Constant))
    }

    fn parenthesis(&mut self) -> Read<Code> {
        let mut text = self.next()?;
        let (mut items, mut constant, mut comma) = (0, true, false);
        while self.peek() != ")" {
            let item = self.expression()?;
            constant &= item.is_constant();
            text += &item.text;
            items += 1;
            if self.peek() != ")" {
                text += &self.expect(",")?;
                comma = true;
            }
        }
        text += &self.next()?;
        let is_tuple = comma || items == 0;
        let code = Code::new(text, if constant { Bond::Constant } else { Bond::Primary });
        Ok(if is_tuple && !constant { code.filtered(SHALLOW, "0") } else { code })
    }

    fn list(&mut self) -> Read<Code> {
        let mut text = self.next()?;
        let mut constant = true;
        while self.peek() != "]" {
            let item = self.expression()?;
            constant &= item.is_constant();
            text += &item.text;
            if self.peek() != "]" {
                text += &self.expect(",")?;
            }
        }
        Ok(Self::shallow(text + &self.next()?, constant))
    }

    fn dict(&mut self) -> Read<Code> {
        let mut text = self.next()?;
        let mut constant = true;
        while self.peek() != "}" {
            let key = self.expression()?;
            constant &= key.is_constant();
            text += &key.into_key();
            text += &self.expect(":")?;
            let value = self.expression()?;
            constant &= value.is_constant();
            text += &value.text;
            if self.peek() != "}" {
                text += &self.expect(",")?;
            }
        }
        Ok(Self::shallow(text + &self.next()?, constant))
    }

    fn shallow(text: String, constant: bool) -> Code {
        if constant { Code::new(text, Bond::Constant) } else { Code::new(text, Bond::Primary).filtered(SHALLOW, "0") }
    }
}
