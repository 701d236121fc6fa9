//! Selection: what is worth learning from.
//!
//! [`TrainingSet`], like its kin of pairs and of samples, has private fields, and the constructors here write every prompt themselves, from the problem and in
//! [`Mode::Unhinted`]. So no hint can reach a training prompt, whatever the attempts were asked with.

use crate::error::{Error, Result};
use crate::metrics::SelectionCounts;
use crate::objective::{Learned, Material};
use crate::prompt;
use crate::task::{Style, Task, leak};
use crate::types::{Example, GradedAttempt, Mode, Problem, ProblemId};
use std::collections::{HashMap, HashSet};

mod preferences;
mod rewards;

pub use preferences::PreferenceSet;
pub use rewards::{RewardRules, RewardSet};

/// The examples of one fine-tuning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingSet {
    examples: Vec<Example>,
}

/// What selection may keep.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SelectionRules {
    /// Examples of one problem; 0 for no limit.
    pub max_per_problem: u32,
    /// Worked examples in front of each training prompt. 0, except in the paper's ablation that keeps the few-shot prefix (appendix).
    pub few_shot: usize,
    /// What makes two rationales of a problem the same.
    pub same: Same,
    /// Drops rationalizations that say nothing beyond the question and the answer that was shown.
    pub drop_restated: bool,
    /// Drops attempts whose mean probability of a token is lower, in 0..=1 (the geometric mean); 0 drops none.
    pub least_confidence: f64,
}

/// What makes two rationales of a problem the same.
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
    /// The problems, all of the training split.
    pub problems: Vec<Problem>,
    /// The attempts, unhinted before hinted, so that an unaided rationale goes before a rationalization.
    pub attempts: Vec<GradedAttempt>,
}

impl TrainingSet {
    /// Keeps the attempts with the right answer, in their order: no leaked hint, no step that is seen to be false, no
    /// duplicate, nothing that `rules` drop, no more than the limit of each problem.
    ///
    /// # Errors
    /// [`Error::UnknownProblem`] when an attempt's problem is not among its round's problems.
    pub fn select(task: &dyn Task, rounds: &[Round], rules: SelectionRules) -> Result<(TrainingSet, SelectionCounts)> {
        let mut counts = SelectionCounts::default();
        let mut examples = Vec::new();
        let mut seen = HashSet::new();
        let mut paths = HashSet::new();
        let mut kept_of: HashMap<&ProblemId, u32> = HashMap::new();
        let mut unaided = HashSet::new();
        for round in rounds {
            let problems: HashMap<_, _> = round.problems.iter().map(|problem| (&problem.id, problem)).collect();
            for GradedAttempt { attempt, verdict, .. } in &round.attempts {
                let problem =
                    problems.get(&attempt.problem).ok_or_else(|| Error::UnknownProblem { problem: attempt.problem.to_string() })?;
                if !verdict.is_correct() {
                    continue;
                }
                if attempt.mode == Mode::Hinted && task.leaks_hint(&attempt.completion) {
                    counts.dropped_leaked_hint += 1;
                    continue;
                }
                if task.has_false_step(&attempt.completion) {
                    counts.dropped_false_step += 1;
                    continue;
                }
                if !seen.insert((&attempt.problem, attempt.completion.as_str())) {
                    counts.dropped_duplicate += 1;
                    continue;
                }
                if rules.drop_restated && attempt.mode == Mode::Hinted && leak::restates(problem, &attempt.completion) {
                    counts.dropped_restated += 1;
                    continue;
                }
                if !attempt.is_as_sure_as(rules.least_confidence) {
                    counts.dropped_unsure += 1;
                    continue;
                }
                if rules.same == Same::Path && !paths.insert((&attempt.problem, task.reasoning_path(&attempt.completion))) {
                    counts.dropped_same_path += 1;
                    continue;
                }
                let kept = kept_of.entry(&problem.id).or_default();
                if rules.max_per_problem > 0 && *kept >= rules.max_per_problem {
                    counts.dropped_over_limit += 1;
                    continue;
                }
                *kept += 1;
                match attempt.mode {
                    Mode::Unhinted => {
                        counts.kept_unhinted += 1;
                        unaided.insert(&problem.id);
                    }
                    Mode::Hinted => counts.kept_hinted += 1,
                }
                examples.push(example(task, problem, attempt.mode, attempt.completion.clone(), rules.few_shot));
            }
        }
        counts.problems = rounds.iter().flat_map(|round| &round.problems).map(|problem| &problem.id).collect::<HashSet<_>>().len() as u64;
        counts.problems_unhinted = unaided.len() as u64;
        counts.problems_hinted = (kept_of.len() - unaided.len()) as u64;
        Ok((TrainingSet { examples }, counts))
    }

    /// The known answers alone, for direct fine-tuning: one example of each distinct problem.
    pub fn of_known_answers(task: &dyn Task, problems: &[Problem]) -> TrainingSet {
        let learned = |problem| example(task, problem, Mode::Unhinted, task.direct_completion(problem), 0);
        TrainingSet { examples: distinct(problems).map(learned).collect() }
    }

    /// The rationales that came with the problems: one example of each distinct problem.
    ///
    /// # Errors
    /// [`Error::NoKnownRationale`] names the first problem without.
    pub fn of_known_rationales(task: &dyn Task, problems: &[Problem]) -> Result<TrainingSet> {
        let learned = |problem: &Problem| {
            let rationale = task.reference(problem).ok_or_else(|| Error::NoKnownRationale { problem: problem.id.to_string() })?;
            Ok(example(task, problem, Mode::Unhinted, rationale, 0))
        };
        Ok(TrainingSet { examples: distinct(problems).map(learned).collect::<Result<_>>()? })
    }

    /// These examples, and behind them those of `other` that are not among them.
    #[must_use]
    pub fn and(mut self, other: TrainingSet) -> TrainingSet {
        let here: HashSet<Example> = self.examples.iter().cloned().collect();
        self.examples.extend(other.examples.into_iter().filter(|example| !here.contains(example)));
        self
    }

    /// The examples, in the order of the attempts.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }
}

impl Material for TrainingSet {
    fn learned(&self) -> Learned<'_> {
        Learned::Examples(&self.examples)
    }
}

/// Each problem once.
fn distinct(problems: &[Problem]) -> impl Iterator<Item = &Problem> {
    let mut seen = HashSet::new();
    problems.iter().filter(move |problem| seen.insert(&problem.id))
}

/// The only place where an [`Example`] is made: its prompt is always the unhinted one.
fn example(task: &dyn Task, problem: &Problem, found_in: Mode, completion: String, few_shot: usize) -> Example {
    let prompt = prompt::assemble(task, problem, Mode::Unhinted, Style::Rationale, few_shot);
    Example { problem: problem.id.clone(), mode: found_in, prompt, completion }
}
