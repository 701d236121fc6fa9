//! Everything that runs outside of this process: servers, programs and the hub. Nothing here knows tasks, models or runs.

pub mod data_source;
pub mod fetch;
pub(crate) mod http;
pub mod hub_cache;
pub(crate) mod process;
