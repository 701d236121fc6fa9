//! Running an experiment in a run directory, and auditing the run.

use super::base_model::BaseModel;
use super::resolve::{ResolvedMethod, ResolvedTask};
use super::{Experiment, inputs};
use crate::config::{PolicyConfig, TrainerKind};
use crate::error::{Error, OrCancelled, Result};
use crate::evaluation::audit::{self, AuditParts, Audited};
use crate::event::{Event, Observer};
use crate::method_run::twins::Twins;
use crate::method_run::{MethodRun, RunParts};
use crate::metrics::audits::AuditPlan;
use crate::policy::Policy;
use crate::policy::embedded::EmbeddedPolicy;
use crate::policy::openai::OpenAiPolicy;
use crate::task::Task;
use crate::trainer::Trainer;
use crate::trainer::command::CommandTrainer;
use crate::trainer::embedded::EmbeddedTrainer;
use starloop_lm::checkpoint::Summary;
use starloop_record::RunDir;
use starloop_record::info::{Inputs, MethodInfo, ModelInfo, RunInfo, RunStatus, TaskInfo};
use starloop_record::run_dir::{FORMAT_VERSION, NewRun, OpenedAs};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

impl Experiment {
    /// Runs in the directory `root`, or resumes the run that is there if `resume` is true.
    ///
    /// # Errors
    /// The error that stopped the run, or [`Error::Cancelled`]. Everything that was finished is kept, and the run can be resumed.
    pub fn run(&self, root: &Path, resume: bool, observer: &mut dyn Observer) -> Result<()> {
        self.run_beside(&[], root, resume, observer)
    }

    /// The same. Greedy answers of the base that one of the runs `others` has are taken from there, if that run differs in seed and training
    /// only. The files of the run are the same bytes in both cases.
    ///
    /// # Errors
    /// As [`Experiment::run`].
    pub fn run_beside(&self, others: &[PathBuf], root: &Path, resume: bool, observer: &mut dyn Observer) -> Result<()> {
        if let [first, ..] = self.config.seeds[..] {
            let message = format!("a run has one seed; begin a run for each, such as one with seed = {first} and without seeds");
            return Err(Error::ConfigValue { origin: self.config.name.clone(), key: "seeds".to_owned(), message });
        }
        let mut task = self.task()?;
        let base = BaseModel::of(&self.config.model)?;
        let files = self.task.settings.files()?;
        let inputs = inputs::digest(files.iter().map(PathBuf::as_path), base.own_directory())?;
        self.fit(task.as_mut(), &base)?;
        let (run_dir, opened) = self.open(root, task.as_ref(), inputs, resume)?;
        let base = base.directory(&run_dir)?;
        run_dir.note_parameters(Summary::read(&base).ok().map(|summary| summary.spec.parameter_count() as u64))?;
        let (mut policy, mut trainer) = (self.policy(&run_dir)?, self.trainer());
        let mut parts = RunParts { task: task.as_ref(), base: &base, policy: policy.as_mut(), trainer: trainer.as_mut() };
        // A server can give another greedy answer to the same prompt.
        let twins = if self.config.policy == PolicyConfig::Embedded { Twins::among(others, &self.to_table())? } else { Twins::default() };
        self.run_with(&run_dir, opened, &mut parts, &twins, observer)
    }

    /// Opens the run directory `root` for writing, with everything that readers need in `run.json`. `task` must be of the kind that the config
    /// names: a run states its kind to all readers.
    ///
    /// # Errors
    /// As [`RunDir::open`], and [`Error::OtherTask`].
    pub fn open(&self, root: &Path, task: &dyn Task, inputs: Inputs, resume: bool) -> Result<(RunDir, OpenedAs)> {
        self.refuse_other_task(task)?;
        let method = |resolved: &ResolvedMethod| MethodInfo {
            name: resolved.name.clone(),
            kind: resolved.kind.clone(),
            label: resolved.label.clone(),
            approach: resolved.method.approach(),
            estimate: resolved.estimate(task),
        };
        let (model, ResolvedTask { kind, label, .. }) = (&self.config.model, &self.task);
        let info = RunInfo {
            format_version: FORMAT_VERSION,
            program: format!("starloop {}", env!("CARGO_PKG_VERSION")),
            name: self.config.name.clone(),
            seed: self.config.seed,
            status: RunStatus::Running,
            model: ModelInfo { base: model.base.clone(), hub: model.hub.clone(), parameters: None },
            task: TaskInfo {
                kind: kind.clone(),
                label: label.clone(),
                chance: task.chance(),
                paper: task.paper_figures(),
                too_long: task.left_out(),
            },
            methods: self.methods_to_run().map(method).collect(),
            main: self.config.main.clone(),
            circumstances: PolicyConfig::circumstances(),
            config_sha256: String::new(),
            next_config_sha256: None,
            inputs,
        };
        let prolongs = self.methods_to_run().filter(|resolved| resolved.method.can_go_on());
        let prolongs = prolongs.map(|resolved| format!("methods.{}.iterations", resolved.name)).collect();
        let device = format!("cpu {}", std::env::consts::ARCH);
        Ok(RunDir::open(root, &NewRun { info, config: self.to_table(), prolongs, device }, resume)?)
    }

