//! Choices in completions.

use crate::table::{choices, rows};
use starloop_answers::{Ending, Mark, ReadOutcome, choice};

const CHOICES: &str = include_str!("tables/choices.txt");

#[test]
fn choices_in_completions() {
    let mut offered = Vec::new();
    let mut wrong = Vec::new();
    for (line, columns, text) in rows(CHOICES) {
        if let Some(texts) = choices(&text) {
            offered = texts;
            continue;
        }
        let (ending, reading) = match columns[1].trim().strip_prefix("cut") {
            Some(reading) => (Ending::CutOff, reading.trim()),
            None => (Ending::Complete, columns[1].trim()),
        };
        let outcome = choice::find(&text, &offered, choice::ChoiceStyle::Letters, &Mark::ALL, ending);
        let letter = |choice: usize| choice::letter(choice).unwrap().to_string();
        let read = match &outcome {
            ReadOutcome::Found(found) if found.answer.is_contradiction() => {
                format!("{}!{}", letter(found.answer.letter.unwrap()), letter(found.answer.text.unwrap()))
            }
            ReadOutcome::Found(found) => letter(found.answer.choice(choice::ChoicePreference::Letter).unwrap()),
            ReadOutcome::Unparsed(_) => "unparsed".to_owned(),
            ReadOutcome::Truncated => "truncated".to_owned(),
        };
        let rule = outcome.place().map_or("", |place| place.reading.name());
        if read != columns[0] || rule != reading {
            wrong.push(format!("line {line}: {text:?} is {read} by {rule}, not {} by {reading}", columns[0]));
        }
    }
    assert!(wrong.is_empty(), "{} rows: {wrong:#?}", wrong.len());
}
