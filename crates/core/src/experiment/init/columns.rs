//! The roles of a file's columns, by their names and contents.
//!
//! Names are compared without capitals, blanks, `_` and `-`. A column has a role if it has the right type in most rows. If some rows lack it, the
//! error names their lines, instead of another column that all rows have.

mod choices;
mod names;

use super::NamedColumns;
use crate::error::ColumnRole;
use crate::external::data_source::DataSource;
use crate::task::jsonl::{AnswerType, ChoiceColumns, Solution};
use crate::task::rows::{self, DataRow};
use serde_json::{Map, Value};
use starloop_answers::number;
use starloop_data::{At, RowPlace};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

/// The most classes that a table can show clearly.
const MOST_CLASSES: usize = 20;
/// Rows that one message names.
const SHOWN: usize = 5;

/// The rows of a file, and the columns that were made out.
pub(super) struct ColumnRoles {
    /// The first rows. The roles follow from them.
    rows: Vec<DataRow>,
    /// The number of all rows.
    all_rows: usize,
    pub question: String,
    pub answer: String,
    pub answer_type: &'static str,
    pub choices: Option<ChoiceColumns>,
    /// The number of the first choice, if answers are numbers that do not count from 0.
    pub first_choice: Option<u64>,
    /// The column of a worked solution that states the answer. It is `answer` too.
    pub solution: Option<String>,
    pub rationale: Option<String>,
    pub id: Option<String>,
    pub class: Option<String>,
    /// Remarks for the user, one sentence each.
    pub warnings: Vec<String>,
    /// The rows, by their place, whose answers are not of the type that almost all others have.
    unfit: Vec<usize>,
}

/// Why the roles are not clear.
pub(super) enum Unclear {
    /// No column has a usual name for a role.
    NoColumn {
        /// The role.
        role: ColumnRole,
        /// Some usual names.
        usual: String,
        /// The columns that are there.
        columns: String,
    },
    /// A column or some rows do not fit. The message names them.
    Rows(String),
}

impl From<String> for Unclear {
    fn from(message: String) -> Self {
        Unclear::Rows(message)
    }
}

/// The type that a role needs.
struct Need {
    names: &'static [&'static str],
    role: ColumnRole,
    fits: fn(&Value) -> bool,
    expected: &'static str,
}

const QUESTION: Need = Need { names: names::QUESTIONS, role: ColumnRole::Question, fits: Value::is_string, expected: "a text" };
const ANSWER: Need = Need { names: names::ANSWERS, role: ColumnRole::Answer, fits: is_plain, expected: "a text or a number" };

impl ColumnRoles {
    /// The roles that follow from the first rows, at most `most_rows`.
    pub fn read(source: &DataSource, named: &NamedColumns, most_rows: usize) -> Result<Self, Unclear> {
        let (rows, all_rows) = rows::first(source, "train", most_rows)?;
        let found = DataColumns::of(&rows, source, named);
        let question = found.required(&QUESTION, named.question.as_deref())?;
        let chosen = choices::find(&found, &question)?;
        let solution = if chosen.is_none() { found.solution() } else { None };
        let answer = match (&chosen, &solution) {
            (Some(chosen), _) => chosen.answer.clone(),
            (None, Some(solution)) => solution.clone(),
            (None, None) => found.required(&ANSWER, named.answer.as_deref())?,
        };
        let mut warnings = Vec::new();
        let (answer_type, unfit) = match &chosen {
            Some(_) => ("choice", Vec::new()),
            None => found.type_of(&answer, solution.is_some(), &mut warnings),
        };
        warnings.extend(chosen.as_ref().and_then(|chosen| chosen.doubt.clone()));
        let id = found.id(&mut warnings);
        let class = found.first(names::CLASSES, is_plain).filter(|class| *class != answer && *class != question);
        let class = class.filter(|class| (2..=MOST_CLASSES).contains(&found.distinct(class)));
        let is_written = |value: &Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
        let rationale = match &named.rationale {
            Some(column) if solution.is_some() => {
                let message = format!("{answer:?} holds worked solutions, which have the rationales; do not name {column:?} for them");
                return Err(Unclear::Rows(format!("{source}: {message}")));
            }
            Some(column) => Some(found.given(column)?),
            None if solution.is_some() => None,
            None => found.anywhere(names::RATIONALES, is_written).filter(|column| *column != answer && *column != question),
        };
        let (choices, first_choice) = chosen.map_or((None, None), |chosen| (Some(chosen.columns), chosen.first));
        let mut roles = ColumnRoles {
            rows,
            all_rows,
            question,
            answer,
            answer_type,
            choices,
            first_choice,
            solution,
            rationale,
            id,
            class,
            warnings,
            unfit,
        };
        roles.warnings.extend(roles.repeated());
        roles.warnings.extend(roles.unused());
        Ok(roles)
    }

