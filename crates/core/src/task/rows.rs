//! The rows of the files that a task names. Errors name the file and the line, before any work is done.

use super::ConfigError;
use crate::external::data_source::DataSource;
use rayon::prelude::*;
pub(crate) use starloop_data::Row as DataRow;

/// Calls `make` with every row of a source. Errors of `make` get the file and the place in front. `split` is the split if the source names none.
pub(crate) fn read<T>(source: &DataSource, split: &str, mut make: impl FnMut(&DataRow) -> Result<T, String>) -> Result<Vec<T>, String> {
    let mut rows = source.rows(split).map_err(|error| error.to_string())?;
    let mut made = Vec::new();
    while let Some(row) = rows.next() {
        let row = row.map_err(|error| error.to_string())?;
        made.push(make(&row).map_err(|problem| rows.fault(&row, problem).to_string())?);
    }
    Ok(made)
}

/// Rows that are converted at a time.
const BATCH: usize = 1024;

/// Calls `make` with every row of the source that the setting `key` names, on all cores, and `take` with what it made, in the order of the rows.
/// Errors are those of [`read`].
pub(crate) fn convert<T: Send>(
    key: &'static str,
    source: &DataSource,
    make: impl Fn(&DataRow) -> Result<T, String> + Sync,
    mut take: impl FnMut(T) -> Result<(), String>,
) -> Result<(), ConfigError> {
    let mut convert_all = || {
        let mut rows = source.rows(split_of(key)).map_err(|error| error.to_string())?;
        loop {
            let mut unreadable = None;
            let readable = |row: Result<DataRow, _>| row.map_err(|error| unreadable = Some(error)).ok();
            let batch: Vec<DataRow> = rows.by_ref().take(BATCH).map_while(readable).collect();
            let made: Vec<Result<T, String>> = batch.par_iter().map(&make).collect();
            for (row, made) in batch.iter().zip(made) {
                made.and_then(&mut take).map_err(|problem| rows.fault(row, problem).to_string())?;
            }
            match unreadable {
                Some(error) => return Err(error.to_string()),
                None if batch.len() < BATCH => return Ok(()),
                None => {}
            }
        }
    };
    convert_all().map_err(|reason| ConfigError { key, reason })
}

/// The first rows of a source, at most `most`, and the number of all its rows. `split` is the split if the source names none.
pub(crate) fn first(source: &DataSource, split: &str, most: usize) -> Result<(Vec<DataRow>, usize), String> {
    let mut rows = source.rows(split).map_err(|error| error.to_string())?;
    let first = rows.by_ref().take(most).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let others = rows.try_fold(0, |count, row| row.map(|_| count + 1)).map_err(|error| error.to_string())?;
    let all = first.len() + others;
    Ok((first, all))
}

/// As [`read`], for the setting `key` that names the source: `train`, `dev`, `test` or `examples_file`.
pub(crate) fn of_setting<T>(
    key: &'static str,
    source: &DataSource,
    make: impl FnMut(&DataRow) -> Result<T, String>,
) -> Result<Vec<T>, ConfigError> {
    read(source, split_of(key), make).map_err(|reason| ConfigError { key, reason })
}

/// The split of a folder or data set that a setting means.
pub(crate) fn split_of(key: &str) -> &'static str {
    match key {
        "dev" => "validation",
        "test" => "test",
        _ => "train",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_taken_in_order_up_to_the_first_fault() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("a.jsonl");
        let convert = |rows: Vec<String>| {
            std::fs::write(&file, rows.join("\n")).unwrap();
            let mut taken = Vec::new();
            let make = |row: &DataRow| if row.number == 3000 { Err("on purpose".to_owned()) } else { Ok(row.number) };
            let error = super::convert("train", &file.clone().into(), make, |number| {
                taken.push(number);
                Ok(())
            });
            (taken, error.err().map(|error| error.reason))
        };
        let rows = |count| vec![String::from("{}"); count];
        for count in [1, BATCH, 2 * BATCH + 1] {
            assert_eq!(convert(rows(count)), ((0..count).collect(), None));
        }
        let (taken, said) = convert(rows(4000));
        assert_eq!(taken, (0..3000).collect::<Vec<_>>());
        assert!(said.unwrap().ends_with("line 3001: on purpose"));
        let mut torn = rows(4000);
        torn[2500] = "{".to_owned();
        let (taken, said) = convert(torn);
        assert_eq!(taken, (0..2500).collect::<Vec<_>>());
        assert!(said.unwrap().contains("line 2501"));
    }

    #[test]
    fn errors_name_the_file_and_the_place() {
        let place = tempfile::tempdir().unwrap();
        for (name, content, said) in [
            ("a.jsonl", "\n{\"q\": 1}", "a.jsonl, line 2: on purpose"),
            ("a.csv", "q\n1", "a.csv, line 2: on purpose"),
            ("a.json", "[{\"q\": 1}]", "a.json, row 1 (line 1): on purpose"),
            ("b.csv", "q\n1,2", "b.csv, line 2: the row has 2 values"),
        ] {
            let file = place.path().join(name);
            std::fs::write(&file, content).unwrap();
            let error = read(&file.into(), "train", |_| Err::<(), _>("on purpose".to_owned())).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
