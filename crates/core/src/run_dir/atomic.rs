//! Writing so that a final name means done: a temporary name, sync, rename.

use fs_err as fs;
use std::ffi::OsStr;
use std::io::{ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

/// One name for each target, so that what a crash left behind is overwritten by the next try and cannot pile up.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

pub(super) fn is_temporary(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("partial"))
}

/// The directory that a path is in; a bare name is in the working directory.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file, and the directories above it, so that it is either not there or whole.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = parent(path);
    fs::create_dir_all(parent)?;
    let partial = temporary(path);
    let mut file = fs::File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&partial, path)?;
    sync_directory(parent)
}

/// Lets `make` make a directory at the path that it is given, and puts it in the place of `path` when it is whole. What was there before is
/// removed first; what `make` leaves beside its path is thrown away.
///
/// # Errors
/// Those of `make`, and of the file system.
pub fn create_directory<T, E: From<std::io::Error>>(
    path: &Path,
    make: impl FnOnce(&Path) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let parent = parent(path);
    remove_directory(path)?;
    let partial = temporary(path);
    fs::create_dir_all(&partial)?;
    let unfinished = partial.join("unfinished");
    let value = make(&unfinished)?;
    sync_tree(&unfinished)?;
    fs::rename(&unfinished, path)?;
    sync_directory(parent)?;
    discard_partial(path)?;
    Ok(value)
}

/// Removes a directory, which need not be there. Under its temporary name first, so that no half of it ever stands under the final one.
pub(super) fn remove_directory(path: &Path) -> Result<()> {
    discard_partial(path)?;
    if path.exists() {
        fs::rename(path, temporary(path))?;
        discard_partial(path)?;
    }
    Ok(())
}

/// Removes what an interrupted making or removing of a directory left behind.
pub(super) fn discard_partial(path: &Path) -> Result<()> {
    match fs::remove_dir_all(temporary(path)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
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

/// Makes renames in a directory last. Elsewhere than on Unix a directory cannot be opened as a file, and renames are synced with the file.
fn sync_directory(directory: &Path) -> Result<()> {
    if cfg!(unix) { fs::File::open(directory)?.sync_all() } else { Ok(()) }
}
