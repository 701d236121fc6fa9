//! Verifiers from outside this crate: they grade completions in place of the task. The rest of the task stays as it is.

use super::{Answered, ConfigError, Identity, Task, TaskSettings, TooLong, WorkedExample};
use crate::error::Result;
use crate::types::{Grade, Mode, Problem, ProblemId, Split, StopReason, Style};
use starloop_record::info::PaperFigure;
use std::collections::HashSet;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

/// Grades completions of any task (`[task.verifier]`).
pub trait Verifier: Debug + Send + Sync {
    /// The grade of each answer, in their order. The answers of one stage come in one call.
    ///
    /// # Errors
    /// The verifier fails. The error names the problem.
    fn verify(&self, answers: &[Answered<'_>]) -> Result<Vec<Grade>>;
}

/// The settings of a task with a verifier.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) settings: Box<dyn TaskSettings>,
    pub(crate) verifier: Arc<dyn Verifier>,
}

impl TaskSettings for Verified {
    fn build(&self, seed: u64) -> Result<Box<dyn Task>, ConfigError> {
        Ok(Box::new(VerifiedTask { task: self.settings.build(seed)?, verifier: Arc::clone(&self.verifier) }))
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        self.settings.files()
    }

    fn data_set(&self) -> Option<&'static str> {
        self.settings.data_set()
    }

    fn program(&self) -> Option<&str> {
        self.settings.program()
    }

    fn too_long(&self) -> TooLong {
        self.settings.too_long()
    }

    fn grader(&self) -> Result<Box<dyn Task>, ConfigError> {
        Ok(Box::new(VerifiedTask { task: self.settings.grader()?, verifier: Arc::clone(&self.verifier) }))
    }
}

/// A task whose completions another verifier grades.
struct VerifiedTask {
    task: Box<dyn Task>,
    verifier: Arc<dyn Verifier>,
}

impl Task for VerifiedTask {
    fn verify(&self, problem: &Problem, completion: &str, stop_reason: &StopReason) -> Result<Grade> {
        let grades = self.verify_all(&[Answered { problem, completion, stop_reason }])?;
        super::checked(grades, 1).map(|mut grades| grades.swap_remove(0))
    }

