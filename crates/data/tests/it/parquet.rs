//! Parquet files of pyarrow, with every kind of column (`fixtures/make_parquet.py`).

use serde_json::Value;
use starloop_data::{Error, Row, Rows};
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/parquet")
}

/// The three rows that each file repeats.
fn expected() -> Vec<Value> {
    Rows::open(&fixtures().join("rows.jsonl")).unwrap().map(|row| Value::Object(row.unwrap().columns)).collect()
}

#[test]
fn every_kind_of_column_keeps_its_values() {
    let expected = expected();
    let mut files = 0;
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "parquet") {
            continue;
        }
        files += 1;
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let rows: Vec<Row> = Rows::open(&path).unwrap().map(|row| row.unwrap_or_else(|error| panic!("{error}"))).collect();
        assert_eq!(rows.len(), 150, "{name}");
        for (number, row) in rows.into_iter().enumerate() {
            assert_eq!(row.place.to_string(), format!("row {}", number + 1));
            for (column, value) in expected[number % 3].as_object().unwrap() {
                let found = &row.columns[column];
                // The old kind of timestamps does not say that a time is UTC.
                let is_same = if name.contains("int96") && column == "utc" {
                    found.as_str() == value.as_str().map(|text| text.trim_end_matches('Z'))
                } else {
                    found == value
                };
                assert!(is_same, "{name}, row {number}, {column}: {found}, expected {value}");
            }
        }
    }
    assert_eq!(files, 6);
}

#[test]
fn values_within_columns_have_paths() {
    let row = Rows::open(&fixtures().join("snappy.parquet")).unwrap().next().unwrap().unwrap();
    assert_eq!(row.text("struct.text.1"), Ok("y"));
    assert_eq!(row.text("structs.0.role"), Ok("user"));
    assert_eq!(row.text("lists.0.1"), Ok("b"));
}

#[test]
fn damaged_files_are_refused() {
    let whole = std::fs::read(fixtures().join("snappy.parquet")).unwrap();
    let read = |bytes: Vec<u8>| -> Result<Vec<Row>, Error> { Rows::from_bytes("a.parquet", bytes)?.collect() };
    assert_eq!(read(whole.clone()).unwrap().len(), 150);
    for bytes in [Vec::new(), b"PAR1".to_vec(), whole[..whole.len() - 1].to_vec(), whole[whole.len() / 2..].to_vec()] {
        let error = read(bytes).unwrap_err().to_string();
        assert!(error.starts_with("a.parquet: not a readable Parquet file: "), "{error}");
    }
    let mut damaged = whole;
    damaged[20..2000].fill(0xff);
    let error = read(damaged).unwrap_err().to_string();
    assert!(error.starts_with("a.parquet, row "), "{error}");
}
