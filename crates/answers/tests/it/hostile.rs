//! Hostile texts: no panic, and time that is linear in their length.

use crate::random::Random;
use starloop_answers::{Ending, Mark, choice, find, number};
use std::time::{Duration, Instant};

const CHOICES: [&str; 4] = ["a desk", "not B", "12", "\u{130}stanbul"];

/// Pieces that mean something to a rule.
const PIECES: &[&str] = &[
    "####",
    "\\boxed{",
    "\\boxed",
    "}",
    "{",
    "<answer>",
    "</answer>",
    "<think>",
    "</think>",
    "the answer is",
    "Answer:",
    "答案",
    "答案：",
    "1",
    "23",
    "456",
    ",",
    ".",
    "'",
    " ",
    "\n",
    "\\frac",
    "\\frac{",
    "}{",
    "\\",
    "\\,",
    "-",
    "–",
    "−",
    "½",
    "²",
    "⁻",
    "^",
    "^{",
    "**",
    "*",
    "/",
    "=",
    "≈",
    "x",
    "e",
    "e9",
    "e999999999",
    "%",
    "$",
    "₹",
    "US$",
    "Rs.",
    "million",
    "k",
    "(",
    ")",
    "[",
    "]",
    "(b)",
    "B",
    "a",
    "I",
    "A",
    "is correct",
    "I choose",
    "not",
    "or",
    "and",
    "it is",
    "?",
    "!",
    "<<",
    ">>",
    "<",
    ">",
    "<|im_end|>",
    "Question:",
    "Human:",
    "\u{200b}",
    "\u{130}",
    "ß",
    "ﬀ",
    "٧",
    "７",
    "१",
    "\u{301}",
    "🦀",
    "\\text{",
    "\\circ",
    "step",
    "\u{feff}",
    "\r\n",
    "a desk",
];

fn read(text: &str) {
    for ending in [Ending::Complete, Ending::CutOff] {
        let outcome = find::number(text, &Mark::ALL, ending);
        if let Some(place) = outcome.place() {
            assert!(text.get(place.span.clone()).is_some(), "{text:?}");
        }
        for style in [choice::ChoiceStyle::Letters, choice::ChoiceStyle::Text] {
            let outcome = choice::find(text, &CHOICES, style, &Mark::ALL, ending);
            if let Some(place) = outcome.place() {
                assert!(text.get(place.span.clone()).is_some(), "{text:?}");
            }
        }
    }
    let _ = (number::parse(text), number::known(text), find::conclusion(text));
    let _ = (choice::known(text, &CHOICES), choice::conclusion(text, &CHOICES, choice::ChoiceStyle::Letters));
}

#[test]
fn no_text_of_pieces_panics() {
    let mut random = Random::new(1);
    for _ in 0..3000 {
        let text: String = (0..random.below(24)).map(|_| random.pick(PIECES)).collect();
        read(&text);
    }
}

#[test]
fn no_text_of_characters_panics() {
    let mut random = Random::new(2);
    for _ in 0..2000 {
        let character = |random: &mut Random| match random.below(4) {
            0 => char::from(random.below(128) as u8),
            1 => char::from_u32(random.below(0x3000) as u32).unwrap_or('x'),
            2 => char::from_u32(0xff00 + random.below(0x100) as u32).unwrap_or('x'),
            _ => char::from_u32(random.below(0x11_0000) as u32).unwrap_or('x'),
        };
        let text: String = (0..random.below(40)).map(|_| character(&mut random)).collect();
        read(&text);
    }
}

#[test]
fn no_mutation_of_a_real_text_panics() {
    let mut random = Random::new(3);
    let tables = [include_str!("tables/numbers.txt"), include_str!("tables/choices.txt"), include_str!("tables/quantities.txt")];
    let rows: Vec<&str> = tables.iter().flat_map(|table| table.lines()).collect();
    for row in &rows {
        let mut characters: Vec<char> = row.replace('⏎', "\n").chars().collect();
        for _ in 0..3 {
            let at = random.below(characters.len() + 1);
            match random.below(3) {
                0 => characters.truncate(at),
                1 => characters.extend(random.pick(PIECES).chars()),
                _ => characters.splice(at..at, random.pick(PIECES).chars()).for_each(drop),
            }
        }
        read(&characters.into_iter().collect::<String>());
    }
}

/// Texts whose reading would take quadratic time if a rule looked ahead without bound.
const REPEATED: &[&str] = &[
    "1 ",
    "1,",
    "1.",
    "1 200 ",
    ",200",
    "1/",
    "1+",
    "1=",
    "= ",
    "½",
    "²",
    "^",
    "2^",
    "(",
    "((1",
    "[",
    "[1",
    "{",
    "}",
    "\\boxed{",
    "\\boxed{1",
    "\\frac{1",
    "\\frac",
    "\\frac{",
    "1\\frac{1",
    "\\sqrt{",
    "#### ",
    "#### a\n",
    "<answer>",
    "<answer>1",
    "<",
    "<think></think>",
    "the answer is ",
    "the answer is A ",
    "answer ",
    "answer: ",
    "答案",
    "it is ",
    "a ",
    "(b) or ",
    "I choose not ",
    "\n",
    "-",
    "$",
];

fn timed(text: &str) -> Duration {
    let start = Instant::now();
    let _ = find::number(text, &Mark::ALL, Ending::Complete);
    let _ = choice::find(text, &CHOICES, choice::ChoiceStyle::Letters, &Mark::ALL, Ending::Complete);
    start.elapsed()
}

#[test]
fn time_is_linear_in_the_length() {
    for piece in REPEATED {
        let [short, long] = [2_000, 64_000].map(|bytes| piece.repeat(bytes / piece.len()));
        // The text is 32 times as long. Quadratic time would be a thousand times as long, each time that it is measured. A busy machine takes the
        // processor away now and then.
        let is_linear = |_| timed(&long) < timed(&short).max(Duration::from_millis(2)) * 200;
        assert!((0..30).any(is_linear), "{piece:?}: the time grows faster than the text");
    }
}

#[test]
fn a_megabyte_is_read_in_seconds() {
    let solution = "Natalia sold 48/2 = <<48/2=24>>24 clips in May, so (b) is wrong.\n";
    let text = solution.repeat(1_000_000 / solution.len()) + "The answer is 72.";
    let start = Instant::now();
    assert_eq!(find::number(&text, &Mark::ALL, Ending::Complete).answer().unwrap().value.to_string(), "72");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}
