//! Training a base model from scratch: the stand-in for the paper's pretrained GPT-J on a machine that has none.
//!
//! The corpus is drawn as it is trained on, batch after batch from the recipe's seed, so that a recipe decides every bit of the
//! checkpoint. Beside the weights stands `pretrain.json`, which says which recipe made them and how to check that.

use crate::config::PretrainConfig;
use crate::error::{Error, Result};
use crate::event::{Event, Observer, Stage};
use crate::run_dir::create_directory;
use crate::task::arithmetic::corpus::{document, token_count};
use crate::task::arithmetic::vocabulary;
use crate::trainer::hyperparameters;
use fs_err as fs;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use starloop_lm::LanguageModel;
use starloop_lm::checkpoint::sha256;
use starloop_lm::initialize::{Initialization, initialize};
use starloop_lm::train::{Document, TrainingSession};
use std::path::Path;
use std::time::Instant;

/// The log beside the weights.
pub const LOG: &str = "pretrain.json";
/// Steps whose exact losses the log holds, so that the beginning of a recipe can be replayed and compared bit for bit.
pub const REPLAYED_STEPS: usize = 5;
/// Steps between two entries of the loss curve.
const CURVE_EVERY: u64 = 50;
/// A row is full when less than this is left: the shortest examples have about this many tokens.
const SHORTEST_DOCUMENT: usize = 24;

/// What made a base model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PretrainLog {
    /// The recipe with all its defaults.
    pub recipe: PretrainConfig,
    /// What identifies the recipe.
    pub recipe_sha256: String,
    /// The SHA-256 of model.safetensors.
    pub weights_sha256: String,
    /// Weights of the model.
    pub parameters: usize,
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
        serde_json::from_str(&text).map_err(|error| Error::Corrupt { path, message: error.to_string() })
    }
}

/// Trains the recipe's model into `output`, and returns its log. A model of the same recipe that is there already is kept; an
/// interrupted training is taken up where it was last saved.
///
/// # Errors
/// `output` holds something else, or training fails.
pub fn pretrain(config: &PretrainConfig, output: &Path, observer: &mut dyn Observer) -> Result<PretrainLog> {
    if output.exists() {
        if !output.join(LOG).exists() {
            let message = format!("exists and holds no base model (no {LOG}); choose another --out");
            return Err(Error::Corrupt { path: output.to_owned(), message });
        }
        let log = PretrainLog::read(output)?;
        if log.recipe_sha256 == config.sha256() {
            return Ok(log);
        }
        let message = format!("holds a model of another recipe ({}); choose another --out", log.recipe.name);
        return Err(Error::Corrupt { path: output.to_owned(), message });
    }
    let parent = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let state = parent.join(format!("{}-{}.state", config.name, &config.sha256()[..12]));
    let mut run = Pretraining::start(config)?;
    if state.exists() {
        run.resume(&state)?;
    }
    let started = Instant::now();
    let named = |stage| Event::StageStarted { method: config.name.clone(), iteration: 0, stage, total: config.training.steps };
    observer.observe(&named(Stage::Pretraining));
    while run.session.steps_done() < config.training.steps {
        let (step, loss) = run.step(config)?;
        observer.observe(&Event::StageProgress { done: step, tokens: run.log.tokens, loss: Some(loss) });
        if step.is_multiple_of(config.training.checkpoint_every) && step < config.training.steps {
            run.session.save_state(&state, &note(&run.log)).map_err(|error| failed(&error))?;
        }
    }
    let log = run.finish(config, output)?;
    if state.exists() {
        fs::remove_file(&state)?;
    }
    let (method, seconds) = (config.name.clone(), started.elapsed().as_secs_f64());
    observer.observe(&Event::StageFinished { method, iteration: 0, stage: Stage::Pretraining, tokens: log.tokens, seconds, reused: false });
    Ok(log)
}

/// A training from scratch under way.
struct Pretraining {
    session: TrainingSession,
    log: PretrainLog,
}

