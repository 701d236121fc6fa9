//! The operators of a template as filters, which [`super::expressions`] puts in their place: Python's rules, and a charge for all work.

use super::environment::escape;
use super::nesting::charge;
use super::numbers::{Number, calculate, invalid};
use super::printf;
use super::repr::text_of;
use minijinja::value::{Tuple, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value};
use std::cmp::Ordering;

/// Adds the operators.
pub(super) fn add_operators(environment: &mut Environment<'static>) {
    environment.add_filter("_add", add);
    environment.add_filter("_mul", multiply);
    environment.add_filter("_mod", modulo);
    environment.add_filter("_sub", |a: Value, b: Value| arithmetic("-", &a, &b));
    environment.add_filter("_div", |a: Value, b: Value| arithmetic("/", &a, &b));
    environment.add_filter("_floordiv", |a: Value, b: Value| arithmetic("//", &a, &b));
    environment.add_filter("_pow", |a: Value, b: Value| arithmetic("**", &a, &b));
    environment.add_filter("_neg", |a: Value| signed(&a, "-"));
    environment.add_filter("_pos", |a: Value| signed(&a, "+"));
    environment.add_filter("_concat", concatenate);
    environment.add_filter("_slice", slice);
    environment.add_filter("_eq", equals);
    environment.add_filter("_ne", differs);
    environment.add_filter("_in", contains);
    environment.add_filter("_not_in", lacks);
    environment.add_filter("_lt", less);
    environment.add_filter("_le", less_or_equal);
    environment.add_filter("_gt", greater);
    environment.add_filter("_ge", greater_or_equal);
    for name in ["eq", "equalto", "=="] {
        environment.add_test(name, equals);
    }
    for name in ["ne", "!="] {
        environment.add_test(name, differs);
    }
    for name in ["lt", "lessthan", "<"] {
        environment.add_test(name, less);
    }
    for name in ["le", "<="] {
        environment.add_test(name, less_or_equal);
    }
    for name in ["gt", "greaterthan", ">"] {
        environment.add_test(name, greater);
    }
    for name in ["ge", ">="] {
        environment.add_test(name, greater_or_equal);
    }
    environment.add_test("in", contains);
}

/// The name of a value's type in Python.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "Undefined",
        ValueKind::None => "NoneType",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        _ if value.is_tuple() => "tuple",
        ValueKind::Seq => "list",
        ValueKind::Map => "dict",
        _ => "object",
    }
}

fn unsupported(operator: &str, a: &Value, b: &Value) -> Error {
    let kind = if a.is_undefined() || b.is_undefined() { ErrorKind::UndefinedError } else { ErrorKind::InvalidOperation };
    Error::new(kind, format!("unsupported operand types for {operator}: '{}' and '{}'", type_name(a), type_name(b)))
}

/// Refuses an undefined value where the environment is strict.
pub(super) fn defined(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let is_strict = matches!(state.undefined_behavior(), UndefinedBehavior::Strict);
    if value.is_undefined() && is_strict { Err(undefined()) } else { Ok(()) }
}

pub(super) fn undefined() -> Error {
    Error::new(ErrorKind::UndefinedError, "a value that is used is not defined")
}

fn arithmetic(operator: &str, a: &Value, b: &Value) -> Result<Value, Error> {
    match (Number::of(a), Number::of(b)) {
        (Some(a), Some(b)) => calculate(operator, a, b),
        _ => Err(unsupported(operator, a, b)),
    }
}

