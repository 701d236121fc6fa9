//! The assumptions of a plan. Each has a name, so that it can be printed and set.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// The numbers that no config holds and no data sheet tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Assumptions {
    /// The share of a device's matrix products that training reaches. Published runs on hundreds of devices reach 0.35 to 0.45 (for
    /// instance Llama 3's, 0.38 to 0.43); fewer devices and small steps reach less.
    pub training_share: f64,
    /// The share that reading prompts reaches.
    pub prefill_share: f64,
    /// The share of a device's memory bandwidth that decoding reaches.
    pub decode_bandwidth_share: f64,
    /// Seconds of a decoding step besides: launching kernels, sampling, scheduling.
    pub step_overhead_seconds: f64,
    /// The share of a device's memory that can be filled.
    pub memory_share: f64,
    /// The share of their speed that devices keep, each time that twice as many hold one copy of the model together.
    pub doubling_share: f64,
    /// Devices of one machine; more of them train over the network.
    pub devices_per_machine: u32,
    /// The network bandwidth of a device, in 10^9 bytes a second: 400 Gbit/s each, as machines of eight H100 have it.
    pub network_gb: f64,
    /// The share of a link's or the network's speed that training reaches. It computes while it waits.
    pub link_share: f64,
    /// Sequences that a server decodes at once, at most; the default of vLLM.
    pub sequences_per_replica: f64,
    /// True if servers keep the worked examples' keys and values from one prompt to the next.
    pub prefix_cache: bool,
    /// Seconds until a server answers or a trainer takes its first step.
    pub start_seconds: f64,
    /// Letters of a token, where there is no tokenizer to count with.
    pub letters_per_token: f64,
}

impl Default for Assumptions {
    fn default() -> Self {
        Assumptions {
            training_share: 0.35,
            prefill_share: 0.5,
            decode_bandwidth_share: 0.6,
            step_overhead_seconds: 0.005,
            memory_share: 0.9,
            doubling_share: 0.85,
            devices_per_machine: 8,
            network_gb: 50.0,
            link_share: 0.6,
            sequences_per_replica: 256.0,
            prefix_cache: true,
            start_seconds: 180.0,
            letters_per_token: 4.0,
        }
    }
}

impl Assumptions {
    /// The defaults with overrides of the form `training_share=0.4`.
    ///
    /// # Errors
    /// An unknown name, or a value that cannot be.
    pub fn from_overrides(overrides: &[String]) -> Result<Self> {
        let invalid = |key: &str, message: String| Error::ConfigValue { origin: "the assumptions".into(), key: key.into(), message };
        let text = overrides.join("\n");
        let assumptions: Self = toml::from_str(&text).map_err(|error| invalid("assume", error.message().to_owned()))?;
        let Assumptions { training_share, prefill_share, decode_bandwidth_share, memory_share, doubling_share, link_share, .. } =
            assumptions;
        for (key, share) in [
            ("training_share", training_share),
            ("prefill_share", prefill_share),
            ("decode_bandwidth_share", decode_bandwidth_share),
            ("memory_share", memory_share),
            ("doubling_share", doubling_share),
            ("link_share", link_share),
        ] {
            if !(share > 0.0 && share <= 1.0) {
                return Err(invalid(key, format!("must be in 0..1, 0 excluded, found {share}")));
            }
        }
        let Assumptions { step_overhead_seconds, sequences_per_replica, start_seconds, letters_per_token, network_gb, .. } = assumptions;
        for (key, value, least) in [
            ("step_overhead_seconds", step_overhead_seconds, 0.0),
            ("start_seconds", start_seconds, 0.0),
            ("sequences_per_replica", sequences_per_replica, 1.0),
            ("letters_per_token", letters_per_token, 0.1),
            ("network_gb", network_gb, 0.001),
        ] {
            if !(value.is_finite() && value >= least) {
                return Err(invalid(key, format!("must be at least {least}, found {value}")));
            }
        }
        Ok(assumptions)
    }

    /// Each by its name, with its value.
    pub fn named(&self) -> Vec<(String, String)> {
        let table = toml::Table::try_from(self).unwrap_or_default();
        table.into_iter().map(|(name, value)| (name, value.to_string())).collect()
    }
}
