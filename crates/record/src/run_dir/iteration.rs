//! The files of one iteration: the only code that knows their names.

use super::RunDir;
use super::files::{each_line, json, lines, read_json, some_lines};
use super::journal::Journal;
use super::stage::{Digests, FileStage, Maker, StageRecord, Stages};
use crate::atomic::{self, create_directory};
use crate::digest::{file_sha256, sha256_hex};
use crate::error::{Error, Result};
use crate::metrics::{BalanceMetrics, IterationMetrics, LossPoint, TrainingMetrics, Verification};
use crate::outcome::OutcomeRecord;
use crate::training_rows::{PreferencePair, RewardedSample, TrainingRows};
use crate::types::counts::Checked;
use crate::types::{Attempt, Example, GradedAttempt};
use fs_err as fs;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

const BALANCE: &str = "balance.json";
const ATTEMPTS: &str = "attempts.jsonl";
const OUTCOMES: &str = "outcomes.jsonl";
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

/// The files of one iteration of one method. Reading returns `None` if a stage is not done. Every reading compares the digest of the file
/// with what its stage recorded, and fails with [`Error::Altered`] if they differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IterationDir {
    run: PathBuf,
    root: PathBuf,
    maker: Maker,
}

impl IterationDir {
    pub(super) fn new(run: &Path, relative: PathBuf, maker: &Maker) -> Self {
        IterationDir { run: run.to_owned(), root: run.join(relative), maker: maker.clone() }
    }

    /// The same place in another run.
    #[must_use]
    pub fn in_run(&self, other: &RunDir) -> Self {
        let relative = self.root.strip_prefix(&self.run).unwrap_or(&self.root).to_owned();
        IterationDir::new(other.root(), relative, &self.maker)
    }

    /// Reads all attempts one by one, unhinted before hinted. Returns whether the file exists.
    pub fn each_attempt(&self, each: impl FnMut(GradedAttempt) -> Result<()>) -> Result<bool> {
        self.each(FileStage::Collect, ATTEMPTS, each)
    }

    /// Reads the outcomes of selection one by one. Returns whether the file exists.
    pub fn each_outcome(&self, each: impl FnMut(OutcomeRecord) -> Result<()>) -> Result<bool> {
        self.each(FileStage::Select, OUTCOMES, each)
    }

    /// Reads the examples that were trained on one by one. Returns whether the file exists.
    pub fn each_example(&self, each: impl FnMut(Example) -> Result<()>) -> Result<bool> {
        self.each(FileStage::Select, TRAIN, each)
    }

    /// Reads the completions that measured accuracy one by one. Returns whether the file exists.
    pub fn each_evaluation(&self, each: impl FnMut(GradedAttempt) -> Result<()>) -> Result<bool> {
        self.each(FileStage::Evaluate, EVALUATION, each)
    }

    /// At most `most` of the attempts, evenly spread over their file, however large it is. The digest is not checked.
    pub fn some_attempts(&self, most: usize) -> Result<Vec<GradedAttempt>> {
        some_lines(&self.root.join(ATTEMPTS), most)
    }

    /// At most `most` of the examples that were trained on, likewise.
    pub fn some_examples(&self, most: usize) -> Result<Vec<Example>> {
        some_lines(&self.root.join(TRAIN), most)
    }

    /// At most `most` of the completions that measured accuracy, likewise.
    pub fn some_evaluations(&self, most: usize) -> Result<Vec<GradedAttempt>> {
        some_lines(&self.root.join(EVALUATION), most)
    }

    /// All attempts, unhinted before hinted.
    pub fn attempts(&self) -> Result<Option<Vec<GradedAttempt>>> {
        self.all(FileStage::Collect, ATTEMPTS)
    }

    /// Writes all attempts. `read` names what they were made from.
    pub fn write_attempts(&self, attempts: &[GradedAttempt], read: Digests) -> Result<()> {
        self.write(FileStage::Collect, read, &[(ATTEMPTS, lines(&self.root.join(ATTEMPTS), attempts)?)])
    }

