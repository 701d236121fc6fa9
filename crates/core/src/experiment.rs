//! A whole experiment: a config that was resolved against a registry and checked once. It runs in a run directory.

pub mod base_model;
pub mod export;
pub mod init;
pub mod inputs;
pub mod plan;
pub mod prompts;

use crate::config::{
    Config, EvaluationConfig, Invalid, MethodSettings, POLICY_KINDS, PolicyConfig, Reload, TrainerKind, TrainingConfig, check,
};
use crate::error::{Error, Missing, OrCancelled, Result};
use crate::evaluation::audit::{self, AuditParts, Audited};
use crate::event::{Event, Observer};
use crate::external::http::without_password;
use crate::method::{self, Estimate, Method, Needs};
use crate::method_run::twins::Twins;
use crate::method_run::{MethodRun, RunParts};
use crate::metrics::audits::AuditPlan;
use crate::policy::Policy;
use crate::policy::embedded::EmbeddedPolicy;
use crate::policy::openai::OpenAiPolicy;
use crate::registry::{PolicySettings, Registry};
use crate::selection::TrainedProblems;
use crate::task::verifier::{Verified, Verifier};
use crate::task::{Task, TaskSettings};
use crate::trainer::Trainer;
use crate::trainer::command::CommandTrainer;
use crate::trainer::embedded::EmbeddedTrainer;
use crate::types::{Mode, Style};
use base_model::BaseModel;
use starloop_lm::checkpoint::Summary;
use starloop_record::info::{Inputs, MethodInfo, ModelInfo, RunInfo, RunStatus, TaskInfo};
use starloop_record::run_dir::{FORMAT_VERSION, NewRun, OpenedAs};
use starloop_record::{RunDir, run_dir::settings};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// An experiment whose every key is known and every value checked.
#[derive(Debug)]
pub struct Experiment {
    config: Config,
    task: ResolvedTask,
    methods: BTreeMap<String, ResolvedMethod>,
    /// The policy from outside this crate, if the config names one.
    policy: Option<ResolvedPolicy>,
}

/// The task of an experiment.
#[derive(Debug)]
struct ResolvedTask {
    kind: String,
    label: String,
    settings: Box<dyn TaskSettings>,
    /// All keys with their defaults.
    table: toml::Table,
}

/// A policy from outside this crate.
#[derive(Debug)]
struct ResolvedPolicy {
    settings: Box<dyn PolicySettings>,
    /// All keys with their defaults.
    table: toml::Table,
}

/// A method of an experiment.
#[derive(Debug)]
pub struct ResolvedMethod {
    /// Its name in the config.
    pub name: String,
    /// The value of `kind`.
    pub kind: String,
    /// The words that tables and pages show.
    pub label: String,
    /// Its purpose.
    pub method: Box<dyn Method>,
    /// The settings that hold for it.
    pub settings: MethodSettings,
    /// Its own keys with their defaults, and its overrides of the common sections.
    table: toml::Table,
}

impl Experiment {
    /// Resolves a config against a registry and checks all values. No file of the task is read.
    ///
    /// # Errors
    /// An unknown kind or key, or a value that is out of range; each names the file and the key.
    pub fn new(config: Config, registry: &Registry) -> Result<Self> {
        let task = resolve_task(&config, registry)?;
        let mut methods = BTreeMap::new();
        for name in config.methods.keys() {
            methods.insert(name.clone(), resolve_method(&config, name, registry)?);
        }
        let policy = resolve_policy(&config, registry)?;
        let experiment = Experiment { config, task, methods, policy };
        experiment.check().map_err(|invalid| experiment.config.source.invalid(invalid))?;
        Ok(experiment)
    }

    /// Loads a preset or a file as [`Config::load`] does, with the kinds that this project ships.
    ///
    /// ```
    /// use starloop_core::experiment::Experiment;
    ///
    /// let experiment = Experiment::load("arithmetic", &["methods.star.iterations=2".to_owned()])?;
    /// let names: Vec<&str> = experiment.methods_to_run().map(|method| method.name.as_str()).collect();
    /// assert!(names.contains(&"star"));
    /// # Ok::<(), starloop_core::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Config::load`] and [`Experiment::new`].
    pub fn load(preset_or_path: &str, overrides: &[String]) -> Result<Self> {
        Experiment::new(Config::load(preset_or_path, overrides)?, &Registry::default())
    }

    fn check(&self) -> Result<(), Invalid> {
        check::config(&self.config)?;
        for method in self.methods.values() {
            let ResolvedMethod { name, method, settings, .. } = method;
            let path = format!("methods.{name}");
            check::settings(&path, settings)?;
            method.check(settings).map_err(|invalid| Invalid { key: format!("{path}.{}", invalid.key), ..invalid })?;
            if self.config.model.chat && method.continues_completions() {
                let message = "hints with the beginning of a rationale, which a chat template does not support; set model.chat = false";
                return Err(Invalid { key: path, message: message.to_owned() });
            }
        }
        self.methods_to_run().try_for_each(|method| self.check_needs(method).and_then(|()| self.check_controlled(method)))
    }

