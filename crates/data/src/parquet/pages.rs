//! Limits on the memory that a page may ask for.
//!
//! The library reserves memory for the sizes that a file states before it reads the data. [`Source`] checks the sizes in a page's header, and
//! [`CheckedPages`] the counts that the page's data states. Both return an error for a count that the bytes of the file cannot explain.

use bytes::{Buf, Bytes};
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::ColumnDescPtr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// Bytes of a page that are accepted however few bytes the file stores for it. Writers make pages of about 1 MB.
const PAGE_BYTES: usize = 64 << 20;
/// For larger pages: bytes for each stored byte. Texts compress to a tenth to a third.
const BYTES_PER_STORED_BYTE: usize = 32;
/// Values of a page that are accepted however few bytes it has. A run of equal values takes a few bytes.
const PAGE_VALUES: usize = 4 << 20;
/// For longer pages: values for each byte.
const VALUES_PER_BYTE: usize = 64;
/// Bytes of the file's last part, which the library reads as it reads a page's header.
const FOOTER: u64 = 8;

/// A file whose page headers are checked.
pub(super) struct Source(pub File);

impl Length for Source {
    fn len(&self) -> u64 {
        Length::len(&self.0)
    }
}

/// A file whose end is an error. The library does not notice the end when it passes over an unknown list in a page's header: it would go on for as
/// many elements as the list claims to have.
pub(super) struct ErrorAtEnd(File);

impl Read for ErrorAtEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends within the header of a page")),
            read => Ok(read),
        }
    }
}

impl ChunkReader for Source {
    type T = BufReader<ErrorAtEnd>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let mut read = BufReader::new(ErrorAtEnd(self.0.get_read(start)?.into_inner()));
        if start.saturating_add(FOOTER) != Length::len(self) {
            check_header(read.fill_buf()?)?;
        }
        Ok(read)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > Length::len(self)) {
            return Err(damaged(format!("{length} bytes at byte {start} are beyond the end of the file")));
        }
        self.0.get_bytes(start, length)
    }
}

/// Checks the sizes of a page's header. It begins with the fields 1 to 3: the page's type, its size, and its size in the file
/// (parquet.thrift, `PageHeader`; Thrift's compact protocol).
fn check_header(mut header: &[u8]) -> Result<()> {
    /// The next field: its number is one more than the last one's, and it is a 32-bit integer.
    const NEXT_INTEGER: u8 = 0x15;
    let mut field = || {
        let field = header.try_get_u8().ok().filter(|field| *field == NEXT_INTEGER).and_then(|_| varint(&mut header));
        // Thrift stores the sign in the lowest bit. The library refuses negative sizes.
        field.map(|size| (size >> 1) as usize).ok_or_else(|| damaged("a page header does not begin with its type and its sizes".to_owned()))
    };
    let [_, size, stored] = [field()?, field()?, field()?];
    if size > PAGE_BYTES.max(stored.saturating_mul(BYTES_PER_STORED_BYTE)) {
        return Err(damaged(format!("a page of {stored} bytes in the file claims to have {size} bytes when unpacked")));
    }
    Ok(())
}

/// The pages of a column, with checked counts.
pub(super) struct CheckedPages {
    pages: Box<dyn PageReader>,
    column: ColumnDescPtr,
}

impl CheckedPages {
    pub fn new(pages: Box<dyn PageReader>, column: ColumnDescPtr) -> Self {
        CheckedPages { pages, column }
    }

    fn check(&self, page: &Page) -> Result<()> {
        let (data, count) = (page.buffer(), page.num_values() as usize);
        let most = PAGE_VALUES.max(data.len().saturating_mul(VALUES_PER_BYTE));
        match page {
            // The library makes room for all values. Each value has at least one byte.
            Page::DictionaryPage { .. } if count > data.len() => {
                Err(damaged(format!("a dictionary of {} bytes claims to have {count} values", data.len())))
            }
            // A row of a column with lists may have all values of a page.
            Page::DataPage { .. } | Page::DataPageV2 { .. } if self.column.max_rep_level() > 0 && count > most => {
                Err(damaged(format!("a page of {} bytes claims to have {count} values", data.len())))
            }
            Page::DataPage { encoding, .. } => check_deltas(*encoding, after_levels(data, &self.column), most),
            Page::DataPageV2 { encoding, def_levels_byte_len, rep_levels_byte_len, .. } => {
                let levels = (*def_levels_byte_len as usize).saturating_add(*rep_levels_byte_len as usize);
                check_deltas(*encoding, data.get(levels..), most)
            }
            Page::DictionaryPage { .. } => Ok(()),
        }
    }
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        page.map(|page| self.check(&page).map(|()| page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

impl Iterator for CheckedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

/// The delta encodings of texts state how many lengths they have, and the library makes room for as many.
fn check_deltas(encoding: Encoding, values: Option<&[u8]>, most: usize) -> Result<()> {
    if !matches!(encoding, Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY) {
        return Ok(());
    }
    let mut values = values.ok_or_else(|| damaged("a page ends within its levels".to_owned()))?;
    // The values in a block, the parts of a block, the number of values.
    let counts = [varint(&mut values), varint(&mut values), varint(&mut values)];
    match counts[2] {
        Some(count) if count as usize > most => Err(damaged(format!("a page claims to have {count} texts"))),
        _ => Ok(()),
    }
}

/// The values of a page of the first version, which stores the length of each kind of levels before them.
fn after_levels<'a>(mut data: &'a [u8], column: &ColumnDescPtr) -> Option<&'a [u8]> {
    for most in [column.max_rep_level(), column.max_def_level()] {
        if most > 0 {
            let length = data.try_get_u32_le().ok()?;
            data = data.get(length as usize..)?;
        }
    }
    Some(data)
}

/// An integer of 7 bits a byte, the lowest bits first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.try_get_u8().ok()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn damaged(problem: String) -> ParquetError {
    ParquetError::General(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A list of 2^32 elements in a header of a file of ten bytes took minutes.
    #[test]
    fn the_end_of_a_file_is_an_error_within_a_header() -> io::Result<()> {
        let mut file = tempfile::tempfile()?;
        file.write_all(&[0x15, 0, 0x15, 2, 0x15, 2, 0x19, 0xf3, 0xff, 0x7f])?;
        let mut header = Source(file).get_read(0)?;
        let mut read = Vec::new();
        let error = header.read_to_end(&mut read).expect_err("the file ends");
        assert_eq!((read.len(), error.kind()), (10, io::ErrorKind::UnexpectedEof));
        Ok(())
    }

    #[test]
    fn a_page_may_not_claim_more_than_its_bytes_explain() {
        // Type 0, 100 bytes, 50 bytes in the file.
        assert!(check_header(&[0x15, 0, 0x15, 0xc8, 1, 0x15, 0x64]).is_ok());
        // 2^31 - 1 bytes, 50 bytes in the file.
        let error = check_header(&[0x15, 0, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x15, 0x64]).map_err(|error| error.to_string());
        assert_eq!(error, Err("Parquet error: a page of 50 bytes in the file claims to have 2147483647 bytes when unpacked".to_owned()));
        for header in [&[][..], &[0x15], &[0x15, 0, 0x25, 2], &[0x15, 0, 0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]
        {
            assert!(check_header(header).is_err(), "{header:?}");
        }
    }
}
