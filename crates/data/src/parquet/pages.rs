//! Limits on the memory that a page may ask for.
//!
//! The library reserves memory for the sizes that a file states before it reads the data. [`Source`] checks the sizes in a page's header, and
//! [`CheckedPages`] the counts that the page's data states. Both return an error for a count that the bytes of the file cannot explain.

mod header;

use bytes::{Buf, Bytes};
use header::varint;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::ColumnDescPtr;
use std::fs::File;
use std::io::BufReader;

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

impl ChunkReader for Source {
    type T = BufReader<File>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        if start.saturating_add(FOOTER) != Length::len(self) {
            header::check(&mut self.0.get_read(start)?)?;
        }
        self.0.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > Length::len(self)) {
            return Err(damaged(format!("{length} bytes at byte {start} are beyond the end of the file")));
        }
        self.0.get_bytes(start, length)
    }
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

/// The delta encodings of texts state how many lengths they have, and the library makes room for as many. `DELTA_BYTE_ARRAY` has two lists of
/// lengths, one behind the other.
fn check_deltas(encoding: Encoding, values: Option<&[u8]>, most: usize) -> Result<()> {
    let lists = match encoding {
        Encoding::DELTA_LENGTH_BYTE_ARRAY => 1,
        Encoding::DELTA_BYTE_ARRAY => 2,
        _ => return Ok(()),
    };
    let mut values = values.ok_or_else(|| damaged("a page ends within its levels".to_owned()))?;
    for list in 1..=lists {
        let deltas = Deltas::begin(&mut values)?;
        if deltas.count > most as u64 {
            return Err(damaged(format!("a page claims to have {} texts", deltas.count)));
        }
        if list < lists {
            deltas.skip(&mut values)?;
        }
    }
    Ok(())
}

/// The beginning of whole numbers in the encoding `DELTA_BINARY_PACKED`: blocks of miniblocks, each of which has its own width in bits.
struct Deltas {
    miniblocks: usize,
    values_per_miniblock: u64,
    count: u64,
}

impl Deltas {
    fn begin(data: &mut &[u8]) -> Result<Self> {
        let [values_per_block, miniblocks, count, _first] = [varint(data)?, varint(data)?, varint(data)?, varint(data)?];
        let values_per_miniblock = values_per_block.checked_div(miniblocks).filter(|&values| values > 0);
        let values_per_miniblock = values_per_miniblock.ok_or_else(|| damaged("a block of a page has no values".to_owned()))?;
        Ok(Deltas { miniblocks: miniblocks as usize, values_per_miniblock, count })
    }

    /// Goes past the numbers. The last block has no data for miniblocks without numbers.
    fn skip(&self, data: &mut &[u8]) -> Result<()> {
        let ends = || damaged("a page ends within its numbers".to_owned());
        let mut left = self.count.saturating_sub(1);
        while left > 0 {
            varint(data)?;
            let widths = data.split_off(..self.miniblocks).ok_or_else(ends)?;
            for &bits in widths {
                if left > 0 {
                    let bytes = self.values_per_miniblock.saturating_mul(bits.into()) / 8;
                    data.split_off(..usize::try_from(bytes).unwrap_or(usize::MAX)).ok_or_else(ends)?;
                }
                left = left.saturating_sub(self.values_per_miniblock);
            }
        }
        Ok(())
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

fn damaged(problem: String) -> ParquetError {
    ParquetError::General(problem)
}
