//! The documents of a text corpus, and what tells its files from changed ones.

use super::corpus::{DocumentUnit, TextCorpus, TextFile};
use crate::error::{Error, Result};
use crate::task::template::Template;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use starloop_lm::checkpoint::sha256;
use std::path::PathBuf;

/// The separator of the rows of a document: the blank line of a few-shot prompt.
const SEPARATOR: &str = "\n\n";

/// A corpus that has been read.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// In the order of the files.
    pub documents: Vec<String>,
    pub files: Vec<ReadFile>,
}

/// A file of a corpus as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadFile {
    /// The file.
    pub path: PathBuf,
    /// The SHA-256 of its bytes.
    pub sha256: String,
    /// Documents that it gave.
    pub documents: usize,
}

impl Text {
    /// Reads all files.
    ///
    /// # Errors
    /// A file cannot be read, is not UTF-8 or holds no document; a row is not as its template wants it.
    pub fn read(corpus: &TextCorpus) -> Result<Self> {
        let mut text = Text { documents: Vec::new(), files: Vec::new() };
        for file in &corpus.files {
            let bytes = fs::read(&file.path)?;
            let sha256 = sha256(&bytes);
            let documents = documents(file, bytes).map_err(|message| Error::Corrupt { path: file.path.clone(), message })?;
            text.files.push(ReadFile { path: file.path.clone(), sha256, documents: documents.len() });
            text.documents.extend(documents);
        }
        Ok(text)
    }
}

fn documents(file: &TextFile, bytes: Vec<u8>) -> Result<Vec<String>, String> {
    let content = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|&byte| byte == b'\n').count();
        format!("line {line} is not UTF-8; convert the file")
    })?;
    let documents = match (&file.template, file.document) {
        (Some(template), _) => grouped(&rows(&content, template)?, file.max_rows),
        (None, DocumentUnit::Paragraph) => paragraphs(&content),
        (None, DocumentUnit::File) => vec![content].into_iter().filter(|content| !content.trim().is_empty()).collect(),
    };
    if documents.is_empty() { Err("holds no document, so there is nothing to learn".to_owned()) } else { Ok(documents) }
}

/// The texts of the rows. Empty lines are skipped.
fn rows(content: &str, template: &str) -> Result<Vec<String>, String> {
    let template = Template::parse(template)?;
    let row = |line: &str| {
        let row: Map<String, Value> = serde_json::from_str(line).map_err(|error| error.to_string())?;
        template.render(&row)
    };
    let lines = content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(number, line)| row(line).map_err(|message| format!("line {}: {message}", number + 1))).collect()
}

/// Documents of 1, 2, ... `most` rows in turn.
fn grouped(mut rows: &[String], most: usize) -> Vec<String> {
    let mut documents = Vec::new();
    for wanted in (1..=most).cycle() {
        if rows.is_empty() {
            break;
        }
        let (document, rest) = rows.split_at(wanted.min(rows.len()));
        documents.push(document.join(SEPARATOR));
        rows = rest;
    }
    documents
}

fn paragraphs(content: &str) -> Vec<String> {
    let lines: Vec<&str> = content.lines().collect();
    let paragraphs = lines.split(|line| line.trim().is_empty());
    paragraphs.filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &TextFile, content: &[u8]) -> Result<Vec<String>, String> {
        documents(file, content.to_vec())
    }

    fn plain(document: DocumentUnit) -> TextFile {
        TextFile { path: PathBuf::new(), template: None, max_rows: 1, document }
    }

    fn lines(max_rows: usize) -> TextFile {
        TextFile { template: Some("Q: {{ q }}".to_owned()), max_rows, ..plain(DocumentUnit::default()) }
    }

    #[test]
    fn a_document_is_a_paragraph_or_the_file() {
        let content = b"\n one\ntwo\r\n \n\n\nthree\n";
        assert_eq!(read(&plain(DocumentUnit::Paragraph), content), Ok(vec![" one\ntwo".to_owned(), "three".to_owned()]));
        assert_eq!(read(&plain(DocumentUnit::File), b"one\n\ntwo\n"), Ok(vec!["one\n\ntwo\n".to_owned()]));
    }

    #[test]
    fn rows_become_documents_of_one_row_two_rows_and_so_on() {
        let content = (1..=8).map(|n| format!("{{\"q\": {n}, \"other\": null}}")).collect::<Vec<_>>().join("\n\n");
        let lengths = |most| read(&lines(most), content.as_bytes()).map(|all| all.iter().map(|d| d.matches("Q: ").count()).collect());
        assert_eq!(lengths(1), Ok(vec![1; 8]));
        assert_eq!(lengths(3), Ok(vec![1, 2, 3, 1, 1]));
        assert_eq!(read(&lines(2), content.as_bytes()).map(|all| all[1].clone()), Ok("Q: 2\n\nQ: 3".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        for (file, content, said) in [
            (lines(1), &b"{\"q\": 1}\n{\"q\": }\n"[..], "line 2: expected value"),
            (lines(1), b"{\"q\": 1}\n\n[1]\n", "line 3: invalid type: sequence, expected a map"),
            (lines(1), b"{\"p\": 1, \"r\": 2}\n", "line 1: the template asks for `q`, but the row's columns are: p, r"),
            (lines(1), b"\n\n", "holds no document"),
            (plain(DocumentUnit::Paragraph), b" \n\t\n", "holds no document"),
            (plain(DocumentUnit::File), b"\n", "holds no document"),
            (plain(DocumentUnit::File), b"fine\nna\xEFve\n", "line 2 is not UTF-8"),
        ] {
            let error = read(&file, content).err().unwrap_or_default();
            assert!(error.contains(said), "no {said:?} in {error:?}");
        }
    }
}
