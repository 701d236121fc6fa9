//! The report as one HTML page: no network, no file beside it, readable years later in any browser.
//!
//! Page, style and scripts are the files in `html/`; they are put into one document with the data. What a model wrote is not to be trusted,
//! so it never becomes markup: it stands as compressed text in data blocks, and the scripts show it as text alone. Should they fail in
//! that, the page's own policy still runs no script and loads no file but those that are named in it by their hash.
//!
//! A hundred thousand attempts are some fifty megabytes of text. The columns to filter by are one pack, which is opened at once; the texts are
//! pages, each opened when it is looked at. A pack is gzip in base64: browsers undo both by themselves, and text is what any tool can carry.

mod collect;
mod data;
mod pack;

use super::Report;
use crate::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use collect::Collection;
use sha2::{Digest, Sha256};

/// How many attempts and answers a page holds unless told otherwise: about what a browser takes without a pause on an ordinary machine.
pub const MOST_ATTEMPTS: u64 = 100_000;

const PAGE: &str = include_str!("html/page.html");
const STYLE: &str = include_str!("html/style.css");
/// In the order in which they build on each other.
const SCRIPTS: [&str; 15] = [
    include_str!("html/dom.js"),
    include_str!("html/words.js"),
    include_str!("html/data.js"),
    include_str!("html/charts.js"),
    include_str!("html/result.js"),
    include_str!("html/accuracy.js"),
    include_str!("html/flow.js"),
    include_str!("html/steps.js"),
    include_str!("html/training.js"),
    include_str!("html/health.js"),
    include_str!("html/difference.js"),
    include_str!("html/tokens.js"),
    include_str!("html/rationale.js"),
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
    /// What it lacks, and why.
    pub warnings: Vec<String>,
}

/// What a page holds beside the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HtmlContents {
    /// About so many attempts and answers at most; of more, all those of a part of the problems.
    pub most_attempts: u64,
    /// How likely each token of them was: the checkpoints that wrote them are asked, which takes about the time of measuring them.
    pub token_logprobs: bool,
}

impl Default for HtmlContents {
    fn default() -> Self {
        HtmlContents { most_attempts: MOST_ATTEMPTS, token_logprobs: false }
    }
}

/// The page of a report. `progress` is told how many attempts of how many are read.
pub(super) fn page(report: &Report, contents: &HtmlContents, progress: &mut dyn FnMut(u64, u64)) -> Result<HtmlReport> {
    let Collection { attempts, mut warnings } = collect::collect(report, contents, progress)?;
    let (shown, total) = (attempts.shown, attempts.total);
    if total > contents.most_attempts {
        warnings.push(format!("the page holds {shown} of {total} attempts and answers, all those of a part of the problems"));
    } else if shown < total {
        warnings.push(format!("{} attempts and answers that the figures count are not in the files of the run", total - shown));
    }
    let json = serde_json::to_string(&data::of(report, &attempts, total > contents.most_attempts, &warnings)?)
        .map_err(|error| damaged(report, &error))?;
    let mut blocks = block("data", "application/json", &json.replace('<', "\\u003c"));
    for (name, pack) in attempts.packs() {
        blocks += &block(&name, "application/gzip;base64", &pack);
    }
    Ok(HtmlReport { html: document(&blocks), shown, total, warnings })
}

/// The page's parts in one document. The data comes last, so that nothing in it can pass for a place of another part.
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

fn damaged(report: &Report, error: &serde_json::Error) -> Error {
    let path = report.runs.first().map(|run| run.path.clone()).unwrap_or_default();
    Error::Corrupt { path, message: error.to_string() }
}

#[cfg(test)]
mod tests;
