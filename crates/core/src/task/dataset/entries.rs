//! The problems of one split. A file may have millions of them, so each text is stored once.

use super::Entry;
use crate::types::ProblemId;
use std::ops::Deref;

/// Entries in the order of their file, which are found by their ids.
pub(super) struct Entries<T> {
    entries: Vec<Entry<T>>,
    /// The places of the entries, in the order of their ids.
    by_id: Vec<u32>,
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Entries { entries: Vec::new(), by_id: Vec::new() }
    }
}

impl<T> From<Vec<Entry<T>>> for Entries<T> {
    /// # Panics
    /// There are more than 2^32 entries.
    fn from(mut entries: Vec<Entry<T>>) -> Self {
        entries.shrink_to_fit();
        let mut by_id: Vec<u32> = (0..u32::try_from(entries.len()).expect("fewer than 2^32 problems")).collect();
        by_id.sort_by(|&one, &two| entries[one as usize].problem.id.cmp(&entries[two as usize].problem.id));
        Entries { entries, by_id }
    }
}

impl<T> Deref for Entries<T> {
    type Target = [Entry<T>];

    fn deref(&self) -> &[Entry<T>] {
        &self.entries
    }
}

impl<T> Entries<T> {
    /// The entry of a problem.
    pub fn find(&self, id: &ProblemId) -> Option<&Entry<T>> {
        let place = self.by_id.binary_search_by(|&place| self.entries[place as usize].problem.id.cmp(id)).ok()?;
        Some(&self.entries[self.by_id[place] as usize])
    }

    /// Keeps the entries of which `is_kept` returns true.
    pub fn retain(&mut self, is_kept: impl FnMut(&Entry<T>) -> bool) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.retain(is_kept);
        *self = entries.into();
    }
}