    /// The settings that were found before collecting, if the method probes.
    pub fn balance(&self) -> Result<Option<BalanceMetrics>> {
        self.value(FileStage::Probe, BALANCE)
    }

    /// Writes what was found before collecting. The attempts are written after it.
    pub fn write_balance(&self, balance: &BalanceMetrics) -> Result<()> {
        self.write(FileStage::Probe, Digests::new(), &[(BALANCE, json(&self.root.join(BALANCE), balance)?)])
    }

    /// Attempts that came in while their stage was not done, and the file that further ones are appended to.
    pub fn journal(&self) -> Result<(Journal, Vec<Attempt>)> {
        Journal::open(&self.root.join(JOURNAL))
    }

    /// Removes the journal of a stage that is done.
    pub fn discard_journal(&self) -> Result<()> {
        let path = self.root.join(JOURNAL);
        if path.exists() { Ok(fs::remove_file(path)?) } else { Ok(()) }
    }

    /// The examples that were trained on.
    pub fn examples(&self) -> Result<Option<Vec<Example>>> {
        self.all(FileStage::Select, TRAIN)
    }

    /// The pairs that were trained on.
    pub fn preferences(&self) -> Result<Option<Vec<PreferencePair>>> {
        self.all(FileStage::Select, PREFERENCES)
    }

    /// The rewarded samples that were trained on.
    pub fn rewards(&self) -> Result<Option<Vec<RewardedSample>>> {
        self.all(FileStage::Select, REWARDS)
    }

    /// The outcome of every attempt that selection considered.
    pub fn outcomes(&self) -> Result<Option<Vec<OutcomeRecord>>> {
        self.all(FileStage::Select, OUTCOMES)
    }

    /// The rows that were trained on.
    pub fn training_rows(&self) -> Result<Option<TrainingRows>> {
        if let Some(examples) = self.examples()? {
            return Ok(Some(TrainingRows::Completions(examples)));
        }
        if let Some(pairs) = self.preferences()? {
            return Ok(Some(TrainingRows::Preferences(pairs)));
        }
        Ok(self.rewards()?.map(TrainingRows::Rewards))
    }

    /// The file of pairs or of rewarded samples, if the training had one.
    pub fn compared_file(&self) -> Option<PathBuf> {
        [PREFERENCES, REWARDS].map(|name| self.root.join(name)).into_iter().find(|path| path.exists())
    }

    /// Writes what is trained on and the outcome of every attempt. `earlier` are the iterations whose attempts were considered too. A
    /// selection that is there already must be the same: it depends on recorded files alone. `read` names other files that it depended on.
    ///
    /// # Errors
    /// [`Error::Altered`] if the selection of a resumed run differs from the recorded one.
    pub fn write_selection(
        &self,
        rows: &TrainingRows,
        outcomes: &[OutcomeRecord],
        earlier: &[IterationDir],
        mut read: Digests,
    ) -> Result<()> {
        let (name, bytes) = match rows {
            TrainingRows::Completions(examples) => (TRAIN, lines(&self.root.join(TRAIN), examples)?),
            TrainingRows::Preferences(pairs) => (PREFERENCES, lines(&self.root.join(PREFERENCES), pairs)?),
            TrainingRows::Rewards(samples) => (REWARDS, lines(&self.root.join(REWARDS), samples)?),
        };
        let outcomes = lines(&self.root.join(OUTCOMES), outcomes)?;
        let files = [(OUTCOMES, outcomes), (name, bytes)];
        if files.iter().all(|(name, _)| self.root.join(name).exists()) {
            return files.iter().try_for_each(|(name, bytes)| {
                let path = self.root.join(name);
                self.stages().check(FileStage::Select, &path, &self.name(name), &file_sha256(&path)?)?;
                self.stages().check(FileStage::Select, &path, &self.name(name), &sha256_hex(bytes))
            });
        }
        for place in earlier.iter().chain([self]) {
            read.extend(place.stages().get(FileStage::Collect)?.map(|record| record.wrote).unwrap_or_default());
        }
        self.write(FileStage::Select, read, &files)
    }

