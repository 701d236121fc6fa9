//! Figures of a run.

use crate::errors::{OrRaise, released};
use pyo3::prelude::*;
use std::path::PathBuf;

/// A figure. A notebook shows it.
#[pyclass(frozen, module = "starloop")]
pub struct Figure {
    /// The SVG document.
    #[pyo3(get)]
    pub svg: String,
}

#[pymethods]
impl Figure {
    fn _repr_svg_(&self) -> &str {
        &self.svg
    }

    /// Writes the figure to a file: PNG if its name ends in `.png`, and SVG otherwise. The file is written completely or not at all.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let write = || {
            let is_png = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
            let bytes = if is_png { starloop_report::export::png(&self.svg)? } else { self.svg.clone().into_bytes() };
            starloop_record::atomic::write(&path, &bytes)?;
            anyhow::Ok(())
        };
        released(py, write).or_raise(py)
    }

    fn __repr__(&self) -> String {
        format!("<starloop.Figure: {} bytes of SVG>", self.svg.len())
    }
}
