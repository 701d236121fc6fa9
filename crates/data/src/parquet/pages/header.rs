//! The header of a page (parquet.thrift, `PageHeader`; Thrift's compact protocol), as far as memory depends on it.

use super::damaged;
use parquet::errors::Result;
use std::io::{self, Read};

/// Bytes of a page that are accepted however few bytes the file stores for it. Writers make pages of about 1 MB.
const PAGE_BYTES: u64 = 64 << 20;
/// For larger pages: bytes for each stored byte. Texts compress to a tenth to a third.
const BYTES_PER_STORED_BYTE: u64 = 32;
/// The most levels of a value. A header has four.
const MOST_LEVELS: usize = 16;

/// Checks the sizes in a page's header, which begins with the fields 1 to 3: the page's type, its size, and its size in the file. The fields that
/// follow may not state them again, because the library takes the last ones. They must end within the file: the library does not notice its end
/// when it passes over a list.
pub(super) fn check(header: &mut impl Read) -> Result<()> {
    let [_, size, stored] = [integer(header)?, integer(header)?, integer(header)?];
    if size > PAGE_BYTES.max(stored.saturating_mul(BYTES_PER_STORED_BYTE)) {
        return Err(damaged(format!("a page of {stored} bytes in the file claims to have {size} bytes when unpacked")));
    }
    loop {
        match Field::read(header)? {
            Field::End => return Ok(()),
            // Only this form can name an earlier field.
            Field::Numbered(_) => return Err(damaged("a page header has fields in another order than that of their numbers".to_owned())),
            Field::Later(kind) => pass_over(header, kind, 0)?,
        }
    }
}

/// The next field, if its number is one more than the last one's, and it is a 32-bit integer that is not negative.
fn integer(header: &mut impl Read) -> Result<u64> {
    const NEXT_INTEGER: u8 = 0x15;
    if byte(header)? != NEXT_INTEGER {
        return Err(damaged("a page header does not begin with its type and its sizes".to_owned()));
    }
    // Thrift stores the sign in the lowest bit. The library refuses negative sizes.
    Ok(varint(header)? >> 1)
}

/// The beginning of a field of a structure, with the kind of its value.
enum Field {
    /// No field follows.
    End,
    /// Its number is some more than the last one's.
    Later(u8),
    /// It has its own number.
    Numbered(u8),
}

impl Field {
    fn read(header: &mut impl Read) -> Result<Self> {
        let byte = byte(header)?;
        let kind = byte & 0xf;
        Ok(match byte >> 4 {
            _ if byte == 0 => Field::End,
            0 => {
                varint(header)?;
                Field::Numbered(kind)
            }
            _ => Field::Later(kind),
        })
    }
}

/// Passes over a value of a field. `level` is the number of values that it is in.
fn pass_over(header: &mut impl Read, kind: u8, level: usize) -> Result<()> {
    if level > MOST_LEVELS {
        return Err(damaged(format!("a page header has more than {MOST_LEVELS} levels")));
    }
    match kind {
        // The kind is the value: true or false.
        1 | 2 => Ok(()),
        3 => pass_over_bytes(header, 1),
        4..=6 => varint(header).map(|_| ()),
        7 => pass_over_bytes(header, 8),
        8 => varint(header).and_then(|length| pass_over_bytes(header, length)),
        9 | 10 => {
            let byte = byte(header)?;
            let count = if byte >> 4 == 15 { varint(header)? } else { u64::from(byte >> 4) };
            (0..count).try_for_each(|_| pass_over_element(header, byte & 0xf, level + 1))
        }
        11 => {
            let count = varint(header)?;
            let kinds = if count == 0 { 0 } else { byte(header)? };
            (0..count).try_for_each(|_| {
                pass_over_element(header, kinds >> 4, level + 1)?;
                pass_over_element(header, kinds & 0xf, level + 1)
            })
        }
        12 => loop {
            match Field::read(header)? {
                Field::End => return Ok(()),
                Field::Later(kind) | Field::Numbered(kind) => pass_over(header, kind, level + 1)?,
            }
        },
        13 => pass_over_bytes(header, 16),
        other => Err(damaged(format!("a page header has a value of the unknown kind {other}"))),
    }
}

/// Passes over an element of a list or map. There, a truth value has its own byte, so each element has at least one.
fn pass_over_element(header: &mut impl Read, kind: u8, level: usize) -> Result<()> {
    if let 1 | 2 = kind { pass_over_bytes(header, 1) } else { pass_over(header, kind, level) }
}

fn pass_over_bytes(header: &mut impl Read, count: u64) -> Result<()> {
    let read = io::copy(&mut header.take(count), &mut io::sink())?;
    if read == count { Ok(()) } else { Err(damaged("a page header ends within a value".to_owned())) }
}

/// An integer of 7 bits a byte, the lowest bits first.
pub(super) fn varint(header: &mut impl Read) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = byte(header)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(damaged("a number of a page has more than 64 bits".to_owned()))
}

fn byte(header: &mut impl Read) -> Result<u8> {
    let mut byte = [0];
    header.read_exact(&mut byte)?;
    Ok(byte[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Type 0, 100 bytes, 50 bytes in the file.
    const SIZES: [u8; 7] = [0x15, 0, 0x15, 0xc8, 1, 0x15, 0x64];

    #[test]
    fn a_page_may_not_claim_more_than_its_bytes_explain() {
        let checked = |header: &[&[u8]]| check(&mut &*header.concat()).map_err(|error| error.to_string());
        // A structure with a list of two texts, a truth value, a map of numbers, and a nested structure.
        let further = [0x2c, 0x19, 0x28, 1, b'a', 1, b'b', 0x11, 0x1b, 1, 0x55, 2, 4, 0x1c, 0x15, 2, 0, 0];
        assert_eq!(checked(&[&SIZES, &[0]]), Ok(()));
        assert_eq!(checked(&[&SIZES, &further, &[0]]), Ok(()));
        // 2^31 - 1 bytes, 50 bytes in the file.
        let error = checked(&[&[0x15, 0, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x15, 0x64, 0]]);
        assert_eq!(error, Err("Parquet error: a page of 50 bytes in the file claims to have 2147483647 bytes when unpacked".to_owned()));
        // Field 2 again, with its own number.
        let error = checked(&[&SIZES, &further, &[0x05, 4, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0]]);
        assert!(error.is_err_and(|error| error.contains("another order")));
        for header in [
            &[][..],
            &[0x15],
            &[0x15, 0, 0x25, 2],
            &[0x15, 0, 0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            // The end; an unknown kind; a list of 2^31 elements; a text that is longer than the file; structures without end.
            &SIZES,
            &[&SIZES[..], &[0x2e]].concat(),
            &[&SIZES[..], &[0x29, 0xf5, 0xff, 0xff, 0xff, 0xff, 7]].concat(),
            &[&SIZES[..], &[0x28, 0xff, 0xff, 0xff, 0xff, 7, b'a']].concat(),
            &[&SIZES[..], &[0x1c; 100]].concat(),
        ] {
            assert!(checked(&[header]).is_err(), "{header:?}");
        }
    }
}
