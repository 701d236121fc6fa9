//! Files and directories that are written under their final name, and never through a symbolic link.

use crate::atomic::regular;
use fs_err as fs;
use fs_err::{File, OpenOptions};
use std::io::{self, ErrorKind, Result};
use std::path::{Component, Path, PathBuf};

/// Opens a file for reading and appending. It is created if it is missing.
///
/// # Errors
/// It is a symbolic link, or cannot be opened.
pub fn open_to_append(path: &Path) -> Result<File> {
    open(path, OpenOptions::new().create(true).read(true).append(true))
}

/// Opens a file for locking. It is created if it is missing, and its content stays as it is.
///
/// # Errors
/// It is a symbolic link, or cannot be opened.
pub fn open_to_lock(path: &Path) -> Result<File> {
    open(path, OpenOptions::new().create(true).truncate(false).write(true))
}

/// Creates an empty file for writing. An earlier file at the path is removed; of a symbolic link the link itself,
/// and not its target.
///
/// # Errors
/// A directory is there, or the file cannot be created.
pub fn create(path: &Path) -> Result<File> {
    if fs::symlink_metadata(path).is_ok() {
        fs::remove_file(path)?;
    }
    OpenOptions::new().create_new(true).write(true).open(path)
}

/// Copies a file to a path, as [`create`] creates one.
///
/// # Errors
/// Those of [`create`], and `from` cannot be read.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    io::copy(&mut regular::open(from)?, &mut create(to)?).map(drop)
}

/// Creates a directory with those above it, unless it is there.
///
/// # Errors
/// It is a symbolic link, or cannot be created.
pub fn make_directory(path: &Path) -> Result<()> {
    refuse_link(path)?;
    fs::create_dir_all(path)
}

/// The path `relative` in the directory `root`, if no part of it below `root` is a symbolic link. Parts may be missing. `root` itself may be a
/// link: the user named it.
///
/// # Errors
/// A part is a symbolic link, or leaves the directory.
pub fn below(root: &Path, relative: &Path) -> Result<PathBuf> {
    let mut path = root.to_owned();
    for part in relative.components() {
        let Component::Normal(part) = part else {
            let message = format!("`{}` leaves the directory `{}`", relative.display(), root.display());
            return Err(io::Error::new(ErrorKind::InvalidInput, message));
        };
        path.push(part);
        refuse_link(&path)?;
    }
    Ok(path)
}

/// Checks that a directory that is written to holds no symbolic link, however deep.
///
/// # Errors
/// It holds one, or cannot be read.
pub fn refuse_links(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            refuse_links(&entry.path())?;
        } else if kind.is_symlink() {
            refuse_link(&entry.path())?;
        }
    }
    Ok(())
}

fn open(path: &Path, options: &mut OpenOptions) -> Result<File> {
    // Here for a clear message, and on systems without the flag.
    refuse_link(path)?;
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    options.open(path)
}

fn refuse_link(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => Err(io::Error::new(
            ErrorKind::InvalidInput,
            format!(
                "`{}` is a symbolic link, and nothing is written through a link; remove it, or put the file itself there",
                path.display()
            ),
        )),
        // To open a pipe would wait for a reader.
        Ok(_) => regular::refuse_special(path),
        Err(_) => Ok(()),
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_is_written_through_a_link() {
        let place = tempfile::tempdir().unwrap();
        let (secret, link) = (place.path().join("secret"), place.path().join("link"));
        std::fs::write(&secret, "secret").unwrap();
        for target in [&secret, &place.path().join("nowhere")] {
            symlink(target, &link).unwrap();
            for error in [open_to_append(&link).unwrap_err(), open_to_lock(&link).unwrap_err(), make_directory(&link).unwrap_err()] {
                assert!(error.to_string().contains("/link` is a symbolic link"), "{error}");
            }
            create(&link).unwrap().write_all(b"new").unwrap();
            assert_eq!(std::fs::read(&link).unwrap(), b"new", "the link was replaced");
            std::fs::remove_file(&link).unwrap();
        }
        symlink(&secret, &link).unwrap();
        copy(&secret, &link).unwrap();
        assert!(!link.is_symlink() && std::fs::read(&link).unwrap() == b"secret");
        assert_eq!(std::fs::read(&secret).unwrap(), b"secret");
        assert!(!place.path().join("nowhere").exists());
    }

    #[test]
    fn the_system_refuses_a_link_that_appears_after_the_check() {
        use std::os::unix::fs::OpenOptionsExt;
        let place = tempfile::tempdir().unwrap();
        let link = place.path().join("link");
        symlink(place.path().join("nowhere"), &link).unwrap();
        let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let opened = std::fs::OpenOptions::new().create(true).append(true).custom_flags(flags).open(&link);
        assert!(opened.is_err() && !place.path().join("nowhere").exists());
    }

    #[test]
    fn a_path_below_a_directory_has_no_link_in_it() {
        let place = tempfile::tempdir().unwrap();
        let (root, outside) = (place.path().join("run"), place.path().join("outside"));
        std::fs::create_dir_all(root.join("star")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        assert_eq!(below(&root, Path::new("star/iter-001/x")).unwrap(), root.join("star/iter-001/x"));
        symlink(&outside, root.join("rft")).unwrap();
        for (relative, said) in
            [("rft/iter-001/x", "/rft` is a symbolic link"), ("../x", "leaves the directory"), ("/x", "leaves the directory")]
        {
            let error = below(&root, Path::new(relative)).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let link = place.path().join("link");
        symlink(&root, &link).unwrap();
        assert!(below(&link, Path::new("star")).is_ok(), "the root itself may be a link");
    }
}
