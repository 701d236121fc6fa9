//! The choices of a row, and the choice that its answer names.

use super::texts::plain;
use crate::task::rows::DataRow;
use crate::task::verdict::MOST_CHOICES;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use starloop_answers::choice;
use std::slice;

/// `task.choices`: the columns that hold the choices of a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected the name of a column, or a list of names such as [\"A\", \"B\", \"C\"]")]
pub enum ChoiceColumns {
    /// One column with all choices: a list of texts, a list of objects with `text` and `label`, an object with the lists `text` and `label`, or
    /// an object with a text for each label.
    All(String),
    /// A column for each choice. A row may lack some of them.
    Each(Vec<String>),
}

impl From<&str> for ChoiceColumns {
    fn from(column: &str) -> Self {
        ChoiceColumns::All(column.to_owned())
    }
}

/// The choices of one row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub texts: Vec<String>,
    /// The names of each choice besides its text; empty if there are none.
    labels: Vec<Vec<String>>,
}

impl ChoiceColumns {
    /// The names of the columns.
    pub fn names(&self) -> &[String] {
        match self {
            ChoiceColumns::All(column) => slice::from_ref(column),
            ChoiceColumns::Each(columns) => columns,
        }
    }

    /// The choices of a row.
    pub(crate) fn read(&self, row: &DataRow) -> Result<Listed, String> {
        let listed = match self {
            ChoiceColumns::All(column) => in_one_column(row.require(column)?).map_err(|reason| format!("{column:?} {reason}"))?,
            ChoiceColumns::Each(columns) => in_columns(row, columns)?,
        };
        let count = listed.texts.len();
        if (2..=MOST_CHOICES).contains(&count) {
            return Ok(listed);
        }
        let names = self.names().join(", ");
        match self {
            ChoiceColumns::All(_) => Err(format!("{names:?} holds {count} choices, expected 2 to {MOST_CHOICES}")),
            ChoiceColumns::Each(_) => Err(format!("the columns {names} hold {count} choices in this row, expected 2 to {MOST_CHOICES}")),
        }
    }
}

impl Listed {
    /// The place of the choice that an answer names: by its label, its letter, its text or its number. Numbers count from `first`. Without `first`
    /// they are the choices' own labels, if these are numbers, and otherwise count from 0. `None` if the answer names no choice, or two.
    pub(crate) fn place_of(&self, answer: &Value, first: Option<u64>) -> Option<usize> {
        let text = plain(answer);
        let number: Option<u64> = text.parse().ok();
        let place = |first: u64| number?.checked_sub(first).and_then(|place| usize::try_from(place).ok()).filter(|&n| n < self.texts.len());
        if let (Some(_), Some(first)) = (number, first) {
            return place(first);
        }
        let bare = text.trim_matches(|c: char| !c.is_alphanumeric());
        let is_label = |label: &String| label.eq_ignore_ascii_case(&text) || label.eq_ignore_ascii_case(bare);
        let by_label = self.labels.iter().position(|labels| labels.iter().any(is_label));
        if by_label.is_some() {
            return by_label;
        }
        let by_place = if self.has_numbers_as_labels() { None } else { place(0) };
        if answer.is_u64() {
            let by_text = self.texts.iter().position(|choice| *choice == text);
            return if by_place.is_some() && by_text.is_some() && by_place != by_text { None } else { by_text.or(by_place) };
        }
        choice::known(&text, &self.texts).or(by_place)
    }

    /// Returns true if the choices have numbers as their labels.
    pub(crate) fn has_numbers_as_labels(&self) -> bool {
        self.labels.iter().flatten().any(|label| label.parse::<u64>().is_ok())
    }
}

/// `["red", "blue"]`, `[{"label": "A", "text": "red"}, ...]`, `{"label": ["A", ...], "text": ["red", ...]}` or `{"A": "red", "B": "blue"}`.
fn in_one_column(value: &Value) -> Result<Listed, String> {
    let expected =
        || format!("must be a list of texts, or of objects with \"text\" and \"label\", or an object with labels, found {value}");
    let texts = |list: &Value| list.as_array().map(|list| list.iter().map(plain).collect::<Vec<_>>());
    let is_single = |value: &Value| !value.is_array() && !value.is_object();
    let (choices, labels) = match value {
        Value::Object(both) if both.contains_key("text") => (both.get("text").and_then(texts), both.get("label").and_then(texts)),
        Value::Object(labelled) if labelled.values().all(is_single) => {
            let present = || labelled.iter().filter(|(_, text)| !text.is_null());
            (Some(present().map(|(_, text)| plain(text)).collect()), Some(present().map(|(label, _)| label.clone()).collect()))
        }
        Value::Array(list) if list.iter().all(Value::is_object) => {
            let of = |key: &str| list.iter().map(|choice| choice.get(key).map(plain)).collect::<Option<Vec<_>>>();
            (of("text"), of("label"))
        }
        Value::Array(list) if list.iter().all(is_single) => (texts(value), None),
        _ => (None, None),
    };
    let labels = labels.unwrap_or_default().into_iter().map(|label| vec![label]).collect();
    Ok(Listed { texts: choices.ok_or_else(expected)?, labels })
}

