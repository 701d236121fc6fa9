//! The character map of a `Precompiled` normalizer: in base64, the size of a trie in bytes, the trie, and the texts that its values point
//! into, each with a zero byte behind it.

/// What is known of a character map.
pub(super) struct Charsmap {
    /// The length of its longest text.
    pub longest: usize,
}

/// What is wrong with one.
pub(super) struct NotACharsmap(pub String);

impl Charsmap {
    /// # Errors
    /// The map is not base64, or is shorter than its trie. The `tokenizers` crate would ask for the memory of that trie first.
    pub(super) fn read(base64: &str) -> Result<Self, NotACharsmap> {
        let bytes = decode(base64).ok_or_else(|| NotACharsmap("is not base64; copy the file from the model's page again".into()))?;
        let (size, rest) = bytes.split_first_chunk().ok_or_else(|| NotACharsmap("is empty".into()))?;
        let size = u32::from_le_bytes(*size) as usize;
        let texts = rest.get(size..).ok_or_else(|| {
            let there = rest.len();
            NotACharsmap(format!(
                "has {there} bytes after its first 4, which announce a trie of {size}; copy the file from the model's page again"
            ))
        })?;
        Ok(Charsmap { longest: texts.split(|byte| *byte == 0).map(<[u8]>::len).max().unwrap_or_default() })
    }
}

/// The bytes that base64 stands for.
fn decode(base64: &str) -> Option<Vec<u8>> {
    let digits = base64.trim_end_matches('=').bytes().map(digit).collect::<Option<Vec<u32>>>()?;
    let bytes = digits.chunks(4).flat_map(|four| {
        let bits = four.iter().enumerate().fold(0, |bits, (at, digit)| bits | digit << (18 - 6 * at));
        let [_, bytes @ ..] = bits.to_be_bytes();
        bytes.into_iter().take(four.len() - 1)
    });
    Some(bytes.collect())
}

fn digit(byte: u8) -> Option<u32> {
    match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}
