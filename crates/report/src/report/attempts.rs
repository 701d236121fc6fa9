//! Figures of a method's attempts beyond the counts of `metrics.json`, in one pass over its files.

use super::flow::{Flow, Tries};
use crate::error::Result;
use crate::outcomes::Outcomes;
use serde::Serialize;
use starloop_record::types::{GradedAttempt, Mode, ProblemId};
use starloop_record::{IterationDir, Outcome};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The figures of one iteration's attempts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AttemptFigures {
    /// Mean number of different reasoning paths among the right attempts without hint, over the problems that have one; `None` if every
    /// problem was sampled once, or if the run recorded no paths.
    pub distinct_paths: Option<f64>,
    /// Learned rationales with the right answer whose steps were checked.
    pub checked: u64,
    /// Those of them with a false step.
    pub false_steps: u64,
    /// Tokens of the prompts. A prompt counts once, however many samples share it.
    pub prompt_tokens: u64,
    /// The outcomes of the attempts.
    pub flow: Flow,
}

/// The number of examples of each problem of a method, over all its iterations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Practice {
    /// Different problems that were attempted.
    pub attempted: u64,
    /// The number of problems by their number of examples, from 1.
    pub problems_by_examples: BTreeMap<u64, u64>,
}

impl Practice {
    /// Problems that have an example.
    pub fn learned(&self) -> u64 {
        self.problems_by_examples.values().sum()
    }

    /// Mean number of examples in the quarter of the problems with the most examples, and in the quarter with the fewest. Problems without
    /// examples are left out.
    pub fn quarters(&self) -> Option<[f64; 2]> {
        let quarter = self.learned() / 4;
        let mean = |counts: &mut dyn Iterator<Item = (&u64, &u64)>| {
            let (mut left, mut examples) = (quarter, 0);
            for (times, problems) in counts {
                let taken = left.min(*problems);
                examples += taken * times;
                left -= taken;
            }
            examples as f64 / quarter as f64
        };
        (quarter > 0).then(|| [mean(&mut self.problems_by_examples.iter().rev()), mean(&mut self.problems_by_examples.iter())])
    }
}

/// Reads the iterations of one method one after another.
#[derive(Debug, Default)]
pub(super) struct Reader {
    attempted: HashSet<ProblemId>,
    examples: HashMap<ProblemId, u64>,
}

impl Reader {
    /// Reads one iteration. Returns `None` if nothing was attempted in it.
    pub(super) fn read(&mut self, place: &IterationDir, iteration: u32) -> Result<Option<AttemptFigures>> {
        let mut tally = Tally::default();
        let outcomes = Outcomes::read(place, iteration, |record| {
            tally.flow.earlier(record.mode, record.outcome);
            if record.outcome.is_learned() {
                *self.examples.entry(record.problem).or_default() += 1;
            }
        })?;
        let found = place.each_attempt(|graded| {
            let outcome = outcomes.of(&graded.attempt);
            let problem = &graded.attempt.problem;
            if !self.attempted.contains(problem) {
                self.attempted.insert(problem.clone());
            }
            if outcome.is_some_and(Outcome::is_learned) {
                *self.examples.entry(problem.clone()).or_default() += 1;
            }
            tally.attempt(graded, outcome);
            Ok(())
        })?;
        Ok(found.then(|| tally.figures()))
    }

    /// The practice over everything that was read. Returns `None` if nothing was attempted.
    pub(super) fn practice(self) -> Option<Practice> {
        let mut practice = Practice { attempted: self.attempted.len() as u64, ..Practice::default() };
        for times in self.examples.into_values() {
            *practice.problems_by_examples.entry(times).or_default() += 1;
        }
        (practice.attempted > 0).then_some(practice)
    }
}

/// The attempts of one iteration, as far as they were read.
#[derive(Default)]
struct Tally {
    figures: AttemptFigures,
    flow: Tries,
    /// The reasoning paths of right attempts without hint.
    paths: HashMap<ProblemId, HashSet<String>>,
    several_samples: bool,
    last_prompt: String,
}

impl Tally {
    fn attempt(&mut self, graded: GradedAttempt, outcome: Option<Outcome>) {
        self.flow.attempt(&graded, outcome);
        let is_right = graded.verdict.is_correct();
        if let (true, true, Some(is_false)) = (is_right, outcome.is_some_and(Outcome::is_learned), graded.false_step) {
            self.figures.checked += 1;
            self.figures.false_steps += u64::from(is_false);
        }
        let attempt = graded.attempt;
        self.several_samples |= attempt.sample > 0;
        if attempt.prompt_sha256 != self.last_prompt {
            self.figures.prompt_tokens += attempt.prompt_tokens as u64;
            self.last_prompt.clone_from(&attempt.prompt_sha256);
        }
        if is_right && attempt.mode == Mode::Unhinted && !graded.path.is_empty() {
            self.paths.entry(attempt.problem).or_default().insert(graded.path);
        }
    }

    fn figures(self) -> AttemptFigures {
        let distinct = self.paths.values().map(HashSet::len).sum::<usize>() as f64 / self.paths.len() as f64;
        let distinct_paths = (self.several_samples && !self.paths.is_empty()).then_some(distinct);
        AttemptFigures { distinct_paths, flow: self.flow.counted(), ..self.figures }
    }
}
