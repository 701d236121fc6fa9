//! The outer loop's stages, shared by all methods: collect, select, fine-tune, evaluate.
//!
//! Each stage first looks for its result in the run directory and does its work only where there is none. So an interrupted run goes on
//! where it was, and since every stage depends on its inputs and seeds alone, to the same result.

use crate::config::{Config, MethodConfig, TrainingConfig};
use crate::error::{Error, Result};
use crate::eval;
use crate::event::{Event, Observer, Stage};
use crate::metrics::{IterationMetrics, LossPoint, SelectionCounts, TrainingMetrics};
use crate::objective::{Learned, Material, Objective};
use crate::policy::Policy;
use crate::run_dir::{IterationDir, RunDir};
use crate::seed::stage_seed;
use crate::task::{Split, Task};
use crate::trainer::{FineTuning, Trainer, Training, TrainingProgress};
use crate::training_set::TrainingSet;
use crate::types::{GradedAttempt, Mode, Problem};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

mod ask;
mod collect;
mod measure;
mod recall;
mod verifier;
mod warnings;

pub use collect::Hint;

use measure::{BaseMeasurement, Measurement, best};
pub use verifier::VerifierPlan;

/// The parts that a run is made of.
pub struct Parts<'a> {
    /// The problems.
    pub task: &'a dyn Task,
    /// The base model's checkpoint directory.
    pub base: &'a Path,
    /// What samples.
    pub policy: &'a mut dyn Policy,
    /// What fine-tunes.
    pub trainer: &'a mut dyn Trainer,
}

/// A model that the loop knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The pretrained model.
    Base,
    /// What this iteration of the same method made.
    Iteration(u32),
}

/// What an iteration is about to learn.
#[derive(Debug)]
pub struct Lesson<M = TrainingSet> {
    /// The attempts that it comes from; empty where nothing was attempted.
    pub attempts: Vec<GradedAttempt>,
    /// What to learn.
    pub training_set: M,
    /// What selection kept and dropped.
    pub selection: SelectionCounts,
    /// The model to fine-tune.
    pub start: Start,
}

/// One arm of the experiment: a method at work in a run directory, with the parts of the run.
pub struct Arm<'a> {
    name: &'a str,
    config: &'a MethodConfig,
    seed: u64,
    parts: Parts<'a>,
    run_dir: &'a RunDir,
    observer: &'a mut dyn Observer,
    /// The checkpoint that the policy holds, with the SHA-256 of its weights. Loading waits until a sample is wanted.
    loaded: Option<(PathBuf, String)>,
    /// The base model's answers so far, so that methods which measure it alike share one measurement.
    base_answers: Vec<(BaseMeasurement, Vec<GradedAttempt>)>,
}

/// Runs the config's methods one after another. Where one has solved nothing, the others are run before its error is returned.
pub(crate) fn run_methods(config: &Config, run_dir: &RunDir, parts: &mut Parts<'_>, observer: &mut dyn Observer) -> Result<()> {
    let mut methods = config.methods_to_run().peekable();
    let Some(&(name, method)) = methods.peek() else { return Ok(()) };
    let seed = config.seed;
    // Borrowed anew, so that parts, observer and config need not live equally long.
    let parts = Parts { task: parts.task, base: parts.base, policy: &mut *parts.policy, trainer: &mut *parts.trainer };
    let mut arm = Arm { name, config: method, seed, parts, run_dir, observer, loaded: None, base_answers: Vec::new() };
    // A method that has nothing to learn from must not cost the others theirs.
    let mut stalled = None;
    while let Some((name, method)) = methods.next() {
        (arm.name, arm.config) = (name, method);
        match arm.run() {
            Err(error @ Error::NothingSolved { .. }) => {
                if methods.peek().is_some() {
                    arm.warn(&error.to_string());
                }
                stalled.get_or_insert(error);
            }
            outcome => outcome?,
        }
    }
    stalled.map_or(Ok(()), Err)
}

impl<'a> Arm<'a> {
    /// The task.
    pub fn task(&self) -> &'a dyn Task {
        self.parts.task
    }
}

