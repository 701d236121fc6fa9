//! The framing of event files (TensorFlow's TFRecord): length, checksum of the length, message, checksum of the message.

use super::proto::Event;
use prost::Message;

/// Events as the bytes of a file.
pub(super) fn of(events: &[Event]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for event in events {
        let message = event.encode_to_vec();
        let length = (message.len() as u64).to_le_bytes();
        bytes.extend(length);
        bytes.extend(masked_checksum(&length));
        bytes.extend(&message);
        bytes.extend(masked_checksum(&message));
    }
    bytes
}

/// A checksum of bytes that hold checksums is troublesome, so the format turns and shifts it.
fn masked_checksum(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}
