//! `AdaSTaR` (Koh et al. 2025): STaR that chooses its problems. Those that were not asked for longest come first, and of these the ones that
//! went worst; sampling stops when enough is solved; and while the model is weak, most problems stay at the front to be asked again.
//!
//! The state of each problem is computed from the recorded attempts of the earlier iterations, so it survives a crash.

use super::rounds::{self, EarlyStop, Learning};
use super::star::Rationalizer;
use super::{Approach, Estimate, Method};
use crate::config::{Invalid, MethodSettings};
use crate::error::Result;
use crate::method_run::{CollectStages, MethodRun};
use crate::selection::SelectionRules;
use crate::task::Task;
use crate::types::{GradedAttempt, Mode, Problem, ProblemId};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The least number of problems in one call, even if fewer are still to be solved: the engine is slow on small batches.
const ASKED_AT_ONCE: usize = 32;

/// `kind = "adastar"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a separate switch of the config")]
pub struct AdaStar {
    /// Outer iterations, at most.
    pub iterations: u32,
    /// The problems to choose from: all that so many iterations of STaR attempt.
    pub problems_of_iterations: u32,
    /// Problems that are to be solved in iteration 1 before sampling stops (paper: as many as its 40 steps of 8 take, 320).
    pub quota: u32,
    /// Factor on the quota from one iteration to the next (paper: 1.2, as for the steps).
    pub quota_growth: f64,
    /// Ask again, with the answer as a hint, where every unaided attempt failed.
    pub rationalize: bool,
    /// The model that is shown the hint.
    pub rationalizer: Rationalizer,
    /// Let only the square of the share of right answers decide how many problems go to the back (paper: yes); otherwise all that were
    /// asked do.
    pub curriculum: bool,
    /// Fine-tune the base model each time; otherwise go on from the latest (paper).
    pub reset_to_base: bool,
    /// Train on what was kept in all iterations so far (paper); otherwise on this iteration's alone.
    pub accumulate: bool,
    /// Stop when accuracy has not risen for so many evaluations; 0 for never. Not with the test split.
    pub patience: u32,
}

impl Default for AdaStar {
    fn default() -> Self {
        AdaStar {
            iterations: 1,
            problems_of_iterations: 1,
            quota: 320,
            quota_growth: 1.2,
            rationalize: true,
            rationalizer: Rationalizer::Current,
            curriculum: true,
            reset_to_base: false,
            accumulate: true,
            patience: 0,
        }
    }
}

impl Method for AdaStar {
    fn approach(&self) -> Approach {
        Approach::AdaStar
    }

    fn check(&self, settings: &MethodSettings) -> Result<(), Invalid> {
        rounds::check(self.iterations, self.patience, settings)?;
        rounds::in_range("problems_of_iterations", self.problems_of_iterations)?;
        rounds::in_range("quota", self.quota)?;
        if !self.quota_growth.is_finite() || self.quota_growth < 1.0 {
            return Err(Invalid { key: "quota_growth".into(), message: format!("must be 1 or more, found {}", self.quota_growth) });
        }
        Ok(())
    }

    fn estimate(&self, settings: &MethodSettings, task: &dyn Task) -> Estimate {
        let (problems, modes) = (rounds::pool_count(task, self.problems_of_iterations), rounds::modes(self.rationalize, settings));
        let attempts = problems.saturating_mul(u64::from(settings.sampling.samples_per_problem)).saturating_mul(modes);
        rounds::estimate(settings, task, self.iterations, |_| attempts)
    }

    fn run(&self, run: &mut MethodRun<'_>) -> Result<()> {
        rounds::run(run, self.iterations, EarlyStop::after(self.patience), |run, iteration| {
            let current = rounds::latest(iteration);
            let rationalizer = self.rationalize.then_some(self.rationalizer.model(current));
            let mut record = Record::new(self.problems(run.task()));
            for earlier in 1..iteration {
                record.learn(earlier, &run.earlier_attempts(earlier)?, self.curriculum);
            }
            let attempts = run.record_attempts(iteration, CollectStages::Sample, |run| {
                run.sample_until(iteration, &record.in_order(), current, rationalizer, self.quota_of(iteration), ASKED_AT_ONCE)
            })?;
            let learning = Learning { reset_to_base: self.reset_to_base, accumulate: self.accumulate, rules: SelectionRules::default() };
            rounds::learn(run, iteration, |task, _| self.problems(task), attempts, learning)
        })
    }
}

impl AdaStar {
    fn problems(&self, task: &dyn Task) -> Vec<Problem> {
        rounds::pool(task, self.problems_of_iterations)
    }

    fn quota_of(&self, iteration: u32) -> u64 {
        (f64::from(self.quota) * self.quota_growth.powi(iteration as i32 - 1)).round() as u64
    }
}

