//! What the attempts and examples of a method tell beyond the counts of `metrics.json`, in one pass over its files.

use super::fate::{Fate, Fates};
use crate::error::Result;
use crate::metrics::IterationMetrics;
use crate::run_dir::IterationDir;
use crate::task::{Task, gsm8k};
use crate::types::{GradedAttempt, Mode, ProblemId};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What one iteration's attempts tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Digest {
    /// Different right rationales without the hint for each problem that has one; `None` where there was one sample for each problem.
    pub distinct_per_problem: Option<f64>,
    /// Kept rationales whose steps were looked at: those with calculator annotations, and scratchpads.
    pub checked: u64,
    /// Those of them with a step that is not so, or that does not follow.
    pub doubtful: u64,
    /// Whether the reasons for dropping came out as often as the run counted them; `None` where that cannot be told.
    pub reasons_agree: Option<bool>,
    /// Tokens of the prompts, each counted once however many samples share it.
    pub prompt_tokens: u64,
}

/// How often the problems of a method are learned from, over all its iterations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Practice {
    /// Different problems that were attempted.
    pub attempted: u64,
    /// How many of them are in so many examples, by that number, from 1.
    pub problems_by_examples: BTreeMap<u64, u64>,
}

impl Practice {
    /// Problems that are learned from at all.
    pub fn learned(&self) -> u64 {
        self.problems_by_examples.values().sum()
    }

    /// Mean examples of a problem in the most and in the least practised quarter of those that are learned from.
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

/// Gathers the practice of a method over its iterations.
#[derive(Debug, Default)]
pub(super) struct Reader {
    attempted: HashSet<ProblemId>,
    examples: HashMap<ProblemId, u64>,
}

impl Reader {
    /// Reads one iteration; `None` where nothing was attempted in it.
    pub(super) fn read(&mut self, place: &IterationDir, metrics: &IterationMetrics, grader: Option<&dyn Task>) -> Result<Option<Digest>> {
        let mut fates = Fates::of(place, grader)?;
        let mut digest = Digest::default();
        let mut right: HashMap<ProblemId, HashSet<String>> = HashMap::new();
        let mut several = false;
        let mut last_prompt = String::new();
        let found = place.each_attempt(|graded| {
            let fate = fates.next(&graded);
            if let (Fate::Kept, Some(doubtful)) = (fate, is_doubtful(&graded, grader)) {
                digest.checked += 1;
                digest.doubtful += u64::from(doubtful);
            }
            let attempt = graded.attempt;
            several |= attempt.sample > 0;
            if attempt.prompt_sha256 != last_prompt {
                digest.prompt_tokens += attempt.prompt_tokens as u64;
                last_prompt.clone_from(&attempt.prompt_sha256);
            }
            if !self.attempted.contains(&attempt.problem) {
                self.attempted.insert(attempt.problem.clone());
            }
            if graded.verdict.is_correct() && attempt.mode == Mode::Unhinted {
                right.entry(attempt.problem).or_default().insert(attempt.completion);
            }
            Ok(())
        })?;
        if !found {
            return Ok(None);
        }
        let imitated = place.each_example(|example| {
            *self.examples.entry(example.problem).or_default() += 1;
            Ok(())
        })?;
        if !imitated {
            let rewarded = place.rewards()?.into_iter().flatten().map(|sample| sample.problem);
            let paired = place.preferences()?.into_iter().flatten().map(|pair| pair.problem);
            for problem in rewarded.chain(paired) {
                *self.examples.entry(problem).or_default() += 1;
            }
        }
        if several && !right.is_empty() {
            digest.distinct_per_problem = Some(right.values().map(HashSet::len).sum::<usize>() as f64 / right.len() as f64);
        }
        digest.reasons_agree = fates.agree_with(&metrics.selection);
        Ok(Some(digest))
    }

    /// The practice over all that was read; `None` where nothing was attempted.
    pub(super) fn practice(self) -> Option<Practice> {
        let mut practice = Practice { attempted: self.attempted.len() as u64, ..Practice::default() };
        for times in self.examples.into_values() {
            *practice.problems_by_examples.entry(times).or_default() += 1;
        }
        (practice.attempted > 0).then_some(practice)
    }
}

/// Whether a rationale that reached the right answer got there by steps that are not so: a calculator annotation (`<<2+2=5>>`) that is
/// false, or a scratchpad that is not the one that the columns make. `None` where there is nothing to look at.
pub(super) fn is_doubtful(graded: &GradedAttempt, grader: Option<&dyn Task>) -> Option<bool> {
    if !graded.verdict.is_correct() {
        return None;
    }
    let completion = &graded.attempt.completion;
    if completion.contains("<<") {
        return Some(gsm8k::has_false_annotation(completion));
    }
    // Of arithmetic there is one right scratchpad; elsewhere a rationale may differ from the reference and be as good.
    let one_way = grader.is_some_and(|task| task.name() == "arithmetic");
    graded.faithful.filter(|_| one_way).map(|faithful| !faithful)
}