/// The choices that have a column each. Each is also named by its column, and by the part of its column's name that the others do not have.
fn in_columns(row: &DataRow, columns: &[String]) -> Result<Listed, String> {
    let shared = shared_prefix(columns);
    let mut listed = Listed { texts: Vec::new(), labels: Vec::new() };
    for column in columns {
        match row.get(column) {
            Some(Value::Array(_) | Value::Object(_)) => return Err(format!("{column:?} must be a text, because `choices` lists it")),
            Some(value) if !plain(value).is_empty() => {
                listed.texts.push(plain(value));
                listed.labels.push(vec![column.clone(), column[shared..].trim_matches([' ', '_', '-']).to_owned()]);
            }
            _ => {}
        }
    }
    if listed.texts.is_empty() {
        row.require(&columns[0])?;
    }
    Ok(listed)
}

/// Bytes at the beginning that all names share.
fn shared_prefix(names: &[String]) -> usize {
    let Some((first, others)) = names.split_first() else { return 0 };
    let ends = first.char_indices().map(|(at, _)| at).take_while(|&at| others.iter().all(|name| name.starts_with(&first[..at])));
    ends.last().unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;
    use starloop_data::RowPlace;

    /// The text of the choice that the row's column `answer` names.
    fn right(columns: &ChoiceColumns, row: &Value, first: Option<u64>) -> Option<String> {
        let row = DataRow { number: 0, place: RowPlace::line(1), columns: row.as_object().unwrap().clone() };
        let listed = columns.read(&row).unwrap();
        listed.place_of(row.get("answer").unwrap(), first).map(|place| listed.texts[place].clone())
    }

    #[test]
    fn an_answer_names_a_choice_in_every_usual_way() {
        let letters = ChoiceColumns::Each(["A", "B", "C"].map(str::to_owned).into());
        let options = ChoiceColumns::Each(["option1", "option2"].map(str::to_owned).into());
        let named = ChoiceColumns::Each(["choice_a", "choice_b"].map(str::to_owned).into());
        for (columns, row, first, expected) in [
            (&letters, json!({"A": "red", "B": "blue", "C": 7, "answer": "B"}), None, Some("blue")),
            (&letters, json!({"A": "red", "B": "blue", "C": 7, "answer": "(c)"}), None, Some("7")),
            (&letters, json!({"A": "red", "B": "blue", "C": null, "answer": "Blue"}), None, Some("blue")),
            (&letters, json!({"A": "red", "B": "", "C": "blue", "answer": "C"}), None, Some("blue")),
            (&letters, json!({"A": "red", "B": "", "C": "blue", "answer": "(c)."}), None, Some("blue")),
            (&letters, json!({"A": "red", "B": "blue", "C": "7", "answer": 0}), None, Some("red")),
            (&letters, json!({"A": "red", "B": "blue", "C": "7", "answer": "1"}), None, Some("blue")),
            (&letters, json!({"A": "red", "B": "blue", "C": "x", "answer": 3}), Some(1), Some("x")),
            (&letters, json!({"A": "red", "B": "blue", "C": "x", "answer": 3}), None, None),
            (&letters, json!({"A": "red", "B": "blue", "C": "x", "answer": "green"}), None, None),
            (&options, json!({"option1": "Ann", "option2": "Bob", "answer": "2"}), None, Some("Bob")),
            (&options, json!({"option1": "Ann", "option2": "Bob", "answer": 1}), None, Some("Ann")),
            (&options, json!({"option1": "Ann", "option2": "Bob", "answer": "option2"}), None, Some("Bob")),
            (&options, json!({"option1": "Ann", "option2": "Bob", "answer": 0}), None, None),
            (&options, json!({"option1": "Ann", "option2": "Bob", "answer": 1}), Some(0), Some("Bob")),
            (&named, json!({"choice_a": "Ann", "choice_b": "Bob", "answer": "B"}), None, Some("Bob")),
            (&"c".into(), json!({"c": {"A": "red", "B": "blue"}, "answer": "B"}), None, Some("blue")),
            (&"c".into(), json!({"c": {"text": ["red", "blue"], "label": ["1", "2"]}, "answer": 1}), None, Some("red")),
            (&"c".into(), json!({"c": ["red", "blue"], "answer": "1"}), None, Some("blue")),
            (&"c".into(), json!({"c": ["3", "5", "1"], "answer": 1}), None, None),
        ] {
            assert_eq!(right(columns, &row, first).as_deref(), expected, "{columns:?} {row}");
        }
    }

    #[test]
    fn what_lists_no_choices_is_refused() {
        let read = |columns: &ChoiceColumns, row: Value| {
            columns.read(&DataRow { number: 0, place: RowPlace::line(1), columns: row.as_object().unwrap().clone() }).unwrap_err()
        };
        let letters = ChoiceColumns::Each(["A", "B"].map(str::to_owned).into());
        assert!(read(&letters, json!({"A": "red", "B": " "})).starts_with("the columns A, B hold 1 choices in this row, expected 2 to 26"));
        assert!(read(&letters, json!({"x": 1})).starts_with("there is no \"A\"; the columns are: x"));
        assert!(read(&letters, json!({"A": ["red"], "B": "blue"})).starts_with("\"A\" must be a text"));
        assert!(read(&"c".into(), json!({"c": [["red"], "blue"]})).starts_with("\"c\" must be a list of texts, or of objects"));
        assert!(read(&"c".into(), json!({"c": ["red"]})).starts_with("\"c\" holds 1 choices"));
    }
}
