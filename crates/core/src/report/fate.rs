//! What became of an attempt: kept to learn from, or why not.
//!
//! The decision is not written beside the attempts. What was kept is: it stands in `train.jsonl`, and that file alone is believed. For the
//! right answers that are not in it, the rules of selection that hold for every method are gone through once more, in their order
//! (`training_set.rs`), and what none of them explains fell to the method's own. Which of those it was is told where the run counted one
//! of them alone; of several, only that it was one of them. [`Fates::agree_with`] compares the reasons with what the run counted.
//!
//! Methods that compare completions instead of imitating them (GRPO, SPIN) learn from wrong ones too: what stands in `rewards.jsonl` or
//! `preferences.jsonl` was compared, whatever its verdict.

use crate::error::Result;
use crate::metrics::SelectionCounts;
use crate::objective::PreferencePair;
use crate::run_dir::IterationDir;
use crate::task::Task;
use crate::types::{GradedAttempt, Mode, ProblemId};
use serde::Serialize;
use std::collections::HashSet;

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Never meant to be learned from: it measured accuracy.
    Measured,
    /// Its answer is not right.
    NotRight,
    /// It is learned from.
    Kept,
    /// Dropped: it shows that the answer was given.
    LeakedHint,
    /// Dropped: a step of it is seen to be false, where the task checks them.
    FalseStep,
    /// Dropped: the problem has the same rationale already.
    Duplicate,
    /// Dropped: the problem has its share of examples already.
    OverLimit,
    /// Selection has not been done yet.
    Open,
    /// Dropped: it only restates the hint.
    Restated,
    /// Dropped: the model was not sure enough of it.
    Unsure,
    /// Dropped: another rationale that was kept takes the same path.
    SamePath,
    /// Dropped by one of the method's own rules; by which of several is not known.
    OwnRule,
    /// It is learned from, right or wrong, beside others: in a group of samples or in a pair.
    Compared,
    /// There was nothing to compare it with: its group is all right, or it is the known rationale or one that was paired already.
    NotCompared,
}

impl Fate {
    /// Every fate, in the order in which reports number them.
    pub const ALL: [Fate; 14] = [
        Fate::Measured,
        Fate::NotRight,
        Fate::Kept,
        Fate::LeakedHint,
        Fate::FalseStep,
        Fate::Duplicate,
        Fate::OverLimit,
        Fate::Open,
        Fate::Restated,
        Fate::Unsure,
        Fate::SamePath,
        Fate::OwnRule,
        Fate::Compared,
        Fate::NotCompared,
    ];

    /// Whether it is learned from.
    pub fn is_kept(self) -> bool {
        matches!(self, Fate::Kept | Fate::Compared)
    }

    /// A right answer that is not learned from.
    pub fn is_dropped(self) -> bool {
        !self.is_kept() && !matches!(self, Fate::Measured | Fate::NotRight | Fate::Open)
    }

    /// What is left to explain a right answer by, after the rules that hold for every method.
    fn by_own_rule(counted: &SelectionCounts) -> Fate {
        let SelectionCounts { dropped_restated, dropped_unsure, dropped_same_path, dropped_over_limit, .. } = *counted;
        let rules = [
            (dropped_restated, Fate::Restated),
            (dropped_unsure, Fate::Unsure),
            (dropped_same_path, Fate::SamePath),
            (dropped_over_limit, Fate::OverLimit),
        ];
        let mut at_work = rules.into_iter().filter(|(count, _)| *count > 0).map(|(_, fate)| fate);
        match (at_work.next(), at_work.next()) {
            (Some(only), None) => only,
            _ => Fate::OwnRule,
        }
    }
}

/// Tells the fates of one iteration's attempts, which have to come in the order of their file.
pub struct Fates<'a> {
    grader: Option<&'a dyn Task>,
    /// What is learned from and was not seen yet; `None` before selection.
    learned: Option<HashSet<(ProblemId, Mode, String)>>,
    /// What is learned from by comparison; `None` where completions are imitated.
    compared: Option<HashSet<(ProblemId, String)>>,
    /// The reason of what no rule that holds for every method explains.
    own_rule: Fate,
    /// Rationales that came so far to the question whether they are new.
    seen: HashSet<(ProblemId, String)>,
    counts: SelectionCounts,
}

