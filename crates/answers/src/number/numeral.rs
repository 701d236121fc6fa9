//! One numeral: digits with grouping marks, a decimal mark and an exponent.
//!
//! A numeral is read only where its notation has one meaning:
//!
//! - A mark that stands once, with three digits behind it and one to three before it, groups if it is a comma (`1,200`) and is a decimal
//!   point if it is a point (`1.200` is 1.2). Any other comma that stands once is a decimal comma (`12,5`, `0,125`).
//! - A mark that stands more than once groups (`1.200.000`). The groups have three digits, or two and a last group of three as in India
//!   (`12,34,567`).
//! - Of two different marks, the last one is the decimal mark (`1.200,50`, `1'200.50`).
//! - Blanks, apostrophes and underscores only group, and only before three digits.
//!
//! Everything else (`1,23,4`, `1.2.2024`) is an unreadable numeral. It is never cut into readable parts.

use super::digits::{digit, digit_run, is_invisible};
use super::exact::Number;

/// More digits than this are not evaluated. The bound keeps the work per byte constant.
const MAX_DIGITS: usize = 4000;

/// The notation of a numeral, without its value. `digits` are the bytes of the text that hold the mantissa.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numeral {
    pub start: usize,
    digits_end: usize,
    places: usize,
    exponent: i32,
    /// A single point with three decimals, which some languages use for grouping.
    pub is_point_before_three: bool,
    /// A comma that is taken for a decimal comma; within brackets it can also separate two numbers.
    pub has_decimal_comma: bool,
    /// No decimal mark and no exponent.
    pub is_whole: bool,
}

impl Numeral {
    pub fn value(&self, text: &str) -> Option<Number> {
        let written = &text[self.start..self.digits_end];
        let digits: Vec<u8> = written.chars().filter_map(digit).map(|(value, _)| b'0' + value).collect();
        if digits.len() > MAX_DIGITS {
            return None;
        }
        Number::from_digits(&digits, self.places as i64 - i64::from(self.exponent))
    }
}

/// Characters that can stand between two digits of one numeral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Comma,
    Point,
    Apostrophe,
    Underscore,
    Blank,
    ArabicGroup,
    ArabicDecimal,
}

impl Mark {
    /// Marks that have no other use than grouping, so that they belong to a numeral only before exactly three digits.
    fn only_groups_threes(self) -> bool {
        matches!(self, Mark::Apostrophe | Mark::Underscore | Mark::Blank)
    }

    fn can_be_decimal(self) -> bool {
        matches!(self, Mark::Comma | Mark::Point | Mark::ArabicDecimal)
    }
}

/// Marks as they are written, longer ones first. LaTeX writes `1{,}200`, `1\,200`, `1,\!200`.
#[rustfmt::skip]
const MARKS: [(&str, Mark); 26] = [
    (",\\!", Mark::Comma), (",", Mark::Comma), ("\u{ff0c}", Mark::Comma),
    (".", Mark::Point), ("\u{ff0e}", Mark::Point),
    ("'", Mark::Apostrophe), ("\u{2019}", Mark::Apostrophe), ("\u{2032}", Mark::Apostrophe), ("\u{2bc}", Mark::Apostrophe), ("\u{ff07}", Mark::Apostrophe),
    ("\\_", Mark::Underscore), ("_", Mark::Underscore),
    ("\\,", Mark::Blank), ("\\;", Mark::Blank), ("\\:", Mark::Blank), ("\\!", Mark::Blank),
    ("\\ ", Mark::Blank), ("~", Mark::Blank), (" ", Mark::Blank), ("\u{a0}", Mark::Blank), ("\u{2007}", Mark::Blank), ("\u{2009}", Mark::Blank),
    ("\u{200a}", Mark::Blank), ("\u{202f}", Mark::Blank),
    ("\u{66c}", Mark::ArabicGroup), ("\u{66b}", Mark::ArabicDecimal),
];

fn mark(text: &str) -> Option<(Mark, usize)> {
    // LaTeX puts a mark into braces so that no space follows it: `1{,}200`.
    if let Some(inside) = text.strip_prefix('{')
        && let Some((written, mark)) = MARKS.iter().find(|(written, _)| inside.starts_with(written))
        && inside[written.len()..].starts_with('}')
    {
        return Some((*mark, written.len() + 2));
    }
    MARKS.iter().find(|(written, _)| text.starts_with(written)).map(|&(written, mark)| (mark, written.len()))
}

