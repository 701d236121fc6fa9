//! The arguments of a filter or a method, by place or by name as in Python.

use minijinja::value::Kwargs;
use minijinja::{Error, Value};
use std::cell::Cell;

/// Arguments that are asked for in the order of their places.
pub(super) struct Given<'a> {
    placed: &'a [Value],
    named: &'a Kwargs,
    at: Cell<usize>,
}

impl<'a> Given<'a> {
    pub(super) fn new(placed: &'a [Value], named: &'a Kwargs) -> Self {
        Given { placed, named, at: Cell::new(0) }
    }

    /// The next argument, if it was given.
    pub(super) fn get(&self, name: &str) -> Result<Option<Value>, Error> {
        let at = self.at.replace(self.at.get() + 1);
        match self.placed.get(at) {
            Some(value) => Ok(Some(value.clone())),
            None if self.named.has(name) => self.named.get::<Value>(name).map(Some),
            None => Ok(None),
        }
    }

    /// The same as a number.
    pub(super) fn number(&self, name: &str, default: i64) -> Result<i64, Error> {
        self.get(name)?.filter(|value| !value.is_none()).map_or(Ok(default), i64::try_from)
    }

    /// The same as a switch, which is off if it is not given.
    pub(super) fn is_on(&self, name: &str) -> Result<bool, Error> {
        Ok(self.get(name)?.is_some_and(|value| value.is_true()))
    }

    /// The same as a text.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        Ok(self.get(name)?.filter(|value| !value.is_none()).map(|value| value.to_string()))
    }

    /// Refuses arguments that nothing asked for.
    pub(super) fn end(&self) -> Result<(), Error> {
        if self.placed.len() > self.at.get() {
            return Err(minijinja::ErrorKind::TooManyArguments.into());
        }
        self.named.assert_all_used()
    }
}
