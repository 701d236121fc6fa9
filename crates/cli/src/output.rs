//! The one writer of standard output and standard error.
//!
//! Names, texts and messages of other programs can come from anyone. On a terminal, their control and invisible characters could change its
//! state, or hide and turn around what it shows. So a terminal gets such characters by name, and so does standard error, which is text for
//! people. Standard output that is not a terminal gets data unchanged, and JSON is always the same value.

use crate::untrusted::{is_unseen, visible};
use anyhow::{Context, Result};
use starloop_record::atomic;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// Prints a line of data.
pub fn print(line: &str) -> Result<()> {
    write_line(&for_output(line, io::stdout().is_terminal()))
}

/// Prints a piece of a line at once.
pub fn print_piece(piece: &str) -> Result<()> {
    write(&for_output(piece, io::stdout().is_terminal()))
}

/// Prints a prompt for the user on standard error.
pub fn prompt(text: &str) -> Result<()> {
    let mut err = io::stderr().lock();
    err.write_all(text.as_bytes()).and_then(|()| err.flush()).context("cannot write to standard error")
}

/// Prints a value as one line of JSON.
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print_json_text(&serde_json::to_string(value)?)
}

/// Prints a text that is JSON.
pub fn print_json_text(json: &str) -> Result<()> {
    write_line(&json_line(json))
}

/// Returns true if an option names standard output.
pub fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Writes a file whole or not at all. `-` is standard output. It gets the bytes as they are, unless it is a terminal.
///
/// # Errors
/// The file or standard output cannot be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    if !is_stdout(path) {
        return Ok(atomic::write(path, bytes)?);
    }
    let mut out = io::stdout().lock();
    let written = if out.is_terminal() { out.write_all(shown(bytes).as_bytes()) } else { out.write_all(bytes) };
    written.and_then(|()| out.flush()).context("cannot write to standard output")
}

/// A file's bytes as a terminal gets them.
fn shown(bytes: &[u8]) -> String {
    visible(&String::from_utf8_lossy(bytes))
}

/// JSON as standard output gets it.
pub fn json_line(json: &str) -> String {
    json_for_output(json, io::stdout().is_terminal())
}

/// Prints a message on standard error.
pub fn say(message: &str) {
    // A message that cannot be shown changes nothing about the work.
    let _ = writeln!(io::stderr().lock(), "{}", visible(message));
}

/// Prints a value as one line of JSON on standard error. Characters that a terminal does not show are escaped, and the value is the same.
pub fn say_json(value: &impl serde::Serialize) {
    let json = serde_json::to_string(value).unwrap_or_default();
    let _ = writeln!(io::stderr().lock(), "{}", json_for_output(&json, true));
}

/// Prints a message of a library on standard error, behind the name of its level.
pub fn say_warning(level: &str, message: &str, has_colours: bool) {
    let (start, end) = if has_colours { ("\u{1b}[33m", "\u{1b}[0m") } else { ("", "") };
    let _ = writeln!(io::stderr().lock(), "{start}{level}:{end} {}", visible(message));
}

fn write_line(line: &str) -> Result<()> {
    write(&format!("{line}\n"))
}

fn write(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.context("cannot write to standard output")
}

fn for_output(line: &str, is_terminal: bool) -> String {
    if is_terminal { visible(line) } else { line.to_owned() }
}

/// JSON in which a terminal gets the characters that it does not show as escapes. Outside of strings there are none of them.
fn json_for_output(json: &str, is_terminal: bool) -> String {
    if !is_terminal {
        return json.to_owned();
    }
    let mut shown = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        if is_unseen(c) {
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_controls_by_name_and_a_pipe_gets_data() {
        let hostile = "class\u{1b}]52;c;aGk=\u{7}\u{9b}2J\u{202e}x\tü";
        assert_eq!(for_output(hostile, true), "class␛]52;c;aGk=␇⟨U+009B⟩2J⟨U+202E⟩x    ü");
        assert_eq!(for_output(hostile, false), hostile);
        assert_eq!(shown(b"a,b\n\x1b]52;c\x07,\xff\n"), "a,b\n␛]52;c␇,\u{fffd}\n");
    }

    #[test]
    fn json_is_the_same_value_on_a_terminal() {
        let value = serde_json::json!({ "text": "\u{1b}]52;\u{9b}2J\u{202e}\u{e0041}ü🙂" });
        let json = value.to_string();
        let shown = json_for_output(&json, true);
        assert!(!shown.chars().any(|c| c.is_control() || is_unseen(c)), "{shown:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).ok(), Some(value));
        assert_eq!(json_for_output(&json, false), json);
    }
}
