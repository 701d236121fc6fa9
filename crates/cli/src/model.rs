//! The models that the arguments of a command name: a checkpoint directory, a checkpoint of a run, a GGUF file, or a model that is part of the
//! program or of the hub.

use crate::access::{Access, RunPart};
use crate::commands::get::downloads;
use crate::console;
use crate::usage::UsageError;
use anyhow::{Context, Result};
use starloop_core::config::ModelConfig;
use starloop_core::experiment::base_model::{BaseModel, hub_name};
use starloop_core::external::fetch::hub::Hub;
use starloop_core::external::hub_cache::HubName;
use starloop_core::policy::prompting::Prompting;
use starloop_lm::LanguageModel;
use starloop_lm::checkpoint::{is_checkpoint, is_gguf};
use starloop_record::RunDir;
use starloop_record::metrics::IterationMetrics;
use starloop_report::{Report, export};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The help of options that name a model.
pub const MODEL_HELP: &str = "\
A checkpoint directory in the Hugging Face layout, a run (its best checkpoint), RUN@METHOD or RUN@METHOD/ITERATION, builtin:NAME, a GGUF file, or ORG/NAME on the hub";

/// A model by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    /// A checkpoint directory.
    Directory(PathBuf),
    /// A checkpoint of a run. Without a method or an iteration, the best one.
    OfRun { run: PathBuf, method: Option<String>, iteration: Option<u32> },
    /// A model that is part of the program, or a GGUF file. It is unpacked.
    Packed(String),
    /// A model of the hub. It is fetched if it is not on this machine.
    OfHub(HubName),
}

impl Named {
    fn parse(model: &str) -> Self {
        let is_run = |path: &str| Path::new(path).join("run.json").is_file();
        if model.starts_with("builtin:") || is_gguf(Path::new(model)) {
            return Named::Packed(model.to_owned());
        }
        if is_run(model) {
            return Named::OfRun { run: model.into(), method: None, iteration: None };
        }
        if let Some(name) = hub_name(model) {
            return Named::OfHub(name);
        }
        match model.rsplit_once('@') {
            Some((run, place)) if is_run(run) => {
                let (method, iteration) = match place.rsplit_once('/').map(|(method, number)| (method, number.parse())) {
                    Some((method, Ok(iteration))) => (method, Some(iteration)),
                    _ => (place, None),
                };
                Named::OfRun { run: run.into(), method: Some(method.to_owned()), iteration }
            }
            _ => Named::Directory(model.into()),
        }
    }
}

/// A checkpoint directory. It exists as long as this value.
#[derive(Debug)]
pub struct Model {
    directory: PathBuf,
    /// The temporary directory of an unpacked model. Dropping it deletes the files.
    unpacked: Option<TempDir>,
}

impl Model {
    /// Finds a directory or a checkpoint of a run, unpacks `builtin:NAME`, or converts a GGUF file. Says which checkpoint of a run it is.
    ///
    /// # Errors
    /// There is no such model, the run has no such checkpoint, or the run was copied here and leads outside of its directory.
    pub fn find(model: &str, access: Access) -> Result<Self> {
        match Named::parse(model) {
            Named::OfHub(name) => Ok(Model { directory: provide(&name)?, unpacked: None }),
            Named::Directory(directory) if !directory.exists() => Err(UsageError::no_such_path(format!(
                "{model}: no such model; expected a checkpoint directory, a run, RUN@METHOD, RUN@METHOD/ITERATION, builtin:NAME, a GGUF file, or ORG/NAME on the hub"
            ))),
            Named::Directory(directory) => Ok(Model { directory, unpacked: None }),
            Named::OfRun { run, method, iteration } => {
                Ok(Model { directory: of_run(&run, method.as_deref(), iteration, access)?, unpacked: None })
            }
            Named::Packed(name) => {
                let place = tempfile::tempdir()?;
                let directory = BaseModel::find(&name)?.unpacked(&place.path().join("model"))?;
                Ok(Model { directory, unpacked: Some(place) })
            }
        }
    }

    /// The checkpoint directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// True for a model of the program and a GGUF file: the directory is a temporary one.
    pub fn is_unpacked(&self) -> bool {
        self.unpacked.is_some()
    }

    /// Warns if the model was trained with its chat template and is now asked without it, or the other way round. `chat` is the option `--chat`.
    pub fn warn_of_another_prompt(&self, chat: bool) -> Result<()> {
        let Some(trained) = Prompting::of_checkpoint(&self.directory)? else { return Ok(()) };
        if let Some(difference) = trained.chat_difference(chat) {
            let remedy = if trained.chat { "use --chat" } else { "leave out --chat" };
            console::say(&format!("warning: {}: {difference}, so it may answer badly; {remedy}", self.directory.display()));
        }
        Ok(())
    }

