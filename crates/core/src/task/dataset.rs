//! Problems from files: which are learned, which are held out, and how many of them are used.
//!
//! The held-out problems are those whose [`Identity`] has the smallest SHA-256. An identity depends on the data of the problem alone. So a
//! problem that stands twice in a file is on one side, and no seed, order of rows, prompt template, hint or style moves a problem across.

mod entries;

use super::identity::{Identity, digest};
use super::{ConfigError, Split};
use crate::types::{Problem, ProblemId};
use entries::Entries;
use starloop_data::RowPlace;
use std::collections::{HashMap, HashSet};

/// A problem of a file, before it gets its full name, with the other data that its task keeps.
pub(crate) struct Entry<T> {
    /// The place in the file, for errors.
    pub place: RowPlace,
    /// The problem; its id is the part that is its own, such as `00017`.
    pub problem: Problem,
    /// Its identity.
    pub identity: Identity,
    /// Other data that the task keeps.
    pub rest: T,
}

impl<T> Entry<T> {
    /// A problem whose question and choices are columns of the file.
    pub fn new(place: RowPlace, problem: Problem, rest: T) -> Self {
        Entry { place, identity: Identity::of_question(&problem), problem, rest }
    }

    /// Returns true if this problem or its wording is among those of `seen`. The wording counts too: a template may hide the difference between
    /// two problems.
    fn is_in(&self, seen: &HashSet<Identity>) -> bool {
        seen.contains(&self.identity) || seen.contains(&Identity::of_question(&self.problem))
    }
}

/// The rows of a task's files.
pub(crate) struct Files<T> {
    pub train: Vec<Entry<T>>,
    /// `None` if they are taken out of train.
    pub dev: Option<Vec<Entry<T>>>,
    pub test: Vec<Entry<T>>,
}

/// How many problems are used of each kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portions {
    /// Held out of train if there is no file of dev problems.
    pub dev_problems: usize,
    /// Attempted in an iteration; 0 for all.
    pub problems_per_iteration: usize,
    /// Measured; 0 for all.
    pub evaluation_problems: usize,
}

/// The problems of a task, divided. Each part is in the order of its file.
pub(crate) struct Dataset<T> {
    train: Entries<T>,
    dev: Entries<T>,
    test: Entries<T>,
    portions: Portions,
    seed: u64,
}

impl<T> Dataset<T> {
    /// A dataset without problems.
    pub fn empty(portions: Portions) -> Self {
        Dataset { train: Entries::default(), dev: Entries::default(), test: Entries::default(), portions, seed: 0 }
    }

    /// Divides the rows. `worked` are the identities of the worked examples: they are not learned from, and may not be held out.
    ///
    /// # Errors
    /// An id stands twice in a file, a held-out problem is a worked example or among those that are learned from, or nothing is left.
    pub fn new(
        task: &str,
        files: Files<T>,
        worked: impl IntoIterator<Item = Identity>,
        portions: Portions,
        seed: u64,
    ) -> Result<Self, ConfigError> {
        let Files { train, dev, test } = files;
        let files_have_dev = dev.is_some();
        for (key, entries) in [("train", Some(&train)), ("dev", dev.as_ref()), ("test", Some(&test))] {
            distinct_ids(key, entries.map_or(&[][..], Vec::as_slice))?;
        }
        let shown: HashSet<Identity> = worked.into_iter().collect();
        for (key, entries) in [("dev", dev.as_ref()), ("test", Some(&test))] {
            if let Some(entry) = entries.and_then(|entries| entries.iter().find(|entry| entry.is_in(&shown))) {
                let (place, question) = (&entry.place, &entry.problem.question);
                return Err(ConfigError { key, reason: format!("the problem of {place} is among the worked examples: {question:?}") });
            }
        }
        let mut train: Vec<Entry<T>> = train.into_iter().filter(|entry| !entry.is_in(&shown)).collect();
        let dev = match dev {
            Some(dev) => dev,
            None => hold_out(&mut train, portions.dev_problems)?,
        };
        if let Some(Common { ours, theirs, more }) = common(&train, &dev) {
            let reason = if files_have_dev {
                in_both_files(&ours, &theirs, more)
            } else {
                let both = theirs.and(&ours);
                format!(
                    "{both} of train hold different data and have the same prompt, so only one of them can be held out; \
                     show what differs in the prompt, or name the columns that make a problem with `identity`"
                )
            };
            return Err(ConfigError { key: if files_have_dev { "dev" } else { "train" }, reason });
        }
        if let Some(Common { ours, theirs, more }) = common(&train, &test) {
            return Err(ConfigError { key: "test", reason: in_both_files(&ours, &theirs, more) });
        }
        let part = |split, entries| named(task, split, entries);
        Ok(Dataset { train: part(Split::Train, train), dev: part(Split::Dev, dev), test: part(Split::Test, test), portions, seed })
    }

    /// Those of one iteration: another part of train for each, drawn by the run's seed.
    pub fn training_problems(&self, iteration: u32) -> Vec<Problem> {
        let draw = format!("{} {iteration}", self.seed);
        first_by_hash(&self.train, self.portions.problems_per_iteration, |problem| digest([draw.as_str(), &problem.id.0]))
    }

