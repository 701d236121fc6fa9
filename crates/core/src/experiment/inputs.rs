//! The digests of the files that a run depends on besides its config. A run can be resumed only if they have not changed.

use crate::error::{EngineContext, Result};
use starloop_lm::checkpoint::weights_sha256;
use starloop_record::digest::file_sha256;
pub use starloop_record::info::Inputs;
use std::path::Path;

/// The inputs among `files`, and a base model's `weights`.
///
/// # Errors
/// A file cannot be read.
pub fn digest<'a>(files: impl IntoIterator<Item = &'a Path>, weights: Option<&Path>) -> Result<Inputs> {
    let name = |path: &Path| path.display().to_string();
    let mut inputs = Inputs::new();
    for file in files {
        inputs.insert(name(file), file_sha256(file)?);
    }
    if let Some(base) = weights {
        inputs.insert(name(base), weights_sha256(base).during("reading the base")?);
    }
    Ok(inputs)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_content() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let inputs = digest([path.as_path()], None).unwrap();
        // printf abc | sha256sum
        assert_eq!(inputs[&path.display().to_string()], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(digest([Path::new("/nowhere/x")], None).unwrap_err().to_string().contains("/nowhere/x"));
    }
}
