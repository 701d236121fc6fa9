//! Training a base model from scratch: a stand-in for the paper's pretrained GPT-J on a machine that has none.
//!
//! The arithmetic corpus is drawn as it is trained on, batch after batch from the recipe's seed; a text is read from files, its tokenizer is
//! made from it, and its documents are packed epoch after epoch. Either way recipe and files decide every bit of the checkpoint. Beside the
//! weights stands `pretrain.json`, which says what made them and how to check that.

use crate::error::{EngineContext, Error, OrCancelled, Result};
use crate::event::{Event, Observer, Stage};
use crate::trainer::Workplace;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use starloop_lm::checkpoint::sha256;
use starloop_lm::initialize::{Initialization, initialize};
use starloop_lm::train::TrainingSession;
use starloop_lm::{LanguageModel, Tokenizer};
use starloop_record::atomic::{self, create_directory};
use std::path::Path;
use std::time::Instant;

mod batches;
mod config;
mod corpus;
mod recipe;
mod text;

pub use batches::TextLog;
pub use config::{ModelShape, PretrainConfig};
pub use corpus::{Corpus, DocumentUnit, TextCorpus, TextFile, TextKind, TokenizerConfig, TokenizerKind};
pub use recipe::Recipe;
pub use text::ReadFile;

use batches::Batches;

/// The log beside the weights.
pub const LOG: &str = "pretrain.json";
/// Steps whose exact losses the log holds, so that the beginning of a recipe can be replayed and compared bit for bit.
pub const REPLAYED_STEPS: usize = 5;
/// Steps between two entries of the loss curve.
const CURVE_EVERY: u64 = 50;
/// The operation, for errors.
const CONTEXT: &str = "pretraining";
/// The saved state's file.
const STATE: &str = "state.safetensors";

/// The origin of a base model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PretrainLog {
    /// The recipe with all its defaults.
    pub recipe: PretrainConfig,
    /// The identity of the recipe.
    pub recipe_sha256: String,
    /// The SHA-256 of model.safetensors.
    pub weights_sha256: String,
    /// Weights of the model.
    pub parameters: usize,
    /// The size of the corpus, if it was read from files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextLog>,
    /// Tokens that were trained on.
    pub tokens: u64,
    /// The exact losses of the first steps (natural logarithm, per token).
    pub first_losses: Vec<f64>,
    /// Step and loss, every so often.
    pub curve: Vec<(u64, f64)>,
}

impl PretrainLog {
    /// Reads the log of a checkpoint directory.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn read(checkpoint: &Path) -> Result<Self> {
        let path = checkpoint.join(LOG);
        let text = fs::read_to_string(&path)?;
        serde_json::from_str(&text).map_err(|source| Error::Json { path, source })
    }
}

/// Trains the recipe's model into `output`, and returns its log. A model of the same recipe that is there already is kept; an
/// interrupted training is taken up where it was last saved.
///
/// # Errors
/// `output` holds something else or is being made by another process, or training fails.
pub fn pretrain(recipe: &Recipe, output: &Path, observer: &mut dyn Observer) -> Result<PretrainLog> {
    if let Some(log) = finished(recipe, output)? {
        return Ok(log);
    }
    let workplace = Workplace::take(output, &recipe.sha256()[..12])?;
    // Another process may have made it until it let go of the workplace.
    if let Some(log) = finished(recipe, output)? {
        workplace.clear()?;
        return Ok(log);
    }
    let PretrainConfig { name, training, .. } = &recipe.config;
    let mut run = Pretraining::start(recipe)?;
    run.warnings().into_iter().try_for_each(|message| observer.observe(&Event::Warning { message }).or_cancelled())?;
    let state = workplace.scratch.join(STATE);
    if state.exists() {
        run.resume(&state)?;
    }
    let started = Instant::now();
    let total = training.steps;
    observer.observe(&Event::StageStarted { method: name.clone(), iteration: 0, stage: Stage::Pretraining, total }).or_cancelled()?;
    while run.session.steps_done() < training.steps {
        let (step, loss) = run.step()?;
        let flow = observer.observe(&Event::StageProgress { done: step, tokens: run.log.tokens, loss: Some(loss) });
        if step.is_multiple_of(training.checkpoint_every) && step < training.steps {
            atomic::make_directory(&workplace.scratch)?;
            run.session.save_state(&state, &note(&run.log)).during(CONTEXT)?;
        }
        flow.or_cancelled()?;
    }
    let log = run.finish(output)?;
    workplace.clear()?;
    let (method, seconds) = (name.clone(), started.elapsed().as_secs_f64());
    let (stage, tokens) = (Stage::Pretraining, log.tokens);
    // The work is done, so there is nothing left to cancel.
    let _ = observer.observe(&Event::StageFinished { method, iteration: 0, stage, tokens, seconds, reused: false });
    Ok(log)
}