    /// Checks the features that only the embedded engine has, before any work is done. Later, the error would come after hours of sampling.
    fn check_needs(&self, ResolvedMethod { name, method, .. }: &ResolvedMethod) -> Result<(), Invalid> {
        let Needs { objective, scores } = method.needs();
        let invalid = |key: &str, error: Error| Err(Invalid { key: key.to_owned(), message: format!("methods.{name}: {error}") });
        if let (Some(objective), TrainerKind::Command) = (objective, self.config.trainer.kind) {
            return invalid("trainer.kind", Error::ObjectiveNotSupported { objective });
        }
        if scores && matches!(self.config.policy, PolicyConfig::OpenAi(_)) {
            return invalid("policy.kind", Error::ScoringNotSupported);
        }
        Ok(())
    }

    /// Checks that a control comes after its method, and that both sample and train alike.
    fn check_controlled(&self, ResolvedMethod { name, method, settings, .. }: &ResolvedMethod) -> Result<(), Invalid> {
        let Some(controlled) = method.controls() else { return Ok(()) };
        let invalid = |key: &str, message: String| Err(Invalid { key: format!("methods.{name}.{key}"), message });
        let mut before = self.config.run.iter().take_while(|other| *other != name);
        let Some(other) = before.find(|other| *other == controlled).and_then(|other| self.methods.get(other)) else {
            return invalid(
                "controls",
                format!("names {controlled:?}, which must be a method of the config and stand before {name:?} in `run`"),
            );
        };
        let differ = |section: &str| {
            invalid(section, format!("differs from that of {controlled:?}; a control samples and trains as its method does"))
        };
        if settings.sampling != other.settings.sampling {
            return differ("sampling");
        }
        if settings.training != other.settings.training {
            return differ("training");
        }
        Ok(())
    }

    /// The config.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The methods to run, in order.
    pub fn methods_to_run(&self) -> impl Iterator<Item = &ResolvedMethod> {
        self.config.run.iter().filter_map(|name| self.methods.get(name))
    }

    /// A method by its name in the config, whether it is run or not.
    pub fn method(&self, name: &str) -> Option<&ResolvedMethod> {
        self.methods.get(name)
    }

    /// The kind of the task.
    pub fn task_kind(&self) -> &str {
        &self.task.kind
    }

    /// The settings of the task.
    pub fn task_settings(&self) -> &dyn TaskSettings {
        self.task.settings.as_ref()
    }

    /// The whole config with all its defaults, as TOML that reads back to the same experiment. Passwords in addresses are masked.
    pub fn to_toml(&self) -> String {
        self.to_table().to_string()
    }

    /// [`Experiment::to_toml`] as a table.
    pub fn to_table(&self) -> toml::Table {
        let mut table = self.config.to_table();
        mask_passwords(&mut table);
        table.insert("task".into(), self.task.table.clone().into());
        let methods: toml::Table = self.methods.iter().map(|(name, method)| (name.clone(), method.table.clone().into())).collect();
        table.insert("methods".into(), methods.into());
        if let Some(policy) = &self.policy {
            table.insert("policy".into(), policy.table.clone().into());
        }
        table
    }

    /// The keys that differ from `other`, each with the value there and here. Keys that change no result are left out.
    pub fn changed_keys(&self, other: &Experiment) -> Vec<String> {
        let circumstances = PolicyConfig::circumstances();
        let mut keys = settings::changed_keys(&self.to_table(), &other.to_table());
        keys.retain(|change| !circumstances.iter().any(|key| change.split(' ').next() == Some(key)));
        keys
    }

    /// The task with the run's seed, its files read and its verifier started.
    ///
    /// # Errors
    /// A value of `[task]` is out of range, a file does not hold what it should, a split to be measured has no problems, or a method needs
    /// something that the task does not have.
    pub fn task(&self) -> Result<Box<dyn Task>> {
        let task = self.read_task()?;
        task.prepare().map_err(|error| self.invalid(format!("task.{}", error.key), error.reason))?;
        Ok(task)
    }

