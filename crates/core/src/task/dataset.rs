//! Problems from files: which are learned, which are held out, and how many of them are used.
//!
//! The held-out problems are those whose [`Identity`] has the smallest SHA-256. An identity depends on the data of the problem alone. So a
//! problem that stands twice in a file is on one side, and no seed, order of rows, prompt template, hint or style moves a problem across.

mod entries;
mod store;

use super::identity::{Identity, digest};
use super::{ConfigError, Split};
use crate::types::{Problem, ProblemId};
use entries::Entries;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use starloop_data::RowPlace;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;
pub(crate) use store::Store;

/// A problem of a file, before it gets its full name, with the other data that its task keeps.
#[derive(Serialize, Deserialize)]
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
}

/// The rows of a task's files.
pub(crate) struct Files<T> {
    pub train: Store<T>,
    /// `None` if they are taken out of train.
    pub dev: Option<Store<T>>,
    pub test: Store<T>,
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

impl<T: Serialize + DeserializeOwned + Send> Dataset<T> {
    /// A dataset without problems.
    pub fn empty(portions: Portions) -> Self {
        let none = |split| Entries::all("", split, Store::empty());
        Dataset { train: none(Split::Train), dev: none(Split::Dev), test: none(Split::Test), portions, seed: 0 }
    }

    /// Divides the rows. `worked` are the identities of the worked examples: they are not learned from, and may not be held out.
    ///
    /// # Errors
    /// A held-out problem is a worked example or among those that are learned from, or nothing is left.
    pub fn new(
        task: &str,
        files: Files<T>,
        worked: impl IntoIterator<Item = Identity>,
        portions: Portions,
        seed: u64,
    ) -> Result<Self, ConfigError> {
        let Files { train, dev, test } = files;
        let files_have_dev = dev.is_some();
        let shown: HashSet<Identity> = worked.into_iter().collect();
        // The wording counts too: a template may hide the difference between two problems.
        let is_shown = |store: &Store<T>, row: u32| store.identities(row).iter().any(|identity| shown.contains(identity));
        for (key, store) in [("dev", dev.as_ref()), ("test", Some(&test))] {
            let found = store.and_then(|store| store.rows().find(|&row| is_shown(store, row)).map(|row| store.get(row)));
            if let Some(Entry { place, problem, .. }) = found {
                return Err(ConfigError {
                    key,
                    reason: format!("the problem of {place} is among the worked examples: {:?}", problem.question),
                });
            }
        }
        let train = Arc::new(train);
        let mut learned: Vec<u32> = train.rows().filter(|&row| !is_shown(&train, row)).collect();
        let dev = match dev {
            Some(dev) => Entries::all(task, Split::Dev, dev),
            None => Entries::new(task, Split::Dev, Arc::clone(&train), hold_out(&train, &mut learned, portions.dev_problems)?),
        };
        let train = Entries::new(task, Split::Train, train, learned);
        let test = Entries::all(task, Split::Test, test);
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
        Ok(Dataset { train, dev, test, portions, seed })
    }

    /// Those of one iteration: another part of train for each, drawn by the run's seed.
    pub fn training_problems(&self, iteration: u32) -> Vec<Problem> {
        let draw = format!("{} {iteration}", self.seed);
        first_by_hash(&self.train, self.portions.problems_per_iteration, |name| digest([&draw, name]))
    }

    /// Those that measure: the same for every seed and iteration. Of [`Split::Train`], all that there are.
    pub fn evaluation_problems(&self, split: Split) -> Vec<Problem> {
        let (problems, count) = self.measured(split);
        // Not the hash that held them out, or a change of `dev_problems` would change which are measured.
        first_by_hash(problems, count, |name| digest(["evaluation", name]))
    }

    /// The number of [`Dataset::training_problems`], the same in every iteration.
    pub fn training_count(&self) -> usize {
        of_all(self.train.len(), self.portions.problems_per_iteration)
    }

    /// The number of [`Dataset::evaluation_problems`].
    pub fn evaluation_count(&self, split: Split) -> usize {
        let (problems, count) = self.measured(split);
        of_all(problems.len(), count)
    }

    /// The problems of a split, and how many of them measure; 0 for all.
    fn measured(&self, split: Split) -> (&Entries<T>, usize) {
        match split {
            Split::Train => (&self.train, 0),
            Split::Dev => (&self.dev, self.portions.evaluation_problems),
            Split::Test => (&self.test, self.portions.evaluation_problems),
        }
    }