impl<'a> Fates<'a> {
    /// Of the iteration in `place`. Without a grader, leaked hints and false steps are not recognised.
    ///
    /// # Errors
    /// The files of the iteration cannot be read.
    pub fn of(place: &IterationDir, grader: Option<&'a dyn Task>) -> Result<Fates<'a>> {
        let mut learned = HashSet::new();
        let found = place.each_example(|example| {
            learned.insert((example.problem, example.mode, example.completion));
            Ok(())
        })?;
        let compared = if found { None } else { compared(place)? };
        let own_rule = place.metrics()?.map_or(Fate::OwnRule, |metrics| Fate::by_own_rule(&metrics.selection));
        let learned = found.then_some(learned);
        Ok(Fates { grader, learned, compared, own_rule, seen: HashSet::new(), counts: SelectionCounts::default() })
    }

    /// The fate of the next attempt.
    pub fn next(&mut self, graded: &GradedAttempt) -> Fate {
        let attempt = &graded.attempt;
        if let Some(compared) = &self.compared {
            let is_compared = compared.contains(&(attempt.problem.clone(), attempt.completion.clone()));
            return match (is_compared, graded.verdict.is_correct()) {
                (true, _) => Fate::Compared,
                (false, true) => Fate::NotCompared,
                (false, false) => Fate::NotRight,
            };
        }
        if !graded.verdict.is_correct() {
            return Fate::NotRight;
        }
        let Some(learned) = &mut self.learned else { return Fate::Open };
        let rationale = (attempt.problem.clone(), attempt.completion.clone());
        if learned.remove(&(attempt.problem.clone(), attempt.mode, attempt.completion.clone())) {
            self.seen.insert(rationale);
            match attempt.mode {
                Mode::Unhinted => self.counts.kept_unhinted += 1,
                Mode::Hinted => self.counts.kept_hinted += 1,
            }
            return Fate::Kept;
        }
        let says = |rule: fn(&dyn Task, &str) -> bool| self.grader.is_some_and(|task| rule(task, &attempt.completion));
        if attempt.mode == Mode::Hinted && says(|task, completion| task.leaks_hint(completion)) {
            self.counts.dropped_leaked_hint += 1;
            return Fate::LeakedHint;
        }
        if says(|task, completion| task.has_false_step(completion)) {
            self.counts.dropped_false_step += 1;
            return Fate::FalseStep;
        }
        if !self.seen.insert(rationale) {
            self.counts.dropped_duplicate += 1;
            return Fate::Duplicate;
        }
        // Which of the method's rules it was makes no difference to the sum that is compared.
        self.counts.dropped_over_limit += 1;
        self.own_rule
    }

    /// Whether every reason that was given came out as often as the run itself counted; `None` where that cannot be told, because examples
    /// of earlier iterations were kept too. To be asked after the last attempt.
    pub fn agree_with(&self, counted: &SelectionCounts) -> Option<bool> {
        if self.learned.as_ref().is_none_or(|left| !left.is_empty()) {
            return None;
        }
        let alike = |counts: &SelectionCounts| {
            let SelectionCounts { kept_unhinted, kept_hinted, dropped_duplicate, dropped_leaked_hint, dropped_false_step, .. } = *counts;
            ([kept_unhinted, kept_hinted], [dropped_duplicate, dropped_leaked_hint, dropped_false_step], counts.dropped_by_rules())
        };
        Some(alike(&self.counts) == alike(counted))
    }
}

/// The completions of an iteration that are learned from beside others; `None` where there is neither file.
fn compared(place: &IterationDir) -> Result<Option<HashSet<(ProblemId, String)>>> {
    if let Some(samples) = place.rewards()? {
        return Ok(Some(samples.into_iter().map(|sample| (sample.problem, sample.completion)).collect()));
    }
    let of_pair = |pair: PreferencePair| [(pair.problem.clone(), pair.chosen), (pair.problem, pair.rejected)];
    Ok(place.preferences()?.map(|pairs| pairs.into_iter().flat_map(of_pair).collect()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::Config;
    use crate::objective::Learned;
    use crate::run_dir::RunDir;
    use crate::task::Settings;
    use crate::task::gsm8k::Gsm8kConfig;
    use crate::types::{Attempt, Example, Verdict};

    fn attempt(problem: &str, mode: Mode, completion: &str, verdict: Verdict) -> GradedAttempt {
        GradedAttempt { attempt: Attempt::bare(problem, mode, completion), verdict, reading: None, faithful: None }
    }

    fn empty_place() -> (tempfile::TempDir, IterationDir) {
        let directory = tempfile::tempdir().unwrap();
        let config = Config::load("smoke", &[]).unwrap();
        let (run, _) = RunDir::open(directory.path(), &config, false).unwrap();
        let place = run.iteration("star", 1);
        (directory, place)
    }

    fn place(learned: &[(&str, Mode, &str)]) -> (tempfile::TempDir, IterationDir) {
        let (directory, place) = empty_place();
        let example = |&(problem, mode, completion): &(&str, Mode, &str)| Example {
            problem: ProblemId(problem.into()),
            mode,
            prompt: String::new(),
            completion: completion.into(),
        };
        place.write_learned(Learned::Examples(&learned.iter().map(example).collect::<Vec<_>>())).unwrap();
        (directory, place)
    }

    #[test]
    fn every_right_answer_has_a_reason() {
        let (_directory, place) = place(&[("a", Mode::Unhinted, "one"), ("b", Mode::Hinted, "two")]);
        let task = Gsm8kConfig { check_annotations: true, ..Gsm8kConfig::default() }.grader().unwrap();
        let mut fates = Fates::of(&place, Some(task.as_ref())).unwrap();
        let story = [
            ("a", Mode::Unhinted, "one", Verdict::Correct, Fate::Kept),
            ("a", Mode::Unhinted, "one", Verdict::Correct, Fate::Duplicate),
            ("a", Mode::Unhinted, "another", Verdict::Correct, Fate::OwnRule),
            ("a", Mode::Unhinted, "<<2+2=5>> so 5", Verdict::Correct, Fate::FalseStep),
            ("b", Mode::Unhinted, "two", Verdict::Unparsed, Fate::NotRight),
            ("b", Mode::Hinted, "As the hint says, 5", Verdict::Correct, Fate::LeakedHint),
            ("b", Mode::Hinted, "two", Verdict::Correct, Fate::Kept),
        ];
        for (problem, mode, completion, verdict, fate) in story {
            assert_eq!(fates.next(&attempt(problem, mode, completion, verdict)), fate, "{completion}");
        }
        let counted = SelectionCounts {
            kept_unhinted: 1,
            kept_hinted: 1,
            dropped_duplicate: 1,
            dropped_leaked_hint: 1,
            dropped_false_step: 1,
            dropped_over_limit: 1,
            problems: 2,
            ..SelectionCounts::default()
        };
        assert_eq!(fates.agree_with(&counted), Some(true));
        assert_eq!(fates.agree_with(&SelectionCounts { dropped_duplicate: 2, ..counted }), Some(false));
    }

    #[test]
    fn before_selection_all_is_open_and_examples_of_elsewhere_leave_it_open_too() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config::load("smoke", &[]).unwrap();
        let (run, _) = RunDir::open(directory.path(), &config, false).unwrap();
        let mut fates = Fates::of(&run.iteration("star", 1), None).unwrap();
        assert_eq!(fates.next(&attempt("a", Mode::Unhinted, "one", Verdict::Correct)), Fate::Open);
        assert_eq!(fates.agree_with(&SelectionCounts::default()), None);
        let (_directory, place) = place(&[("z", Mode::Unhinted, "of an earlier iteration")]);
        assert_eq!(Fates::of(&place, None).unwrap().agree_with(&SelectionCounts::default()), None);
    }

    #[test]
    fn a_rule_of_the_methods_own_is_named_where_it_is_the_only_one() {
        let with = |count: fn(&mut SelectionCounts) -> &mut u64| {
            let mut counts = SelectionCounts::default();
            *count(&mut counts) = 3;
            counts
        };
        assert_eq!(Fate::by_own_rule(&with(|counts| &mut counts.dropped_restated)), Fate::Restated);
        assert_eq!(Fate::by_own_rule(&with(|counts| &mut counts.dropped_unsure)), Fate::Unsure);
        assert_eq!(Fate::by_own_rule(&with(|counts| &mut counts.dropped_same_path)), Fate::SamePath);
        assert_eq!(Fate::by_own_rule(&with(|counts| &mut counts.dropped_over_limit)), Fate::OverLimit);
        let two = SelectionCounts { dropped_unsure: 1, dropped_over_limit: 1, ..SelectionCounts::default() };
        assert_eq!(Fate::by_own_rule(&two), Fate::OwnRule);
    }

    #[test]
    fn what_is_compared_is_learned_from_right_or_wrong() {
        let (_directory, place) = empty_place();
        let pair = PreferencePair {
            problem: ProblemId("a".into()),
            prompt: String::new(),
            chosen: "the known one".into(),
            rejected: "one of its own".into(),
            rejected_cut: false,
        };
        place.write_learned(Learned::Preferences(&[pair], 0.1)).unwrap();
        let mut fates = Fates::of(&place, None).unwrap();
        let story = [
            ("one of its own", Verdict::Unparsed, Fate::Compared),
            ("another", Verdict::Correct, Fate::NotCompared),
            ("a third", Verdict::Unparsed, Fate::NotRight),
        ];
        for (completion, verdict, fate) in story {
            assert_eq!(fates.next(&attempt("a", Mode::Unhinted, completion, verdict)), fate, "{completion}");
        }
        assert_eq!(fates.agree_with(&SelectionCounts::default()), None);
    }
}
