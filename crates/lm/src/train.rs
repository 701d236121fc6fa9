//! Training: packed documents, the loss over a whole batch, AdamW.
//!
//! The documents of a batch are packed end to end, without attention between them. The loss is divided by the target tokens of the whole batch,
//! also where the batch goes through the model in several parts. The result is a function of the starting weights, the documents and the
//! settings. It does not depend on the number of threads.
//!
//! ```
//! use starloop_lm::LanguageModel;
//! use starloop_lm::train::{Document, Hyperparameters, LearningRate, PackedEpochs, TrainingSession};
//! use std::ops::ControlFlow;
//! use std::path::Path;
//!
//! let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/models/arithmetic");
//! let model = LanguageModel::load_to_train(&directory)?;
//! let prompt = model.tokenizer().encode("Input:\n1 + 1\nTarget:\n", true)?;
//! let completion = model.tokenizer().encode("2\n", false)?;
//! let documents = vec![Document::completion(&prompt, &completion)];
//!
//! let hyperparameters = Hyperparameters { learning_rate: LearningRate::constant(1e-3), ..Hyperparameters::default() };
//! let mut session = TrainingSession::new(model, hyperparameters)?;
//! let mut epochs = PackedEpochs::new(documents, 1, 64, 0)?;
//! let mut losses = Vec::new();
//! session.train(&mut epochs, 3, &mut |_step, report| {
//!     losses.push(report.loss);
//!     ControlFlow::Continue(())
//! })?;
//! assert!(losses[2] < losses[0]);
//! # Ok::<(), starloop_lm::Error>(())
//! ```

mod objective;
mod packing;
mod policy_gradient;
mod preference;
mod schedule;

pub use objective::{BatchSize, Objective, Unit, UnitLoss};
pub use packing::PackedEpochs;
pub use policy_gradient::{LengthNormalization, PolicyGradient, Rewarded};
pub use preference::{Pair, Preference};
pub use schedule::{LearningRate, Schedule};

use crate::decoder::{Decoder, Packed, TrainingMemory, downloaded};
use crate::error::{Error, InvalidSetting, Result};
use crate::files::checkpoint::{read_vectors, write_vectors};
use crate::kernels::{AdamWStep, Cpu, Kernels};
use crate::memory::{self, Job, besides, needs};
use crate::model::LanguageModel;
use crate::weights::ParameterSpec;
use serde_json::{Map, json};
use std::ops::ControlFlow;
use std::path::Path;

/// Tokens, and which of them carry loss. The first token has no context, so it never carries loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    tokens: Vec<u32>,
    /// For each token, whether the model learns to predict it. Has the length of `tokens`.
    target: Vec<bool>,
}

impl Document {
    /// A document of which every token is learned.
    pub fn whole(tokens: Vec<u32>) -> Self {
        let target = vec![true; tokens.len()];
        Document { tokens, target }
    }

    /// A prompt that is read only, and a completion that is learned.
    pub fn completion(prompt: &[u32], completion: &[u32]) -> Self {
        let target = (0..prompt.len() + completion.len()).map(|i| i >= prompt.len()).collect();
        Document { tokens: [prompt, completion].concat(), target }
    }

    /// A document with a mask that says for each token whether the model learns to predict it.
    ///
    /// # Errors
    /// [`Error::MaskLength`] if the mask has another length than the tokens.
    pub fn masked(tokens: Vec<u32>, target: Vec<bool>) -> Result<Self> {
        if target.len() == tokens.len() {
            return Ok(Document { tokens, target });
        }
        Err(Error::MaskLength { tokens: tokens.len(), mask: target.len() })
    }

    /// The tokens.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// For each token, whether the model learns to predict it.
    pub fn target(&self) -> &[bool] {
        &self.target
    }

    /// Tokens that carry loss.
    pub fn target_count(&self) -> usize {
        self.target.iter().skip(1).filter(|t| **t).count()
    }
}

impl Packed {
    /// Packs documents end to end.
    pub fn new<'a>(documents: impl IntoIterator<Item = &'a Document>) -> Self {
        let mut packed = Packed { offsets: vec![0], ..Packed::default() };
        for document in documents {
            let start = packed.tokens.len() as u32;
            for (i, token) in document.tokens.iter().enumerate() {
                packed.tokens.push(*token);
                packed.positions.push(i as u32);
                if i > 0 && document.target[i] {
                    packed.rows.push(start + i as u32 - 1);
                    packed.targets.push(*token);
                }
            }
            packed.offsets.push(packed.tokens.len());
        }
        packed
    }
}

