//! Plain supervised fine-tuning on a file of prompts and completions, outside of any loop.

use crate::config::TrainingConfig;
use crate::error::{EngineContext, Error, OrCancelled, Result};
use crate::event::{Event, Observer, Stage};
use crate::metrics::TrainingMetrics;
use crate::selection::{TrainedProblems, TrainingData};
use crate::trainer::embedded::EmbeddedTrainer;
use crate::trainer::{Trainer, TrainingJob, Workplace};
use crate::types::{Example, Mode, ProblemId};
use fs_err as fs;
use serde::Deserialize;
use starloop_lm::checkpoint::weights_sha256;
use starloop_record::atomic::create_directory;
use starloop_record::digest::sha256_hex;
use std::path::Path;
use std::time::Instant;

/// One line of the file. Other keys are allowed: a run's `train.jsonl` has some.
#[derive(Deserialize)]
struct Pair {
    prompt: String,
    completion: String,
}

/// Reads `{"prompt", "completion"}` lines; empty lines are skipped.
///
/// # Errors
/// The file cannot be read, a line is not such an object, or there is none.
pub fn read_pairs(path: &Path) -> Result<Vec<Example>> {
    let corrupt = |message: String| Error::Corrupt { path: path.to_owned(), message };
    let mut examples = Vec::new();
    for (number, line) in fs::read_to_string(path)?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let pair: Pair = serde_json::from_str(line).map_err(|error| corrupt(format!("line {}: {error}", number + 1)))?;
        let problem = ProblemId(format!("{}:{}", path.display(), number + 1));
        examples.push(Example { problem, mode: Mode::Unhinted, prompt: pair.prompt, completion: pair.completion });
    }
    if examples.is_empty() { Err(corrupt("holds no example, so there is nothing to train on".into())) } else { Ok(examples) }
}

/// Fine-tunes the checkpoint `model` on the pairs in `data` into `output`, which must not exist. An interrupted training of the same output
/// is taken up if it was saved (`checkpoint_every`), with the same model, data, settings and seed. With `chat`, prompts are put by the
/// checkpoint's chat template.
///
/// # Errors
/// The data is not as it should be, `output` exists or is being made by another process, or training fails.
pub fn finetune(
    model: &Path,
    data: &Path,
    output: &Path,
    settings: &TrainingConfig,
    chat: bool,
    seed: u64,
    observer: &mut dyn Observer,
) -> Result<TrainingMetrics> {
    let examples = read_pairs(data)?;
    let fingerprint = fingerprint(model, data, settings, chat, seed)?;
    let data = TrainingData::of_examples(examples);
    refuse_existing(output)?;
    let workplace = Workplace::take(output, &fingerprint)?;
    // Another process may have made it until it let go of the workplace.
    refuse_existing(output)?;
    let method = "train".to_owned();
    let started = Event::StageStarted { method: method.clone(), iteration: 0, stage: Stage::FineTuning, total: settings.steps };
    observer.observe(&started).or_cancelled()?;
    let began = Instant::now();
    let metrics = create_directory(output, |output| {
        let (steps, scratch) = (settings.steps, workplace.scratch.as_path());
        let job = TrainingJob { base: model, data: &data, anchor: None, settings, steps, seed, output, scratch };
        let metrics = EmbeddedTrainer::new(chat).train(&job, &mut |progress| {
            let (done, tokens, loss) = (progress.step, progress.tokens, Some(progress.loss));
            observer.observe(&Event::StageProgress { done, tokens, loss })
        })?;
        TrainedProblems::of_checkpoint(model)?.write(output)?;
        Ok::<_, Error>(metrics)
    })?;
    workplace.clear()?;
    let (tokens, seconds) = (metrics.tokens, began.elapsed().as_secs_f64());
    let finished = Event::StageFinished { method, iteration: 0, stage: Stage::FineTuning, tokens, seconds, reused: false };
    // The work is done, so there is nothing left to cancel.
    let _ = observer.observe(&finished);
    Ok(metrics)
}

fn refuse_existing(output: &Path) -> Result<()> {
    if output.exists() {
        return Err(Error::Corrupt { path: output.to_owned(), message: "exists already; choose another place or remove it".into() });
    }
    Ok(())
}

/// What identifies a training, so that the state of another one is not taken up.
fn fingerprint(model: &Path, data: &Path, settings: &TrainingConfig, chat: bool, seed: u64) -> Result<String> {
    let weights = weights_sha256(model).during("fine-tuning")?;
    let data = sha256_hex(&fs::read_to_string(data)?);
    let mut fingerprint = sha256_hex(format!("{weights} {data} {settings:?} {chat} {seed}"));
    fingerprint.truncate(12);
    Ok(fingerprint)
}
