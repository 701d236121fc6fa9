//! The files that a run depends on besides its config, by what they hold: a run that is taken up must find them as they were.

use crate::error::{EngineContext, Result};
use crate::seed::hexadecimal;
use fs_err::File;
use sha2::{Digest, Sha256};
use starloop_lm::checkpoint::weights_sha256;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Path, as the config gives it, and SHA-256 in hexadecimal. Of a checkpoint directory, that of its weights.
pub type Inputs = BTreeMap<String, String>;

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

fn file_sha256(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hexadecimal(&hash.finalize())),
            bytes => hash.update(&buffer[..bytes]),
        }
    }
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
