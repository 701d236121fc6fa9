//! The report as one HTML page that needs no network and no other file.
//!
//! Page, style and scripts are the files in `html/`. They are put into one document with the data. The text of a model is not trusted and
//! never becomes markup: it is compressed text in data blocks, and the scripts show it as text only. If the scripts have an error in this,
//! the page's policy still runs no script and loads no file except those that it names by their hash.
//!
//! A hundred thousand attempts are about fifty megabytes of text. The columns to filter by are one pack, which is opened at once. The texts
//! are pages, and each is opened when it is shown. A pack is gzip in base64, which browsers can read without a library.

mod asked;
mod collect;
mod data;
mod errors;
mod names;
mod pack;

use super::Report;
use crate::error::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The default number of attempts and answers on a page. An ordinary machine shows so many without a pause.
pub const MOST_ATTEMPTS: u64 = 100_000;

const PAGE: &str = include_str!("html/page.html");
const STYLE: &str = include_str!("html/style.css");
/// In the order in which they build on each other.
const SCRIPTS: [&str; 28] = [
    include_str!("html/dom.js"),
    include_str!("html/words.js"),
    include_str!("html/data.js"),
    include_str!("html/address.js"),
    include_str!("html/store.js"),
    include_str!("html/crosshair.js"),
    include_str!("html/charts.js"),
    include_str!("html/dots.js"),
    include_str!("html/glossary.js"),
    include_str!("html/result.js"),
    include_str!("html/accuracy.js"),
    include_str!("html/flow.js"),
    include_str!("html/steps.js"),
    include_str!("html/training.js"),
    include_str!("html/health.js"),
    include_str!("html/verdicts.js"),
    include_str!("html/audit.js"),
    include_str!("html/asked.js"),
    include_str!("html/difference.js"),
    include_str!("html/tokens.js"),
    include_str!("html/rationale.js"),
    include_str!("html/filters.js"),
    include_str!("html/list.js"),
    include_str!("html/exports.js"),
    include_str!("html/grid.js"),
    include_str!("html/examples.js"),
    include_str!("html/browser.js"),
    include_str!("html/main.js"),
];

/// A report as a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtmlReport {
    /// The document.
    pub html: String,
    /// Attempts and answers in it.
    pub shown: u64,
    /// Attempts and answers in the runs.
    pub total: u64,
    /// Missing parts of the page, with the reason.
    pub warnings: Vec<String>,
}

/// The page of a report with about `most_attempts` attempts and answers at most.
pub(super) fn page(report: &Report, most_attempts: u64) -> Result<HtmlReport> {
    let attempts = collect::collect(report, most_attempts)?;
    let (shown, total) = (attempts.shown, attempts.total);
    let mut warnings = Vec::new();
    if total > most_attempts {
        warnings.push(format!("the page holds {shown} of {total} attempts and answers, all those of a part of the problems"));
    } else if shown < total {
        warnings.push(format!("{} attempts and answers that the figures count are not in the files of the run", total - shown));
    }
    let data = data::of(report, &attempts, total > most_attempts, &warnings)?;
    let json = serde_json::to_string(&data).map_err(std::io::Error::from)?;
    let mut blocks = block("data", "application/json", &json.replace('<', "\\u003c"));
    for (name, pack) in attempts.packs() {
        blocks += &block(&name, "application/gzip;base64", &pack);
    }
    Ok(HtmlReport { html: document(&blocks), shown, total, warnings })
}

/// The page's parts in one document. The data is inserted last, so that nothing in it can be taken for the place of another part.
fn document(blocks: &str) -> String {
    let script = format!("\"use strict\";\n{{\n{}}}\n", SCRIPTS.concat());
    let sha256 = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        sha256(&script),
        sha256(STYLE)
    );
    [("POLICY", policy.as_str()), ("STYLE", STYLE), ("SCRIPT", &script), ("BLOCKS", blocks)]
        .iter()
        .fold(PAGE.to_owned(), |page, (place, text)| page.replacen(&format!("{{{{{place}}}}}"), text, 1))
}

/// A block of data that the page does not run.
fn block(id: &str, kind: &str, text: &str) -> String {
    format!("<script type=\"{kind}\" id=\"{id}\">{text}</script>\n")
}

#[cfg(test)]
mod tests;
