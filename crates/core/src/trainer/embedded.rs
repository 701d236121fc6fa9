//! The trainer that works in this process.

use super::{Trainer, TrainingJob, TrainingProgress};
use crate::config::TrainingConfig;
use crate::error::{EngineContext, Error, OrCancelled, Result};
use crate::metrics::TrainingMetrics;
use crate::policy::embedded::{conversation_tokens, prompt_tokens};
use crate::selection::Loss;
use crate::types::{Example, ProblemId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use starloop_lm::files::chat::Chat;
use starloop_lm::files::peft;
use starloop_lm::memory::Held;
use starloop_lm::model::PromptEncoder;
use starloop_lm::score::Tail;
use starloop_lm::train::{Document, PackedEpochs, StepReport, TrainingSession, Unit};
use starloop_lm::{LanguageModel, Tokenizer};
use starloop_record::training_rows::TrainingRows;
use std::ops::ControlFlow;

mod toward;

/// The operation, for errors.
const CONTEXT: &str = "fine-tuning";
/// Bytes of a document's token: its id, and whether it is learned.
const TOKEN_BYTES: usize = size_of::<u32>() + size_of::<bool>();
/// The saved state's file in the scratch directory.
const STATE: &str = "state.safetensors";

/// Fine-tunes with `starloop-lm`.
#[derive(Debug, Default)]
pub struct EmbeddedTrainer {
    form: JobPrompts,
}

/// The form of the prompts of a job.
#[derive(Debug)]
enum JobPrompts {
    /// A text, which is put to the model as [`Chat`] says.
    Asked(Chat),
    /// A conversation as the checkpoint's chat template rendered it.
    Rendered,
}

impl Default for JobPrompts {
    fn default() -> Self {
        JobPrompts::Asked(Chat::default())
    }
}

impl EmbeddedTrainer {
    /// A trainer that with `chat` puts prompts by the checkpoint's chat template.
    pub fn new(chat: impl Into<Chat>) -> Self {
        EmbeddedTrainer { form: JobPrompts::Asked(chat.into()) }
    }

    /// A trainer whose prompts are conversations that the checkpoint's chat template has rendered
    /// ([`PromptEncoder::conversation`]).
    pub fn of_conversations() -> Self {
        EmbeddedTrainer { form: JobPrompts::Rendered }
    }
}

impl Trainer for EmbeddedTrainer {
    fn train(&mut self, job: &TrainingJob<'_>, progress: &mut dyn FnMut(TrainingProgress) -> ControlFlow<()>) -> Result<TrainingMetrics> {
        let (metrics, used) = match (job.data.rows(), job.data.loss()) {
            (TrainingRows::Completions(examples), _) => {
                let model = load(job).during(CONTEXT)?;
                let documents = documents(&model, &self.form, examples, job.settings)?;
                let used = documents.len();
                (run(job, model, documents, TrainingSession::step, progress)?, used)
            }
            (TrainingRows::Preferences(pairs), Loss::Preference { beta }) => toward::preferences(job, pairs, beta, &self.form, progress)?,
            (TrainingRows::Rewards(samples), Loss::PolicyGradient { loss, .. }) => {
                toward::rewards(job, samples, loss, &self.form, progress)?
            }
            (_, loss) => return Err(Error::ObjectiveNotSupported { objective: loss.name() }),
        };
        Ok(TrainingMetrics { dropped_too_long: (job.data.rows().len() - used) as u64, ..metrics })
    }

    fn learning_rate(&self, settings: &TrainingConfig, steps: u64, step: u64) -> Option<f64> {
        Some(settings.learning_rate(steps).at(step))
    }
}

/// Trains `model` with `step` on batches of `units` and writes it, from the saved state if there is one.
fn run<U: Unit>(
    job: &TrainingJob<'_>,
    model: LanguageModel,
    units: Vec<U>,
    mut step: impl FnMut(&mut TrainingSession, &[U]) -> starloop_lm::Result<StepReport>,
    progress: &mut dyn FnMut(TrainingProgress) -> ControlFlow<()>,
) -> Result<TrainingMetrics> {
    let settings = job.settings;
    let _held = Held::new(job.data.rows().memory_bytes() + units.iter().map(|unit| unit.token_count() * TOKEN_BYTES).sum::<usize>());
    let mut epochs = PackedEpochs::new(units, settings.batch_size, settings.sequence_length, job.seed).during(CONTEXT)?;
    let mut session = TrainingSession::new(model, settings.hyperparameters(job.steps, job.seed)).during(CONTEXT)?;
    let mut tally = resume(&mut session, job)?;
    for (done, &(tokens, loss)) in tally.reported.iter().enumerate() {
        progress(TrainingProgress { step: done as u64 + 1, tokens, loss }).or_cancelled()?;
    }
    while session.steps_done() < job.steps {
        let batch = epochs.batch(session.steps_done() + 1);
        let report = step(&mut session, &batch).during(CONTEXT)?;
        let step = session.steps_done();
        tally.add(step, job.steps, &report);
        let flow = progress(TrainingProgress { step, tokens: tally.tokens, loss: report.loss });
        if step.is_multiple_of(settings.checkpoint_every) && step < job.steps {
            starloop_record::atomic::make_directory(job.scratch)?;
            session.save_state(&job.scratch.join(STATE), &tally.to_note()).during(CONTEXT)?;
        }
        flow.or_cancelled()?;
    }
    save(&session.into_model(), job).during(CONTEXT)?;
    Ok(tally.metrics(job.steps))
}

/// The model to train: whole, or frozen with adapters, those that it has already or fresh ones.
fn load(job: &TrainingJob<'_>) -> starloop_lm::Result<LanguageModel> {
    let Some(lora) = &job.settings.lora else { return LanguageModel::load_to_train(job.base) };
    let model = LanguageModel::load(job.base)?;
    if model.spec().adapters.is_some() {
        return Ok(model);
    }
    if peft::is_adapter(job.base) {
        let problem = "an adapter with use_dora or whole modules cannot be trained further; merge it first (starloop model convert)".into();
        return Err(starloop_lm::Error::Weights { path: job.base.to_owned(), problem });
    }
    model.with_fresh_adapters(lora, job.seed)
}

/// Writes a checkpoint, or an adapter for the base that it was trained on.
fn save(model: &LanguageModel, job: &TrainingJob<'_>) -> starloop_lm::Result<()> {
    if model.spec().adapters.is_none() {
        return model.save(job.output).map(drop);
    }
    let base = if peft::is_adapter(job.base) { peft::base_of(job.base)? } else { job.base.to_owned() };
    model.save_adapter(job.output, &base).map(drop)
}

/// Counts over the steps, which are saved with a training's state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Tally {
    tokens: u64,
    target_tokens: u64,
    /// Loss, summed over the target tokens of the last tenth of the steps, and those tokens.
    late_loss: f64,
    late_target_tokens: u64,
    /// Tokens so far and loss of each step, which are reported again when the training is resumed.
    #[serde(default)]
    reported: Vec<(u64, f64)>,
}

