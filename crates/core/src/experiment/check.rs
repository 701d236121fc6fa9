//! The checks of an experiment before any work is done.

use super::Experiment;
use super::resolve::ResolvedMethod;
use crate::config::{EvaluationConfig, Invalid, MethodSettings, PolicyConfig, TrainerKind, check};
use crate::error::{Error, Missing, Result};
use crate::method::Needs;
use crate::method_run::RunParts;
use crate::selection::TrainedProblems;
use crate::task::Task;
use crate::types::{Mode, Style};

impl Experiment {
    pub(super) fn check(&self) -> Result<(), Invalid> {
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
        self.methods_to_run().try_for_each(|method| {
            check_growth(method)?;
            self.check_needs(method)?;
            self.check_controlled(method)
        })
    }

    /// Checks the features that only the embedded engine has, before any work is done. Later, the error would come after hours of sampling.
    fn check_needs(&self, ResolvedMethod { name, method, settings, .. }: &ResolvedMethod) -> Result<(), Invalid> {
        let Needs { objective, scores } = method.needs();
        let scores = scores || settings.selection.most_hint_reliance.is_some();
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

    /// Checks that the task has as many worked examples as a method's prompts ask for.
    pub(super) fn check_worked_examples(&self, task: &dyn Task, method: &str, settings: &MethodSettings, style: Style) -> Result<()> {
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

    pub(super) fn refuse_missing_files(&self) -> Result<()> {
        let settings = &self.task.settings;
        let missing = settings.files()?.into_iter().find(|file| !file.exists());
        let Some(file) = missing else { return Ok(()) };
        let (name, download) = (file.display().to_string(), settings.data_set().map(str::to_owned));
        Err(Error::NotFound { what: Missing::Data, name, known: Vec::new(), nearest: None, download })
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

    pub(super) fn refuse_other_task(&self, task: &dyn Task) -> Result<()> {
        let (expected, found) = (&self.task.kind, task.name());
        if found == expected { Ok(()) } else { Err(Error::OtherTask { expected: expected.clone(), found: found.to_owned() }) }
    }

    /// Refuses a base model that was trained on the problems that measure the run. It says so before the run has done any work.
    pub(super) fn refuse_trained_problems(&self, parts: &RunParts<'_>) -> Result<()> {
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
}

/// Checks that the steps of the last iteration are a number that a training can have.
fn check_growth(ResolvedMethod { name, settings, table, .. }: &ResolvedMethod) -> Result<(), Invalid> {
    let iterations = table.get("iterations").and_then(toml::Value::as_integer).and_then(|count| u32::try_from(count).ok());
    let Some(last) = iterations.filter(|&last| settings.training.steps_in(last) > check::MOST_STEPS) else { return Ok(()) };
    let key = if settings.training.step_increment == 0 { "step_growth" } else { "step_increment" };
    let most = check::MOST_STEPS;
    let message = format!(
        "iteration {last} would have more than {most} steps, the most of a fine-tuning; set max_steps in the same section, or a smaller value here"
    );
    Err(Invalid { key: format!("methods.{name}.training.{key}"), message })
}
