//! Samples a token from one row of logits: greedy, temperature, top-k, top-p.

use super::SamplingParams;
use crate::kernels::exponentials;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Chooses the tokens of one sequence with a random generator that no other sequence uses.
#[derive(Debug)]
pub(super) struct Sampler {
    temperature: f32,
    top_k: usize,
    top_p: f32,
    generator: ChaCha8Rng,
}

impl Sampler {
    pub(super) fn new(params: &SamplingParams, seed: u64) -> Self {
        let SamplingParams { temperature, top_k, top_p, .. } = *params;
        // Logits are `f32`, so temperature and top-p are rounded to it too.
        Sampler { temperature: temperature as f32, top_k, top_p: top_p as f32, generator: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// A token and its log-probability under the unmodified distribution. `None` if a logit is not finite. `weights` is a temporary buffer.
    pub(super) fn draw(&mut self, logits: &[f32], weights: &mut Vec<f32>) -> Option<(u32, f32)> {
        let (best, largest) = argmax(logits)?;
        let total = exponentials(logits, largest, 1.0, weights);
        let token = match self.temperature {
            temperature if temperature <= 0.0 => best,
            1.0 => self.choose(weights, total),
            temperature => {
                let total = exponentials(logits, largest, 1.0 / temperature, weights);
                self.choose(weights, total)
            }
        };
        let logprob = f64::from(logits[token] - largest) - libm::log(total);
        logprob.is_finite().then_some((token as u32, logprob as f32))
    }

    /// A token, drawn by weight from the tokens that top-k and top-p keep.
    fn choose(&mut self, weights: &[f32], total: f64) -> usize {
        let Sampler { top_k, top_p, .. } = *self;
        let drawn = self.generator.random::<f64>();
        if top_k == 0 && top_p >= 1.0 {
            return pick(weights.iter().copied().enumerate(), drawn * total);
        }
        // All tokens below this weight together have less than `1 - top_p` of the total weight, so none of them is needed to reach `top_p`.
        let least = ((1.0 - f64::from(top_p)) * total / weights.len() as f64) as f32;
        let mut left: Vec<(usize, f32)> = weights.iter().copied().enumerate().filter(|(_, weight)| top_k > 0 || *weight >= least).collect();
        left.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        if top_k > 0 {
            left.truncate(top_k);
        }
        if top_p < 1.0 {
            let all = if top_k > 0 { left.iter().map(|(_, weight)| f64::from(*weight)).sum() } else { total };
            let (enough, mut reached) = (f64::from(top_p) * all, 0.0);
            let last = left.iter().position(|(_, weight)| {
                reached += f64::from(*weight);
                reached >= enough
            });
            left.truncate(last.unwrap_or(left.len() - 1) + 1);
        }
        let mass: f64 = left.iter().map(|(_, weight)| f64::from(*weight)).sum();
        pick(left.into_iter(), drawn * mass)
    }
}

/// The first token at which the running sum of the weights exceeds `amount`.
fn pick(weights: impl Iterator<Item = (usize, f32)>, mut amount: f64) -> usize {
    let mut last = 0;
    for (token, weight) in weights {
        amount -= f64::from(weight);
        last = token;
        if amount < 0.0 {
            break;
        }
    }
    last
}

/// The first of the largest logits. `None` if any logit is not finite.
fn argmax(logits: &[f32]) -> Option<(usize, f32)> {
    let mut best = (0, *logits.first()?);
    for (token, x) in logits.iter().enumerate() {
        if !x.is_finite() {
            return None;
        }
        if *x > best.1 {
            best = (token, *x);
        }
    }
    Some(best)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests {
    use super::*;

    fn sampler(temperature: f64, top_k: usize, top_p: f64) -> Sampler {
        Sampler::new(&SamplingParams { temperature, top_k, top_p, ..SamplingParams::greedy(1) }, 7)
    }

    fn shares(mut sampler: Sampler, logits: &[f32]) -> Vec<f64> {
        let mut counts = vec![0.0; logits.len()];
        for _ in 0..20_000 {
            counts[sampler.draw(logits, &mut Vec::new()).unwrap().0 as usize] += 1.0 / 20_000.0;
        }
        counts
    }

    #[test]
    fn greedy_takes_the_first_of_the_likeliest() {
        assert_eq!(sampler(0.0, 0, 1.0).draw(&[0.0, 2.0, 2.0, 1.0], &mut Vec::new()).unwrap().0, 1);
    }

    #[test]
    fn log_probabilities_are_those_of_the_whole_distribution() {
        let (_, logprob) = sampler(0.1, 1, 0.1).draw(&[1.0, 1.0], &mut Vec::new()).unwrap();
        assert!((f64::from(logprob) + std::f64::consts::LN_2).abs() < 1e-6);
    }

    #[test]
    fn temperature_draws_from_the_softmax() {
        let logits = [0.0, 1.0, 2.0];
        let got = shares(sampler(2.0, 0, 1.0), &logits);
        let weights: Vec<f64> = logits.iter().map(|x| f64::from(x / 2.0).exp()).collect();
        for (share, weight) in got.iter().zip(&weights) {
            assert!((share - weight / weights.iter().sum::<f64>()).abs() < 0.015);
        }
    }

    #[test]
    fn top_k_and_top_p_cut_the_tail() {
        let logits = [3.0, 2.0, 1.0, 0.0];
        assert_eq!(shares(sampler(1.0, 2, 1.0), &logits)[2..], [0.0, 0.0]);
        // Probabilities 0.644, 0.237, 0.087, 0.032: two tokens reach 0.8, one does not.
        let nucleus = shares(sampler(1.0, 0, 0.8), &logits);
        assert!(nucleus[1] > 0.2 && nucleus[2] == 0.0);
        assert_eq!(shares(sampler(1.0, 0, 0.6), &logits)[0].round(), 1.0);
    }

    #[test]
    fn a_logit_that_is_not_finite_is_reported() {
        for lost in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(sampler(0.0, 0, 1.0).draw(&[0.0, lost], &mut Vec::new()).is_none());
        }
    }
}