impl Pretraining {
    fn start(config: &PretrainConfig) -> Result<Self> {
        let companions = vocabulary::FILES.iter().map(|(name, content)| ((*name).to_owned(), content.as_bytes().to_vec())).collect();
        let scale = Initialization { embedding_std: config.model.embedding_std as f32, linear_gain: config.model.linear_gain as f32 };
        let fresh = initialize(model_config(config), companions, scale, config.seed).map_err(|error| failed(&error))?;
        let model = LanguageModel::from_checkpoint(fresh).map_err(|error| failed(&error))?;
        let log = PretrainLog {
            recipe: config.clone(),
            recipe_sha256: config.sha256(),
            weights_sha256: String::new(),
            parameters: model.spec().parameter_count(),
            tokens: 0,
            first_losses: Vec::new(),
            curve: Vec::new(),
        };
        Ok(Pretraining { session: TrainingSession::new(model, hyperparameters(&config.training, config.training.steps)), log })
    }

    fn resume(&mut self, state: &Path) -> Result<()> {
        let note = self.session.load_state(state).map_err(|error| failed(&error))?;
        let log = note.get("log").cloned().unwrap_or_default();
        self.log = serde_json::from_value(log).map_err(|error| Error::Corrupt { path: state.to_owned(), message: error.to_string() })?;
        Ok(())
    }

    /// One step; returns its number and loss.
    fn step(&mut self, config: &PretrainConfig) -> Result<(u64, f64)> {
        let batch = batch(config, self.session.model(), self.session.steps_done() + 1)?;
        let report = self.session.step(&batch).map_err(|error| failed(&error))?;
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

    fn finish(mut self, config: &PretrainConfig, output: &Path) -> Result<PretrainLog> {
        create_directory(output, |directory| {
            let model = self.session.into_model();
            self.log.weights_sha256 = model.save(directory).map_err(|error| failed(&error))?;
            let text = serde_json::to_string_pretty(&self.log).map_err(std::io::Error::from)?;
            fs::write(directory.join(LOG), text)?;
            fs::write(directory.join("recipe.toml"), config.to_toml())?;
            Ok::<_, Error>(())
        })?;
        Ok(self.log)
    }
}

/// The exact losses of a recipe's first steps, computed anew.
///
/// # Errors
/// As [`pretrain`].
pub fn replay(config: &PretrainConfig, steps: usize) -> Result<Vec<f64>> {
    let mut run = Pretraining::start(config)?;
    (0..steps).map(|_| Ok(run.step(config)?.1)).collect()
}

fn note(log: &PretrainLog) -> Map<String, serde_json::Value> {
    Map::from_iter([("log".to_owned(), json!(log))])
}

/// The documents of step `step`: rows filled with documents of the corpus, each with its end token, learned whole.
fn batch(config: &PretrainConfig, model: &LanguageModel, step: u64) -> Result<Vec<Document>> {
    let mut generator = ChaCha8Rng::seed_from_u64(config.seed);
    generator.set_stream(step);
    let mut texts = Vec::new();
    for _ in 0..config.training.batch_size {
        let mut room = config.training.sequence_length;
        while room > SHORTEST_DOCUMENT {
            let text = document(&config.corpus, &mut generator, room - 1);
            let tokens = token_count(&text) + 1;
            if tokens > room {
                break;
            }
            room -= tokens;
            texts.push(text);
        }
    }
    let tokenizer = model.tokenizer();
    let tokenized = |text: &String| {
        let mut tokens = tokenizer.encode(text, true).map_err(|error| failed(&error))?;
        tokens.extend(tokenizer.end_tokens().first());
        Ok(Document::whole(tokens))
    };
    texts.iter().map(tokenized).collect()
}

fn model_config(config: &PretrainConfig) -> serde_json::Value {
    let shape = &config.model;
    json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocabulary::WORDS.len(),
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
        "eos_token_id": vocabulary::END_OF_TEXT_ID,
        "pad_token_id": vocabulary::END_OF_TEXT_ID,
        "torch_dtype": "float32",
    })
}

fn failed(error: &starloop_lm::Error) -> Error {
    Error::Engine { context: "pretraining".to_owned(), message: error.to_string() }
}

/// Checks that a checkpoint's weights are those that its log records.
///
/// # Errors
/// The log or the weights cannot be read, or they do not belong together.
pub fn verify_weights(weights: &[u8], log: &PretrainLog) -> Result<()> {
    let found = sha256(weights);
    if found == log.weights_sha256 {
        return Ok(());
    }
    Err(Error::Engine {
        context: "checking a base model".into(),
        message: format!("weights have SHA-256 {found}, the log says {}", log.weights_sha256),
    })
}
