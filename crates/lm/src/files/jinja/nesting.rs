//! Limits the depth of the values that a template keeps.
//!
//! To print, compare or free a value takes a part of the stack for each level of it, and a stack that is used up ends the process. A loop can put
//! a value into a list again and again, and an object of `namespace` can be put into itself. So [`super::syntax`] adds the filter
//! [`SHALLOW`] to each assignment.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value, functions};
use std::sync::LazyLock;

/// The filter that returns its value, if it is shallow.
pub(super) const SHALLOW: &str = "shallow";
/// The filter that returns its value and pays for a walk over all of it.
pub(super) const METERED: &str = "metered";
/// The filter that returns its value. The engine charges every filter for the length of a text.
pub(super) const PAID: &str = "paid";
/// The filter that returns its value, if the value and its items are no long texts.
pub(super) const SHORT: &str = "_short";
/// The most bytes of a short text.
pub(super) const LONGEST: usize = 1000;
/// The most levels of a value. Published templates have three.
const MOST_LEVELS: usize = 50;
/// Values that are looked at for one unit of the budget.
const VALUES_PER_UNIT: u64 = 8;

/// The value. `level` is 1 for what becomes an attribute of a namespace, else 0.
pub(super) fn shallow(state: &State<'_, '_>, value: Value, level: usize) -> Result<Value, Error> {
    let mut seen = 0;
    check(state, &value, level, &mut seen)?;
    Ok(value)
}

/// The value, after a charge for all of its texts and items.
pub(super) fn metered(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    charge(state, &value)?;
    Ok(value)
}

/// The value, if it and its items have at most [`LONGEST`] bytes each. A whole number becomes a text: Jinja accepts the index of an item in place of
/// an attribute's name, and the engine accepts texts only.
pub(super) fn short(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    if value.is_integer() {
        return Ok(Value::from(value.to_string()));
    }
    charge(state, &value)?;
    let is_long = |value: &Value| value.as_str().is_some_and(|text| text.len() > LONGEST);
    let has_long = match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => value.try_iter()?.any(|item| is_long(&item)),
        ValueKind::Map => value.try_iter()?.any(|key| value.get_item(&key).is_ok_and(|item| is_long(&item))),
        _ => is_long(&value),
    };
    let message = || format!("an argument of a filter has more than {LONGEST} bytes");
    if has_long { Err(Error::new(ErrorKind::InvalidOperation, message())) } else { Ok(value) }
}

/// Pays for a walk over a value.
pub(super) fn charge(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    state.consume_fuel(1 + (value.as_str().map_or(0, str::len) / 64) as u64)?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => value.try_iter()?.try_for_each(|item| charge(state, &item)),
        ValueKind::Map => value.try_iter()?.try_for_each(|key| {
            charge(state, &key)?;
            charge(state, &value.get_item(&key)?)
        }),
        _ => Ok(()),
    }
}

fn check(state: &State<'_, '_>, value: &Value, level: usize, seen: &mut u64) -> Result<(), Error> {
    let refused = |message: String| Err(Error::new(ErrorKind::InvalidOperation, message));
    if level > MOST_LEVELS {
        return refused(format!("a value has more than {MOST_LEVELS} levels"));
    }
    if level > 0 && is_namespace(value) {
        return refused("a namespace is put into another value".to_owned());
    }
    *seen += 1;
    if seen.is_multiple_of(VALUES_PER_UNIT) {
        state.consume_fuel(1)?;
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => value.try_iter()?.try_for_each(|item| check(state, &item, level + 1, seen)),
        ValueKind::Map => value.try_iter()?.try_for_each(|key| check(state, &value.get_item(&key)?, level + 1, seen)),
        _ => Ok(()),
    }
}

/// Returns true for what `namespace()` made. Its type is not public, but the type's name is that of any other.
fn is_namespace(value: &Value) -> bool {
    static NAME: LazyLock<Option<&str>> = LazyLock::new(|| Some(functions::namespace(None).ok()?.as_object()?.type_name()));
    value.as_object().is_some_and(|object| Some(object.type_name()) == *NAME)
}
