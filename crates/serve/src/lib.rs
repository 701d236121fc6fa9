//! Serves language models over `OpenAI`'s interface: completions, chat completions and scores.
//!
//! The crate is an interface without logic of the method. It samples and scores with `starloop-lm`, so it gives the same results as the other
//! interfaces: a completion depends on the weights, the prompt, the seed and the sampling settings, and on nothing else. Requests of all
//! clients share one batch for each model, and the cache of common prompt beginnings.
//!
//! ```no_run
//! use starloop_serve::{Catalog, Server, Settings};
//! use std::path::Path;
//!
//! let mut catalog = Catalog::default();
//! catalog.add("arithmetic", Path::new("models/arithmetic"))?;
//! let server = Server::bind(catalog, Settings::default())?;
//! println!("http://{}/v1", server.address());
//! server.run()?;
//! # Ok::<(), starloop_serve::Error>(())
//! ```
//!
//! Async code is confined to this crate. `routes` has the addresses, `request` reads bodies, `generate` and `stream` answer, `engine` is the
//! thread that samples, and `models` keeps the loaded models.

mod answer;
mod catalog;
mod engine;
mod error;
mod generate;
mod key;
mod metrics;
mod models;
mod pieces;
pub mod request;
mod routes;
mod stream;

pub use catalog::{Catalog, Entry};
pub use error::{ApiError, Error, Refused, Result};
pub use key::ApiKey;
pub use starloop_lm::engine::EngineLimits;

use metrics::Metrics;
use models::Models;
use routes::{Limits, Shared, routes};
use std::future::{Future, IntoFuture};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, Semaphore};

/// Settings of a server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen on. Port 0 takes a free port.
    pub address: SocketAddr,
    /// The key that requests must carry.
    pub api_key: Option<ApiKey>,
    /// Requests that may be open at once. Further ones are answered with status 429.
    pub queue: usize,
    /// The most bytes of a request's body.
    pub longest_body: usize,
    /// The most new tokens of a completion.
    pub longest_completion: usize,
    /// The most models in memory. Models that were used longest ago leave first.
    pub models_in_memory: usize,
    /// Limits of each model's engine.
    pub engine: EngineLimits,
    /// The time that open requests get when the server is stopped.
    pub drain: Duration,
}

impl Default for Settings {
    /// A free port of the loopback interface.
    fn default() -> Self {
        Settings {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            api_key: None,
            queue: 256,
            longest_body: 8 << 20,
            longest_completion: 131_072,
            models_in_memory: 2,
            engine: EngineLimits::default(),
            drain: Duration::from_secs(30),
        }
    }
}

/// A server that listens. Requests wait until [`Server::run`] is called.
pub struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
    runtime: Runtime,
    drain: Duration,
}

impl Server {
    /// Loads the default model and listens.
    ///
    /// # Errors
    /// There is no model, the default model cannot be loaded, or the address is in use.
    pub fn bind(catalog: Catalog, settings: Settings) -> Result<Self> {
        let Settings { address, api_key, queue, longest_body, longest_completion, models_in_memory, engine, drain } = settings;
        let first = catalog.entries().first().cloned().ok_or(Error::NoModel)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let metrics = Arc::new(Metrics::default());
        let models = Models::new(catalog, engine, models_in_memory, Arc::clone(&metrics));
        let loaded = models.load_now(&first.directory);
        loaded.map_err(|source| Error::Load { name: first.name, source: Box::new(source) })?;
        let listener = TcpListener::bind(address).map_err(|source| Error::Listen { address, source })?;
        let limits = Limits { queue, body: longest_body, new_tokens: longest_completion };
        let shared = Shared { models, metrics, key: api_key, queue: Arc::new(Semaphore::new(queue)), limits };
        Ok(Server { listener, shared: Arc::new(shared), runtime, drain })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or_else(|_| (Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Serves until the process gets SIGTERM or SIGINT. Then it accepts no further request, finishes the open ones, and returns. A second
    /// signal ends the process at once.
    ///
    /// # Errors
    /// The network fails.
    pub fn run(self) -> Result<()> {
        self.run_until(stop_signal())
    }

    /// As [`Server::run`], until `stop` is ready.
    ///
    /// # Errors
    /// The network fails.
    pub fn run_until(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let Server { listener, shared, runtime, drain } = self;
        let stopping = Arc::new(Notify::new());
        let stopped = Arc::clone(&stopping);
        let outcome = runtime.block_on(async move {
            listener.set_nonblocking(true)?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let stop = async move {
                stop.await;
                log::info!("finishing the open requests");
                stopping.notify_one();
            };
            let serving = axum::serve(listener, routes(&shared)).with_graceful_shutdown(stop).into_future();
            let out_of_time = async {
                stopped.notified().await;
                tokio::time::sleep(drain).await;
            };
            tokio::select! {
                served = serving => served,
                () = out_of_time => {
                    log::warn!("some requests were not finished within {} s, and are cut off", drain.as_secs());
                    Ok(())
                }
            }
        });
        // Threads that load a model or encode a prompt may still work.
        runtime.shutdown_background();
        Ok(outcome?)
    }
}

/// Ready when the process is asked to stop.
async fn stop_signal() {
    let signals = async {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // The handlers stay installed, so a second signal needs its own handler.
            tokio::spawn(async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                std::process::exit(130);
            });
            Ok::<(), std::io::Error>(())
        }
        #[cfg(not(unix))]
        tokio::signal::ctrl_c().await
    };
    if let Err(error) = signals.await {
        log::warn!("failed to install the handlers of signals, so that a signal ends the server at once: {error}");
        std::future::pending::<()>().await;
    }
}
