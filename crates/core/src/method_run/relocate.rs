//! A run directory can be moved, so an adapter in it names a base in the same run by a relative path.

use crate::error::{Error, Result};
use fs_err as fs;
use serde_json::Value;
use starloop_lm::files::peft::{ADAPTER_CONFIG, is_adapter};
use starloop_record::atomic::regular;
use std::path::{Component, Path, PathBuf};

/// The key of `adapter_config.json` that names the base.
pub(crate) const BASE: &str = "base_model_name_or_path";

/// Rewrites the base of the adapter in `written`, which will stand at `place`, if its base is in the run `root`.
pub(super) fn adapter(written: &Path, place: &Path, root: &Path) -> Result<()> {
    if !is_adapter(written) {
        return Ok(());
    }
    let path = written.join(ADAPTER_CONFIG);
    let corrupt = |error: serde_json::Error| Error::Json { path: path.clone(), source: error };
    let mut config: Value = serde_json::from_slice(&regular::read(&path)?).map_err(corrupt)?;
    let Some(base) = config.get(BASE).and_then(Value::as_str).map(fs::canonicalize).transpose()? else { return Ok(()) };
    let canonical_root = fs::canonicalize(root)?;
    if !base.starts_with(&canonical_root) {
        return Ok(());
    }
    let place = canonical_root.join(place.strip_prefix(root).unwrap_or(place));
    let relative = relative(&place, &base);
    config[BASE] = relative.to_string_lossy().replace('\\', "/").into();
    let mut text = serde_json::to_vec_pretty(&config).map_err(corrupt)?;
    text.push(b'\n');
    Ok(starloop_record::atomic::write(&path, &text)?)
}

/// The path from one absolute directory to another.
pub(crate) fn relative(from: &Path, to: &Path) -> PathBuf {
    let (from, to): (Vec<Component<'_>>, Vec<Component<'_>>) = (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[common..].iter().map(|_| Component::ParentDir);
    up.chain(to[common..].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::relative;
    use std::path::Path;

    #[test]
    fn the_way_from_a_checkpoint_to_the_base() {
        let found = relative(Path::new("/runs/a/star/iter-001/checkpoint"), Path::new("/runs/a/base"));
        assert_eq!(found, Path::new("../../../base"));
    }
}
