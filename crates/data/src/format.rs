//! The format of a file, by its name.

use std::path::Path;

/// The formats, for messages.
pub const READABLE: &str = "JSON lines, a JSON array, CSV, TSV and Parquet, each also with .gz or .zst";

/// A format of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON lines or a JSON array. The first character shows which.
    Json,
    /// Comma-separated values, or values separated by another byte.
    Separated(u8),
    /// Parquet.
    Parquet,
}

/// A compression of a whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// None.
    Plain,
    /// gzip, with any number of members.
    Gzip,
    /// Zstandard, with any number of frames.
    Zstd,
}

impl Format {
    /// The format and the compression of a file. A name without a known extension is JSON.
    pub fn of(path: &Path) -> (Self, Compression) {
        let (known, compression) = Format::known(path);
        (known.unwrap_or(Format::Json), compression)
    }

    /// Returns true if the file's extension names a format.
    pub fn is_known(path: &Path) -> bool {
        Format::known(path).0.is_some()
    }

    fn known(path: &Path) -> (Option<Self>, Compression) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let (name, compression) = match name.rsplit_once('.') {
            Some((name, "gz")) => (name, Compression::Gzip),
            Some((name, "zst" | "zstd")) => (name, Compression::Zstd),
            _ => (name.as_str(), Compression::Plain),
        };
        let format = match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
            "jsonl" | "ndjson" | "json" => Some(Format::Json),
            "csv" => Some(Format::Separated(b',')),
            "tsv" | "tab" => Some(Format::Separated(b'\t')),
            "parquet" => Some(Format::Parquet),
            _ => None,
        };
        (format, compression)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_decides() {
        for (name, expected) in [
            ("a.jsonl", (Format::Json, Compression::Plain)),
            ("a", (Format::Json, Compression::Plain)),
            ("a.txt.gz", (Format::Json, Compression::Gzip)),
            ("A.CSV", (Format::Separated(b','), Compression::Plain)),
            ("a.tsv.zst", (Format::Separated(b'\t'), Compression::Zstd)),
            ("train-00000-of-00002.parquet", (Format::Parquet, Compression::Plain)),
            ("csv", (Format::Json, Compression::Plain)),
        ] {
            assert_eq!(Format::of(Path::new(name)), expected, "{name}");
        }
    }
}
