//! The outcomes of the attempts of one iteration, as the counts of a flow diagram from the problems to the examples.

use crate::words::{VERDICTS, verdict_index};
use serde::Serialize;
use starloop_record::Outcome;
use starloop_record::types::{GradedAttempt, Mode, ProblemId};
use std::collections::{BTreeMap, HashMap};

/// The flow of one iteration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// How many attempts have the same source, mode, verdict and outcome.
    pub counts: Vec<FlowCount>,
    /// The attempts without hint that led to attempts with hint.
    pub retries: Vec<Retry>,
}

/// The source of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The iteration itself made it.
    ThisIteration,
    /// An earlier iteration made it, and the method accumulates.
    EarlierIterations,
}

/// Attempts with the same source, mode, verdict and outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FlowCount {
    /// Their source.
    pub source: Source,
    /// Shows if their prompts held the answer.
    pub mode: Mode,
    /// The verdict's name; `None` for attempts of earlier iterations, whose answers are right.
    pub verdict: Option<&'static str>,
    /// The decision of selection; `None` if it did not consider them.
    pub outcome: Option<Outcome>,
    /// Their number.
    pub attempts: u64,
}

/// Attempts without hint at problems that were asked again with the hint, by their verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// The verdict's name.
    pub verdict: &'static str,
    /// Attempts without hint that have this verdict.
    pub unhinted: u64,
    /// Attempts with hint at problems whose first attempt without hint has this verdict.
    pub hinted: u64,
}

type Key = (Source, Mode, Option<usize>, Option<Outcome>);

/// Counts the attempts of an iteration. Attempts without hint come before those with hint.
#[derive(Debug, Default)]
pub(super) struct Tries {
    counts: BTreeMap<Key, u64>,
    problems: HashMap<ProblemId, Tried>,
    retries: [[u64; 2]; VERDICTS.len()],
}

/// The attempts without hint at one problem.
#[derive(Debug)]
struct Tried {
    first: usize,
    by_verdict: [u64; VERDICTS.len()],
    asked_again: bool,
}

impl Tries {
    /// Counts an attempt that an earlier iteration made. A failure is left out: it ended in its own iteration.
    pub(super) fn earlier(&mut self, mode: Mode, outcome: Outcome) {
        if !matches!(outcome, Outcome::Wrong | Outcome::Unreadable | Outcome::Truncated | Outcome::VerifierFailed) {
            *self.counts.entry((Source::EarlierIterations, mode, None, Some(outcome))).or_default() += 1;
        }
    }

    /// Counts an attempt of the iteration.
    pub(super) fn attempt(&mut self, graded: &GradedAttempt, outcome: Option<Outcome>) {
        let (verdict, mode) = (verdict_index(&graded.verdict), graded.attempt.mode);
        *self.counts.entry((Source::ThisIteration, mode, Some(verdict), outcome)).or_default() += 1;
        let problem = &graded.attempt.problem;
        match (mode, self.problems.get_mut(problem)) {
            (Mode::Unhinted, Some(tried)) => tried.by_verdict[verdict] += 1,
            (Mode::Unhinted, None) => {
                let mut tried = Tried { first: verdict, by_verdict: [0; VERDICTS.len()], asked_again: false };
                tried.by_verdict[verdict] += 1;
                self.problems.insert(problem.clone(), tried);
            }
            (Mode::Hinted, Some(tried)) => {
                self.retries[tried.first][1] += 1;
                if !std::mem::replace(&mut tried.asked_again, true) {
                    self.retries.iter_mut().zip(tried.by_verdict).for_each(|(retry, attempts)| retry[0] += attempts);
                }
            }
            // The hint was given at once.
            (Mode::Hinted, None) => {}
        }
    }

    /// The flow of everything that was counted.
    pub(super) fn counted(self) -> Flow {
        let name = |place: usize| VERDICTS[place].name;
        let count = |((source, mode, verdict, outcome), attempts): (Key, u64)| FlowCount {
            source,
            mode,
            verdict: verdict.map(name),
            outcome,
            attempts,
        };
        let retry = |(place, [unhinted, hinted]): (usize, [u64; 2])| Retry { verdict: name(place), unhinted, hinted };
        let retries = self.retries.into_iter().enumerate().filter(|(_, counts)| *counts != [0, 0]);
        Flow { counts: self.counts.into_iter().map(count).collect(), retries: retries.map(retry).collect() }
    }
}
