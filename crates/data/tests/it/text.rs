//! JSON lines, JSON arrays and CSV: their rows and their faults.

use serde_json::{Map, Value, json};
use starloop_data::{Error, Rows};

/// The places and the columns of a file's rows.
fn read(name: &str, content: &[u8]) -> Result<Vec<(String, Value)>, Error> {
    let rows = Rows::from_bytes(name, content.to_vec())?;
    rows.map(|row| row.map(|row| (row.place.to_string(), Value::Object(row.columns)))).collect()
}

fn places(name: &str, content: &str) -> Vec<String> {
    read(name, content.as_bytes()).unwrap().into_iter().map(|(place, _)| place).collect()
}

#[test]
fn the_same_rows_are_read_from_every_text_format() {
    let expected = [json!({"q": "a, \"b\"\nc", "n": "1"}), json!({"q": "ü", "n": null})];
    for (name, content) in [
        ("a.jsonl", "{\"q\": \"a, \\\"b\\\"\\nc\", \"n\": \"1\"}\n{\"q\": \"ü\", \"n\": null}"),
        ("a.jsonl", "\u{feff}\r\n{\"q\": \"a, \\\"b\\\"\\nc\", \"n\": \"1\"}\r\n\r\n  {\"q\": \"ü\", \"n\": null}\r\n"),
        ("a.json", " [{\"q\": \"a, \\\"b\\\"\\nc\", \"n\": \"1\"},{\"q\": \"ü\", \"n\": null}]\n"),
        ("a.json", "\u{feff}\n[\n  {\n\"q\": \"a, \\\"b\\\"\\nc\",\n \"n\": \"1\"},\n  {\"q\": \"ü\", \"n\": null}\n]"),
        ("a.csv", "q,n\n\"a, \"\"b\"\"\nc\",1\nü,\n"),
        ("a.csv", "\u{feff}q,n\r\n\"a, \"\"b\"\"\nc\",1\r\n\r\n\"ü\",\"\""),
        ("a.csv", "q;n\n\"a, \"\"b\"\"\nc\";1\nü;\n"),
        ("a.tsv", "q\tn\n\"a, \"\"b\"\"\nc\"\t1\nü\t\n"),
    ] {
        let rows: Vec<Value> = read(name, content.as_bytes()).unwrap().into_iter().map(|(_, columns)| columns).collect();
        assert_eq!(rows, expected, "{content:?}");
    }
}

#[test]
fn places_are_exact() {
    assert_eq!(places("a.jsonl", "\n{}\n\n{}"), ["line 2", "line 4"]);
    assert_eq!(places("a.json", "\n[{},\n\n{\n},{}]"), ["row 1 (line 2)", "row 2 (line 4)", "row 3 (line 5)"]);
    for end in ["\n", "\r\n"] {
        assert_eq!(places("a.csv", &format!("{end}a{end}{end}1{end}\"2{end}3\"{end}{end}4")), ["line 4", "line 5", "line 8"], "{end:?}");
    }
    let long = format!("a,b\n{}", "1,2\n".repeat(100_000));
    assert_eq!(places("a.csv", &long).last().unwrap(), "line 100001");
}

#[test]
fn brackets_and_quotes_within_texts_do_not_end_an_element() {
    let text = r#"[{"a": "]}\"\\", "b": [{"c": "{"}]}, {"a": 0.12345678901234567891}]"#;
    let rows: Vec<Value> = read("a.json", text.as_bytes()).unwrap().into_iter().map(|(_, columns)| columns).collect();
    assert_eq!(rows, [json!({"a": "]}\"\\", "b": [{"c": "{"}]}), json!({"a": "0.12345678901234567891"})]);
}

