//! Numbers as people and models write them, compared as numbers: `1,200`, `$1200.00`, `2400/2`.

use std::fmt;

/// An exact fraction in lowest terms, its denominator above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    numerator: i128,
    denominator: i128,
}

impl Number {
    /// The only number of a text: nothing else may stand there but a currency, a percent sign or a unit after it.
    pub fn whole(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut found = all(text);
        let (start, number) = found.next()?;
        let before = text[..start].trim_matches(|c: char| c.is_whitespace() || CURRENCIES.contains(&c) || MINUSES.contains(&c));
        (before.is_empty() && found.next().is_none()).then_some(number)
    }

    /// The first number of a text.
    pub fn first(text: &str) -> Option<Self> {
        all(text).next().map(|(_, number)| number)
    }

    /// The last number of a text.
    pub fn last(text: &str) -> Option<Self> {
        all(text).last().map(|(_, number)| number)
    }

    fn new(numerator: i128, denominator: i128) -> Option<Self> {
        let divisor = gcd(numerator.unsigned_abs(), denominator.unsigned_abs()) as i128;
        (denominator > 0).then(|| Number { numerator: numerator / divisor, denominator: denominator / divisor })
    }
}

/// As decimals where they end, otherwise as a fraction; always the same for the same number.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Number { numerator, denominator } = *self;
        let decimals = (0..=20).find(|&places| 10_i128.pow(places) % denominator == 0);
        let scaled = decimals.and_then(|places| Some((places, numerator.checked_mul(10_i128.pow(places) / denominator)?)));
        match scaled {
            Some((0, value)) => write!(f, "{value}"),
            Some((places, value)) => {
                let places = places as usize;
                let digits = format!("{:0>width$}", value.unsigned_abs(), width = places + 1);
                let (whole, part) = digits.split_at(digits.len() - places);
                write!(f, "{}{whole}.{part}", if value < 0 { "-" } else { "" })
            }
            None => write!(f, "{numerator}/{denominator}"),
        }
    }
}

const CURRENCIES: [char; 4] = ['$', '€', '£', '¥'];
const MINUSES: [char; 2] = ['-', '\u{2212}'];

/// The numbers of a text with the place of their first digit. One of more than 38 digits is passed over.
fn all(text: &str) -> impl Iterator<Item = (usize, Number)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + text[at..].find(|c: char| c.is_ascii_digit())?;
            // `.5`, unless the point ends a sentence.
            let point = text[..start].ends_with('.') && !text[..start - 1].ends_with(|c: char| c.is_alphanumeric());
            let start = if point { start - 1 } else { start };
            let (number, length) = unsigned(&text[start..]);
            at = start + length;
            if let Some(number) = number {
                let sign = if is_negative(&text[..start]) { -1 } else { 1 };
                return Some((start, Number { numerator: sign * number.numerator, ..number }));
            }
        }
    })
}

/// Whether what stands before a number makes it negative: a minus, before or after a currency, that takes it from nothing.
fn is_negative(before: &str) -> bool {
    let without_currency = before.trim_end_matches(CURRENCIES);
    let Some(before) = without_currency.strip_suffix(MINUSES).or_else(|| {
        // `- 5`, where it cannot be a difference or the mark of a list.
        let before = without_currency.trim_end_matches(' ').strip_suffix(MINUSES)?;
        let rest = before.trim_end_matches(' ');
        (rest.is_empty() || rest.ends_with(['=', '#'])).then_some(before)
    }) else {
        return false;
    };
    !before.ends_with(|c: char| c.is_alphanumeric() || c == ')')
}

