//! Plain supervised fine-tuning on a file of prompts and completions, outside of any loop.

use crate::config::TrainingConfig;
use crate::error::{Error, Result};
use crate::event::{Event, Observer, Stage};
use crate::metrics::TrainingMetrics;
use crate::run_dir::create_directory;
use crate::trainer::embedded::EmbeddedTrainer;
use crate::trainer::{FineTuning, Trainer};
use crate::types::{Example, Mode, ProblemId};
use fs_err as fs;
use serde::Deserialize;
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
/// is taken up.
///
/// # Errors
/// The data is not as it should be, `output` exists, or training fails.
pub fn finetune(
    model: &Path,
    data: &Path,
    output: &Path,
    settings: &TrainingConfig,
    seed: u64,
    observer: &mut dyn Observer,
) -> Result<TrainingMetrics> {
    let examples = read_pairs(data)?;
    if output.exists() {
        return Err(Error::Corrupt { path: output.to_owned(), message: "exists already; choose another --out or remove it".into() });
    }
    let scratch = output.with_extension("training-state");
    let method = "train".to_owned();
    observer.observe(&Event::StageStarted { method: method.clone(), iteration: 0, stage: Stage::FineTuning, total: settings.steps });
    let began = Instant::now();
    let metrics = create_directory(output, |output| {
        let job = FineTuning { start: model, examples: &examples, settings, steps: settings.steps, seed, output, scratch: &scratch };
        EmbeddedTrainer::default().finetune(&job, &mut |progress| {
            let (done, tokens, loss) = (progress.step, progress.tokens, Some(progress.loss));
            observer.observe(&Event::StageProgress { done, tokens, loss });
        })
    })?;
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    let (tokens, seconds) = (metrics.tokens, began.elapsed().as_secs_f64());
    observer.observe(&Event::StageFinished { method, iteration: 0, stage: Stage::FineTuning, tokens, seconds, reused: false });
    Ok(metrics)
}
