//! Files of rows.

use starloop_data::Rows;
use starloop_fuzz::Target;

/// Reads all rows of a file, and paths within them.
fn read(name: &str, input: &[u8]) {
    let Ok(rows) = Rows::from_bytes(name, input.to_vec()) else { return };
    for row in rows.map_while(Result::ok) {
        let _ = (row.get("a.b.0"), row.require("answers.text.0"));
    }
}

#[test]
fn separated_values() {
    let seeds = ["a,b,c\r\n1,\"x, \"\"y\"\"\n\",\r\n\r\n2,,ü\n", "\u{feff}q,answers\nWhat?,5"];
    let words = &["\"", "\"\"", ",", "\r\n", "\n", "\u{feff}", "\t", ";"];
    Target::new("csv", seeds.map(|seed| seed.as_bytes().to_vec())).words(words).run(super::tmp(), |input| {
        read("a.csv", input);
        read("a.tsv", input);
    });
}

#[test]
fn json_arrays() {
    let seeds = [r#"[{"a": {"b": ["x\"]}", 1.50, 123456789012345678901]}}, {"answers": null}]"#, "\n[\n{}\n,{\"a\": \"\\\\\"}]\n"];
    let words = &["[", "]", "{", "}", "\"", "\\", ",", "1e400", "\\ud800"];
    Target::new("json-array", seeds.map(|seed| seed.as_bytes().to_vec())).words(words).run(super::tmp(), |input| read("a.json", input));
}

#[test]
fn compressed_rows() {
    // `{"a": "xxxxxxxxxxxxxxxxxxxx"}` and a line feed.
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xabVJT\xb2RP\xaa\xc0\x02\x94j\xb9\0Ky\xfb\xff\x1e\0\0\0";
    let zstd = b"(\xb5/\xfd \x1e\x8d\0\0X{\"a\": \"x\"}\n\x01\0\t\xe0\x02";
    for (name, bytes) in [("a.jsonl.gz", &gzip[..]), ("a.jsonl.zst", &zstd[..])] {
        assert_eq!(Rows::from_bytes(name, bytes.to_vec()).unwrap().map(Result::unwrap).count(), 1);
    }
    Target::new("gzip", [gzip.to_vec()]).run(super::tmp(), |input| read("a.jsonl.gz", input));
    Target::new("zstd", [zstd.to_vec()]).run(super::tmp(), |input| read("a.jsonl.zst", input));
}

#[cfg(feature = "parquet")]
#[test]
fn parquet() {
    let seeds =
        super::files("fixtures/parquet").into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "parquet"));
    Target::new("parquet", seeds.map(|file| std::fs::read(file).unwrap())).run(super::tmp(), |input| read("a.parquet", input));
}
