//! Exact rational numbers of bounded size.

use num_bigint::{BigInt, BigUint};
use num_integer::Integer;
use num_rational::Ratio;
use num_traits::{One, Signed, ToPrimitive, Zero};
use std::fmt;

/// No numerator and no denominator has more bits (about 4,900 decimal digits). A larger number is not read.
const MAX_BITS: u64 = 1 << 14;

/// The most decimal places that [`Number`]'s `Display` writes. A number that needs more is written as a fraction.
const MAX_PLACES: u32 = 100;

/// An exact rational number in lowest terms.
///
/// ```
/// use starloop_answers::number::parse;
///
/// assert_eq!(parse("6/8").unwrap().value.to_string(), "0.75");
/// assert_eq!(parse("2/6").unwrap().value.to_string(), "1/3");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(Ratio<BigInt>);

impl Number {
    /// The integer that a row of ASCII digits writes, shifted by `places` decimal places to the right. `None` if it is too large.
    pub(super) fn from_digits(digits: &[u8], places: i64) -> Option<Self> {
        let max_digits = usize::try_from(MAX_BITS / 3).ok()?;
        let significant = digits.iter().position(|&digit| digit != b'0').map_or(&[][..], |first| &digits[first..]);
        if significant.len() > max_digits {
            return None;
        }
        let mantissa = BigInt::parse_bytes(significant, 10).unwrap_or_default();
        let scale = power_of_ten(u32::try_from(places.unsigned_abs()).ok()?)?;
        Self::bounded(if places >= 0 { Ratio::new(mantissa, scale) } else { Ratio::from_integer(mantissa * scale) })
    }

    pub(super) fn from_ratio(numerator: u32, denominator: u32) -> Option<Self> {
        (denominator != 0).then(|| Number(Ratio::new(numerator.into(), denominator.into())))
    }

    pub(super) fn times_power_of_ten(&self, exponent: u32) -> Option<Self> {
        Self::bounded(Ratio::from_integer(power_of_ten(exponent)?) * &self.0)
    }

    pub(super) fn negated(&self) -> Self {
        Number(-self.0.clone())
    }

    pub(super) fn plus(&self, other: &Self) -> Option<Self> {
        Self::bounded(&self.0 + &other.0)
    }

    pub(super) fn times(&self, other: &Self) -> Option<Self> {
        Self::bounded(&self.0 * &other.0)
    }

    pub(super) fn divided_by(&self, other: &Self) -> Option<Self> {
        if other.0.is_zero() { None } else { Self::bounded(&self.0 / &other.0) }
    }

    pub(super) fn power(&self, exponent: i32) -> Option<Self> {
        let bits = self.0.numer().bits().max(self.0.denom().bits());
        if bits.saturating_mul(u64::from(exponent.unsigned_abs())) > MAX_BITS || (exponent < 0 && self.0.is_zero()) {
            return None;
        }
        Some(Number(self.0.pow(exponent)))
    }

    /// Returns true if this number differs from another by at most `tolerance`.
    pub(crate) fn is_within(&self, other: &Self, tolerance: &Self) -> bool {
        (&self.0 - &other.0).abs() <= tolerance.0
    }

    /// `|self * factor|`.
    pub(crate) fn scaled_magnitude(&self, factor: &Self) -> Self {
        Number((&self.0 * &factor.0).abs())
    }

    /// The number as floating-point number, to about 15 digits; not finite if numerator or denominator is too large for one.
    pub fn to_f64(&self) -> f64 {
        let part = |part: &BigInt| part.to_f64().unwrap_or(f64::INFINITY);
        part(self.0.numer()) / part(self.0.denom())
    }

    /// Returns true if the number is below 0.
    pub fn is_negative(&self) -> bool {
        self.0.is_negative()
    }

    fn bounded(value: Ratio<BigInt>) -> Option<Self> {
        (value.numer().bits().max(value.denom().bits()) <= MAX_BITS).then_some(Number(value))
    }

    /// How many decimal places write the number exactly; `None` if it needs more than [`MAX_PLACES`] or no count suffices.
    fn places(&self) -> Option<u32> {
        let (mut rest, mut places) = (self.0.denom().magnitude().clone(), 0);
        let mut strip = |factor: u32| {
            let mut count = 0;
            while count <= MAX_PLACES {
                let (quotient, remainder) = rest.div_rem(&BigUint::from(factor));
                if !remainder.is_zero() {
                    break;
                }
                rest = quotient;
                count += 1;
            }
            places = places.max(count);
        };
        strip(2);
        strip(5);
        (rest.is_one() && places <= MAX_PLACES).then_some(places)
    }
}

/// Writes decimals where they end, otherwise a fraction. Equal numbers are written equally.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (numerator, denominator) = (self.0.numer(), self.0.denom());
        match self.places() {
            Some(0) => write!(f, "{numerator}"),
            Some(places) => {
                let scaled = numerator.magnitude() * BigUint::from(10_u32).pow(places) / denominator.magnitude();
                let digits = format!("{:0>width$}", scaled.to_string(), width = places as usize + 1);
                let (whole, decimals) = digits.split_at(digits.len() - places as usize);
                write!(f, "{}{whole}.{decimals}", if numerator.is_negative() { "-" } else { "" })
            }
            None => write!(f, "{numerator}/{denominator}"),
        }
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Number(Ratio::from_integer(value.into()))
    }
}

fn power_of_ten(exponent: u32) -> Option<BigInt> {
    // 10 has fewer than 4 bits.
    (u64::from(exponent) * 4 <= MAX_BITS).then(|| BigInt::from(10).pow(exponent))
}
