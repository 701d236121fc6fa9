//! What methods share that teach a model in rounds: when to stop, what a round learns, and what it may cost.

use super::{Estimate, estimate_training};
use crate::config::{Invalid, MethodConfig};
use crate::error::Result;
use crate::iterate::{Arm, Lesson, Start};
use crate::metrics::SelectionCounts;
use crate::task::{Split, Style, Task};
use crate::training_set::{Round, SelectionRules, TrainingSet};
use crate::types::{GradedAttempt, Problem};

/// What a round learns from, and which model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Learning {
    /// Fine-tune the base model; otherwise go on from the latest.
    pub(super) reset_to_base: bool,
    /// Learn what all rounds so far have found; otherwise what this one has.
    pub(super) accumulate: bool,
    /// What is kept.
    pub(super) rules: SelectionRules,
}

/// Whether a method stops before its last iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EarlyStop {
    /// All iterations are done.
    Never,
    /// The method stops when accuracy has not risen for so many evaluations.
    AfterEvaluations(u32),
}

impl EarlyStop {
    /// By the key `patience`, where 0 means never.
    pub(super) fn after(patience: u32) -> Self {
        if patience == 0 { EarlyStop::Never } else { EarlyStop::AfterEvaluations(patience) }
    }
}

/// Measures the base, and then teaches round by round, until `iterations` are done or `early_stop` ends them.
pub(super) fn run(
    arm: &mut Arm<'_>,
    iterations: u32,
    early_stop: EarlyStop,
    mut lesson: impl FnMut(&mut Arm<'_>, u32) -> Result<Lesson>,
) -> Result<()> {
    let mut best = arm.measure_base(Style::Rationale)?.accuracy.mean;
    let mut without_rise = 0;
    for iteration in 1..=iterations {
        let last = iteration == iterations;
        let metrics = arm.iterate(iteration, last, |arm| lesson(arm, iteration))?;
        if metrics.accuracy.total == 0 {
            continue;
        }
        without_rise = if metrics.accuracy.mean > best { 0 } else { without_rise + 1 };
        best = best.max(metrics.accuracy.mean);
        let is_over = matches!(early_stop, EarlyStop::AfterEvaluations(patience) if without_rise >= patience);
        if is_over && !last {
            arm.warn(&format!("accuracy has not risen for {without_rise} evaluations, so iteration {iteration} is the last (patience)"));
            break;
        }
    }
    Ok(())
}

/// The model that a round begins with.
pub(super) fn latest(iteration: u32) -> Start {
    if iteration == 1 { Start::Base } else { Start::Iteration(iteration - 1) }
}

/// What iteration `iteration` learns from `attempts`, and where rounds accumulate from those of the earlier ones. `problems_of` gives the
/// problems of each.
pub(super) fn learn(
    arm: &mut Arm<'_>,
    iteration: u32,
    problems_of: impl Fn(&dyn Task, u32) -> Vec<Problem>,
    attempts: Vec<GradedAttempt>,
    learning: Learning,
) -> Result<Lesson> {
    let mut rounds = vec![Round { problems: problems_of(arm.task(), iteration), attempts }];
    if learning.accumulate {
        // The newest first: where the number of examples of a problem is limited, the better model's stay.
        for earlier in (1..iteration).rev() {
            rounds.push(Round { problems: problems_of(arm.task(), earlier), attempts: arm.earlier_attempts(earlier)? });
        }
    }
    let (training_set, selection) = select(arm, &rounds, learning.rules)?;
    let attempts = rounds.swap_remove(0).attempts;
    let start = if learning.reset_to_base { Start::Base } else { latest(iteration) };
    Ok(Lesson { attempts, training_set, selection, start })
}

/// What `rules` keep of `rounds`, with worked examples in the prompts where the config says so.
pub(super) fn select(arm: &Arm<'_>, rounds: &[Round], rules: SelectionRules) -> Result<(TrainingSet, SelectionCounts)> {
    let few_shot = if arm.config().training.train_with_few_shot { arm.config().sampling.few_shot } else { 0 };
    TrainingSet::select(arm.task(), rounds, SelectionRules { few_shot, ..rules })
}

/// The different problems that the first `iterations` iterations attempt, in their order.
pub(super) fn pool(task: &dyn Task, iterations: u32) -> Vec<Problem> {
    let mut seen = std::collections::HashSet::new();
    let all = (1..=iterations).flat_map(|iteration| task.training_problems(iteration));
    all.filter(|problem| seen.insert(problem.id.clone())).collect()
}

/// Checks the two keys that all of them have.
pub(super) fn check(iterations: u32, patience: u32, config: &MethodConfig) -> Result<(), Invalid> {
    at_least_one("iterations", iterations)?;
    if patience > 0 && config.evaluation.split == Split::Test {
        let message = "chooses by accuracy, which must not be done on the test split; set evaluation.split = \"dev\"";
        return Err(Invalid { key: "patience".into(), message: message.into() });
    }
    Ok(())
}

pub(super) fn at_least_one(key: &str, value: u32) -> Result<(), Invalid> {
    if value > 0 { Ok(()) } else { Err(Invalid { key: key.into(), message: "must be at least 1".into() }) }
}

/// The cost of `iterations` rounds of which each makes `attempts` completions for training.
pub(super) fn estimate(config: &MethodConfig, task: &dyn Task, iterations: u32, attempts: impl Fn(u32) -> u64) -> Estimate {
    let mut estimate = estimate_training(config, task, iterations);
    estimate.attempts = (1..=iterations).map(attempts).sum();
    estimate
}

/// Completions where every problem of an iteration is asked in so many modes.
pub(super) fn every_problem(config: &MethodConfig, task: &dyn Task, modes: u64) -> impl Fn(u32) -> u64 {
    let samples = u64::from(config.sampling.samples_per_problem);
    move |iteration| task.training_problems(iteration).len() as u64 * samples * modes
}
