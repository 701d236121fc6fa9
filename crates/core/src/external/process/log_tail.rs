//! The end of a program's log, for error messages.

use fs_err as fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes at the end of a log that are read.
const BYTES: u64 = 8192;

/// The last `lines` lines of a log that are not blank, as far as they lie in its last 8 KiB; empty if the log cannot be read.
pub(crate) fn log_tail(log: &Path, lines: usize) -> String {
    let text = end_of(log).unwrap_or_default();
    let said: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    said[said.len().saturating_sub(lines)..].join("\n")
}

fn end_of(log: &Path) -> io::Result<String> {
    let mut file = fs::File::open(log)?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
    let mut bytes = Vec::new();
    // A program may still write: what is added meanwhile is not read.
    file.take(BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::log_tail;

    #[test]
    fn the_last_lines_of_a_log_are_shown_without_blank_ones() {
        let place = tempfile::tempdir().expect("a directory");
        let log = place.path().join("server.log");
        assert_eq!(log_tail(&log, 2), "", "no log");
        std::fs::write(&log, format!("{}\none\n\ntwo \n\n", "x".repeat(20_000))).expect("a log");
        assert_eq!(log_tail(&log, 2), "one\ntwo");
        let all = log_tail(&log, 9);
        assert!(all.len() <= 8192 && all.ends_with("x\none\ntwo"), "{} bytes", all.len());
    }
}
