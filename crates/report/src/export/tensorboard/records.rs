//! The framing of event files (TensorFlow's TFRecord): length, checksum of the length, message, checksum of the message.

use super::proto::Message;

/// Events as the bytes of a file.
pub(super) fn of(events: Vec<Message>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for event in events {
        let message = event.into_bytes();
        let length = (message.len() as u64).to_le_bytes();
        bytes.extend(length);
        bytes.extend(masked_checksum(&length));
        bytes.extend(&message);
        bytes.extend(masked_checksum(&message));
    }
    bytes
}

/// The format rotates and shifts a checksum, so that checksums of data that holds checksums are safe.
fn masked_checksum(bytes: &[u8]) -> [u8; 4] {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// CRC-32C (Castagnoli), bit by bit: event files are small.
fn crc32c(bytes: &[u8]) -> u32 {
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()));
    !bytes.iter().fold(!0, byte)
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    /// The check value of the catalogue of CRC algorithms.
    #[test]
    fn the_checksum_has_its_check_value() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
