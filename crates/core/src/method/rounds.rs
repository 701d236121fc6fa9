//! The common parts of methods that teach a model in rounds: stopping, training data and cost.

use super::{Estimate, estimate_training};
use crate::config::{Invalid, MethodSettings};
use crate::error::Result;
use crate::method_run::{MethodRun, TrainingPlan};
use crate::selection::{self, Round, Selection, SelectionRules};
use crate::task::Task;
use crate::types::{GradedAttempt, ModelRef, Problem, Split, Style};

/// The training data of a round, and its model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Learning {
    /// Fine-tune the base model; otherwise go on from the latest.
    pub(super) reset_to_base: bool,
    /// Learn what all rounds so far have found; otherwise what this one has.
    pub(super) accumulate: bool,
    /// The examples that are kept.
    pub(super) rules: SelectionRules,
}

/// The rule by which a method stops before its last iteration.
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

/// Measures the base, and then trains round by round, until `iterations` are done or `early_stop` ends them.
pub(super) fn run(
    run: &mut MethodRun<'_>,
    iterations: u32,
    early_stop: EarlyStop,
    mut plan: impl FnMut(&mut MethodRun<'_>, u32) -> Result<TrainingPlan>,
) -> Result<()> {
    let mut best = run.measure_base(Style::Rationale)?.accuracy.mean;
    let mut without_rise = 0;
    for iteration in 1..=iterations {
        let last = iteration == iterations;
        let metrics = run.iterate(iteration, last, |run| plan(run, iteration))?;
        if metrics.accuracy.total == 0 {
            continue;
        }
        without_rise = if metrics.accuracy.mean > best { 0 } else { without_rise + 1 };
        best = best.max(metrics.accuracy.mean);
        let is_over = matches!(early_stop, EarlyStop::AfterEvaluations(patience) if without_rise >= patience);
        if is_over && !last {
            run.warn(&format!("accuracy has not risen for {without_rise} evaluations, so iteration {iteration} is the last (patience)"))?;
            break;
        }
    }
    Ok(())
}

/// The model that a round begins with.
pub(super) fn latest(iteration: u32) -> ModelRef {
    if iteration == 1 { ModelRef::Base } else { ModelRef::Iteration(iteration - 1) }
}

/// Plans the training of iteration `iteration` on the examples that selection keeps of `attempts`. If rounds accumulate, the attempts of earlier iterations
/// count too. `problems_of` returns the problems of an iteration.
pub(super) fn learn(
    run: &mut MethodRun<'_>,
    iteration: u32,
    problems_of: impl Fn(&dyn Task, u32) -> Vec<Problem>,
    attempts: Vec<GradedAttempt>,
    learning: Learning,
) -> Result<TrainingPlan> {
    learn_selected(run, iteration, problems_of, attempts, learning, select)
}

/// As [`learn`], on the examples that `select` keeps.
pub(super) fn learn_selected(
    run: &mut MethodRun<'_>,
    iteration: u32,
    problems_of: impl Fn(&dyn Task, u32) -> Vec<Problem>,
    attempts: Vec<GradedAttempt>,
    learning: Learning,
    select: impl FnOnce(&MethodRun<'_>, &[Round], SelectionRules) -> Result<Selection>,
) -> Result<TrainingPlan> {
    let mut rounds = vec![Round { iteration, problems: problems_of(run.task(), iteration), attempts }];
    if learning.accumulate {
        // The newest first: if the number of examples of a problem is limited, the examples of the better model stay.
        for earlier in (1..iteration).rev() {
            let (problems, attempts) = (problems_of(run.task(), earlier), run.earlier_attempts(earlier)?);
            rounds.push(Round { iteration: earlier, problems, attempts });
        }
    }
    let selection = select(run, &rounds, learning.rules)?;
    let earlier = rounds[1..].iter().map(|round| round.iteration).collect();
    let attempts = rounds.swap_remove(0).attempts;
    let start = if learning.reset_to_base { ModelRef::Base } else { latest(iteration) };
    Ok(TrainingPlan { earlier, ..run.plan(iteration, attempts, selection, start) })
}

/// The examples of `rounds` that `rules` and the rules of the config keep. Their prompts have worked examples if the config says so.
pub(super) fn select(run: &MethodRun<'_>, rounds: &[Round], rules: SelectionRules) -> Result<Selection> {
    let few_shot = few_shot_in_training(run);
    let config = run.settings().selection;
    selection::select(run.task(), rounds, SelectionRules { few_shot, config, ..rules })
}

/// Worked examples in front of a training prompt.
pub(super) fn few_shot_in_training(run: &MethodRun<'_>) -> usize {
    if run.settings().training.train_with_few_shot { run.settings().sampling.few_shot } else { 0 }
}

/// The different problems that the first `iterations` iterations attempt, in their order.
pub(super) fn pool(task: &dyn Task, iterations: u32) -> Vec<Problem> {
    let mut seen = std::collections::HashSet::new();
    let all = (1..=iterations).flat_map(|iteration| task.training_problems(iteration));
    all.filter(|problem| seen.insert(problem.id.clone())).collect()
}

/// Problems that are drawn in a moment.
const MOMENT: u64 = 20_000;

/// The first of `iterations` whose problems are drawn in a moment; at least one. A check or an estimate goes no further.
pub(super) fn drawn_in_a_moment(task: &dyn Task, iterations: u32) -> u32 {
    let mut drawn = 0;
    let fits = |iteration: &u32| {
        drawn += task.training_count(*iteration) as u64;
        drawn <= MOMENT
    };
    (1..=iterations).take_while(fits).last().unwrap_or(1)
}

/// The number of problems of [`pool`], or of a large pool an upper limit: as if no problem came twice.
pub(super) fn pool_count(task: &dyn Task, iterations: u32) -> u64 {
    if drawn_in_a_moment(task, iterations) == iterations {
        return pool(task, iterations).len() as u64;
    }
    (1..=iterations).map(|iteration| task.training_count(iteration) as u64).fold(0, u64::saturating_add)
}

/// Checks the two keys that all of them have.
pub(super) fn check(iterations: u32, patience: u32, settings: &MethodSettings) -> Result<(), Invalid> {
    in_range("iterations", iterations)?;
    if patience > 0 && settings.evaluation.split == Split::Test {
        let message = "chooses by accuracy, which must not be done on the test split; set evaluation.split = \"dev\"";
        return Err(Invalid { key: "patience".into(), message: message.into() });
    }
    Ok(())
}

/// The most iterations of a method.
pub(super) const MOST_ITERATIONS: u32 = 10_000;

pub(super) fn in_range(key: &str, value: u32) -> Result<(), Invalid> {
    // An estimate visits every iteration.
    let message = match value {
        0 => "must be at least 1".to_owned(),
        1..=MOST_ITERATIONS => return Ok(()),
        more => format!("must be at most {MOST_ITERATIONS}, found {more}"),
    };
    Err(Invalid { key: key.into(), message })
}

/// The cost of `iterations` rounds of which each makes `attempts` completions for training.
pub(super) fn estimate(settings: &MethodSettings, task: &dyn Task, iterations: u32, attempts: impl Fn(u32) -> u64) -> Estimate {
    let mut estimate = estimate_training(settings, task, iterations);
    estimate.attempts = (1..=iterations).map(attempts).fold(0, u64::saturating_add);
    estimate
}

/// The modes in which a problem is asked, at most: without hint, with a hint, and with a wrong hint.
pub(super) fn modes(rationalize: bool, settings: &MethodSettings) -> u64 {
    1 + u64::from(rationalize) + u64::from(rationalize && settings.selection.drop_reached_from_wrong_hint)
}

/// Completions where every problem of an iteration is asked in so many modes.
pub(super) fn every_problem(settings: &MethodSettings, task: &dyn Task, modes: u64) -> impl Fn(u32) -> u64 {
    let samples = u64::from(settings.sampling.samples_per_problem);
    move |iteration| (task.training_count(iteration) as u64).saturating_mul(samples).saturating_mul(modes)
}