    /// Those that measure: the same for every seed and iteration. Of [`Split::Train`], all that there are.
    pub fn evaluation_problems(&self, split: Split) -> Vec<Problem> {
        let problems = match split {
            Split::Train => return self.train.iter().map(|entry| entry.problem.clone()).collect(),
            Split::Dev => &self.dev,
            Split::Test => &self.test,
        };
        // Not the hash that held them out, or a change of `dev_problems` would change which are measured.
        first_by_hash(problems, self.portions.evaluation_problems, |problem| digest(["evaluation", &problem.id.0]))
    }

    /// A problem that is learned from.
    pub fn first(&self) -> Option<&Problem> {
        self.train.first().map(|entry| &entry.problem)
    }

    /// The entry of a problem.
    fn entry(&self, problem: &Problem) -> Option<&Entry<T>> {
        [&self.train, &self.dev, &self.test].into_iter().find_map(|entries| entries.find(&problem.id))
    }

    /// The other data that the task keeps of a problem.
    pub fn rest(&self, problem: &Problem) -> Option<&T> {
        self.entry(problem).map(|entry| &entry.rest)
    }

    /// The identity of a problem of this dataset.
    pub fn identity(&self, problem: &Problem) -> Option<Identity> {
        self.entry(problem).map(|entry| entry.identity)
    }

    /// The place of a problem in its file.
    pub fn place(&self, problem: &Problem) -> Option<&RowPlace> {
        self.entry(problem).map(|entry| &entry.place)
    }

    /// Removes problems, and returns their number.
    pub fn leave_out(&mut self, problems: &HashSet<ProblemId>) -> u64 {
        let mut removed = 0;
        for of_split in [&mut self.train, &mut self.dev, &mut self.test] {
            let before = of_split.len();
            of_split.retain(|entry| !problems.contains(&entry.problem.id));
            removed += before - of_split.len();
        }
        removed as u64
    }

    /// The classes that there are, in the order in which they come first.
    pub fn classes(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        let all = self.train.iter().chain(self.dev.iter()).chain(self.test.iter());
        all.map(|entry| &entry.problem.class).filter(|class| seen.insert(*class)).cloned().collect()
    }
}

/// Gives problems their full names.
fn named<T>(task: &str, split: Split, mut entries: Vec<Entry<T>>) -> Entries<T> {
    for Entry { problem, .. } in &mut entries {
        problem.id = ProblemId(format!("{task}/{}/{}", split.name(), problem.id));
    }
    entries.into()
}

fn distinct_ids<T>(key: &'static str, entries: &[Entry<T>]) -> Result<(), ConfigError> {
    let mut places: HashMap<_, &RowPlace> = HashMap::new();
    for Entry { place, problem, .. } in entries {
        if let Some(first) = places.insert(&problem.id, place) {
            return Err(ConfigError { key, reason: format!("{} have the same id: {}", first.and(place), problem.id) });
        }
    }
    Ok(())
}

/// Takes the `count` problems with the smallest identities out of train, with all rows of each.
fn hold_out<T>(train: &mut Vec<Entry<T>>, count: usize) -> Result<Vec<Entry<T>>, ConfigError> {
    let mut ranks: Vec<Identity> = train.iter().map(|entry| entry.identity).collect();
    ranks.sort_unstable();
    ranks.dedup();
    ConfigError::check(count < ranks.len().max(1), "dev_problems", || {
        format!("{count} of {} different problems in train cannot be held out: none is left to learn from", ranks.len())
    })?;
    let held_out = |entry: &mut Entry<T>| ranks[..count].binary_search(&entry.identity).is_ok();
    Ok(train.extract_if(.., held_out).collect())
}

/// A problem of train that is held out too.
struct Common {
    /// Its place in train.
    ours: RowPlace,
    /// Its place among the held-out problems.
    theirs: RowPlace,
    /// How many others there are.
    more: usize,
}

/// The first problem that is both in train and held out, by its data or by its wording.
fn common<T>(train: &[Entry<T>], held_out: &[Entry<T>]) -> Option<Common> {
    let of_entry = |entry: &Entry<T>| [entry.identity, Identity::of_question(&entry.problem)];
    let places: HashMap<Identity, &RowPlace> =
        held_out.iter().flat_map(|entry| of_entry(entry).map(|identity| (identity, &entry.place))).collect();
    let place = |entry: &Entry<T>| Some((entry.place.clone(), *of_entry(entry).iter().find_map(|identity| places.get(identity))?));
    let mut both = train.iter().filter_map(place);
    let (ours, theirs) = both.next()?;
    Some(Common { ours, theirs: theirs.clone(), more: both.count() })
}

fn in_both_files(ours: &RowPlace, theirs: &RowPlace, more: usize) -> String {
    let others = if more == 0 { String::new() } else { format!(", and {more} more") };
    format!("its {theirs} is the problem of {ours} of train{others}; take them out of one file")
}

/// The `count` problems whose hash comes first, in their own order; 0 for all.
fn first_by_hash<T>(entries: &[Entry<T>], count: usize, hash: impl Fn(&Problem) -> [u8; 32]) -> Vec<Problem> {
    if count == 0 || count >= entries.len() {
        return entries.iter().map(|entry| entry.problem.clone()).collect();
    }
    let mut ranked: Vec<([u8; 32], usize)> = entries.iter().map(|entry| hash(&entry.problem)).zip(0..).collect();
    ranked.select_nth_unstable(count);
    let mut chosen: Vec<usize> = ranked[..count].iter().map(|&(_, index)| index).collect();
    chosen.sort_unstable();
    chosen.into_iter().map(|index| entries[index].problem.clone()).collect()
}

#[cfg(test)]
mod tests;
