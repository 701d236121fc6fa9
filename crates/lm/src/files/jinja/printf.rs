//! `'%s and %d' % (a, b)` as Python formats it.

use super::numbers::{Number, float_text, invalid};
use super::operators::{items, type_name};
use super::repr::{Text, repr, text_of};
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

/// The widest place and the most digits behind a point.
const MOST: usize = 1 << 20;
/// The most digits behind the point of a number, which is the most that Rust can write.
const MOST_DIGITS: usize = u16::MAX as usize;

/// A text with values in the places that begin with `%`: a tuple holds one value for each place, a dict those that are named, and any other
/// value is the only one.
pub(super) fn format(state: &State<'_, '_>, format: &str, values: &Value) -> Result<String, Error> {
    let named = values.kind() == ValueKind::Map;
    let single = !values.is_tuple();
    let listed = if single { vec![values.clone()] } else { items(state, values)? };
    let mut left = listed.into_iter();
    let mut text = Text::new(state);
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        text.push(&rest[..at])?;
        let mut place = Place::default();
        rest = &rest[at + 1..];
        let mut next = || left.next().ok_or_else(|| invalid("not enough arguments for format string"));
        let key = read_key(&mut rest)?;
        place.read_flags(&mut rest);
        place.width = place.read_number(&mut rest, &mut next)?;
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            place.digits = Some(place.read_number(&mut rest, &mut next)?.unwrap_or(0));
        }
        rest = rest.trim_start_matches(['h', 'l', 'L']);
        let code = rest.chars().next().ok_or_else(|| invalid("incomplete format"))?;
        rest = &rest[code.len_utf8()..];
        if code == '%' {
            text.push("%")?;
            continue;
        }
        let value = match key {
            Some(key) if named => values.get_item(&Value::from(key))?,
            Some(_) => return Err(invalid("format requires a mapping")),
            None => next()?,
        };
        text.push(&place.filled(state, code, &value)?)?;
    }
    text.push(rest)?;
    if left.next().is_some() && !(single && is_ignored(values)) {
        return Err(invalid("not all arguments converted during string formatting"));
    }
    Ok(text.into_text())
}

/// The key of `%(key)s`.
fn read_key<'a>(rest: &mut &'a str) -> Result<Option<&'a str>, Error> {
    let Some(after) = rest.strip_prefix('(') else { return Ok(None) };
    let (key, after) = after.split_once(')').ok_or_else(|| invalid("incomplete format key"))?;
    *rest = after;
    Ok(Some(key))
}

/// Lists and dicts may be left over.
fn is_ignored(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Map)
}

/// A text whose other characters are escaped.
fn ascii(text: &str) -> String {
    let escaped = |c: char| match u32::from(c) {
        0..0x80 => c.to_string(),
        code @ 0x80..0x100 => format!("\\x{code:02x}"),
        code @ 0x100..0x10000 => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    };
    text.chars().map(escaped).collect()
}

/// The part of a format between `%` and its letter.
#[derive(Default)]
struct Place {
    flags: String,
    width: Option<usize>,
    digits: Option<usize>,
}

impl Place {
    fn read_flags(&mut self, rest: &mut &str) {
        let (flags, after) = rest.split_at(rest.find(|c| !"-+ 0#".contains(c)).unwrap_or(rest.len()));
        flags.clone_into(&mut self.flags);
        *rest = after;
    }

    fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    /// Digits, or the next value for a star. A negative width means that the text is at the left.
    fn read_number(&mut self, rest: &mut &str, next: &mut impl FnMut() -> Result<Value, Error>) -> Result<Option<usize>, Error> {
        let number = if let Some(after) = rest.strip_prefix('*') {
            *rest = after;
            let star = i64::try_from(next()?)?;
            self.flags.push_str(if star < 0 { "-" } else { "" });
            Some(usize::try_from(star.unsigned_abs()).unwrap_or(usize::MAX))
        } else {
            let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
            *rest = after;
            (!digits.is_empty()).then(|| digits.parse().unwrap_or(usize::MAX))
        };
        match number {
            Some(number) if number > MOST => Err(invalid(format!("a format has the number {number}, expected at most {MOST}"))),
            number => Ok(number),
        }
    }

