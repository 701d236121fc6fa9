//! Tasks in Python: a class that gives problems and prompts, and grades completions.
//!
//! Problems, prompts and completions of known answers are read once, when the task is built. So an exception there stops the run before any
//! work is done. Only `verify` is called later.

use super::verifier::PythonVerifier;
use crate::problem::Problem;
use pyo3::prelude::*;
use regex::RegexSet;
use starloop_core::error::Result as CoreResult;
use starloop_core::task::verifier::Verifier;
use starloop_core::task::{Answered, ConfigError, Task, TaskSettings, WorkedExample};
use starloop_core::types::{Grade, Mode, Problem as CoreProblem, ProblemId, Split, StopReason, Style};
use std::collections::HashMap;
use std::sync::Arc;

/// A task of a Python class, with its settings.
#[derive(Debug)]
pub struct PythonTask {
    /// The name of the kind.
    pub kind: String,
    /// The object of the class.
    pub object: Py<PyAny>,
}

/// The texts of a problem.
struct Texts {
    unhinted: String,
    hinted: String,
    direct: String,
    rationale: Option<String>,
}

/// The task with its problems.
struct BuiltTask {
    kind: String,
    problems: HashMap<&'static str, Vec<CoreProblem>>,
    texts: HashMap<ProblemId, Texts>,
    examples: Vec<Texts>,
    classes: Vec<String>,
    separator: String,
    stop: Vec<String>,
    leaks: RegexSet,
    chance: f64,
    verifier: PythonVerifier,
}

const SPLITS: [Split; 3] = [Split::Train, Split::Dev, Split::Test];

impl TaskSettings for PythonTask {
    fn build(&self, seed: u64) -> Result<Box<dyn Task>, ConfigError> {
        let built = Python::attach(|py| {
            let mut task = self.without_problems(py)?;
            for split in SPLITS {
                task.add(py, &self.object, split, seed)?;
            }
            let examples = self.object.call_method0(py, "examples")?;
            for example in examples.bind(py).try_iter()? {
                let example = example?.cast_into::<Problem>()?;
                task.examples.push(texts(py, &self.object, example.get())?);
            }
            PyResult::Ok(task)
        });
        built.map(|task| Box::new(task) as Box<dyn Task>).map_err(|raised| self.invalid(&raised))
    }

    fn grader(&self) -> Result<Box<dyn Task>, ConfigError> {
        let built = Python::attach(|py| self.without_problems(py));
        built.map(|task| Box::new(task) as Box<dyn Task>).map_err(|raised| self.invalid(&raised))
    }
}

impl PythonTask {
    fn without_problems(&self, py: Python<'_>) -> PyResult<BuiltTask> {
        let attribute = |name: &str| self.object.getattr(py, name);
        let leaks: Vec<String> = attribute("leaks")?.extract(py)?;
        let leaks = RegexSet::new(leaks).map_err(|error| pyo3::exceptions::PyValueError::new_err(format!("leaks: {error}")))?;
        Ok(BuiltTask {
            kind: self.kind.clone(),
            problems: HashMap::new(),
            texts: HashMap::new(),
            examples: Vec::new(),
            classes: Vec::new(),
            separator: attribute("separator")?.extract(py)?,
            stop: attribute("stop")?.extract(py)?,
            leaks,
            chance: attribute("chance")?.extract(py)?,
            verifier: PythonVerifier { name: self.kind.clone(), function: Arc::new(attribute("verify")?) },
        })
    }

    fn invalid(&self, raised: &PyErr) -> ConfigError {
        ConfigError { key: "kind", reason: format!("the Python class of {:?} cannot build the task: {raised}", self.kind) }
    }
}

