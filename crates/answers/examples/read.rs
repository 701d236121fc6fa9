//! Reads answers from standard input and writes what was read: one JSON object in, one line out.
//!
//! `{"kind": "number" | "known" | "choice", "text": "...", "choices": [...]}` gives the value, the rule and the span, separated by tabs.

use serde::Deserialize;
use starloop_answers::{Ending, Mark, ReadOutcome, choice, find, number};
use std::io::{BufRead, Write};

#[derive(Deserialize)]
struct Query {
    kind: String,
    text: String,
    #[serde(default)]
    choices: Vec<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let Query { kind, text, choices } = serde_json::from_str(&line?)?;
        match kind.as_str() {
            "known" => writeln!(out, "{}\t\t", number::known(&text).map_or("unparsed".to_owned(), |quantity| quantity.to_string()))?,
            "number" => write(&mut out, &find::number(&text, &Mark::ALL, Ending::Complete), ToString::to_string)?,
            _ => {
                let outcome = choice::find(&text, &choices, choice::ChoiceStyle::Letters, &Mark::ALL, Ending::Complete);
                write(&mut out, &outcome, |named| {
                    named.choice(choice::ChoicePreference::Letter).and_then(choice::letter).map_or(String::new(), String::from)
                })?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

fn write<T>(out: &mut impl Write, outcome: &ReadOutcome<T>, shown: impl Fn(&T) -> String) -> std::io::Result<()> {
    let value = match outcome {
        ReadOutcome::Found(found) => shown(&found.answer),
        ReadOutcome::Unparsed(_) => "unparsed".to_owned(),
        ReadOutcome::Truncated => "truncated".to_owned(),
    };
    match outcome.place() {
        Some(place) => writeln!(out, "{value}\t{}\t{}..{}", place.reading.name(), place.span.start, place.span.end),
        None => writeln!(out, "{value}\t\t"),
    }
}
