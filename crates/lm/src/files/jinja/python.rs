//! Python's methods of text that templates call and `minijinja-contrib` lacks, or that differ from Rust's.

use super::arguments::Given;
use super::nesting::charge;
use super::numbers::invalid;
use super::operators::type_name;
use super::repr::Text;
use super::{cases, lists};
use minijinja::value::{Kwargs, Rest, Tuple, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

/// Calls a method of a value as Python does.
pub(super) fn method(state: &mut State<'_, '_>, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    for argument in arguments {
        charge(state, argument)?;
    }
    let Some(text) = value.as_str() else { return lists::method(state, value, method, arguments) };
    // They take several times as long as others.
    if matches!(method, "format" | "title") {
        state.consume_fuel((4 * text.len() / 64) as u64)?;
    }
    match method {
        "strip" | "lstrip" | "rstrip" => {
            let (characters,): (Option<&str>,) = from_args(arguments)?;
            Ok(Value::from(match method {
                "strip" => strip(text, characters),
                "lstrip" => strip_start(text, characters),
                _ => strip_end(text, characters),
            }))
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(arguments)?;
            Ok(Value::from(text.strip_prefix(prefix).unwrap_or(text)))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(arguments)?;
            Ok(Value::from(text.strip_suffix(suffix).unwrap_or(text)))
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(arguments)?;
            partition(text, separator, method == "rpartition")
        }
        "split" | "rsplit" => {
            let (placed, named): (Rest<Value>, Kwargs) = from_args(arguments)?;
            let given = Given::new(&placed, &named);
            let (separator, limit) = (given.text("sep")?, given.number("maxsplit", -1)?);
            given.end()?;
            split(text, separator.as_deref(), usize::try_from(limit).ok(), method == "rsplit")
        }
        "splitlines" => {
            let (placed, named): (Rest<Value>, Kwargs) = from_args(arguments)?;
            let given = Given::new(&placed, &named);
            let keep = given.is_on("keepends")?;
            given.end()?;
            Ok(split_lines(text, keep).into_iter().map(Value::from).collect())
        }
        "join" => {
            let (parts,): (&Value,) = from_args(arguments)?;
            join(state, text, parts)
        }
        "title" | "swapcase" | "casefold" => {
            let () = from_args(arguments)?;
            Ok(Value::from(cases::converted(text, method)))
        }
        "ljust" | "rjust" | "center" => {
            let (width, filling): (usize, Option<char>) = from_args(arguments)?;
            padded(state, text, method, width, filling.unwrap_or(' ')).map(Value::from)
        }
        "zfill" => {
            let (width,): (usize,) = from_args(arguments)?;
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
            let digits = padded(state, digits, "rjust", width.saturating_sub(sign.len()), '0')?;
            Ok(Value::from(sign.to_owned() + &digits))
        }
        "index" | "rindex" => {
            let (part,): (&str,) = from_args(arguments)?;
            let at = if method == "index" { text.find(part) } else { text.rfind(part) };
            let at = at.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "substring not found"))?;
            Ok(Value::from(text[..at].chars().count()))
        }
        "format" => {
            // The method reserves the widths that its text asks for; the budget has to hold them.
            state.consume_fuel(widths(text) / 64)?;
            unknown_method_callback(state, value, method, arguments)
        }
        _ => unknown_method_callback(state, value, method, arguments),
    }
}

/// `str.join`, which takes texts only.
fn join(state: &State<'_, '_>, separator: &str, parts: &Value) -> Result<Value, Error> {
    let mut text = Text::new(state);
    for (at, part) in parts.try_iter()?.enumerate() {
        let message = || invalid(format!("sequence item {at}: expected str instance, {} found", type_name(&part)));
        text.push(if at == 0 { "" } else { separator })?;
        text.push(part.as_str().ok_or_else(message)?)?;
    }
    Ok(Value::from(text.into_text()))
}

/// `str.ljust`, `str.rjust` and `str.center`: where one character is left over, Python puts it behind a text of even length.
pub(super) fn padded(state: &State<'_, '_>, text: &str, method: &str, width: usize, filling: char) -> Result<String, Error> {
    state.consume_fuel((width / 16) as u64)?;
    let missing = width.saturating_sub(text.chars().count());
    let before = match method {
        "ljust" => 0,
        "rjust" => missing,
        _ => missing / 2 + (missing & width & 1),
    };
    let filled = |count: usize| String::from(filling).repeat(count);
    Ok([&filled(before), text, &filled(missing - before)].concat())
}

/// Returns whether Python's `strip` removes a character by default: Rust's blanks and the four separators of ASCII.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

