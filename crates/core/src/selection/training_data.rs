//! The data of one fine-tuning: rows and their loss.

use crate::error::{Error, Result};
use crate::task::prompt;
use crate::task::{Identity, Task};
use crate::types::{Example, Mode, ModelRef, Problem, Style};
use starloop_lm::train::PolicyGradient;
use starloop_record::training_rows::TrainingRows;
use std::collections::{BTreeSet, HashSet};

/// The rows of one fine-tuning with their loss. The rows are private: the functions of [`super`] that select them write every prompt
/// themselves, from the problem and without a hint. So no hint reaches a training prompt, even if the attempts had hints.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingData {
    rows: TrainingRows,
    loss: Loss,
    /// The identities of the problems that the rows come from.
    problems: BTreeSet<String>,
}

/// The loss that training minimizes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// The negative log-likelihood of the completions.
    Likelihood,
    /// Direct preference optimization (Rafailov et al. 2023). The reference is the model at the start of the training.
    Preference {
        /// How strongly the model is held to the reference. A smaller value lets it go farther.
        beta: f64,
    },
    /// Group-relative policy optimization (Shao et al. 2024). The model at the start of the training has sampled.
    PolicyGradient {
        /// Clipping, penalty and normalization.
        loss: PolicyGradient,
        /// The model that the penalty holds to.
        anchor: ModelRef,
    },
}

impl Loss {
    /// The name of its data, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Loss::Likelihood => "examples",
            Loss::Preference { .. } => "preferences",
            Loss::PolicyGradient { .. } => "rewards",
        }
    }
}

impl TrainingData {
    /// Rows as they are, such as those of a file of the user. The caller answers for their prompts: none may hold a hint.
    pub fn of_rows(rows: TrainingRows, loss: Loss) -> Self {
        TrainingData { rows, loss, problems: BTreeSet::new() }
    }

    /// The same rows with a note of the problems that they come from.
    #[must_use]
    pub(super) fn of_problems<'p>(mut self, task: &dyn Task, problems: impl IntoIterator<Item = &'p Problem>) -> Self {
        // The wording is noted too: a config that reads other columns gives the same problem another identity.
        let identities = problems.into_iter().flat_map(|problem| [task.identity(problem), Identity::of_question(problem)]);
        self.problems.extend(identities.map(|identity| identity.to_string()));
        self
    }

    /// [`TrainingData::of_rows`] of examples.
    pub fn of_examples(examples: Vec<Example>) -> Self {
        TrainingData::of_rows(TrainingRows::Completions(examples), Loss::Likelihood)
    }

    /// The known answers alone, for direct fine-tuning: one example of each distinct problem.
    pub fn of_known_answers(task: &dyn Task, problems: &[Problem]) -> Self {
        let learned = |problem| example(task, problem, Mode::Unhinted, task.direct_completion(problem), 0);
        TrainingData::of_examples(distinct(problems).map(learned).collect()).of_problems(task, problems)
    }

    /// The rationales that came with the problems: one example of each distinct problem.
    ///
    /// # Errors
    /// [`Error::NoKnownRationale`] names the first problem without a rationale.
    pub fn of_known_rationales(task: &dyn Task, problems: &[Problem]) -> Result<Self> {
        let learned = |problem: &Problem| {
            let rationale = task.reference(problem).ok_or_else(|| Error::NoKnownRationale { problem: problem.id.to_string() })?;
            Ok(example(task, problem, Mode::Unhinted, rationale, 0))
        };
        Ok(TrainingData::of_examples(distinct(problems).map(learned).collect::<Result<_>>()?).of_problems(task, problems))
    }

    /// These examples, followed by those of `other` that are not among them. Rows of another kind of loss are left as they are.
    #[must_use]
    pub fn and(mut self, other: TrainingData) -> Self {
        if let (TrainingRows::Completions(examples), TrainingRows::Completions(more)) = (&mut self.rows, other.rows) {
            let here: HashSet<Example> = examples.iter().cloned().collect();
            examples.extend(more.into_iter().filter(|example| !here.contains(example)));
            self.problems.extend(other.problems);
        }
        self
    }

    /// The rows.
    pub fn rows(&self) -> &TrainingRows {
        &self.rows
    }

    /// The identities of the problems that the rows come from, for the checkpoint's record. Rows of a file of the user have none.
    pub fn problems(&self) -> &BTreeSet<String> {
        &self.problems
    }

    /// The loss.
    pub fn loss(&self) -> Loss {
        self.loss
    }
}

/// Each problem once.
fn distinct(problems: &[Problem]) -> impl Iterator<Item = &Problem> {
    let mut seen = HashSet::new();
    problems.iter().filter(move |problem| seen.insert(&problem.id))
}

/// The only place that makes an [`Example`] of a problem. Its prompt is always the unhinted one.
pub(super) fn example(task: &dyn Task, problem: &Problem, found_in: Mode, completion: String, few_shot: usize) -> Example {
    let prompt = prompt::assemble(task, problem, Mode::Unhinted, Style::Rationale, few_shot);
    Example { problem: problem.id.clone(), mode: found_in, prompt, completion }
}
