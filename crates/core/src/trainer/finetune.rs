//! Plain supervised fine-tuning on rows of prompts and completions, outside of any loop.

mod rows;

use crate::config::TrainingConfig;
use crate::error::{EngineContext, Error, OrCancelled, Result, with_causes};
use crate::event::{Event, Observer, Stage};
use crate::external::data_source::DataSource;
use crate::metrics::TrainingMetrics;
use crate::policy::prompting::Prompting;
use crate::selection::{TrainedProblems, TrainingData};
use crate::trainer::embedded::EmbeddedTrainer;
use crate::trainer::{Trainer, TrainingJob, Workplace};
use crate::types::{Example, Mode, ProblemId};
use rows::{Lesson, Prompt};
use serde_json::{Map, Value};
use starloop_data::{At, Row, RowPlace};
use starloop_lm::checkpoint::weights_sha256;
use starloop_lm::model::PromptEncoder;
use starloop_record::atomic::create_directory;
use starloop_record::digest::{file_sha256, sha256_hex};
use std::path::Path;
use std::time::Instant;

/// Reads the rows of `data` in one of the shapes of `finetune/rows.rs`. With `conversations`, the chat template of that encoder renders each
/// prompt, and rows may be conversations.
///
/// # Errors
/// A file cannot be read, a row has none of the shapes, the template refuses a conversation, or there is no row.
pub fn read_examples(data: &DataSource, conversations: Option<&PromptEncoder<'_>>) -> Result<Vec<Example>> {
    read_rows(data, conversations, &mut |_| {})
}

/// As [`read_examples`]; `seen` gets the columns of each row.
fn read_rows(
    data: &DataSource,
    conversations: Option<&PromptEncoder<'_>>,
    seen: &mut dyn FnMut(&Map<String, Value>),
) -> Result<Vec<Example>> {
    let mut rows = data.rows("train")?;
    let mut examples = Vec::new();
    while let Some(row) = rows.next() {
        let row = row?;
        let lessons = rows::lessons(&row.columns, conversations.is_some()).map_err(|problem| rows.fault(&row, problem))?;
        seen(&row.columns);
        let problem = ProblemId(place(data, &row));
        for Lesson { prompt, completion } in lessons {
            let (prompt, completion) = match (prompt, conversations) {
                (Prompt::Text(text), _) => (text, completion),
                (Prompt::Messages(messages), Some(encoder)) => {
                    let prompt = encoder.conversation(&messages).map_err(|error| rows.fault(&row, with_causes(&error)))?;
                    let answer = encoder.answer(messages, &prompt, completion);
                    (prompt, answer)
                }
                (Prompt::Messages(_), None) => unreachable!("only a template makes conversations"),
            };
            examples.push(Example { problem: problem.clone(), mode: Mode::Unhinted, prompt, completion });
        }
    }
    Ok(examples)
}

/// The name of an example for messages: `pairs.jsonl:3`.
fn place(data: &DataSource, row: &Row) -> String {
    match row.place {
        RowPlace { file: None, at: At::Line(line) } => format!("{data}:{line}"),
        ref place => format!("{data}, {place}"),
    }
}

/// Fine-tunes the checkpoint `model` on the rows of `data` into `output`, which must not exist. An interrupted training of the same output
/// is taken up if it was saved (`checkpoint_every`), with the same model, data, settings and seed. With `chat`, prompts are put by the
/// checkpoint's chat template.
///
/// # Errors
/// The data is not as it should be, `output` exists or is being made by another process, or training fails.
pub fn finetune(
    model: &Path,
    data: &DataSource,
    output: &Path,
    settings: &TrainingConfig,
    chat: bool,
    seed: u64,
    observer: &mut dyn Observer,
) -> Result<TrainingMetrics> {
    let encoder = if chat { Some(PromptEncoder::load(model, true).during("fine-tuning")?) } else { None };
    let mut trained = TrainedProblems::of_checkpoint(model)?;
    let examples =
        read_rows(data, encoder.as_ref(), &mut |row| trained.identities.extend(rows::identities(row).map(|each| each.to_string())))?;
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
        let mut trainer = if chat { EmbeddedTrainer::of_conversations() } else { EmbeddedTrainer::new(false) };
        let metrics = trainer.train(&job, &mut |progress| {
            let (done, tokens, loss) = (progress.step, progress.tokens, Some(progress.loss));
            observer.observe(&Event::StageProgress { done, tokens, loss })
        })?;
        trained.write(output)?;
        Prompting { chat, ..Prompting::default() }.write(output)?;
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
        let message = format!("{}: exists already; choose another place or remove it", output.display());
        return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, message).into());
    }
    Ok(())
}

/// The identity of a training, so that the state of another one is not used.
fn fingerprint(model: &Path, data: &DataSource, settings: &TrainingConfig, chat: bool, seed: u64) -> Result<String> {
    let weights = weights_sha256(model).during("fine-tuning")?;
    let files: Vec<String> = data.files("train")?.iter().map(|file| file_sha256(file)).collect::<Result<_, _>>()?;
    let data = if let [only] = files.as_slice() { only.clone() } else { sha256_hex(files.join(" ")) };
    let mut fingerprint = sha256_hex(format!("{weights} {data} {settings:?} {chat} {seed}"));
    fingerprint.truncate(12);
    Ok(fingerprint)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_named_by_their_lines_and_so_are_errors() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("pairs.jsonl");
        let good = r#"{"prompt": "a", "completion": "b"}"#;
        std::fs::write(&path, format!("\u{feff}{good}\r\n\n{good}\n")).unwrap();
        let data = DataSource::from(path.clone());
        let examples = read_examples(&data, None).unwrap();
        assert!(examples[1].problem.0.ends_with("pairs.jsonl:3"), "{:?}", examples[1].problem);
        assert_eq!((examples.len(), examples[0].prompt.as_str(), examples[1].completion.as_str()), (2, "a", "b"));
        std::fs::write(&path, format!("{good}\n{{\"prompt\": \"a\", \"completion\": null}}\n")).unwrap();
        let error = read_examples(&data, None).unwrap_err().to_string();
        assert!(error.ends_with("pairs.jsonl, line 2: `completion` is null, expected a text"), "{error}");
    }
}
