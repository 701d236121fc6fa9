//! What slow and failing machines make of an iteration: sampling on copies of a model that take prompts from one queue, as the loop's
//! requests do, and a training in which all devices wait for the slowest.
//!
//! A request that a failing server held is asked again, one that was answered is not. A training that loses a device goes on from its last
//! saved state. Each trial is drawn from the seed alone.

use super::{Serving, Work};
use crate::error::{Error, Result};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// How often and how badly things go wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trials {
    /// How many iterations are simulated, each by itself.
    pub trials: u32,
    /// Decides all that is drawn.
    pub seed: u64,
    /// The share of servers, or of devices in training, that are slow.
    pub slow_share: f64,
    /// How many times as long a slow one takes.
    pub slow_factor: f64,
    /// Hours between two failures of one device, on average. Llama 3's training lost one in some 50,000 hours of a device (419 in 54 days of
    /// 16,384); machines that are rented by the hour do worse.
    pub hours_between_failures: f64,
    /// Minutes until what failed works again.
    pub restart_minutes: f64,
    /// The spread of the lengths of completions: the standard deviation of their logarithm.
    pub length_spread: f64,
}

impl Default for Trials {
    fn default() -> Self {
        Trials {
            trials: 20,
            seed: 1,
            slow_share: 0.05,
            slow_factor: 2.0,
            hours_between_failures: 1000.0,
            restart_minutes: 10.0,
            length_spread: 0.5,
        }
    }
}

impl Trials {
    /// The defaults with overrides of the form `slow_share=0.1`.
    ///
    /// # Errors
    /// An unknown name, or a value that cannot be.
    pub fn from_overrides(overrides: &[String]) -> Result<Self> {
        let invalid = |key: &str, message: String| Error::ConfigValue { origin: "--simulate".into(), key: key.into(), message };
        let trials: Self = toml::from_str(&overrides.join("\n")).map_err(|error| invalid("simulate", error.message().to_owned()))?;
        let Trials { slow_share, slow_factor, hours_between_failures, restart_minutes, length_spread, .. } = trials;
        let checks = [
            ("trials", trials.trials > 0, "must be at least 1"),
            ("slow_share", (0.0..=1.0).contains(&slow_share), "must be in 0..1"),
            ("slow_factor", slow_factor.is_finite() && slow_factor >= 1.0, "must be at least 1"),
            ("hours_between_failures", hours_between_failures > 0.0, "must be above 0; inf for none"),
            ("restart_minutes", restart_minutes.is_finite() && restart_minutes >= 0.0, "must be 0 or more"),
            ("length_spread", (0.0..=2.0).contains(&length_spread), "must be in 0..2"),
        ];
        match checks.iter().find(|(_, holds, _)| !holds) {
            Some((key, _, message)) => Err(invalid(key, (*message).to_owned())),
            None => Ok(trials),
        }
    }
}

/// One iteration as it is simulated, without slow or failing machines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// Requests.
    pub requests: u64,
    /// Copies of the model.
    pub replicas: u32,
    /// Devices of a copy.
    pub devices_per_replica: u32,
    /// Requests that a copy answers at once.
    pub at_once: u32,
    /// Seconds of a request of mean length, in a server that is full.
    pub request_seconds: f64,
    /// Devices that train together.
    pub devices: u32,
    /// Seconds of the training.
    pub training_seconds: f64,
    /// Optimizer steps of the training, and those between two saved states; 0 for none.
    pub steps: u64,
    /// Steps between two saved states; 0 where none are saved.
    pub saved_every: u64,
}

impl Stage {
    /// The mean iteration of a method.
    pub(super) fn of(work: &Work, serving: &Serving, read_tokens: f64, training_seconds: f64, devices: u32, saved_every: u64) -> Self {
        let iterations = f64::from(work.iterations.max(1));
        let at_once = serving.sequences.max(1.0);
        // What a request waits for: its own tokens, and its share of the reading that the server does meanwhile.
        let reading = read_tokens / work.prompts.max(1) as f64 * f64::from(serving.replicas) / serving.prompt_tokens_per_second;
        Stage {
            requests: (work.prompts as f64 / iterations).round() as u64,
            replicas: serving.replicas,
            devices_per_replica: serving.devices_per_replica,
            at_once: at_once as u32,
            request_seconds: work.mean_completion * serving.step_seconds + reading * at_once,
            devices,
            training_seconds: training_seconds / iterations,
            steps: work.steps / u64::from(work.iterations.max(1)),
            saved_every,
        }
    }
}