    fn verify_all(&self, answers: &[Answered<'_>]) -> Result<Vec<Grade>> {
        self.verifier.verify(answers)
    }

    fn name(&self) -> &str {
        self.task.name()
    }

    fn source(&self, problem: &Problem) -> Option<String> {
        self.task.source(problem)
    }

    fn leave_out(&mut self, problems: &HashSet<ProblemId>) {
        self.task.leave_out(problems);
    }

    fn left_out(&self) -> u64 {
        self.task.left_out()
    }

    fn prompt_template(&self) -> Option<&str> {
        self.task.prompt_template()
    }

    fn prepare(&self) -> Result<(), ConfigError> {
        self.task.prepare()
    }

    fn classes(&self, iteration: u32) -> Vec<String> {
        self.task.classes(iteration)
    }

    fn training_problems(&self, iteration: u32) -> Vec<Problem> {
        self.task.training_problems(iteration)
    }

    fn training_count(&self, iteration: u32) -> usize {
        self.task.training_count(iteration)
    }

    fn evaluation_count(&self, split: Split, iteration: u32) -> usize {
        self.task.evaluation_count(split, iteration)
    }

    fn evaluation_problems(&self, split: Split, iteration: u32) -> Vec<Problem> {
        self.task.evaluation_problems(split, iteration)
    }

    fn identity(&self, problem: &Problem) -> Identity {
        self.task.identity(problem)
    }

    fn prompt(&self, problem: &Problem, mode: Mode) -> String {
        self.task.prompt(problem, mode)
    }

    fn worked_examples(&self, problem: &Problem, mode: Mode, style: Style, count: usize) -> Vec<WorkedExample> {
        self.task.worked_examples(problem, mode, style, count)
    }

    fn separator(&self) -> &str {
        self.task.separator()
    }

    fn stop_strings(&self) -> Vec<String> {
        self.task.stop_strings()
    }

    fn reference(&self, problem: &Problem) -> Option<String> {
        self.task.reference(problem)
    }

    fn direct_completion(&self, problem: &Problem) -> String {
        self.task.direct_completion(problem)
    }

    fn paper_figures(&self) -> Vec<PaperFigure> {
        self.task.paper_figures()
    }

    fn chance(&self) -> f64 {
        self.task.chance()
    }

    fn leaks_hint(&self, completion: &str) -> bool {
        self.task.leaks_hint(completion)
    }

    fn reasoning_path(&self, completion: &str) -> String {
        self.task.reasoning_path(completion)
    }

    fn partly_hinted_prompt(&self, problem: &Problem, share: f64) -> Option<String> {
        self.task.partly_hinted_prompt(problem, share)
    }

    fn has_false_step(&self, problem: &Problem, completion: &str) -> Option<bool> {
        self.task.has_false_step(problem, completion)
    }

    fn drops_false_steps(&self) -> bool {
        self.task.drops_false_steps()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::experiment::Experiment;
    use crate::registry::{Registry, VerifierKind};
    use crate::types::Verdict;
    use serde::{Deserialize, Serialize};

    /// Counts completions of at most so many bytes as right.
    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Short {
        most: usize,
    }

    impl Verifier for Short {
        fn verify(&self, answers: &[Answered<'_>]) -> Result<Vec<Grade>> {
            let grade = |answer: &Answered<'_>| if answer.completion.len() <= self.most { Verdict::Correct } else { Verdict::Unparsed };
            Ok(answers.iter().map(|answer| grade(answer).into()).collect())
        }
    }

    fn experiment(overrides: &[&str], registry: &Registry) -> Result<Experiment> {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        Experiment::new(Config::load("smoke", &overrides)?, registry)
    }

    #[test]
    fn a_verifier_grades_in_place_of_the_task() {
        let registry = Registry::default().with_verifier(VerifierKind::new::<Short>("short"));
        let experiment = experiment(&["task.verifier={ kind = \"short\", most = 3 }"], &registry).unwrap();
        let toml = experiment.to_toml();
        assert!(toml.contains("[task.verifier]") && toml.contains("most = 3"), "{toml}");
        let task = experiment.task().unwrap();
        let problem = task.training_problems(1).swap_remove(0);
        let verdict = |completion: &str| task.verify(&problem, completion, &StopReason::EndToken).unwrap().verdict;
        assert_eq!([verdict("yes"), verdict("no, longer")], [Verdict::Correct, Verdict::Unparsed]);
        assert_eq!(task.name(), "arithmetic");
        let plain = self::experiment(&[], &registry).unwrap().task().unwrap();
        assert_eq!(task.prompt(&problem, Mode::Hinted), plain.prompt(&problem, Mode::Hinted));
    }

    #[test]
    fn a_wrong_section_is_named() {
        let registry = Registry::default().with_verifier(VerifierKind::new::<Short>("short"));
        let refused = |overrides: &[&str], registry: &Registry| experiment(overrides, registry).unwrap_err().to_string();
        for (section, expected) in [
            (
                "task.verifier={ kind = \"shorts\" }",
                "`task.verifier.kind`: there is no kind \"shorts\"; one of: short; did you mean \"short\"?",
            ),
            ("task.verifier={ most = 3 }", "`task.verifier.kind`: is missing; one of: short"),
            ("task.verifier=short", "`task.verifier`: expected a table with the key kind, found string"),
            ("task.verifier={ kind = \"short\", mosts = 3 }", "unknown key `task.verifier.mosts`; did you mean `task.verifier.most`?"),
        ] {
            let error = refused(&[section], &registry);
            assert!(error.contains(expected), "{error}");
        }
        // Without verifiers, the key is one that the task does not have.
        let error = refused(&["task.verifier={ kind = \"short\" }"], &Registry::default());
        assert!(error.contains("unknown key `task.verifier`"), "{error}");
    }
}