    /// The number of all rows.
    pub fn all_rows(&self) -> usize {
        self.all_rows
    }

    /// The number of rows from which the roles follow.
    pub fn checked_rows(&self) -> usize {
        self.rows.len()
    }

    /// The rows from which the roles follow, without those that the user has to correct first; `None` if these are all rows.
    pub fn fit_rows(&self) -> Option<impl Iterator<Item = &DataRow>> {
        let unfit: HashSet<usize> = self.unfit.iter().copied().collect();
        let is_part = !unfit.is_empty() || self.checked_rows() < self.all_rows;
        is_part.then(|| self.rows.iter().enumerate().filter(move |(place, _)| !unfit.contains(place)).map(|(_, row)| row))
    }

    /// The columns that have a role.
    fn used(&self) -> impl Iterator<Item = &String> {
        let choices = self.choices.iter().flat_map(ChoiceColumns::names);
        [Some(&self.question), Some(&self.answer), self.rationale.as_ref(), self.id.as_ref(), self.class.as_ref()]
            .into_iter()
            .flatten()
            .chain(choices)
    }

    /// A warning about rows with the same question and the same choices, if there are any. Rows whose answers differ are named first.
    fn repeated(&self) -> Option<String> {
        let mut first: HashMap<String, &DataRow> = HashMap::new();
        let (mut repeated, mut contradictory) = (Vec::new(), Vec::new());
        for row in &self.rows {
            let columns = std::iter::once(&self.question).chain(self.choices.iter().flat_map(ChoiceColumns::names));
            let key = columns.map(|column| row.get(column).map_or_else(String::new, plain)).collect::<Vec<_>>().join("\n");
            match first.entry(key) {
                Entry::Vacant(place) => drop(place.insert(row)),
                Entry::Occupied(earlier) => {
                    let answer = |row| known_answer(row, &self.answer, self.solution.is_some());
                    let is_same = answer(earlier.get()) == answer(row);
                    if is_same { repeated.push(row) } else { contradictory.push(row) }
                }
            }
        }
        if !contradictory.is_empty() {
            let said = if contradictory.len() == 1 {
                "repeats the question of an earlier row and has another answer; correct this row, or remove it"
            } else {
                "repeat questions of earlier rows and have other answers; correct these rows, or remove them"
            };
            return Some(format!("{} {said}", places(&contradictory)));
        }
        let are = if repeated.len() == 1 {
            "repeats the question and answer of an earlier row"
        } else {
            "repeat questions and answers of earlier rows"
        };
        (!repeated.is_empty()).then(|| format!("{} {are}; such rows are one problem", places(&repeated)))
    }

    /// A warning that names the columns without a role, if there are any.
    fn unused(&self) -> Option<String> {
        let used: HashSet<&str> = self.used().flat_map(|column| [column.as_str(), top(column)]).collect();
        let there: BTreeSet<&str> = self.rows.iter().flat_map(|row| row.columns.keys()).map(String::as_str).collect();
        let unused: Vec<&str> = there.into_iter().filter(|column| !used.contains(column)).collect();
        let example = expression(unused.first()?);
        Some(format!(
            "these columns are not used: {}. To show a column to the model, write it into task.prompt, such as {{{{ {example} }}}}",
            unused.join(", ")
        ))
    }