/// A quantity over the trials.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// What nine trials of ten do not exceed.
    pub ninth_tenth: f64,
}

/// What an iteration comes to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Simulated {
    /// Hours of sampling and training where nothing is slow and nothing fails, the last requests' wait included.
    pub undisturbed_hours: f64,
    /// Hours of sampling.
    pub sampling_hours: Spread,
    /// The same, if each copy of the model were given its share of the requests beforehand.
    pub shared_out_hours: Spread,
    /// Hours of training.
    pub training_hours: Spread,
    /// The same, if no state were saved.
    pub unsaved_training_hours: Spread,
    /// Requests that were asked again.
    pub asked_again: f64,
    /// Failures in sampling and in training.
    pub failures: f64,
}

/// Simulates iterations.
pub fn simulate(stage: &Stage, trials: &Trials) -> Simulated {
    let quiet = Trials { slow_share: 0.0, hours_between_failures: f64::INFINITY, ..trials.clone() };
    let sampling = |trials: &Trials, trial, queue| sample(stage, trials, queue, &mut generator(trials.seed, trial, 0));
    let training = |trials: &Trials, trial, saved| train(stage, trials, saved, &mut generator(trials.seed, trial, 1));
    let undisturbed = sampling(&quiet, 0, Queue::One).seconds + training(&quiet, 0, stage.saved_every).seconds;
    let all = 0..trials.trials;
    let queued: Vec<Outcome> = all.clone().map(|trial| sampling(trials, trial, Queue::One)).collect();
    let shared: Vec<Outcome> = all.clone().map(|trial| sampling(trials, trial, Queue::SharedOut)).collect();
    let trained: Vec<Outcome> = all.clone().map(|trial| training(trials, trial, stage.saved_every)).collect();
    let unsaved: Vec<Outcome> = all.map(|trial| training(trials, trial, 0)).collect();
    let count = f64::from(trials.trials);
    Simulated {
        undisturbed_hours: undisturbed / 3600.0,
        sampling_hours: spread(&queued),
        shared_out_hours: spread(&shared),
        training_hours: spread(&trained),
        unsaved_training_hours: spread(&unsaved),
        asked_again: queued.iter().map(|outcome| outcome.asked_again as f64).sum::<f64>() / count,
        failures: queued.iter().chain(&trained).map(|outcome| outcome.failures as f64).sum::<f64>() / count,
    }
}

fn generator(seed: u64, trial: u32, part: u64) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(u64::from(trial) * 2 + part);
    generator
}

fn spread(outcomes: &[Outcome]) -> Spread {
    let mut hours: Vec<f64> = outcomes.iter().map(|outcome| outcome.seconds / 3600.0).collect();
    hours.sort_by(f64::total_cmp);
    let at = (hours.len() * 9).div_ceil(10).saturating_sub(1);
    Spread { mean: hours.iter().sum::<f64>() / hours.len() as f64, ninth_tenth: hours[at] }
}

/// How requests find a copy of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queue {
    /// Each takes the next one when it has room.
    One,
    /// Each has its share from the beginning.
    SharedOut,
}

/// How a trial went.
#[derive(Debug, Clone, Copy, Default)]
struct Outcome {
    seconds: f64,
    asked_again: u64,
    failures: u64,
}

/// A copy of the model.
struct Replica {
    /// Factor on a request's seconds.
    slowness: f64,
    /// Seconds from the beginning until it fails next, or until it failed last.
    fails_at: f64,
    /// Whether it has, and is not back yet.
    has_failed: bool,
}

/// A place in a server that is free from a moment on, the earliest first, then in order.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Free {
    at: f64,
    replica: usize,
}

impl Eq for Free {}

impl PartialOrd for Free {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Free {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.total_cmp(&other.at).then(self.replica.cmp(&other.replica))
    }
}

