//! Numbers as numpy arrays. numpy is imported when the first array is wanted.

use pyo3::prelude::*;
use pyo3::types::PyByteArray;

/// An array of `float32`.
pub fn floats(py: Python<'_>, values: &[f32]) -> PyResult<Py<PyAny>> {
    array(py, "float32", &values.iter().flat_map(|value| value.to_ne_bytes()).collect::<Vec<u8>>())
}

/// An array of `uint32`.
pub fn tokens(py: Python<'_>, values: &[u32]) -> PyResult<Py<PyAny>> {
    array(py, "uint32", &values.iter().flat_map(|value| value.to_ne_bytes()).collect::<Vec<u8>>())
}

/// The array owns its memory and can be written to.
fn array(py: Python<'_>, dtype: &str, bytes: &[u8]) -> PyResult<Py<PyAny>> {
    let array = py.import("numpy")?.call_method1("frombuffer", (PyByteArray::new(py, bytes), dtype))?;
    Ok(array.unbind())
}