    /// The findings, for people.
    pub fn described(&self) -> Vec<(String, String)> {
        let answers = match self.answer_type {
            "number" if self.solution.is_some() => "a worked solution; the known answer is the number at its end",
            _ if self.solution.is_some() => "a worked solution; the known answer is the text at its end",
            "choice" => "the known answer: one of the choices",
            "number" => "the known answer: a number",
            _ => "the known answer: a text",
        };
        let named = |column: &Option<String>, what: &str| column.as_ref().map(|column| (column.clone(), what.to_owned()));
        let always = [(self.question.clone(), "the question".to_owned()), (self.answer.clone(), answers.to_owned())];
        let choices = self.choices.as_ref().map(|choices| (choices.names().join(", "), "the choices".to_owned()));
        let sometimes = [
            choices,
            named(&self.rationale, "a known rationale"),
            named(&self.id, "the problem's name"),
            named(&self.class, "the class in which accuracy is shown"),
        ];
        always.into_iter().chain(sometimes.into_iter().flatten()).collect()
    }

    /// The columns of some rows that a worked example needs: rows with a rationale, or, where none is known, any rows with room for one.
    pub fn examples(&self, count: usize) -> Vec<Map<String, Value>> {
        // The rationale is a part of the solution, which is another column.
        let rationale = |row: &DataRow| match &self.rationale {
            _ if self.solution.is_some() => Some(None),
            Some(column) => row.text(column).ok().filter(|text| !text.trim().is_empty()).map(|text| Some(literal(text))),
            None => Some(Some("...".to_owned())),
        };
        let example = |(row, rationale): (&DataRow, Option<String>)| {
            let needed = [&self.question, &self.answer].into_iter().chain(self.choices.iter().flat_map(ChoiceColumns::names));
            let mut columns = Map::new();
            for column in needed {
                let name = if row.columns.contains_key(column) { column } else { top(column) };
                columns.extend(row.columns.get(name).filter(|value| !value.is_null()).map(|value| (name.to_owned(), without_nulls(value))));
            }
            let name = self.rationale.clone().unwrap_or_else(|| "rationale".to_owned());
            columns.extend(rationale.map(|rationale| (name, rationale.into())));
            columns
        };
        let rows = self.rows.iter().enumerate().filter(|(place, _)| !self.unfit.contains(place)).map(|(_, row)| row);
        // More examples than there are rows to spare would leave nothing to learn from.
        let spare = self.rows.len().saturating_sub(2 + self.unfit.len());
        rows.filter_map(|row| Some((row, rationale(row)?))).take(count.min(spare)).map(example).collect()
    }
}

/// The columns of all rows, and the columns within them.
struct DataColumns<'a> {
    rows: &'a [DataRow],
    source: &'a DataSource,
    named: &'a NamedColumns,
    /// `question`, `question.stem`, in order.
    paths: Vec<String>,
}

impl<'a> DataColumns<'a> {
    fn of(rows: &'a [DataRow], source: &'a DataSource, named: &'a NamedColumns) -> Self {
        let within = |(name, value): (&String, &Value)| {
            let keys = value.as_object().into_iter().flat_map(Map::keys).map(|key| format!("{name}.{key}")).collect::<Vec<_>>();
            std::iter::once(name.clone()).chain(keys).collect::<Vec<_>>()
        };
        let paths: BTreeSet<String> = rows.iter().flat_map(|row| &row.columns).flat_map(within).collect();
        DataColumns { rows, source, named, paths: paths.into_iter().collect() }
    }

