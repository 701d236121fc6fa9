//! Changes of known inputs.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use serde_json::Value;

/// Numbers at the limits of types and formats.
const NUMBERS: [&str; 16] = [
    "0",
    "-1",
    "1",
    "255",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "-9223372036854775808",
    "99999999999999999999999",
    "1e308",
    "1e-308",
    "0.1",
    "NaN",
];
/// Texts that parsers of text can fail on.
const TEXTS: [&str; 12] = ["", "\0", "\u{fffd}", "\u{202e}", "e\u{301}", "🦀", "[[[[", "{\"\":", "\r\n", "\u{2028}", "%s", "../../x"];
/// An input grows to at most so many bytes above the longest seed.
const ROOM: usize = 4096;
/// The most changes of one input.
const CHANGES: usize = 4;
/// One in so many inputs has a part that is repeated up to [`LONG`] bytes: a parser may take little more memory than its input.
const RARE: usize = 500;
const LONG: usize = 1 << 20;

/// Makes inputs from seeds.
pub(crate) struct Change<'a> {
    random: ChaCha8Rng,
    seeds: &'a [Vec<u8>],
    words: &'a [&'a str],
    longest: usize,
}

impl<'a> Change<'a> {
    pub fn new(random: ChaCha8Rng, seeds: &'a [Vec<u8>], words: &'a [&'a str]) -> Self {
        Change { random, seeds, words, longest: seeds.iter().map(Vec::len).max().unwrap_or(0) + ROOM }
    }

    /// The next input: a seed with some changes.
    pub fn next(&mut self) -> Vec<u8> {
        let mut input = self.seed().clone();
        for _ in 0..=self.below(CHANGES) {
            if !(self.random.random_bool(0.5) && self.change_json(&mut input)) {
                self.change_bytes(&mut input);
            }
        }
        input.truncate(self.longest);
        if self.below(RARE) == 0 {
            self.repeat(&mut input);
        }
        input
    }

    /// Repeats a part of the input in place.
    fn repeat(&mut self, input: &mut Vec<u8>) {
        let range = self.range(input);
        let part = input[range.clone()].to_vec();
        let times = self.below(LONG / part.len().max(1));
        input.splice(range.start..range.start, part.repeat(times));
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random.random_range(0..limit.max(1))
    }

    fn seed(&mut self) -> &'a Vec<u8> {
        &self.seeds[self.below(self.seeds.len())]
    }

    /// A range of at most 64 bytes.
    fn range(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let from = self.below(input.len() + 1);
        from..(from + self.below(64)).min(input.len())
    }

    fn text(&mut self) -> &'a str {
        match self.below(3) {
            0 => NUMBERS[self.below(NUMBERS.len())],
            1 if !self.words.is_empty() => self.words[self.below(self.words.len())],
            _ => TEXTS[self.below(TEXTS.len())],
        }
    }

    fn change_bytes(&mut self, input: &mut Vec<u8>) {
        let range = self.range(input);
        match self.below(9) {
            0 if !input.is_empty() => {
                let at = self.below(input.len());
                input[at] ^= 1 << self.below(8);
            }
            1 if !input.is_empty() => {
                let at = self.below(input.len());
                input[at] = self.random.random();
            }
            2 => drop(input.drain(range)),
            3 => {
                let copy = input[range.clone()].to_vec();
                let times = 1 + self.below(8);
                input.splice(range.start..range.start, copy.repeat(times));
            }
            4 => {
                let text = self.text();
                input.splice(range.start..range.start, text.bytes());
            }
            5 => {
                let other = self.seed();
                let from = self.range(other);
                input.splice(range, other[from].iter().copied());
            }
            6 => input.truncate(range.start),
            7 => self.change_number(input),
            _ => {
                // A length or an offset of a binary format.
                let number: u64 = match self.below(3) {
                    0 => u64::MAX,
                    1 => 1 << self.below(64),
                    _ => self.below(1 << 20) as u64,
                };
                let width = [1, 2, 4, 8][self.below(4)];
                let end = (range.start + width).min(input.len());
                input[range.start..end].copy_from_slice(&number.to_le_bytes()[..end - range.start]);
            }
        }
    }

    /// Replaces a run of digits by another number.
    fn change_number(&mut self, input: &mut Vec<u8>) {
        let from = self.below(input.len());
        let Some(start) = (from..input.len()).find(|&at| input[at].is_ascii_digit()) else { return };
        let end = (start..input.len()).find(|&at| !input[at].is_ascii_digit()).unwrap_or(input.len());
        let number = NUMBERS[self.below(NUMBERS.len())];
        input.splice(start..end, number.bytes());
    }

    /// Changes a value of a JSON text, or of one line of JSON lines. Returns false if the input is not JSON.
    fn change_json(&mut self, input: &mut Vec<u8>) -> bool {
        let range = if serde_json::from_slice::<Value>(input).is_ok() {
            0..input.len()
        } else {
            let at = self.below(input.len());
            let start = input[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            let end = input[at..].iter().position(|&byte| byte == b'\n').map_or(input.len(), |length| at + length);
            start..end
        };
        let Ok(mut json) = serde_json::from_slice::<Value>(&input[range.clone()]) else { return false };
        let depth = 1 + self.below(6);
        self.change_value(&mut json, depth);
        input.splice(range, json.to_string().into_bytes());
        true
    }

    fn change_value(&mut self, json: &mut Value, depth: usize) {
        if depth > 0 {
            match json {
                Value::Array(items) if !items.is_empty() => {
                    let at = self.below(items.len());
                    match self.below(8) {
                        0 => drop(items.remove(at)),
                        1 => items.push(items[at].clone()),
                        _ => self.change_value(&mut items[at], depth - 1),
                    }
                    return;
                }
                Value::Object(object) if !object.is_empty() => {
                    let at = self.below(object.len());
                    let key = object.keys().nth(at).cloned().unwrap_or_default();
                    match self.below(8) {
                        0 => drop(object.remove(&key)),
                        1 => {
                            let (other, value) = (self.text().to_owned(), object[&key].clone());
                            object.insert(other, value);
                        }
                        _ => self.change_value(object.get_mut(&key).expect("a key of the object"), depth - 1),
                    }
                    return;
                }
                _ => {}
            }
        }
        *json = match self.below(6) {
            0 => Value::Null,
            1 => Value::Bool(self.random.random()),
            2 => self.text().into(),
            3 => Value::Array(vec![json.clone(); self.below(3)]),
            4 => serde_json::json!({ self.text(): json.clone() }),
            _ => serde_json::from_str(NUMBERS[self.below(NUMBERS.len())]).unwrap_or(Value::from(-1)),
        };
    }
}
