//! Texts in columns, as Parquet.

use crate::error::Result;
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::sync::Arc;

/// Rows of a row group. Readers load one group at a time.
const GROUP: usize = 10_000;

/// A file of columns of text. It is not compressed, so that every reader can read it.
pub(super) fn of_texts<const N: usize>(columns: &[&str; N], rows: &[[String; N]]) -> Result<Vec<u8>> {
    Ok(written(columns, rows).map_err(|error| std::io::Error::other(error.to_string()))?)
}

fn written<const N: usize>(columns: &[&str; N], rows: &[[String; N]]) -> Result<Vec<u8>, ParquetError> {
    let field = |name: &&str| {
        let text = Type::primitive_type_builder(name, Physical::BYTE_ARRAY).with_repetition(Repetition::REQUIRED);
        Ok(Arc::new(text.with_logical_type(Some(LogicalType::String)).build()?))
    };
    let fields = columns.iter().map(field).collect::<Result<_, ParquetError>>()?;
    let schema = Arc::new(Type::group_type_builder("training_set").with_fields(fields).build()?);
    let properties =
        Arc::new(WriterProperties::builder().set_created_by(concat!("starloop ", env!("CARGO_PKG_VERSION")).to_owned()).build());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, properties)?;
    for rows in rows.chunks(GROUP) {
        let mut group = file.next_row_group()?;
        for number in 0..N {
            let mut column = group.next_column()?.ok_or_else(|| ParquetError::General("too few columns".to_owned()))?;
            let values: Vec<ByteArray> = rows.iter().map(|row| ByteArray::from(row[number].as_bytes().to_vec())).collect();
            column.typed::<ByteArrayType>().write_batch(&values, None, None)?;
            column.close()?;
        }
        group.close()?;
    }
    file.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    use std::io::Write;

    #[test]
    fn texts_are_read_back_from_every_row_group() {
        let odd = ["", "grüße\n\"quoted\", 你好", "\u{0}\u{1b}[31m"];
        let rows: Vec<[String; 2]> = (0..=GROUP).map(|n| [n.to_string(), odd[n % odd.len()].to_owned()]).collect();
        let bytes = of_texts(&["number", "text"], &rows).expect("written");
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).expect("written");
        let reader = SerializedFileReader::new(file).expect("a Parquet file");
        assert_eq!(reader.num_row_groups(), 2);
        let found: Vec<[String; 2]> = reader
            .get_row_iter(None)
            .expect("rows")
            .map(|row| row.expect("a row"))
            .map(|row| [0, 1].map(|column| row.get_string(column).expect("a text").clone()))
            .collect();
        assert!(found == rows);
    }
}
