//! The models that are in memory.

use crate::catalog::{Catalog, Entry};
use crate::engine::Engine;
use crate::error::{ApiError, Refused, with_causes};
use crate::metrics::Metrics;
use starloop_lm::engine::EngineLimits;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// A place for a model that is loaded once, by the first request that names it. Further requests wait for it.
type Slot = Arc<OnceCell<Arc<Engine>>>;

/// Loads models on demand, and keeps the latest ones.
#[derive(Debug)]
pub(crate) struct Models {
    pub(crate) catalog: Catalog,
    limits: EngineLimits,
    metrics: Arc<Metrics>,
    /// The most models in memory.
    most: usize,
    /// By directory, the one that was used last at the end.
    slots: Mutex<Vec<(PathBuf, Slot)>>,
}

impl Models {
    pub(crate) fn new(catalog: Catalog, limits: EngineLimits, most: usize, metrics: Arc<Metrics>) -> Self {
        Models { catalog, limits, metrics, most: most.max(1), slots: Mutex::default() }
    }

    /// Loads a model before the server starts.
    pub(crate) fn load_now(&self, directory: &Path) -> starloop_lm::Result<()> {
        let engine = Engine::start(directory, &self.limits, &self.metrics)?;
        // The slot is new, so setting it succeeds.
        let _ = self.slot(directory).set(Arc::new(engine));
        Ok(())
    }

    /// The model that a request names, with the SHA-256 of the weights that it expects.
    pub(crate) async fn get(&self, name: Option<&str>, sha256: Option<&str>) -> Result<(Entry, Arc<Engine>), ApiError> {
        let entry = self.catalog.find(name).ok_or_else(|| self.unknown(name.unwrap_or_default()))?;
        let mut engine = self.loaded(&entry).await?;
        let Some(expected) = sha256 else { return Ok((entry, engine)) };
        if engine.sha256 != expected {
            // The checkpoint may have been replaced since it was loaded.
            self.forget(&entry.directory);
            engine = self.loaded(&entry).await?;
        }
        if engine.sha256 == expected {
            return Ok((entry, engine));
        }
        let message = format!(
            "the model {:?} has weights with the SHA-256 {}, expected {expected}; this server reads another copy of the checkpoint",
            entry.name, engine.sha256
        );
        Err(ApiError::new(Refused::Conflict, message))
    }

    /// The engine of a model. One that failed is replaced by a new one.
    async fn loaded(&self, entry: &Entry) -> Result<Arc<Engine>, ApiError> {
        let engine = self.loaded_once(entry).await?;
        if !engine.has_failed() {
            return Ok(engine);
        }
        self.forget(&entry.directory);
        self.loaded_once(entry).await
    }

    async fn loaded_once(&self, entry: &Entry) -> Result<Arc<Engine>, ApiError> {
        let slot = self.slot(&entry.directory);
        let load = || async {
            let (directory, limits, metrics) = (entry.directory.clone(), self.limits, Arc::clone(&self.metrics));
            let loading = tokio::task::spawn_blocking(move || Engine::start(&directory, &limits, &metrics));
            match loading.await {
                Ok(Ok(engine)) => Ok(Arc::new(engine)),
                Ok(Err(error)) => Err(format!("cannot load the model {:?}: {}", entry.name, with_causes(&error))),
                Err(_) => Err(format!("cannot load the model {:?}: the program failed", entry.name)),
            }
        };
        slot.get_or_try_init(load).await.cloned().map_err(|message| ApiError::new(Refused::Failed, message))
    }

    /// The slot of a directory, which is now the one that was used last. Those that were used longest ago leave if there are too many.
    fn slot(&self, directory: &Path) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let at = slots.iter().position(|(loaded, _)| loaded == directory);
        let latest = at.map_or_else(|| (directory.to_owned(), Slot::default()), |at| slots.remove(at));
        let slot = Arc::clone(&latest.1);
        let surplus = (slots.len() + 1).saturating_sub(self.most);
        slots.drain(..surplus);
        slots.push(latest);
        slot
    }

    /// Drops a model. The next request loads it again. Requests in progress keep it until they are finished.
    fn forget(&self, directory: &Path) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|(loaded, _)| loaded != directory);
    }

    fn unknown(&self, name: &str) -> ApiError {
        let names: Vec<&str> = self.catalog.entries().iter().map(|entry| entry.name.as_str()).collect();
        let message = format!("there is no model {name:?}; the models are: {}", names.join(", "));
        ApiError { param: Some("model".to_owned()), ..ApiError::new(Refused::NotFound, message) }
    }
}
