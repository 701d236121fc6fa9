//! Other runs of the same experiment that differ in seed or training only. A greedy answer of the same weights to the same prompt depends on
//! neither, so a run takes such answers from its twins. The files of the run are the same bytes with and without twins.

use crate::config::PolicyConfig;
use crate::error::Result;
use crate::policy::SamplingParams;
use crate::types::{Attempt, GradedAttempt, Mode};
use starloop_record::run_dir::settings::changed_keys;
use starloop_record::{IterationDir, RunDir};
use std::collections::HashMap;
use std::path::PathBuf;

/// The twins of a run.
#[derive(Debug, Default)]
pub(crate) struct Twins {
    runs: Vec<RunDir>,
}

/// Greedy attempts by mode, problem, sample and the SHA-256 of their prompt.
pub(super) type Answers = HashMap<(Mode, String, u32, String), Attempt>;

impl Twins {
    /// Of some run directories, those whose config differs from `config` in seed and training only.
    ///
    /// # Errors
    /// The config of a run is damaged.
    pub(crate) fn among(candidates: &[PathBuf], config: &toml::Table) -> Result<Self> {
        let mut runs = Vec::new();
        for run in candidates.iter().filter(|path| path.join("run.json").is_file()).map(|path| RunDir::open_read_only(path)) {
            let run = run?;
            if changed_keys(config, &run.config()?).iter().all(|change| changes_no_greedy_answer(change)) {
                runs.push(run);
            }
        }
        Ok(Twins { runs })
    }

    /// The greedy attempts and answers of the first twin that has them, by the weights `checkpoint`. Nothing if `params` are not greedy: the
    /// samples then depend on the seed.
    pub(super) fn answers(&self, place: &IterationDir, params: &SamplingParams, checkpoint: &str) -> Result<Answers> {
        let mut known = Answers::new();
        if params.temperature > 0.0 {
            return Ok(known);
        }
        for run in &self.runs {
            let place = place.in_run(run);
            let mut keep = |GradedAttempt { attempt, .. }: GradedAttempt| {
                if attempt.checkpoint == checkpoint {
                    let key = (attempt.mode, attempt.problem.0.clone(), attempt.sample, attempt.prompt_sha256.clone());
                    known.insert(key, attempt);
                }
                Ok(())
            };
            place.each_attempt(&mut keep)?;
            place.each_evaluation(&mut keep)?;
            if !known.is_empty() {
                break;
            }
        }
        Ok(known)
    }
}

/// `key (one value -> another)`
fn changes_no_greedy_answer(change: &str) -> bool {
    let key = change.split(' ').next().unwrap_or_default();
    let of_training = |key: &str| key.starts_with("training.");
    let of_method = key.strip_prefix("methods.").and_then(|rest| rest.split_once('.')).map(|(_, key)| key);
    key == "seed"
        || of_training(key)
        || of_method.is_some_and(of_training)
        || PolicyConfig::circumstances().iter().any(|other| other == key)
}
