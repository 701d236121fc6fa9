//! The problems of one file, in its order.
//!
//! A file may have millions of problems, and an iteration attempts a few thousand of them. So the texts are in a temporary file if they are
//! long, and memory has about 50 bytes of a problem: what divides problems into splits, what draws them for an iteration and what finds them.

use super::Entry;
use crate::external::data_source::DataSource;
use crate::task::ConfigError;
use crate::task::identity::Identity;
use crate::task::rows::{self, DataRow};
use crate::types::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use tempfile::SpooledTempFile;

/// Bytes of texts that stay in memory. If there are more, all are in a temporary file, which has no name and ends with the process.
const IN_MEMORY: usize = 64 << 20;

/// The problems of one file.
pub(crate) struct Store<T> {
    /// An [`Entry`] of each row, as JSON, one after the other.
    texts: Mutex<BufWriter<SpooledTempFile>>,
    text_ends: Vec<u64>,
    /// The ids of all rows, one after the other.
    ids: String,
    id_ends: Vec<u64>,
    /// The rows in the order of their ids.
    by_id: Vec<u32>,
    /// The identities of each row's data and of its wording. Two problems of different data have one wording if a template hides the difference.
    identities: Vec<[Identity; 2]>,
    /// The class of each row, as its place in `class_names`.
    classes: Vec<u32>,
    class_names: Vec<String>,
    rest: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned + Send> Store<T> {
    /// No problems.
    pub fn empty() -> Self {
        Store {
            texts: Mutex::new(BufWriter::new(SpooledTempFile::new(IN_MEMORY))),
            text_ends: Vec::new(),
            ids: String::new(),
            id_ends: Vec::new(),
            by_id: Vec::new(),
            identities: Vec::new(),
            classes: Vec::new(),
            class_names: Vec::new(),
            rest: PhantomData,
        }
    }

    /// The problems of the source that the setting `key` names. `make` converts a row, and `seen` gets each problem in order.
    ///
    /// # Errors
    /// The source cannot be read, `make` fails, an id stands twice, or the temporary file cannot be written.
    pub fn read(
        key: &'static str,
        source: &DataSource,
        make: impl Fn(&DataRow) -> Result<Entry<T>, String> + Sync,
        mut seen: impl FnMut(&Problem),
    ) -> Result<Self, ConfigError> {
        let mut filling = Filling::new();
        rows::convert(key, source, make, |entry| {
            seen(&entry.problem);
            filling.push(&entry)
        })?;
        filling.finish(key)
    }

    /// These problems, for the setting `key`.
    ///
    /// # Errors
    /// An id stands twice, or the temporary file cannot be written.
    pub fn of(key: &'static str, entries: impl IntoIterator<Item = Entry<T>>) -> Result<Self, ConfigError> {
        let mut filling = Filling::new();
        let pushed = entries.into_iter().try_for_each(|entry| filling.push(&entry));
        pushed.map_err(|reason| ConfigError { key, reason })?;
        filling.finish(key)
    }

    /// All rows.
    pub fn rows(&self) -> Range<u32> {
        0..u32::try_from(self.text_ends.len()).expect("`Filling` takes no more rows")
    }

    /// The id of a row.
    pub fn id(&self, row: u32) -> &str {
        let Range { start, end } = range(&self.id_ends, row);
        &self.ids[start as usize..end as usize]
    }

    /// The identities of a row's data and of its wording.
    pub fn identities(&self, row: u32) -> [Identity; 2] {
        self.identities[row as usize]
    }

    /// The class of a row.
    pub fn class(&self, row: u32) -> &str {
        &self.class_names[self.classes[row as usize] as usize]
    }

    /// The row with this id.
    pub fn find(&self, id: &str) -> Option<u32> {
        let place = self.by_id.binary_search_by(|&row| self.id(row).cmp(id)).ok()?;
        Some(self.by_id[place])
    }

    /// Everything of a row.
    ///
    /// # Panics
    /// The temporary file cannot be read any more, because its disk fails.
    pub fn get(&self, row: u32) -> Entry<T> {
        self.try_get(row).unwrap_or_else(|error| panic!("the temporary file with the texts of the problems cannot be read: {error}"))
    }

    fn try_get(&self, row: u32) -> io::Result<Entry<T>> {
        let Range { start, end } = range(&self.text_ends, row);
        let mut text = vec![0; (end - start) as usize];
        {
            let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
            texts.seek(SeekFrom::Start(start))?;
            texts.get_mut().read_exact(&mut text)?;
        }
        Ok(serde_json::from_slice(&text)?)
    }

    /// Orders the rows by their ids, which must differ.
    fn order(&mut self, key: &'static str) -> Result<(), ConfigError> {
        let mut by_id: Vec<u32> = self.rows().collect();
        by_id.sort_by(|&one, &two| self.id(one).cmp(self.id(two)));
        let twice = by_id.windows(2).filter(|pair| self.id(pair[0]) == self.id(pair[1])).min_by_key(|pair| pair[1]);
        if let Some(&[first, second]) = twice {
            let both = self.get(first).place.and(&self.get(second).place);
            return Err(ConfigError { key, reason: format!("{both} have the same id: {}", self.id(first)) });
        }
        self.by_id = by_id;
        Ok(())
    }
}

/// A store that is being filled.
struct Filling<T> {
    store: Store<T>,
    classes: HashMap<String, u32>,
}

impl<T: Serialize + DeserializeOwned + Send> Filling<T> {
    fn new() -> Self {
        Filling { store: Store::empty(), classes: HashMap::new() }
    }

