//! Methods in Python: a class that chooses the problems of each iteration, and ranks the attempts.
//!
//! The rest is done as in the other methods of this project: the stages are recorded, the run can be resumed, and only right attempts without a
//! hint are learned.

use super::failure;
use crate::problem::{Attempt, Problem};
use pyo3::prelude::*;
use starloop_core::config::{Invalid, MethodSettings};
use starloop_core::error::{Error, Result as CoreResult};
use starloop_core::method::{Estimate, Method};
use starloop_core::method_run::MethodRun;
use starloop_core::selection::{Round, Selection, SelectionRules, select};
use starloop_core::task::Task;
use starloop_core::types::{GradedAttempt, ModelRef, Problem as CoreProblem, Style};
use std::collections::HashSet;

/// The most iterations of a method.
const MOST_ITERATIONS: u32 = 10_000;

/// A method of a Python class.
#[derive(Debug)]
pub struct PythonMethod {
    kind: String,
    object: Py<PyAny>,
    iterations: u32,
    max_per_problem: u32,
}

impl PythonMethod {
    /// The method of an object.
    pub fn new(kind: &str, object: Py<PyAny>) -> CoreResult<Self> {
        let number =
            |name: &str| Python::attach(|py| object.getattr(py, name)?.extract::<u32>(py)).map_err(|raised| failure(kind, name, raised));
        let (iterations, max_per_problem) = (number("iterations")?, number("max_per_problem")?);
        Ok(PythonMethod { kind: kind.to_owned(), object, iterations, max_per_problem })
    }

    /// The problems that the object chooses for an iteration.
    fn problems(&self, iteration: u32, problems: Vec<CoreProblem>) -> CoreResult<Vec<CoreProblem>> {
        let chosen: HashSet<String> = Python::attach(|py| {
            let offered: Vec<Problem> = problems.iter().map(Problem::of).collect();
            let chosen = self.object.call_method1(py, "problems", (iteration, offered))?;
            let id = |problem: PyResult<Bound<'_, PyAny>>| -> PyResult<String> { Ok(problem?.cast_into::<Problem>()?.get().id.clone()) };
            chosen.bind(py).try_iter()?.map(id).collect::<PyResult<_>>()
        })
        .map_err(|raised: PyErr| failure(&self.kind, &format!("problems, iteration {iteration}"), raised))?;
        Ok(problems.into_iter().filter(|problem| chosen.contains(&problem.id.0)).collect())
    }

    /// The places of the attempts, those with the highest rank first. Attempts with the same rank keep their order.
    fn order(&self, iteration: u32, attempts: &[GradedAttempt]) -> CoreResult<Vec<usize>> {
        let failed = |raised: PyErr| failure(&self.kind, &format!("rank, iteration {iteration}"), raised);
        let ranks: Vec<f64> = Python::attach(|py| {
            let shown: Vec<Attempt> = attempts.iter().map(Attempt::of).collect();
            let ranks = self.object.call_method1(py, "rank", (shown,))?;
            ranks.bind(py).try_iter()?.map(|rank| rank?.extract::<f64>()).collect::<PyResult<Vec<f64>>>()
        })
        .map_err(failed)?;
        if ranks.len() != attempts.len() || ranks.iter().any(|rank| rank.is_nan()) {
            let message =
                format!("it returned {} numbers, expected one for each of the {} attempts, and no NaN", ranks.len(), attempts.len());
            return Err(failed(pyo3::exceptions::PyValueError::new_err(message)));
        }
        let mut order: Vec<usize> = (0..attempts.len()).collect();
        order.sort_by(|&a, &b| ranks[b].total_cmp(&ranks[a]));
        Ok(order)
    }

    /// Selects from the attempts in the order of their ranks. The outcomes have the order of the attempts.
    fn select(&self, task: &dyn Task, iteration: u32, problems: Vec<CoreProblem>, attempts: &[GradedAttempt]) -> CoreResult<Selection> {
        let order = self.order(iteration, attempts)?;
        let round = Round { iteration, problems, attempts: order.iter().map(|&place| attempts[place].clone()).collect() };
        let rules = SelectionRules { max_per_problem: self.max_per_problem, ..SelectionRules::default() };
        let mut selection = select(task, &[round], rules)?;
        let mut outcomes: Vec<_> = order.into_iter().zip(selection.outcomes).collect();
        outcomes.sort_by_key(|(place, _)| *place);
        selection.outcomes = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
        Ok(selection)
    }
}

impl Method for PythonMethod {
    fn check(&self, _: &MethodSettings) -> CoreResult<(), Invalid> {
        if (1..=MOST_ITERATIONS).contains(&self.iterations) {
            return Ok(());
        }
        Err(Invalid { key: "iterations".into(), message: format!("must be in 1..={MOST_ITERATIONS}, found {}", self.iterations) })
    }

    fn estimate(&self, settings: &MethodSettings, task: &dyn Task) -> Estimate {
        let samples = u64::from(settings.sampling.samples_per_problem);
        let measured = task.evaluation_problems(settings.evaluation.split, 0).len() as u64;
        let mut estimate = Estimate { iterations: self.iterations, evaluations: measured, ..Estimate::default() };
        for iteration in 1..=self.iterations {
            estimate.attempts += task.training_problems(iteration).len() as u64 * samples;
            estimate.steps = estimate.steps.saturating_add(settings.training.steps_in(iteration));
            estimate.evaluations += measured;
        }
        let tokens = (settings.training.batch_size * settings.training.sequence_length) as u64;
        Estimate { trained_tokens: estimate.steps.saturating_mul(tokens), ..estimate }
    }

    fn run(&self, run: &mut MethodRun<'_>) -> CoreResult<()> {
        run.measure_base(Style::Rationale)?;
        for iteration in 1..=self.iterations {
            let model = if iteration == 1 { ModelRef::Base } else { ModelRef::Iteration(iteration - 1) };
            run.iterate(iteration, iteration == self.iterations, |run| {
                let problems = self.problems(iteration, run.training_problems(iteration))?;
                let attempts = run.collect_and_record(iteration, &problems, model, None)?;
                let selection = self.select(run.task(), iteration, problems, &attempts)?;
                Ok::<_, Error>(run.plan(iteration, attempts, selection, ModelRef::Base))
            })?;
        }
        Ok(())
    }
}