impl Arm<'_> {
    fn run(&mut self) -> Result<()> {
        let config = self.config;
        config.method.run(self)?;
        self.measure_final()
    }

    /// The method's settings.
    pub fn config(&self) -> &MethodConfig {
        self.config
    }

    /// The problems that iteration `iteration` attempts. That none of them is held out is checked when something is learned.
    pub fn training_problems(&self, iteration: u32) -> Vec<Problem> {
        self.parts.task.training_problems(iteration)
    }

    /// The attempts of an earlier iteration of this method.
    ///
    /// # Errors
    /// They are not there, or cannot be read.
    pub fn earlier_attempts(&self, iteration: u32) -> Result<Vec<GradedAttempt>> {
        let missing = || Error::Corrupt {
            path: self.run_dir.root().to_owned(),
            message: format!("{}: the attempts of iteration {iteration} are missing", self.name),
        };
        self.place(iteration).attempts()?.ok_or_else(missing)
    }

    /// One iteration: whatever `teach` selects is learned and the result measured. A finished iteration is read, not repeated. `last` says
    /// that no other one follows, so that it is measured whatever `evaluation.every` says.
    ///
    /// # Errors
    /// Those of `teach`, an empty training set, a held-out problem in it, and those of the trainer, the policy and the run directory.
    pub fn iterate<M: Material>(
        &mut self,
        iteration: u32,
        last: bool,
        teach: impl FnOnce(&mut Self) -> Result<Lesson<M>>,
    ) -> Result<IterationMetrics> {
        let place = self.place(iteration);
        let metrics = if let Some(metrics) = place.metrics()? {
            place.discard_training_state()?;
            metrics
        } else {
            let lesson = teach(self)?;
            let training = self.finetune(iteration, &lesson)?;
            let (split, style) = (self.config.evaluation.split, self.config.method.style());
            let measurement = Measurement { stage: Stage::Evaluating, iteration, split, style };
            let due = last || iteration.is_multiple_of(self.config.evaluation.every);
            let answers = if due { self.evaluate(&place, &measurement)? } else { Vec::new() };
            let metrics = self.write_metrics(iteration, &lesson.attempts, lesson.selection, Some(training), &answers)?;
            self.warn_of_one_sided_attempts(&metrics);
            metrics
        };
        self.discard_old_checkpoints(iteration)?;
        self.finished(&metrics);
        Ok(metrics)
    }

    fn finetune<M: Material>(&mut self, iteration: u32, lesson: &Lesson<M>) -> Result<TrainingMetrics> {
        let learned = lesson.training_set.learned();
        if learned.is_empty() {
            let attempts = lesson.attempts.len() as u64;
            return Err(Error::NothingSolved { method: self.name.to_owned(), iteration, attempts });
        }
        self.refuse_held_out(iteration, learned)?;
        let settings = lesson.training_set.settings().unwrap_or(&self.config.training);
        let steps = lesson.training_set.steps(settings, iteration);
        let seed = stage_seed(self.seed, iteration, "training");
        self.train(&self.place(iteration), iteration, lesson.start, learned, TrainingPlan { settings, steps, seed })
    }

    /// One training, from `start`, with its files in `place`; one that is done is read, not repeated.
    fn train(
        &mut self,
        place: &IterationDir,
        iteration: u32,
        start: Start,
        learned: Learned<'_>,
        plan: TrainingPlan<'_>,
    ) -> Result<TrainingMetrics> {
        place.write_learned(learned)?;
        if let Some(metrics) = place.training()? {
            place.discard_training_state()?;
            self.reused(iteration, Stage::FineTuning, metrics.steps, metrics.tokens);
            return Ok(metrics);
        }
        let TrainingPlan { settings, steps, seed } = plan;
        let start = self.checkpoint(start);
        let began = self.started(iteration, Stage::FineTuning, steps);
        self.loaded = None;
        self.parts.policy.unload();
        let anchor = if let Learned::Rewards(_, _, anchor) = learned { self.checkpoint(anchor) } else { PathBuf::new() };
        let metrics = place.write_checkpoint(|output| {
            let scratch = place.training_state();
            let training = Training { start: &start, settings, steps, seed, output, scratch: &scratch };
            let observer = &mut *self.observer;
            let mut losses = Vec::new();
            let metrics = learn(self.parts.trainer, &training, learned, &anchor, &mut |progress| {
                losses.push(progress.loss);
                let (done, tokens, loss) = (progress.step, progress.tokens, Some(progress.loss));
                observer.observe(&Event::StageProgress { done, tokens, loss });
            })?;
            let at = format!("{}, iteration {iteration}", self.name);
            require_finite("the final loss", metrics.final_loss, || at)?;
            place.write_losses(&LossPoint::curve(&losses))?;
            Ok(metrics)
        })?;
        self.ended(iteration, Stage::FineTuning, metrics.tokens, began);
        if metrics.dropped_too_long > 0 {
            let (dropped, all) = (metrics.dropped_too_long, learned.len());
            self.warn(&format!("iteration {iteration}: {dropped} of {all} examples exceed training.sequence_length and were left out"));
        }
        Ok(metrics)
    }

    /// Whatever the task promises: a problem that measures accuracy is not trained on.
    fn refuse_held_out(&self, iteration: u32, learned: Learned<'_>) -> Result<()> {
        let task = self.parts.task;
        let mut held_out = std::collections::HashMap::new();
        for (split, name) in [(Split::Dev, "dev"), (Split::Test, "test")] {
            for problem in task.evaluation_problems(split, iteration) {
                held_out.insert(task.prompt(&problem, Mode::Unhinted), name);
                held_out.insert(problem.id.0, name);
            }
        }
        for (id, prompt) in learned.prompts() {
            // A training prompt may start with worked examples, which the task keeps apart from held-out problems itself.
            if let Some(split) = held_out.get(&id.0).or_else(|| held_out.get(prompt)) {
                let problem = id.to_string();
                return Err(Error::HeldOutProblem { method: self.name.to_owned(), iteration, problem, split });
            }
        }
        Ok(())
    }

    fn write_metrics(
        &mut self,
        iteration: u32,
        attempts: &[GradedAttempt],
        selection: SelectionCounts,
        training: Option<TrainingMetrics>,
        answers: &[GradedAttempt],
    ) -> Result<IterationMetrics> {
        let checkpoint = match answers.first() {
            Some(answer) => answer.attempt.checkpoint.clone(),
            None => self.load(if iteration == 0 { Start::Base } else { Start::Iteration(iteration) })?,
        };
        let problems: HashSet<_> = attempts.iter().map(|graded| &graded.attempt.problem).collect();
        let metrics = IterationMetrics {
            iteration,
            checkpoint,
            problems: problems.len() as u64,
            unhinted: eval::count(attempts, Mode::Unhinted),
            hinted: eval::count(attempts, Mode::Hinted),
            selection,
            balance: self.balance(iteration)?,
            training,
            split: self.config.evaluation.split,
            accuracy: eval::accuracy(answers),
            by_class: eval::accuracy_by_class(&self.parts.task.classes(iteration), answers),
            evaluation_tokens: eval::count(answers, Mode::Unhinted).tokens,
        };
        self.place(iteration).write_metrics(&metrics)?;
        Ok(metrics)
    }

    fn discard_old_checkpoints(&self, iteration: u32) -> Result<()> {
        let keep = self.config.training.keep_checkpoints;
        if keep == 0 {
            return Ok(());
        }
        // Whatever its age: the best so far may be the one that gives the final figure.
        let measured = if self.config.evaluation.final_split.is_some() { self.run_dir.metrics(self.name)? } else { Vec::new() };
        let best = best(&measured).map_or(0, |metrics| metrics.iteration);
        for old in (1..=iteration.saturating_sub(keep)).filter(|old| *old != best) {
            self.place(old).discard_checkpoint()?;
        }
        Ok(())
    }

    fn place(&self, iteration: u32) -> IterationDir {
        self.run_dir.iteration(self.name, iteration)
    }

    fn checkpoint(&self, model: Start) -> PathBuf {
        match model {
            Start::Base => self.parts.base.to_owned(),
            Start::Iteration(iteration) => self.place(iteration).checkpoint(),
        }
    }

    fn started(&mut self, iteration: u32, stage: Stage, total: u64) -> Instant {
        self.observer.observe(&Event::StageStarted { method: self.name.to_owned(), iteration, stage, total });
        Instant::now()
    }

    fn ended(&mut self, iteration: u32, stage: Stage, tokens: u64, began: Instant) {
        let (method, seconds) = (self.name.to_owned(), began.elapsed().as_secs_f64());
        self.observer.observe(&Event::StageFinished { method, iteration, stage, tokens, seconds, reused: false });
    }

    fn reused(&mut self, iteration: u32, stage: Stage, total: u64, tokens: u64) {
        self.started(iteration, stage, total);
        let method = self.name.to_owned();
        self.observer.observe(&Event::StageFinished { method, iteration, stage, tokens, seconds: 0.0, reused: true });
    }

    fn finished(&mut self, metrics: &IterationMetrics) {
        let (method, metrics) = (self.name.to_owned(), Box::new(metrics.clone()));
        self.observer.observe(&Event::IterationFinished { method, metrics });
    }
}

/// How a training is done.
#[derive(Clone, Copy)]
struct TrainingPlan<'a> {
    settings: &'a TrainingConfig,
    steps: u64,
    seed: u64,
}

/// Has `trainer` learn it; `anchor` is the model that rewards are held to.
fn learn(
    trainer: &mut dyn Trainer,
    training: &Training<'_>,
    learned: Learned<'_>,
    anchor: &Path,
    progress: &mut dyn FnMut(TrainingProgress),
) -> Result<TrainingMetrics> {
    match learned {
        Learned::Examples(examples) => {
            let Training { start, settings, steps, seed, output, scratch } = *training;
            trainer.finetune(&FineTuning { start, examples, settings, steps, seed, output, scratch }, progress)
        }
        Learned::Preferences(pairs, beta) => trainer.optimize(training, &Objective::Preferences { pairs, beta }, progress),
        Learned::Rewards(samples, loss, _) => trainer.optimize(training, &Objective::Rewards { samples, loss, anchor }, progress),
    }
}

fn require_finite(what: &'static str, value: f64, place: impl FnOnce() -> String) -> Result<()> {
    if value.is_finite() { Ok(()) } else { Err(Error::NotFinite { what, value, place: place() }) }
}