fn signed(value: &Value, sign: &str) -> Result<Value, Error> {
    match (Number::of(value), sign) {
        (Some(Number::Float(float)), "-") => Ok(Value::from(-float)),
        (Some(number), "-") => calculate("-", Number::Whole(0), number),
        (Some(number), _) => Ok(number.into()),
        (None, _) => Err(unsupported(sign, value, value)),
    }
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

/// The items of a list, each of which is paid for.
pub(super) fn items(state: &State<'_, '_>, value: &Value) -> Result<Vec<Value>, Error> {
    defined(state, value)?;
    let mut items = Vec::new();
    for item in value.try_iter()? {
        state.consume_fuel(1)?;
        items.push(item);
    }
    Ok(items)
}

fn list_like(like: &Value, items: Vec<Value>) -> Value {
    if like.is_tuple() { Value::from(Tuple::from(items)) } else { Value::from(items) }
}

pub(super) fn add(state: &State<'_, '_>, a: &Value, b: &Value) -> Result<Value, Error> {
    if a.as_str().is_some() && b.as_str().is_some() {
        return joined(state, a, b);
    }
    if is_list(a) && is_list(b) && a.is_tuple() == b.is_tuple() {
        let mut all = items(state, a)?;
        all.extend(items(state, b)?);
        return Ok(list_like(a, all));
    }
    arithmetic("+", a, b)
}

/// Two texts as one. If one is markup, the other is escaped.
fn joined(state: &State<'_, '_>, a: &Value, b: &Value) -> Result<Value, Error> {
    let (a, b, safe) = if a.is_safe() || b.is_safe() { (escape(a), escape(b), true) } else { (a.clone(), b.clone(), false) };
    let text = text_of(state, &a)? + &text_of(state, &b)?;
    Ok(if safe { Value::from_safe_string(text) } else { Value::from(text) })
}

/// `a ~ b`, which escapes nothing.
fn concatenate(state: &State<'_, '_>, a: &Value, b: &Value) -> Result<Value, Error> {
    Ok(Value::from(text_of(state, a)? + &text_of(state, b)?))
}

/// A text or a list again and again.
fn multiply(state: &State<'_, '_>, a: &Value, b: &Value) -> Result<Value, Error> {
    let (repeated, times) = if Number::of(a).is_some() { (b, a) } else { (a, b) };
    let Some(Number::Whole(times)) = Number::of(times) else { return arithmetic("*", a, b) };
    let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
    if let Some(text) = repeated.as_str() {
        state.consume_fuel((text.len().saturating_mul(times) / 64) as u64)?;
        let text = text.repeat(times);
        return Ok(if repeated.is_safe() { Value::from_safe_string(text) } else { Value::from(text) });
    }
    if !is_list(repeated) {
        return arithmetic("*", a, b);
    }
    let all = items(state, repeated)?;
    state.consume_fuel(all.len().saturating_mul(times) as u64)?;
    Ok(list_like(repeated, std::iter::repeat_n(all, times).flatten().collect()))
}

fn modulo(state: &State<'_, '_>, a: &Value, b: &Value) -> Result<Value, Error> {
    match a.as_str() {
        Some(format) => printf::format(state, format, b).map(Value::from),
        None => arithmetic("%", a, b),
    }
}

/// `value[start:stop:step]`
fn slice(state: &State<'_, '_>, value: &Value, start: Option<i64>, stop: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(undefined());
    }
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(invalid("slice step cannot be zero"));
    }
    if let Some(text) = value.as_str() {
        state.consume_fuel((text.len() / 16) as u64)?;
        let characters: Vec<char> = text.chars().collect();
        return Ok(Value::from(indices(characters.len(), start, stop, step).map(|at| characters[at]).collect::<String>()));
    }
    if !is_list(value) {
        return Err(invalid(format!("'{}' object is not subscriptable", type_name(value))));
    }
    let all = items(state, value)?;
    Ok(list_like(value, indices(all.len(), start, stop, step).map(|at| all[at].clone()).collect()))
}

/// The places that a slice takes.
fn indices(length: usize, start: Option<i64>, stop: Option<i64>, step: i64) -> impl Iterator<Item = usize> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let (least, most) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let place = |at: i64| (if at < 0 { at.saturating_add(length) } else { at }).clamp(least, most);
    let start = start.map_or(if step > 0 { least } else { most }, place);
    let stop = stop.map_or(if step > 0 { most } else { least }, place);
    let mut next = start;
    std::iter::from_fn(move || {
        let at = next;
        next = next.saturating_add(step);
        (if step > 0 { at < stop } else { at > stop }).then_some(at as usize)
    })
}

fn equals(state: &State<'_, '_>, a: &Value, b: &Value) -> Result<bool, Error> {
    defined(state, a)?;
    defined(state, b)?;
    equal(state, a, b)
}

fn differs(state: &State<'_, '_>, a: &Value, b: &Value) -> Result<bool, Error> {
    equals(state, a, b).map(|equal| !equal)
}

