//! Values of Python as values of TOML, for configs that are made in Python, and back.

use crate::arguments::{misuse, text, wrong_type};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use std::path::PathBuf;

/// Levels of lists and dicts in one value.
const DEEPEST: usize = 64;

/// The value of a config's key `key`.
pub fn to_toml(key: &str, value: &Bound<'_, PyAny>) -> PyResult<toml::Value> {
    to_toml_at(key, value, 0)
}

fn to_toml_at(key: &str, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<toml::Value> {
    if depth > DEEPEST {
        return Err(misuse(value.py(), format!("`{key}`: lists and dicts are nested more than {DEEPEST} levels deep")));
    }
    if value.is_instance_of::<PyBool>() {
        Ok(toml::Value::Boolean(value.extract()?))
    } else if value.is_instance_of::<PyInt>() {
        let number = value.extract::<i64>();
        number.map(toml::Value::Integer).map_err(|_| misuse(value.py(), format!("`{key}`: the number does not fit into 64 bits")))
    } else if value.is_instance_of::<PyFloat>() {
        Ok(toml::Value::Float(value.extract()?))
    } else if value.is_instance_of::<PyString>() {
        Ok(toml::Value::String(text(key, value)?))
    } else if let Ok(table) = value.cast::<PyDict>() {
        table_at(key, table, depth + 1).map(toml::Value::Table)
    } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let item = |(place, item): (usize, PyResult<Bound<'_, PyAny>>)| to_toml_at(&format!("{key}[{place}]"), &item?, depth + 1);
        value.try_iter()?.enumerate().map(item).collect::<PyResult<Vec<_>>>().map(toml::Value::Array)
    } else if let Some(path) = value.extract::<PathBuf>().ok().and_then(|path| path.to_str().map(str::to_owned)) {
        Ok(toml::Value::String(path))
    } else {
        Err(wrong_type(&format!("`{key}`"), "a text, a number, True, False, a list or a dict", value))
    }
}

/// A whole config.
pub fn config(dict: &Bound<'_, PyDict>) -> PyResult<toml::Table> {
    table_at("", dict, 0)
}

/// The value of a config as a value of Python. Times are texts.
pub fn from_toml<'py>(py: Python<'py>, value: &toml::Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        toml::Value::String(text) => text.into_bound_py_any(py),
        toml::Value::Integer(number) => number.into_bound_py_any(py),
        toml::Value::Float(number) => number.into_bound_py_any(py),
        toml::Value::Boolean(value) => value.into_bound_py_any(py),
        toml::Value::Datetime(time) => time.to_string().into_bound_py_any(py),
        toml::Value::Array(items) => {
            let list = PyList::empty(py);
            items.iter().try_for_each(|item| list.append(from_toml(py, item)?))?;
            Ok(list.into_any())
        }
        toml::Value::Table(table) => {
            let dict = PyDict::new(py);
            table.iter().try_for_each(|(key, value)| dict.set_item(key, from_toml(py, value)?))?;
            Ok(dict.into_any())
        }
    }
}

/// A value of the record as Python's `json` reads it.
pub fn from_record<'py>(py: Python<'py>, value: &impl serde::Serialize) -> PyResult<Bound<'py, PyAny>> {
    let json = serde_json::to_string(value).map_err(|error| PyValueError::new_err(error.to_string()))?;
    py.import("json")?.call_method1("loads", (json,))
}

fn table_at(section: &str, dict: &Bound<'_, PyDict>, depth: usize) -> PyResult<toml::Table> {
    let mut table = toml::Table::new();
    for (name, value) in dict {
        let name = text(&format!("a key of `{section}`"), &name)?;
        let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        table.insert(name, to_toml_at(&key, &value, depth)?);
    }
    Ok(table)
}
