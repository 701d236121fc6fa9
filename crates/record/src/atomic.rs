//! The one place that writes files.
//!
//! Files and directories appear whole or not at all: they are written under a temporary name, synced, then renamed. A temporary name is random
//! and ends in `.partial`. It is created exclusively, so a symbolic link that waits under the name is never followed. A rename replaces a link
//! itself and not its target.
//!
//! Some files grow (`events.jsonl`, a log, a download). They are opened in place, and a symbolic link in their place is an error: a run
//! directory or a download can come from someone else, and a link in it can lead to any file of the user. [`below`] checks the directories
//! between a run's root and a file in the same way.

mod in_place;
pub mod regular;

pub use in_place::{below, copy, create, make_directory, open_to_append, open_to_lock, refuse_links};

use fs_err as fs;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

const SUFFIX: &str = ".partial";

/// Returns true if a path is the temporary name of something unfinished.
pub fn is_temporary(path: &Path) -> bool {
    path.extension() == Some(OsStr::new(&SUFFIX[1..]))
}

/// The directory that holds a path. A bare name is in the working directory.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to write `{}`: {error}", path.display()))
}

/// Writes a file, and creates the directories above it.
///
/// # Errors
/// The file system refuses; the error names the file.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    // A rename would replace the name of a device, such as /dev/stdout.
    if path.starts_with("/dev") && !path.starts_with("/dev/shm") {
        let device = std::fs::OpenOptions::new().write(true).open(path);
        return device.and_then(|mut device| device.write_all(bytes)).map_err(|error| named(path, &error));
    }
    let parent = parent(path);
    fs::create_dir_all(parent).map_err(|error| named(path, &error))?;
    let (mut builder, prefix) = builder(path);
    // The umask decides about the rest, as for any other file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(&prefix).tempfile_in(parent).map_err(|error| named(path, &error))?;
    let written = file.write_all(bytes).and_then(|()| file.as_file().sync_all());
    written.map_err(|error| named(path, &error))?;
    file.persist(path).map_err(|error| named(path, &error.error))?;
    sync_directory(parent)
}

/// Temporary names start like the final one, so that a later writer of the same path finds what an interrupted one left.
fn builder(path: &Path) -> (tempfile::Builder<'static, 'static>, OsString) {
    let mut prefix = path.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.suffix(SUFFIX);
    (builder, prefix)
}

/// A directory with a temporary name beside `path`.
fn scratch(path: &Path) -> Result<tempfile::TempDir> {
    let (mut builder, prefix) = builder(path);
    builder.prefix(&prefix).tempdir_in(parent(path)).map_err(|error| named(path, &error))
}

/// Lets `make` create a directory at the path that it gets, and renames it to `path` when it is whole. An earlier file or directory at
/// `path` is removed first. Files that `make` leaves beside its directory are removed.
///
/// # Errors
/// Those of `make`, and of the file system.
pub fn create_directory<T, E: From<io::Error>>(
    path: &Path,
    make: impl FnOnce(&Path) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let parent = parent(path);
    remove_directory(path)?;
    fs::create_dir_all(parent)?;
    let scratch = scratch(path)?;
    let unfinished = scratch.path().join("unfinished");
    let value = make(&unfinished)?;
    sync_tree(&unfinished)?;
    fs::rename(&unfinished, path)?;
    sync_directory(parent)?;
    scratch.close()?;
    Ok(value)
}

/// Removes a directory, which may be missing. It is renamed first, so that half of it never stands under the final name.
///
/// # Errors
/// The file system refuses.
pub fn remove_directory(path: &Path) -> Result<()> {
    if fs::symlink_metadata(path).is_ok() {
        let scratch = scratch(path)?;
        fs::rename(path, scratch.path().join("removed"))?;
        scratch.close()?;
    }
    Ok(())
}

/// Removes what interrupted writers left in a directory. Only the holder of the directory's lock may call it.
///
/// # Errors
/// The file system refuses.
pub fn sweep(directory: &Path) -> Result<()> {
    sweep_if(directory, |_| true)
}

fn sweep_if(directory: &Path, is_ours: impl Fn(&Path) -> bool) -> Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if is_temporary(&path) && is_ours(&path) {
            if entry.file_type()?.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
    }
    Ok(())
}

/// Removes what interrupted writers of `path` left beside it. Only the holder of a lock on `path` may call it.
///
/// # Errors
/// The file system refuses.
pub fn sweep_beside(path: &Path) -> Result<()> {
    let mut prefix = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    prefix.push('.');
    sweep_if(parent(path), |leftover| leftover.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)))
}

fn sync_tree(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            fs::File::open(entry.path())?.sync_all()?;
        }
    }
    sync_directory(directory)
}

/// Makes renames in a directory durable. Elsewhere than on Unix a directory cannot be opened as a file, and the file system syncs renames
/// with the file.
fn sync_directory(directory: &Path) -> Result<()> {
    if cfg!(unix) { fs::File::open(directory)?.sync_all() } else { Ok(()) }
}

/// The files below a directory as paths relative to it, in alphabetical order.
///
/// # Errors
/// A directory cannot be read.
pub fn files_below(directory: &Path) -> Result<Vec<PathBuf>> {
    fn collect(root: &Path, directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                collect(root, &entry.path(), files)?;
            } else if let Ok(relative) = entry.path().strip_prefix(root) {
                files.push(relative.to_owned());
            }
        }
        Ok(())
    }
    let mut files = Vec::new();
    collect(directory, directory, &mut files)?;
    files.sort();
    Ok(files)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_and_leaves_nothing_beside_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("deep/er/file");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(unix)]
    fn a_file_has_the_mode_of_the_umask_and_a_link_is_replaced() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let (path, plain, secret) = (place.path().join("file"), place.path().join("plain"), place.path().join("secret"));
        std::fs::write(&plain, "").unwrap();
        std::fs::write(&secret, "secret").unwrap();
        std::os::unix::fs::symlink(&secret, &path).unwrap();
        write(&path, b"new").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain));
        assert_eq!(std::fs::read(&secret).unwrap(), b"secret", "the target of a link is not written");
    }

    #[test]
    fn a_directory_that_failed_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("directory");
        let made = create_directory(&path, |place| {
            fs::create_dir(place)?;
            fs::write(place.join("file"), "half")?;
            Err::<(), _>(io::Error::other("interrupted"))
        });
        assert!(made.is_err());
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_sweep_removes_leftovers_alone() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("directory.abc.partial/unfinished")).unwrap();
        std::fs::write(place.path().join("file.x.partial"), "").unwrap();
        std::fs::write(place.path().join("kept"), "").unwrap();
        sweep(place.path()).unwrap();
        let names: Vec<_> = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["kept"]);
    }
}
