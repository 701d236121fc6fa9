//! From the text of a language model to its answer, and from the answer to a verdict.
//!
//! Use this crate if you grade completions: as a reward for reinforcement learning, to filter samples for fine-tuning, or to evaluate a
//! model. It reads three kinds of answers:
//!
//! - **Numbers** ([`mod@number`], [`find::number`]): `1,23,456`, `1.200,50 €`, `1 1/2`, `\frac34`, `3 \times 10^3`, `–8`, `٧٢`, `$1.5 million`.
//!   Values are exact rational numbers.
//! - **Multiple choice** ([`mod@choice`], [`choice::find`]): `(b)`, `I'd go with B`, `答案：B`, `the answer is not A, it is B`, or a choice's words.
//! - **Any text** ([`find::text`]): `New York`.
//!
//! [`verdict::number`], [`verdict::choice`] and [`verdict::text`] compare what was found with the known answer.
//!
//! ```
//! use starloop_answers::{number, verdict::{self, Tolerance, Verdict}, Ending, Mark, Reading};
//!
//! let known = number::known("72").unwrap();
//! let grade = verdict::number("48 + 24 = 72. Answer: 72. I am 99% sure.", &known, &Tolerance::Exact, &Mark::ALL, Ending::Complete);
//! assert_eq!(grade.verdict, Verdict::Correct);
//! assert_eq!(grade.place.unwrap().reading, Reading::Phrase);
//! ```
//!
//! # Principles
//!
//! - A part of a number is never taken for the number. A notation with one meaning is read as a whole. A notation with several meanings, such
//!   as `1,23,4` or `72 or 73`, is [`ReadOutcome::Unparsed`].
//! - A statement has priority over a mention. The rule that found the answer is reported as its [`Reading`], so that verdicts which rest on a
//!   weak rule can be counted.
//! - Wrong, unparsed and truncated are different failures.
//! - Every function is pure. No input makes one panic, and time and memory are linear in the length of the text.
//!
//! The crate does not evaluate algebra: `2 + 3`, `2\pi` and `\sqrt{16}` have no value here. If the answers are expressions, use a computer
//! algebra system.

pub mod audit;
pub mod choice;
mod completion;
pub mod find;
mod marks;
pub mod number;
mod phrase;
mod reading;
mod script;
pub mod steps;
pub mod verdict;

pub use completion::end_of_turn;
pub use marks::Mark;
pub use reading::{Ending, FoundAnswer, Place, ReadOutcome, Reading};
