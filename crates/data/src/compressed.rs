//! Reads compressed files as a stream.

use crate::format::Compression;
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, BufReader, Read};

/// The stream of a file's content.
pub(crate) fn plain(source: impl BufRead + Send + 'static, compression: Compression) -> Box<dyn BufRead + Send> {
    match compression {
        Compression::Plain => Box::new(source),
        Compression::Gzip => Box::new(BufReader::new(MultiGzDecoder::new(source))),
        Compression::Zstd => Box::new(BufReader::new(Frames { source, decoder: FrameDecoder::new(), is_within: false })),
    }
}

/// The frames of a Zstandard file, one after another. `zstd -T` and `pzstd` write several.
struct Frames<R: BufRead> {
    source: R,
    decoder: FrameDecoder,
    /// True between the header of a frame and its end.
    is_within: bool,
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.is_within {
                while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                    self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1)).map_err(damaged)?;
                }
                match self.decoder.read(buffer)? {
                    0 => self.end()?,
                    read => return Ok(read),
                }
            } else if self.source.fill_buf()?.is_empty() {
                return Ok(0);
            } else {
                self.begin()?;
            }
        }
    }
}

impl<R: BufRead> Frames<R> {
    /// Reads the header of a frame, or leaves out a frame that holds no data.
    fn begin(&mut self) -> io::Result<()> {
        match self.decoder.init(&mut self.source) {
            Ok(()) => self.is_within = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let left_out = io::copy(&mut self.source.by_ref().take(u64::from(length)), &mut io::sink())?;
                if left_out < u64::from(length) {
                    return Err(damaged("it ends within a frame"));
                }
            }
            Err(error) => return Err(damaged(error)),
        }
        Ok(())
    }

    /// Ends a frame, whose checksum must be that of its data.
    fn end(&mut self) -> io::Result<()> {
        self.is_within = false;
        match self.decoder.get_checksum_from_data() {
            Some(written) if Some(written) != self.decoder.get_calculated_checksum() => Err(damaged("the checksum is another one")),
            _ => Ok(()),
        }
    }
}

fn damaged(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("damaged Zstandard data: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::{Cursor, Write};

    fn read(bytes: Vec<u8>, compression: Compression) -> io::Result<String> {
        let mut text = String::new();
        plain(Cursor::new(bytes), compression).read_to_string(&mut text).map(|_| text)
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &str) -> Vec<u8> {
        compress_to_vec(text.as_bytes(), CompressionLevel::Fastest)
    }

    #[test]
    fn all_members_and_frames_are_read() {
        let long = "0123456789".repeat(50_000);
        assert_eq!(read([gzip(&long), gzip("b")].concat(), Compression::Gzip).unwrap(), format!("{long}b"));
        // A frame that holds no data: its magic number, its length and its bytes (RFC 8878, section 3.1.2).
        let skipped = [&0x184D_2A50_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"abc"].concat();
        assert_eq!(read([zstd(&long), skipped.clone(), zstd("b")].concat(), Compression::Zstd).unwrap(), format!("{long}b"));
        for (bytes, compression) in [(gzip(&long), Compression::Gzip), (zstd(&long), Compression::Zstd), (skipped, Compression::Zstd)] {
            assert!(read(bytes[..bytes.len() - 1].to_vec(), compression).is_err());
        }
        // The checksum is the last four bytes of a frame, and stands before the last four of a member.
        for (mut bytes, compression, checksum) in [(gzip("a"), Compression::Gzip, 8), (zstd("a"), Compression::Zstd, 4)] {
            let place = bytes.len() - checksum;
            bytes[place] ^= 1;
            assert!(read(bytes, compression).is_err());
        }
        assert!(read(b"text".to_vec(), Compression::Zstd).unwrap_err().to_string().starts_with("damaged Zstandard data"));
        assert!(read(b"text".to_vec(), Compression::Gzip).is_err());
    }
}
