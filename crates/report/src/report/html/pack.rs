//! Packs: values that the page opens at once, as gzip in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use std::io::Write;

/// Bytes as a pack. The same bytes give the same pack: gzip's clock is left at 0.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(6));
    let packed = gzip.write_all(bytes).and_then(|()| gzip.finish()).expect("a write to a vector does not fail");
    STANDARD.encode(packed)
}

/// Texts and numbers as a pack of JSON.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    bytes(&serde_json::to_vec(value).expect("texts and numbers alone always serialize"))
}

/// A list in pages, each a pack of JSON that is opened by itself.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// The packs.
    pub(super) packs: Vec<String>,
    /// The number of the first value of each.
    pub(super) firsts: Vec<u64>,
    count: u64,
    rows: Vec<String>,
    size: usize,
}

impl Pages {
    /// Large enough to compress well, small enough to be opened between two frames.
    const ROWS: usize = 400;
    const BYTES: usize = 256 << 10;

    /// Puts a value at the end, and says which it is.
    pub(super) fn push<T: Serialize>(&mut self, value: &T) -> u64 {
        let row = serde_json::to_string(value).expect("texts and numbers alone always serialize");
        if self.rows.len() == Self::ROWS || self.size + row.len() > Self::BYTES {
            self.close();
        }
        self.size += row.len();
        self.rows.push(row);
        self.count += 1;
        self.count - 1
    }

    /// Ends the last page.
    pub(super) fn close(&mut self) {
        if !self.rows.is_empty() {
            self.firsts.push(self.count - self.rows.len() as u64);
            self.packs.push(bytes(format!("[{}]", self.rows.join(",")).as_bytes()));
            self.rows.clear();
            self.size = 0;
        }
    }
}
