//! The outcomes of one iteration, beside its attempts.

use starloop_record::types::Attempt;
use starloop_record::{IterationDir, Outcome, OutcomeRecord, Result};
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// The outcomes of an iteration.
pub(crate) struct Outcomes {
    /// Those of the iteration's own attempts. A method may select in another order than that of `attempts.jsonl`. A key is a digest of the
    /// attempt's name, so that a million outcomes take little memory.
    own: HashMap<u64, Outcome>,
}

impl Outcomes {
    /// Reads the outcomes of an iteration. `earlier` gets the records of attempts that earlier iterations made. An iteration that is not
    /// selected yet has no outcomes.
    pub(crate) fn read(place: &IterationDir, iteration: u32, mut earlier: impl FnMut(OutcomeRecord)) -> Result<Self> {
        let mut own = HashMap::new();
        place.each_outcome(|record| {
            if record.iteration == iteration {
                own.insert(key(&(&record.problem, record.mode, record.sample)), record.outcome);
            } else {
                earlier(record);
            }
            Ok(())
        })?;
        Ok(Outcomes { own })
    }

    /// The outcome of an attempt. Returns `None` if nothing is selected yet, or if selection did not consider the attempt.
    pub(crate) fn of(&self, attempt: &Attempt) -> Option<Outcome> {
        self.own.get(&key(&(&attempt.problem, attempt.mode, attempt.sample))).copied()
    }
}

fn key(name: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sample_run::{attempt, begin};
    use starloop_record::Approach;
    use starloop_record::run_dir::Digests;
    use starloop_record::training_rows::TrainingRows;
    use starloop_record::types::Verdict;

    #[test]
    fn a_method_may_select_in_any_order() {
        let directory = tempfile::tempdir().unwrap();
        let place = begin(directory.path(), &[("star", Approach::Star)]).iteration("star", 1);
        let attempts = ["a", "b"].map(|problem| attempt(problem, "4", Verdict::Correct));
        place.write_attempts(&attempts, Digests::new()).unwrap();
        let [first, second] = [(1, Outcome::Learned), (0, Outcome::OverLimit)]
            .map(|(at, outcome): (usize, _)| OutcomeRecord::new(1, &attempts[at].attempt, outcome));
        place.write_selection(&TrainingRows::Completions(Vec::new()), &[first, second], &[], Digests::new()).unwrap();
        let outcomes = Outcomes::read(&place, 1, drop).unwrap();
        assert_eq!(attempts.map(|graded| outcomes.of(&graded.attempt)), [Some(Outcome::OverLimit), Some(Outcome::Learned)]);
    }
}