/// The number at the beginning of a text, and its length in bytes: digits with commas between groups of three, decimals, an exponent, and a
/// denominator.
fn unsigned(text: &str) -> (Option<Number>, usize) {
    let bytes = text.as_bytes();
    let digits_at = |at: usize| bytes.get(at..).map_or(0, |rest| rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let mut end = digits_at(0);
    while (1..=3).contains(&digits_at(0)) && bytes.get(end) == Some(&b',') && digits_at(end + 1) == 3 {
        end += 4;
    }
    let whole = end;
    if bytes.get(end) == Some(&b'.') {
        let decimals = digits_at(end + 1);
        end += if decimals > 0 { 1 + decimals } else { 0 };
    }
    let mantissa: String = text[..end].chars().filter(char::is_ascii_digit).collect();
    let places = end.saturating_sub(whole + 1) as i32;
    let exponent = text[end..].strip_prefix(['e', 'E']).map_or(0, |after| {
        let sign = usize::from(after.starts_with(['+', '-']));
        let digits = digits_at(end + 1 + sign);
        if digits == 0 { 0 } else { 1 + sign + digits }
    });
    let power: i32 = text[end..end + exponent].get(1..).and_then(|power| power.parse().ok()).unwrap_or(0);
    end += exponent;
    let mut number = scaled(&mantissa, power.saturating_sub(places));
    if bytes.get(end) == Some(&b'/') && digits_at(end + 1) > 0 {
        let length = digits_at(end + 1);
        let denominator = text[end + 1..=end + length].parse().ok();
        end += 1 + length;
        number = number.zip(denominator).and_then(|(n, d): (Number, i128)| Number::new(n.numerator, n.denominator.checked_mul(d)?));
    }
    (number, end)
}

/// `mantissa * 10^power`.
fn scaled(mantissa: &str, power: i32) -> Option<Number> {
    let mantissa: i128 = mantissa.parse().ok()?;
    let scale = 10_i128.checked_pow(power.unsigned_abs())?;
    if power < 0 { Number::new(mantissa, scale) } else { Number::new(mantissa.checked_mul(scale)?, 1) }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(numbers: impl Iterator<Item = (usize, Number)>) -> Vec<String> {
        numbers.map(|(_, number)| number.to_string()).collect()
    }

    #[test]
    fn one_number_in_many_spellings() {
        for (value, spellings) in [
            (
                "1200",
                &[
                    "1200",
                    "1,200",
                    "$1,200",
                    "1200.",
                    "1200.00",
                    "$ 1200",
                    "1,200 dollars",
                    "0001200",
                    "2400/2",
                    "1.2e3",
                    "1200%",
                    "(1200)",
                ][..],
            ),
            ("0.75", &["0.75", ".75", "3/4", "0.7500", "75e-2", "6/8", "$.75", "$0.75"]),
            ("-5", &["-5", "- 5", "-$5", "$-5", "\u{2212}5", "-5.0", "= -5", "-10/2"]),
            ("1/3", &["1/3", "2/6", "1.0/3"]),
            ("0", &["0", "-0", "0.00", "0/7"]),
            ("109200000", &["109,200,000", "109200000"]),
        ] {
            for spelling in spellings {
                assert_eq!(Number::last(spelling).map(|number| number.to_string()).as_deref(), Some(value), "{spelling}");
            }
        }
    }

    #[test]
    fn numbers_within_a_text() {
        for (text, found) in [
            ("", &[][..]),
            ("none", &[]),
            ("He has 3, 4 or 5.", &["3", "4", "5"]),
            ("3,4", &["3", "4"]),
            ("1,2000 and 12,34", &["1", "2000", "12", "34"]),
            ("pages 5-7", &["5", "7"]),
            ("10 - 7 = 3", &["10", "7", "3"]),
            ("x = -3", &["-3"]),
            ("2-(-3)", &["2", "-3"]),
            ("10/0", &[]),
            ("24/7", &["24/7"]),
            ("- 12 eggs\n- 7 hens", &["-12", "7"]),
            ("in 2024.5 left", &["2024.5"]),
            ("at no.5", &["5"]),
            ("3e", &["3"]),
            ("99999999999999999999999999999999999999999999 or 2", &["2"]),
            ("$5.00/each", &["5"]),
        ] {
            assert_eq!(shown(all(text)), found, "{text}");
        }
    }

    #[test]
    fn a_known_answer_is_one_number_alone() {
        for text in ["72", " 1,200 ", "$5", "-3", "- $3", "50%", "3/4", "12 apples"] {
            assert!(Number::whole(text).is_some(), "{text}");
        }
        for text in ["", "about 5", "5 or 6", "x", "one", "1e99"] {
            assert_eq!(Number::whole(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_that_differ() {
        for (one, other) in [("0.33", "1/3"), ("72", "-72"), ("1200", "12.00"), ("5", "5.01")] {
            assert_ne!(Number::first(one), Number::first(other), "{one} {other}");
        }
    }
}
