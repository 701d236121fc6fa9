//! The `tojson` filter as Python's `json.dumps` writes it: blanks after commas and colons, and no escapes that JSON does not need.

use super::arguments::Given;
use super::nesting::charge;
use super::numbers::{Number, float_text, invalid};
use super::operators::{defined, type_name};
use super::repr::Text;
use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Error, State, Value};

/// The widest indentation of a level.
const MAX_INDENT: usize = 64;

/// A value as JSON: the filter's options are `ensure_ascii`, `indent`, `separators` and `sort_keys`, as in `transformers`.
#[expect(clippy::needless_pass_by_value, reason = "a filter's arguments are values")]
pub(super) fn to_json(state: &State<'_, '_>, value: Value, options: Rest<Value>, named: Kwargs) -> Result<String, Error> {
    defined(state, &value)?;
    let given = Given::new(&options, &named);
    let ascii = given.is_on("ensure_ascii")?;
    let indent = match given.get("indent")?.filter(|indent| !indent.is_none()) {
        Some(indent) => Some(indentation(&indent)?),
        None => None,
    };
    let separators = given.get("separators")?.filter(|separators| !separators.is_none());
    let sorted = given.is_on("sort_keys")?;
    given.end()?;
    let (item, key) = match separators {
        Some(both) => (both.get_item(&Value::from(0))?.to_string(), both.get_item(&Value::from(1))?.to_string()),
        None => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
    };
    let mut writer = Writer { state, text: Text::new(state), ascii, indent, item, key, sorted };
    writer.value(&value, 0)?;
    Ok(writer.text.into_text())
}

/// A number of blanks, or the text itself.
fn indentation(indent: &Value) -> Result<String, Error> {
    let text = match Number::of(indent) {
        Some(Number::Whole(width)) => " ".repeat(usize::try_from(width.max(0)).unwrap_or(usize::MAX).min(MAX_INDENT + 1)),
        _ => indent.to_string(),
    };
    if text.len() > MAX_INDENT {
        return Err(invalid(format!("tojson: indent is {indent}, expected at most {MAX_INDENT}")));
    }
    Ok(text)
}

struct Writer<'a, 'template, 'environment> {
    state: &'a State<'template, 'environment>,
    text: Text<'a, 'template, 'environment>,
    ascii: bool,
    indent: Option<String>,
    /// The separator of items, and the separator of a key and its value.
    item: String,
    key: String,
    sorted: bool,
}

impl Writer<'_, '_, '_> {
    fn value(&mut self, value: &Value, level: usize) -> Result<(), Error> {
        match value.kind() {
            ValueKind::None => self.text.push("null"),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Bool | ValueKind::Number => self.text.push(&scalar(value)),
            ValueKind::Seq | ValueKind::Iterable => self.list(value, level),
            ValueKind::Map => self.dict(value, level),
            _ => Err(invalid(format!("Object of type {} is not JSON serializable", type_name(value)))),
        }
    }

    fn list(&mut self, list: &Value, level: usize) -> Result<(), Error> {
        self.text.push("[")?;
        let mut items = 0;
        for item in list.try_iter()? {
            self.begin_item(items, level)?;
            self.value(&item, level + 1)?;
            items += 1;
        }
        self.end(items, level, "]")
    }

    fn dict(&mut self, dict: &Value, level: usize) -> Result<(), Error> {
        self.text.push("{")?;
        let mut keys: Vec<Value> = dict.try_iter()?.collect();
        if self.sorted {
            for key in &keys {
                charge(self.state, key)?;
            }
            keys.sort();
        }
        for (at, key) in keys.iter().enumerate() {
            self.begin_item(at, level)?;
            match key.kind() {
                ValueKind::String => self.string(key.as_str().unwrap_or_default())?,
                ValueKind::None => self.string("null")?,
                ValueKind::Bool | ValueKind::Number => self.string(&scalar(key))?,
                _ => return Err(invalid(format!("keys must be str, int, float, bool or None, not {}", type_name(key)))),
            }
            let separator = self.key.clone();
            self.text.push(&separator)?;
            self.value(&dict.get_item(key)?, level + 1)?;
        }
        self.end(keys.len(), level, "}")
    }

    fn begin_item(&mut self, at: usize, level: usize) -> Result<(), Error> {
        if at > 0 {
            let separator = self.item.clone();
            self.text.push(&separator)?;
        }
        self.line(level + 1)
    }

    fn end(&mut self, items: usize, level: usize, close: &str) -> Result<(), Error> {
        if items > 0 {
            self.line(level)?;
        }
        self.text.push(close)
    }

    fn line(&mut self, level: usize) -> Result<(), Error> {
        match &self.indent {
            Some(indent) => self.text.push(&format!("\n{}", indent.repeat(level))),
            None => Ok(()),
        }
    }

    fn string(&mut self, string: &str) -> Result<(), Error> {
        let quoted = serde_json::Value::from(string).to_string();
        if !self.ascii {
            return self.text.push(&quoted);
        }
        let mut escaped = String::with_capacity(quoted.len());
        for character in quoted.chars() {
            if (' '..='~').contains(&character) {
                escaped.push(character);
            } else {
                let mut units = [0; 2];
                escaped.extend(character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
            }
        }
        self.text.push(&escaped)
    }
}

fn scalar(value: &Value) -> String {
    match (value.kind(), Number::of(value)) {
        (ValueKind::Bool, _) => value.is_true().to_string(),
        (_, Some(Number::Float(float))) if float.is_nan() => "NaN".into(),
        (_, Some(Number::Float(float))) if float.is_infinite() => if float > 0.0 { "Infinity" } else { "-Infinity" }.into(),
        (_, Some(Number::Float(float))) => float_text(float),
        _ => value.to_string(),
    }
}
