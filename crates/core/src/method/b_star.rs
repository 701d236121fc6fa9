//! B-STaR (Zeng et al. 2025): rounds of many samples whose temperature and selection follow the balance of exploration and exploitation,
//! which a few problems show at the beginning of each round.
//!
//! The score of a problem is `min(d / target, 1) * d / n`: of `n` selected attempts, `d` are right and have a path that no other has. Too cold,
//! and all paths are one; too hot, and few are right.

use super::rounds::{self, EarlyStop, Learning};
use super::{Approach, Estimate, Method};
use crate::config::{Invalid, MethodSettings};
use crate::error::Result;
use crate::evaluation;
use crate::method_run::{CollectStages, MethodRun};
use crate::metrics::{BalanceMetrics, BalanceScore};
use crate::selection::{Same, SelectionRules};
use crate::task::Task;
use crate::types::{GradedAttempt, Mode};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// `kind = "b_star"`. Samples of each problem are `sampling.samples_per_problem` (paper: 64); `sampling.temperature`
/// has to be above 0 and is not used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BStar {
    /// Rounds, at most.
    pub iterations: u32,
    /// Temperatures to choose from (paper: 0.5 to 1.2 in steps of 0.05).
    pub temperatures: Vec<f64>,
    /// Least confidences of a selected attempt to choose from: the geometric mean of its tokens' probabilities, 0 for all attempts. They
    /// stand where the paper has thresholds of a reward model.
    pub confidences: Vec<f64>,
    /// Problems of each round that are attempted at every temperature (paper: 600).
    pub probe_problems: u32,
    /// Right attempts of different paths after which more of a problem count for nothing (paper: 6).
    pub target: u32,
    /// Different paths of one problem that are learned from; 0 for all.
    pub max_per_problem: u32,
    /// Fine-tune the base model each time; otherwise go on from the latest (paper).
    pub reset_to_base: bool,
    /// Stop when accuracy has not risen for so many evaluations; 0 for never. Not with the test split.
    pub patience: u32,
}

impl Default for BStar {
    fn default() -> Self {
        BStar {
            iterations: 1,
            temperatures: vec![0.5, 0.7, 0.9, 1.1],
            confidences: vec![0.0],
            probe_problems: 100,
            target: 6,
            max_per_problem: 0,
            reset_to_base: false,
            patience: 0,
        }
    }
}

impl Method for BStar {
    fn approach(&self) -> Approach {
        Approach::BStar
    }

    fn check(&self, settings: &MethodSettings) -> Result<(), Invalid> {
        rounds::check(self.iterations, self.patience, settings)?;
        rounds::in_range("probe_problems", self.probe_problems)?;
        rounds::in_range("target", self.target)?;
        let values = |key: &str, values: &[f64], are: &str, holds: fn(&f64) -> bool| {
            let wrong = || format!("must be a list of {are}, found {values:?}");
            if !values.is_empty() && values.iter().all(holds) { Ok(()) } else { Err(Invalid { key: key.into(), message: wrong() }) }
        };
        values("temperatures", &self.temperatures, "numbers above 0", |value| value.is_finite() && *value > 0.0)?;
        values("confidences", &self.confidences, "numbers in 0..1, 1 excluded", |value| (0.0..1.0).contains(value))
    }

    fn estimate(&self, settings: &MethodSettings, task: &dyn Task) -> Estimate {
        let samples = u64::from(settings.sampling.samples_per_problem);
        let probes = u64::from(self.probe_problems) * (self.temperatures.len() as u64 - 1) * samples;
        let collected = rounds::every_problem(settings, task, 1);
        rounds::estimate(settings, task, self.iterations, |iteration| collected(iteration) + probes)
    }

    fn run(&self, run: &mut MethodRun<'_>) -> Result<()> {
        rounds::run(run, self.iterations, EarlyStop::after(self.patience), |run, iteration| {
            let attempts = run.record_attempts(iteration, CollectStages::Sample, |run| self.collect(run, iteration))?;
            let least_confidence = run.balance(iteration)?.map_or(0.0, |balance| balance.tried[balance.chosen].least_confidence);
            let rules =
                SelectionRules { max_per_problem: self.max_per_problem, same: Same::Path, least_confidence, ..SelectionRules::default() };
            let learning = Learning { reset_to_base: self.reset_to_base, accumulate: false, rules };
            rounds::learn(run, iteration, |task, iteration| task.training_problems(iteration), attempts, learning)
        })
    }
}

impl BStar {
    /// Attempts all problems in the way that a few of them show to be balanced best.
    fn collect(&self, run: &mut MethodRun<'_>, iteration: u32) -> Result<Vec<GradedAttempt>> {
        let problems = run.training_problems(iteration);
        let (model, probes) = (rounds::latest(iteration), self.probe_problems as usize);
        let mut balance = None;
        let attempts = run.sample_balanced(iteration, &problems, model, probes, &self.temperatures, |tried| {
            let (found, place) = self.balance(tried);
            balance = Some(found);
            place
        })?;
        if let Some(balance) = &balance {
            run.keep_balance(iteration, balance)?;
        }
        Ok(attempts)
    }

    /// Scores every temperature with every confidence, and names the best temperature by its place. The first of equals is the best.
    fn balance(&self, tried: &[Vec<GradedAttempt>]) -> (BalanceMetrics, usize) {
        let mut scores = Vec::new();
        for (attempts, &temperature) in tried.iter().zip(&self.temperatures) {
            scores.extend(self.confidences.iter().map(|&confidence| score(attempts, temperature, confidence, self.target)));
        }
        let best = (0..scores.len()).rev().max_by(|&a, &b| scores[a].score.total_cmp(&scores[b].score)).unwrap_or(0);
        let place = best / self.confidences.len();
        // Those at the chosen temperature are collected, not spent on the choice.
        let spent: Vec<GradedAttempt> =
            tried.iter().enumerate().filter(|(other, _)| *other != place).flat_map(|(_, attempts)| attempts).cloned().collect();
        let (probes, prompt_tokens) = (evaluation::count(&spent, Mode::Unhinted), evaluation::prompt_tokens(&spent));
        (BalanceMetrics { tried: scores, chosen: best, probes, prompt_tokens }, place)
    }
}

/// The balance of the attempts at some problems, which stand together problem by problem.
fn score(attempts: &[GradedAttempt], temperature: f64, least_confidence: f64, target: u32) -> BalanceScore {
    let mut sums = [0.0; 3];
    let mut problems = 0;
    for of_problem in attempts.chunk_by(|a, b| a.attempt.problem == b.attempt.problem) {
        let selected: Vec<_> = of_problem.iter().filter(|graded| graded.attempt.is_as_sure_as(least_confidence)).collect();
        let right = selected.iter().filter(|graded| graded.verdict.is_correct());
        let distinct = right.map(|graded| graded.path.as_str()).collect::<HashSet<_>>().len() as f64;
        let share = distinct / (selected.len() as f64).max(1.0);
        let of_target = (distinct / f64::from(target)).min(1.0);
        sums = [sums[0] + distinct, sums[1] + share, sums[2] + of_target * share];
        problems += 1;
    }
    let [distinct_right, share_right, score] = sums.map(|sum| sum / f64::from(problems.max(1)));
    BalanceScore { temperature, least_confidence, distinct_right, share_right, score }
}