    /// Adds a problem.
    fn push(&mut self, entry: &Entry<T>) -> Result<(), String> {
        let Filling { store, classes } = self;
        if store.text_ends.len() >= u32::MAX as usize {
            return Err(format!("there are more than {} rows; divide the file", u32::MAX));
        }
        let text = serde_json::to_vec(entry).map_err(|error| error.to_string())?;
        let texts = store.texts.get_mut().unwrap_or_else(PoisonError::into_inner);
        texts.write_all(&text).map_err(|error| {
            let folder = std::env::temp_dir();
            format!(
                "the text of the problem cannot be kept in a temporary file in {}: {error}; TMPDIR names another directory",
                folder.display()
            )
        })?;
        let Entry { problem, identity, .. } = entry;
        store.text_ends.push(store.text_ends.last().unwrap_or(&0) + text.len() as u64);
        store.ids.push_str(&problem.id.0);
        store.id_ends.push(store.ids.len() as u64);
        store.identities.push([*identity, Identity::of_question(problem)]);
        let known = classes.get(&problem.class).copied();
        let class = known.unwrap_or_else(|| {
            let new = u32::try_from(classes.len()).expect("no more classes than rows");
            classes.insert(problem.class.clone(), new);
            store.class_names.push(problem.class.clone());
            new
        });
        store.classes.push(class);
        Ok(())
    }

    fn finish(self, key: &'static str) -> Result<Store<T>, ConfigError> {
        let mut store = self.store;
        store.order(key)?;
        Ok(store)
    }
}

/// The part of a row, where `ends` has the ends of all parts.
fn range(ends: &[u64], row: u32) -> Range<u64> {
    let row = row as usize;
    row.checked_sub(1).map_or(0, |before| ends[before])..ends[row]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::types::ProblemId;
    use starloop_data::RowPlace;

    fn entry(number: usize) -> Entry<String> {
        let class = if number.is_multiple_of(3) { "third" } else { "other" };
        let problem = Problem {
            id: ProblemId(format!("n{number}")),
            class: class.to_owned(),
            question: format!("What is \u{1F600} {number}?\n"),
            answer: number.to_string(),
            choices: vec!["a".to_owned(); number % 4],
        };
        let place = RowPlace { file: number.is_multiple_of(2).then(|| "part-0".into()), ..RowPlace::line(number) };
        Entry::new(place, problem, "x".repeat(number))
    }

    /// A store whose texts are in memory up to a number of bytes, else in a file in this directory.
    fn filling(in_memory: usize, directory: &std::path::Path) -> Filling<String> {
        let texts = Mutex::new(BufWriter::new(SpooledTempFile::new_in(in_memory, directory)));
        Filling { store: Store { texts, ..Store::empty() }, classes: HashMap::new() }
    }

    #[test]
    fn problems_come_back_from_memory_and_from_a_file() {
        let place = tempfile::tempdir().unwrap();
        for in_memory in [1 << 20, 50] {
            let mut filling = filling(in_memory, place.path());
            (0..200).for_each(|number| filling.push(&entry(number)).unwrap());
            let store = filling.finish("train").unwrap();
            for number in [199, 0, 57, 58, 3] {
                let (row, made) = (store.find(&format!("n{number}")).unwrap(), entry(number));
                let Entry { place, problem, identity, rest } = store.get(row);
                assert_eq!((place, problem, identity, rest), (made.place, made.problem, made.identity, made.rest));
                assert_eq!(store.class(row), entry(number).problem.class);
            }
            assert_eq!(store.find("n200"), None);
            assert_eq!(store.texts.into_inner().unwrap().into_inner().unwrap().is_rolled(), in_memory == 50);
        }
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn a_file_that_cannot_be_made_is_an_error() {
        let mut filling = filling(50, std::path::Path::new("/dev/null/missing"));
        let error = (0..200).find_map(|number| filling.push(&entry(number)).err()).unwrap();
        assert!(error.contains("cannot be kept in a temporary file") && error.contains("TMPDIR"), "{error}");
    }
}