#[test]
fn faults_are_described_with_their_places() {
    for (name, content, said) in [
        ("a.jsonl", &b""[..], "a.jsonl holds no row"),
        ("a.jsonl", b"\n \n", "a.jsonl holds no row"),
        ("a.jsonl", b"{}\n{\"q\": ", "a.jsonl, line 2: not a JSON object: EOF while parsing a value at column 5"),
        ("a.jsonl", b"\"a\"", "a.jsonl, line 1: not a JSON object: invalid type: string"),
        ("a.jsonl", b"{}\n{\"q\": \"\xff\"}", "a.jsonl, line 2: byte 8 is not UTF-8; save the file in that encoding"),
        ("a.jsonl", b"\xff\xfe{\0", "a.jsonl, line 1: byte 1 is not UTF-8"),
        (
            "a.json",
            b"{\n \"data\": []\n}",
            "a.json, line 1: not a JSON object: EOF while parsing an object at column 1; each row is one object on its own",
        ),
        (
            "a.txt",
            b"1\t2",
            "a.txt, line 1: not a JSON object: invalid type: integer `1`, expected a map at column 1; a file with this name is read as JSON lines",
        ),
        ("a.json", b"[]", "a.json holds no row"),
        ("a.json", b"[", "a.json, line 1: expected an object in row 1 of the JSON array, found the end of the file"),
        ("a.json", b"[\n1]", "a.json, line 2: expected an object in row 1 of the JSON array, found `1`"),
        ("a.json", b"[{},\n]", "a.json, line 2: expected an object in row 2 of the JSON array, found `]`"),
        ("a.json", b"[{} {}]", "a.json, line 1: expected `,` or `]` in row 2 of the JSON array, found `{`"),
        ("a.json", b"[{}]\n{}", "a.json, line 2: expected the end of the file after the array in row 2 of the JSON array, found `{`"),
        ("a.json", b"[{},\n{\"a\": \"}", "a.json, line 2: the file ends within row 2, which begins here"),
        ("a.json", b"[{\n\"a\": x}]", "a.json, line 2: not a JSON object: expected value"),
        ("a.json", b"[{\"a\": \"\xff\"}]", "a.json, line 1: byte 8 is not UTF-8"),
        ("a.csv", b"", "a.csv holds no row"),
        ("a.csv", b"a,b\n", "a.csv holds no row"),
        ("a.csv", b"a,b\n1,2\n3\n", "a.csv, line 3: the row has 1 values, and the header has 2 columns: a, b"),
        ("a.csv", b"a,b\n1,2,3", "a.csv, line 2: the row has 3 values"),
        ("a.csv", b"a,b,a\n", "a.csv, line 1: two columns are called \"a\"; give each column its own name"),
        ("a.csv", b"a,b\n1,\"2\n3,4\n", "a.csv, line 2: a value in quotes that begins in this row has no closing quote"),
        ("a.csv", b"a,b\n1,2\n\"x\n\xff\",4\n", "a.csv, line 3: column \"a\": byte 3 is not UTF-8"),
        ("a.csv", b"\xff\n1", "a.csv, line 1: column 1: byte 1 is not UTF-8"),
        ("a.csv", b"a\tb\n1\t2", "a.csv, line 1: the header is one column, \"a\\tb\"; a comma separates"),
        ("a.tsv", b"a,b\n1,2", "a.tsv, line 1: the header is one column"),
        ("a.csv.gz", b"a,b\n1,2", "a.csv.gz, line 1: "),
        ("a.jsonl.zst", b"{}", "a.jsonl.zst: damaged Zstandard data"),
    ] {
        let error = read(name, content).unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
    for (name, begin) in [("a.jsonl", "{\"a\": \""), ("a.json", "[{\"a\": \""), ("a.csv", "a,b\n1,\"")] {
        let error = read(name, [begin.as_bytes(), &b" ".repeat(9 << 20)].concat().as_slice()).unwrap_err().to_string();
        assert!(error.contains("has more than 8388608 bytes"), "{error}");
    }
    for (name, begin, end) in [("a.jsonl", "{\"a\": [", "]}"), ("a.json", "[{\"a\": [", "]}]")] {
        let error = read(name, [begin, &"{\"b\":0},".repeat(900_000), "0", end].concat().as_bytes()).unwrap_err().to_string();
        assert!(error.contains("line 1: the row has about 90000") && error.contains("more than 192 MiB of memory"), "{error}");
    }
    let error = Rows::open(std::path::Path::new("/nowhere/b.jsonl")).err().unwrap().to_string();
    assert!(error.contains("/nowhere/b.jsonl"), "{error}");
    let error = Rows::open(&std::env::temp_dir()).err().unwrap().to_string();
    assert!(error.contains("is a folder, expected a file"), "{error}");
    if cfg!(not(feature = "parquet")) {
        let error = read("a.parquet", b"PAR1").unwrap_err().to_string();
        assert_eq!(error, "a.parquet: this program was built without the feature `parquet`, which reads Parquet files");
    }
}

#[test]
fn rows_of_several_files_are_numbered_through() {
    let place = tempfile::tempdir().unwrap();
    let files = ["a.jsonl", "b.csv"].map(|name| place.path().join(name));
    std::fs::write(&files[0], "{\"a\": \"1\"}\n").unwrap();
    std::fs::write(&files[1], "a\n2\n3\n").unwrap();
    let rows: Vec<_> = Rows::open_all(files.clone()).unwrap().map(Result::unwrap).collect();
    let found: Vec<_> = rows.iter().map(|row| (row.number, row.place.to_string())).collect();
    assert_eq!(found, [(0, "line 1 of a.jsonl".to_owned()), (1, "line 2 of b.csv".to_owned()), (2, "line 3 of b.csv".to_owned())]);
    assert_eq!(rows[2].columns, Map::from_iter([("a".to_owned(), "3".into())]));
    // After an error there is no further row.
    std::fs::write(&files[1], "a\n2,3\n4\n").unwrap();
    let mut rows = Rows::open_all(files).unwrap();
    assert!(rows.next().unwrap().is_ok());
    assert!(rows.next().unwrap().unwrap_err().to_string().contains("b.csv, line 2: the row has 2 values"));
    assert!(rows.next().is_none());
}