/// The numeral at a place of a text, with its end. The numeral is `None` if its notation has no single meaning. There is no result if no
/// digit stands at the place.
pub(super) fn at(text: &str, start: usize) -> Option<(Option<Numeral>, usize)> {
    let leading_point = text[start..].starts_with('.');
    let first = start + usize::from(leading_point);
    let (count, length, zero) = digit_run(&text[first..])?;
    let mut groups = Groups { counts: vec![count], marks: Vec::new(), has_leading_zero: text[first..].starts_with(is_zero) };
    let mut end = first + length;
    while !leading_point && let Some((mark, next, count, length)) = next_group(text, end, zero, &groups) {
        groups.marks.push(mark);
        groups.counts.push(count);
        end = next + length;
    }
    let digits_end = end;
    let (exponent, end) = exponent(text, end);
    let places = if leading_point { Some(count) } else { groups.places() };
    let numeral = places.zip(exponent).map(|(places, exponent)| Numeral {
        start: first,
        digits_end,
        places,
        exponent,
        is_point_before_three: groups.marks == [Mark::Point] && places == 3,
        has_decimal_comma: places > 0 && groups.marks == [Mark::Comma],
        is_whole: places == 0 && end == digits_end,
    });
    Some((numeral, end))
}

/// The next mark and group after `end`: the mark, where the group starts, its count of digits and its length in bytes.
fn next_group(text: &str, end: usize, zero: u32, groups: &Groups) -> Option<(Mark, usize, usize, usize)> {
    let hidden: usize = text[end..].chars().take_while(|&c| is_invisible(c)).map(char::len_utf8).sum();
    let (mark, width) = mark(&text[end + hidden..])?;
    let next = end + hidden + width;
    let (count, length, of) = digit_run(&text[next..])?;
    let is_full_width_list = text[next - width..].starts_with('\u{ff0c}') && zero != 0xff10;
    if of != zero || is_full_width_list {
        return None;
    }
    if mark.only_groups_threes() {
        // `1 200/3` can be one number or a mixed one.
        let is_numerator = text[next + length..].trim_start().starts_with(['/', '\u{2044}']);
        let continues = groups.marks.last().is_none_or(|&last| last == mark) && groups.counts[0] <= 3 && !groups.has_leading_zero;
        if count != 3 || !continues || is_numerator {
            return None;
        }
    }
    Some((mark, next, count, length))
}

fn is_zero(c: char) -> bool {
    digit(c).is_some_and(|(value, _)| value == 0)
}

/// The exponent at a place, `e3` or `E-3`, with its end: 0 if there is none, `None` if it is out of bounds.
fn exponent(text: &str, at: usize) -> (Option<i32>, usize) {
    let Some(rest) = text[at..].strip_prefix(['e', 'E']) else { return (Some(0), at) };
    let sign = rest.chars().next().filter(|&c| matches!(c, '+' | '-' | '\u{2212}'));
    let sign_length = sign.map_or(0, char::len_utf8);
    let count = rest[sign_length..].bytes().take_while(u8::is_ascii_digit).count();
    let end = at + 1 + sign_length + count;
    if count == 0 || text[end..].starts_with(char::is_alphanumeric) {
        return (Some(0), at);
    }
    let magnitude: Option<i32> = text[end - count..end].parse().ok().filter(|&magnitude| magnitude <= MAX_DIGITS as i32);
    (magnitude.map(|magnitude| if matches!(sign, None | Some('+')) { magnitude } else { -magnitude }), end)
}

/// The groups of digits of a numeral and the marks between them.
struct Groups {
    counts: Vec<usize>,
    marks: Vec<Mark>,
    has_leading_zero: bool,
}

impl Groups {
    /// The decimal places; `None` if the marks have no single meaning.
    fn places(&self) -> Option<usize> {
        let (Some((&last, before)), Some((&decimals, whole))) = (self.marks.split_last(), self.counts.split_last()) else { return Some(0) };
        let is_decimal = match (last, before.first()) {
            (Mark::Comma, None) => !self.is_grouped(&self.counts, last),
            (_, None) => last.can_be_decimal(),
            (_, Some(&other)) if other != last => {
                let is_uniform = before.iter().all(|&mark| mark == other);
                return (is_uniform && last.can_be_decimal() && self.is_grouped(whole, other)).then_some(decimals);
            }
            _ => false,
        };
        if is_decimal {
            Some(decimals)
        } else {
            (self.marks.iter().all(|&mark| mark == last) && self.is_grouped(&self.counts, last)).then_some(0)
        }
    }

    fn is_grouped(&self, counts: &[usize], mark: Mark) -> bool {
        let [first, middle @ .., last] = counts else { return false };
        let in_threes = *first <= 3 && middle.iter().all(|&count| count == 3);
        let as_in_india = mark == Mark::Comma && *first <= 2 && middle.iter().all(|&count| count == 2);
        !self.has_leading_zero && *last == 3 && mark != Mark::ArabicDecimal && (in_threes || as_in_india)
    }
}
