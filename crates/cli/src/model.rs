//! The models that the arguments of a command name: a checkpoint directory, a GGUF file, a model that is part of the program or of the hub, or the
//! models of a run.

use crate::access::{Access, Reading};
use crate::commands::get::downloads;
use anyhow::{Context, Result, bail};
use starloop_core::config::ModelConfig;
use starloop_core::experiment::base_model::{BaseModel, hub_name};
use starloop_core::external::fetch::hub::Hub;
use starloop_core::external::hub_cache::HubName;
use starloop_lm::LanguageModel;
use starloop_lm::checkpoint::{is_checkpoint, is_gguf};
use starloop_record::RunDir;
use starloop_record::metrics::IterationMetrics;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A checkpoint directory. It exists as long as this value.
#[derive(Debug)]
pub struct Model {
    directory: PathBuf,
    /// The temporary directory of an unpacked model. Dropping it deletes the files.
    _unpacked: Option<TempDir>,
}

impl Model {
    /// Finds a directory, unpacks `builtin:NAME`, converts a GGUF file, or provides a model of the hub.
    pub fn find(model: &str) -> Result<Self> {
        if let Some(name) = hub_name(model) {
            return Ok(Model { directory: provide(&name)?, _unpacked: None });
        }
        if !model.starts_with("builtin:") && !is_gguf(Path::new(model)) {
            return Ok(Model { directory: model.into(), _unpacked: None });
        }
        let place = tempfile::tempdir()?;
        let directory = BaseModel::find(model)?.unpacked(&place.path().join("model"))?;
        Ok(Model { directory, _unpacked: Some(place) })
    }

    /// The checkpoint directory.
    pub fn directory(&self) -> &Path {
        &self.directory
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
            let model = Model::find(argument)?;
            return Ok(Models { named: vec![(argument.to_owned(), model.directory().to_owned())], _found: Some(model) });
        };
        access.check_run(path, Reading::Checkpoints)?;
        let named = of_run(&run?)?;
        if named.is_empty() {
            bail!("{}: the run has no checkpoint yet; name its base model instead", path.display());
        }
        Ok(Models { named, _found: None })
    }
}

fn of_run(run: &RunDir) -> Result<Vec<(String, PathBuf)>> {
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
