//! Training: packed documents, the loss over a whole batch, AdamW.
//!
//! Documents of a batch lie end to end without seeing each other. The loss is normalised by the target tokens of the whole batch,
//! however it is cut into parts that fit in memory. Everything is a function of the starting weights, the documents and the
//! settings: the same training gives the same bytes on any number of threads.

mod objective;
mod packing;
mod policy_gradient;
mod preference;
mod schedule;

pub use objective::{BatchSize, Objective, Unit, Weighed};
pub use packing::PackedEpochs;
pub use policy_gradient::{LengthNormalization, PolicyGradient, Rewarded};
pub use preference::{Pair, Preference};
pub use schedule::{LearningRate, Schedule};

use crate::decoder::{Decoder, Packed, TrainingMemory, downloaded};
use crate::error::{Error, Result};
use crate::files::checkpoint::{read_vectors, write_vectors};
use crate::kernels::{AdamWStep, Cpu, Kernels};
use crate::memory::{self, BESIDES, Job, needs};
use crate::model::LanguageModel;
use crate::weights::ParameterSpec;
use serde_json::{Map, json};
use std::path::Path;

/// Tokens, and which of them carry loss. The first token has nothing before it and never does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The tokens.
    pub tokens: Vec<u32>,
    /// For each token, whether the model learns to predict it.
    pub target: Vec<bool>,
}

impl Document {
    /// A document learned whole.
    pub fn whole(tokens: Vec<u32>) -> Self {
        let target = vec![true; tokens.len()];
        Document { tokens, target }
    }

    /// A prompt that is only read and a completion that is learned.
    pub fn completion(prompt: &[u32], completion: &[u32]) -> Self {
        let target = (0..prompt.len() + completion.len()).map(|i| i >= prompt.len()).collect();
        Document { tokens: [prompt, completion].concat(), target }
    }

    /// Tokens that carry loss.
    pub fn target_count(&self) -> usize {
        self.target.iter().skip(1).filter(|t| **t).count()
    }
}

impl Packed {
    /// Lays documents end to end.
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

/// The numbers of a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hyperparameters {
    /// The learning rate over the steps.
    pub learning_rate: LearningRate,
    /// Decay of AdamW's moments.
    pub betas: [f64; 2],
    /// Added to AdamW's denominator.
    pub epsilon: f64,
    /// Decoupled decay of weight matrices; norms are never decayed.
    pub weight_decay: f64,
    /// The gradient's norm is clipped to this; infinite for never.
    pub max_grad_norm: f64,
    /// Tokens that go through the model at once; larger batches are accumulated.
    pub micro_batch_tokens: usize,
    /// Whether activations are computed again on the way back: less memory, a third more work, the same bits.
    pub recompute_activations: bool,
    /// Seed of what is dropped of the inputs of adapters.
    pub dropout_seed: u64,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Mean cross-entropy per target token, in nats, or the objective's loss, before the update.
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

/// A model being trained, with its optimizer's state.
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

/// The fewest tokens at once that are worth computing.
const FEWEST_TOKENS: usize = 16;

impl Hyperparameters {
    /// The same with as many tokens at once as keep training within `budget` bytes, weights included, and no more than these.
    ///
    /// # Errors
    /// Not even a few tokens at once fit.
    pub fn within<K: Kernels>(self, budget: usize, decoder: &Decoder<K>) -> Result<Self> {
        let mut tokens = self.micro_batch_tokens;
        while tokens > FEWEST_TOKENS && self.needs(tokens, decoder) > budget {
            tokens = (tokens / 2).max(FEWEST_TOKENS);
        }
        self.check(budget, "training", tokens, decoder)?;
        Ok(Hyperparameters { micro_batch_tokens: tokens, ..self })
    }

    /// Bytes of a training with so many tokens at once.
    fn needs<K: Kernels>(&self, tokens: usize, decoder: &Decoder<K>) -> usize {
        let job = Job::Training { tokens, recompute: self.recompute_activations };
        needs(decoder.spec(), job, decoder.matrix_width()).total() + BESIDES
    }

