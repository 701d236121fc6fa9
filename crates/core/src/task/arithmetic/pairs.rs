//! The use of each pair of numbers: learned from, shown as a worked example, or held out.
//!
//! The assignment is a property of the pair, not of a run: the SHA-256 of the text `starloop/arithmetic/259+624` (the smaller number first,
//! so that `624+259` and its mirror image `259+624` fall on the same side). Its first four bytes, as a big-endian number, modulo 10
//! give 0 for dev, 1 for test, anything else for train; its next four modulo 8 give 0 for the pairs of train that are kept for worked
//! examples. `printf starloop/arithmetic/259+624 | sha256sum` checks a problem's assignment. The splits are disjoint without a stored list.

use crate::types::Split;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

/// The largest digit count of an operand: sums of two such numbers fit a `u64`.
pub(super) const MAX_DIGITS: u32 = 18;

/// Every pool of three or more digits holds at least this many pairs: the smallest, at three digits, is a tenth of 810,000.
pub(super) const PLENTY: usize = 50_000;

/// The use of a pair. It is finer than [`Split`]: worked examples are part of train, and no training problem is a worked example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    Problems,
    WorkedExamples,
    Dev,
    Test,
}

/// The split of a pair of numbers. It depends on no run and no seed, and not on the order of the two numbers.
pub fn split_of(a: u64, b: u64) -> Split {
    match pool_of(a, b) {
        Pool::Problems | Pool::WorkedExamples => Split::Train,
        Pool::Dev => Split::Dev,
        Pool::Test => Split::Test,
    }
}

/// The text whose digest tells the pool of a pair.
pub(super) fn name(a: u64, b: u64) -> String {
    format!("starloop/arithmetic/{}+{}", a.min(b), a.max(b))
}

pub(super) fn pool_of(a: u64, b: u64) -> Pool {
    let digest = Sha256::digest(name(a, b));
    let word = |at: usize| u32::from_be_bytes([digest[at], digest[at + 1], digest[at + 2], digest[at + 3]]);
    match (word(0) % 10, word(4) % 8) {
        (0, _) => Pool::Dev,
        (1, _) => Pool::Test,
        (_, 0) => Pool::WorkedExamples,
        _ => Pool::Problems,
    }
}

/// The numbers of `digits` digits, without leading zeros. 0 is a number of one digit.
pub(super) fn numbers(digits: u32) -> RangeInclusive<u64> {
    debug_assert!((1..=MAX_DIGITS).contains(&digits));
    let low = if digits == 1 { 0 } else { 10_u64.pow(digits - 1) };
    low..=10_u64.pow(digits) - 1
}

/// A pair of `digits`-digit numbers, uniform over those that satisfy `keep`. At least one pair must satisfy it.
pub(super) fn draw_pair(digits: u32, rng: &mut impl Rng, keep: impl Fn(u64, u64) -> bool) -> (u64, u64) {
    loop {
        let (a, b) = (rng.random_range(numbers(digits)), rng.random_range(numbers(digits)));
        if keep(a, b) {
            return (a, b);
        }
    }
}

/// `count` different pairs of a pool in random order, or all pairs if the pool has fewer.
pub(super) fn distinct_pairs(pool: Pool, digits: u32, count: usize, rng: &mut impl Rng) -> Vec<(u64, u64)> {
    let count = count.min(capacity(pool, digits));
    let mut seen = HashSet::with_capacity(count);
    (0..count)
        .map(|_| {
            let pair = draw_pair(digits, rng, |a, b| !seen.contains(&(a, b)) && pool_of(a, b) == pool);
            seen.insert(pair);
            pair
        })
        .collect()
}

/// The number of pairs that may be drawn from a pool: all for one and two digits, else [`PLENTY`].
pub(super) fn capacity(pool: Pool, digits: u32) -> usize {
    /// The sizes of the pools of one digit and of two. Counting takes 8,200 digests, and worked examples are drawn for each prompt.
    static SIZES: LazyLock<[[usize; 4]; 2]> = LazyLock::new(|| {
        [1, 2].map(|digits| {
            let mut sizes = [0; 4];
            for (a, b) in numbers(digits).flat_map(|a| numbers(digits).map(move |b| (a, b))) {
                sizes[pool_of(a, b) as usize] += 1;
            }
            sizes
        })
    });
    SIZES.get(digits as usize - 1).map_or(PLENTY, |sizes| sizes[pool as usize])
}

/// A generator for one purpose: the same label and numbers always give the same sequence, others an unrelated one.
pub(super) fn generator(label: &str, numbers: &[u64]) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(label.as_bytes());
    hash.update([0]);
    for number in numbers {
        hash.update(number.to_be_bytes());
    }
    ChaCha8Rng::from_seed(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_is_the_documented_hash() {
        // printf starloop/arithmetic/259+624 | sha256sum
        let digest = Sha256::digest("starloop/arithmetic/259+624");
        let word = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        let expected = match word % 10 {
            0 => Split::Dev,
            1 => Split::Test,
            _ => Split::Train,
        };
        assert_eq!(split_of(624, 259), expected);
    }

    /// The assignment must never change, because published figures depend on it.
    #[test]
    fn the_assignment_is_pinned() {
        let pinned = [
            ((0, 0), Pool::Dev),
            ((9379, 2645), Pool::Dev),
            ((3811, 5768), Pool::Test),
            ((1163, 3703), Pool::Test),
            ((7919, 5239), Pool::WorkedExamples),
            ((7622, 1587), Pool::WorkedExamples),
            ((3, 4), Pool::Problems),
            ((624, 259), Pool::Problems),
        ];
        for ((a, b), pool) in pinned {
            assert_eq!(pool_of(a, b), pool, "{a}+{b}");
        }
    }

    #[test]
    fn mirror_images_share_a_pool() {
        for (a, b) in [(3, 8), (12, 99), (624, 259), (100_000, 999_999)] {
            assert_eq!(pool_of(a, b), pool_of(b, a));
        }
    }

    #[test]
    fn pools_have_about_the_documented_sizes() {
        let sizes = |digits| [Pool::Problems, Pool::WorkedExamples, Pool::Dev, Pool::Test].map(|pool| capacity(pool, digits));
        assert_eq!(sizes(1).iter().sum::<usize>(), 100);
        assert_eq!(sizes(2).iter().sum::<usize>(), 8_100);
        assert!(sizes(1).iter().all(|&size| size >= 5), "{:?}", sizes(1));
        let [problems, examples, dev, test] = sizes(2);
        assert!((5_400..=5_950).contains(&problems) && (700..=920).contains(&examples), "{problems} {examples}");
        assert!((700..=920).contains(&dev) && (700..=920).contains(&test), "{dev} {test}");
    }

    #[test]
    fn numbers_have_no_leading_zero() {
        assert_eq!(numbers(1), 0..=9);
        assert_eq!(numbers(2), 10..=99);
        assert_eq!(numbers(10), 1_000_000_000..=9_999_999_999);
    }

    #[test]
    fn a_small_pool_gives_all_it_has_and_ends() {
        let all = distinct_pairs(Pool::Problems, 1, 1_000, &mut generator("test", &[1]));
        assert_eq!(all.len(), capacity(Pool::Problems, 1));
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn generators_differ_by_label_and_number() {
        let first = |label, numbers: &[u64]| generator(label, numbers).random::<u64>();
        assert_eq!(first("a", &[1]), first("a", &[1]));
        assert_ne!(first("a", &[1]), first("a", &[2]));
        assert_ne!(first("a", &[1]), first("b", &[1]));
    }
}
