//! The files of one iteration: the only code that knows their names.

use super::atomic::{self, create_directory};
use super::files::{each_line, read_json, read_lines, some_lines, write_json, write_lines};
use super::journal::Journal;
use crate::error::{Error, Result};
use crate::metrics::{BalanceMetrics, IterationMetrics, LossPoint, TrainingMetrics, Verification};
use crate::objective::{Learned, PreferencePair, RewardedSample};
use crate::types::{Attempt, Example, GradedAttempt};
use fs_err as fs;
use std::path::{Path, PathBuf};

const BALANCE: &str = "balance.json";
const ATTEMPTS: &str = "attempts.jsonl";
const TRAIN: &str = "train.jsonl";
const PREFERENCES: &str = "preferences.jsonl";
const REWARDS: &str = "rewards.jsonl";
const LOSSES: &str = "loss.jsonl";
const TRAINING: &str = "training.json";
const CHECKPOINT: &str = "checkpoint";
const TRAINING_STATE: &str = "training-state";
const JOURNAL: &str = "journal.jsonl";
const EVALUATION: &str = "eval.jsonl";
const SCORES: &str = "scores.jsonl";
const VERIFICATION: &str = "verification.json";
const METRICS: &str = "metrics.json";

/// The files of one iteration of one method. Reading gives nothing where a stage is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IterationDir {
    root: PathBuf,
}

impl IterationDir {
    pub(super) fn new(root: PathBuf) -> Self {
        IterationDir { root }
    }

    /// Reads all attempts one by one, unhinted before hinted, for files that are too large to be held. Whether there are any yet.
    pub fn each_attempt(&self, each: impl FnMut(GradedAttempt) -> Result<()>) -> Result<bool> {
        each_line(&self.root.join(ATTEMPTS), each)
    }

    /// Reads one by one what was trained on. Whether there is anything yet.
    pub fn each_example(&self, each: impl FnMut(Example) -> Result<()>) -> Result<bool> {
        each_line(&self.root.join(TRAIN), each)
    }

    /// Reads one by one the completions that measured accuracy. Whether there are any yet.
    pub fn each_evaluation(&self, each: impl FnMut(GradedAttempt) -> Result<()>) -> Result<bool> {
        each_line(&self.root.join(EVALUATION), each)
    }

    /// At most `most` of the attempts, evenly spread over their file, however large it is.
    pub fn some_attempts(&self, most: usize) -> Result<Vec<GradedAttempt>> {
        some_lines(&self.root.join(ATTEMPTS), most)
    }

    /// At most `most` of what was trained on, likewise.
    pub fn some_examples(&self, most: usize) -> Result<Vec<Example>> {
        some_lines(&self.root.join(TRAIN), most)
    }

    /// At most `most` of the completions that measured accuracy, likewise.
    pub fn some_evaluations(&self, most: usize) -> Result<Vec<GradedAttempt>> {
        some_lines(&self.root.join(EVALUATION), most)
    }

    /// All attempts, unhinted before hinted.
    pub fn attempts(&self) -> Result<Option<Vec<GradedAttempt>>> {
        read_lines(&self.root.join(ATTEMPTS))
    }

    /// Writes all attempts at once.
    pub fn write_attempts(&self, attempts: &[GradedAttempt]) -> Result<()> {
        write_lines(&self.root.join(ATTEMPTS), attempts)
    }

    /// What was found before collecting, where the method probes.
    pub fn balance(&self) -> Result<Option<BalanceMetrics>> {
        read_json(&self.root.join(BALANCE))
    }

    /// Writes it; to be done before the attempts.
    pub fn write_balance(&self, balance: &BalanceMetrics) -> Result<()> {
        write_json(&self.root.join(BALANCE), balance)
    }

    /// Attempts that came in while their stage was not done, and where further ones are put.
    pub fn journal(&self) -> Result<(Journal, Vec<Attempt>)> {
        Journal::open(&self.root.join(JOURNAL))
    }

    /// Removes the journal of a stage that is done.
    pub fn discard_journal(&self) -> Result<()> {
        let path = self.root.join(JOURNAL);
        if path.exists() { Ok(fs::remove_file(path)?) } else { Ok(()) }
    }

    /// What was trained on.
    pub fn examples(&self) -> Result<Option<Vec<Example>>> {
        read_lines(&self.root.join(TRAIN))
    }

    /// The pairs that were trained on.
    pub fn preferences(&self) -> Result<Option<Vec<PreferencePair>>> {
        read_lines(&self.root.join(PREFERENCES))
    }

    /// The rewarded samples that were trained on.
    pub fn rewards(&self) -> Result<Option<Vec<RewardedSample>>> {
        read_lines(&self.root.join(REWARDS))
    }

