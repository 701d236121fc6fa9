//! When a failed call is tried again.

use super::{Failure, HttpError};
use std::time::Duration;

/// How often a call is tried, and the pauses between the tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetryPolicy {
    /// Tries in all.
    pub attempts: u32,
    /// The longest time that a server can ask for with `Retry-After`.
    pub longest_retry_after: Duration,
}

/// The first pause, which doubles with each round, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl RetryPolicy {
    /// The pause after so many failed rounds: doubled each round, times 0.5 to 1.5. The factor depends on `salt`, so that calls which failed
    /// together do not come back together.
    pub fn pause(rounds: u32, salt: u64) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(1 << rounds.min(10)).min(LONGEST_PAUSE);
        let mixed = (salt ^ u64::from(rounds)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        doubled.mul_f64(0.5 + mixed as f64 / (1_u64 << 24) as f64)
    }

    /// The time that a busy server asks for, if it does.
    pub fn retry_after(&self, error: &HttpError) -> Option<Duration> {
        match error.failure() {
            Failure::Busy { retry_after } => retry_after.map(|time| time.min(self.longest_retry_after)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_differ() {
        for rounds in 0..5 {
            let (a, b) = (RetryPolicy::pause(rounds, 1), RetryPolicy::pause(rounds, 2));
            let middle = FIRST_PAUSE * (1 << rounds);
            assert!(a != b && a >= middle / 2 && a <= middle * 3 / 2 && b >= middle / 2, "{rounds}: {a:?} {b:?}");
        }
        assert!(RetryPolicy::pause(40, 3) <= LONGEST_PAUSE * 3 / 2);
    }
}
