//! Numbers as people and models write them: a grammar from tokens to quantities.
//!
//! [`parse`] reads a text that is one quantity. [`known`] reads a known answer, which may also be a whole solution. The values are exact
//! rational numbers, so `0.1 + 0.2` is `0.3` and 2⁸⁰ has all its digits.

mod digits;
mod exact;
mod grammar;
mod items;
mod latex;
mod numeral;
mod token;
mod unit;
mod value;
mod words;

pub(crate) use digits::DASHES;
pub use exact::Number;
pub(crate) use items::{Item, Link, Numbers};
pub(crate) use token::TokenKind;
pub(crate) use words::{is_filler, is_listed, is_one_of};

use crate::find;
use std::fmt;

/// A number with its unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity {
    /// The exact value. A percentage keeps the number that is written: `25%` has the value 25.
    pub value: Number,
    /// The unit as it is written behind the number: `%`, `km/h`, `clips`. It is kept for display and not compared.
    pub unit: Option<String>,
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value)
    }
}

/// Reads a text that is one quantity: a number with its sign, currency and unit, or an equation whose last side is one (`x = 5`).
///
/// ```
/// use starloop_answers::number::parse;
///
/// let value = |text: &str| parse(text).map(|quantity| quantity.value.to_string());
/// assert_eq!(value("1.200,50 €").as_deref(), Some("1200.5"));
/// assert_eq!(value(r"-\frac{3}{4}").as_deref(), Some("-0.75"));
/// assert_eq!(value("1 1/2 cups").as_deref(), Some("1.5"));
/// assert_eq!(value("$1.5 million").as_deref(), Some("1500000"));
/// assert_eq!(value("2^80").as_deref(), Some("1208925819614629174706176"));
/// // Two numbers, and notations with more than one meaning.
/// assert_eq!(value("5 or 6"), None);
/// assert_eq!(value("1,23,4"), None);
/// assert_eq!(value("about 5"), None);
/// ```
pub fn parse(text: &str) -> Option<Quantity> {
    let numbers = Numbers::new(text);
    let only = find::only_quantity(&numbers)?;
    quantity(&numbers, only)
}

/// Reads a known answer. It is one quantity, or a solution that ends with one behind a mark (`#### 72`, `\boxed{72}`) or a phrase
/// (`the answer is 72`).
///
/// ```
/// use starloop_answers::number::known;
///
/// assert_eq!(known("US$5").unwrap().value.to_string(), "5");
/// assert_eq!(known("48 + 24 = <<48+24=72>>72 clips.\n#### 72").unwrap().value.to_string(), "72");
/// assert_eq!(known("It is 72 or 73."), None);
/// ```
pub fn known(text: &str) -> Option<Quantity> {
    parse(text).or_else(|| find::stated_number(text))
}

pub(crate) fn quantity(numbers: &Numbers, item: &Item) -> Option<Quantity> {
    let value = numbers.value(item)?;
    let unit = item.unit.map(|(start, end)| numbers.text[start..end].trim().to_owned());
    Some(Quantity { value, unit })
}