    fn check<K: Kernels>(&self, budget: usize, what: &'static str, tokens: usize, decoder: &Decoder<K>) -> Result<()> {
        let needed = self.needs(tokens, decoder);
        if needed <= budget {
            return Ok(());
        }
        let adapters = "train adapters (training.lora)";
        let recompute = "set training.recompute_activations, or train adapters (training.lora)";
        let remedy = if self.recompute_activations { adapters } else { recompute };
        Err(Error::BudgetTooSmall { what, budget, needed, remedy })
    }
}

impl<K: Kernels> TrainingSession<K> {
    /// Starts with fresh moments, within the process's [budget](memory::budget).
    pub fn new(model: LanguageModel<K>, hyperparameters: Hyperparameters) -> Result<Self> {
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

    /// The model as it is now.
    pub fn model(&self) -> &LanguageModel<K> {
        &self.model
    }

    /// Ends the training.
    pub fn into_model(self) -> LanguageModel<K> {
        self.model
    }

    /// One update on a batch of documents. A step that fails changes no weight: [`Error::NothingToLearn`], [`Error::DocumentTooLong`], or
    /// [`Error::Diverged`] when the loss or the gradient is no number.
    pub fn step(&mut self, documents: &[Document]) -> Result<StepReport> {
        let size = BatchSize::of(documents)?;
        let scale = 1.0 / size.targets as f32;
        let loss = self.accumulate(documents, |decoder, _, packed, memory, gradients| {
            let losses = decoder.losses_and_gradients(packed, scale, memory, gradients);
            losses.iter().map(|loss| f64::from(*loss)).sum::<f64>()
        })?;
        self.finish_step(loss / size.targets as f64, size)
    }

    /// One update toward an objective on a batch of its units, each of which goes through the model at once. Fails as
    /// [`TrainingSession::step`] does.
    pub fn step_toward<O: Objective>(&mut self, objective: &O, batch: &[O::Unit]) -> Result<StepReport> {
        let size = BatchSize::of(batch)?;
        let loss = self.accumulate(batch, |decoder, units, packed, memory, gradients| {
            let mut loss = 0.0;
            let slopes = |logprobs: &[f32]| {
                let (total, slopes) = objective::weigh_all(objective, units, logprobs, size);
                loss = total;
                slopes
            };
            decoder.gradients_by_slopes(packed, slopes, memory, gradients);
            loss
        })?;
        self.finish_step(loss, size)
    }

    /// The update by `self.gradients`.
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

    /// What `add` gives for each part of a batch that goes through the model at once, summed. It adds the part's gradient to
    /// `self.gradients`, which are cleared before.
    fn accumulate<U: Unit>(
        &mut self,
        batch: &[U],
        mut add: impl FnMut(&Decoder<K>, &[U], &Packed, &mut TrainingMemory<K>, &mut [K::Buffer]) -> f64,
    ) -> Result<f64> {
        self.gradients.iter_mut().for_each(|g| self.model.decoder.kernels().clear(g));
        let context = self.model.spec().context;
        let mut total = 0.0;
        let mut rest = batch;
        while !rest.is_empty() {
            let mut tokens = 0;
            let fits = |unit: &&U| {
                tokens += unit.tokens();
                tokens <= self.hyperparameters.micro_batch_tokens
            };
            let (part, after) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            if let (Some(budget), [alone]) = (memory::budget(), part) {
                let what = "training on the longest of the documents";
                self.hyperparameters.check(budget, what, alone.tokens(), &self.model.decoder)?;
            }
            let first = batch.len() - rest.len();
            if let Some((at, tokens)) = objective::longer_than(context, part) {
                return Err(Error::DocumentTooLong { document: first + at, tokens, what: "the model's context", limit: context });
            }
            let packed = Packed::new(part.iter().flat_map(Unit::documents));
            // A seed for each part of each step; what is dropped is then a function of both and of the place.
            self.memory.set_dropout(Some(self.dropout_seed(first)));
            total += add(&self.model.decoder, part, &packed, &mut self.memory, &mut self.gradients);
            rest = after;
        }
        Ok(total)
    }

    /// The seed of what is dropped in the part of this step's batch that begins with document `first`.
    fn dropout_seed(&self, first: usize) -> u64 {
        let part = (self.steps_done << 20) + first as u64;
        self.hyperparameters.dropout_seed ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// AdamW with the gradient clipped by its norm over all parameters.
    fn update(&mut self, step: u64, learning_rate: f64, grad_norm: f64) {
        let Hyperparameters { betas, epsilon, weight_decay, max_grad_norm, .. } = self.hyperparameters;
        // The kernel computes in `f32`, and everything here uses the settings as it does.
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

    /// Writes weights, moments and step count to one file, whole or not at all. `note` comes back from [`TrainingSession::load_state`].
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

    /// Takes a training up where [`TrainingSession::save_state`] left it, and returns the note.
    pub fn load_state(&mut self, path: &Path) -> Result<Map<String, serde_json::Value>> {
        let (mut vectors, note) = read_vectors(path)?;
        let error = |problem: String| Error::TrainingState { path: path.into(), problem };
        let steps = note.get("steps_done").and_then(serde_json::Value::as_u64);
        self.steps_done = steps.ok_or_else(|| error("it does not say how many steps were done".into()))?;
        let kernels = self.model.decoder.kernels().clone();
        let trained: Vec<_> = self.model.decoder.trained_mut().map(|(_, parameter)| parameter).collect();
        for (kind, all) in
            [("parameter", trained), ("first", self.first.iter_mut().collect()), ("second", self.second.iter_mut().collect())]
        {
            for (i, buffer) in all.into_iter().enumerate() {
                let saved = vectors.remove(&format!("{kind}.{i}")).filter(|saved| saved.len() == kernels.len(buffer));
                kernels.upload(&saved.ok_or_else(|| error(format!("{kind} {i} is missing or belongs to another model")))?, buffer);
            }
        }
        Ok(note)
    }
}
