//! The examples of each family. All examples of a document follow one plan.

use super::config::{CorpusConfig, Family};
use crate::task::arithmetic::pairs::{draw_pair, split_of};
use crate::task::arithmetic::scratchpad::{self, Walk, digits};
use crate::task::arithmetic::vocabulary::{LETTERS, token_count};
use crate::types::Split;
use rand::{Rng, RngExt};

/// The results of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Results {
    KeepLeft,
    KeepRight,
    /// Random in every example. Only the hint gives them.
    Arbitrary,
}

/// The items of a sequence to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Items {
    Digits,
    Letters,
    Both,
}

/// The properties that all examples of a document share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DocumentPlan {
    pub family: Family,
    /// Between the two numbers, or the two digits of a column fact.
    pub operator: String,
    pub hinted: bool,
    /// The results of walks.
    pub results: Results,
    /// The items of copies and suffixes.
    pub items: Items,
    /// The length of all examples; `None` if each example has a random length.
    pub length: Option<u32>,
}

impl DocumentPlan {
    /// Draws all parts, even those that the family does not use, so that every plan uses the same number of draws.
    pub fn draw(config: &CorpusConfig, rng: &mut impl Rng) -> Self {
        let family = draw_family(config, rng);
        let any = &config.operators[rng.random_range(0..config.operators.len())];
        let others: Vec<&String> = config.operators.iter().filter(|operator| *operator != "+").collect();
        let plus = rng.random_bool(config.plus_share) || others.is_empty();
        let other = rng.random_range(0..others.len().max(1));
        let operator = match family {
            Family::Zip => any.clone(),
            _ if plus => "+".to_owned(),
            _ => others[other].clone(),
        };
        let hinted = rng.random_bool(if family == Family::Zip { config.zip_hinted_share } else { config.hinted_share });
        let keep = if rng.random_bool(0.5) { Results::KeepLeft } else { Results::KeepRight };
        let arbitrary = rng.random_bool(config.arbitrary_result_share);
        let items = [Items::Digits, Items::Letters, Items::Both][rng.random_range(0..3)];
        let same = rng.random_bool(config.same_length_share);
        let drawn = rng.random_range(1..=config.max_columns);
        let length = match family {
            Family::Sum1 => Some(1),
            Family::Sum2 => same.then_some(config.known_digits),
            _ => same.then_some(drawn),
        };
        DocumentPlan { family, operator, hinted, results: if hinted && arbitrary { Results::Arbitrary } else { keep }, items, length }
    }

    /// Draws an example: prompt and completion, without the end token.
    pub fn example(&self, config: &CorpusConfig, rng: &mut impl Rng) -> String {
        let longest = if self.family == Family::Sum2 { config.known_digits } else { config.max_columns };
        let length = self.length.unwrap_or_else(|| rng.random_range(1..=longest));
        match self.family {
            Family::Zip => self.write(&self.walk(length, rng)),
            Family::Sum1 | Family::Sum2 => {
                let (a, b) = train_pair(length, rng);
                self.write(&Walk::addition(a, b, length as usize, &self.operator))
            }
            Family::Col => self.column_fact(rng),
            Family::Copy => {
                let items = self.sequence(length, rng).join(" ");
                self.prompt(&items, &items) + &items
            }
            Family::Suffix => {
                let items = self.sequence(length, rng);
                let lines: Vec<String> = (0..items.len()).rev().map(|from| items[from..].join(" ")).collect();
                let all = items.join(" ");
                format!("{}{}\n{}\n{}\n{all}", self.prompt(&all, &all), scratchpad::OPEN, lines.join("\n"), scratchpad::CLOSE)
            }
        }
    }

    fn prompt(&self, question: &str, hint: &str) -> String {
        scratchpad::prompt(question, self.hinted.then_some(hint))
    }

    fn write(&self, walk: &Walk) -> String {
        self.prompt(&walk.question(), &walk.last_line()) + &walk.completion()
    }

    /// A walk that is not an addition: see [`Family::Zip`].
    fn walk(&self, columns: u32, rng: &mut impl Rng) -> Walk {
        let (a, b) = train_pair(columns, rng);
        let columns = columns as usize;
        let sum = Walk::addition(a, b, columns, &self.operator);
        loop {
            let last_flag = rng.random_range(0..=1_u8);
            let results = match self.results {
                Results::KeepLeft => sum.left.clone(),
                Results::KeepRight => sum.right.clone(),
                Results::Arbitrary => arbitrary_results(columns, last_flag, rng),
            };
            let mut flags: Vec<u8> = results.iter().zip(&sum.left).map(|(result, left)| u8::from(result < left)).collect();
            if self.hinted {
                flags[0] = last_flag;
            }
            let walk = Walk { results, carries: flags, ..sum.clone() };
            // Keeping a digit gives the sum only if 0 is added to a one-digit number.
            if self.results != Results::Arbitrary || walk.last_line() != sum.last_line() {
                return walk;
            }
        }
    }

    fn column_fact(&self, rng: &mut impl Rng) -> String {
        let (left, right, carry) = (rng.random_range(0..=9_u8), rng.random_range(0..=9_u8), rng.random_range(0..=1_u8));
        let sum = digits(u64::from(left + right + carry), 2);
        let question = format!("{left} {} {right} , C: {carry}", self.operator);
        self.prompt(&question, &scratchpad::spaced(&sum)) + &format!(", {} C: {}", sum[1], sum[0])
    }

    fn sequence(&self, length: u32, rng: &mut impl Rng) -> Vec<String> {
        (0..length)
            .map(|_| {
                let letter = self.items == Items::Letters || self.items == Items::Both && rng.random_bool(0.5);
                let index = rng.random_range(0..10);
                if letter { LETTERS[index].to_owned() } else { index.to_string() }
            })
            .collect()
    }
}

fn draw_family(config: &CorpusConfig, rng: &mut impl Rng) -> Family {
    let total: f64 = Family::ALL.iter().map(|&family| config.shares.of(family)).sum();
    let mut point = rng.random::<f64>() * total;
    let mut drawn = Family::Zip;
    for family in Family::ALL.into_iter().filter(|&family| config.shares.of(family) > 0.0) {
        drawn = family;
        point -= config.shares.of(family);
        if point < 0.0 {
            break;
        }
    }
    drawn
}

/// Numbers that are in no held-out problem.
fn train_pair(digits: u32, rng: &mut impl Rng) -> (u64, u64) {
    draw_pair(digits, rng, |a, b| split_of(a, b) == Split::Train)
}

/// Digits that could be those of a sum: if the last flag is 0, a number of several digits does not begin with 0.
fn arbitrary_results(columns: usize, last_flag: u8, rng: &mut impl Rng) -> Vec<u8> {
    let smallest_first = u8::from(columns > 1 && last_flag == 0);
    (0..columns).map(|column| rng.random_range(if column == 0 { smallest_first } else { 0 }..=9)).collect()
}

/// Tokens of the longest example that the config allows: a hinted walk of all columns with a last flag of 1.
pub(super) fn longest(config: &CorpusConfig) -> usize {
    let columns = config.max_columns as usize;
    let (left, right) = (vec![9; columns], vec![9; columns]);
    let walk = Walk { left, right, operator: "+".to_owned(), results: vec![8; columns], carries: vec![1; columns] };
    token_count(&(scratchpad::prompt(&walk.question(), Some(&walk.last_line())) + &walk.completion()))
}
