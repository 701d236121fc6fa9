//! What a stage has been answered so far, and where a policy's samples are dear, what it was answered before it was interrupted.

use super::ask::Asked;
use crate::error::Result;
use crate::types::{Attempt, Mode};
use starloop_record::IterationDir;
use starloop_record::digest::sha256_hex;
use starloop_record::run_dir::Journal;
use std::collections::HashMap;

/// The attempts of a stage, as they come.
pub(super) struct Recall {
    /// By what is asked.
    attempts: Vec<Option<Attempt>>,
    journal: Option<Journal>,
}

impl Recall {
    /// Nothing is known, and nothing is written down.
    pub(super) fn nothing(asked: &[Asked<'_>]) -> Self {
        Recall { attempts: vec![None; asked.len()], journal: None }
    }

    /// Takes up a journal. An attempt counts where it is the same that would be made now: prompt, seed and weights.
    pub(super) fn open(place: &IterationDir, asked: &[Asked<'_>], checkpoint: &str) -> Result<Self> {
        let (journal, known) = place.journal()?;
        let key = |attempt: Attempt| ((attempt.mode, attempt.problem.0.clone(), attempt.sample), attempt);
        let mut known: HashMap<(Mode, String, u32), Attempt> = known.into_iter().map(key).collect();
        let recall = |asked: &Asked<'_>| {
            let found = known.remove(&(asked.mode, asked.problem.id.0.clone(), asked.sample))?;
            let is_same = found.seed == asked.request.seed
                && found.checkpoint == checkpoint
                && found.prompt_sha256 == sha256_hex(&asked.request.prompt);
            is_same.then_some(found)
        };
        Ok(Recall { attempts: asked.iter().map(recall).collect(), journal: Some(journal) })
    }

    /// The places of what is still to be asked.
    pub(super) fn missing(&self) -> Vec<usize> {
        (0..self.attempts.len()).filter(|&place| self.attempts[place].is_none()).collect()
    }

    /// How many attempts there are, and the tokens of their completions.
    pub(super) fn known(&self) -> (u64, u64) {
        let known = self.attempts.iter().flatten();
        known.fold((0, 0), |(count, tokens), attempt| (count + 1, tokens + attempt.completion_tokens as u64))
    }

    /// Takes an attempt that was just made, and writes it down.
    pub(super) fn keep(&mut self, place: usize, attempt: Attempt) -> Result<()> {
        if let Some(journal) = &mut self.journal {
            journal.append(&attempt)?;
        }
        self.attempts[place] = Some(attempt);
        Ok(())
    }

    /// All attempts, in the order in which they were asked.
    pub(super) fn attempts(self) -> Vec<Attempt> {
        self.attempts.into_iter().flatten().collect()
    }
}
