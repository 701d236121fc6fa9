//! Training toward an objective: what the models of comparison say of every token is computed once, before the training, and one model after
//! another, so that there are never two in memory.

use super::{CONTEXT, Encoder, JobPrompts, load, run};
use crate::config::TrainingConfig;
use crate::error::{EngineContext, Result};
use crate::metrics::TrainingMetrics;
use crate::trainer::{TrainingJob, TrainingProgress};
use starloop_lm::LanguageModel;
use starloop_lm::score::Tail;
use starloop_lm::train::{Document, Pair, PolicyGradient, Preference, Rewarded};
use starloop_record::training_rows::{PreferencePair, RewardedSample};
use std::ops::ControlFlow;
use std::path::Path;

/// Trains on pairs. Returns how many of them fit, too.
pub(super) fn preferences(
    job: &TrainingJob<'_>,
    pairs: &[PreferencePair],
    beta: f64,
    form: &JobPrompts,
    progress: &mut dyn FnMut(TrainingProgress) -> ControlFlow<()>,
) -> Result<(TrainingMetrics, usize)> {
    let model = load(job).during(CONTEXT)?;
    let units = preference_units(&model, &Encoder::new(&model, form, job.settings)?, pairs)?;
    let (used, objective) = (units.len(), Preference { beta });
    Ok((run(job, model, units, |session, batch| session.step_toward(&objective, batch), progress)?, used))
}

/// Trains on samples with advantages. Returns how many of them fit, too.
pub(super) fn rewards(
    job: &TrainingJob<'_>,
    samples: &[RewardedSample],
    loss: PolicyGradient,
    form: &JobPrompts,
    progress: &mut dyn FnMut(TrainingProgress) -> ControlFlow<()>,
) -> Result<(TrainingMetrics, usize)> {
    // First the anchor, which is dropped before the model to train is loaded.
    let anchored = match job.anchor.filter(|_| loss.kl > 0.0) {
        Some(anchor) => Some(anchor_logprobs(anchor, job.settings, form, samples)?),
        None => None,
    };
    let model = load(job).during(CONTEXT)?;
    let units = reward_units(&model, &Encoder::new(&model, form, job.settings)?, samples, anchored)?;
    let used = units.len();
    Ok((run(job, model, units, |session, batch| session.step_toward(&loss, batch), progress)?, used))
}

/// The pairs of which both completions fit, with the reference model's log-probabilities: those of the model before it is trained.
fn preference_units(model: &LanguageModel, encoder: &Encoder<'_>, pairs: &[PreferencePair]) -> Result<Vec<Pair>> {
    let mut tails = Vec::with_capacity(2 * pairs.len());
    for PreferencePair { problem, prompt, chosen, rejected, rejected_cut } in pairs {
        let (better, worse) = (encoder.tail(problem, prompt, chosen, true)?, encoder.tail(problem, prompt, rejected, !rejected_cut)?);
        if let (Some(better), Some(worse)) = (better, worse) {
            tails.extend([better, worse]);
        }
    }
    let sums: Vec<f64> = logprobs(model, &tails)?.iter().map(|own| own.iter().map(|logprob| f64::from(*logprob)).sum()).collect();
    let pair = |(two, sums): (&[Tail; 2], &[f64; 2])| Pair { documents: two.each_ref().map(document), reference: *sums };
    Ok(tails.as_chunks().0.iter().zip(sums.as_chunks().0).map(pair).collect())
}

/// The samples that fit, with the log-probabilities of the model before it is trained, which has sampled them, and of the anchor.
fn reward_units(
    model: &LanguageModel,
    encoder: &Encoder<'_>,
    samples: &[RewardedSample],
    anchored: Option<Vec<Vec<f32>>>,
) -> Result<Vec<Rewarded>> {
    let (tails, advantages) = sample_tails(encoder, samples)?;
    let sampled = logprobs(model, &tails)?;
    let anchored = anchored.unwrap_or_else(|| vec![Vec::new(); tails.len()]);
    let compared = sampled.into_iter().zip(anchored).zip(advantages);
    let unit = |(tail, ((sampled, anchor), advantage))| Rewarded { document: document(tail), advantage, sampled, anchor };
    Ok(tails.iter().zip(compared).map(unit).collect())
}

fn anchor_logprobs(anchor: &Path, settings: &TrainingConfig, form: &JobPrompts, samples: &[RewardedSample]) -> Result<Vec<Vec<f32>>> {
    let model = LanguageModel::load(anchor).during(CONTEXT)?;
    let (tails, _) = sample_tails(&Encoder::new(&model, form, settings)?, samples)?;
    logprobs(&model, &tails)
}

fn sample_tails(encoder: &Encoder<'_>, samples: &[RewardedSample]) -> Result<(Vec<Tail>, Vec<f32>)> {
    let (mut tails, mut advantages) = (Vec::with_capacity(samples.len()), Vec::with_capacity(samples.len()));
    for RewardedSample { problem, prompt, completion, cut, advantage } in samples {
        if let Some(tail) = encoder.tail(problem, prompt, completion, !cut)? {
            tails.push(tail);
            advantages.push(*advantage as f32);
        }
    }
    Ok((tails, advantages))
}

fn logprobs(model: &LanguageModel, tails: &[Tail]) -> Result<Vec<Vec<f32>>> {
    model.score_tails(tails, &mut |_| ControlFlow::Continue(())).during(CONTEXT)
}

fn document(tail: &Tail) -> Document {
    Document::completion(&tail.tokens[..tail.from], &tail.tokens[tail.from..])
}