/// The log of the recipe's model in `output`, or nothing where there is nothing.
fn finished(recipe: &Recipe, output: &Path) -> Result<Option<PretrainLog>> {
    let refuse = |message: String| Err(Error::Corrupt { path: output.to_owned(), message: format!("{message}; choose another place") });
    if !output.exists() {
        return Ok(None);
    }
    if !output.join(LOG).exists() {
        return refuse(format!("exists and holds no base model (no {LOG})"));
    }
    let log = PretrainLog::read(output)?;
    if log.recipe_sha256 == recipe.sha256() {
        return Ok(Some(log));
    }
    let (Some(then), true) = (&log.text, log.recipe == recipe.config) else {
        return refuse(format!("holds a model of another recipe ({})", log.recipe.name));
    };
    let changed = recipe.files().iter().zip(&then.files).filter(|(now, then)| now.sha256 != then.sha256);
    let changed: Vec<String> = changed.map(|(now, _)| now.path.display().to_string()).collect();
    refuse(format!("holds a model of this recipe, but {} has changed since", changed.join(", ")))
}

/// A training from scratch under way.
struct Pretraining {
    session: TrainingSession,
    batches: Batches,
    log: PretrainLog,
}

impl Pretraining {
    fn start(recipe: &Recipe) -> Result<Self> {
        let config = &recipe.config;
        let companions = recipe.tokenizer_files()?;
        let tokenizer = Tokenizer::from_files(&companions, &serde_json::Value::Null).during(CONTEXT)?;
        let (batches, text) = recipe.batches(&tokenizer)?;
        let scale = Initialization { embedding_std: config.model.embedding_std, linear_gain: config.model.linear_gain };
        let fresh = initialize(model_config(config, &tokenizer), companions, scale, config.seed).during(CONTEXT)?;
        let model = LanguageModel::from_checkpoint(fresh).during(CONTEXT)?;
        let log = PretrainLog {
            recipe: config.clone(),
            recipe_sha256: recipe.sha256().to_owned(),
            weights_sha256: String::new(),
            parameters: model.spec().parameter_count(),
            text,
            tokens: 0,
            first_losses: Vec::new(),
            curve: Vec::new(),
        };
        let session = TrainingSession::new(model, config.training.hyperparameters(config.training.steps, 0)).during(CONTEXT)?;
        Ok(Pretraining { session, batches, log })
    }

    /// The requests of the recipe that the text cannot fulfil.
    fn warnings(&self) -> Vec<String> {
        let PretrainLog { recipe, text: Some(text), .. } = &self.log else { return Vec::new() };
        let mut warnings = Vec::new();
        if text.documents_cut > 0 {
            let (all, longest) = (text.files.iter().map(|file| file.documents).sum::<usize>(), recipe.training.sequence_length);
            let cut = text.documents_cut;
            warnings
                .push(format!("{cut} of {all} documents are longer than training.sequence_length = {longest} and are learned in pieces"));
        }
        let found = self.session.model().tokenizer().vocabulary();
        if let Some(wanted) = recipe.tokenizer.as_ref().map(|tokenizer| tokenizer.vocabulary).filter(|wanted| *wanted > found) {
            warnings.push(format!("the text gives {found} tokens, fewer than tokenizer.vocabulary = {wanted}; the model has {found}"));
        }
        warnings
    }