    /// Reads the checkpoint.
    pub fn load(&self) -> Result<LanguageModel> {
        LanguageModel::load(&self.directory).context("cannot load the model")
    }
}

/// The models that one argument names, the default one first. Their directories exist as long as this value.
#[derive(Debug)]
pub struct Models {
    /// Names and directories.
    pub named: Vec<(String, PathBuf)>,
    _found: Option<Model>,
}

impl Models {
    /// A model under the name that was given. Or a run: its iterations as `METHOD/N`, the most accurate one of its last method first, and `base`.
    pub fn find(argument: &str, access: Access) -> Result<Self> {
        let path = Path::new(argument);
        let run = if path.is_dir() && !is_checkpoint(path) { Some(RunDir::open_read_only(path)) } else { None };
        let Some(run) = run else {
            let model = Model::find(argument, access)?;
            return Ok(Models { named: vec![(argument.to_owned(), model.directory().to_owned())], _found: Some(model) });
        };
        access.check_run(path, RunPart::Base)?;
        let named = all_of_run(&run?)?;
        if named.is_empty() {
            return Err(UsageError::request(format!("{}: the run has no checkpoint yet; name its base model instead", path.display())));
        }
        Ok(Models { named, _found: None })
    }
}

fn all_of_run(run: &RunDir) -> Result<Vec<(String, PathBuf)>> {
    let mut named = Vec::new();
    let info = run.info()?;
    for method in info.methods.iter().rev() {
        let mut metrics: Vec<(u32, Option<IterationMetrics>)> = Vec::new();
        for iteration in run.iterations(&method.name)? {
            metrics.push((iteration, run.iteration(&method.name, iteration).metrics()?));
        }
        let accuracy = |metrics: &Option<IterationMetrics>| metrics.as_ref().map_or(-1.0, |metrics| metrics.accuracy.mean);
        metrics.sort_by(|a, b| accuracy(&b.1).total_cmp(&accuracy(&a.1)).then(a.0.cmp(&b.0)));
        let directory =
            |(iteration, _): &(u32, _)| (format!("{}/{iteration}", method.name), run.iteration(&method.name, *iteration).checkpoint());
        named.extend(metrics.iter().map(directory).filter(|(_, directory)| directory.is_dir()));
    }
    let base = if info.model.base.starts_with("builtin:") { run.base_model() } else { info.model.base.into() };
    named.extend(base.is_dir().then(|| ("base".to_owned(), base)));
    Ok(named)
}

/// Fetches the base of a config if it has a name of the hub and is not on this machine.
pub fn provide_base(config: &ModelConfig) -> Result<()> {
    match hub_name(&config.base) {
        Some(name) if BaseModel::of(config).is_err() && config.hub.is_none() => provide(&name).map(drop),
        _ => Ok(()),
    }
}

/// The directory of a model of the hub. It is fetched if it is not on this machine.
fn provide(name: &HubName) -> Result<PathBuf> {
    let hub = Hub::from_environment(|variable| std::env::var(variable).ok());
    Ok(hub.provide_model(name, &mut downloads(false))?.directory)
}

/// The directory of a checkpoint of a run.
fn of_run(run: &Path, method: Option<&str>, iteration: Option<u32>, access: Access) -> Result<PathBuf> {
    access.check_run(run, RunPart::Checkpoints)?;
    let report = Report::read(&[run.to_owned()])?;
    let chosen = export::Chosen::of(&report.runs[0], method, iteration)?;
    console::remark(&format!("model: {}", chosen.words()));
    if let Some(warning) = chosen.no_better_than_the_base() {
        console::say(&format!("warning: {warning}"));
    }
    Ok(chosen.directory()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Named;

    #[test]
    fn a_name_means_one_model() {
        let place = tempfile::tempdir().unwrap();
        let run = place.path().join("runs/a@b").display().to_string();
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(format!("{run}/run.json"), "{}").unwrap();
        let of_run =
            |method: Option<&str>, iteration| Named::OfRun { run: run.clone().into(), method: method.map(str::to_owned), iteration };
        for (name, expected) in [
            (run.clone(), of_run(None, None)),
            (format!("{run}@star"), of_run(Some("star"), None)),
            (format!("{run}@star/3"), of_run(Some("star"), Some(3))),
            (format!("{run}@star/x"), of_run(Some("star/x"), None)),
            ("builtin:arithmetic".to_owned(), Named::Packed("builtin:arithmetic".into())),
            ("./models/a@b".to_owned(), Named::Directory("./models/a@b".into())),
        ] {
            assert_eq!(Named::parse(&name), expected, "{name}");
        }
    }
}
