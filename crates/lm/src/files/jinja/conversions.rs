//! Filters that make one value of another.

use super::arguments::Given;
use super::environment::escape;
use super::numbers::{Number, invalid};
use super::operators::undefined;
use super::python::{padded, strip};
use super::repr::text_of;
use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, State, Value};

/// Adds the filters.
pub(super) fn add_filters(environment: &mut Environment<'static>) {
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_filter("string", string);
    environment.add_filter("trim", trim);
    environment.add_filter("center", center);
    environment.add_filter("urlencode", url_encode);
    environment.add_filter("forceescape", |text: &Value| escape(&Value::from(text.to_string())));
    environment.add_filter("filesizeformat", file_size);
    environment.add_filter("format", format);
    environment.add_filter("striptags", strip_tags);
}

/// Jinja's `default(default_value='', boolean=False)`.
#[expect(clippy::needless_pass_by_value, reason = "a filter's arguments are values")]
fn default(value: Value, options: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let given = Given::new(&options, &named);
    let (default, boolean) = (given.get("default_value")?, given.is_on("boolean")?);
    given.end()?;
    let is_used = value.is_undefined() || (boolean && !value.is_true());
    Ok(if is_used { default.unwrap_or_else(|| Value::from("")) } else { value })
}

/// Jinja's `int(default=0, base=10)`.
#[expect(clippy::needless_pass_by_value, reason = "a filter's arguments are values")]
fn int(value: &Value, options: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let given = Given::new(&options, &named);
    let (default, base) = (given.get("default")?, given.number("base", 10)?);
    given.end()?;
    let base =
        u32::try_from(base).ok().filter(|base| [2, 8, 10, 16].contains(base)).ok_or_else(|| invalid("int: the base is not supported"))?;
    let whole = match Number::of(value) {
        _ if value.is_undefined() => return Err(undefined()),
        Some(Number::Whole(whole)) => Some(whole),
        Some(Number::Float(float)) => truncated(float),
        None => value.as_str().and_then(|text| whole_number(text, base).or_else(|| truncated(decimal_number(text)?))),
    };
    Ok(whole.map_or_else(|| default.unwrap_or_else(|| Value::from(0)), |whole| Number::Whole(whole).into()))
}

fn truncated(float: f64) -> Option<i128> {
    float.is_finite().then(|| float.trunc() as i128)
}

/// Python's `int` of a text: underscores may divide the digits, and the prefix of the base may precede them.
fn whole_number(text: &str, base: u32) -> Option<i128> {
    let text = strip(text, None).to_lowercase();
    let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
    let prefix = match base {
        2 => "0b",
        8 => "0o",
        16 => "0x",
        _ => "",
    };
    let digits = without_underscores(digits.strip_prefix(prefix).unwrap_or(digits))?;
    if digits.starts_with(['-', '+']) {
        return None;
    }
    i128::from_str_radix(&(sign.to_owned() + &digits), base).ok()
}

/// Python's `float` of a text.
fn decimal_number(text: &str) -> Option<f64> {
    without_underscores(strip(text, None))?.parse().ok()
}

fn without_underscores(digits: &str) -> Option<String> {
    let is_divided = !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__");
    is_divided.then(|| digits.replace('_', ""))
}

/// Jinja's `float(default=0.0)`.
fn float(value: &Value, default: Option<Value>) -> Result<Value, Error> {
    let float = match Number::of(value) {
        _ if value.is_undefined() => return Err(undefined()),
        Some(number) => Some(number.float()),
        None => value.as_str().and_then(decimal_number),
    };
    Ok(float.map_or_else(|| default.unwrap_or_else(|| Value::from(0.0)), Value::from))
}

fn string(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    if value.as_str().is_some() { Ok(value) } else { text_of(state, &value).map(Value::from) }
}

fn trim(state: &State<'_, '_>, value: &Value, characters: Option<&str>) -> Result<String, Error> {
    Ok(strip(&text_of(state, value)?, characters).to_owned())
}

fn center(state: &State<'_, '_>, value: &Value, width: Option<usize>) -> Result<String, Error> {
    padded(state, &text_of(state, value)?, "center", width.unwrap_or(80), ' ')
}

/// A text in a URL, or a dict as the names and values of its query.
fn url_encode(state: &State<'_, '_>, value: &Value) -> Result<String, Error> {
    if value.kind() != ValueKind::Map {
        return Ok(quoted(&text_of(state, value)?, "/"));
    }
    let mut pairs = Vec::new();
    for key in value.try_iter()? {
        let both = [text_of(state, &key)?, text_of(state, &value.get_item(&key)?)?];
        pairs.push(both.map(|text| quoted(&text, " ").replace(' ', "+")).join("="));
    }
    Ok(pairs.join("&"))
}

fn quoted(text: &str, safe: &str) -> String {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) || safe.as_bytes().contains(&byte);
    text.bytes().map(|byte| if is_safe(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Jinja's `filesizeformat(binary=False)`.
fn file_size(value: &Value, binary: Option<bool>) -> Result<String, Error> {
    let number = Number::of(value).map(Number::float).or_else(|| value.as_str().and_then(decimal_number));
    let bytes = number.ok_or_else(|| invalid("filesizeformat: expected a number"))?;
    let (base, units) = if binary == Some(true) { (1024.0, "iB") } else { (1000.0, "B") };
    if bytes.to_bits() == 1_f64.to_bits() {
        return Ok("1 Byte".into());
    }
    if bytes < base {
        return Ok(format!("{} Bytes", bytes.trunc()));
    }
    let (mut size, mut prefixes) = (bytes / base, if binary == Some(true) { "KMGTPEZY" } else { "kMGTPEZY" }.chars());
    let mut prefix = prefixes.next().unwrap_or('k');
    for larger in prefixes {
        if size < base {
            break;
        }
        size /= base;
        prefix = larger;
    }
    Ok(format!("{size:.1} {prefix}{units}"))
}

/// `'%s'|format(value)`
#[expect(clippy::needless_pass_by_value, reason = "a filter's arguments are values")]
fn format(state: &State<'_, '_>, format: &Value, values: Rest<Value>, named: Kwargs) -> Result<String, Error> {
    let mut pairs = Vec::new();
    for name in named.args() {
        pairs.push((Value::from(name), named.get::<Value>(name)?));
    }
    let values = if pairs.is_empty() { Value::from(minijinja::value::Tuple::from(values.to_vec())) } else { Value::from_pairs(pairs) };
    super::printf::format(state, &text_of(state, format)?, &values)
}

/// The text between the tags of HTML, with one blank between words.
fn strip_tags(state: &State<'_, '_>, value: &Value) -> Result<String, Error> {
    let html = text_of(state, value)?;
    let mut text = String::new();
    let mut rest = html.as_str();
    while let Some(at) = rest.find('<') {
        let (begin, end) = if rest[at..].starts_with("<!--") { (4, "-->") } else { (1, ">") };
        let Some(length) = rest[at + begin..].find(end) else { break };
        text.push_str(&rest[..at]);
        rest = &rest[at + begin + length + end.len()..];
    }
    text.push_str(rest);
    let words: Vec<&str> = text.split_whitespace().collect();
    let escapes = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    Ok(escapes.iter().fold(words.join(" "), |text, (escape, character)| text.replace(escape, character)))
}
