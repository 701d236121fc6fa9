//! `starloop.verify`: the verdicts of a task on completions from anywhere, as `starloop verify --task` gives them.

use crate::arguments::{misuse, text, text_or_number, texts, wrong_type};
use crate::errors::released;
use crate::interrupt::Interrupts;
use crate::values::to_toml;
use anyhow::Context;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use starloop_core::error::Error as CoreError;
use starloop_core::registry::Registry;
use starloop_core::types::{Grade, Problem, ProblemId, Reading, StopReason, Verdict as CoreVerdict};

/// The verdict on a completion.
#[pyclass(frozen, eq, module = "starloop")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    grade: Grade,
    /// The known answer.
    known: String,
    /// The characters that were read.
    #[pyo3(get)]
    span: Option<(usize, usize)>,
}

impl Verdict {
    /// The verdict that a grade of a completion holds.
    pub fn new(grade: Grade, known: &str, completion: &str) -> Self {
        let characters = |byte: usize| completion.get(..byte).map(|before| before.chars().count());
        let span = grade.place.as_ref().and_then(|place| Some((characters(place.span.start)?, characters(place.span.end)?)));
        Verdict { grade, known: known.to_owned(), span }
    }

    /// The grade.
    pub fn grade(&self) -> Grade {
        self.grade.clone()
    }
}

#[pymethods]
impl Verdict {
    /// `correct`, `wrong`, `contradiction`, `unparsed`, `truncated` or `failed`.
    #[getter]
    fn verdict(&self) -> &'static str {
        self.grade.verdict.name()
    }

    /// True if the answer is the known one.
    #[getter]
    fn is_correct(&self) -> bool {
        self.grade.verdict.is_correct()
    }

    /// The answer that was read; `None` if there is none.
    #[getter]
    fn predicted(&self) -> Option<&str> {
        match &self.grade.verdict {
            CoreVerdict::Correct => Some(&self.known),
            CoreVerdict::Wrong { predicted } => Some(predicted),
            CoreVerdict::Contradiction { .. } | CoreVerdict::Unparsed | CoreVerdict::Truncated | CoreVerdict::Failed { .. } => None,
        }
    }

    /// The rule that found the answer; `None` if there is no answer, or if the task has one rule only.
    #[getter]
    fn reading(&self) -> Option<&'static str> {
        self.grade.reading().map(Reading::name)
    }

    /// For `failed`: how the verifier failed.
    #[getter]
    fn reason(&self) -> Option<&str> {
        match &self.grade.verdict {
            CoreVerdict::Failed { reason } => Some(reason),
            _ => None,
        }
    }

    /// In a condition, every object of Python is true. A wrong verdict must not be.
    #[expect(clippy::unused_self, reason = "Python calls it with the verdict")]
    fn __bool__(&self) -> PyResult<bool> {
        Err(PyTypeError::new_err("a verdict has more than two values; use its attribute is_correct"))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let predicted = match self.predicted() {
            Some(predicted) => format!(", predicted {}", PyString::new(py, predicted).repr()?),
            None => String::new(),
        };
        Ok(format!("<starloop.Verdict {}{predicted}>", self.verdict()))
    }
}

/// Grades completions against known answers as a task does. `settings` are keys of `[task]`, such as `answer_type="number"`.
#[pyfunction]
#[pyo3(signature = (task, completions, answers, *, choices=None, stop_reasons=None, **settings))]
pub fn verify(
    py: Python<'_>,
    task: &str,
    completions: &Bound<'_, PyAny>,
    answers: &Bound<'_, PyAny>,
    choices: Option<&Bound<'_, PyAny>>,
    stop_reasons: Option<&Bound<'_, PyAny>>,
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<Vec<Verdict>> {
    let completions = texts("completions", completions)?;
    let answers = list("answers", answers, text_or_number)?;
    let choices = choices.map(|choices| list("choices", choices, texts)).transpose()?;
    let stop_reasons = stop_reasons.map(|reasons| list("stop_reasons", reasons, stop_reason)).transpose()?;
    let others = [
        ("answers", Some(answers.len())),
        ("choices", choices.as_ref().map(Vec::len)),
        ("stop_reasons", stop_reasons.as_ref().map(Vec::len)),
    ];
    for (name, found) in others {
        if found.is_some_and(|found| found != completions.len()) {
            let (found, expected) = (found.unwrap_or_default(), completions.len());
            return Err(misuse(py, format!("{name}: expected one for each of the {expected} completions, found {found}")));
        }
    }
    let mut overrides = Vec::new();
    for (key, value) in settings.into_iter().flatten() {
        overrides.push(format!("task.{key}={}", to_toml(&format!("task.{key}"), &value)?));
    }
    let mut interrupts = Interrupts::new();
    let verdicts = released(py, || {
        let task = Registry::default().task_settings(task, &overrides)?.grader()?;
        task.prepare()?;
        let mut verdicts = Vec::with_capacity(completions.len());
        for (place, (completion, answer)) in completions.iter().zip(&answers).enumerate() {
            if interrupts.look().is_break() {
                return Err(CoreError::Cancelled.into());
            }
            let choices = choices.as_ref().map_or_else(Vec::new, |choices| choices[place].clone());
            let (id, answer) = (ProblemId(format!("completion {place}")), answer.clone());
            let problem = Problem { id, class: String::new(), question: String::new(), answer, choices };
            let stop_reason = stop_reasons.as_ref().map_or(&StopReason::Unspecified, |reasons| &reasons[place]);
            let grade = task.verify(&problem, completion, stop_reason).with_context(|| format!("completions[{place}]"))?;
            verdicts.push(Verdict::new(grade, &problem.answer, completion));
        }
        anyhow::Ok(verdicts)
    });
    interrupts.finish(py, verdicts)
}

/// An argument with a value for each completion.
fn list<T>(name: &str, values: &Bound<'_, PyAny>, read: impl Fn(&str, &Bound<'_, PyAny>) -> PyResult<T>) -> PyResult<Vec<T>> {
    let expected = "a list with one value for each completion";
    if values.is_instance_of::<PyString>() {
        return Err(wrong_type(name, expected, values));
    }
    let items = values.try_iter().map_err(|_| wrong_type(name, expected, values))?;
    items.enumerate().map(|(place, item)| read(&format!("{name}[{place}]"), &item?)).collect()
}

/// The end of a completion: `length` if the token limit cut it off.
fn stop_reason(name: &str, value: &Bound<'_, PyAny>) -> PyResult<StopReason> {
    match text(name, value)?.as_str() {
        "length" => Ok(StopReason::Length),
        "end_token" => Ok(StopReason::EndToken),
        "stop_string" | "unspecified" => Ok(StopReason::Unspecified),
        other => Err(misuse(value.py(), format!("{name} = {other:?}: expected length, end_token, stop_string or unspecified"))),
    }
}
