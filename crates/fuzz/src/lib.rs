//! A fuzz harness on stable Rust. It changes known inputs of a parser, and checks that the parser returns.
//!
//! A [`Target`] names a parser and its seeds. [`Target::run`] first reads every input of the target's corpus, which holds small
//! inputs for the faults that were found. Then it reads changed seeds. A panic, an input that takes more than [`MOST_TIME`], and an input
//! that takes more than [`MOST_MEMORY`] are failures. The harness writes the input of a failure into the corpus, and its message names the file.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `STARLOOP_FUZZ_INPUTS` | changed seeds for each target | 300 |
//! | `STARLOOP_FUZZ_SEED` | the seed of the changes | 0 |
//!
//! The current input is always in `last/NAME` of the directory for temporary files of the tests. After an abort, that file has the cause.

mod change;
pub mod memory;

use change::Change;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use starloop_record::digest::sha256_hex;
use std::fs::OpenOptions;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most processor time for one input.
pub const MOST_TIME: Duration = Duration::from_secs(1);
/// The most time for one input, with the time in which the parser waits.
const MOST_WAITING: Duration = Duration::from_secs(60);
/// The most bytes for one input, above the memory before it.
pub const MOST_MEMORY: usize = 256 << 20;
/// A slow input is read so many times, and its shortest time counts: other processes can slow one reading down.
const READINGS: usize = 5;

/// Targets run one after another, because the memory of the process is measured.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A parser to fuzz.
#[derive(Debug)]
pub struct Target {
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    words: &'static [&'static str],
    share: f64,
}

impl Target {
    /// A target with valid inputs as seeds.
    pub fn new(name: &'static str, seeds: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Target { name, seeds: seeds.into_iter().collect(), words: &[], share: 1.0 }
    }

    /// Adds words that have a meaning to the parser. Changes insert them.
    #[must_use]
    pub fn words(self, words: &'static [&'static str]) -> Self {
        Target { words, ..self }
    }

    /// Reads this share of the inputs, for a slow parser.
    #[must_use]
    pub fn share(self, share: f64) -> Self {
        Target { share, ..self }
    }

    /// Passes inputs to `read`. `last` in the directory `tmp` holds the current input.
    ///
    /// # Panics
    /// An input failed, or a file cannot be written.
    pub fn run(&self, tmp: &Path, mut read: impl FnMut(&[u8])) {
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let last = tmp.join("last");
        std::fs::create_dir_all(&last).expect("the directory of the last inputs");
        let last = last.join(self.name);
        let mut check = |input: &[u8]| {
            overwrite(&last, input);
            if let Err(fault) = outcome(input, &mut read) {
                let path = self.keep(input);
                panic!("{}: {fault}; the input is {}", self.name, path.display());
            }
        };
        for entry in std::fs::read_dir(self.corpus()).into_iter().flatten().flatten() {
            check(&std::fs::read(entry.path()).expect("an input of the corpus"));
        }
        self.seeds.iter().for_each(|seed| check(seed));
        let mut change = Change::new(ChaCha8Rng::seed_from_u64(setting("STARLOOP_FUZZ_SEED", 0)), &self.seeds, self.words);
        let inputs = (setting("STARLOOP_FUZZ_INPUTS", 300) as f64 * self.share).ceil() as u64;
        for _ in 0..inputs {
            check(&change.next());
        }
    }

    fn corpus(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name)
    }

    /// Writes an input into the corpus, under the beginning of its SHA-256.
    fn keep(&self, input: &[u8]) -> PathBuf {
        let path = self.corpus().join(&sha256_hex(input)[..12]);
        std::fs::create_dir_all(self.corpus()).and_then(|()| std::fs::write(&path, input)).expect("a file of the corpus");
        path
    }
}