/// The settings of a training. The default is AdamW with the constant learning rate 1e-5.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hyperparameters {
    /// The learning rate over the steps.
    pub learning_rate: LearningRate,
    /// The decay rates of AdamW's two moments. At least 0 and less than 1.
    pub betas: [f64; 2],
    /// The term added to AdamW's denominator. Above 0.
    pub epsilon: f64,
    /// Decoupled decay of weight matrices. Norms and biases do not decay. At least 0.
    pub weight_decay: f64,
    /// The gradient's norm is clipped to this. Infinity for no clipping.
    pub max_grad_norm: f64,
    /// Tokens that go through the model at once. The gradients of larger batches are accumulated. At least 1.
    pub micro_batch_tokens: usize,
    /// True if the backward pass computes activations again instead of keeping them: less memory, a third more work, the same result.
    pub recompute_activations: bool,
    /// The seed of the dropout of adapters.
    pub dropout_seed: u64,
}

impl Default for Hyperparameters {
    fn default() -> Self {
        Hyperparameters {
            learning_rate: LearningRate::constant(1e-5),
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
            max_grad_norm: 1.0,
            micro_batch_tokens: 4096,
            recompute_activations: false,
            dropout_seed: 0,
        }
    }
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// The loss before the update: the mean cross-entropy of the target tokens in nats, or the loss of the objective.
    pub loss: f64,
    /// The gradient's norm before clipping.
    pub grad_norm: f64,
    /// The learning rate of the update.
    pub learning_rate: f64,
    /// Tokens that went through the model.
    pub tokens: usize,
    /// Tokens that carried loss.
    pub target_tokens: usize,
}

/// A model in training, with the state of its optimizer.
#[derive(Debug)]
pub struct TrainingSession<K: Kernels = Cpu> {
    model: LanguageModel<K>,
    hyperparameters: Hyperparameters,
    gradients: Vec<K::Buffer>,
    first: Vec<K::Buffer>,
    second: Vec<K::Buffer>,
    memory: TrainingMemory<K>,
    steps_done: u64,
}

/// The fewest tokens to which a budget reduces a micro-batch.
const FEWEST_TOKENS: usize = 16;

/// Refuses values that are not finite numbers above 0 in the `f32` in which training computes.
fn check_positive(key: &'static str, value: f64) -> Result<(), InvalidSetting> {
    let single = value as f32;
    InvalidSetting::unless(single.is_finite() && single > 0.0, key, "a number above 0", value)
}

impl Hyperparameters {
    /// Checks every value. [`TrainingSession::new`] does so first.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check(&self) -> Result<(), InvalidSetting> {
        let Hyperparameters { learning_rate, betas, epsilon, weight_decay, max_grad_norm, micro_batch_tokens, .. } = *self;
        learning_rate.check()?;
        check_positive("epsilon", epsilon)?;
        let is_decay_rate = |beta: f64| (0.0..1.0).contains(&(beta as f32));
        InvalidSetting::unless(betas.into_iter().all(is_decay_rate), "betas", "in 0..1, 1 excluded", betas)?;
        let decay = weight_decay as f32;
        InvalidSetting::unless(decay.is_finite() && decay >= 0.0, "weight_decay", "0 or more", weight_decay)?;
        InvalidSetting::unless(max_grad_norm as f32 > 0.0, "max_grad_norm", "a number above 0", max_grad_norm)?;
        InvalidSetting::unless(micro_batch_tokens > 0, "micro_batch_tokens", "at least 1", micro_batch_tokens)
    }

    /// The same settings with a micro-batch of as many tokens, at most `micro_batch_tokens`, as keep training within `budget` bytes, weights
    /// included.
    ///
    /// # Errors
    /// The budget is too small for a micro-batch of a few tokens.
    pub fn within<K: Kernels>(self, budget: usize, decoder: &Decoder<K>) -> Result<Self> {
        let mut tokens = self.micro_batch_tokens;
        while tokens > FEWEST_TOKENS && self.needs(tokens, decoder) > budget {
            tokens = (tokens / 2).max(FEWEST_TOKENS);
        }
        self.check_budget(budget, "training", tokens, decoder)?;
        Ok(Hyperparameters { micro_batch_tokens: tokens, ..self })
    }

    /// Bytes of a training with a micro-batch of `tokens` tokens.
    fn needs<K: Kernels>(&self, tokens: usize, decoder: &Decoder<K>) -> usize {
        let job = Job::Training { tokens, recompute: self.recompute_activations };
        needs(decoder.spec(), job, decoder.matrix_width()).total() + besides()
    }

    fn check_budget<K: Kernels>(&self, budget: usize, what: &'static str, tokens: usize, decoder: &Decoder<K>) -> Result<()> {
        let needed = self.needs(tokens, decoder);
        if needed <= budget {
            return Ok(());
        }
        let remedy = if self.recompute_activations { "train adapters" } else { "recompute activations, or train adapters" };
        Err(Error::OutOfMemory { what, budget, needed, remedy })
    }
}

