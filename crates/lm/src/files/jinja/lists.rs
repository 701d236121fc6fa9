//! Methods and filters of lists and dicts.

use super::arguments::Given;
use super::nesting::{charge, shallow, short};
use super::numbers::invalid;
use super::operators::{add, equal, items, type_name};
use super::repr::{Text, text_of};
use minijinja::value::{Kwargs, Rest, ValueKind, from_args};
use minijinja::{Environment, Error, State, Value, functions};
use minijinja_contrib::pycompat::unknown_method_callback;

/// Replaces the filters and functions that differ from Jinja's, or whose work would not be paid for.
pub(super) fn add_filters(environment: &mut Environment<'static>) {
    environment.add_filter("_iterable", iterable);
    environment.add_filter("reverse", reverse);
    environment.add_filter("sum", sum);
    environment.add_filter("join", join);
    environment.add_filter("attr", |_: Value, _: &str| Value::UNDEFINED);
    environment.add_function("dict", dict);
    environment.add_function("namespace", namespace);
    for name in ["chain", "zip"] {
        environment.remove_filter(name);
    }
    environment.remove_global("debug");
}

/// Calls a method of what is no text.
pub(super) fn method(state: &mut State<'_, '_>, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    match (value.kind(), method) {
        (ValueKind::Seq, "count") => {
            let (wanted,): (&Value,) = from_args(arguments)?;
            let mut count = 0;
            for item in items(state, value)? {
                count += usize::from(equal(state, &item, wanted)?);
            }
            Ok(Value::from(count))
        }
        (ValueKind::Seq, "index") => {
            let (wanted,): (&Value,) = from_args(arguments)?;
            for (at, item) in items(state, value)?.iter().enumerate() {
                if equal(state, item, wanted)? {
                    return Ok(Value::from(at));
                }
            }
            Err(invalid("the value is not in the list"))
        }
        (ValueKind::Seq | ValueKind::Map, "copy") => {
            let () = from_args(arguments)?;
            Ok(value.clone())
        }
        _ => unknown_method_callback(state, value, method, arguments),
    }
}

/// Checks the value that a loop iterates over. The engine charges a text that passes through a filter.
fn iterable(value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::None | ValueKind::Number | ValueKind::Bool => Err(invalid(format!("'{}' object is not iterable", type_name(&value)))),
        _ => Ok(value),
    }
}

/// A text or a list from its end.
fn reverse(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        return Ok(Value::from(text.chars().rev().collect::<String>()));
    }
    let mut all = items(state, &iterable(value.clone())?)?;
    all.reverse();
    Ok(Value::from(all))
}

/// Jinja's `sum(attribute=None, start=0)`.
#[expect(clippy::needless_pass_by_value, reason = "a filter's arguments are values")]
fn sum(state: &mut State<'_, '_>, values: &Value, options: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let given = Given::new(&options, &named);
    let (attribute, start) = (given.get("attribute")?, given.get("start")?);
    named.assert_all_used()?;
    let values = mapped(state, values, attribute)?;
    items(state, &values)?.iter().try_fold(start.unwrap_or_else(|| Value::from(0)), |sum, value| {
        let sum = add(state, &sum, value)?;
        state.consume_fuel(sum.as_str().map_or(0, str::len) as u64 / 64)?;
        Ok(sum)
    })
}

/// Jinja's `join(d='', attribute=None)`.
#[expect(clippy::needless_pass_by_value, reason = "a filter's arguments are values")]
fn join(state: &mut State<'_, '_>, values: &Value, options: Rest<Value>, named: Kwargs) -> Result<String, Error> {
    let given = Given::new(&options, &named);
    let (separator, attribute) = (given.get("d")?, given.get("attribute")?);
    named.assert_all_used()?;
    let separator = separator.map_or_else(|| Ok(String::new()), |separator| text_of(state, &separator))?;
    let values = mapped(state, values, attribute)?;
    let mut text = Text::new(state);
    for (at, value) in items(state, &values)?.iter().enumerate() {
        text.push(if at == 0 { "" } else { &separator })?;
        text.push(&text_of(state, value)?)?;
    }
    Ok(text.into_text())
}

/// The values, or an attribute of each.
fn mapped(state: &mut State<'_, '_>, values: &Value, attribute: Option<Value>) -> Result<Value, Error> {
    match attribute.filter(|attribute| !attribute.is_none()) {
        Some(attribute) => {
            let name = Kwargs::from_iter([("attribute", short(state, attribute)?)]);
            state.apply_filter("map", &[values.clone(), Value::from(name)])
        }
        None => iterable(values.clone()),
    }
}

/// `dict(pairs, **named)`: a dict, or pairs of a key and a value.
#[expect(clippy::needless_pass_by_value, reason = "a function's arguments are values")]
fn dict(state: &State<'_, '_>, given: Option<Value>, named: Kwargs) -> Result<Value, Error> {
    let mut pairs: Vec<(Value, Value)> = Vec::new();
    if let Some(given) = given {
        charge(state, &given)?;
        for entry in given.try_iter()? {
            pairs.push(match given.kind() {
                ValueKind::Map => (entry.clone(), given.get_item(&entry)?),
                _ => (entry.get_item(&Value::from(0))?, entry.get_item(&Value::from(1))?),
            });
        }
    }
    for name in named.args() {
        pairs.push((Value::from(name), named.get(name)?));
    }
    shallow(state, Value::from_pairs(pairs), 0)
}

/// `namespace(dict, **named)`: an object with attributes that can be set.
fn namespace(state: &State<'_, '_>, given: Option<Value>, named: Kwargs) -> Result<Value, Error> {
    let attributes = dict(state, given, named)?;
    shallow(state, attributes.clone(), 1)?;
    functions::namespace(Some(attributes.into()))
}
