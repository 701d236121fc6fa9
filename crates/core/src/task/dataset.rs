//! Problems that come from files: what is learned from, what is held out, and how much of it is used.
//!
//! Which problems are held out is a property of the problem, not of a run or a row: those whose SHA-256 comes first. So a question that
//! stands twice in a file is on one side, and neither another seed nor another order of the rows moves a problem across.

use super::{ConfigError, Split};
use crate::types::{Problem, ProblemId};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

/// A problem as its file has it, under its bare name, with whatever else its task keeps of it.
pub(crate) struct Entry<T> {
    /// The line of the file, for errors.
    pub line: usize,
    /// The problem; its id is the part that is its own, such as `00017`.
    pub problem: Problem,
    /// What the task keeps beside it.
    pub rest: T,
}

/// The rows of a task's files.
pub(crate) struct Files<T> {
    pub train: Vec<Entry<T>>,
    /// `None` where they are taken out of train.
    pub dev: Option<Vec<Entry<T>>>,
    pub test: Vec<Entry<T>>,
}

/// How many problems are used of each kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portions {
    /// Held out of train where there is no file for them.
    pub dev_problems: usize,
    /// Attempted in an iteration; 0 for all.
    pub problems_per_iteration: usize,
    /// Measured; 0 for all.
    pub evaluation_problems: usize,
}

/// The problems of a task, divided.
pub(crate) struct Dataset<T> {
    train: Vec<Problem>,
    dev: Vec<Problem>,
    test: Vec<Problem>,
    rest: HashMap<ProblemId, T>,
    portions: Portions,
    seed: u64,
}

impl<T> Dataset<T> {
    /// A dataset without problems.
    pub fn empty(portions: Portions) -> Self {
        Dataset { train: Vec::new(), dev: Vec::new(), test: Vec::new(), rest: HashMap::new(), portions, seed: 0 }
    }

    /// Divides the rows. Problems that are worked examples are not learned from, and may not be held out.
    ///
    /// # Errors
    /// An id stands twice in a file, a held-out problem is a worked example or among those that are learned from, or nothing is left.
    pub fn new<'a>(
        task: &str,
        files: Files<T>,
        worked: impl IntoIterator<Item = &'a Problem>,
        portions: Portions,
        seed: u64,
    ) -> Result<Self, ConfigError> {
        let Files { train, dev, test } = files;
        for (key, entries) in [("train", Some(&train)), ("dev", dev.as_ref()), ("test", Some(&test))] {
            distinct_ids(key, entries.map_or(&[][..], Vec::as_slice))?;
        }
        let shown: HashSet<_> = worked.into_iter().map(identity).collect();
        for (key, entries) in [("dev", dev.as_ref()), ("test", Some(&test))] {
            if let Some(entry) = entries.and_then(|entries| entries.iter().find(|entry| shown.contains(&identity(&entry.problem)))) {
                let (line, question) = (entry.line, &entry.problem.question);
                return Err(ConfigError { key, reason: format!("the problem of line {line} is among the worked examples: {question:?}") });
            }
        }
        let mut train: Vec<Entry<T>> = train.into_iter().filter(|entry| !shown.contains(&identity(&entry.problem))).collect();
        let dev = match dev {
            Some(dev) => dev,
            None => hold_out(&mut train, portions.dev_problems)?,
        };
        for (key, held_out) in [("dev", &dev), ("test", &test)] {
            disjoint(&train, key, held_out)?;
        }
        let mut dataset = Dataset { seed, ..Dataset::empty(portions) };
        dataset.train = dataset.named(task, Split::Train, train);
        dataset.dev = dataset.named(task, Split::Dev, dev);
        dataset.test = dataset.named(task, Split::Test, test);
        Ok(dataset)
    }

    /// Gives problems their full names and puts away what belongs to them.
    fn named(&mut self, task: &str, split: Split, entries: Vec<Entry<T>>) -> Vec<Problem> {
        let name = |Entry { mut problem, rest, .. }: Entry<T>| {
            problem.id = ProblemId(format!("{task}/{}/{}", split.name(), problem.id));
            self.rest.insert(problem.id.clone(), rest);
            problem
        };
        entries.into_iter().map(name).collect()
    }

    /// Those of one iteration: another part of train for each, drawn by the run's seed.
    pub fn training_problems(&self, iteration: u32) -> Vec<Problem> {
        let draw = format!("{} {iteration}", self.seed);
        first_by_hash(&self.train, self.portions.problems_per_iteration, |problem| digest(&[&draw, &problem.id.0]))
    }

    /// Those that measure: the same for every seed and iteration. Of [`Split::Train`], all that there are.
    pub fn evaluation_problems(&self, split: Split) -> Vec<Problem> {
        let problems = match split {
            Split::Train => return self.train.clone(),
            Split::Dev => &self.dev,
            Split::Test => &self.test,
        };
        // Not the hash that held them out, or a change of `dev_problems` would change which are measured.
        first_by_hash(problems, self.portions.evaluation_problems, |problem| digest(&["evaluation", &problem.id.0]))
    }

    /// What the task keeps beside a problem.
    pub fn rest(&self, problem: &Problem) -> Option<&T> {
        self.rest.get(&problem.id)
    }

    /// The classes that there are, in the order in which they come first.
    pub fn classes(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        let all = self.train.iter().chain(&self.dev).chain(&self.test);
        all.filter(|problem| seen.insert(&problem.class)).map(|problem| problem.class.clone()).collect()
    }
}