impl<K: Kernels> TrainingSession<K> {
    /// Starts a training at step 0, within the process's [budget](memory::budget). A model with adapters trains its adapters only. Any other
    /// model trains all of its weights.
    ///
    /// # Errors
    /// [`Hyperparameters::check`] fails; [`Error::NotTrainable`] if weights to train are stored in 16 bits; [`Error::OutOfMemory`] if the
    /// training does not fit the budget.
    pub fn new(model: LanguageModel<K>, hyperparameters: Hyperparameters) -> Result<Self> {
        hyperparameters.check()?;
        let (frozen, trained) = model.decoder.frozen_of_trained();
        if frozen > 0 {
            return Err(Error::NotTrainable { frozen, trained });
        }
        let hyperparameters = match memory::budget() {
            Some(budget) => hyperparameters.within(budget, &model.decoder)?,
            None => hyperparameters,
        };
        let kernels = model.decoder.kernels();
        let moments = || model.decoder.trained().map(|(_, parameter)| kernels.zeros(kernels.len(parameter))).collect();
        let (gradients, first, second) = (model.decoder.zero_gradients(), moments(), moments());
        let memory = TrainingMemory::new(kernels);
        let memory = if hyperparameters.recompute_activations { memory.with_recomputation() } else { memory };
        Ok(TrainingSession { model, hyperparameters, gradients, first, second, memory, steps_done: 0 })
    }

    /// Updates done so far.
    pub fn steps_done(&self) -> u64 {
        self.steps_done
    }

    /// The model in its current state.
    pub fn model(&self) -> &LanguageModel<K> {
        &self.model
    }

    /// Ends the training and returns the model.
    pub fn into_model(self) -> LanguageModel<K> {
        self.model
    }

    /// Trains on the batches of `epochs` until `steps` steps are done, counted from the start of the training. Calls `progress` after each step
    /// with its number and result.
    ///
    /// # Errors
    /// As [`TrainingSession::step`]. [`Error::Cancelled`] if `progress` returns [`ControlFlow::Break`]; the session is then in the state after
    /// that step, so it can be saved or continued with the same result as without the interruption.
    pub fn train(
        &mut self,
        epochs: &mut PackedEpochs,
        steps: u64,
        progress: &mut dyn FnMut(u64, StepReport) -> ControlFlow<()>,
    ) -> Result<()> {
        while self.steps_done < steps {
            let report = self.step(&epochs.batch(self.steps_done + 1))?;
            if progress(self.steps_done, report).is_break() {
                return Err(Error::Cancelled { work: "training" });
            }
        }
        Ok(())
    }

    /// One update on a batch of documents. A step that fails changes no weight.
    ///
    /// # Errors
    /// A document is longer than the model's context or has a token that is not in the vocabulary; [`Error::NothingToLearn`];
    /// [`Error::Diverged`] if the loss or the gradient is not finite.
    pub fn step(&mut self, documents: &[Document]) -> Result<StepReport> {
        let size = BatchSize::of(documents)?;
        let scale = 1.0 / size.targets as f32;
        let loss = self.accumulate(documents, |decoder, _, packed, memory, gradients| {
            let losses = decoder.losses_and_gradients(packed, scale, memory, gradients);
            Ok(losses.iter().map(|loss| f64::from(*loss)).sum::<f64>())
        })?;
        self.finish_step(loss / size.targets as f64, size)
    }

