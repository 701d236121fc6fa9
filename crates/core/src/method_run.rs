//! One method in a run directory: the stages that all methods share. They collect, select, fine-tune and evaluate.
//!
//! Each stage first looks for its result in the run directory, and does its work only if there is none. So an interrupted run can be resumed.
//! Every stage depends on its inputs and seeds alone, so a resumed run has the same result.

use crate::config::{MethodSettings, ModelConfig, TrainingConfig};
use crate::error::{Error, OrCancelled, Result};
use crate::evaluation;
use crate::event::{Event, Observer, Stage};
use crate::metrics::{IterationMetrics, LossPoint, SelectionCounts, TrainingMetrics};
use crate::policy::Policy;
use crate::policy::prompting::Prompting;
use crate::policy::seed::stage_seed;
use crate::selection::{Loss, Selection, TrainedProblems, TrainingData};
use crate::task::Task;
use crate::trainer::{Trainer, TrainingJob};
use crate::types::{GradedAttempt, Mode, ModelRef, Problem, Split, Style, Verdict};
use starloop_record::run_dir::{Digests, FileStage};
use starloop_record::{IterationDir, RunDir};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

mod ask;
mod collect;
mod hint_checks;
mod measure;
mod recall;
pub(crate) mod relocate;
mod texts;
pub(crate) mod twins;
mod verifier;
mod warnings;

pub use collect::{CollectStages, Hint};
pub use verifier::VerifierPlan;

use measure::{BaseMeasurement, Measurement, best};
use texts::Texts;
use twins::Twins;

/// The parts that a run is made of.
pub struct RunParts<'a> {
    /// The problems.
    pub task: &'a dyn Task,
    /// The base model's checkpoint directory.
    pub base: &'a Path,
    /// The policy.
    pub policy: &'a mut dyn Policy,
    /// The trainer.
    pub trainer: &'a mut dyn Trainer,
}

/// The next training of an iteration: the data, the model to start from, and the settings.
#[derive(Debug)]
pub struct TrainingPlan {
    /// The attempts that the data comes from; empty if nothing was attempted.
    pub attempts: Vec<GradedAttempt>,
    /// Earlier iterations whose attempts selection considered too.
    pub earlier: Vec<u32>,
    /// The examples that selection kept.
    pub selection: Selection,
    /// The model to fine-tune.
    pub start: ModelRef,
    /// Optimizer, packing and schedule.
    pub settings: TrainingConfig,
    /// Optimizer steps.
    pub steps: u64,
    /// Other recorded files that selection depended on.
    pub read: Digests,
}

/// One method in a run: its name and settings, with the parts of the run.
pub struct MethodRun<'a> {
    name: &'a str,
    settings: &'a MethodSettings,
    /// The style of the worked examples when the method's model is measured.
    style: Style,
    seed: u64,
    /// The model's section of the config: the form of its prompts.
    model: &'a ModelConfig,
    parts: RunParts<'a>,
    run_dir: &'a RunDir,
    observer: &'a mut dyn Observer,
    /// Runs that have the same greedy answers of the base.
    twins: &'a Twins,
    /// The checkpoint that the policy holds, with the SHA-256 of its weights. It is loaded when the first sample is wanted.
    loaded: Option<(PathBuf, String)>,
    /// The base model's answers so far, so that methods which measure it alike share one measurement.
    base_answers: Vec<(BaseMeasurement, Vec<GradedAttempt>, Digests)>,
    /// The problems and prompts of the current stage so far.
    texts: Texts,
}

impl<'a> MethodRun<'a> {
    /// The first method of a run.
    pub(crate) fn new(
        (name, settings, style): (&'a str, &'a MethodSettings, Style),
        (seed, model): (u64, &'a ModelConfig),
        parts: RunParts<'a>,
        (run_dir, twins): (&'a RunDir, &'a Twins),
        observer: &'a mut dyn Observer,
    ) -> Self {
        let (loaded, base_answers, texts) = (None, Vec::new(), Texts::default());
        MethodRun { name, settings, style, seed, model, parts, run_dir, observer, twins, loaded, base_answers, texts }
    }

    /// Goes on with the next method of the run. The loaded checkpoint and the base's answers are kept.
    pub(crate) fn next(&mut self, (name, settings, style): (&'a str, &'a MethodSettings, Style)) {
        (self.name, self.settings, self.style) = (name, settings, style);
    }

    /// The task.
    pub fn task(&self) -> &'a dyn Task {
        self.parts.task
    }
}

