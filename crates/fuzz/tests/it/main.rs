//! Every parser of outside input, on changed inputs.
//!
//! Seconds in each `cargo test`, which reads the corpus and 300 changed inputs; a long run is
//! `STARLOOP_FUZZ_INPUTS=1000000 cargo test -p starloop-fuzz`. Overflow checks and debug assertions are on in that build.

#![allow(clippy::unwrap_used)]

mod answers;
mod checkpoints;
mod configs;
mod data;
mod problems;
mod requests;
mod runs;
mod servers;

use starloop_fuzz::memory::Counting;
use std::path::{Path, PathBuf};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The directory for temporary files.
fn tmp() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// A path in the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The bytes of a file of the repository.
fn bytes(path: &str) -> Vec<u8> {
    std::fs::read(repository(path)).unwrap()
}

/// The files of a directory of the repository.
fn files(path: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(repository(path)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

/// A copy of files of the repository in a temporary directory.
fn copies(from: &str, names: &[&str]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::copy(repository(from).join(name), place.path().join(name)).unwrap();
    }
    place
}

#[test]
fn every_corpus_belongs_to_a_target() {
    let sources: String = files("crates/fuzz/tests/it").iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for entry in std::fs::read_dir(repository("crates/fuzz/corpus")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(sources.contains(&format!("\"{name}\"")), "no target reads the inputs of crates/fuzz/corpus/{name}");
    }
}