    /// Runs in an open run directory with the given parts.
    ///
    /// # Errors
    /// As [`Experiment::run`].
    pub fn run_in(&self, run_dir: &RunDir, opened: OpenedAs, parts: &mut RunParts<'_>, observer: &mut dyn Observer) -> Result<()> {
        self.run_with(run_dir, opened, parts, &Twins::default(), observer)
    }

    fn run_with(
        &self,
        run_dir: &RunDir,
        opened: OpenedAs,
        parts: &mut RunParts<'_>,
        twins: &Twins,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        self.refuse_other_task(parts.task)?;
        self.refuse_trained_problems(parts)?;
        let began = Instant::now();
        let mut log = run_dir.event_log()?;
        let mut both = Both(observer, &mut log);
        both.observe(&Event::RunStarted { run: self.config.name.clone(), resumed: opened == OpenedAs::Resumed }).or_cancelled()?;
        if let Err(error) = self.run_methods((run_dir, twins), parts, &mut both) {
            if !matches!(error, Error::Cancelled) {
                // The error is returned in any case.
                let _ = both.observe(&Event::RunFailed { message: error.to_string() });
            }
            return Err(error);
        }
        run_dir.finish()?;
        // The work is done, so there is nothing left to cancel.
        let _ = both.observe(&Event::RunFinished { seconds: began.elapsed().as_secs_f64() });
        Ok(log.close()?)
    }

    /// Runs the methods one after another. If one has nothing to learn from, the others are run before its error is returned.
    fn run_methods(&self, places: (&RunDir, &Twins), parts: &mut RunParts<'_>, observer: &mut dyn Observer) -> Result<()> {
        let mut methods = self.methods_to_run().peekable();
        let Some(first) = methods.peek() else { return Ok(()) };
        // A new borrow, so that parts, observer and experiment can have different lifetimes.
        let parts = RunParts { task: parts.task, base: parts.base, policy: &mut *parts.policy, trainer: &mut *parts.trainer };
        let mut run = MethodRun::new(first.at_work(), (self.config.seed, &self.config.model), parts, places, observer);
        let mut stalled = None;
        while let Some(resolved) = methods.next() {
            run.next(resolved.at_work());
            match resolved.method.run(&mut run).and_then(|()| run.measure_final()) {
                Err(error @ (Error::NothingSolved { .. } | Error::NothingGraded { .. } | Error::NothingToControl { .. })) => {
                    if methods.peek().is_some() {
                        run.warn(&error.to_string())?;
                    }
                    stalled.get_or_insert(error);
                }
                outcome => outcome?,
            }
        }
        stalled.map_or(Ok(()), Err)
    }

    /// Audits a method of the run in `run_dir`, which was begun with this experiment.
    ///
    /// # Errors
    /// There is no such method, and as [`audit::audit`].
    pub fn audit(&self, run_dir: &RunDir, method: &str, plan: AuditPlan, observer: &mut dyn Observer) -> Result<audit::AuditResults> {
        let Some(resolved) = self.methods_to_run().find(|resolved| resolved.name == method) else {
            let names: Vec<&str> = self.methods_to_run().map(|resolved| resolved.name.as_str()).collect();
            return Err(self.invalid("run".to_owned(), format!("the run has no method {method:?}; its methods are: {}", names.join(", "))));
        };
        let task = self.task()?;
        let base = BaseModel::of(&self.config.model)?.directory(run_dir)?;
        let mut policy = self.policy(run_dir)?;
        let parts = AuditParts { task: task.as_ref(), run_dir, base: &base, policy: policy.as_mut(), observer };
        let (settings, style) = (&resolved.settings, resolved.method.style());
        audit::audit(parts, Audited { name: method, settings, style, chat: self.config.model.chat }, plan)
    }

    /// The trainer of `[trainer]`.
    fn trainer(&self) -> Box<dyn Trainer> {
        let chat = self.config.model.chat();
        match self.config.trainer.kind {
            TrainerKind::Embedded => Box::new(EmbeddedTrainer::new(chat)),
            TrainerKind::Command => Box::new(CommandTrainer::new(&self.config.trainer, chat)),
        }
    }

    /// The policy of `[policy]`.
    fn policy(&self, run_dir: &RunDir) -> Result<Box<dyn Policy>> {
        let (model, record) = (&self.config.model, self.config.record);
        Ok(match (&self.config.policy, &self.policy) {
            (PolicyConfig::OpenAi(serving), None) => Box::new(OpenAiPolicy::new(serving, model, run_dir.server_log())?.recording(record)),
            (_, Some(policy)) => policy.settings.build(model)?,
            (PolicyConfig::Embedded | PolicyConfig::Other { .. }, None) => Box::new(EmbeddedPolicy::new(model).recording(record)),
        })
    }
}

/// Passes events to two observers.
struct Both<'a>(&'a mut dyn Observer, &'a mut dyn Observer);

impl Observer for Both<'_> {
    fn observe(&mut self, event: &Event) -> ControlFlow<()> {
        let first = self.0.observe(event);
        let second = self.1.observe(event);
        if first.is_break() { first } else { second }
    }
}
