//! The experiment of a measurement: the task and the settings of a config, of a run, or of the options.

use super::Arguments;
use crate::access::{Access, RunPart, run_of};
use crate::console;
use crate::usage::UsageError;
use anyhow::{Context, Result};
use starloop_core::config::{Config, EvaluationConfig, PolicyConfig, TrainerConfig, presets};
use starloop_core::experiment::Experiment;
use starloop_core::method::FewShot;
use starloop_core::policy::prompting::Prompting;
use starloop_core::registry::Registry;
use starloop_record::RunDir;
use starloop_report::{Report, export};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The name of the one method of the experiment, and of the experiment.
pub const METHOD: &str = "eval";

/// The source of task and settings.
#[derive(Debug)]
pub enum Subject {
    /// A preset's name or a file.
    Config(String),
    /// A run's directory.
    Run(PathBuf),
    /// A kind of task, with the options.
    Task(String),
}

impl Subject {
    pub fn of(arguments: &Arguments, registry: &Registry, access: Access) -> Result<Self> {
        let is_config = |name: &str| presets().iter().any(|(preset, _)| *preset == name) || Path::new(name).is_file();
        match (&arguments.subject, &arguments.task) {
            (Some(run), _) if Path::new(run).is_dir() => {
                access.check_run(Path::new(run), RunPart::Checkpoints)?;
                Ok(Subject::Run(run.into()))
            }
            (Some(config), _) => Ok(Subject::Config(config.clone())),
            (None, Some(task)) if registry.tasks.iter().all(|known| known.kind != *task) && is_config(task) => {
                Ok(Subject::Config(task.clone()))
            }
            (None, Some(task)) => Ok(Subject::Task(task.clone())),
            (None, None) => unreachable!("clap requires one of them"),
        }
    }

    /// The models to measure.
    pub fn models(&self, arguments: &Arguments) -> Result<Vec<String>> {
        match self {
            _ if !arguments.model.is_empty() => Ok(arguments.model.clone()),
            Subject::Config(config) => Ok(vec![Config::load(config, &arguments.set)?.model.base]),
            Subject::Run(run) => Ok(vec![best_checkpoint(run)?]),
            Subject::Task(_) => Err(UsageError::request("--task with the name of a task needs --model: the checkpoint to measure")),
        }
    }

    /// The experiment that measures the checkpoint in `model` and trains nothing.
    pub fn experiment(&self, arguments: &Arguments, model: &Path, registry: &Registry, access: Access) -> Result<Experiment> {
        let mut config = self.config(arguments)?;
        config.model.base = model.display().to_string();
        // The measurement of a checkpoint is done in this process, whatever samples in the run.
        (config.policy, config.trainer) = (PolicyConfig::default(), TrainerConfig::default());
        (config.name, config.main, config.seeds, config.run) = (METHOD.to_owned(), None, Vec::new(), Vec::new());
        config.methods = BTreeMap::new();
        config.add_method(METHOD, "few_shot", &FewShot::default())?;
        let remembered = match self {
            Subject::Task(_) => None,
            Subject::Config(_) | Subject::Run(_) => Prompting::of_checkpoint(model)?.and_then(|prompting| prompting.few_shot),
        };
        if let Some(few_shot) = arguments.few_shot.or(remembered) {
            config.sampling.few_shot = few_shot;
        }
        config.sampling.few_shot_iterations = 0;
        config.sampling.max_new_tokens = arguments.max_new_tokens.unwrap_or(config.sampling.max_new_tokens);
        if let Some(samples) = arguments.samples {
            (config.sampling.samples_per_problem, config.sampling.temperature) = (samples, arguments.temperature);
        }
        let EvaluationConfig { split, limit, .. } = config.evaluation;
        config.evaluation = EvaluationConfig { split, limit, ..EvaluationConfig::default() };
        if let Some(limit) = arguments.limit {
            config.evaluation.limit = limit as usize;
        }
        let experiment = Experiment::new(config, registry)?;
        match self {
            Subject::Run(root) => access.check_config(root, |root| experiment.outside_of_task(root))?,
            Subject::Config(config) => {
                // The user names the model, or the config does.
                let named_by_user = !arguments.model.is_empty();
                let outside = |root: &Path| if named_by_user { experiment.outside_of_task(root) } else { experiment.outside(root) };
                run_of(config).map_or(Ok(()), |root| access.check_config(&root, outside))?;
            }
            Subject::Task(_) => {}
        }
        Ok(experiment)
    }

    fn config(&self, arguments: &Arguments) -> Result<Config> {
        let mut set = arguments.set.clone();
        set.extend(arguments.split.as_ref().map(|split| format!("evaluation.split={split:?}")));
        Ok(match self {
            Subject::Config(config) => Config::load(config, &set)?,
            Subject::Run(run) => {
                let table =
                    RunDir::open_read_only(run)?.config().with_context(|| format!("cannot read the config of {}", run.display()))?;
                Config::parse(&run.join("config.toml").display().to_string(), &table.to_string(), &set)?
            }
            Subject::Task(kind) => {
                let text = "name = \"eval\"\nrun = []\n[model]\nbase = \"\"\n[methods]\n";
                set.insert(0, format!("task.kind={}", serde_json::Value::from(kind.as_str())));
                Config::parse("starloop eval", text, &set)?
            }
        })
    }
}

/// The directory of a run's best checkpoint.
fn best_checkpoint(path: &Path) -> Result<String> {
    let report = Report::read(&[path.to_owned()])?;
    let run = &report.runs[0];
    let method = export::method(run, None)?;
    let iteration = export::chosen_iteration(run, method, None)?.iteration;
    let name = &method.info.name;
    console::say(&format!("measuring the best checkpoint of {}: {name} after iteration {iteration}", path.display()));
    Ok(RunDir::open_read_only(path)?.iteration(name, iteration).checkpoint().display().to_string())
}
