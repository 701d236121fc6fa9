//! Selection: which attempts are learned. It decides the [`Outcome`] of every attempt once, and the run directory keeps it.

use crate::config::SelectionConfig;
use crate::error::{Error, Result};
use crate::metrics::SelectionCounts;
use crate::task::{Task, leak};
use crate::types::{GradedAttempt, Mode, Problem, ProblemId};
use starloop_record::training_rows::TrainingRows;
use starloop_record::{Outcome, OutcomeRecord};
use std::collections::{HashMap, HashSet};

mod drawn;
mod preferences;
mod rewards;
mod trained_problems;
mod training_data;

pub use drawn::drawn;
pub use preferences::{known_against_own, right_against_wrong};
pub use rewards::{RewardRules, of_groups, steps_of_passes};
pub use trained_problems::{TRAINED_PROBLEMS, TrainedProblems};
pub use training_data::{Loss, TrainingData};

/// The training data of a selection, and its decision about each attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// The training data.
    pub data: TrainingData,
    /// The outcome of every attempt, in the order of the rounds and their attempts.
    pub outcomes: Vec<OutcomeRecord>,
    /// The counts of the outcomes.
    pub counts: SelectionCounts,
}

impl Selection {
    /// Training data that comes from no attempt, such as known answers.
    pub fn without_attempts(data: TrainingData) -> Self {
        Selection { data, outcomes: Vec::new(), counts: SelectionCounts::default() }
    }
}

/// The rules of a selection.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SelectionRules {
    /// The maximum number of examples of one problem; 0 for no limit.
    pub max_per_problem: u32,
    /// Worked examples in front of each training prompt. 0, except in the paper's ablation that keeps the few-shot prefix (appendix).
    pub few_shot: usize,
    /// When two rationales of a problem count as the same.
    pub same: Same,
    /// Drops rationalizations that say nothing beyond the question and the answer that was shown.
    pub drop_restated: bool,
    /// Drops attempts whose mean probability of a token (the geometric mean) is lower, in 0..=1; 0 drops none.
    pub least_confidence: f64,
    /// The rules of the config.
    pub config: SelectionConfig,
}

/// When two rationales of a problem count as the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Same {
    /// Their texts.
    #[default]
    Text,
    /// Their reasoning paths, as [`Task::reasoning_path`] reads them (Yuan et al. 2023).
    Path,
}

/// The problems of one iteration and the attempts at them.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    /// The outer iteration.
    pub iteration: u32,
    /// The problems, all of the training split.
    pub problems: Vec<Problem>,
    /// The attempts, unhinted before hinted, so that an unhinted rationale goes before a rationalization.
    pub attempts: Vec<GradedAttempt>,
}

impl Round {
    fn problems_by_id(&self) -> HashMap<&ProblemId, &Problem> {
        self.problems.iter().map(|problem| (&problem.id, problem)).collect()
    }
}

/// Keeps attempts with the right answer, in their order. Drops leaked hints, false steps if the task drops them, duplicates, attempts that
/// `rules` drop, and attempts beyond the limit of each problem.
///
/// # Errors
/// [`Error::UnknownProblem`] if the problem of an attempt is not among the problems of its round.
pub fn select(task: &dyn Task, rounds: &[Round], rules: SelectionRules) -> Result<Selection> {
    let mut judge = Judge { task, rules, texts: HashSet::new(), paths: HashSet::new(), kept: HashMap::new() };
    let (mut outcomes, mut examples, mut learned) = (Vec::new(), Vec::new(), Vec::new());
    for round in rounds {
        let problems = round.problems_by_id();
        for graded in &round.attempts {
            let attempt = &graded.attempt;
            let problem = find(&problems, &attempt.problem)?;
            let outcome = judge.outcome(problem, graded);
            if outcome == Outcome::Learned {
                examples.push(training_data::example(task, problem, attempt.mode, attempt.completion.clone(), rules.few_shot));
                learned.push(problem);
            }
            outcomes.push(OutcomeRecord::new(round.iteration, attempt, outcome));
        }
    }
    let counts = SelectionCounts::of(&outcomes, distinct_problems(rounds));
    let data = TrainingData::of_rows(TrainingRows::Completions(examples), Loss::Likelihood).of_problems(task, learned);
    Ok(Selection { data, outcomes, counts })
}

/// Applies the rules, one attempt after the other.
struct Judge<'a> {
    task: &'a dyn Task,
    rules: SelectionRules,
    /// Texts and paths that were kept or dropped by a later rule.
    texts: HashSet<(&'a ProblemId, &'a str)>,
    paths: HashSet<(&'a ProblemId, &'a str)>,
    /// Examples of each problem so far.
    kept: HashMap<&'a ProblemId, u32>,
}

impl<'a> Judge<'a> {
    fn outcome(&mut self, problem: &'a Problem, graded: &'a GradedAttempt) -> Outcome {
        let (attempt, rules) = (&graded.attempt, self.rules);
        let is_hinted = attempt.mode == Mode::Hinted;
        if let Some(failure) = Outcome::of_failure(&graded.verdict) {
            return failure;
        }
        if is_hinted && self.task.leaks_hint(&attempt.completion) {
            return Outcome::LeaksHint;
        }
        if graded.false_step == Some(true) && (rules.config.drop_false_steps || self.task.drops_false_steps()) {
            return Outcome::FalseStep;
        }
        if rules.config.drop_uncalculated && is_hinted && graded.false_step.is_none() {
            return Outcome::Uncalculated;
        }
        if is_hinted && rules.config.most_hint_reliance.zip(graded.hint_reliance).is_some_and(|(most, reliance)| reliance > most) {
            return Outcome::HintReliant;
        }
        if is_hinted && rules.config.drop_reached_from_wrong_hint && graded.reaches_wrong_answer == Some(true) {
            return Outcome::ReachesWrongAnswer;
        }
        if !self.texts.insert((&problem.id, &attempt.completion)) {
            return Outcome::Duplicate;
        }
        if rules.drop_restated && is_hinted && leak::restates(problem, &attempt.completion) {
            return Outcome::Restated;
        }
        if !attempt.is_as_sure_as(rules.least_confidence) {
            return Outcome::Unsure;
        }
        if rules.same == Same::Path && !self.paths.insert((&problem.id, &graded.path)) {
            return Outcome::SamePath;
        }
        let kept = self.kept.entry(&problem.id).or_default();
        if rules.max_per_problem > 0 && *kept >= rules.max_per_problem {
            return Outcome::OverLimit;
        }
        *kept += 1;
        Outcome::Learned
    }
}

fn find<'a>(problems: &HashMap<&ProblemId, &'a Problem>, id: &ProblemId) -> Result<&'a Problem> {
    problems.get(id).copied().ok_or_else(|| Error::UnknownProblem { problem: id.to_string() })
}

fn distinct_problems(rounds: &[Round]) -> usize {
    rounds.iter().flat_map(|round| &round.problems).map(|problem| &problem.id).collect::<HashSet<_>>().len()
}
