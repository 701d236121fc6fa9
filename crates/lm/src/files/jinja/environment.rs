//! The filters, tests and functions of a template.

use super::arguments::Given;
use super::nesting::{METERED, PAID, SHALLOW, SHORT, metered, shallow, short};
use super::numbers::invalid;
use super::operators::add_operators;
use super::{conversions, date, json, lists, python, repr, tests};
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
    environment.add_filter(SHALLOW, shallow);
    environment.add_filter(METERED, metered);
    environment.add_filter(SHORT, short);
    environment.add_filter(PAID, |value: Value| value);
    environment.set_formatter(repr::write);
    add_operators(&mut environment);
    lists::add_filters(&mut environment);
    conversions::add_filters(&mut environment);
    tests::add_tests(&mut environment);
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function("strftime_now", date::strftime_now);
    environment
}

/// HTML with the five replacements of `markupsafe`; `minijinja` replaces the slash as well.
pub(super) fn escape(text: &Value) -> Value {
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
    let given = Given::new(&options, &named);
    let (width, first, blank) = (given.get("width")?, given.is_on("first")?, given.is_on("blank")?);
    given.end()?;
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
    let given = Given::new(&options, &named);
    let (length, cuts_words) = (given.number("length", 255)?, given.is_on("killwords")?);
    let (end, leeway) = (given.text("end")?.unwrap_or_else(|| "...".to_owned()), given.number("leeway", 5)?);
    given.end()?;
    let (Ok(length), Ok(leeway)) = (usize::try_from(length), usize::try_from(leeway)) else {
        return Err(invalid("truncate: a length is negative"));
    };
    let characters = text.chars().count();
    if characters <= length.saturating_add(leeway) {
        return Ok(text.to_owned());
    }
    let kept = length.checked_sub(end.chars().count());
    let kept = kept.ok_or_else(|| invalid(format!("truncate: the length {length} does not hold {end:?}")))?;
    let kept: String = text.chars().take(kept).collect();
    let kept = if cuts_words { &kept } else { kept.rsplit_once(' ').map_or(kept.as_str(), |(words, _)| words) };
    Ok(kept.to_owned() + &end)
}
