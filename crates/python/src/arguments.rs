//! Arguments of calls: what a user may write, and the errors about the rest.

use crate::errors::{Misuse, OrRaise};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};

/// One text, or several.
#[derive(Debug)]
pub enum Texts {
    /// One text. The result of the call is that of this text.
    One(String),
    /// Several texts. The result of the call is a list.
    Many(Vec<String>),
}

impl Texts {
    /// Reads the argument `name`.
    pub fn read(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        if value.is_instance_of::<PyString>() {
            return Ok(Texts::One(text(name, value)?));
        }
        Ok(Texts::Many(texts(name, value)?))
    }

    /// All texts.
    pub fn all(&self) -> &[String] {
        match self {
            Texts::One(text) => std::slice::from_ref(text),
            Texts::Many(texts) => texts,
        }
    }

    /// The results of all texts, as the result of the call.
    pub fn result<'py, T: IntoPyObject<'py>>(&self, py: Python<'py>, mut results: Vec<T>) -> PyResult<Bound<'py, PyAny>> {
        match (self, results.pop()) {
            (Texts::One(_), Some(result)) => result.into_bound_py_any(py),
            (_, last) => results.into_iter().chain(last).collect::<Vec<T>>().into_bound_py_any(py),
        }
    }
}

/// Several texts: a list, a tuple, an array, or anything else that can be iterated.
pub fn texts(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    if value.is_instance_of::<PyString>() {
        return Err(wrong_type(name, "a list of texts", value));
    }
    let items = value.try_iter().map_err(|_| wrong_type(name, "a list of texts", value))?;
    items.enumerate().map(|(place, item)| text(&format!("{name}[{place}]"), &item?)).collect()
}

/// A text.
pub fn text(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = value.cast::<PyString>().map_err(|_| wrong_type(name, "a text", value))?;
    let unpaired = |_| misuse(value.py(), format!("{name}: the text has a surrogate without its partner, which UTF-8 cannot hold"));
    text.to_str().map(str::to_owned).map_err(unpaired)
}

/// A text, or a number in the digits that Python writes.
pub fn text_or_number(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let is_number = (value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>()) && !value.is_instance_of::<PyBool>();
    if is_number {
        Ok(value.str()?.to_str()?.to_owned())
    } else {
        text(name, value).map_err(|_| wrong_type(name, "a text or a number", value))
    }
}

/// A whole number of at least `least`.
pub fn whole(name: &str, value: &Bound<'_, PyAny>, least: u64) -> PyResult<u64> {
    let is_whole = !value.is_instance_of::<PyBool>() && value.hasattr("__index__")?;
    let found = value.extract::<u64>().ok().filter(|found| is_whole && *found >= least);
    found.ok_or_else(|| misuse(value.py(), format!("{name} = {}: expected a whole number of at least {least}", shown(value))))
}

/// The exception about an argument of the wrong type.
pub fn wrong_type(name: &str, expected: &str, found: &Bound<'_, PyAny>) -> PyErr {
    let kind = found.get_type().name().map_or_else(|_| "another object".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{name}: expected {expected}, found {kind}"))
}

/// The exception about an argument with a value that cannot be used.
pub fn misuse(py: Python<'_>, message: String) -> PyErr {
    match Err::<(), _>(Misuse(message)).or_raise(py) {
        Err(exception) => exception,
        Ok(()) => unreachable!("the result is an error"),
    }
}

/// The beginning of `repr(value)`.
fn shown(value: &Bound<'_, PyAny>) -> String {
    const SHOWN: usize = 60;
    let text = value.repr().map_or_else(|_| "a value".to_owned(), |text| text.to_string_lossy().into_owned());
    if text.chars().count() <= SHOWN { text } else { text.chars().take(SHOWN).chain(['…']).collect() }
}