/// Reads an input, and measures it.
fn outcome(input: &[u8], read: &mut impl FnMut(&[u8])) -> Result<(), String> {
    let mut shortest = Duration::MAX;
    for _ in 0..READINGS {
        let before = memory::start();
        let (begun, used) = (Instant::now(), processor_time());
        if catch_unwind(AssertUnwindSafe(|| read(input))).is_err() {
            return Err("the parser panicked".to_owned());
        }
        if begun.elapsed() > MOST_WAITING {
            return Err(format!(
                "the parser took {:.0} s, at most {:.0} s are allowed",
                begun.elapsed().as_secs_f64(),
                MOST_WAITING.as_secs_f64()
            ));
        }
        shortest = shortest.min(processor_time().saturating_sub(used));
        let peak = memory::peak().saturating_sub(before);
        if peak > MOST_MEMORY {
            return Err(format!("the parser took {} MB, at most {} MB are allowed", peak >> 20, MOST_MEMORY >> 20));
        }
        if shortest <= MOST_TIME {
            return Ok(());
        }
    }
    Err(format!("the parser took {:.1} s of a processor, at most {:.1} s are allowed", shortest.as_secs_f64(), MOST_TIME.as_secs_f64()))
}

/// The time that this process has had a processor. Unlike the time of day, it does not pass while other processes have it.
#[cfg(unix)]
fn processor_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The time since the first call, where the system does not say more.
#[cfg(not(unix))]
fn processor_time() -> Duration {
    static FIRST: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    FIRST.elapsed()
}

/// Puts `content` in place of the content of a file. Unlike [`std::fs::write`], it does not make the file empty before. ext4 writes a file that was
/// made empty to the disk when it is closed, which takes ten times as long as most parsers.
///
/// # Panics
/// The file cannot be written.
pub fn overwrite(path: &Path, content: &[u8]) {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    let written = opened.and_then(|mut file| {
        file.write_all(content)?;
        file.set_len(content.len() as u64)
    });
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// A whole number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, expected a whole number")),
        Err(_) => default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[global_allocator]
    static ALLOCATOR: memory::Counting = memory::Counting;

    #[test]
    fn a_panic_and_a_slow_input_are_failures() {
        let _guard = ONE_AT_A_TIME.lock();
        assert_eq!(outcome(b"", &mut |_| ()), Ok(()));
        assert!(outcome(b"", &mut |_| panic!("on purpose")).is_err_and(|fault| fault.contains("panicked")));
        let mut slow = |_: &[u8]| {
            let begun = processor_time();
            while processor_time().saturating_sub(begun) < MOST_TIME + Duration::from_millis(5) {}
        };
        assert!(outcome(b"", &mut slow).is_err_and(|fault| fault.contains("at most 1.0 s")));
    }

    #[test]
    fn much_memory_is_a_failure() {
        let _guard = ONE_AT_A_TIME.lock();
        let mut large = |_: &[u8]| drop(black_box(Vec::<u8>::with_capacity(MOST_MEMORY + (1 << 20))));
        assert!(outcome(b"", &mut large).is_err_and(|fault| fault.contains("at most 256 MB")));
    }

    #[test]
    fn an_overflow_is_a_failure() {
        let _guard = ONE_AT_A_TIME.lock();
        let mut overflowing = |input: &[u8]| assert_ne!(black_box(input.len()) * black_box(usize::MAX), 0);
        assert!(outcome(b"ab", &mut overflowing).is_err_and(|fault| fault.contains("panicked")));
    }

    #[test]
    fn some_inputs_are_long() {
        let seeds = [b"[1, 2]".to_vec()];
        let mut change = Change::new(ChaCha8Rng::seed_from_u64(1), &seeds, &[]);
        let longest = (0..5000).map(|_| change.next().len()).max();
        assert!(longest > Some(1 << 19), "{longest:?}");
    }

    #[test]
    fn the_same_seed_makes_the_same_inputs() {
        let seeds = [br#"{"a": [1, "b"]}"#.to_vec(), b"x = 12".to_vec()];
        let inputs = |seed| {
            let mut change = Change::new(ChaCha8Rng::seed_from_u64(seed), &seeds, &["word"]);
            (0..50).map(|_| change.next()).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        let changed = inputs(1).iter().filter(|input| !seeds.contains(input)).count();
        assert!(changed > 40, "{changed}");
    }
}
