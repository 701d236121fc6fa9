#![allow(clippy::unwrap_used)]

use super::pack::{self, Pages};
use super::*;
use crate::report::tests::two_methods;
use flate2::read::GzDecoder;
use std::io::Read;

fn unpacked(pack: &str) -> String {
    let mut text = String::new();
    GzDecoder::new(STANDARD.decode(pack).unwrap().as_slice()).read_to_string(&mut text).unwrap();
    text
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = &text[text.find(before).unwrap() + before.len()..];
    &rest[..rest.find(after).unwrap()]
}

#[test]
fn the_page_runs_its_own_script_alone_and_loads_nothing() {
    let directory = tempfile::tempdir().unwrap();
    two_methods(directory.path());
    let report = Report::read(&[directory.path().to_owned()]).unwrap();
    let HtmlReport { html, shown, total, warnings } = report.html(MOST_ATTEMPTS).unwrap();
    assert_eq!((shown, total), (0, 6_500), "two iterations of 2,000 problems with 1,300 second tries, and four times 300 answers");
    assert_eq!(warnings, ["6500 attempts and answers that the figures count are not in the files of the run"]);
    let policy = between(&html, "Content-Security-Policy\" content=\"", "\">");
    let sha256 = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    for part in [between(&html, "<script>", "</script>"), between(&html, "<style>", "</style>")] {
        assert!(policy.contains(&sha256(part)), "{policy}");
    }
    let places = html.replace("http://www.w3.org/2000/svg", "");
    for loading in ["http:", "https:", "url(", "@import", "src=", "import(", "innerHTML", "eval(", "{{POLICY", "{{BLOCKS"] {
        assert!(!places.contains(loading), "{loading}");
    }
}

#[test]
fn the_names_of_a_run_stay_within_their_block() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("<script>{{SCRIPT}}");
    two_methods(&run);
    let html = Report::read(&[run]).unwrap().html(MOST_ATTEMPTS).unwrap().html;
    let json = between(&html, "id=\"data\">", "</script>");
    assert!(!json.contains('<'));
    let data: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(data["runs"][0]["name"], "<script>{{SCRIPT}}");
    assert_eq!(html.matches("<script>").count(), 1, "the page's own");
}

#[test]
fn the_page_has_the_sentences_and_names_of_the_report() {
    let directory = tempfile::tempdir().unwrap();
    two_methods(directory.path());
    let report = Report::read(&[directory.path().to_owned()]).unwrap();
    let html = report.html(MOST_ATTEMPTS).unwrap().html;
    let data: serde_json::Value = serde_json::from_str(between(&html, "id=\"data\">", "</script>")).unwrap();
    let run = &data["runs"][0];
    assert_eq!(run["headline"], serde_json::to_value(&report.runs[0].headline).unwrap());
    assert_eq!(run["paper_note"], report.runs[0].paper_note().unwrap());
    assert_eq!(run["methods"][1]["class_names"][2], serde_json::json!(["3 digits", "3 digits (n = 100)"]));
    assert_eq!(run["methods"][1]["summary"], serde_json::to_value(&report.summaries()[1]).unwrap());
}

#[test]
fn pages_hold_every_value_once_and_in_order() {
    let mut pages = Pages::default();
    let long = "x".repeat(300_000);
    let values: Vec<String> = (0..1_000).map(|n| if n == 500 { long.clone() } else { format!("value {n}") }).collect();
    for (n, value) in values.iter().enumerate() {
        assert_eq!(pages.push(value), n as u64);
    }
    pages.close();
    assert_eq!(pages.firsts, [0, 400, 500, 501, 901], "a long value has a whole page");
    let opened: Vec<String> = pages.packs.iter().flat_map(|pack| serde_json::from_str::<Vec<String>>(&unpacked(pack)).unwrap()).collect();
    assert_eq!(opened, values);
    assert_eq!(pack::json(&values), pack::json(&values), "the bytes are always the same");
}

/// The relative luminance of a colour `#rrggbb` (WCAG 2.2).
fn luminance(colour: &str) -> f64 {
    let part = |at: usize| {
        let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
}

#[test]
fn text_has_enough_contrast_on_light_and_dark_paper() {
    for theme in [":root {", ":root[data-theme=\"dark\"] {"] {
        let block = between(STYLE, theme, "}");
        let colour = |name: &str| luminance(between(block, &format!("--{name}: "), ";"));
        let series =
            ["ink", "faint", "accent", "blue", "orange", "green", "purple", "vermilion", "sky", "black"].map(|text| (text, "paper"));
        let badges = [("good", "good-soft"), ("bad", "bad-soft"), ("dropped", "dropped-soft"), ("ink", "plain-soft")];
        for (text, paper) in series.into_iter().chain(badges) {
            let (text_light, paper_light) = (colour(text), colour(paper));
            let contrast = (text_light.max(paper_light) + 0.05) / (text_light.min(paper_light) + 0.05);
            assert!(contrast >= 4.5, "{theme} {text} on {paper}: {contrast:.2}");
        }
    }
}
