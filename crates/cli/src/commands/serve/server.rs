//! From the arguments to a running server.

use super::Arguments;
use crate::access::Access;
use crate::console;
use crate::model::Models;
use anyhow::{Context, Result};
use starloop_serve::{ApiKey, Catalog, EngineLimits, Server, Settings};
use std::net::SocketAddr;
use std::time::Duration;

/// The environment variable of the API key.
const KEY_VARIABLE: &str = "STARLOOP_API_KEY";

pub fn run(arguments: &Arguments, access: Access) -> Result<()> {
    let mut models = Models::find(&arguments.model, access)?;
    if let (Some(name), Some(first)) = (&arguments.name, models.named.first_mut()) {
        first.0.clone_from(name);
    }
    let mut catalog = Catalog::default();
    for (name, directory) in models.named.iter().chain(&arguments.adapter) {
        catalog.add(name, directory)?;
    }
    arguments.checkpoints.iter().try_for_each(|root| catalog.add_root(root))?;
    let key = arguments.key()?;
    if key.is_none() && !arguments.host.is_loopback() {
        log::warn!("everyone who reaches {} can use this server; --api-key-file sets a key", arguments.host);
    }
    let server = Server::bind(catalog, arguments.settings(key))?;
    console::print(&format!("http://{}/v1", server.address()))?;
    Ok(server.run()?)
}

impl Arguments {
    fn key(&self) -> Result<Option<ApiKey>> {
        let text = match (&self.api_key_file, &self.api_key) {
            (Some(file), _) => Some(fs_err::read_to_string(file)?),
            (None, Some(key)) => Some(key.clone()),
            (None, None) => std::env::var(KEY_VARIABLE).ok(),
        };
        text.map(|text| ApiKey::new(&text)).transpose().context("the key of the server cannot be used")
    }

    fn settings(&self, api_key: Option<ApiKey>) -> Settings {
        let (sequences, cache_bytes) = (self.sequences.get(), self.cache.as_u64() as usize);
        Settings {
            address: SocketAddr::new(self.host, self.port),
            api_key,
            queue: self.queue.get(),
            longest_body: self.max_body.as_u64() as usize,
            longest_completion: self.max_new_tokens.get(),
            models_in_memory: self.models_in_memory.get(),
            engine: EngineLimits { sequences, cache_bytes, ..EngineLimits::default() },
            drain: Duration::from_secs(self.drain),
        }
    }
}