impl MethodRun<'_> {
    /// The method's settings.
    pub fn settings(&self) -> &MethodSettings {
        self.settings
    }

    /// The problems that iteration `iteration` attempts. Training checks that none of them is held out.
    pub fn training_problems(&self, iteration: u32) -> Vec<Problem> {
        self.parts.task.training_problems(iteration)
    }

    /// The attempts of an earlier iteration of this method.
    ///
    /// # Errors
    /// The attempts are missing or damaged.
    pub fn earlier_attempts(&self, iteration: u32) -> Result<Vec<GradedAttempt>> {
        let missing = || Error::Corrupt {
            path: self.run_dir.root().to_owned(),
            message: format!("{}: the attempts of iteration {iteration} are missing", self.name),
        };
        self.place(iteration).attempts()?.ok_or_else(missing)
    }

    /// A plan with the settings of the method.
    pub fn plan(&self, iteration: u32, attempts: Vec<GradedAttempt>, selection: Selection, start: ModelRef) -> TrainingPlan {
        let settings = self.settings.training.clone();
        let steps = settings.steps_in(iteration);
        TrainingPlan { attempts, earlier: Vec::new(), selection, start, settings, steps, read: Digests::new() }
    }

    /// The iterations of another method of the run that ended with a training. That method was run before.
    ///
    /// # Errors
    /// Those of the run directory.
    pub fn trained_iterations(&self, method: &str) -> Result<u32> {
        let measured = self.run_dir.metrics(method)?;
        Ok(measured.iter().filter(|metrics| metrics.training.is_some()).count() as u32)
    }

    /// The number of examples that another method of the run learned in an iteration, and the recorded files that hold them.
    ///
    /// # Errors
    /// Those of the run directory.
    pub fn examples_of(&self, method: &str, iteration: u32) -> Result<(usize, Digests)> {
        let place = self.run_dir.iteration(method, iteration);
        let rows = place.training_rows()?.map_or(0, |rows| rows.len());
        Ok((rows, place.stage(FileStage::Select)?.map(|record| record.wrote).unwrap_or_default()))
    }

    /// The seed of a drawing among the samples of an iteration.
    pub fn drawing_seed(&self, iteration: u32) -> u64 {
        stage_seed(self.seed, iteration, "drawing")
    }

    /// One iteration: trains what `plan` gives and measures the result. A finished iteration is read, not repeated. `last` says that no other
    /// iteration follows: the last iteration is measured even if `evaluation.every` skips it.
    ///
    /// # Errors
    /// Those of `plan`, no training data, a held-out problem in the data, and those of the trainer, the policy and the run directory.
    pub fn iterate(
        &mut self,
        iteration: u32,
        last: bool,
        plan: impl FnOnce(&mut Self) -> Result<TrainingPlan>,
    ) -> Result<IterationMetrics> {
        let place = self.place(iteration);
        let metrics = if let Some(metrics) = place.metrics()? {
            place.discard_training_state()?;
            metrics
        } else {
            let plan = plan(self)?;
            let training = self.finetune(iteration, &plan)?;
            let (split, style) = (self.settings.evaluation.split, self.style);
            let measurement = Measurement { stage: Stage::Evaluating, iteration, split, style };
            let due = last || iteration.is_multiple_of(self.settings.evaluation.every);
            let answers = if due { self.evaluate(&place, &measurement)? } else { Vec::new() };
            let metrics = self.write_metrics(iteration, &plan.attempts, plan.selection.counts, Some(training), &answers)?;
            self.warn_of_failed_verdicts(&metrics, plan.attempts.iter().chain(&answers))?;
            self.warn_of_one_sided_attempts(&metrics)?;
            metrics
        };
        self.discard_old_checkpoints(iteration)?;
        self.finished(&metrics)?;
        Ok(metrics)
    }

    fn finetune(&mut self, iteration: u32, plan: &TrainingPlan) -> Result<TrainingMetrics> {
        let data = &plan.selection.data;
        if data.rows().is_empty() {
            let attempts = plan.attempts.len() as u64;
            let failed = plan.attempts.iter().filter(|graded| matches!(graded.verdict, Verdict::Failed { .. })).count() as u64;
            if failed > 0 {
                return Err(Error::NothingGraded { method: self.name.to_owned(), iteration, attempts, failed });
            }
            return Err(Error::NothingSolved { method: self.name.to_owned(), iteration, attempts });
        }
        self.refuse_held_out(iteration, data)?;
        let earlier: Vec<IterationDir> = plan.earlier.iter().map(|&iteration| self.place(iteration)).collect();
        let place = self.place(iteration);
        place.write_selection(data.rows(), &plan.selection.outcomes, &earlier, plan.read.clone())?;
        let seed = stage_seed(self.seed, iteration, "training");
        self.train(&place, iteration, plan.start, data, Training { settings: &plan.settings, steps: plan.steps, seed })
    }

    /// One training, from `start`, with its files in `place`. A training that is done is read, not repeated.
    fn train(
        &mut self,
        place: &IterationDir,
        iteration: u32,
        start: ModelRef,
        data: &TrainingData,
        training: Training<'_>,
    ) -> Result<TrainingMetrics> {
        if let Some(metrics) = place.training()? {
            place.discard_training_state()?;
            self.reused(iteration, Stage::FineTuning, metrics.steps, metrics.tokens)?;
            return Ok(metrics);
        }
        let Training { settings, steps, seed } = training;
        let base = self.checked_checkpoint(start)?;
        let anchor = match data.loss() {
            Loss::PolicyGradient { anchor, .. } => Some(self.checked_checkpoint(anchor)?),
            Loss::Likelihood | Loss::Preference { .. } => None,
        };
        let began = self.started(iteration, Stage::FineTuning, steps)?;
        self.loaded = None;
        self.parts.policy.unload();
        let asked = self.prompting(self.few_shot_after(iteration));
        let read = Digests::from([("base".to_owned(), self.relative(&base))]);
        let metrics = place.write_checkpoint(read, |output| {
            let (scratch, anchor) = (place.training_state(), anchor.as_deref());
            let job = TrainingJob { base: &base, data, anchor, settings, steps, seed, output, scratch: &scratch };
            let observer = &mut *self.observer;
            let (mut losses, mut flow) = (Vec::new(), ControlFlow::Continue(()));
            let metrics = self.parts.trainer.train(&job, &mut |progress| {
                losses.push(progress.loss);
                let (done, tokens, loss) = (progress.step, progress.tokens, Some(progress.loss));
                flow = observer.observe(&Event::StageProgress { done, tokens, loss });
                flow
            })?;
            // A trainer may have been done before it could stop.
            flow.or_cancelled()?;
            let at = format!("{}, iteration {iteration}", self.name);
            require_finite("the final loss", metrics.final_loss, || at)?;
            let mut trained = TrainedProblems::of_checkpoint(&base)?;
            trained.identities.extend(data.problems().iter().cloned());
            trained.write(output)?;
            asked.write(output)?;
            relocate::adapter(output, &place.checkpoint(), self.run_dir.root())?;
            let curve = LossPoint::curve(&losses, |step| self.parts.trainer.learning_rate(settings, steps, step));
            Ok::<_, Error>((metrics, curve))
        })?;
        self.ended(iteration, Stage::FineTuning, metrics.tokens, began)?;
        if metrics.dropped_too_long > 0 {
            let (dropped, all) = (metrics.dropped_too_long, data.rows().len());
            self.warn(&format!("iteration {iteration}: {dropped} of {all} examples exceed training.sequence_length and were left out"))?;
        }
        Ok(metrics)
    }

    /// Checks once more that no problem that measures accuracy is trained on, because a task may be wrong.
    fn refuse_held_out(&self, iteration: u32, data: &TrainingData) -> Result<()> {
        let task = self.parts.task;
        let (mut held_out, mut of_same_data) = (HashMap::new(), None);
        for (split, name) in [(Split::Dev, "dev"), (Split::Test, "test")] {
            for problem in task.evaluation_problems(split, iteration) {
                if data.problems().contains(&task.identity(&problem).to_string()) {
                    of_same_data.get_or_insert((problem.id.clone(), name));
                }
                held_out.insert(task.prompt(&problem, Mode::Unhinted), name);
                held_out.insert(problem.id.0, name);
            }
        }
        // A training prompt may start with worked examples, which the task keeps apart from held-out problems itself.
        let of_same_prompt = data.rows().prompts().find_map(|(id, prompt)| {
            let split = held_out.get(&id.0).or_else(|| held_out.get(prompt))?;
            Some((id.clone(), *split))
        });
        match of_same_prompt.or(of_same_data) {
            None => Ok(()),
            Some((problem, split)) => {
                let problem = problem.to_string();
                Err(Error::HeldOutProblem { method: self.name.to_owned(), iteration, problem, split })
            }
        }
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
            None => self.load(if iteration == 0 { ModelRef::Base } else { ModelRef::Iteration(iteration) })?,
        };
        let problems: HashSet<_> = attempts.iter().map(|graded| &graded.attempt.problem).collect();
        let metrics = IterationMetrics {
            iteration,
            checkpoint,
            problems: problems.len() as u64,
            unhinted: evaluation::count(attempts, Mode::Unhinted),
            hinted: evaluation::count(attempts, Mode::Hinted),
            selection,
            balance: self.balance(iteration)?,
            training,
            split: self.settings.evaluation.split,
            accuracy: evaluation::accuracy(answers),
            by_class: evaluation::accuracy_by_class(&self.parts.task.classes(iteration), answers),
            evaluation_tokens: evaluation::count(answers, Mode::Unhinted).tokens,
            evaluation_failed: evaluation::count(answers, Mode::Unhinted).failed,
        };
        self.place(iteration).write_metrics(&metrics)?;
        Ok(metrics)
    }

    fn discard_old_checkpoints(&self, iteration: u32) -> Result<()> {
        let keep = self.settings.training.keep_checkpoints;
        if keep == 0 {
            return Ok(());
        }
        // The best checkpoint so far is kept at any age: the final figure may need it.
        let measured = if self.settings.evaluation.final_split.is_some() { self.run_dir.metrics(self.name)? } else { Vec::new() };
        let best = best(&measured).map_or(0, |metrics| metrics.iteration);
        for old in (1..=iteration.saturating_sub(keep)).filter(|old| *old != best) {
            self.place(old).discard_checkpoint()?;
        }
        Ok(())
    }

    /// The form of prompts with so many worked examples.
    fn prompting(&self, few_shot: usize) -> Prompting {
        Prompting::new(self.model, few_shot, self.parts.task.prompt_template())
    }

    /// Keeps the problems and prompts of a stage that is about to be written. Returns what it read.
    fn keep_texts(&mut self) -> Result<Digests> {
        std::mem::take(&mut self.texts).keep(self.run_dir)
    }

    fn place(&self, iteration: u32) -> IterationDir {
        self.run_dir.iteration(self.name, iteration)
    }

    /// The directory of a model, after its files were compared with what the run recorded.
    fn checked_checkpoint(&self, model: ModelRef) -> Result<PathBuf> {
        match model {
            ModelRef::Base => Ok(self.parts.base.to_owned()),
            ModelRef::Iteration(iteration) => {
                let place = self.place(iteration);
                place.check_checkpoint()?;
                Ok(place.checkpoint())
            }
        }
    }

    /// A path within the run directory relative to it, with slashes; any other path as it is.
    fn relative(&self, path: &Path) -> String {
        path.strip_prefix(self.run_dir.root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
    }

    fn started(&mut self, iteration: u32, stage: Stage, total: u64) -> Result<Instant> {
        self.report(&Event::StageStarted { method: self.name.to_owned(), iteration, stage, total })?;
        Ok(Instant::now())
    }

    fn ended(&mut self, iteration: u32, stage: Stage, tokens: u64, began: Instant) -> Result<()> {
        let (method, seconds) = (self.name.to_owned(), began.elapsed().as_secs_f64());
        self.report(&Event::StageFinished { method, iteration, stage, tokens, seconds, reused: false })
    }

    fn reused(&mut self, iteration: u32, stage: Stage, total: u64, tokens: u64) -> Result<()> {
        self.started(iteration, stage, total)?;
        let method = self.name.to_owned();
        self.report(&Event::StageFinished { method, iteration, stage, tokens, seconds: 0.0, reused: true })
    }

    fn finished(&mut self, metrics: &IterationMetrics) -> Result<()> {
        let (method, metrics) = (self.name.to_owned(), Box::new(metrics.clone()));
        self.report(&Event::IterationFinished { method, metrics })
    }

    /// Passes an event to the observer, which may cancel the run.
    fn report(&mut self, event: &Event) -> Result<()> {
        self.observer.observe(event).or_cancelled()
    }
}

/// How one training is done.
#[derive(Clone, Copy)]
struct Training<'a> {
    settings: &'a TrainingConfig,
    steps: u64,
    seed: u64,
}

fn require_finite(what: &'static str, value: f64, place: impl FnOnce() -> String) -> Result<()> {
    if value.is_finite() { Ok(()) } else { Err(Error::NotFinite { what, value, place: place() }) }
}