impl Tally {
    /// Adds step `step` (from 1) of `steps`.
    fn add(&mut self, step: u64, steps: u64, report: &StepReport) {
        self.tokens += report.tokens as u64;
        self.target_tokens += report.target_tokens as u64;
        self.reported.push((self.tokens, report.loss));
        if step > steps - steps.div_ceil(10) {
            self.late_loss += report.loss * report.target_tokens as f64;
            self.late_target_tokens += report.target_tokens as u64;
        }
    }

    fn metrics(&self, steps: u64) -> TrainingMetrics {
        let final_loss = self.late_loss / self.late_target_tokens as f64;
        TrainingMetrics { steps, tokens: self.tokens, target_tokens: self.target_tokens, final_loss, dropped_too_long: 0 }
    }

    fn to_note(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(note)) => note,
            _ => Map::new(),
        }
    }
}

/// Takes up a training that was interrupted, if there is one.
fn resume(session: &mut TrainingSession, job: &TrainingJob<'_>) -> Result<Tally> {
    let state = job.scratch.join(STATE);
    if !state.exists() {
        return Ok(Tally::default());
    }
    let note = session.load_state(&state).during(CONTEXT)?;
    serde_json::from_value(Value::Object(note)).map_err(|source| Error::Json { path: state, source })
}

/// Prompt, completion and end token of every example that fits; loss on completion and end token, by token position (not after a separator,
/// which completions may hold).
fn documents(model: &LanguageModel, form: &JobPrompts, examples: &[Example], settings: &TrainingConfig) -> Result<Vec<Document>> {
    let encoder = Encoder::new(model, form, settings)?;
    let document = |example: &Example| {
        let tail = encoder.tail(&example.problem, &example.prompt, &example.completion, true)?;
        Ok(tail.map(|tail| Document::completion(&tail.tokens[..tail.from], &tail.tokens[tail.from..])))
    };
    examples.iter().filter_map(|example| document(example).transpose()).collect()
}

/// Prompts and completions into tokens, as training sees them.
struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    prompts: PromptEncoder<'a>,
    form: &'a JobPrompts,
    settings: &'a TrainingConfig,
}

impl<'a> Encoder<'a> {
    fn new(model: &'a LanguageModel, form: &'a JobPrompts, settings: &'a TrainingConfig) -> Result<Self> {
        let chat = match form {
            JobPrompts::Asked(chat) => chat.clone(),
            JobPrompts::Rendered => true.into(),
        };
        Ok(Encoder { tokenizer: model.tokenizer(), prompts: model.prompt_encoder(chat).during(CONTEXT)?, form, settings })
    }

    /// Prompt and completion, with `ended` also the end token; nothing where they are too long and the settings say to leave such out.
    fn tail(&self, problem: &ProblemId, prompt: &str, completion: &str, ended: bool) -> Result<Option<Tail>> {
        let mut tokens = match self.form {
            JobPrompts::Asked(_) => prompt_tokens(&self.prompts, prompt),
            JobPrompts::Rendered => conversation_tokens(self.tokenizer, prompt),
        }
        .during(CONTEXT)?;
        let from = tokens.len();
        tokens.extend(self.tokenizer.encode(completion, false).during(CONTEXT)?);
        if ended {
            tokens.push(self.prompts.end_token());
        }
        let (limit, length) = (self.settings.sequence_length, tokens.len());
        if length <= limit {
            return Ok(Some(Tail { tokens, from }));
        }
        let too_long = Error::ExampleTooLong { problem: problem.to_string(), tokens: length, limit };
        if self.settings.drop_too_long { Ok(None) } else { Err(too_long) }
    }
}
