//! Plain supervised fine-tuning on a file of prompts and completions, outside of any loop.

mod rows;

use crate::config::TrainingConfig;
use crate::error::{EngineContext, Error, OrCancelled, Result};
use crate::event::{Event, Observer, Stage};
use crate::metrics::TrainingMetrics;
use crate::selection::{TrainedProblems, TrainingData};
use crate::trainer::embedded::EmbeddedTrainer;
use crate::trainer::{Trainer, TrainingJob, Workplace};
use crate::types::{Example, Mode, ProblemId};
use fs_err as fs;
use starloop_lm::checkpoint::weights_sha256;
use starloop_record::atomic::create_directory;
use starloop_record::digest::sha256_hex;
use std::path::Path;
use std::time::Instant;

/// Reads rows of prompt and completion in one of the shapes of `finetune/rows.rs`. Empty lines are skipped. With `chat`, rows may be
/// conversations.
///
/// # Errors
/// The file cannot be read, a line is not such a row, or there is none.
pub fn read_pairs(path: &Path, chat: bool) -> Result<Vec<Example>> {
    let corrupt = |message: String| Error::Corrupt { path: path.to_owned(), message };
    let mut examples = Vec::new();
    let text = fs::read_to_string(path)?;
    // Some editors begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let pair = rows::pair(line, chat).map_err(|message| corrupt(format!("line {}: {message}", number + 1)))?;
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
    let examples = read_pairs(data, chat)?;
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

/// The identity of a training, so that the state of another one is not used.
fn fingerprint(model: &Path, data: &Path, settings: &TrainingConfig, chat: bool, seed: u64) -> Result<String> {
    let weights = weights_sha256(model).during("fine-tuning")?;
    let data = sha256_hex(&fs::read_to_string(data)?);
    let mut fingerprint = sha256_hex(format!("{weights} {data} {settings:?} {chat} {seed}"));
    fingerprint.truncate(12);
    Ok(fingerprint)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_byte_order_mark_is_read_and_an_error_names_its_line() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("pairs.jsonl");
        let good = r#"{"prompt": "a", "completion": "b"}"#;
        std::fs::write(&path, format!("\u{feff}{good}\r\n\n{good}\n")).unwrap();
        let examples = read_pairs(&path, false).unwrap();
        assert_eq!((examples.len(), examples[0].prompt.as_str(), examples[1].completion.as_str()), (2, "a", "b"));
        std::fs::write(&path, format!("{good}\n{{\"prompt\": \"a\", \"completion\": null}}\n")).unwrap();
        let error = read_pairs(&path, false).unwrap_err().to_string();
        assert!(error.ends_with("pairs.jsonl: line 2: `completion` is null, expected a text"), "{error}");
    }
}