    /// The file of pairs or of rewarded samples, if it is what was trained on.
    pub fn compared_file(&self) -> Option<PathBuf> {
        [PREFERENCES, REWARDS].map(|name| self.root.join(name)).into_iter().find(|path| path.exists())
    }

    /// Writes what is trained on, unless it is there.
    pub fn write_learned(&self, learned: Learned<'_>) -> Result<()> {
        let name = match learned {
            Learned::Examples(_) => TRAIN,
            Learned::Preferences(..) => PREFERENCES,
            Learned::Rewards(..) => REWARDS,
        };
        let path = self.root.join(name);
        match learned {
            _ if path.exists() => Ok(()),
            Learned::Examples(examples) => write_lines(&path, examples),
            Learned::Preferences(pairs, _) => write_lines(&path, pairs),
            Learned::Rewards(samples, ..) => write_lines(&path, samples),
        }
    }

    /// Where the checkpoint is, once it is there.
    pub fn checkpoint(&self) -> PathBuf {
        self.root.join(CHECKPOINT)
    }

    /// Where a fine-tuning may keep state until it is done.
    pub fn training_state(&self) -> PathBuf {
        self.root.join(TRAINING_STATE)
    }

    /// What the fine-tuning counted, when its checkpoint is there.
    pub fn training(&self) -> Result<Option<TrainingMetrics>> {
        if self.checkpoint().is_dir() { read_json(&self.root.join(TRAINING)) } else { Ok(None) }
    }

    /// The fine-tuning's curve of the loss; runs of older versions have none.
    pub fn losses(&self) -> Result<Option<Vec<LossPoint>>> {
        read_lines(&self.root.join(LOSSES))
    }

    /// Writes the fine-tuning's curve of the loss; to be done before its checkpoint is in its place.
    pub fn write_losses(&self, losses: &[LossPoint]) -> Result<()> {
        write_lines(&self.root.join(LOSSES), losses)
    }

    /// Lets `train` make a checkpoint directory, which is not there yet, and puts it in its place when it is whole.
    pub fn write_checkpoint(&self, train: impl FnOnce(&Path) -> Result<TrainingMetrics>) -> Result<TrainingMetrics> {
        let metrics = create_directory(&self.checkpoint(), |directory| {
            let metrics = train(directory)?;
            // Before the checkpoint's own rename, so that a checkpoint never stands without its figures.
            write_json(&self.root.join(TRAINING), &metrics)?;
            Ok::<_, Error>(metrics)
        })?;
        self.discard_training_state()?;
        Ok(metrics)
    }

    /// Removes what a fine-tuning kept while it was not done.
    pub fn discard_training_state(&self) -> Result<()> {
        atomic::discard_partial(&self.checkpoint())?;
        Ok(atomic::remove_directory(&self.training_state())?)
    }

    /// Removes the checkpoint, if there is one.
    pub fn discard_checkpoint(&self) -> Result<()> {
        Ok(atomic::remove_directory(&self.checkpoint())?)
    }

    /// The completions that measured accuracy.
    pub fn evaluation(&self) -> Result<Option<Vec<GradedAttempt>>> {
        read_lines(&self.root.join(EVALUATION))
    }

    /// Writes the completions that measured accuracy.
    pub fn write_evaluation(&self, attempts: &[GradedAttempt]) -> Result<()> {
        write_lines(&self.root.join(EVALUATION), attempts)
    }

    /// The verifier's score of each of the attempts beside it.
    pub fn scores(&self) -> Result<Option<Vec<f64>>> {
        read_lines(&self.root.join(SCORES))
    }

    /// Writes the verifier's score of each of the attempts beside it.
    pub fn write_scores(&self, scores: &[f64]) -> Result<()> {
        write_lines(&self.root.join(SCORES), scores)
    }

    /// What the verifier was measured to be worth, when that is done.
    pub fn verification(&self) -> Result<Option<Verification>> {
        read_json(&self.root.join(VERIFICATION))
    }

    /// Writes what the verifier is worth; it is done then.
    pub fn write_verification(&self, verification: &Verification) -> Result<()> {
        write_json(&self.root.join(VERIFICATION), verification)
    }

    /// The figures of the iteration, when it is done.
    pub fn metrics(&self) -> Result<Option<IterationMetrics>> {
        read_json(&self.root.join(METRICS))
    }

    /// Writes the figures; the iteration is done then.
    pub fn write_metrics(&self, metrics: &IterationMetrics) -> Result<()> {
        write_json(&self.root.join(METRICS), metrics)
    }
}
