//! A whole experiment: a config in, a filled run directory out.

use crate::base_model::BaseModel;
use crate::config::{Config, PolicyConfig, TrainerKind};
use crate::error::{Error, Result};
use crate::event::{Event, Observer};
use crate::inputs;
use crate::iterate::{Parts, run_methods};
use crate::method::{self, Estimate};
use crate::policy::Policy;
use crate::policy::embedded::EmbeddedPolicy;
use crate::policy::openai::OpenAiPolicy;
use crate::run_dir::{Found, RunDir};
use crate::task::Task;
use crate::trainer::Trainer;
use crate::trainer::command::CommandTrainer;
use crate::trainer::embedded::EmbeddedTrainer;
use std::path::Path;
use std::time::Instant;

/// Runs `config` in the directory `root`, or with `resume` takes up the run that is there.
///
/// # Errors
/// Whatever stopped the run. What was finished before is kept, and `resume` goes on from it.
pub fn run(config: &Config, root: &Path, resume: bool, observer: &mut dyn Observer) -> Result<()> {
    if let [first, ..] = config.seeds[..] {
        let message = format!("a run has one seed; `starloop run` makes a run of each, and seed = {first} without seeds is one of them");
        return Err(Error::ConfigValue { origin: config.name.clone(), key: "seeds".to_owned(), message });
    }
    let task = task(config)?;
    let base = BaseModel::of(&config.model)?;
    let (run_dir, found) = RunDir::open(root, config, resume)?;
    run_dir.pin(inputs::digest(config.task.files(), base.own_directory())?)?;
    let base = base.directory(&run_dir)?;
    let (mut policy, mut trainer) = (policy(config, &run_dir)?, trainer(config));
    let mut parts = Parts { task: task.as_ref(), base: &base, policy: policy.as_mut(), trainer: trainer.as_mut() };
    run_in(config, &run_dir, found, &mut parts, observer)
}

/// What the config has fine-tune.
fn trainer(config: &Config) -> Box<dyn Trainer> {
    match config.trainer.kind {
        TrainerKind::Embedded => Box::new(EmbeddedTrainer::new(config.model.chat)),
        TrainerKind::Command => Box::new(CommandTrainer::new(config.trainer.command.clone(), config.model.chat)),
    }
}

/// What samples, as `[policy]` says.
fn policy(config: &Config, run_dir: &RunDir) -> Result<Box<dyn Policy>> {
    Ok(match &config.policy {
        PolicyConfig::Embedded => Box::new(EmbeddedPolicy::new(&config.model).recording(config.record)),
        PolicyConfig::OpenAi(serving) => {
            Box::new(OpenAiPolicy::new(serving, &config.model, run_dir.server_log())?.recording(config.record))
        }
    })
}

/// Runs `config` in an open run directory with the given parts.
///
/// # Errors
/// As [`run`].
pub fn run_in(config: &Config, run_dir: &RunDir, found: Found, parts: &mut Parts<'_>, observer: &mut dyn Observer) -> Result<()> {
    let began = Instant::now();
    let mut log = run_dir.event_log()?;
    let mut both = Both(observer, &mut log);
    both.observe(&Event::RunStarted { run: config.name.clone(), resumed: found == Found::EarlierWork });
    run_methods(config, run_dir, parts, &mut both)?;
    run_dir.finish()?;
    both.observe(&Event::RunFinished { seconds: began.elapsed().as_secs_f64() });
    log.close()
}

/// The config's task, with the run's seed.
///
/// # Errors
/// A value of `[task]` that cannot be, a split that is to be measured and has no problems, or a method that needs what the task has not.
pub fn task(config: &Config) -> Result<Box<dyn Task>> {
    let invalid = |key, message| Error::ConfigValue { origin: config.name.clone(), key, message };
    let task = config.task.build(config.seed).and_then(|task| task.prepare().map(|()| task));
    let task = task.map_err(|error| invalid(format!("task.{}", error.key), error.reason))?;
    for (_, method) in config.methods_to_run() {
        method.method.check_task(task.as_ref())?;
        for split in std::iter::once(method.evaluation.split).chain(method.evaluation.final_split) {
            if task.evaluation_problems(split, 0).is_empty() {
                let message = format!("the task has no {} problems to measure accuracy on; see the keys of [task]", split.name());
                return Err(invalid("evaluation.split".to_owned(), message));
            }
        }
    }
    Ok(task)
}

/// What each method of the config will do, at most; for a look before the run.
///
/// # Errors
/// As [`task`].
pub fn estimate(config: &Config) -> Result<Vec<(String, Estimate)>> {
    let task = task(config)?;
    Ok(config.methods_to_run().map(|(name, config)| (name.to_owned(), method::estimate(config, task.as_ref()))).collect())
}

/// Tells two observers.
struct Both<'a>(&'a mut dyn Observer, &'a mut dyn Observer);

impl Observer for Both<'_> {
    fn observe(&mut self, event: &Event) {
        self.0.observe(event);
        self.1.observe(event);
    }
}