    /// The path of the checkpoint, once it exists.
    pub fn checkpoint(&self) -> PathBuf {
        self.root.join(CHECKPOINT)
    }

    /// Compares the files of the checkpoint with what the training recorded. This reads all of them.
    ///
    /// # Errors
    /// [`Error::Altered`] names the first file that is missing or changed.
    pub fn check_checkpoint(&self) -> Result<()> {
        if !self.checkpoint().is_dir() {
            return Ok(());
        }
        self.stages().check_below(FileStage::Train, &self.run, &self.name(CHECKPOINT))
    }

    /// The directory in which a fine-tuning may keep state until it is done.
    pub fn training_state(&self) -> PathBuf {
        self.root.join(TRAINING_STATE)
    }

    /// The counts of the fine-tuning, once its checkpoint exists.
    pub fn training(&self) -> Result<Option<TrainingMetrics>> {
        if self.checkpoint().is_dir() { self.value(FileStage::Train, TRAINING) } else { Ok(None) }
    }

    /// The fine-tuning's curve of the loss.
    pub fn losses(&self) -> Result<Option<Vec<LossPoint>>> {
        self.all(FileStage::Train, LOSSES)
    }

    /// Lets `train` create a checkpoint directory. Returns what `train` counted. `read` names the weights that it starts from.
    pub fn write_checkpoint<E: From<Error> + From<std::io::Error>>(
        &self,
        mut read: Digests,
        train: impl FnOnce(&Path) -> Result<(TrainingMetrics, Vec<LossPoint>), E>,
    ) -> Result<TrainingMetrics, E> {
        let metrics = create_directory(&self.checkpoint(), |directory| {
            let (metrics, losses) = train(directory)?;
            let files = [(LOSSES, lines(&self.root.join(LOSSES), &losses)?), (TRAINING, json(&self.root.join(TRAINING), &metrics)?)];
            let mut wrote = Digests::new();
            for file in atomic::files_below(directory)? {
                wrote.insert(self.name(&format!("{CHECKPOINT}/{}", slashes(&file))), file_sha256(&directory.join(&file))?);
            }
            if let Some(selection) = self.stages().get(FileStage::Select)? {
                let rows = selection.wrote.into_iter().filter(|(name, _)| !name.ends_with(OUTCOMES));
                read.extend(rows);
            }
            // Before the checkpoint gets its name, so that a checkpoint never stands without its figures.
            self.write_with(FileStage::Train, read, wrote, &files)?;
            Ok::<_, E>(metrics)
        })?;
        self.discard_training_state()?;
        Ok(metrics)
    }

    /// Removes the state of a fine-tuning that is done.
    pub fn discard_training_state(&self) -> Result<()> {
        Ok(atomic::remove_directory(&self.training_state())?)
    }

    /// Removes the checkpoint, if there is one.
    pub fn discard_checkpoint(&self) -> Result<()> {
        Ok(atomic::remove_directory(&self.checkpoint())?)
    }

    /// The completions that measured accuracy.
    pub fn evaluation(&self) -> Result<Option<Vec<GradedAttempt>>> {
        self.all(FileStage::Evaluate, EVALUATION)
    }

    /// Writes the completions that measured accuracy. `read` names what they were made from.
    pub fn write_evaluation(&self, attempts: &[GradedAttempt], read: Digests) -> Result<()> {
        self.write(FileStage::Evaluate, read, &[(EVALUATION, lines(&self.root.join(EVALUATION), attempts)?)])
    }

    /// The verifier's score of each of the attempts beside it.
    pub fn scores(&self) -> Result<Option<Vec<f64>>> {
        self.all(FileStage::Score, SCORES)
    }

    /// Writes the verifier's score of each of the attempts beside it.
    pub fn write_scores(&self, scores: &[f64]) -> Result<()> {
        let read = self.stages().get(FileStage::Collect)?.map(|record| record.wrote).unwrap_or_default();
        self.write(FileStage::Score, read, &[(SCORES, lines(&self.root.join(SCORES), scores)?)])
    }

