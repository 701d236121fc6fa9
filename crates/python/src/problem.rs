//! Problems and attempts as Python's classes see them.

use crate::arguments::{misuse, text, text_or_number, texts};
use pyo3::prelude::*;
use pyo3::types::PyString;
use starloop_core::types::{GradedAttempt, Problem as CoreProblem, ProblemId};

/// A question with its known answer.
#[pyclass(frozen, get_all, eq, hash, module = "starloop")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    /// A name that never changes.
    pub id: String,
    /// The question.
    pub question: String,
    /// The known answer.
    pub answer: String,
    /// The group in which accuracy is reported.
    pub class_: String,
    /// The texts of the choices, in the order of their letters; empty for other questions.
    pub choices: Vec<String>,
    /// The known rationale with the answer, if there is one.
    pub rationale: Option<String>,
}

#[pymethods]
impl Problem {
    #[new]
    #[pyo3(signature = (id, question, answer, *, class_="all", choices=None, rationale=None))]
    fn new(
        py: Python<'_>,
        id: &Bound<'_, PyAny>,
        question: &Bound<'_, PyAny>,
        answer: &Bound<'_, PyAny>,
        class_: &str,
        choices: Option<&Bound<'_, PyAny>>,
        rationale: Option<String>,
    ) -> PyResult<Self> {
        let id = text_or_number("id", id)?;
        if id.is_empty() {
            return Err(misuse(py, "id: the text is empty, expected a name that no other problem has".to_owned()));
        }
        let choices = choices.map(|choices| texts("choices", choices)).transpose()?.unwrap_or_default();
        Ok(Problem {
            id,
            question: text("question", question)?,
            answer: text_or_number("answer", answer)?,
            class_: class_.to_owned(),
            choices,
            rationale,
        })
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let [id, answer] = [&self.id, &self.answer].map(|text| PyString::new(py, text).repr());
        Ok(format!("<starloop.Problem {}, answer {}>", id?, answer?))
    }
}

impl Problem {
    /// The problem of a task. It has no rationale.
    pub fn of(problem: &CoreProblem) -> Self {
        let CoreProblem { id, class, question, answer, choices } = problem.clone();
        Problem { id: id.0, question, answer, class_: class, choices, rationale: None }
    }

    /// The problem, with a name that names task and split.
    pub fn named(&self, name: String) -> CoreProblem {
        let Problem { question, answer, class_, choices, .. } = self.clone();
        CoreProblem { id: ProblemId(name), class: class_, question, answer, choices }
    }
}

/// An attempt at a problem, with its verdict.
#[pyclass(frozen, get_all, module = "starloop")]
#[derive(Debug)]
pub struct Attempt {
    /// The name of the problem.
    problem: String,
    /// The generated text.
    completion: String,
    /// `correct`, `wrong`, `contradiction`, `unparsed`, `truncated` or `failed`.
    verdict: &'static str,
    /// True if the answer is the known one.
    is_correct: bool,
    /// The index of the sample for this problem, from 0.
    sample: u32,
    /// Tokens of the completion.
    tokens: usize,
    /// The sum of the log-probabilities of its tokens (natural logarithm); `None` where the policy gives none.
    logprob: Option<f64>,
}

impl Attempt {
    /// An attempt of a run.
    pub fn of(GradedAttempt { attempt, verdict, .. }: &GradedAttempt) -> Self {
        Attempt {
            problem: attempt.problem.to_string(),
            completion: attempt.completion.clone(),
            verdict: verdict.name(),
            is_correct: verdict.is_correct(),
            sample: attempt.sample,
            tokens: attempt.completion_tokens,
            logprob: attempt.logprob,
        }
    }
}
