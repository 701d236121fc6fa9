//! The problems of one split.

use super::{Entry, Identity, RowPlace, Store};
use crate::types::{ProblemId, Split};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::sync::Arc;

/// Rows of a file, in its order. Their problems have full names, such as `gsm8k/train/00017`.
pub(super) struct Entries<T> {
    store: Arc<Store<T>>,
    rows: Vec<u32>,
    /// The part of the names that all share.
    prefix: String,
}

impl<T: Serialize + DeserializeOwned + Send> Entries<T> {
    /// These rows of a file. They ascend.
    pub fn new(task: &str, split: Split, store: Arc<Store<T>>, rows: Vec<u32>) -> Self {
        Entries { store, rows, prefix: format!("{task}/{}/", split.name()) }
    }

    /// All rows of a file.
    pub fn all(task: &str, split: Split, store: Store<T>) -> Self {
        let rows = store.rows().collect();
        Entries::new(task, split, Arc::new(store), rows)
    }

    /// The number of problems.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The entry at a place.
    pub fn entry(&self, at: usize) -> Entry<T> {
        self.named(self.rows[at])
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.rows.iter().map(|&row| format!("{}{}", self.prefix, self.store.id(row)))
    }

    /// The classes, in order.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|&row| self.store.class(row))
    }

    /// Each row with the identities of its data and of its wording, in order.
    pub fn identities(&self) -> impl Iterator<Item = (u32, [Identity; 2])> {
        self.rows.iter().map(|&row| (row, self.store.identities(row)))
    }

    /// The place of a row in its file.
    pub fn place(&self, row: u32) -> RowPlace {
        self.store.get(row).place
    }

    /// The entry of a problem.
    pub fn find(&self, id: &ProblemId) -> Option<Entry<T>> {
        Some(self.named(self.row(id)?))
    }

    /// Removes those of these problems that are here, and returns their number.
    pub fn remove(&mut self, problems: &HashSet<ProblemId>) -> usize {
        let mut removed: Vec<u32> = problems.iter().filter_map(|id| self.row(id)).collect();
        removed.sort_unstable();
        self.rows.retain(|row| removed.binary_search(row).is_err());
        removed.len()
    }

    fn row(&self, id: &ProblemId) -> Option<u32> {
        let row = self.store.find(id.0.strip_prefix(&self.prefix)?)?;
        self.rows.binary_search(&row).is_ok().then_some(row)
    }

    fn named(&self, row: u32) -> Entry<T> {
        let mut entry = self.store.get(row);
        entry.problem.id.0.insert_str(0, &self.prefix);
        entry
    }
}