/// The attributes of a problem, as a task's object gives them.
fn texts(py: Python<'_>, object: &Py<PyAny>, problem: &Problem) -> PyResult<Texts> {
    let text = |method: &str, hinted: Option<bool>| -> PyResult<String> {
        let said = match hinted {
            Some(hinted) => object.call_method1(py, method, (problem.clone(), hinted))?,
            None => object.call_method1(py, method, (problem.clone(),))?,
        };
        let wrong = |_| pyo3::exceptions::PyTypeError::new_err(format!("{method} of problem {:?}: expected a text", problem.id));
        said.extract::<String>(py).map_err(wrong)
    };
    Ok(Texts {
        unhinted: text("prompt", Some(false))?,
        hinted: text("prompt", Some(true))?,
        direct: text("direct_completion", None)?,
        rationale: problem.rationale.clone(),
    })
}

impl BuiltTask {
    /// Reads the problems of a split.
    fn add(&mut self, py: Python<'_>, object: &Py<PyAny>, split: Split, seed: u64) -> PyResult<()> {
        let mut problems = Vec::new();
        for problem in object.call_method1(py, "problems", (split.name(), seed))?.bind(py).try_iter()? {
            let problem = problem?.cast_into::<Problem>()?;
            let problem = problem.get();
            let named = problem.named(format!("{}/{}/{}", self.kind, split.name(), problem.id));
            if self.texts.insert(named.id.clone(), texts(py, object, problem)?).is_some() {
                let message = format!("problems({:?}): two problems have the id {:?}", split.name(), problem.id);
                return Err(pyo3::exceptions::PyValueError::new_err(message));
            }
            if !self.classes.contains(&named.class) {
                self.classes.push(named.class.clone());
            }
            problems.push(named);
        }
        self.problems.insert(split.name(), problems);
        Ok(())
    }

    fn texts(&self, problem: &CoreProblem) -> Option<&Texts> {
        self.texts.get(&problem.id)
    }
}

impl Task for BuiltTask {
    fn name(&self) -> &str {
        &self.kind
    }

    fn classes(&self, _: u32) -> Vec<String> {
        self.classes.clone()
    }

    fn training_problems(&self, _: u32) -> Vec<CoreProblem> {
        self.evaluation_problems(Split::Train, 0)
    }

    fn evaluation_problems(&self, split: Split, _: u32) -> Vec<CoreProblem> {
        self.problems.get(split.name()).cloned().unwrap_or_default()
    }

    fn prompt(&self, problem: &CoreProblem, mode: Mode) -> String {
        self.texts(problem)
            .map_or_else(String::new, |texts| if mode == Mode::Hinted { texts.hinted.clone() } else { texts.unhinted.clone() })
    }

    /// The same for every problem, so that the prefix can be shared. Examples without a rationale are shown in direct style only.
    fn worked_examples(&self, _: &CoreProblem, mode: Mode, style: Style, count: usize) -> Vec<WorkedExample> {
        let example = |texts: &Texts| {
            let completion = if style == Style::Direct { Some(texts.direct.clone()) } else { texts.rationale.clone() };
            let prompt = if mode == Mode::Hinted { texts.hinted.clone() } else { texts.unhinted.clone() };
            Some(WorkedExample { prompt, completion: completion? })
        };
        self.examples.iter().filter_map(example).take(count).collect()
    }

    fn separator(&self) -> &str {
        &self.separator
    }

    fn stop_strings(&self) -> Vec<String> {
        self.stop.clone()
    }

    fn verify(&self, problem: &CoreProblem, completion: &str, stop_reason: &StopReason) -> CoreResult<Grade> {
        self.verify_all(&[Answered { problem, completion, stop_reason }]).map(|mut grades| grades.swap_remove(0))
    }

    fn verify_all(&self, answers: &[Answered<'_>]) -> CoreResult<Vec<Grade>> {
        self.verifier.verify(answers)
    }

    fn reference(&self, problem: &CoreProblem) -> Option<String> {
        self.texts(problem)?.rationale.clone()
    }

    fn direct_completion(&self, problem: &CoreProblem) -> String {
        self.texts(problem).map_or_else(String::new, |texts| texts.direct.clone())
    }

    fn chance(&self) -> f64 {
        self.chance
    }

    fn leaks_hint(&self, completion: &str) -> bool {
        self.leaks.is_match(completion)
    }
}
