//! The filters, tests and functions of a template.

use super::nesting::{SHALLOW, shallow};
use super::syntax::PERCENT;
use super::{date, json, python};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

/// The most units that one rendering may use. A unit is one instruction, or 64 bytes of new text or lists. So a rendering uses at most about
/// 64 MB and a fraction of a second. A conversation of a megabyte needs a tenth of the units.
pub const BUDGET: u64 = 1_000_000;

/// An environment without templates. Templates must be [`super::prepared`].
#[must_use]
pub fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the delimiters are the usual ones"));
    environment.set_fuel(Some(BUDGET));
    environment.set_unknown_method_callback(python::method);
    environment.add_filter("tojson", json::to_json);
    environment.add_filter("escape", escape);
    environment.add_filter("e", escape);
    environment.add_filter("indent", indent);
    environment.add_filter("truncate", truncate);
    environment.add_filter("wordcount", word_count);
    environment.add_filter("trim", |text: &str, characters: Option<&str>| python::strip(text, characters).to_owned());
    environment.add_filter(PERCENT, percent);
    environment.add_filter(SHALLOW, shallow);
    environment.add_test("sequence", is_sequence);
    environment.add_test("iterable", is_iterable);
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function("strftime_now", date::strftime_now);
    environment
}

/// Returns whether a value is a sequence in Python: it has a length and items. Jinja counts an undefined value as one.
fn is_sequence(value: &Value) -> bool {
    value.is_undefined() || matches!(value.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Map) || value.len().is_some()
}

/// Returns whether Python can iterate over a value. `none` is not iterable there.
fn is_iterable(value: &Value) -> bool {
    !value.is_none() && (value.kind() == ValueKind::String || value.try_iter().is_ok())
}

/// `'%s-%d' % (a, b)`: a tuple holds one value for each place, anything else is the one value.
fn percent(state: &mut State<'_, '_>, format: Value, values: Value) -> Result<Value, Error> {
    let mut arguments = vec![format];
    if values.is_tuple() {
        arguments.extend(values.try_iter()?);
    } else {
        arguments.push(values);
    }
    state.apply_filter("format", &arguments)
}

/// HTML with the five replacements of `markupsafe`; `minijinja` replaces the slash as well.
fn escape(text: &Value) -> Value {
    if text.is_safe() {
        return text.clone();
    }
    let mut html = String::new();
    for character in text.to_string().chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '\'' => html.push_str("&#39;"),
            '"' => html.push_str("&#34;"),
            other => html.push(other),
        }
    }
    Value::from_safe_string(html)
}

/// Jinja's `indent(width=4, first=False, blank=False)`.
#[expect(clippy::needless_pass_by_value, reason = "a filter's arguments are values")]
fn indent(state: &State<'_, '_>, text: &str, options: Rest<Value>, named: Kwargs) -> Result<String, Error> {
    let given = |at: usize, name: &str| match options.get(at) {
        Some(value) => Ok(Some(value.clone())),
        None => named.get::<Option<Value>>(name),
    };
    let (width, first, blank) = (given(0, "width")?, given(1, "first")?, given(2, "blank")?);
    named.assert_all_used()?;
    let is_on = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let (first, blank) = (is_on(first), is_on(blank));
    let text = text.to_owned() + "\n";
    let lines = python::split_lines(&text, false);
    let width = match width {
        Some(width) if width.kind() == ValueKind::String => Err(width.to_string()),
        Some(width) => Ok(usize::try_from(width)?),
        None => Ok(4),
    };
    let bytes = width.as_ref().map_or_else(String::len, |width| *width);
    state.consume_fuel((bytes.saturating_mul(lines.len()) / 64) as u64)?;
    let indentation = width.map_or_else(|text| text, |width| " ".repeat(width));
    let mut indented = String::new();
    for (at, line) in lines.iter().enumerate() {
        let is_indented = if at == 0 { first } else { blank || !line.is_empty() };
        indented.push_str(if at == 0 { "" } else { "\n" });
        indented.push_str(if is_indented { &indentation } else { "" });
        indented.push_str(line);
    }
    Ok(indented)
}

/// Words as Jinja counts them: runs of letters, digits and underscores.
fn word_count(text: &str) -> usize {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).count()
}

/// Jinja's `truncate(length=255, killwords=False, end='...', leeway=5)`.
#[expect(clippy::needless_pass_by_value, reason = "a filter's arguments are values")]
fn truncate(text: &str, options: Rest<Value>, named: Kwargs) -> Result<String, Error> {
    let given = |at: usize, name: &str| match options.get(at) {
        Some(value) => Ok(Some(value.clone())),
        None => named.get::<Option<Value>>(name),
    };
    let (length, whole, end, leeway) = (given(0, "length")?, given(1, "killwords")?, given(2, "end")?, given(3, "leeway")?);
    named.assert_all_used()?;
    let number = |value: Option<Value>, default: usize| value.map_or(Ok(default), usize::try_from);
    let (length, leeway) = (number(length, 255)?, number(leeway.filter(|value| !value.is_none()), 5)?);
    let cuts_words = whole.is_some_and(|value| value.is_true());
    let end = end.map_or_else(|| "...".to_owned(), |value| value.to_string());
    let characters = text.chars().count();
    if characters <= length.saturating_add(leeway) {
        return Ok(text.to_owned());
    }
    let kept = length.checked_sub(end.chars().count());
    let kept =
        kept.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("truncate: the length {length} does not hold {end:?}")))?;
    let kept: String = text.chars().take(kept).collect();
    let kept = if cuts_words { &kept } else { kept.rsplit_once(' ').map_or(kept.as_str(), |(words, _)| words) };
    Ok(kept.to_owned() + &end)
}
