//! The tests of values, as in `x is sequence`.

use super::operators::equal;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, State, Value};

/// Replaces the tests that differ from Jinja's, or that do not pay for their work.
pub(super) fn add_tests(environment: &mut Environment<'static>) {
    environment.add_test("sequence", is_sequence);
    environment.add_test("iterable", is_iterable);
    environment.add_test("callable", is_callable);
    environment.add_test("sameas", is_same);
    environment.add_test("lower", |state: &State<'_, '_>, text: &Value| has_case(state, text, char::is_lowercase, char::is_uppercase));
    environment.add_test("upper", |state: &State<'_, '_>, text: &Value| has_case(state, text, char::is_uppercase, char::is_lowercase));
    for name in ["startingwith", "endingwith"] {
        environment.remove_test(name);
    }
}

/// Returns whether a value is a sequence in Python: it has a length and items. Jinja counts an undefined value as one.
fn is_sequence(value: &Value) -> bool {
    value.is_undefined() || matches!(value.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Map) || value.len().is_some()
}

/// Returns whether Python can iterate over a value. `none` is not iterable there.
fn is_iterable(value: &Value) -> bool {
    !value.is_none() && (value.kind() == ValueKind::String || value.try_iter().is_ok())
}

/// Functions and macros are plain objects. Jinja counts an undefined value as callable.
fn is_callable(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Undefined | ValueKind::Plain) || value.as_object().is_some_and(|o| o.type_name().contains("Macro"))
}

/// Texts and numbers are the same if they are equal.
fn is_same(state: &State<'_, '_>, a: &Value, b: &Value) -> Result<bool, Error> {
    match (a.as_object(), b.as_object()) {
        (Some(_), Some(_)) => Ok(minijinja::tests::is_sameas(a, b)),
        _ => Ok(a.kind() == b.kind() && a.is_integer() == b.is_integer() && equal(state, a, b)?),
    }
}

/// Returns whether a text has a letter of one case and none of the other.
fn has_case(state: &State<'_, '_>, text: &Value, wanted: fn(char) -> bool, other: fn(char) -> bool) -> Result<bool, Error> {
    let text = text.to_string();
    state.consume_fuel((text.len() / 16) as u64)?;
    Ok(text.chars().any(wanted) && !text.chars().any(other))
}
