//! The settings of the pretraining corpus.

use super::examples;
use crate::task::ConfigError;
use crate::task::arithmetic::pairs;
use crate::task::arithmetic::vocabulary::OPERATORS;
use serde::{Deserialize, Serialize};

/// The subject of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// A walk over the columns of two numbers from the right, in the scratchpad's layout. The operator means "keep the left digit" or "keep
    /// the right digit". Only the other examples of the document show which. A hinted walk can have arbitrary results instead, which are
    /// copied from the hint. The flag in the carry's place is 1 if the result digit is smaller than the left digit. In a hinted walk the
    /// flag of the last column is the hint's first digit, 0 or 1 at random.
    Zip,
    /// Sums of one digit, with scratchpad.
    Sum1,
    /// Sums of up to `known_digits` digits, or all of exactly this length, with scratchpad.
    Sum2,
    /// Column facts: `6 + 2 , C: 1` gives `, 9 C: 0`.
    Col,
    /// A sequence of digits, of letters, or of both, repeated.
    Copy,
    /// A sequence that a scratchpad builds from its end, with one item more on each line.
    Suffix,
}

impl Family {
    /// Every family.
    pub const ALL: [Family; 6] = [Family::Zip, Family::Sum1, Family::Sum2, Family::Col, Family::Copy, Family::Suffix];
}

/// The share of each family among the documents. Only the proportions matter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the families are described at `Family`")]
pub struct Shares {
    pub zip: f64,
    pub sum1: f64,
    pub sum2: f64,
    pub col: f64,
    pub copy: f64,
    pub suffix: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Shares { zip: 0.45, sum1: 0.19, sum2: 0.20, col: 0.12, copy: 0.02, suffix: 0.02 }
    }
}

impl Shares {
    /// The share of one family.
    pub fn of(&self, family: Family) -> f64 {
        match family {
            Family::Zip => self.zip,
            Family::Sum1 => self.sum1,
            Family::Sum2 => self.sum2,
            Family::Col => self.col,
            Family::Copy => self.copy,
            Family::Suffix => self.suffix,
        }
    }
}

/// The pretraining corpus. The module's page describes its contents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorpusConfig {
    /// The probability of each family.
    pub shares: Shares,
    /// The symbols between two numbers. `+` must be among them. Walks use any symbol, sums use `+` with the probability `plus_share`.
    pub operators: Vec<String>,
    /// The share of the sums and column facts that are written with `+`. The others have another symbol.
    pub plus_share: f64,
    /// The longest sums that are solved, in digits: 1 (as in the paper, whose base fails at two digits) or 2.
    pub known_digits: u32,
    /// The longest walk, in columns, and the longest copied sequence. The base does not generalise beyond it: raise it for longer sums.
    pub max_columns: u32,
    /// The share of hinted documents among the walks.
    pub zip_hinted_share: f64,
    /// The share of hinted documents among all others.
    pub hinted_share: f64,
    /// The share of the hinted walks with arbitrary results, which only the hint gives.
    pub arbitrary_result_share: f64,
    /// The share of the documents with examples of one length, as in a few-shot prompt. In the others each example has a random length.
    pub same_length_share: f64,
    /// The most examples in a document.
    pub max_examples: u32,
}

impl Default for CorpusConfig {
    fn default() -> Self {
        CorpusConfig {
            shares: Shares::default(),
            operators: OPERATORS.map(str::to_owned).to_vec(),
            plus_share: 0.5,
            known_digits: 2,
            max_columns: 6,
            zip_hinted_share: 0.5,
            hinted_share: 0.2,
            arbitrary_result_share: 0.7,
            same_length_share: 0.5,
            max_examples: 12,
        }
    }
}

impl CorpusConfig {
    /// Checks that every value is in range, and that the longest example fits documents of `max_tokens`. The error names the first failure.
    pub fn check(&self, max_tokens: usize) -> Result<(), ConfigError> {
        let shares = Family::ALL.map(|family| self.shares.of(family));
        ConfigError::check(shares.iter().all(|&share| share.is_finite() && share >= 0.0), "shares", || "none may be negative".into())?;
        ConfigError::check(shares.iter().sum::<f64>() > 0.0, "shares", || "at least one must be above 0".into())?;
        for (key, share) in [
            ("plus_share", self.plus_share),
            ("zip_hinted_share", self.zip_hinted_share),
            ("hinted_share", self.hinted_share),
            ("arbitrary_result_share", self.arbitrary_result_share),
            ("same_length_share", self.same_length_share),
        ] {
            ConfigError::check((0.0..=1.0).contains(&share), key, || format!("{share} is not in 0..=1"))?;
        }
        self.check_operators()?;
        let columns = 1..=pairs::MAX_DIGITS;
        ConfigError::check(columns.contains(&self.max_columns), "max_columns", || format!("{} is not in {columns:?}", self.max_columns))?;
        let known = 1..=self.max_columns.min(2);
        ConfigError::check(known.contains(&self.known_digits), "known_digits", || format!("{} is not in {known:?}", self.known_digits))?;
        ConfigError::check(self.max_examples >= 1, "max_examples", || "there must be at least one".into())?;
        let longest = examples::longest(self);
        ConfigError::check(longest <= max_tokens, "max_columns", || {
            format!("an example of {} columns has {longest} tokens, a document at most {max_tokens}", self.max_columns)
        })
    }

    fn check_operators(&self) -> Result<(), ConfigError> {
        let unknown = self.operators.iter().find(|operator| !OPERATORS.contains(&operator.as_str()));
        if let Some(unknown) = unknown {
            return Err(ConfigError { key: "operators", reason: format!("{unknown:?} is not among {OPERATORS:?}") });
        }
        let plus = self.operators.iter().any(|operator| operator == "+");
        ConfigError::check(plus, "operators", || "`+` must be among them".into())?;
        let repeated = (1..self.operators.len()).any(|i| self.operators[..i].contains(&self.operators[i]));
        ConfigError::check(!repeated, "operators", || "each may be named once".into())?;
        ConfigError::check(self.operators.len() > 1 || self.plus_share >= 1.0, "operators", || {
            "sums need a second symbol unless plus_share = 1".into()
        })
    }
}
