//! A model as the hub has it, and the hub's answers.

use crate::server::{Reply, Request, Server};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

pub fn git_blob(bytes: &[u8]) -> String {
    hexadecimal(&Sha1::new().chain_update(format!("blob {}\0", bytes.len())).chain_update(bytes).finalize())
}

/// The files of a model; weights are the hub's large files.
#[derive(Clone)]
pub struct Model(pub BTreeMap<String, Vec<u8>>);

impl Model {
    pub fn new(names: &[&str]) -> Self {
        Model(names.iter().map(|name| ((*name).to_owned(), name.repeat(1000).into_bytes())).collect())
    }

    /// One safetensors file and all that is beside it.
    pub fn usual() -> Self {
        Model::new(&["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "README.md", "onnx/model.onnx"])
    }

    pub fn set(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.insert(name.into(), bytes.into());
        self
    }

    fn list(&self) -> Value {
        let entry = |(name, bytes): (&String, &Vec<u8>)| {
            let large = Path::new(name).extension().is_some_and(|kind| kind == "safetensors" || kind == "bin");
            let large = large.then(|| json!({"sha256": sha256(bytes), "size": bytes.len(), "pointerSize": 134}));
            let pointer = if large.is_some() { git_blob(b"a pointer") } else { git_blob(bytes) };
            json!({"rfilename": name, "size": bytes.len(), "blobId": pointer, "lfs": large})
        };
        json!({"sha": COMMIT, "siblings": self.0.iter().map(entry).collect::<Vec<_>>(), "tags": ["more", "keys"]})
    }

    /// As the hub answers.
    pub fn answer(&self, request: &Request) -> Reply {
        if request.path == "/api/models/org/tiny/revision/main?blobs=true" {
            return Reply::file(request, self.list().to_string().as_bytes());
        }
        let name = request.path.strip_prefix(&format!("/org/tiny/resolve/{COMMIT}/"));
        name.and_then(|name| self.0.get(name)).map_or(Reply::status(404), |bytes| Reply::file(request, bytes))
    }

    /// As the hub answers about a data set.
    pub fn answer_as_dataset(&self, request: &Request) -> Reply {
        let path = request.path.replacen("/api/datasets/", "/api/models/", 1).replacen("/datasets/", "/", 1);
        self.answer(&Request { path, ..request.clone() })
    }

    pub fn serve(self) -> Server {
        Server::start(move |request| self.answer(request))
    }
}
