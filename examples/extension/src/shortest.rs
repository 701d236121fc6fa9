//! The method: learn the shortest right rationale of each problem.

use serde::{Deserialize, Serialize};
use starloop_core::config::{Invalid, MethodSettings};
use starloop_core::error::Result;
use starloop_core::method::{Estimate, Method};
use starloop_core::method_run::MethodRun;
use starloop_core::selection::{Round, SelectionRules, select};
use starloop_core::task::Task;
use starloop_core::types::{ModelRef, Style};

/// `kind = "shortest"`: one iteration.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shortest {}

impl Method for Shortest {
    fn check(&self, _: &MethodSettings) -> Result<(), Invalid> {
        Ok(())
    }

    fn estimate(&self, settings: &MethodSettings, task: &dyn Task) -> Estimate {
        let problems = task.training_problems(1).len() as u64;
        let attempts = problems * u64::from(settings.sampling.samples_per_problem);
        let steps = settings.training.steps_in(1);
        Estimate { iterations: 1, attempts, steps, ..Estimate::default() }
    }

    fn run(&self, run: &mut MethodRun<'_>) -> Result<()> {
        run.measure_base(Style::Rationale)?;
        run.iterate(1, true, |run| {
            let problems = run.training_problems(1);
            let mut attempts = run.collect_and_record(1, &problems, ModelRef::Base, None)?;
            // Selection keeps the first right attempt of each problem.
            attempts.sort_by_key(|graded| graded.attempt.completion.len());
            let rules = SelectionRules { max_per_problem: 1, ..SelectionRules::default() };
            let round = Round { iteration: 1, problems, attempts };
            let selection = select(run.task(), std::slice::from_ref(&round), rules)?;
            Ok(run.plan(1, round.attempts, selection, ModelRef::Base))
        })?;
        Ok(())
    }
}