/// `a == b`, with a charge for what is compared.
pub(super) fn equal(state: &State<'_, '_>, a: &Value, b: &Value) -> Result<bool, Error> {
    if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
        if a.len() != b.len() {
            return Ok(false);
        }
        state.consume_fuel((a.len() / 64) as u64)?;
        return Ok(a == b);
    }
    if is_list(a) && is_list(b) {
        if a.is_tuple() != b.is_tuple() {
            return Ok(false);
        }
        return lists_are_equal(state, a, b);
    }
    if a.kind() == ValueKind::Map && b.kind() == ValueKind::Map {
        return maps_are_equal(state, a, b);
    }
    Ok(match (Number::of(a), Number::of(b)) {
        (Some(Number::Whole(a)), Some(Number::Whole(b))) => a == b,
        (Some(a), Some(b)) => a.float().partial_cmp(&b.float()) == Some(Ordering::Equal),
        _ => a.kind() == b.kind() && a == b,
    })
}

fn lists_are_equal(state: &State<'_, '_>, a: &Value, b: &Value) -> Result<bool, Error> {
    let (mut a, mut b) = (a.try_iter()?, b.try_iter()?);
    loop {
        state.consume_fuel(1)?;
        match (a.next(), b.next()) {
            (None, None) => return Ok(true),
            (Some(a), Some(b)) if equal(state, &a, &b)? => {}
            _ => return Ok(false),
        }
    }
}

fn maps_are_equal(state: &State<'_, '_>, a: &Value, b: &Value) -> Result<bool, Error> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for key in a.try_iter()? {
        charge(state, &key)?;
        let there = b.get_item(&key)?;
        if there.is_undefined() || !equal(state, &a.get_item(&key)?, &there)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn less(state: &State<'_, '_>, a: &Value, b: &Value) -> Result<bool, Error> {
    Ok(order(state, "<", a, b)? == Some(Ordering::Less))
}

fn less_or_equal(state: &State<'_, '_>, a: &Value, b: &Value) -> Result<bool, Error> {
    Ok(order(state, "<=", a, b)?.is_some_and(Ordering::is_le))
}

fn greater(state: &State<'_, '_>, a: &Value, b: &Value) -> Result<bool, Error> {
    Ok(order(state, ">", a, b)? == Some(Ordering::Greater))
}

fn greater_or_equal(state: &State<'_, '_>, a: &Value, b: &Value) -> Result<bool, Error> {
    Ok(order(state, ">=", a, b)?.is_some_and(Ordering::is_ge))
}

/// The order of two values. Only numbers, texts and lists have one, each among themselves.
fn order(state: &State<'_, '_>, operator: &str, a: &Value, b: &Value) -> Result<Option<Ordering>, Error> {
    if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
        state.consume_fuel((a.len().min(b.len()) / 64) as u64)?;
        return Ok(Some(a.cmp(b)));
    }
    if let (Some(a), Some(b)) = (Number::of(a), Number::of(b)) {
        return Ok(match (a, b) {
            (Number::Whole(a), Number::Whole(b)) => Some(a.cmp(&b)),
            _ => a.float().partial_cmp(&b.float()),
        });
    }
    if !is_list(a) || !is_list(b) || a.is_tuple() != b.is_tuple() {
        return Err(unsupported(operator, a, b));
    }
    let (mut a, mut b) = (a.try_iter()?, b.try_iter()?);
    loop {
        state.consume_fuel(1)?;
        match (a.next(), b.next()) {
            (Some(a), Some(b)) if equal(state, &a, &b)? => {}
            (Some(a), Some(b)) => return order(state, operator, &a, &b),
            (a, b) => return Ok(Some(a.is_some().cmp(&b.is_some()))),
        }
    }
}

fn lacks(state: &State<'_, '_>, item: &Value, container: &Value) -> Result<bool, Error> {
    contains(state, item, container).map(|contains| !contains)
}

/// `item in container`
fn contains(state: &State<'_, '_>, item: &Value, container: &Value) -> Result<bool, Error> {
    defined(state, item)?;
    defined(state, container)?;
    if let Some(text) = container.as_str() {
        let message = || invalid(format!("'in <string>' requires string as left operand, not {}", type_name(item)));
        let part = item.as_str().ok_or_else(message)?;
        state.consume_fuel(((text.len() + part.len()) / 64) as u64)?;
        return Ok(text.contains(part));
    }
    match container.kind() {
        ValueKind::Undefined => Ok(false),
        ValueKind::Map => {
            charge(state, item)?;
            Ok(!container.get_item(item)?.is_undefined())
        }
        ValueKind::Seq | ValueKind::Iterable => {
            for found in container.try_iter()? {
                state.consume_fuel(1)?;
                if equal(state, &found, item)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => Err(invalid(format!("argument of type '{}' is not iterable", type_name(container)))),
    }
}