    /// One update on a batch of units by an objective. The documents of a unit go through the model together.
    ///
    /// # Errors
    /// As [`TrainingSession::step`], or [`Objective::check`] or [`Objective::check_unit`] fails.
    pub fn step_toward<O: Objective>(&mut self, objective: &O, batch: &[O::Unit]) -> Result<StepReport> {
        objective.check()?;
        for (unit, data) in batch.iter().enumerate() {
            objective.check_unit(data).map_err(|problem| Error::InvalidUnit { unit, problem })?;
        }
        let size = BatchSize::of(batch)?;
        let loss = self.accumulate(batch, |decoder, units, packed, memory, gradients| {
            let mut loss = Ok(0.0);
            let grads = |logprobs: &[f32]| match objective::total_loss(objective, units, logprobs, size) {
                Ok((total, grads)) => {
                    loss = Ok(total);
                    grads
                }
                Err(error) => {
                    loss = Err(error);
                    vec![0.0; logprobs.len()]
                }
            };
            decoder.gradients_by_logprobs(packed, grads, memory, gradients);
            loss
        })?;
        self.finish_step(loss, size)
    }

    /// Updates the weights by `self.gradients`.
    fn finish_step(&mut self, loss: f64, size: BatchSize) -> Result<StepReport> {
        let step = self.steps_done + 1;
        let kernels = self.model.decoder.kernels();
        let trained = self.model.decoder.trained().map(|(at, _)| &self.gradients[at]);
        let grad_norm = trained.map(|gradient| kernels.squared_norm(gradient)).sum::<f64>().sqrt();
        for (what, value) in [("the loss", loss), ("the gradient norm", grad_norm)] {
            if !value.is_finite() {
                return Err(Error::Diverged { step, what, value });
            }
        }
        let learning_rate = self.hyperparameters.learning_rate.at(step);
        self.update(step, learning_rate, grad_norm);
        self.steps_done = step;
        Ok(StepReport { loss, grad_norm, learning_rate, tokens: size.tokens, target_tokens: size.targets })
    }

    /// The sum of what `add` returns for each part of a batch that goes through the model at once. `add` adds the gradient of the part to
    /// `self.gradients`, which start at zero.
    fn accumulate<U: Unit>(
        &mut self,
        batch: &[U],
        mut add: impl FnMut(&Decoder<K>, &[U], &Packed, &mut TrainingMemory<K>, &mut [K::Buffer]) -> Result<f64>,
    ) -> Result<f64> {
        self.check_documents(batch)?;
        self.gradients.iter_mut().for_each(|g| self.model.decoder.kernels().clear(g));
        let mut total = 0.0;
        let mut rest = batch;
        while !rest.is_empty() {
            let mut tokens = 0;
            let fits = |unit: &&U| {
                tokens += unit.token_count();
                tokens <= self.hyperparameters.micro_batch_tokens
            };
            let (part, after) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            if let (Some(budget), [alone]) = (memory::budget(), part) {
                let what = "training on the longest of the documents";
                self.hyperparameters.check_budget(budget, what, alone.token_count(), &self.model.decoder)?;
            }
            let first = batch.len() - rest.len();
            let packed = Packed::new(part.iter().flat_map(Unit::documents));
            // Each part of each step has another seed, so that dropout is a function of step, part and place.
            self.memory.set_dropout(Some(self.dropout_seed(first)));
            let added = add(&self.model.decoder, part, &packed, &mut self.memory, &mut self.gradients);
            total += added.map_err(|error| match error {
                Error::InvalidUnit { unit, problem } => Error::InvalidUnit { unit: first + unit, problem },
                other => other,
            })?;
            rest = after;
        }
        Ok(total)
    }

    /// Refuses documents that are longer than the model's context, and tokens that are not in the vocabulary.
    fn check_documents<U: Unit>(&self, batch: &[U]) -> Result<()> {
        let spec = self.model.spec();
        if let Some((document, tokens)) = objective::longer_than(spec.context, batch) {
            return Err(Error::DocumentTooLong { document, tokens, what: "the model's context", limit: spec.context });
        }
        for (index, unit) in batch.iter().enumerate() {
            unit.documents().iter().try_for_each(|document| spec.check_tokens("document", index, document.tokens()))?;
        }
        Ok(())
    }

