//! Numbers: alone, and in completions.

use crate::table::rows;
use starloop_answers::{Ending, Mark, ReadOutcome, find, number};

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
                ReadOutcome::Found(found) => found.answer.value.to_string(),
                ReadOutcome::Unparsed(_) => "unparsed".to_owned(),
                ReadOutcome::Truncated => "truncated".to_owned(),
            };
            let rule = outcome.place().map_or("", |place| place.reading.name());
            (value != columns[0] || rule != reading)
                .then(|| format!("line {line}: {text:?} is {value} by {rule}, not {} by {reading}", columns[0]))
        })
        .collect();
    assert!(wrong.is_empty(), "{} rows: {wrong:#?}", wrong.len());
}

/// Known answers of tasks: a quantity, or a whole solution.
#[test]
fn known_answers() {
    let solution = "48/2 = <<48/2=24>>24 clips in May.\n48+24 = <<48+24=72>>72 in all.\n#### 72";
    for (text, value) in [
        ("₹5", "5"),
        ("US$5", "5"),
        ("\\frac{3}{4}", "0.75"),
        ("$\\frac{3}{4}$", "0.75"),
        ("1 1/2", "1.5"),
        ("3.5 m^2", "3.5"),
        ("x = 5", "5"),
        ("25%", "25"),
        (solution, "72"),
        ("So we get $\\boxed{72}$.", "72"),
        ("The answer is 72.", "72"),
        ("1e99", &format!("1{}", "0".repeat(99))),
        ("1208925819614629174706176", "1208925819614629174706176"),
        ("18446744073709551617", "18446744073709551617"),
        ("0.12345678901234567891", "0.12345678901234567891"),
        ("12 apples", "12"),
        ("- $3", "-3"),
    ] {
        let read = number::known(text).map(|quantity| quantity.value.to_string());
        assert_eq!(read.as_deref(), Some(value), "{text}");
    }
    for text in
        ["", "about 5", "5 or 6", "2 or 3", "x", "one", "two", "yes", "She has 5 apples and 3 pears.", "1,23,4", "#### two", "2\\pi"]
    {
        assert_eq!(number::known(text), None, "{text}");
    }
}

#[test]
fn a_percentage_is_not_a_fraction() {
    let equal = |one: &str, other: &str| number::known(one).unwrap().value == number::known(other).unwrap().value;
    assert!(equal("25%", "25") && !equal("25%", "0.25"));
    assert_eq!(number::known("25%").unwrap().unit.as_deref(), Some("%"));
}
