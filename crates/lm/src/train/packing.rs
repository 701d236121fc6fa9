//! Batches of packed rows from a set of units, epoch after epoch.

use super::objective::longer_than;
use super::{Document, Unit};
use crate::error::{Error, InvalidSetting, Result};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

/// An endless sequence of batches. In each epoch, the units are shuffled and packed into rows of at most `sequence_length` tokens. Each batch
/// takes the next `batch_size` rows. Batches continue across epochs, so no partial batch is dropped. A unit of several documents that together
/// exceed a row gets a separate row.
#[derive(Debug, Clone)]
pub struct PackedEpochs<U = Document> {
    units: Vec<U>,
    batch_size: usize,
    sequence_length: usize,
    seed: u64,
    /// The current epoch, the number of rows in all epochs before it, and its rows as indices of units.
    epoch: u64,
    rows_before: u64,
    rows: Vec<Vec<usize>>,
}

impl PackedEpochs {
    /// Checks the sizes of a batch. [`PackedEpochs::new`] does so first.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check_sizes(batch_size: usize, sequence_length: usize) -> Result<(), InvalidSetting> {
        InvalidSetting::unless(batch_size > 0, "batch_size", "at least 1", batch_size)?;
        InvalidSetting::unless(sequence_length > 1, "sequence_length", "at least 2", sequence_length)
    }
}

impl<U: Unit> PackedEpochs<U> {
    /// Packs `units` with a shuffle that depends on `seed` and on the epoch only.
    ///
    /// # Errors
    /// `batch_size` or `sequence_length` is too small, no token carries loss, or a document is longer than a row.
    pub fn new(units: Vec<U>, batch_size: usize, sequence_length: usize, seed: u64) -> Result<Self> {
        PackedEpochs::check_sizes(batch_size, sequence_length)?;
        if units.iter().all(|unit| unit.target_count() == 0) {
            return Err(Error::NothingToLearn);
        }
        if let Some((document, tokens)) = longer_than(sequence_length, &units) {
            return Err(Error::DocumentTooLong { document, tokens, what: "sequence_length", limit: sequence_length });
        }
        let mut epochs = PackedEpochs { units, batch_size, sequence_length, seed, epoch: 0, rows_before: 0, rows: Vec::new() };
        epochs.rows = epochs.pack(0);
        Ok(epochs)
    }

    /// The units of batch `step`, counted from 1; 0 also gives the first batch. The result depends on `step` only. Going back to an earlier
    /// epoch packs all epochs again from the first.
    pub fn batch(&mut self, step: u64) -> Vec<U> {
        let first = (step.max(1) - 1) * self.batch_size as u64;
        (first..first + self.batch_size as u64).flat_map(|row| self.row(row)).collect()
    }

    fn row(&mut self, row: u64) -> Vec<U> {
        if row < self.rows_before {
            (self.epoch, self.rows_before) = (0, 0);
            self.rows = self.pack(0);
        }
        while row >= self.rows_before + self.rows.len() as u64 {
            self.rows_before += self.rows.len() as u64;
            self.epoch += 1;
            self.rows = self.pack(self.epoch);
        }
        self.rows[(row - self.rows_before) as usize].iter().map(|i| self.units[*i].clone()).collect()
    }

    /// The rows of an epoch. Each unit, in shuffled order, goes into the last row if it fits there, or else into a new row.
    fn pack(&self, epoch: u64) -> Vec<Vec<usize>> {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(epoch);
        let mut order: Vec<usize> = (0..self.units.len()).collect();
        order.shuffle(&mut generator);
        let mut rows = vec![Vec::new()];
        let mut used = 0;
        for index in order {
            let tokens = self.units[index].token_count();
            if used > 0 && used + tokens > self.sequence_length {
                rows.push(Vec::new());
                used = 0;
            }
            used += tokens;
            rows.last_mut().expect("there is always a row").push(index);
        }
        rows
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn documents() -> Vec<Document> {
        (1..=50u32).map(|i| Document::whole(vec![i; 2 + (i as usize * 7) % 9])).collect()
    }

    #[test]
    fn every_epoch_holds_every_document_once_in_rows_that_fit() {
        let mut epochs = PackedEpochs::new(documents(), 3, 24, 5).unwrap();
        let rows = epochs.rows.len();
        let seen: Vec<u32> = (0..rows as u64).flat_map(|row| epochs.row(row)).map(|d| d.tokens()[0]).collect();
        let mut sorted = seen.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (1..=50).collect::<Vec<_>>());
        assert!((0..rows as u64).all(|row| epochs.row(row).iter().map(|d| d.tokens().len()).sum::<usize>() <= 24));
        let next: Vec<u32> = (rows as u64..2 * rows as u64).flat_map(|row| epochs.row(row)).map(|d| d.tokens()[0]).collect();
        assert_ne!(seen, next);
    }

    #[test]
    fn any_batch_can_be_made_again() {
        let mut straight = PackedEpochs::new(documents(), 4, 24, 5).unwrap();
        let batches: Vec<_> = (1..=40).map(|step| straight.batch(step)).collect();
        let mut later = PackedEpochs::new(documents(), 4, 24, 5).unwrap();
        assert_eq!(later.batch(33), batches[32]);
        assert_eq!(later.batch(2), batches[1]);
    }

    #[test]
    fn long_and_silent_documents_are_refused() {
        assert!(matches!(PackedEpochs::new(documents(), 4, 5, 0), Err(Error::DocumentTooLong { limit: 5, .. })));
        let silent = vec![Document::masked(vec![1, 2], vec![true, false]).unwrap()];
        assert!(matches!(PackedEpochs::new(silent, 4, 5, 0), Err(Error::NothingToLearn)));
    }

    #[test]
    fn sizes_that_hold_no_document_are_refused() {
        for (batch_size, sequence_length, key) in [(0, 24, "batch_size"), (3, 0, "sequence_length"), (3, 1, "sequence_length")] {
            let refused = PackedEpochs::new(documents(), batch_size, sequence_length, 0);
            assert!(matches!(refused, Err(Error::InvalidSetting(InvalidSetting { key: found, .. })) if found == key), "{refused:?}");
        }
    }
}