    /// The columns with one of these names, the names in their order.
    fn named(&self, names: &'static [&'static str]) -> impl Iterator<Item = &String> {
        names.iter().flat_map(|&name| self.paths.iter().filter(move |path| names::folded(path) == name))
    }

    /// The columns that may hold the known answer: the one that the user names, or those with usual names.
    fn answers(&self) -> impl Iterator<Item = &String> {
        let given = self.named.answer.as_ref();
        given.into_iter().chain(self.named(names::ANSWERS).filter(move |_| given.is_none()))
    }

    /// A column that the user names.
    fn given(&self, column: &str) -> Result<String, String> {
        let is_there = self.rows.iter().any(|row| row.get(column).is_some());
        is_there.then(|| column.to_owned()).ok_or_else(|| format!("{}: no column {column:?}; there are: {}", self.source, self.there()))
    }

    /// The column of a single row that holds the rows: `{"data": [{...}, {...}]}`.
    fn list_of_rows(&self) -> Option<&String> {
        let [only] = self.rows else { return None };
        let holds_rows = |value: &Value| value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_object));
        only.columns.iter().find(|(_, value)| holds_rows(value)).map(|(name, _)| name)
    }

    /// The names of all columns.
    fn there(&self) -> String {
        let there: BTreeSet<&str> = self.rows.iter().flat_map(|row| row.columns.keys()).map(String::as_str).collect();
        there.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// The column of worked solutions, if the known answers stand nowhere else.
    fn solution(&self) -> Option<String> {
        let is_solution = |value: &Value| value.as_str().is_some_and(Solution::is_one);
        let mostly = |column: &&String| 2 * self.count(column, is_solution) > self.rows.len();
        let mut answers = self.answers().filter(|column| 2 * self.count(column, is_plain) > self.rows.len());
        match answers.next() {
            Some(answer) => Some(answer).filter(mostly),
            None => self.named(names::RATIONALES).find(mostly),
        }
        .cloned()
    }

    fn count(&self, column: &str, fits: fn(&Value) -> bool) -> usize {
        self.rows.iter().filter(|row| row.get(column).is_some_and(fits)).count()
    }

    /// The first column that fits in every row.
    fn first(&self, names: &'static [&'static str], fits: fn(&Value) -> bool) -> Option<String> {
        self.named(names).find(|column| self.count(column, fits) == self.rows.len()).cloned()
    }

    /// The first column that fits in some row.
    fn anywhere(&self, names: &'static [&'static str], fits: fn(&Value) -> bool) -> Option<String> {
        self.named(names).find(|column| self.count(column, fits) > 0).cloned()
    }

    /// The first column that fits in most rows. If it does not fit in all of them, the error names the lines.
    fn required(&self, need: &Need, given: Option<&str>) -> Result<String, Unclear> {
        let Need { names, role, fits, expected } = *need;
        let mostly = || self.named(names).find(|column| 2 * self.count(column, fits) > self.rows.len());
        let column = match given {
            Some(column) => Some(self.given(column)?),
            None => mostly().or_else(|| self.named(names).next()).cloned(),
        };
        let Some(column) = column else {
            if let Some(list) = self.list_of_rows() {
                let message = format!("holds one row, and its column {list:?} is a list of rows; write that list to its own file");
                return Err(Unclear::Rows(format!("{} {message}", self.source)));
            }
            return Err(Unclear::NoColumn { role, usual: names[..6].join(", "), columns: self.there() });
        };
        let unfit: Vec<&DataRow> = self.rows.iter().filter(|row| !row.get(&column).is_some_and(fits)).collect();
        let Some(first) = unfit.first() else { return Ok(column) };
        let found = first.get(&column).map_or_else(|| "there is no value".to_owned(), |value| format!("found {}", shown(value)));
        let others = if unfit.len() > 1 { format!(" (the same in {})", places(&unfit[1..])) } else { String::new() };
        Err(Unclear::Rows(format!(
            "{}, {}: {column:?} is {role}, expected {expected}, {found}{others}; correct these rows, or remove them",
            self.source, first.place
        )))
    }

    fn distinct(&self, column: &str) -> usize {
        self.rows.iter().filter_map(|row| row.get(column)).map(plain).collect::<HashSet<_>>().len()
    }

    /// The type of the answers in a column, or at the end of its solutions, and the rows whose answers are of another type.
    fn type_of(&self, answer: &str, in_solutions: bool, warnings: &mut Vec<String>) -> (&'static str, Vec<usize>) {
        let value_of = |row: &DataRow| known_answer(row, answer, in_solutions);
        let is_number = |row: &DataRow| value_of(row).is_some_and(|value| number::known(&plain(&value)).is_some());
        let unfit: Vec<usize> = (0..self.rows.len()).filter(|&place| !is_number(&self.rows[place])).collect();
        let (odd, all) = (unfit.len(), self.rows.len());
        let Some(&first) = unfit.first() else { return ("number", unfit) };
        let rows: Vec<&DataRow> = unfit.iter().map(|&place| &self.rows[place]).collect();
        let example = value_of(&self.rows[first]).as_ref().map(shown).unwrap_or_default();
        // Of an empty answer, the task says that it is empty.
        let is_empty = rows.iter().any(|row| value_of(row).is_some_and(|value| plain(&value).trim().is_empty()));
        if odd == all || is_empty {
            return ("exact", Vec::new());
        }
        if 5 * odd > all {
            warnings.push(format!(
                "{} of {all} answers are numbers and {odd} are not, such as {example} in {}; answers are compared as texts \
                 (task.answer_type = \"exact\")",
                all - odd,
                rows[0].place
            ));
            return ("exact", Vec::new());
        }
        let (are, them) = if odd == 1 { ("one is", "the row") } else { ("these are", "the rows") };
        warnings.push(format!(
            "{} of {all} answers are numbers, so answers are compared as numbers; {are} not: {} of {}, such as {example}. Write a number there, or \
             remove {them}, before you run the config; or set task.answer_type = \"exact\" to compare all answers as texts",
            all - odd,
            places(&rows),
            self.source
        ));
        ("number", unfit)
    }

    /// The column of ids, if every row has another id. Otherwise a warning says why the column is not used.
    fn id(&self, warnings: &mut Vec<String>) -> Option<String> {
        let column = self.named(names::IDS).find(|column| 2 * self.count(column, is_plain) > self.rows.len())?;
        let (mut seen, mut fault) = (HashMap::new(), None);
        for row in self.rows {
            let id = row.get(column).filter(|value| is_plain(value)).map(plain).filter(|id| !id.is_empty());
            fault = match id {
                None => Some(format!("{} has no {column:?}", row.place)),
                Some(id) => match seen.insert(id.clone(), &row.place) {
                    Some(place) => Some(format!("{} have the same {column:?}, {id:?}", place.and(&row.place))),
                    None => continue,
                },
            };
            break;
        }
        let Some(fault) = fault else { return Some(column.clone()) };
        warnings.push(format!(
            "{fault}, so the column does not name the problems, and their places in the file do; to use it, correct the ids and set \
             task.id = {column:?}"
        ));
        None
    }
}