    /// The value as text of the width.
    fn filled(&self, state: &State<'_, '_>, code: char, value: &Value) -> Result<String, Error> {
        state.consume_fuel(((self.width.unwrap_or(0) + self.digits.unwrap_or(0)) / 64) as u64)?;
        let cut = |text: String| self.digits.map_or(text.clone(), |digits| text.chars().take(digits).collect());
        let (sign, body) = match code {
            's' => ("", cut(text_of(state, value)?)),
            'r' => ("", cut(repr(state, value)?)),
            'a' => ("", cut(ascii(&repr(state, value)?))),
            'c' => ("", character(value)?),
            'd' | 'i' | 'u' => self.whole(code, value, |number| number.to_string(), "")?,
            'x' => self.whole(code, value, |number| format!("{number:x}"), "0x")?,
            'X' => self.whole(code, value, |number| format!("{number:X}"), "0X")?,
            'o' => self.whole(code, value, |number| format!("{number:o}"), "0o")?,
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' => self.float(code, value)?,
            other => return Err(invalid(format!("unsupported format character '{other}'"))),
        };
        let missing = self.width.unwrap_or(0).saturating_sub(sign.chars().count() + body.chars().count());
        let is_number = !matches!(code, 's' | 'r' | 'a' | 'c');
        Ok(match (self.has('-'), self.has('0') && is_number) {
            (true, _) => format!("{sign}{body}{}", " ".repeat(missing)),
            (false, true) => format!("{sign}{}{body}", "0".repeat(missing)),
            (false, false) => format!("{}{sign}{body}", " ".repeat(missing)),
        })
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.has('+'), self.has(' ')) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            _ => "",
        }
    }

    fn whole(&self, code: char, value: &Value, digits: impl Fn(u128) -> String, prefix: &str) -> Result<(&'static str, String), Error> {
        let number = match Number::of(value) {
            Some(Number::Whole(whole)) => whole,
            Some(Number::Float(float)) if float.is_finite() && "diu".contains(code) => float.trunc() as i128,
            _ => return Err(invalid(format!("%{code} format: a real number is required, not {}", type_name(value)))),
        };
        let digits = digits(number.unsigned_abs());
        let zeros = "0".repeat(self.digits.unwrap_or(0).saturating_sub(digits.len()));
        let prefix = if self.has('#') { prefix } else { "" };
        Ok((self.sign(number < 0), [prefix, &zeros, &digits].concat()))
    }

    fn float(&self, code: char, value: &Value) -> Result<(&'static str, String), Error> {
        let number = Number::of(value).ok_or_else(|| invalid(format!("must be real number, not {}", type_name(value))))?.float();
        let sign = self.sign(number.is_sign_negative() && !number.is_nan());
        let size = number.abs();
        let digits = self.digits.unwrap_or(6);
        if digits > MOST_DIGITS {
            return Err(invalid(format!("a number has {digits} digits behind its point, expected at most {MOST_DIGITS}")));
        }
        let text = match code.to_ascii_lowercase() {
            _ if !size.is_finite() => float_text(size),
            'f' => format!("{size:.digits$}"),
            'e' => with_exponent(size, digits),
            _ => self.general(size, digits.max(1)),
        };
        Ok((sign, if code.is_ascii_uppercase() { text.to_uppercase() } else { text }))
    }

    /// `%g`: the shorter notation, without zeros at its end.
    fn general(&self, size: f64, digits: usize) -> String {
        let scientific = with_exponent(size, digits - 1);
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let power: i64 = exponent.parse().unwrap_or(0);
        let most = i64::try_from(digits).unwrap_or(i64::MAX);
        let trimmed = |text: &str| {
            let has_zeros = text.contains('.') && !self.has('#');
            if has_zeros { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
        };
        if power < -4 || power >= most {
            return format!("{}e{exponent}", trimmed(mantissa));
        }
        let behind = usize::try_from(most - 1 - power).unwrap_or(0);
        trimmed(&format!("{size:.behind$}"))
    }
}

/// `1.500000e-03`
fn with_exponent(size: f64, digits: usize) -> String {
    let text = format!("{size:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
}

fn character(value: &Value) -> Result<String, Error> {
    let text = match (value.as_str(), Number::of(value)) {
        (Some(text), _) => text.to_owned(),
        (None, Some(Number::Whole(code))) => u32::try_from(code).ok().and_then(char::from_u32).map(String::from).unwrap_or_default(),
        _ => String::new(),
    };
    if text.chars().count() == 1 { Ok(text) } else { Err(invalid("%c requires int or char")) }
}
