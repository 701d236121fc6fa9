//! Numbers: alone, and in completions.

use crate::table::rows;
use starloop_answers::{Ending, Mark, Outcome, find, number};

const QUANTITIES: &str = include_str!("tables/quantities.txt");
const NUMBERS: &str = include_str!("tables/numbers.txt");

#[test]
fn quantities_alone() {
    let wrong: Vec<String> = rows(QUANTITIES)
        .filter_map(|(line, columns, text)| {
            let read = number::parse(&text).map_or("-".to_owned(), |quantity| quantity.value.to_string());
            (read != columns[0]).then(|| format!("line {line}: {text:?} is {read}, not {}", columns[0]))
        })
        .collect();
    assert!(wrong.is_empty(), "{} rows: {wrong:#?}", wrong.len());
}

#[test]
fn numbers_in_completions() {
    let wrong: Vec<String> = rows(NUMBERS)
        .filter_map(|(line, columns, text)| {
            let (ending, reading) = match columns[1].trim().strip_prefix("cut") {
                Some(reading) => (Ending::CutOff, reading.trim()),
                None => (Ending::Complete, columns[1].trim()),
            };
            let outcome = find::number(&text, &Mark::ALL, ending);
            let value = match &outcome {
                Outcome::Found(found) => found.answer.value.to_string(),
                Outcome::Unparsed(_) => "unparsed".to_owned(),
                Outcome::Truncated => "truncated".to_owned(),
            };
            let rule = outcome.place().map_or("", |place| place.reading.name());
            (value != columns[0] || rule != reading)
                .then(|| format!("line {line}: {text:?} is {value} by {rule}, not {} by {reading}", columns[0]))
        })
        .collect();
    assert!(wrong.is_empty(), "{} rows: {wrong:#?}", wrong.len());
}