    /// The first problem that is learned from, with the other data that the task keeps.
    pub fn first(&self) -> Option<(Problem, T)> {
        (self.train.len() > 0).then(|| self.train.entry(0)).map(|entry| (entry.problem, entry.rest))
    }

    /// The entry of a problem.
    fn entry(&self, problem: &Problem) -> Option<Entry<T>> {
        [&self.train, &self.dev, &self.test].into_iter().find_map(|entries| entries.find(&problem.id))
    }

    /// The other data that the task keeps of a problem.
    pub fn rest(&self, problem: &Problem) -> Option<T> {
        self.entry(problem).map(|entry| entry.rest)
    }

    /// The identity of a problem of this dataset.
    pub fn identity(&self, problem: &Problem) -> Option<Identity> {
        self.entry(problem).map(|entry| entry.identity)
    }

    /// The place of a problem in its file.
    pub fn place(&self, problem: &Problem) -> Option<RowPlace> {
        self.entry(problem).map(|entry| entry.place)
    }

    /// Removes problems, and returns their number.
    pub fn leave_out(&mut self, problems: &HashSet<ProblemId>) -> u64 {
        [&mut self.train, &mut self.dev, &mut self.test].into_iter().map(|entries| entries.remove(problems) as u64).sum()
    }

    /// The classes that there are, in the order in which they come first.
    pub fn classes(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        let all = self.train.classes().chain(self.dev.classes()).chain(self.test.classes());
        all.filter(|class| seen.insert(*class)).map(str::to_owned).collect()
    }
}

/// Takes the `count` problems with the smallest identities out of the learned rows of train, with all rows of each.
fn hold_out<T: Serialize + DeserializeOwned + Send>(
    train: &Store<T>,
    learned: &mut Vec<u32>,
    count: usize,
) -> Result<Vec<u32>, ConfigError> {
    let identity = |row: u32| train.identities(row)[0];
    let mut ranks: Vec<Identity> = learned.iter().map(|&row| identity(row)).collect();
    ranks.sort_unstable();
    ranks.dedup();
    ConfigError::check(count < ranks.len().max(1), "dev_problems", || {
        format!("{count} of {} different problems in train cannot be held out: none is left to learn from", ranks.len())
    })?;
    Ok(learned.extract_if(.., |row| ranks[..count].binary_search(&identity(*row)).is_ok()).collect())
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
fn common<T: Serialize + DeserializeOwned + Send>(train: &Entries<T>, held_out: &Entries<T>) -> Option<Common> {
    let rows: HashMap<Identity, u32> = held_out.identities().flat_map(|(row, of_row)| of_row.map(|identity| (identity, row))).collect();
    let mut both = train.identities().filter_map(|(row, of_row)| Some((row, *of_row.iter().find_map(|identity| rows.get(identity))?)));
    let (ours, theirs) = both.next()?;
    Some(Common { ours: train.place(ours), theirs: held_out.place(theirs), more: both.count() })
}

fn in_both_files(ours: &RowPlace, theirs: &RowPlace, more: usize) -> String {
    let others = if more == 0 { String::new() } else { format!(", and {more} more") };
    format!("its {theirs} is the problem of {ours} of train{others}; take them out of one file")
}

/// The `count` problems whose names have the smallest hashes, in their own order; 0 for all.
fn first_by_hash<T: Serialize + DeserializeOwned + Send>(
    entries: &Entries<T>,
    count: usize,
    hash: impl Fn(&str) -> [u8; 32],
) -> Vec<Problem> {
    let chosen: Vec<usize> = if of_all(entries.len(), count) == entries.len() {
        (0..entries.len()).collect()
    } else {
        let mut smallest = BinaryHeap::with_capacity(count + 1);
        for (at, name) in entries.names().enumerate() {
            smallest.push((hash(&name), at));
            if smallest.len() > count {
                smallest.pop();
            }
        }
        let mut chosen: Vec<usize> = smallest.into_iter().map(|(_, at)| at).collect();
        chosen.sort_unstable();
        chosen
    };
    chosen.into_iter().map(|at| entries.entry(at).problem).collect()
}

/// The number of problems that are chosen of `all`; a `count` of 0 means all.
fn of_all(all: usize, count: usize) -> usize {
    if count == 0 { all } else { count.min(all) }
}

#[cfg(test)]
mod tests;
