//! The files of a directory that are read to be copied: known regular files of the directory itself.
//!
//! A checkpoint comes from others. A link in it could name any file of this machine, whose text would then be part of what is written and
//! shared.

use crate::error::{Error, Result};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A regular file of a directory, if there. A link may lead to a file of the same directory, or, in a cache of the hub, of its `blobs`.
///
/// # Errors
/// The file is a link that leaves the directory.
pub(super) fn file_in(dir: &Path, name: &str) -> Result<Option<PathBuf>> {
    let path = dir.join(name);
    let metadata = match fs_err::symlink_metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        metadata => metadata?,
    };
    if !metadata.is_symlink() {
        return Ok(metadata.is_file().then_some(path));
    }
    let (home, target) = (fs_err::canonicalize(dir)?, fs_err::canonicalize(&path)?);
    // `models--NAME/snapshots/COMMIT/FILE` is a link to `models--NAME/blobs/HASH`.
    let blobs = home.parent().filter(|parent| parent.ends_with("snapshots")).and_then(Path::parent).map(|model| model.join("blobs"));
    if target.starts_with(&home) || blobs.is_some_and(|blobs| target.starts_with(blobs)) {
        return Ok(target.is_file().then_some(path));
    }
    let problem =
        format!("is a link to {}, which is not in the directory; replace the link by the file that belongs there", target.display());
    Err(Error::Weights { path, problem })
}