    /// The dropout seed of the part of this step's batch that begins with unit `first`.
    fn dropout_seed(&self, first: usize) -> u64 {
        let part = (self.steps_done << 20) + first as u64;
        self.hyperparameters.dropout_seed ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// AdamW with the gradient clipped by its norm over all parameters.
    fn update(&mut self, step: u64, learning_rate: f64, grad_norm: f64) {
        let Hyperparameters { betas, epsilon, weight_decay, max_grad_norm, .. } = self.hyperparameters;
        // The kernel computes in `f32`, so the settings are rounded to it here too.
        let [beta1, beta2] = betas.map(|beta| beta as f32);
        let [epsilon, weight_decay, max_grad_norm] = [epsilon, weight_decay, max_grad_norm].map(|setting| setting as f32);
        let correction = |beta: f32| 1.0 - libm::pow(f64::from(beta), step as f64);
        let base = AdamWStep {
            gradient_scale: (f64::from(max_grad_norm) / (grad_norm + 1e-6)).min(1.0) as f32,
            beta1,
            beta2,
            step_size: (learning_rate / correction(beta1)) as f32,
            second_moment_scale: (1.0 / correction(beta2).sqrt()) as f32,
            epsilon,
            decay: 1.0,
        };
        let decayed = (1.0 - learning_rate * f64::from(weight_decay)) as f32;
        let matrices: Vec<bool> = self.model.spec().parameters.iter().map(ParameterSpec::is_matrix).collect();
        let moments = self.first.iter_mut().zip(&mut self.second);
        let kernels = self.model.decoder.kernels().clone();
        for ((at, parameter), (first, second)) in self.model.decoder.trained_mut().zip(moments) {
            let decay = if matrices[at] { decayed } else { 1.0 };
            kernels.adamw(AdamWStep { decay, ..base }, &self.gradients[at], parameter, first, second);
        }
    }

    /// Writes weights, moments and step count to one file. The file appears complete or not at all. [`TrainingSession::load_state`] returns
    /// `note`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save_state(&self, path: &Path, note: &Map<String, serde_json::Value>) -> Result<()> {
        let kernels = self.model.decoder.kernels();
        let mut vectors = Vec::new();
        let trained: Vec<_> = self.model.decoder.trained().map(|(_, parameter)| parameter).collect();
        for (kind, all) in [("parameter", trained), ("first", self.first.iter().collect()), ("second", self.second.iter().collect())] {
            vectors.extend(all.iter().enumerate().map(|(i, buffer)| (format!("{kind}.{i}"), downloaded(kernels, buffer))));
        }
        let mut note = note.clone();
        note.insert("steps_done".into(), json!(self.steps_done));
        write_vectors(path, &vectors, &note)
    }

    /// Continues the training that [`TrainingSession::save_state`] saved, and returns its note. A state that cannot be used changes nothing.
    ///
    /// # Errors
    /// The file cannot be read, or belongs to another model.
    pub fn load_state(&mut self, path: &Path) -> Result<Map<String, serde_json::Value>> {
        let (mut vectors, note) = read_vectors(path)?;
        let error = |problem: String| Error::TrainingState { path: path.into(), problem };
        let steps = note.get("steps_done").and_then(serde_json::Value::as_u64);
        let steps = steps.ok_or_else(|| error("the number of finished steps is missing".into()))?;
        let kernels = self.model.decoder.kernels().clone();
        let trained: Vec<_> = self.model.decoder.trained_mut().map(|(_, parameter)| parameter).collect();
        let mut saved = Vec::new();
        for (kind, all) in
            [("parameter", trained), ("first", self.first.iter_mut().collect()), ("second", self.second.iter_mut().collect())]
        {
            for (i, buffer) in all.into_iter().enumerate() {
                let values = vectors.remove(&format!("{kind}.{i}")).filter(|values| values.len() == kernels.len(buffer));
                saved.push((values.ok_or_else(|| error(format!("{kind} {i} is missing or belongs to another model")))?, buffer));
            }
        }
        for (values, buffer) in saved {
            kernels.upload(&values, buffer);
        }
        self.steps_done = steps;
        Ok(note)
    }
}
