//! V-STaR (Hosseini et al. 2024): self-taught reasoning that does not throw its wrong rationales away. Right ones of all rounds train the
//! generator, right against wrong ones a verifier, which then chooses among several candidates.

use super::warm_start::NothingToLearn;
use super::{Approach, Estimate, FirstLesson, Method, WarmStart, rounds, warm_start};
use crate::config::{Invalid, MethodSettings, TrainingConfig};
use crate::error::Result;
use crate::method_run::{MethodRun, TrainingPlan, VerifierPlan};
use crate::selection::{Round, SelectionRules, TrainingData, right_against_wrong};
use crate::task::Task;
use crate::types::ModelRef;
use serde::{Deserialize, Serialize};

/// `kind = "v_star"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct VStar {
    /// Outer iterations, the warm start included; each fine-tunes the base model on the right rationales of all so far.
    pub iterations: u32,
    /// Examples of one problem that the generator is trained on; 0 for no limit.
    pub max_per_problem: u32,
    /// A fine-tuning on the known rationales first, as iteration 1 (the paper's); otherwise the base model samples with worked examples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_start: Option<WarmStart>,
    /// `[methods.NAME.verifier]`: what is trained after the last iteration, and how it is measured.
    pub verifier: VerifierTraining,
}

/// The verifier: the last generator, trained to prefer right rationales to wrong ones, the generator being the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct VerifierTraining {
    /// Optimizer steps.
    pub steps: u64,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// How strongly it is held to the reference (paper: 0.1).
    pub beta: f64,
    /// Pairs of one problem; 0 for all.
    pub pairs_per_problem: usize,
    /// Candidates for each held-out problem.
    pub candidates: u32,
    /// The k of verifier@k, each at most `candidates`.
    pub best_of: Vec<u32>,
}

impl Default for VerifierTraining {
    fn default() -> Self {
        VerifierTraining { steps: 40, learning_rate: 1e-6, beta: 0.1, pairs_per_problem: 8, candidates: 16, best_of: vec![1, 2, 4, 8, 16] }
    }
}

impl Default for VStar {
    fn default() -> Self {
        VStar { iterations: 1, max_per_problem: 0, warm_start: None, verifier: VerifierTraining::default() }
    }
}

impl Method for VStar {
    fn approach(&self) -> Approach {
        Approach::VStar
    }

    fn check(&self, settings: &MethodSettings) -> Result<(), Invalid> {
        let invalid = |key: &str, message: &str| Err(Invalid { key: key.into(), message: message.into() });
        let VerifierTraining { steps, learning_rate, beta, candidates, ref best_of, .. } = self.verifier;
        if steps == 0 {
            return invalid("verifier.steps", "must be at least 1");
        }
        for (key, value) in [("verifier.learning_rate", learning_rate), ("verifier.beta", beta)] {
            if !value.is_finite() || value <= 0.0 {
                return invalid(key, "must be a number above 0");
            }
        }
        if best_of.is_empty() || best_of.iter().any(|k| !(1..=candidates).contains(k)) {
            return invalid("verifier.best_of", "must hold numbers from 1 to verifier.candidates");
        }
        if settings.sampling.temperature <= 0.0 {
            return invalid("sampling.temperature", "must be above 0, or all candidates of a problem are the same");
        }
        warm_start::check(self.iterations, self.warm_start)
    }

    fn needs(&self) -> super::Needs {
        super::Needs { objective: Some("preferences"), scores: true }
    }

    fn check_task(&self, task: &dyn Task) -> Result<()> {
        match self.warm_start {
            Some(_) => TrainingData::of_known_rationales(task, &task.training_problems(1)).map(drop),
            None => Ok(()),
        }
    }

    fn warm_start(&self) -> Option<WarmStart> {
        self.warm_start
    }

    /// The verifier learns from all iterations.
    fn can_go_on(&self) -> bool {
        false
    }

    fn estimate(&self, settings: &MethodSettings, task: &dyn Task) -> Estimate {
        let samples = rounds::every_problem(settings, task, 1);
        let unsampled = u32::from(self.warm_start.is_some());
        let sampled = |iteration| if iteration > unsampled { samples(iteration) } else { 0 };
        let mut estimate = rounds::estimate(settings, task, self.iterations, sampled);
        let candidates =
            settings.evaluation.count(task, settings.evaluation.split, self.iterations) as u64 * u64::from(self.verifier.candidates);
        let tokens = (settings.training.batch_size * settings.training.sequence_length) as u64;
        estimate.evaluations = estimate.evaluations.saturating_add(candidates);
        estimate.steps = estimate.steps.saturating_add(self.verifier.steps);
        estimate.trained_tokens = estimate.trained_tokens.saturating_add(self.verifier.steps.saturating_mul(tokens));
        estimate
    }

    fn run(&self, run: &mut MethodRun<'_>) -> Result<()> {
        let first = self.warm_start.map(|warm_start| (warm_start, FirstLesson::Known));
        warm_start::run(run, self.iterations, first, |run, iteration| self.plan(run, iteration), NothingToLearn::Fails)?;
        let VerifierTraining { steps, learning_rate, pairs_per_problem, beta, candidates, ref best_of } = self.verifier;
        let rounds = self.rounds(run, self.iterations)?;
        let pairs = right_against_wrong(run.task(), &rounds, pairs_per_problem, beta)?;
        drop(rounds);
        if pairs.data.rows().is_empty() {
            run.warn("no problem has both a right and a wrong rationale, so there is nothing to train a verifier on")?;
            return Ok(());
        }
        let settings = TrainingConfig { steps, learning_rate, ..run.settings().training.clone() };
        let plan = VerifierPlan { generator: self.iterations, settings: &settings, candidates, best_of };
        run.verify(&pairs, &plan)
    }
}

impl VStar {
    fn plan(&self, run: &mut MethodRun<'_>, iteration: u32) -> Result<TrainingPlan> {
        run.collect_and_record(iteration, &run.training_problems(iteration), rounds::latest(iteration), None)?;
        let mut rounds = self.rounds(run, iteration)?;
        let rules = SelectionRules { max_per_problem: self.max_per_problem, ..SelectionRules::default() };
        let selection = rounds::select(run, &rounds, rules)?;
        let earlier = rounds[1..].iter().map(|round| round.iteration).collect();
        let attempts = rounds.swap_remove(0).attempts;
        Ok(TrainingPlan { earlier, ..run.plan(iteration, attempts, selection, ModelRef::Base) })
    }

    /// The attempts up to an iteration, the newest first. If the number of examples or pairs of a problem is limited, those of the better
    /// model stay.
    fn rounds(&self, run: &MethodRun<'_>, last: u32) -> Result<Vec<Round>> {
        let first = 1 + u32::from(self.warm_start.is_some());
        let round =
            |iteration| Ok(Round { iteration, problems: run.training_problems(iteration), attempts: run.earlier_attempts(iteration)? });
        (first..=last).rev().map(round).collect()
    }
}
