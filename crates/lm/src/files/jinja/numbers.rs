//! Arithmetic as Python does it.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// A number of Python. Whole numbers beyond 128 bits are errors.
#[derive(Clone, Copy)]
pub(super) enum Number {
    Whole(i128),
    Float(f64),
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

impl Number {
    /// The number of a value. A boolean is one.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value.kind() {
            ValueKind::Bool => Some(Number::Whole(value.is_true().into())),
            ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok().map(Number::Whole),
            ValueKind::Number => f64::try_from(value.clone()).ok().map(Number::Float),
            _ => None,
        }
    }

    pub(super) fn float(self) -> f64 {
        match self {
            Number::Whole(whole) => whole as f64,
            Number::Float(float) => float,
        }
    }

    fn is_zero(self) -> bool {
        self.float() == 0.0
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        match number {
            Number::Whole(whole) => i64::try_from(whole).map_or_else(|_| Value::from(whole), Value::from),
            Number::Float(float) => Value::from(float),
        }
    }
}

/// The result of an operator between two numbers.
pub(super) fn calculate(operator: &str, a: Number, b: Number) -> Result<Value, Error> {
    if matches!(operator, "/" | "//" | "%") && b.is_zero() {
        return Err(invalid("division by zero"));
    }
    let number = match (a, b) {
        (Number::Whole(a), Number::Whole(b)) if operator != "/" && !(operator == "**" && b < 0) => {
            let result = match operator {
                "+" => a.checked_add(b),
                "-" => a.checked_sub(b),
                "*" => a.checked_mul(b),
                "//" => whole_quotient(a, b),
                "%" => whole_quotient(a, b).and_then(|quotient| a.checked_sub(quotient.checked_mul(b)?)),
                _ => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
            };
            Number::Whole(result.ok_or_else(|| invalid(format!("the result of {a} {operator} {b} has more than 128 bits")))?)
        }
        _ => {
            let (a, b) = (a.float(), b.float());
            Number::Float(match operator {
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                "/" => a / b,
                "//" => (a / b).floor(),
                "%" => a - b * (a / b).floor(),
                _ => a.powf(b),
            })
        }
    };
    Ok(number.into())
}

/// The quotient that is rounded down.
fn whole_quotient(a: i128, b: i128) -> Option<i128> {
    let quotient = a.checked_div(b)?;
    Some(if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
}

/// A float as Python's `repr` writes it.
pub(super) fn float_text(float: f64) -> String {
    if float.is_nan() {
        return "nan".into();
    }
    if float.is_infinite() {
        return if float > 0.0 { "inf" } else { "-inf" }.into();
    }
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        return format!("{float:?}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