    /// [`Experiment::task`] without its verifier. No program is started.
    ///
    /// # Errors
    /// As [`Experiment::task`].
    pub fn read_task(&self) -> Result<Box<dyn Task>> {
        self.refuse_missing_files()?;
        let task = self.task.settings.build(self.config.seed);
        let task = task.map_err(|error| self.invalid(format!("task.{}", error.key), error.reason))?;
        for ResolvedMethod { name, method, settings, .. } in self.methods_to_run() {
            method.check_task(task.as_ref())?;
            self.check_worked_examples(task.as_ref(), name, settings, method.style())?;
            if let Some(key) = settings.selection.needs_checked_steps().filter(|_| !task.checks_steps()) {
                let message = format!("method {name}: the task {} cannot check the steps of a rationale; remove this key", self.task.kind);
                return Err(self.invalid(format!("selection.{key}"), message));
            }
            for split in std::iter::once(settings.evaluation.split).chain(settings.evaluation.final_split) {
                if task.evaluation_problems(split, 0).is_empty() {
                    let message = format!("the task has no {} problems to measure accuracy on; see the keys of [task]", split.name());
                    return Err(self.invalid("evaluation.split".to_owned(), message));
                }
            }
        }
        Ok(task)
    }

    /// Checks that the task has as many worked examples as a method's prompts ask for.
    fn check_worked_examples(&self, task: &dyn Task, method: &str, settings: &MethodSettings, style: Style) -> Result<()> {
        let asked = [
            ("sampling.few_shot", settings.sampling.few_shot, self.config.sampling.few_shot),
            ("evaluation.few_shot", settings.evaluation.few_shot.unwrap_or(0), self.config.evaluation.few_shot.unwrap_or(0)),
        ];
        let problems = task.evaluation_problems(settings.evaluation.split, 0);
        let Some(problem) = problems.first() else { return Ok(()) };
        for (key, asked, common) in asked {
            let found = task.worked_examples(problem, Mode::Unhinted, style, asked).len();
            if found < asked {
                let key = if asked == common { key.to_owned() } else { format!("methods.{method}.{key}") };
                let message = format!(
                    "{asked} worked examples are to be in each prompt, and the task has {found}; write more of them ([[task.examples]] or \
                     task.examples_file for your own problems, task.prompts for published data sets), or set at most {found}"
                );
                return Err(self.invalid(key, message));
            }
        }
        Ok(())
    }

    fn refuse_missing_files(&self) -> Result<()> {
        let settings = &self.task.settings;
        let missing = settings.files()?.into_iter().find(|file| !file.exists());
        let Some(file) = missing else { return Ok(()) };
        let (name, download) = (file.display().to_string(), settings.data_set().map(str::to_owned));
        Err(Error::NotFound { what: Missing::Data, name, known: Vec::new(), nearest: None, download })
    }

    fn invalid(&self, key: String, message: String) -> Error {
        Error::ConfigValue { origin: self.config.name.clone(), key, message }
    }

    /// The programs that a run starts: the key that names each, and the program.
    pub fn programs(&self) -> Vec<(&'static str, &str)> {
        let mut programs: Vec<(&str, &str)> = self.task.settings.program().map(|program| ("task.command", program)).into_iter().collect();
        programs.extend(self.config.trainer.command.first().map(|program| ("trainer.command", program.as_str())));
        if let PolicyConfig::OpenAi(serving) = &self.config.policy {
            programs.extend(serving.launch.first().map(|program| ("policy.launch", program.as_str())));
            if let Some(Reload::Command(command)) = &serving.reload {
                programs.extend(command.first().map(|program| ("policy.reload", program.as_str())));
            }
        }
        programs
    }

    /// Checks that a run starts no program.
    ///
    /// # Errors
    /// The config names one.
    pub fn refuse_programs(&self) -> Result<()> {
        match self.programs().first() {
            None => Ok(()),
            Some((key, program)) => {
                let message = format!("names the program {program:?}, and programs are not allowed here; allow them, or remove this key");
                Err(self.invalid((*key).to_owned(), message))
            }
        }
    }

    /// The most work that each method will do, by its name.
    pub fn estimate(&self, task: &dyn Task) -> Vec<(String, Estimate)> {
        self.methods_to_run().map(|method| (method.name.clone(), method.estimate(task))).collect()
    }

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

    fn refuse_other_task(&self, task: &dyn Task) -> Result<()> {
        let (expected, found) = (&self.task.kind, task.name());
        if found == expected { Ok(()) } else { Err(Error::OtherTask { expected: expected.clone(), found: found.to_owned() }) }
    }