fn is_stripped(characters: Option<&str>) -> impl Fn(char) -> bool {
    let characters: Option<Vec<char>> = characters.map(|characters| {
        let mut sorted: Vec<char> = characters.chars().collect();
        sorted.sort_unstable();
        sorted.dedup();
        sorted
    });
    move |c| characters.as_ref().map_or_else(|| is_blank(c), |characters| characters.binary_search(&c).is_ok())
}

/// `str.strip`.
pub(super) fn strip<'a>(text: &'a str, characters: Option<&str>) -> &'a str {
    strip_start(strip_end(text, characters), characters)
}

fn strip_start<'a>(text: &'a str, characters: Option<&str>) -> &'a str {
    text.trim_start_matches(is_stripped(characters))
}

fn strip_end<'a>(text: &'a str, characters: Option<&str>) -> &'a str {
    text.trim_end_matches(is_stripped(characters))
}

fn no_separator() -> Error {
    Error::new(ErrorKind::InvalidOperation, "empty separator")
}

/// `str.partition` and `str.rpartition`.
fn partition(text: &str, separator: &str, from_end: bool) -> Result<Value, Error> {
    if separator.is_empty() {
        return Err(no_separator());
    }
    let parts = match if from_end { text.rsplit_once(separator) } else { text.split_once(separator) } {
        Some((before, after)) => [before, separator, after],
        None if from_end => ["", "", text],
        None => [text, "", ""],
    };
    Ok(Value::from(Tuple::from(parts.map(Value::from))))
}

/// `str.split` and `str.rsplit`, with at most `limit` cuts.
fn split(text: &str, separator: Option<&str>, limit: Option<usize>, from_end: bool) -> Result<Value, Error> {
    let pieces = limit.map_or(usize::MAX, |limit| limit.saturating_add(1));
    let mut parts: Vec<&str> = match separator {
        Some("") => return Err(no_separator()),
        Some(separator) if from_end => text.rsplitn(pieces, separator).collect(),
        Some(separator) => text.splitn(pieces, separator).collect(),
        None => words(text, pieces, from_end),
    };
    if from_end {
        parts.reverse();
    }
    Ok(parts.into_iter().map(Value::from).collect())
}

/// The words between blanks, in the order in which they are cut off. The last piece is all that is left.
fn words(text: &str, pieces: usize, from_end: bool) -> Vec<&str> {
    let mut words = Vec::new();
    let trimmed = |text| if from_end { strip_end(text, None) } else { strip_start(text, None) };
    let mut rest = trimmed(text);
    while !rest.is_empty() {
        let cut = if from_end { rest.rfind(is_blank) } else { rest.find(is_blank) };
        let Some(cut) = cut.filter(|_| words.len() + 1 < pieces) else {
            words.push(rest);
            break;
        };
        let width = rest[cut..].chars().next().map_or(0, char::len_utf8);
        let (word, left) = if from_end { (&rest[cut + width..], &rest[..cut]) } else { (&rest[..cut], &rest[cut..]) };
        words.push(word);
        rest = trimmed(left);
    }
    words
}

/// `str.splitlines`: every line end of Unicode counts, and no empty line follows the last end.
pub(super) fn split_lines(text: &str, keep: bool) -> Vec<&str> {
    let is_end = |c| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let (mut lines, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(is_end) {
        let end = if rest[at..].starts_with("\r\n") { 2 } else { rest[at..].chars().next().map_or(0, char::len_utf8) };
        lines.push(&rest[..if keep { at + end } else { at }]);
        rest = &rest[at + end..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// The sum of the numbers in a text.
fn widths(text: &str) -> u64 {
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    numbers.map(|digits| digits.parse().unwrap_or(u64::MAX)).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_from_either_end_as_python_cuts_them() {
        let text = " a  b\u{1f}c ";
        assert_eq!(words(text, usize::MAX, false), ["a", "b", "c"]);
        assert_eq!(words(text, 2, false), ["a", "b\u{1f}c "]);
        assert_eq!(words(text, 2, true), ["c", " a  b"]);
        assert_eq!(words(text, 1, false), ["a  b\u{1f}c "]);
        assert_eq!(words(text, 1, true), [" a  b\u{1f}c"]);
        assert_eq!(words("  ", 3, true), [""; 0]);
        assert_eq!(split_lines("a\r\nb\u{2028}\nc\n", false), ["a", "b", "", "c"]);
        assert_eq!(split_lines("a\r\nb", true), ["a\r\n", "b"]);
        assert_eq!(split_lines("", false), [""; 0]);
    }
}
