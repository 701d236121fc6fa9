//! Reading of regular files. A pipe would wait for a writer, and a device may have no end, so neither is opened.

use fs_err as fs;
use fs_err::File;
use std::io::{self, ErrorKind, Read, Result};
use std::path::Path;

/// Opens a file for reading.
///
/// # Errors
/// It is a pipe or a device, or cannot be opened.
pub fn open(path: &Path) -> Result<File> {
    refuse_special(path)?;
    File::open(path)
}

/// The bytes of a file.
///
/// # Errors
/// As [`open`], and it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a file.
///
/// # Errors
/// As [`read`], and it is not UTF-8.
pub fn read_to_string(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|error| {
        let place = error.utf8_error().valid_up_to() + 1;
        io::Error::new(ErrorKind::InvalidData, format!("{}: byte {place} is not UTF-8", path.display()))
    })
}

/// Refuses what is neither a file nor a directory. An error of a directory comes from the system.
pub(crate) fn refuse_special(path: &Path) -> Result<()> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_file() || kind.is_dir() {
        return Ok(());
    }
    let message = format!("{}: is a pipe or a device, expected a regular file", path.display());
    Err(io::Error::new(ErrorKind::InvalidInput, message))
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn pipes_and_devices_are_not_read() {
        let place = tempfile::tempdir().unwrap();
        let [text, pipe, link] = ["text", "pipe", "link"].map(|name| place.path().join(name));
        std::fs::write(&text, "abc\u{e9}").unwrap();
        assert_eq!(read_to_string(&text).unwrap(), "abc\u{e9}");
        std::fs::write(&text, b"abc\xff").unwrap();
        assert!(read_to_string(&text).unwrap_err().to_string().contains("text: byte 4 is not UTF-8"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        for path in [pipe, link] {
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("is a pipe or a device, expected a regular file"), "{error}");
        }
        assert!(read(place.path()).is_err());
    }
}
