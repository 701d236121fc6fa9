//! The speed of devices: a table of data sheets, and the shares of it that real programs reach.

use super::work::Work;
use super::{Assumptions, ModelCost};
use crate::config::TrainingConfig;
use serde::Serialize;

/// A device, by its maker's data sheet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Accelerator {
    /// Its name on the command line.
    pub name: &'static str,
    /// Dense matrix products in bf16, in 10^12 floating-point operations a second.
    pub tera_flops: f64,
    /// Memory bandwidth, in 10^9 bytes a second.
    pub bandwidth_gb: f64,
    /// Memory, in 10^9 bytes.
    pub memory_gb: f64,
    /// The bandwidth to other devices of its machine in each direction, in 10^9 bytes a second.
    pub link_gb: f64,
}

/// The devices that a plan can be made for (NVIDIA's data sheets of the SXM modules).
pub const ACCELERATORS: [Accelerator; 3] = [
    Accelerator { name: "H100", tera_flops: 989.4, bandwidth_gb: 3_350.0, memory_gb: 80.0, link_gb: 450.0 },
    Accelerator { name: "H200", tera_flops: 989.4, bandwidth_gb: 4_800.0, memory_gb: 141.0, link_gb: 450.0 },
    Accelerator { name: "A100", tera_flops: 312.0, bandwidth_gb: 2_039.0, memory_gb: 80.0, link_gb: 300.0 },
];

/// Bytes of a weight, a key or a value in serving.
const HALF: f64 = 2.0;
/// Bytes of a trained weight: itself, its gradient and two moments, in 32 bits each.
const TRAINED: f64 = 16.0;

/// How a model is served on devices of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Serving {
    /// Devices that hold one copy of the model together.
    pub devices_per_replica: u32,
    /// Copies of the model.
    pub replicas: u32,
    /// Bytes of weights on a device.
    pub weights_bytes: f64,
    /// Sequences that a copy decodes at once.
    pub sequences: f64,
    /// Seconds of a decoding step, which makes a token for each of them.
    pub step_seconds: f64,
    /// Tokens that all copies together decode in a second.
    pub tokens_per_second: f64,
    /// Tokens of prompts that all copies together read in a second.
    pub prompt_tokens_per_second: f64,
}

/// How a model is trained on devices of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Training {
    /// Devices that train: at most one for each packed sequence of a step.
    pub devices: u32,
    /// Bytes of weights, gradients and the optimizer on a device, sharded over all of them.
    pub state_bytes: f64,
    /// Bytes of activations on a device.
    pub activation_bytes: f64,
    /// True if both fit.
    pub fits: bool,
    /// True if the devices wait for weights and gradients from each other longer than they compute.
    pub waits_for_links: bool,
    /// Tokens that all devices together train in a second.
    pub tokens_per_second: f64,
}

impl Accelerator {
    /// The device of a name, in any case.
    pub fn find(name: &str) -> Option<&'static Accelerator> {
        ACCELERATORS.iter().find(|device| device.name.eq_ignore_ascii_case(name))
    }

    fn flops(&self) -> f64 {
        self.tera_flops * 1e12
    }

    /// Serving on `devices` of them, as many to a copy of the model as decode the most; nothing where they cannot hold it once.
    pub(super) fn serve(&self, devices: u32, model: &ModelCost, work: &Work, assumptions: &Assumptions) -> Option<Serving> {
        let parts = (0..u32::BITS).map(|power| 1 << power).take_while(|parts| *parts <= devices);
        let ways = parts.filter_map(|parts| self.serve_on(parts, devices / parts, model, work, assumptions));
        // The fewer devices together where it makes no difference.
        ways.reduce(|best, way| if way.tokens_per_second > best.tokens_per_second { way } else { best })
    }

    /// Serving on `replicas` copies, each on `together` devices.
    fn serve_on(&self, together: u32, replicas: u32, model: &ModelCost, work: &Work, assumptions: &Assumptions) -> Option<Serving> {
        let parts = f64::from(together);
        let weights = HALF * model.parameters as f64;
        let room = parts * self.memory_gb * 1e9 * assumptions.memory_share - weights;
        let of_a_sequence = (work.mean_prompt + work.mean_completion) * model.cache_bytes_per_token;
        let wanted = (work.prompts as f64 / f64::from(work.iterations.max(1)) / f64::from(replicas)).ceil();
        let sequences = (room / of_a_sequence).floor().min(assumptions.sequences_per_replica).min(wanted);
        if sequences < 1.0 {
            return None;
        }
        // The devices of a sharded model wait for each other in every layer.
        let speed = parts * assumptions.doubling_share.powf(parts.log2());
        // A step reads the weights once and each sequence's keys and values, and multiplies for each sequence.
        let read = weights + sequences * (work.mean_prompt + work.mean_completion / 2.0) * model.cache_bytes_per_token;
        let reading = read / (speed * self.bandwidth_gb * 1e9 * assumptions.decode_bandwidth_share);
        let of_a_token = model.forward_flops(work.mean_prompt + work.mean_completion / 2.0);
        let multiplying = sequences * of_a_token / (speed * self.flops() * assumptions.prefill_share);
        let step_seconds = reading.max(multiplying) + assumptions.step_overhead_seconds;
        let reads = speed * self.flops() * assumptions.prefill_share / model.prefill_flops(work.mean_prompt);
        Some(Serving {
            devices_per_replica: together,
            replicas,
            weights_bytes: weights / parts,
            sequences,
            step_seconds,
            tokens_per_second: f64::from(replicas) * sequences / step_seconds,
            prompt_tokens_per_second: f64::from(replicas) * reads,
        })
    }

    /// Training on `devices` of them, all together.
    pub(super) fn train(
        &self,
        devices: u32,
        model: &ModelCost,
        work: &Work,
        training: &TrainingConfig,
        assumptions: &Assumptions,
    ) -> Training {
        let devices = devices.min(u32::try_from(training.batch_size).unwrap_or(u32::MAX));
        let frozen = if model.trained == model.parameters { 0.0 } else { HALF * model.parameters as f64 };
        let state_bytes = (frozen + TRAINED * model.trained as f64) / f64::from(devices);
        let activation_bytes = model.training_activation_bytes;
        let step_tokens = (training.batch_size * training.sequence_length) as f64;
        let flops = step_tokens * model.training_flops(work.mean_example);
        let computing = flops / (f64::from(devices) * self.flops() * assumptions.training_share);
        // Each pass over some of a step gathers the weights forward and backward, and sends the gradients of what is trained back.
        let rows_at_once = (training.micro_batch_tokens / training.sequence_length).max(1);
        let passes = training.batch_size.div_ceil(devices as usize).div_ceil(rows_at_once) as f64;
        let moved = passes * HALF * (2.0 * model.parameters as f64 + model.trained as f64);
        let link = if devices <= assumptions.devices_per_machine { self.link_gb } else { assumptions.network_gb };
        let moving = if devices > 1 { moved / (link * 1e9 * assumptions.link_share) } else { 0.0 };
        Training {
            devices,
            state_bytes,
            activation_bytes,
            fits: state_bytes + activation_bytes <= self.memory_gb * 1e9 * assumptions.memory_share,
            waits_for_links: moving > computing,
            tokens_per_second: step_tokens / computing.max(moving),
        }
    }
}
