//! Files, models, servers and programs that a run's config names outside of the run's directory. Another person can have written the config.

use super::Experiment;
use super::base_model::BaseModel;
use crate::config::PolicyConfig;
use crate::error::Result;
use crate::error::masks::without_password;
use starloop_record::run_dir::{Outside, leads_outside};
use std::path::Path;

/// The key of the program that grades.
const VERIFIER: &str = "task.command";

impl Experiment {
    /// Lists the files of the task that exist outside of the run in `root`, and the verifier. Grading uses them.
    ///
    /// # Errors
    /// A data set is not on this machine.
    pub fn outside_of_task(&self, root: &Path) -> Result<Vec<Outside>> {
        let files = self.task.settings.files()?.into_iter().filter(|file| leads_outside(root, file));
        let mut outside: Vec<Outside> =
            files.map(|file| Outside::Named { key: "a file of [task]", target: file.display().to_string() }).collect();
        outside.extend(self.named_programs().filter(|(key, _)| *key == VERIFIER).map(|(_, named)| named));
        Ok(outside)
    }

    /// Lists everything that the run in `root` uses outside of its directory: the list of [`Experiment::outside_of_task`], the base model, the
    /// servers and all programs.
    ///
    /// # Errors
    /// As [`Experiment::outside_of_task`].
    pub fn outside(&self, root: &Path) -> Result<Vec<Outside>> {
        let mut outside = self.outside_of_task(root)?;
        let base = BaseModel::of(&self.config.model).ok();
        let base = base.as_ref().and_then(BaseModel::place).filter(|place| leads_outside(root, place));
        outside.extend(base.map(|place| Outside::Named { key: "model.base", target: place.display().to_string() }));
        if let PolicyConfig::OpenAi(serving) = &self.config.policy {
            let addresses = serving.endpoints.iter().map(|address| without_password(address));
            outside.extend(addresses.map(|target| Outside::Named { key: "policy.endpoints", target }));
        }
        outside.extend(self.named_programs().filter(|(key, _)| *key != VERIFIER).map(|(_, named)| named));
        Ok(outside)
    }

    fn named_programs(&self) -> impl Iterator<Item = (&'static str, Outside)> {
        self.programs().into_iter().map(|(key, program)| (key, Outside::Named { key, target: program.to_owned() }))
    }
}
