//! Verifiers in Python: a function of problems and completions.

use crate::problem::Problem;
use crate::verify::Verdict;
use pyo3::exceptions::{PyException, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use starloop_core::error::{Error, Result as CoreResult};
use starloop_core::task::Answered;
use starloop_core::task::verifier::Verifier;
use starloop_core::types::{Grade, Verdict as CoreVerdict};
use std::sync::Arc;

/// The most completions of one call.
const BATCH: usize = 512;

/// A function that grades completions.
#[derive(Debug)]
pub struct PythonVerifier {
    /// The name of the kind.
    pub name: String,
    /// `function(problems, completions)` returns a verdict for each completion.
    pub function: Arc<Py<PyAny>>,
}

impl Verifier for PythonVerifier {
    fn verify(&self, answers: &[Answered<'_>]) -> CoreResult<Vec<Grade>> {
        let mut grades = Vec::with_capacity(answers.len());
        for batch in answers.chunks(BATCH) {
            grades.extend(Python::attach(|py| self.call(py, batch).map_err(|raised| self.error(py, batch, raised)))?);
        }
        Ok(grades)
    }
}

impl PythonVerifier {
    fn call(&self, py: Python<'_>, answers: &[Answered<'_>]) -> PyResult<Vec<Grade>> {
        let problems: Vec<Problem> = answers.iter().map(|answer| Problem::of(answer.problem)).collect();
        let completions: Vec<&str> = answers.iter().map(|answer| answer.completion).collect();
        let verdicts = self.function.bind(py).call1((problems, completions))?;
        let expected = format!("expected a list with a verdict for each of the {} completions", answers.len());
        let verdicts: Vec<Bound<'_, PyAny>> = match verdicts.try_iter() {
            Ok(items) if !verdicts.is_instance_of::<PyString>() => items.collect::<PyResult<_>>()?,
            _ => return Err(PyTypeError::new_err(format!("it returned {}, {expected}", verdicts.get_type().name()?))),
        };
        if verdicts.len() != answers.len() {
            return Err(PyValueError::new_err(format!("it returned {} verdicts, {expected}", verdicts.len())));
        }
        answers.iter().zip(&verdicts).map(|(answer, verdict)| grade(answer, verdict)).collect()
    }

    /// The error about an exception. It names the problem, which is found by calls with fewer completions.
    fn error(&self, py: Python<'_>, answers: &[Answered<'_>], raised: PyErr) -> Error {
        let (mut culprits, mut raised) = (answers, raised);
        while culprits.len() > 1 && raised.is_instance_of::<PyException>(py) {
            let (first, second) = culprits.split_at(culprits.len() / 2);
            let found = [first, second].into_iter().find_map(|half| Some((half, self.call(py, half).err()?)));
            let Some((half, again)) = found else { break };
            (culprits, raised) = (half, again);
        }
        let place = match culprits {
            [one] => format!("problem {}", one.problem.id),
            [first, .., last] => format!("the problems {} to {}", first.problem.id, last.problem.id),
            [] => "no problem".to_owned(),
        };
        let message = format!("raised an exception on {place}");
        Error::Verifier { command: self.name.clone(), message, source: Some(Box::new(raised)) }
    }
}

/// The grade that a function's result means.
fn grade(answer: &Answered<'_>, said: &Bound<'_, PyAny>) -> PyResult<Grade> {
    let unparsed = || if answer.stop_reason.is_cut() { CoreVerdict::Truncated } else { CoreVerdict::Unparsed };
    let verdict = if let Ok(verdict) = said.cast::<Verdict>() {
        return Ok(verdict.get().grade());
    } else if said.is_none() {
        unparsed()
    } else if let Ok(is_correct) = said.extract::<bool>() {
        if is_correct { CoreVerdict::Correct } else { CoreVerdict::Wrong { predicted: String::new() } }
    } else {
        match said.extract::<String>().as_deref() {
            Ok("correct") => CoreVerdict::Correct,
            Ok("wrong") => CoreVerdict::Wrong { predicted: String::new() },
            Ok("unparsed") => unparsed(),
            Ok("truncated") => CoreVerdict::Truncated,
            _ => {
                let message = format!(
                    "it returned {} for problem {}, expected True, False, None, a starloop.Verdict, \"correct\", \"wrong\", \"unparsed\" or \
                     \"truncated\"",
                    said.repr()?.to_string_lossy(),
                    answer.problem.id
                );
                return Err(PyTypeError::new_err(message));
            }
        }
    };
    Ok(verdict.into())
}
