//! The roles of a file's columns, by their names and contents.

use crate::external::data_source::DataSource;
use crate::task::rows::{self, DataRow};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashSet};

const QUESTIONS: &[&str] = &["question.stem", "question", "problem", "prompt", "query", "input", "instruction", "text", "stem"];
const ANSWERS: &[&str] = &["answer", "final_answer", "answerKey", "answer_key", "label", "target", "output", "gold", "expected"];
const CHOICES: &[&str] = &["choices", "question.choices", "options"];
const RATIONALES: &[&str] = &["rationale", "explanation", "reasoning", "chain_of_thought", "cot", "solution"];
const IDS: &[&str] = &["id", "qid", "uid", "question_id", "problem_id", "name"];
const CLASSES: &[&str] = &["class", "category", "subject", "topic", "level", "type", "domain"];
/// The most classes that a table can show clearly.
const MOST_CLASSES: usize = 20;

/// The rows of a file, and the columns that were made out.
pub(super) struct ColumnRoles {
    rows: Vec<DataRow>,
    pub question: String,
    pub answer: String,
    pub answer_type: &'static str,
    pub choices: Option<String>,
    pub rationale: Option<String>,
    pub id: Option<String>,
    pub class: Option<String>,
}

impl ColumnRoles {
    pub fn read(source: &DataSource) -> Result<Self, String> {
        let rows = rows::read(source, "train", |row| Ok(row.clone()))?;
        let everywhere = |column: &str, is_fit: fn(&Value) -> bool| rows.iter().all(|row| row.get(column).is_some_and(is_fit));
        let first =
            |names: &[&str], is_fit: fn(&Value) -> bool| names.iter().find(|name| everywhere(name, is_fit)).map(|&name| name.to_owned());
        let missing = |what: &str, names: &[&str]| {
            let there: BTreeSet<&str> = rows.iter().flat_map(|row| row.columns.keys()).map(String::as_str).collect();
            let there = there.into_iter().collect::<Vec<_>>().join(", ");
            format!("{source}: no column for {what} in every row; one should be called {}; there are: {there}", names.join(", "))
        };
        let question = first(QUESTIONS, Value::is_string).ok_or_else(|| missing("the question", QUESTIONS))?;
        let answer = first(ANSWERS, is_plain).ok_or_else(|| missing("the known answer", ANSWERS))?;
        let choices = first(CHOICES, |value| value.is_array() || value.is_object());
        let of_numbers =
            || rows.iter().all(|row| row.get(&answer).is_some_and(|value| starloop_answers::number::known(&plain(value)).is_some()));
        let answer_type = match &choices {
            Some(_) => "choice",
            None if of_numbers() => "number",
            None => "exact",
        };
        let distinct = |column: &str| rows.iter().filter_map(|row| row.get(column)).map(plain).collect::<HashSet<_>>().len();
        let id = first(IDS, is_plain).filter(|id| distinct(id) == rows.len());
        let class = first(CLASSES, is_plain).filter(|class| *class != answer && (2..=MOST_CLASSES).contains(&distinct(class)));
        let is_text =
            |row: &DataRow, name: &str| row.get(name).is_some_and(|value| value.as_str().is_some_and(|text| !text.trim().is_empty()));
        let rationale = RATIONALES.iter().find(|name| rows.iter().any(|row| is_text(row, name))).map(|&name| name.to_owned());
        Ok(ColumnRoles { rows, question, answer, answer_type, choices, rationale, id, class })
    }

    pub fn rows(&self) -> &[DataRow] {
        &self.rows
    }

    /// The findings, for people.
    pub fn described(&self) -> Vec<(String, String)> {
        let answers = match self.answer_type {
            "choice" => "the known answer: one of the choices",
            "number" => "the known answer: a number",
            _ => "the known answer: a text",
        };
        let named = |column: &Option<String>, what: &str| column.as_ref().map(|column| (column.clone(), what.to_owned()));
        let always = [(self.question.clone(), "the question".to_owned()), (self.answer.clone(), answers.to_owned())];
        let sometimes = [
            named(&self.choices, "the choices"),
            named(&self.rationale, "a known rationale"),
            named(&self.id, "the problem's name"),
            named(&self.class, "the class in which accuracy is shown"),
        ];
        always.into_iter().chain(sometimes.into_iter().flatten()).collect()
    }

    /// The columns of some rows that a worked example needs: rows with a rationale, or, where none is known, any rows with room for one.
    pub fn examples(&self, count: usize) -> Vec<Map<String, Value>> {
        let rationale = |row: &DataRow| match &self.rationale {
            Some(column) => row.text(column).ok().filter(|text| !text.trim().is_empty()).map(literal),
            None => Some("...".to_owned()),
        };
        let example = |(row, rationale): (&DataRow, String)| {
            let needed = [Some(&self.question), Some(&self.answer), self.choices.as_ref()];
            let mut columns = Map::new();
            for column in needed.into_iter().flatten() {
                let name = column.split('.').next().unwrap_or(column);
                columns.extend(row.columns.get(name).map(|value| (name.to_owned(), without_nulls(value))));
            }
            columns.insert(self.rationale.clone().unwrap_or_else(|| "rationale".to_owned()), rationale.into());
            columns
        };
        // More examples than there are rows to spare would leave nothing to learn from.
        let spare = self.rows.len().saturating_sub(2);
        self.rows.iter().filter_map(|row| Some((row, rationale(row)?))).take(count.min(spare)).map(example).collect()
    }
}

fn is_plain(value: &Value) -> bool {
    value.is_string() || value.is_number() || value.is_boolean()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A text as a template that gives it.
fn literal(text: &str) -> String {
    let is_code = ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark));
    if is_code { format!("{{% raw %}}{text}{{% endraw %}}") } else { text.to_owned() }
}

/// TOML has no null.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            map.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), without_nulls(value))).collect()
        }
        Value::Array(list) => list.iter().filter(|value| !value.is_null()).map(without_nulls).collect(),
        other => other.clone(),
    }
}
