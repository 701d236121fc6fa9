//! Bodies of answers, read as they arrive: never more of one than its request warrants, never more of all together than a budget, and never
//! for ever.

use super::HttpErrorKind;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Bytes of all answers that one client reads at the same time.
const BUDGET: u64 = 256 << 20;
/// Bytes at the beginning of a body that are kept for an error message.
pub(super) const HEAD: usize = 16 << 10;

/// The bytes that answers may still take.
#[derive(Debug)]
pub(super) struct Budget(AtomicU64);

/// A body that counts what is read of it.
pub(super) struct LimitedBody<'a, R> {
    body: R,
    limit: u64,
    budget: &'a Budget,
    read: u64,
    head: Vec<u8>,
    refusal: Option<HttpErrorKind>,
}

impl Default for Budget {
    fn default() -> Self {
        Budget(AtomicU64::new(BUDGET))
    }
}

impl Budget {
    #[cfg(test)]
    pub(super) fn of(bytes: u64) -> Self {
        Budget(AtomicU64::new(bytes))
    }

    /// The bytes that are left.
    #[cfg(test)]
    pub(super) fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes bytes, if so many are left.
    fn take(&self, bytes: u64) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

impl<'a, R: Read> LimitedBody<'a, R> {
    /// A body of which at most `limit` bytes are read.
    pub(super) fn new(body: R, limit: u64, budget: &'a Budget) -> Self {
        LimitedBody { body, limit, budget, read: 0, head: Vec::new(), refusal: None }
    }

    /// The beginning of the body, as far as it was read.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The reason, if a limit stopped the reading.
    pub(super) fn refusal(&self) -> Option<HttpErrorKind> {
        self.refusal.clone()
    }
}

impl<R: Read> Read for LimitedBody<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.body.read(buffer)?;
        let refusal = if self.read + bytes as u64 > self.limit {
            Some(HttpErrorKind::TooLarge(self.limit))
        } else if self.budget.take(bytes as u64) {
            self.read += bytes as u64;
            None
        } else {
            Some(HttpErrorKind::OverBudget(BUDGET))
        };
        if refusal.is_some() {
            self.refusal = refusal;
            return Err(io::Error::other("a limit stopped the reading"));
        }
        let kept = &buffer[..bytes.min(HEAD - self.head.len())];
        self.head.extend_from_slice(kept);
        Ok(bytes)
    }
}

impl<R> Drop for LimitedBody<'_, R> {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.read, Ordering::Relaxed);
    }
}

/// The least that a body must bring in each stretch of time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) bytes: u64,
    pub(super) within: Duration,
}

/// A body that must keep its pace.
pub(super) struct Paced<R> {
    body: R,
    pace: Pace,
    /// When the present stretch began, and what it has brought.
    began: Instant,
    brought: u64,
}

impl<R: Read> Paced<R> {
    pub(super) fn new(body: R, pace: Pace) -> Self {
        Paced { body, pace, began: Instant::now(), brought: 0 }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.body.read(buffer)?;
        self.brought += bytes as u64;
        if bytes > 0 && self.began.elapsed() >= self.pace.within {
            let Pace { bytes: least, within } = self.pace;
            if self.brought < least {
                let message = format!("{} bytes in {:.0} s, expected at least {least}", self.brought, within.as_secs_f64());
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            (self.began, self.brought) = (Instant::now(), 0);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_at_its_limit() {
        let budget = Budget::of(100);
        let mut body = LimitedBody::new(&b"12345"[..], 5, &budget);
        assert_eq!(io::read_to_string(&mut body).ok().as_deref(), Some("12345"));
        assert_eq!((body.head(), budget.left()), (&b"12345"[..], 95));
        drop(body);
        let mut body = LimitedBody::new(io::repeat(b'x'), 4096, &budget);
        assert!(body.read(&mut [0; 90]).is_ok());
        let mut other = LimitedBody::new(io::repeat(b'x'), 4096, &budget);
        assert!(other.read(&mut [0; 11]).is_err(), "both together");
        assert_eq!(other.refusal(), Some(HttpErrorKind::OverBudget(BUDGET)));
        drop(other);
        assert_eq!(body.refusal(), None);
        drop(body);
        let mut long = LimitedBody::new(io::repeat(b'x'), 9, &budget);
        assert!(long.read(&mut [0; 10]).is_err());
        assert_eq!(long.refusal(), Some(HttpErrorKind::TooLarge(9)));
        drop(long);
        assert_eq!(budget.left(), 100, "every body gives back what it took");
    }

    /// A byte at a time.
    struct Drip(Duration);

    impl Read for Drip {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(self.0);
            buffer[0] = b'x';
            Ok(1)
        }
    }

    #[test]
    fn a_body_that_drips_comes_to_an_end() {
        let pace = Pace { bytes: 1000, within: Duration::from_millis(20) };
        let error = io::copy(&mut Paced::new(Drip(Duration::from_millis(2)), pace), &mut io::sink()).expect_err("too slow");
        assert!(error.kind() == io::ErrorKind::TimedOut && error.to_string().contains("expected at least 1000"), "{error}");
        let pace = Pace { bytes: 1, within: Duration::from_millis(20) };
        let slow = Paced::new(Drip(Duration::from_millis(2)), pace).take(30);
        assert_eq!(io::copy(&mut { slow }, &mut io::sink()).ok(), Some(30), "slow, and fast enough");
    }
}
