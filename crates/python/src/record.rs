//! `starloop.Run`: a run directory as tables and figures.

mod attempts;
mod examples;
mod results;

use crate::arguments::{misuse, whole};
use crate::errors::{OrRaise, released};
use crate::figure::Figure;
use crate::table::Table;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::ArrowError;
use attempts::AttemptRow;
use pyo3::prelude::*;
use starloop::access::{Access, RunPart};
use starloop_record::RunDir;
use starloop_record::info::RunStatus;
use starloop_report::Report;
use starloop_report::inspect::{self, Filter};
use std::path::{Path, PathBuf};

/// Rows of a batch of a table.
const BATCH: usize = 50_000;

/// Columns of the table that `print` shows.
const WIDTH: usize = 120;

/// A run directory, finished or not.
#[pyclass(frozen, module = "starloop")]
pub struct Run {
    run: RunDir,
}

impl Run {
    /// Opens a directory for reading. If `trust` is false, a run that was copied here must not lead outside of its directory.
    pub fn open(py: Python<'_>, path: PathBuf, trust: bool) -> PyResult<Self> {
        let open = || {
            Access { trust, no_programs: true }.check_run(&path, RunPart::Files)?;
            anyhow::Ok(RunDir::open_read_only(&path)?)
        };
        Ok(Run { run: released(py, open).or_raise(py)? })
    }

    fn report(&self) -> starloop_report::Result<Report> {
        Report::read(&[self.run.root().to_owned()])
    }

    /// The methods to read: one, or all.
    fn methods(&self, method: Option<String>) -> anyhow::Result<Vec<String>> {
        let methods: Vec<String> = self.run.info()?.methods.into_iter().map(|method| method.name).collect();
        match method {
            None => Ok(methods),
            Some(method) if methods.contains(&method) => Ok(vec![method]),
            Some(method) => {
                let known = methods.join(", ");
                Err(crate::errors::Misuse(format!("{} has no method {method}; it has: {known}", self.run.root().display())).into())
            }
        }
    }
}

#[pymethods]
impl Run {
    #[new]
    #[pyo3(signature = (path, *, trust=false))]
    fn new(py: Python<'_>, path: PathBuf, trust: bool) -> PyResult<Self> {
        Run::open(py, path, trust)
    }

    /// The directory.
    #[getter]
    fn path(&self) -> &Path {
        self.run.root()
    }

    /// True if all methods of the run are done.
    #[getter]
    fn is_finished(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.run.info().or_raise(py)?.status == RunStatus::Finished)
    }

    /// The attempts and answers, a row for each.
    #[pyo3(signature = (*, method=None, iteration=None))]
    fn attempts(&self, py: Python<'_>, method: Option<String>, iteration: Option<&Bound<'_, PyAny>>) -> PyResult<Table> {
        let iteration = iteration.map(|iteration| whole("iteration", iteration, 0)).transpose()?;
        let table = released(py, || {
            self.methods(method.clone())?;
            let iteration = iteration.map(u32::try_from).transpose()?;
            let filter = Filter { method, iteration, ..Filter::default() };
            let mut rows = Rows::new(attempts::batch);
            inspect::each(&self.run, &filter, |attempt, problem| {
                rows.push(AttemptRow::new(attempt, problem)).map_err(std::io::Error::other)
            })?;
            anyhow::Ok(rows.finish()?)
        });
        table.or_raise(py)
    }

    /// The figures of each iteration, a row for each iteration of each method.
    fn results(&self, py: Python<'_>) -> PyResult<Table> {
        let table = released(py, || {
            let batch = results::batch(&self.report()?.results())?;
            anyhow::Ok(Table::new(batch.schema(), vec![batch]))
        });
        table.or_raise(py)
    }

    /// The examples that were learned, a row for each.
    #[pyo3(signature = (*, method=None))]
    fn examples(&self, py: Python<'_>, method: Option<String>) -> PyResult<Table> {
        let table = released(py, || {
            let mut rows = Rows::new(examples::batch);
            for method in self.methods(method)? {
                for iteration in self.run.iterations(&method)? {
                    for row in examples::rows(&self.run, &method, iteration)? {
                        rows.push(row)?;
                    }
                }
            }
            anyhow::Ok(rows.finish()?)
        });
        table.or_raise(py)
    }

    /// Accuracy over iterations, as `accuracy.svg` of the run shows it.
    fn plot(&self, py: Python<'_>) -> PyResult<Figure> {
        let svg = released(py, || Ok::<_, starloop_report::Error>(self.report()?.svg())).or_raise(py)?;
        let none = || misuse(py, format!("{}: no method was measured twice, so there is no plot", self.run.root().display()));
        Ok(Figure { svg: svg.ok_or_else(none)? })
    }

    /// The report's table for a terminal.
    fn __str__(&self, py: Python<'_>) -> PyResult<String> {
        released(py, || Ok::<_, starloop_report::Error>(self.report()?.summary_tables(WIDTH))).or_raise(py)
    }

    fn __repr__(&self) -> String {
        format!("<starloop.Run {}>", self.run.root().display())
    }

    /// The report's table and figure.
    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let html = released(py, || {
            let report = self.report()?;
            Ok::<_, starloop_report::Error>(report.summary_html() + &report.svg().unwrap_or_default())
        });
        html.or_raise(py)
    }
}

/// Rows that become batches of a table.
struct Rows<R> {
    pending: Vec<R>,
    batches: Vec<RecordBatch>,
    batch: fn(&[R]) -> Result<RecordBatch, ArrowError>,
}

impl<R> Rows<R> {
    fn new(batch: fn(&[R]) -> Result<RecordBatch, ArrowError>) -> Self {
        Rows { pending: Vec::new(), batches: Vec::new(), batch }
    }

    fn push(&mut self, row: R) -> Result<(), ArrowError> {
        self.pending.push(row);
        if self.pending.len() == BATCH {
            self.batches.push((self.batch)(&self.pending)?);
            self.pending.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Table, ArrowError> {
        // Without rows, the last batch gives the columns.
        self.batches.push((self.batch)(&self.pending)?);
        Ok(Table::new(self.batches[0].schema(), self.batches))
    }
}

/// A column: its name and values, and whether values may be missing.
type Column = (&'static str, ArrayRef, bool);
