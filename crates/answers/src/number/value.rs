//! The value of an expression, evaluated only on request.

use super::exact::Number;
use super::numeral::Numeral;

/// A readable number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Numeral(Numeral),
    /// A numerator and a denominator below 1,000, as in `½` or `\frac34`.
    Small(u32, u32),
    Negative(Box<Value>),
    Ratio(Box<Value>, Box<Value>),
    Product(Box<Value>, Box<Value>),
    /// `1 1/2`: a whole number and a fraction.
    Mixed(Box<Value>, Box<Value>),
    Power(Box<Value>, i32),
    /// Times a power of ten: `1.5 million`.
    Scaled(Box<Value>, u32),
}

impl Value {
    /// The number; `None` if it is too large or a division by zero.
    pub fn evaluate(&self, text: &str) -> Option<Number> {
        match self {
            Value::Numeral(numeral) => numeral.value(text),
            &Value::Small(numerator, denominator) => Number::from_ratio(numerator, denominator),
            Value::Negative(value) => Some(value.evaluate(text)?.negated()),
            Value::Ratio(numerator, denominator) => numerator.evaluate(text)?.divided_by(&denominator.evaluate(text)?),
            Value::Product(one, other) => one.evaluate(text)?.times(&other.evaluate(text)?),
            Value::Mixed(whole, fraction) => whole.evaluate(text)?.plus(&fraction.evaluate(text)?),
            Value::Power(base, exponent) => base.evaluate(text)?.power(*exponent),
            Value::Scaled(value, power) => value.evaluate(text)?.times_power_of_ten(*power),
        }
    }

    /// Returns true if the value can be the whole part of a mixed number.
    pub fn is_whole(&self) -> bool {
        matches!(self, Value::Numeral(numeral) if numeral.is_whole)
    }

    /// Returns true if the value is a fraction of two whole numbers below 1, as in a mixed number.
    pub fn is_proper_fraction(&self, text: &str) -> bool {
        match self {
            Value::Small(numerator, denominator) => numerator < denominator,
            Value::Ratio(numerator, denominator) if numerator.is_whole() && denominator.is_whole() => {
                numerator.evaluate(text).zip(denominator.evaluate(text)).is_some_and(|(n, d)| n < d)
            }
            _ => false,
        }
    }
}
