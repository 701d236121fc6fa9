//! The outcomes of one iteration, beside its attempts.

use starloop_record::types::Attempt;
use starloop_record::{IterationDir, Outcome, OutcomeRecord, Result};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// The outcomes of an iteration, to be read along with its `attempts.jsonl`.
pub(crate) struct Outcomes {
    /// Those of the iteration's own attempts, in the order of the attempts. A key is a digest of the attempt's name, so that a million
    /// outcomes take little memory.
    own: std::iter::Peekable<std::vec::IntoIter<(u64, Outcome)>>,
}

impl Outcomes {
    /// Reads the outcomes of an iteration. `earlier` gets the records of attempts that earlier iterations made. An iteration that is not
    /// selected yet has no outcomes.
    pub(crate) fn read(place: &IterationDir, iteration: u32, mut earlier: impl FnMut(OutcomeRecord)) -> Result<Self> {
        let mut own = Vec::new();
        place.each_outcome(|record| {
            if record.iteration == iteration {
                own.push((key(&(&record.problem, record.mode, record.sample)), record.outcome));
            } else {
                earlier(record);
            }
            Ok(())
        })?;
        Ok(Outcomes { own: own.into_iter().peekable() })
    }

    /// The outcome of the next attempt. Returns `None` if nothing is selected yet, or if selection did not consider the attempt.
    pub(crate) fn next(&mut self, attempt: &Attempt) -> Option<Outcome> {
        let wanted = key(&(&attempt.problem, attempt.mode, attempt.sample));
        self.own.next_if(|(key, _)| *key == wanted).map(|(_, outcome)| outcome)
    }
}

fn key(name: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
