//! The types of Parquet's values, and their values in JSON.
//!
//! | type | value |
//! |---|---|
//! | integers of 8 to 64 bits, signed or not | a number |
//! | floats of 16 to 64 bits | the number with the fewest digits that is the same float; the text `NaN`, `inf` or `-inf` |
//! | decimals | a number; a text if a float would round it |
//! | dates, times, timestamps | a text as in ISO 8601, with `Z` if the file says UTC |
//! | texts, enums, JSON | a text |
//! | other bytes | a text if they are UTF-8, otherwise base64 |

use crate::json;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, NaiveTime};
use num_bigint::BigInt;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::data_type::Int96;
use parquet::schema::types::ColumnDescriptor;
use serde_json::{Number, Value};

/// Bytes of the longest decimal. Published types have at most 32.
const LONGEST_DECIMAL: usize = 64;
/// The most digits after a decimal's point.
const LONGEST_FRACTION: i32 = 154;

/// How a column's values are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ValueKind {
    /// Booleans, floats, signed integers: as they are stored.
    Plain,
    /// An integer without a sign.
    Unsigned,
    /// A decimal with this number of digits after the point.
    Decimal(usize),
    Date,
    /// Units in a second.
    Time(i64),
    /// Units in a second, and whether the time is UTC.
    Timestamp(i64, bool),
    /// 16 bits.
    Half,
    Text,
    Uuid,
}

impl ValueKind {
    /// The kind of a column.
    pub fn of(column: &ColumnDescriptor) -> Result<Self, String> {
        if let Some(kind) = column.logical_type_ref().and_then(ValueKind::of_logical) {
            return Ok(kind);
        }
        Ok(match column.converted_type() {
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64 => ValueKind::Unsigned,
            ConvertedType::DATE => ValueKind::Date,
            ConvertedType::TIME_MILLIS => ValueKind::Time(1_000),
            ConvertedType::TIME_MICROS => ValueKind::Time(1_000_000),
            ConvertedType::TIMESTAMP_MILLIS => ValueKind::Timestamp(1_000, true),
            ConvertedType::TIMESTAMP_MICROS => ValueKind::Timestamp(1_000_000, true),
            ConvertedType::DECIMAL => ValueKind::decimal(column.type_scale())?,
            ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON => ValueKind::Text,
            _ => match column.logical_type_ref() {
                Some(LogicalType::Decimal(decimal)) => ValueKind::decimal(decimal.scale)?,
                _ => ValueKind::Plain,
            },
        })
    }

    fn of_logical(logical: &LogicalType) -> Option<Self> {
        let in_second = |unit: &TimeUnit| match unit {
            TimeUnit::MILLIS => 1_000,
            TimeUnit::MICROS => 1_000_000,
            TimeUnit::NANOS => 1_000_000_000,
        };
        match logical {
            LogicalType::Integer(integer) => Some(if integer.is_signed { ValueKind::Plain } else { ValueKind::Unsigned }),
            LogicalType::Date => Some(ValueKind::Date),
            LogicalType::Time(time) => Some(ValueKind::Time(in_second(&time.unit))),
            LogicalType::Timestamp(time) => Some(ValueKind::Timestamp(in_second(&time.unit), time.is_adjusted_to_u_t_c)),
            LogicalType::Float16 => Some(ValueKind::Half),
            LogicalType::String | LogicalType::Enum | LogicalType::Json => Some(ValueKind::Text),
            LogicalType::Uuid => Some(ValueKind::Uuid),
            _ => None,
        }
    }

    fn decimal(scale: i32) -> Result<Self, String> {
        if !(0..=LONGEST_FRACTION).contains(&scale) {
            return Err(format!("a decimal with {scale} digits after the point, expected 0 to {LONGEST_FRACTION}"));
        }
        Ok(ValueKind::Decimal(scale as usize))
    }

    /// The value of an integer, which the file stores with `bits` bits.
    pub fn integer(self, value: i64, physical: Physical) -> Result<Value, String> {
        match self {
            ValueKind::Unsigned if physical == Physical::INT32 => Ok(Value::from(value as u32)),
            ValueKind::Unsigned => Ok(Value::from(value as u64)),
            ValueKind::Decimal(scale) => decimal(&value.to_string(), scale),
            ValueKind::Date => {
                let date = value.checked_mul(86_400).and_then(|seconds| DateTime::from_timestamp(seconds, 0));
                date.map(|date| date.format("%Y-%m-%d").to_string().into()).ok_or_else(|| format!("day {value} is in no calendar year"))
            }
            ValueKind::Time(units) => {
                let (seconds, nanos) = split(value, units);
                let time = u32::try_from(seconds).ok().and_then(|seconds| NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos));
                time.map(|time| time.format("%H:%M:%S%.f").to_string().into()).ok_or_else(|| format!("{value} is no time of a day"))
            }
            ValueKind::Timestamp(units, is_utc) => timestamp(split(value, units), is_utc),
            ValueKind::Plain | ValueKind::Half | ValueKind::Text | ValueKind::Uuid => Ok(Value::from(value)),
        }
    }

    /// The value of bytes.
    pub fn bytes(self, bytes: &[u8]) -> Result<Value, String> {
        match self {
            ValueKind::Decimal(_) if bytes.len() > LONGEST_DECIMAL => {
                Err(format!("a decimal of {} bytes, expected at most {LONGEST_DECIMAL}", bytes.len()))
            }
            ValueKind::Decimal(scale) => decimal(&BigInt::from_signed_bytes_be(bytes).to_string(), scale),
            ValueKind::Half => {
                let bits = <[u8; 2]>::try_from(bytes).map_err(|_| format!("a 16-bit float of {} bytes", bytes.len()))?;
                Ok(float(f64::from(half::f16::from_le_bytes(bits))))
            }
            ValueKind::Uuid => {
                let number = <[u8; 16]>::try_from(bytes).map_err(|_| format!("a UUID of {} bytes", bytes.len()))?;
                let digits = format!("{:032x}", u128::from_be_bytes(number));
                let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
                Ok(parts.join("-").into())
            }
            ValueKind::Text => {
                std::str::from_utf8(bytes).map(Value::from).map_err(|error| format!("byte {} is not UTF-8", error.valid_up_to() + 1))
            }
            ValueKind::Plain | ValueKind::Unsigned | ValueKind::Date | ValueKind::Time(_) | ValueKind::Timestamp(..) => {
                Ok(std::str::from_utf8(bytes).map_or_else(|_| BASE64_STANDARD.encode(bytes).into(), Value::from))
            }
        }
    }
}

