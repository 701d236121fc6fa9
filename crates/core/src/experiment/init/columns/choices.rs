//! The columns that hold the choices of multiple-choice problems: one column with all of them, or a column for each.

use super::{DataColumns, is_plain, names, places, plain};
use crate::task::jsonl::{ChoiceColumns, Listed};
use crate::task::rows::DataRow;
use serde_json::Value;
use std::collections::BTreeMap;

/// Columns of choices, and the column whose values name the right ones.
pub(super) struct Chosen {
    pub columns: ChoiceColumns,
    pub answer: String,
    /// The number of the first choice, if it is not the one that is supposed without it.
    pub first: Option<u64>,
    /// Remarks for the user.
    pub doubt: Option<String>,
}

/// The columns of choices, if there are any. An answer column belongs to them if its values name a choice in most rows.
///
/// # Errors
/// There are columns of choices and a column of answers, and in some rows they do not fit.
pub(super) fn find(columns: &DataColumns<'_>, question: &str) -> Result<Option<Chosen>, String> {
    let mut nearest: Option<(usize, Chosen, Vec<&DataRow>)> = None;
    for candidate in candidates(columns) {
        let taken = |column: &&String| !candidate.names().contains(column) && *column != question;
        for answer in columns.answers().filter(taken) {
            let first = first_choice(columns.rows, &candidate, answer);
            let is_named = |row: &&DataRow| {
                let place = candidate.read(row).ok().zip(row.get(answer)).and_then(|(listed, value)| listed.place_of(value, first));
                place.is_some()
            };
            let (named, others): (Vec<&DataRow>, Vec<&DataRow>) = columns.rows.iter().partition(is_named);
            if nearest.as_ref().is_none_or(|(most, ..)| named.len() > *most) {
                let doubt = doubt(columns.rows, &candidate, answer, first);
                let chosen = Chosen { columns: candidate.clone(), answer: answer.clone(), first, doubt };
                nearest = Some((named.len(), chosen, others));
            }
        }
    }
    let Some((_, chosen, others)) = nearest.filter(|(named, ..)| 2 * named > columns.rows.len()) else { return Ok(None) };
    let Some(first) = others.first() else { return Ok(Some(chosen)) };
    if !is_usual(&chosen.columns) {
        return Ok(None);
    }
    let fault = match chosen.columns.read(first) {
        Err(reason) => reason,
        Ok(listed) => {
            let answer = first.get(&chosen.answer).map_or_else(|| "is missing".to_owned(), |value| format!("is {value}"));
            format!("the answer {:?} {answer} and names none of the choices, or two: {}", chosen.answer, listed.texts.join(", "))
        }
    };
    let more = if others.len() > 1 { format!(" (as in {})", places(&others[1..])) } else { String::new() };
    Err(format!("{}, {}: {fault}{more}; correct these rows, or remove them", columns.source, first.place))
}

/// Returns true if columns with these names hold choices in most data sets. With other names, one row that does not fit shows that they do not.
fn is_usual(columns: &ChoiceColumns) -> bool {
    let ChoiceColumns::Each(names) = columns else { return true };
    let first = names::folded(&names[0]);
    first.len() == 1 || names::EACH_CHOICE.iter().any(|name| first.starts_with(name))
}

/// Columns that may hold choices, the surest first.
fn candidates(columns: &DataColumns<'_>) -> Vec<ChoiceColumns> {
    let is_list = |value: &Value| value.is_array() || value.is_object();
    let all = columns.named(names::CHOICES).filter(|column| 2 * columns.count(column, is_list) > columns.rows.len());
    let mut found: Vec<ChoiceColumns> = all.map(|column| ChoiceColumns::All(column.clone())).collect();
    let mut groups: BTreeMap<(String, bool), Vec<(u32, &String)>> = BTreeMap::new();
    for column in columns.paths.iter().filter(|column| columns.count(column, is_plain) > 0) {
        let name = names::folded(column);
        let digits = name.trim_end_matches(|c: char| c.is_ascii_digit());
        if let Ok(number) = name[digits.len()..].parse::<u32>() {
            groups.entry((digits.to_owned(), true)).or_default().push((number, column));
        } else if let Some(letter) = name.chars().last().filter(char::is_ascii_lowercase) {
            let prefix = name[..name.len() - 1].to_owned();
            groups.entry((prefix, false)).or_default().push((u32::from(letter) - u32::from('a'), column));
        }
    }
    found.extend(groups.into_iter().filter_map(|((_, has_numbers), members)| in_a_row(members, has_numbers)));
    found
}

/// The columns of a group, if they are named without a gap from the first letter or from the number 0 or 1.
fn in_a_row(mut members: Vec<(u32, &String)>, has_numbers: bool) -> Option<ChoiceColumns> {
    members.sort_unstable();
    let first = members.first()?.0;
    if first > u32::from(has_numbers) {
        return None;
    }
    let names: Vec<String> =
        members.iter().zip(first..).take_while(|((place, _), n)| place == n).map(|((_, name), _)| (*name).clone()).collect();
    (names.len() >= 2).then_some(ChoiceColumns::Each(names))
}

/// The number of the first choice, where answers are numbers that [`ChoiceColumns`] would not read as they are meant.
fn first_choice(rows: &[DataRow], columns: &ChoiceColumns, answer: &str) -> Option<u64> {
    let numbers = numbers(rows, answer)?;
    let (least, most) = (*numbers.iter().min()?, *numbers.iter().max()?);
    let listed: Vec<_> = rows.iter().filter_map(|row| columns.read(row).ok()).collect();
    let count = listed.iter().map(|listed| listed.texts.len()).max()? as u64;
    let has_numbers = listed.iter().any(Listed::has_numbers_as_labels);
    match (least, most) {
        // Labels from 1, and answers that count from 0.
        (0, most) if has_numbers && most < count => Some(0),
        (1.., most) if !has_numbers && most == count => Some(1),
        _ => None,
    }
}

/// The answers, if all of them are whole numbers.
fn numbers(rows: &[DataRow], answer: &str) -> Option<Vec<u64>> {
    rows.iter().filter_map(|row| row.get(answer)).map(|value| plain(value).trim().parse().ok()).collect()
}

/// A warning where numbers could count from 0 and from 1.
fn doubt(rows: &[DataRow], columns: &ChoiceColumns, answer: &str, first: Option<u64>) -> Option<String> {
    let numbers = numbers(rows, answer).filter(|numbers| first.is_none() && !numbers.contains(&0))?;
    let listed: Vec<_> = rows.iter().filter_map(|row| columns.read(row).ok()).collect();
    let is_text = |number: &u64| listed.iter().any(|listed| listed.texts.contains(&number.to_string()));
    if numbers.iter().any(is_text) || listed.iter().any(Listed::has_numbers_as_labels) {
        return None;
    }
    Some(format!(
        "the answers in {answer:?} are numbers that may count the choices from 0 or from 1, and the config counts from 0; look at the prompt, and \
         set task.first_choice = 1 if that is wrong"
    ))
}