/// The history of a problem. The fields are compared in this order.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Standing {
    /// The iteration that last asked it, of those that count; 0 for none.
    last_asked: u32,
    /// The share of its unaided attempts that were right then.
    win_rate: f64,
}

/// All problems with what is remembered of them.
struct Record {
    problems: Vec<Problem>,
    standing: HashMap<ProblemId, Standing>,
}

impl Record {
    fn new(problems: Vec<Problem>) -> Self {
        let unasked = Standing { last_asked: 0, win_rate: 0.0 };
        let standing = problems.iter().map(|problem| (problem.id.clone(), unasked)).collect();
        Record { problems, standing }
    }

    /// The problems, the next to be asked first; of equals, in the order of the task.
    fn in_order(&self) -> Vec<Problem> {
        let mut order: Vec<&Problem> = self.problems.iter().collect();
        let standing = |problem: &Problem| self.standing[&problem.id];
        order.sort_by(|a, b| {
            let (a, b) = (standing(a), standing(b));
            a.last_asked.cmp(&b.last_asked).then(a.win_rate.total_cmp(&b.win_rate))
        });
        order.into_iter().cloned().collect()
    }

    /// Takes note of the attempts of an iteration, in the order in which problems were asked. Of `m` problems, `m * alpha^2` go to the back,
    /// where `alpha` is the share of unaided attempts that were right.
    fn learn(&mut self, iteration: u32, attempts: &[GradedAttempt], curriculum: bool) {
        let mut asked: Vec<(&ProblemId, [u32; 2])> = Vec::new();
        for graded in attempts.iter().filter(|graded| graded.attempt.mode == Mode::Unhinted) {
            if asked.last().is_none_or(|(problem, _)| **problem != graded.attempt.problem) {
                asked.push((&graded.attempt.problem, [0, 0]));
            }
            if let Some((_, [right, all])) = asked.last_mut() {
                *right += u32::from(graded.verdict.is_correct());
                *all += 1;
            }
        }
        let sums = asked.iter().fold([0, 0], |[right, all], (_, of_problem)| [right + of_problem[0], all + of_problem[1]]);
        let alpha = f64::from(sums[0]) / f64::from(sums[1].max(1));
        let noted = if curriculum { (asked.len() as f64 * alpha * alpha).floor() as usize } else { asked.len() };
        for (problem, [right, all]) in asked.into_iter().take(noted) {
            let standing = Standing { last_asked: iteration, win_rate: f64::from(right) / f64::from(all) };
            self.standing.insert(problem.clone(), standing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Attempt, Verdict};

    fn problem(name: &str) -> Problem {
        Problem { id: ProblemId(name.into()), class: String::new(), question: name.into(), answer: "1".into(), choices: Vec::new() }
    }

    fn attempt(name: &str, right: bool) -> GradedAttempt {
        let verdict = if right { Verdict::Correct } else { Verdict::Unparsed };
        GradedAttempt::bare(Attempt::bare(name, Mode::Unhinted, ""), verdict)
    }

    fn order(record: &Record) -> String {
        record.in_order().into_iter().map(|problem| problem.id.0).collect()
    }

    #[test]
    fn the_longest_unasked_come_first_and_of_these_the_worst() {
        let mut record = Record::new(["a", "b", "c", "d", "e"].map(problem).into());
        assert_eq!(order(&record), "abcde");
        record.learn(1, &[attempt("a", true), attempt("b", false), attempt("c", true)], false);
        assert_eq!(order(&record), "debac", "of those asked, the one that failed comes first");
        record.learn(2, &[attempt("d", true), attempt("e", true)], false);
        assert_eq!(order(&record), "bacde");
    }

    #[test]
    fn a_weak_model_leaves_most_problems_where_they_are() {
        let mut record = Record::new(["a", "b", "c", "d", "e"].map(problem).into());
        // Two of four are right: a quarter of the four goes to the back.
        let attempts = [attempt("a", false), attempt("b", true), attempt("c", true), attempt("d", false)];
        record.learn(1, &attempts, true);
        assert_eq!(order(&record), "bcdea");
        // None is right, so none moves.
        record.learn(2, &[attempt("b", false)], true);
        assert_eq!(order(&record), "bcdea");
        // All are.
        record.learn(3, &[attempt("b", true), attempt("c", true)], true);
        assert_eq!(order(&record), "deabc");
    }

    #[test]
    fn several_samples_make_a_win_rate() {
        let mut record = Record::new(["a", "b"].map(problem).into());
        let attempts = [attempt("a", true), attempt("a", true), attempt("b", true), attempt("b", false)];
        record.learn(1, &attempts, false);
        assert_eq!(order(&record), "ba");
    }
}
