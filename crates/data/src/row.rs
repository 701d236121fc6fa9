//! A row and its place in its file.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// The place of a row, for messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowPlace {
    /// The file, if the rows come from several files.
    pub file: Option<Arc<str>>,
    /// The place in the file.
    pub at: At,
}

/// A place in a file, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum At {
    /// A line of a text file. It is the first line if the row has several. Empty lines count.
    Line(usize),
    /// A row of a Parquet file.
    Row(usize),
    /// An element of a JSON array, and the line of its begin.
    Element {
        /// The element.
        row: usize,
        /// The line.
        line: usize,
    },
}

impl RowPlace {
    /// A line of the only file.
    pub fn line(line: usize) -> Self {
        At::Line(line).into()
    }

    /// Two places of the same file or folder: `lines 3 and 7`.
    pub fn and(&self, other: &Self) -> String {
        match (self, other) {
            (RowPlace { file: None, at: At::Line(one) }, RowPlace { file: None, at: At::Line(two) }) => format!("lines {one} and {two}"),
            _ => format!("{self} and {other}"),
        }
    }
}

impl From<At> for RowPlace {
    fn from(at: At) -> Self {
        RowPlace { file: None, at }
    }
}

impl fmt::Display for RowPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.at.fmt(f)?;
        self.file.as_ref().map_or(Ok(()), |file| write!(f, " of {file}"))
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Line(line) => write!(f, "line {line}"),
            At::Row(row) => write!(f, "row {row}"),
            At::Element { row, line } => write!(f, "row {row} (line {line})"),
        }
    }
}

/// A row of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its number among all rows, from 0.
    pub number: usize,
    /// Its place in its file.
    pub place: RowPlace,
    /// Its content.
    pub columns: Map<String, Value>,
}

impl Row {
    /// A column by its name, or a value within one by its path: `question.stem`, `answers.text.0`. Null counts as missing.
    pub fn get(&self, column: &str) -> Option<&Value> {
        in_object(&self.columns, column).filter(|value| !value.is_null())
    }

    /// A column that must be there.
    ///
    /// # Errors
    /// The text says what is missing, and which columns there are.
    pub fn require(&self, column: &str) -> Result<&Value, String> {
        self.get(column).ok_or_else(|| {
            if in_object(&self.columns, column).is_some() {
                return format!("there is no {column:?}; it is null, expected a value");
            }
            let present: Vec<&str> = self.columns.keys().map(String::as_str).collect();
            format!("there is no {column:?}; the columns are: {}", present.join(", "))
        })
    }

    /// A column that must be a text.
    ///
    /// # Errors
    /// It is missing, or another kind of value.
    pub fn text(&self, column: &str) -> Result<&str, String> {
        let value = self.require(column)?;
        value.as_str().ok_or_else(|| format!("{column:?} must be a text, found {value}"))
    }

    /// A column that must be a list. `element` converts its elements.
    ///
    /// # Errors
    /// It is missing, or another kind of value, or `element` returns `None`.
    pub fn list<T>(&self, column: &str, element: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>, String> {
        let value = self.require(column)?;
        let made = value.as_array().and_then(|elements| elements.iter().map(element).collect());
        made.ok_or_else(|| format!("{column:?} is not the list that it should be: {value}"))
    }
}

/// The value at a path. A name that itself has dots is found too: the longest name that fits is tried last.
fn in_object<'a>(object: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let nested = || {
        path.match_indices('.').find_map(|(dot, _)| match object.get(&path[..dot])? {
            Value::Object(inner) => in_object(inner, &path[dot + 1..]),
            Value::Array(list) => in_list(list, &path[dot + 1..]),
            _ => None,
        })
    };
    object.get(path).or_else(nested)
}

fn in_list<'a>(list: &'a [Value], path: &str) -> Option<&'a Value> {
    let (index, rest) = path.split_once('.').map_or((path, None), |(index, rest)| (index, Some(rest)));
    match (list.get(index.parse::<usize>().ok()?)?, rest) {
        (value, None) => Some(value),
        (Value::Object(object), Some(rest)) => in_object(object, rest),
        (Value::Array(list), Some(rest)) => in_list(list, rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(columns: Value) -> Row {
        let Value::Object(columns) = columns else { panic!("{columns}") };
        Row { number: 0, place: RowPlace::line(1), columns }
    }

    #[test]
    fn values_within_columns_have_paths() {
        let row = row(json!({"a": {"b": [{"c": 1}, [2, 3]], "d.e": 4}, "f.g": {"h": 5}, "a.x": 6, "n": null}));
        for (path, value) in [("a.b.0.c", 1), ("a.b.1.1", 3), ("a.d.e", 4), ("f.g.h", 5), ("a.x", 6)] {
            assert_eq!(row.get(path), Some(&value.into()), "{path}");
        }
        for path in ["", ".", "a.", "a.b.2", "a.b.x", "a.b.0.c.0", "n", "n.0", "a.b.-1"] {
            assert_eq!(row.get(path), None, "{path}");
        }
        assert_eq!(row.require("z"), Err("there is no \"z\"; the columns are: a, a.x, f.g, n".to_owned()));
        assert_eq!(row.require("n"), Err("there is no \"n\"; it is null, expected a value".to_owned()));
        assert_eq!(row.text("a.b.0.c"), Err("\"a.b.0.c\" must be a text, found 1".to_owned()));
    }
}