/// The known answer of a row: the value of its column, or the answer at the end of the solution there.
fn known_answer(row: &DataRow, column: &str, in_solution: bool) -> Option<Value> {
    match row.get(column)? {
        Value::String(text) if in_solution => Solution::read(text, AnswerType::Exact).ok().map(|solution| solution.answer.into()),
        value => Some(value.clone()),
    }
}

/// The places of rows: `lines 3, 7, 9 and 12 more`.
fn places(rows: &[&DataRow]) -> String {
    let more = rows.len().saturating_sub(SHOWN);
    let line = |row: &&DataRow| match row.place {
        RowPlace { file: None, at: At::Line(line) } => Some(line.to_string()),
        _ => None,
    };
    let shown = &rows[..rows.len() - more];
    let named = match shown.iter().map(line).collect::<Option<Vec<_>>>() {
        Some(lines) => format!("{} {}", if rows.len() == 1 { "line" } else { "lines" }, lines.join(", ")),
        None => shown.iter().map(|row| row.place.to_string()).collect::<Vec<_>>().join(", "),
    };
    named + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

/// A value for an error, cut after some words.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    let cut: String = text.chars().take(60).collect();
    if cut.len() < text.len() { cut + "..." } else { cut }
}

/// The outermost column of a path.
fn top(column: &str) -> &str {
    column.split('.').next().unwrap_or(column)
}

/// A column as a template names it.
pub(super) fn expression(column: &str) -> String {
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if column.split('.').all(is_name) { column.to_owned() } else { format!("columns[{}]", Value::from(column)) }
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