    /// How well the verifier chooses, when that is measured.
    pub fn verification(&self) -> Result<Option<Verification>> {
        self.value(FileStage::Count, VERIFICATION)
    }

    /// Writes how well the verifier chooses; it is done then.
    pub fn write_verification(&self, verification: &Verification) -> Result<()> {
        self.count(VERIFICATION, json(&self.root.join(VERIFICATION), verification)?)
    }

    /// The figures of the iteration, when it is done.
    pub fn metrics(&self) -> Result<Option<IterationMetrics>> {
        self.value(FileStage::Count, METRICS)
    }

    /// Writes the figures; the iteration is done then.
    pub fn write_metrics(&self, metrics: &IterationMetrics) -> Result<()> {
        self.count(METRICS, json(&self.root.join(METRICS), metrics)?)
    }

    /// The record of a stage.
    pub fn stage(&self, stage: FileStage) -> Result<Option<StageRecord>> {
        self.stages().get(stage)
    }

    pub(super) fn run_root(&self) -> &Path {
        &self.run
    }

    fn stages(&self) -> Stages {
        Stages::beside(&self.root)
    }

    /// A file's path relative to the run directory, with slashes.
    fn name(&self, file: &str) -> String {
        let relative = self.root.strip_prefix(&self.run).unwrap_or(&self.root);
        format!("{}/{file}", slashes(relative))
    }

    /// The last stage reads everything that the stages before it wrote, except the checkpoint.
    fn count(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let mut read = Digests::new();
        for stage in [FileStage::Probe, FileStage::Collect, FileStage::Select, FileStage::Train, FileStage::Evaluate, FileStage::Score] {
            let wrote = self.stages().get(stage)?.map(|record| record.wrote).unwrap_or_default();
            read.extend(wrote.into_iter().filter(|(name, _)| !name.starts_with(&self.name(CHECKPOINT))));
        }
        self.write(FileStage::Count, read, &[(name, bytes)])
    }

    fn write(&self, stage: FileStage, read: Digests, files: &[(&str, Vec<u8>)]) -> Result<()> {
        self.write_with(stage, read, Digests::new(), files)
    }

    /// Records a stage and writes its files. `wrote` holds the digests of files that are written elsewhere.
    fn write_with(&self, stage: FileStage, read: Digests, mut wrote: Digests, files: &[(&str, Vec<u8>)]) -> Result<()> {
        wrote.extend(files.iter().map(|(name, bytes)| (self.name(name), sha256_hex(bytes))));
        self.stages().put(&StageRecord { stage, maker: self.maker.clone(), read, wrote })?;
        for (name, bytes) in files {
            atomic::write(&self.root.join(name), bytes)?;
        }
        Ok(())
    }

    fn each<T: DeserializeOwned>(&self, stage: FileStage, name: &str, each: impl FnMut(T) -> Result<()>) -> Result<bool> {
        let path = self.root.join(name);
        let Some((sha256, ended)) = each_line(&path, each)? else { return Ok(false) };
        // A changed file often cannot be parsed; the change is the cause to name.
        self.stages().check(stage, &path, &self.name(name), &sha256)?;
        ended.map(|()| true)
    }

    fn all<T: DeserializeOwned>(&self, stage: FileStage, name: &str) -> Result<Option<Vec<T>>> {
        let mut values = Vec::new();
        let found = self.each(stage, name, |value| {
            values.push(value);
            Ok(())
        })?;
        Ok(found.then_some(values))
    }

    fn value<T: DeserializeOwned>(&self, stage: FileStage, name: &str) -> Result<Option<T>> {
        let path = self.root.join(name);
        if !path.exists() {
            return Ok(None);
        }
        self.stages().check(stage, &path, &self.name(name), &file_sha256(&path)?)?;
        read_json::<Checked>(&path)?;
        read_json(&path)
    }
}

fn slashes(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}