    fn resume(&mut self, state: &Path) -> Result<()> {
        let note = self.session.load_state(state).during(CONTEXT)?;
        let log = note.get("log").cloned().unwrap_or_default();
        self.log = serde_json::from_value(log).map_err(|source| Error::Json { path: state.to_owned(), source })?;
        Ok(())
    }

    /// One step; returns its number and loss.
    fn step(&mut self) -> Result<(u64, f64)> {
        let batch = self.batches.batch(self.session.steps_done() + 1, self.session.model().tokenizer())?;
        let report = self.session.step(&batch).during(CONTEXT)?;
        let step = self.session.steps_done();
        self.log.tokens += report.tokens as u64;
        if self.log.first_losses.len() < REPLAYED_STEPS {
            self.log.first_losses.push(report.loss);
        }
        if step.is_multiple_of(CURVE_EVERY) {
            self.log.curve.push((step, report.loss));
        }
        Ok((step, report.loss))
    }

    fn finish(mut self, output: &Path) -> Result<PretrainLog> {
        create_directory(output, |directory| {
            let model = self.session.into_model();
            self.log.weights_sha256 = model.save(directory).during(CONTEXT)?;
            let text = serde_json::to_string_pretty(&self.log).map_err(std::io::Error::from)?;
            atomic::write(&directory.join(LOG), text.as_bytes())?;
            atomic::write(&directory.join("recipe.toml"), self.log.recipe.to_toml().as_bytes())?;
            Ok::<_, Error>(())
        })?;
        Ok(self.log)
    }
}

/// The exact losses of a recipe's first steps, computed anew.
///
/// # Errors
/// As [`pretrain`].
pub fn replay(recipe: &Recipe, steps: usize) -> Result<Vec<f64>> {
    let mut run = Pretraining::start(recipe)?;
    (0..steps).map(|_| Ok(run.step()?.1)).collect()
}

fn note(log: &PretrainLog) -> Map<String, serde_json::Value> {
    Map::from_iter([("log".to_owned(), json!(log))])
}

fn model_config(config: &PretrainConfig, tokenizer: &Tokenizer) -> serde_json::Value {
    let shape = &config.model;
    let end_of_text = tokenizer.end_of_text();
    json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": tokenizer.vocabulary(),
        "hidden_size": shape.hidden_size,
        "num_hidden_layers": shape.num_hidden_layers,
        "num_attention_heads": shape.num_attention_heads,
        "num_key_value_heads": shape.num_attention_heads,
        "head_dim": shape.hidden_size / shape.num_attention_heads,
        "intermediate_size": shape.intermediate_size,
        "max_position_embeddings": shape.max_position_embeddings,
        "hidden_act": "silu",
        "rms_norm_eps": shape.rms_norm_eps,
        "rope_theta": shape.rope_theta,
        "attention_bias": false,
        "mlp_bias": false,
        "tie_word_embeddings": true,
        "bos_token_id": null,
        "eos_token_id": end_of_text,
        "pad_token_id": end_of_text,
        "torch_dtype": "float32",
    })
}

/// Checks that a checkpoint's weights are those that its log records.
///
/// # Errors
/// The log or the weights cannot be read, or they do not belong together.
pub fn verify_weights(weights: &[u8], log: &PretrainLog) -> Result<()> {
    let found = sha256(weights);
    if found == log.weights_sha256 { Ok(()) } else { Err(Error::WeightsChanged { found, expected: log.weights_sha256.clone() }) }
}
