//! What was asked: the problems of a run, from its task; where the task's files are not here, the prompts of what was learned.

use crate::config::Config;
use crate::error::Result;
use crate::prompt;
use crate::run_dir::IterationDir;
use crate::task::{ConfigError, Style, Task};
use crate::types::{Mode, Problem, ProblemId};
use std::collections::HashMap;

/// What is known of a problem.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Question {
    /// The problem as the task puts it, without worked examples.
    pub text: String,
    /// The known answer.
    pub answer: Option<String>,
    /// The rationale that the task knows.
    pub reference: Option<String>,
}

/// The questions of a run, iteration by iteration.
pub struct Questions<'a> {
    config: &'a Config,
    task: std::result::Result<Box<dyn Task>, ConfigError>,
    known: HashMap<ProblemId, Question>,
}

impl<'a> Questions<'a> {
    /// Of the runs of a config; none is known yet.
    pub fn of(config: &'a Config) -> Self {
        Questions { config, task: config.task.build(config.seed), known: HashMap::new() }
    }

    /// Why answers and most questions are not to be had, if so.
    pub fn missing(&self) -> Option<String> {
        let error = self.task.as_ref().err()?;
        Some(format!(
            "the task's problems cannot be read (task.{error}), so questions are shown of what was learned alone; try it in the directory \
             that the run was started in"
        ))
    }

    /// Makes the problems known that an iteration of a method attempted or was measured on.
    ///
    /// # Errors
    /// `train.jsonl`, where it has to help out, cannot be read.
    pub fn learn(&mut self, method: &str, iteration: u32, place: &IterationDir) -> Result<()> {
        let Ok(task) = &self.task else {
            return place
                .each_example(|example| {
                    self.known.entry(example.problem).or_insert(Question { text: example.prompt, answer: None, reference: None });
                    Ok(())
                })
                .map(drop);
        };
        let splits = self.config.methods.get(method).map(|method| (method.evaluation.split, method.evaluation.final_split));
        let measured = splits.into_iter().flat_map(|(split, last)| std::iter::once(split).chain(last));
        let problems = task.training_problems(iteration).into_iter();
        for problem in problems.chain(measured.flat_map(|split| task.evaluation_problems(split, iteration))) {
            self.known.entry(problem.id.clone()).or_insert_with(|| of_problem(task.as_ref(), problem));
        }
        Ok(())
    }

    /// What is known of a problem.
    pub fn get(&self, problem: &ProblemId) -> Option<&Question> {
        self.known.get(problem)
    }
}

fn of_problem(task: &dyn Task, problem: Problem) -> Question {
    let text = prompt::assemble(task, &problem, Mode::Unhinted, Style::Rationale, 0);
    Question { text, reference: task.reference(&problem), answer: Some(problem.answer) }
}