fn sample(stage: &Stage, trials: &Trials, queue: Queue, random: &mut ChaCha8Rng) -> Outcome {
    let between_failures = trials.hours_between_failures * 3600.0 / f64::from(stage.devices_per_replica.max(1));
    let restart = trials.restart_minutes * 60.0;
    let mut replicas: Vec<Replica> = (0..stage.replicas)
        .map(|_| Replica { slowness: slowness(trials, random), fails_at: waiting(between_failures, random), has_failed: false })
        .collect();
    let mut left: Vec<u64> = match queue {
        Queue::One => vec![stage.requests],
        Queue::SharedOut => (0..stage.replicas.into()).map(|n| share(stage.requests, stage.replicas.into(), n)).collect(),
    };
    let places = replicas.iter().enumerate().flat_map(|(replica, _)| (0..stage.at_once).map(move |_| Free { at: 0.0, replica }));
    let mut free: BinaryHeap<Reverse<Free>> = places.map(Reverse).collect();
    let mut outcome = Outcome::default();
    while let Some(Reverse(Free { at, replica })) = free.pop() {
        let queue = if queue == Queue::One { 0 } else { replica };
        if left[queue] == 0 {
            continue;
        }
        let server = &mut replicas[replica];
        if server.has_failed && at >= server.fails_at + restart {
            *server = Replica { fails_at: at + waiting(between_failures, random), has_failed: false, ..*server };
        }
        let seconds = stage.request_seconds * length(trials.length_spread, random) * server.slowness;
        if at + seconds <= server.fails_at {
            left[queue] -= 1;
            outcome.seconds = outcome.seconds.max(at + seconds);
            free.push(Reverse(Free { at: at + seconds, replica }));
            continue;
        }
        // It fails before the answer is there, which goes back into the queue.
        outcome.asked_again += 1;
        outcome.failures += u64::from(!std::mem::replace(&mut server.has_failed, true));
        free.push(Reverse(Free { at: server.fails_at + restart, replica }));
    }
    outcome
}

/// A training in which all devices wait for the slowest, and all stop when one fails.
fn train(stage: &Stage, trials: &Trials, saved_every: u64, random: &mut ChaCha8Rng) -> Outcome {
    let slowest = (0..stage.devices).map(|_| slowness(trials, random)).fold(1.0, f64::max);
    let between_failures = trials.hours_between_failures * 3600.0 / f64::from(stage.devices.max(1));
    let step_seconds = stage.training_seconds * slowest / stage.steps.max(1) as f64;
    let (mut outcome, mut done) = (Outcome::default(), 0);
    while done < stage.steps {
        let needed = (stage.steps - done) as f64 * step_seconds;
        let until_failure = waiting(between_failures, random);
        if needed <= until_failure {
            outcome.seconds += needed;
            break;
        }
        let taken = done + (until_failure / step_seconds) as u64;
        done = if saved_every == 0 { 0 } else { taken - taken % saved_every };
        outcome.failures += 1;
        outcome.seconds += until_failure + trials.restart_minutes * 60.0;
        if outcome.failures >= MOST_FAILURES {
            // It would never end.
            outcome.seconds = f64::INFINITY;
            break;
        }
    }
    outcome
}

/// Failures after which a training is taken never to end.
const MOST_FAILURES: u64 = 10_000;

fn slowness(trials: &Trials, random: &mut ChaCha8Rng) -> f64 {
    if random.random::<f64>() < trials.slow_share { trials.slow_factor } else { 1.0 }
}

/// Seconds until something happens that happens every `mean` seconds on average, at any moment equally likely.
fn waiting(mean: f64, random: &mut ChaCha8Rng) -> f64 {
    let drawn: f64 = 1.0 - random.random::<f64>();
    if mean.is_finite() { -mean * drawn.ln() } else { f64::INFINITY }
}

/// A log-normal length of mean 1 (Box and Muller 1958).
fn length(spread: f64, random: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
    (spread * normal - spread * spread / 2.0).exp()
}

/// What the `n`th of `of` gets.
fn share(all: u64, of: u64, n: u64) -> u64 {
    all / of + u64::from(n < all % of)
}
