//! A server in this process, and a client for it.

use serde_json::Value;
use starloop_serve::{Catalog, Server, Settings};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use ureq::Agent;

/// A path in the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The prompt of a problem that the shipped base model solves.
pub const PROMPT: &str = "Input:\n6 2 4 + 2 5 9\nTarget:\n";

/// A running server. Dropping it stops it.
pub struct Running {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<starloop_serve::Result<()>>>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub text: String,
    pub retry_after: Option<String>,
}

impl Answer {
    /// The JSON of a success.
    pub fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    /// The error, after a check of its status and its form.
    pub fn error(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        let error = serde_json::from_str::<Value>(&self.text).unwrap()["error"].clone();
        for key in ["message", "type", "param", "code"] {
            assert!(error.get(key).is_some(), "{error}");
        }
        error
    }

    /// The data of the events of a stream, all but the last one, which is `[DONE]`.
    pub fn events(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.text);
        let mut data: Vec<&str> = self.text.split("\n\n").filter(|event| !event.is_empty()).collect();
        assert_eq!(data.pop(), Some("data: [DONE]"), "{}", self.text);
        data.iter().map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()).collect()
    }
}

/// A server of the shipped base model under the name `arithmetic`.
pub fn arithmetic() -> Running {
    start(&[("arithmetic", &repository("crates/core/models/arithmetic"))], small())
}

/// Settings whose caches fit into a test.
pub fn small() -> Settings {
    let mut settings = Settings::default();
    settings.engine.cache_bytes = 1 << 25;
    settings.engine.sequences = 32;
    settings
}

pub fn start(models: &[(&str, &Path)], settings: Settings) -> Running {
    let mut catalog = Catalog::default();
    for (name, directory) in models {
        catalog.add(name, directory).unwrap();
    }
    start_with(catalog, settings)
}

pub fn start_with(catalog: Catalog, settings: Settings) -> Running {
    let server = Server::bind(catalog, settings).unwrap();
    let (address, (stop, stopped)) = (server.address(), oneshot::channel());
    let thread = std::thread::spawn(move || {
        server.run_until(async {
            let _ = stopped.await;
        })
    });
    Running { address, stop: Some(stop), thread: Some(thread) }
}

impl Running {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(path, &body.to_string(), &[("Content-Type", "application/json")])
    }

    pub fn completion(&self, body: &Value) -> Answer {
        self.post("/v1/completions", body)
    }

    pub fn send(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        let request = agent().post(self.url(path));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        read(request.send(body).unwrap())
    }

    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = headers.iter().fold(agent().get(self.url(path)), |request, (name, value)| request.header(*name, *value));
        read(request.call().unwrap())
    }

    /// The value of a metric without labels.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics", &[]).text;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// Asks the server to stop. Returns its thread.
    pub fn stop(&mut self) -> JoinHandle<starloop_serve::Result<()>> {
        let _ = self.stop.take().unwrap().send(());
        self.thread.take().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.stop().join().unwrap().unwrap();
        }
    }
}

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).build().into()
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let status = response.status().as_u16();
    let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    Answer { status, text: response.body_mut().read_to_string().unwrap(), retry_after }
}