/// A float, as a text if JSON has no number for it.
pub(super) fn float(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
}

/// A 32-bit float as the decimal with the fewest digits.
pub(super) fn single(value: f32) -> Value {
    value.to_string().parse().map_or_else(|_| value.to_string().into(), float)
}

/// A timestamp of the old kind, which has nanoseconds and the Julian day.
pub(super) fn int96(value: &Int96) -> Result<Value, String> {
    /// The Julian day of 1970-01-01.
    const EPOCH: i64 = 2_440_588;
    let [low, high, day] = [0, 1, 2].map(|part| u64::from(value.data()[part]));
    let nanos = (high << 32 | low) as i64;
    let (seconds, rest) = split(nanos, 1_000_000_000);
    timestamp(((day as i64 - EPOCH) * 86_400 + seconds, rest), false)
}

/// Seconds and nanoseconds of a number of units.
fn split(value: i64, units: i64) -> (i64, u32) {
    (value.div_euclid(units), (value.rem_euclid(units) * (1_000_000_000 / units)) as u32)
}

fn timestamp((seconds, nanos): (i64, u32), is_utc: bool) -> Result<Value, String> {
    let time = DateTime::from_timestamp(seconds, nanos).ok_or_else(|| format!("second {seconds} is in no calendar year"))?;
    let text = time.format("%Y-%m-%dT%H:%M:%S%.f").to_string();
    Ok(if is_utc { text + "Z" } else { text }.into())
}

/// A decimal from its digits.
fn decimal(unscaled: &str, scale: usize) -> Result<Value, String> {
    let (sign, digits) = unscaled.strip_prefix('-').map_or(("", unscaled), |digits| ("-", digits));
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    json::number(&format!("{sign}{whole}{point}{fraction}")).map_err(|error| error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_exact() {
        for (kind, stored, text) in [
            (ValueKind::Plain, i64::MIN, "-9223372036854775808"),
            (ValueKind::Unsigned, -1, "18446744073709551615"),
            (ValueKind::Decimal(2), -5, "-0.05"),
            (ValueKind::Decimal(2), 12_345, "123.45"),
            (ValueKind::Decimal(0), 7, "7"),
            (ValueKind::Decimal(1), 1_152_921_504_606_846_977, "\"115292150460684697.7\""),
            (ValueKind::Date, -1, "\"1969-12-31\""),
            (ValueKind::Time(1_000_000), 3_723_000_001, "\"01:02:03.000001\""),
            (ValueKind::Timestamp(1_000, true), -1, "\"1969-12-31T23:59:59.999Z\""),
            (ValueKind::Timestamp(1_000_000_000, false), 1_000_000_000, "\"1970-01-01T00:00:01\""),
        ] {
            assert_eq!(kind.integer(stored, Physical::INT64).unwrap().to_string(), text, "{kind:?}");
        }
        assert_eq!(ValueKind::Unsigned.integer(-1, Physical::INT32).unwrap(), 4_294_967_295_u32);
        assert_eq!(single(0.1).to_string(), "0.1");
        assert_eq!([float(f64::NAN), single(f32::NEG_INFINITY)], ["NaN", "-inf"]);
        assert_eq!(ValueKind::Decimal(1).bytes(&[0xff; 16]).unwrap().to_string(), "-0.1");
        assert_eq!(ValueKind::Half.bytes(&[0, 0x3c]).unwrap(), 1.0);
        assert_eq!(ValueKind::Plain.bytes(&[0xff, 0]).unwrap(), "/wA=");
        assert_eq!(ValueKind::Uuid.bytes(&[0xab; 16]).unwrap(), "abababab-abab-abab-abab-abababababab");
    }

    #[test]
    fn values_that_no_text_can_show_are_errors() {
        for (kind, stored) in [
            (ValueKind::Date, i64::MAX),
            (ValueKind::Date, i64::from(i32::MAX)),
            (ValueKind::Time(1_000), -1),
            (ValueKind::Time(1_000), i64::MAX),
        ] {
            assert!(kind.integer(stored, Physical::INT64).is_err(), "{kind:?} {stored}");
        }
        assert!(ValueKind::Timestamp(1_000, true).integer(i64::MAX, Physical::INT64).is_err());
        assert!(
            ValueKind::Decimal(1).bytes(&[1; 65]).is_err()
                && ValueKind::Half.bytes(&[1]).is_err()
                && ValueKind::Text.bytes(&[0xff]).is_err()
        );
        let mut far = Int96::new();
        far.set_data(u32::MAX, u32::MAX, u32::MAX);
        assert!(int96(&far).is_err());
    }
}
