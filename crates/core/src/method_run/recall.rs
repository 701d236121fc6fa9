//! The attempts of a stage so far. If the policy keeps a journal, they include the attempts from before an interruption.

use super::ask::{Asked, AttemptPlace};
use super::twins::Answers;
use crate::error::Result;
use crate::types::{Attempt, Mode};
use starloop_record::IterationDir;
use starloop_record::run_dir::Journal;
use std::collections::HashMap;

/// The attempts of a stage, as they come.
pub(super) struct Recall {
    /// By problem and sample.
    attempts: Vec<Vec<Option<Attempt>>>,
    journal: Option<Journal>,
}

impl Recall {
    /// No attempt is known, and no journal is written.
    pub(super) fn nothing(asked: &[Asked<'_>]) -> Self {
        Recall { attempts: asked.iter().map(|asked| vec![None; asked.request.seeds.len()]).collect(), journal: None }
    }

    /// Takes up a journal. An attempt counts where it is the same that would be made now: prompt, seed and weights.
    pub(super) fn open(place: &IterationDir, asked: &[Asked<'_>], checkpoint: &str) -> Result<Self> {
        let (journal, known) = place.journal()?;
        let key = |attempt: Attempt| ((attempt.mode, attempt.problem.0.clone(), attempt.sample as usize), attempt);
        let mut known: HashMap<(Mode, String, usize), Attempt> = known.into_iter().map(key).collect();
        let mut recall = |asked: &Asked<'_>, sample: usize, seed: u64| {
            let found = known.remove(&(asked.mode, asked.problem.id.0.clone(), sample))?;
            let is_same = found.seed == seed && found.checkpoint == checkpoint && found.prompt_sha256 == asked.prompt_sha256;
            is_same.then_some(found)
        };
        let mut of_problem =
            |asked: &Asked<'_>| asked.request.seeds.iter().enumerate().map(|(sample, &seed)| recall(asked, sample, seed)).collect();
        Ok(Recall { attempts: asked.iter().map(&mut of_problem).collect(), journal: Some(journal) })
    }

    /// Takes attempts that another run has. Only the seed differs, which greedy attempts do not depend on.
    pub(super) fn adopt(&mut self, asked: &[Asked<'_>], mut known: Answers) {
        for (asked, attempts) in asked.iter().zip(&mut self.attempts) {
            for (sample, attempt) in attempts.iter_mut().enumerate().filter(|(_, attempt)| attempt.is_none()) {
                let found = known.remove(&(asked.mode, asked.problem.id.0.clone(), sample as u32, asked.prompt_sha256.clone()));
                *attempt = found.map(|found| Attempt { seed: asked.request.seeds[sample], class: asked.problem.class.clone(), ..found });
            }
        }
    }

    /// The places of the missing attempts, problem by problem.
    pub(super) fn missing(&self) -> Vec<AttemptPlace> {
        let of_problem = |(asked, attempts): (usize, &Vec<Option<Attempt>>)| -> Vec<AttemptPlace> {
            (0..attempts.len()).filter(|&sample| attempts[sample].is_none()).map(|sample| AttemptPlace { asked, sample }).collect()
        };
        self.attempts.iter().enumerate().flat_map(of_problem).collect()
    }

    /// How many attempts there are, and the tokens of their completions.
    pub(super) fn known(&self) -> (u64, u64) {
        let known = self.attempts.iter().flatten().flatten();
        known.fold((0, 0), |(count, tokens), attempt| (count + 1, tokens + attempt.completion_tokens as u64))
    }

    /// Takes an attempt that was just made, and writes it down.
    pub(super) fn keep(&mut self, place: AttemptPlace, attempt: Attempt) -> Result<()> {
        if let Some(journal) = &mut self.journal {
            journal.append(&attempt)?;
        }
        self.attempts[place.asked][place.sample] = Some(attempt);
        Ok(())
    }

    /// All attempts, in the order of the problems and samples.
    pub(super) fn attempts(self) -> Vec<Attempt> {
        self.attempts.into_iter().flatten().flatten().collect()
    }
}