    /// Refuses a base model that was trained on the problems that measure the run. It says so before the run has done any work.
    fn refuse_trained_problems(&self, parts: &RunParts<'_>) -> Result<()> {
        let trained = TrainedProblems::of_checkpoint(parts.base)?;
        if trained.identities.is_empty() {
            return Ok(());
        }
        for method in self.methods_to_run() {
            let EvaluationConfig { split, final_split, .. } = method.settings.evaluation;
            let last = method.estimate(parts.task).iterations;
            for split in std::iter::once(split).chain(final_split) {
                for iteration in [0, last] {
                    trained.refuse(parts.base, parts.task, split, iteration)?;
                }
            }
        }
        Ok(())
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
    pub fn audit(&self, run_dir: &RunDir, method: &str, plan: AuditPlan, observer: &mut dyn Observer) -> Result<audit::Found> {
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

impl ResolvedMethod {
    /// The most work that the method will do, its final figure included.
    pub fn estimate(&self, task: &dyn Task) -> Estimate {
        method::estimate(self.method.as_ref(), &self.settings, task)
    }

    /// The settings of the fine-tuning in an iteration. A warm start has its own.
    pub fn training_in(&self, iteration: u32) -> TrainingConfig {
        method::training_in(self.method.as_ref(), &self.settings, iteration)
    }

    fn at_work(&self) -> (&str, &MethodSettings, Style) {
        (&self.name, &self.settings, self.method.style())
    }
}

/// Masks passwords in the addresses of servers: the table is kept and shown.
fn mask_passwords(table: &mut toml::Table) {
    let endpoints = table.get_mut("policy").and_then(|policy| policy.get_mut("endpoints")).and_then(toml::Value::as_array_mut);
    for endpoint in endpoints.into_iter().flatten() {
        if let toml::Value::String(address) = endpoint {
            *address = without_password(address);
        }
    }
}

fn resolve_task(config: &Config, registry: &Registry) -> Result<ResolvedTask> {
    let mut keys = config.task.clone();
    let entry = config.source.kind("task", &mut keys, &registry.tasks, |entry| &entry.kind)?;
    let verifier = resolve_verifier(config, &mut keys, registry)?;
    let (mut settings, mut table) = entry.reader.read(config.source.section("task", keys))?;
    table.insert("kind".into(), entry.kind.clone().into());
    if let Some((verifier, keys)) = verifier {
        settings = Box::new(Verified { settings, verifier: verifier.into() });
        table.insert("verifier".into(), keys.into());
    }
    Ok(ResolvedTask { kind: entry.kind.clone(), label: entry.label.clone(), settings, table })
}

/// The verifier that `[task.verifier]` names, and its keys. Without registered verifiers, the section is left to the task.
fn resolve_verifier(config: &Config, task: &mut toml::Table, registry: &Registry) -> Result<Option<(Box<dyn Verifier>, toml::Table)>> {
    const PATH: &str = "task.verifier";
    if registry.verifiers.is_empty() {
        return Ok(None);
    }
    let mut keys = match task.remove("verifier") {
        None => return Ok(None),
        Some(toml::Value::Table(keys)) => keys,
        Some(other) => {
            let message = format!("expected a table with the key kind, found {}", other.type_str());
            return Err(config.source.invalid(Invalid { key: PATH.to_owned(), message }));
        }
    };
    let entry = config.source.kind(PATH, &mut keys, &registry.verifiers, |entry| &entry.kind)?;
    let (verifier, mut table) = entry.reader.read(config.source.section(PATH, keys))?;
    table.insert("kind".into(), entry.kind.clone().into());
    Ok(Some((verifier, table)))
}

fn resolve_method(config: &Config, name: &str, registry: &Registry) -> Result<ResolvedMethod> {
    let (settings, mut keys) = config.settings_of(name)?;
    let path = format!("methods.{name}");
    let entry = config.source.kind(&path, &mut keys, &registry.methods, |entry| &entry.kind)?;
    let (method, mut table) = entry.reader.read(config.source.section(&path, keys))?;
    table.insert("kind".into(), entry.kind.clone().into());
    let overrides = config.methods.get(name).into_iter().flatten();
    table.extend(
        overrides
            .filter(|(key, _)| ["sampling", "selection", "training", "evaluation"].contains(&key.as_str()))
            .map(|(k, v)| (k.clone(), v.clone())),
    );
    let label = entry.label.clone().unwrap_or_else(|| method.approach().title().to_owned());
    Ok(ResolvedMethod { name: name.to_owned(), kind: entry.kind.clone(), label, method, settings, table })
}

fn resolve_policy(config: &Config, registry: &Registry) -> Result<Option<ResolvedPolicy>> {
    let PolicyConfig::Other { kind, keys } = &config.policy else { return Ok(None) };
    let found = registry.policies.iter().find(|entry| entry.kind == *kind);
    let Some(entry) = found else {
        let kinds = registry.policies.iter().map(|entry| entry.kind.clone());
        let kinds: Vec<String> = POLICY_KINDS.iter().map(|&kind| kind.to_owned()).chain(kinds).collect();
        return Err(config.source.unknown_kind("policy", &kind.as_str().into(), &kinds));
    };
    let (settings, mut table) = entry.reader.read(config.source.section("policy", keys.clone()))?;
    table.insert("kind".into(), kind.as_str().into());
    Ok(Some(ResolvedPolicy { settings, table }))
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