fn distinct_ids<T>(key: &'static str, entries: &[Entry<T>]) -> Result<(), ConfigError> {
    let mut lines = HashMap::new();
    for Entry { line, problem, .. } in entries {
        if let Some(first) = lines.insert(&problem.id, line) {
            return Err(ConfigError { key, reason: format!("lines {first} and {line} have the same id: {}", problem.id) });
        }
    }
    Ok(())
}

/// Takes the `count` problems whose hash comes first out of train, and with them those that ask the same.
fn hold_out<T>(train: &mut Vec<Entry<T>>, count: usize) -> Result<Vec<Entry<T>>, ConfigError> {
    let mut ranks: Vec<[u8; 32]> = train.iter().map(|entry| identity(&entry.problem)).collect::<HashSet<_>>().into_iter().collect();
    ConfigError::check(count < ranks.len().max(1), "dev_problems", || {
        format!("{count} of {} different problems in train cannot be held out: none is left to learn from", ranks.len())
    })?;
    ranks.sort_unstable();
    let held_out = |entry: &mut Entry<T>| ranks[..count].binary_search(&identity(&entry.problem)).is_ok();
    Ok(train.extract_if(.., held_out).collect())
}

fn disjoint<T>(train: &[Entry<T>], key: &'static str, held_out: &[Entry<T>]) -> Result<(), ConfigError> {
    let lines: HashMap<_, _> = held_out.iter().map(|entry| (identity(&entry.problem), entry.line)).collect();
    let mut common = train.iter().filter_map(|entry| Some((entry.line, lines.get(&identity(&entry.problem))?)));
    let Some((ours, theirs)) = common.next() else { return Ok(()) };
    let more = common.count();
    let others = if more == 0 { String::new() } else { format!(", and {more} more") };
    Err(ConfigError { key, reason: format!("its line {theirs} is the problem of line {ours} of train{others}; take them out of one file") })
}

/// What makes two problems the same: what is asked.
fn identity(problem: &Problem) -> [u8; 32] {
    let parts: Vec<&str> = std::iter::once(&problem.question).chain(&problem.choices).map(String::as_str).collect();
    digest(&parts)
}

/// The SHA-256 of the parts, each ended by a zero byte.
fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().into()
}

/// The `count` problems whose hash comes first, in their own order; 0 for all.
fn first_by_hash(problems: &[Problem], count: usize, hash: impl Fn(&Problem) -> [u8; 32]) -> Vec<Problem> {
    if count == 0 || count >= problems.len() {
        return problems.to_vec();
    }
    let mut ranked: Vec<([u8; 32], usize)> = problems.iter().map(hash).zip(0..).collect();
    ranked.select_nth_unstable(count);
    let mut chosen: Vec<usize> = ranked[..count].iter().map(|&(_, index)| index).collect();
    chosen.sort_unstable();
    chosen.into_iter().map(|index| problems[index].clone()).collect()
}

#[cfg(test)]
mod tests;
