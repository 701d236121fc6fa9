//! A verifier: trained on pairs after the last iteration, then choosing among candidates for the held-out problems.

use super::ask::AskPlan;
use super::{MethodRun, Training, require_finite};
use crate::config::TrainingConfig;
use crate::error::{Error, OrCancelled, Result};
use crate::evaluation;
use crate::evaluation::best_of::{Candidate, best_of_k};
use crate::event::{Event, Stage};
use crate::metrics::{BestOf, MeanOf, Verification};
use crate::policy::CompletionRequest;
use crate::policy::seed::stage_seed;
use crate::selection::Selection;
use crate::task::prompt;
use crate::types::{GradedAttempt, Mode, ModelRef, Problem, ProblemId, Style};
use starloop_record::IterationDir;
use starloop_record::run_dir::Digests;
use std::collections::HashMap;
use std::ops::ControlFlow;

/// How a verifier is trained and measured.
pub struct VerifierPlan<'a> {
    /// The iteration whose model it begins with, and chooses for.
    pub generator: u32,
    /// The settings of its training.
    pub settings: &'a TrainingConfig,
    /// Candidates for each problem.
    pub candidates: u32,
    /// The k of verifier@k.
    pub best_of: &'a [u32],
}

impl MethodRun<'_> {
    /// Trains a verifier on pairs, has it score the generator's candidates for the held-out problems, and measures the best of k. Finished
    /// parts are read, not repeated.
    ///
    /// # Errors
    /// Those of the trainer, the policy and the run directory; a held-out problem among the pairs.
    pub fn verify(&mut self, pairs: &Selection, plan: &VerifierPlan<'_>) -> Result<()> {
        let place = self.run_dir.verifier(self.name);
        let verification = if let Some(verification) = place.verification()? {
            place.discard_training_state()?;
            verification
        } else {
            // The generator's iterations are over; what follows is the next in the log.
            let iteration = plan.generator + 1;
            self.refuse_held_out(iteration, &pairs.data)?;
            place.write_selection(pairs.data.rows(), &pairs.outcomes, &[], Digests::new())?;
            let seed = stage_seed(self.seed, iteration, "verifier");
            let training = Training { settings: plan.settings, steps: plan.settings.steps, seed };
            self.train(&place, iteration, ModelRef::Iteration(plan.generator), &pairs.data, training)?;
            let candidates = self.candidates(&place, plan)?;
            let (verifier, scores) = self.scores(&place, plan.generator, &candidates)?;
            let generator = candidates.first().map(|candidate| candidate.attempt.checkpoint.clone()).unwrap_or_default();
            let best_of = plan.best_of.iter().map(|k| best_of(&candidates, &scores, *k)).collect();
            let (split, problems) = (self.settings.evaluation.split, (candidates.len() / plan.candidates as usize) as u64);
            let pairs = pairs.data.rows().len() as u64;
            let verification = Verification { generator, verifier, split, pairs, problems, candidates: plan.candidates, best_of };
            place.write_verification(&verification)?;
            verification
        };
        let method = self.name.to_owned();
        self.report(&Event::Verified { method, verification: Box::new(verification) })
    }

    /// Samples of every held-out problem, as the method samples.
    fn candidates(&mut self, place: &IterationDir, plan: &VerifierPlan<'_>) -> Result<Vec<GradedAttempt>> {
        if let Some(candidates) = place.attempts()? {
            place.discard_journal()?;
            let counts = evaluation::count(&candidates, Mode::Unhinted);
            self.reused(plan.generator + 1, Stage::Proposing, counts.attempts, counts.tokens)?;
            return Ok(candidates);
        }
        let problems = self.verified_problems(plan.generator);
        let question = AskPlan {
            stage: Stage::Proposing,
            iteration: plan.generator + 1,
            hint: None,
            style: Style::Rationale,
            few_shot: self.few_shot_after(plan.generator),
            samples: plan.candidates,
            params: self.params(),
        };
        let candidates = self.ask(place, &question, &problems, ModelRef::Iteration(plan.generator))?;
        let read = self.keep_texts()?;
        place.write_attempts(&candidates, read)?;
        place.discard_journal()?;
        Ok(candidates)
    }

    /// The verifier's log-probability of every candidate, after the unhinted prompt that it was trained with; and the SHA-256 of its weights.
    fn scores(&mut self, place: &IterationDir, generator: u32, candidates: &[GradedAttempt]) -> Result<(String, Vec<f64>)> {
        place.check_checkpoint()?;
        let checkpoint = self.load_from(place.checkpoint())?;
        let task = self.parts.task;
        let problems = self.verified_problems(generator);
        let problems: HashMap<&ProblemId, &Problem> = problems.iter().map(|problem| (&problem.id, problem)).collect();
        let mut requests = Vec::with_capacity(candidates.len());
        for GradedAttempt { attempt, .. } in candidates {
            let unknown = || Error::UnknownProblem { problem: attempt.problem.to_string() };
            let problem = problems.get(&attempt.problem).ok_or_else(unknown)?;
            let prompt = prompt::assemble(task, problem, Mode::Unhinted, Style::Rationale, 0);
            requests.push(CompletionRequest { prompt, completion: attempt.completion.clone(), ended: !attempt.is_cut() });
        }
        let began = self.started(generator + 1, Stage::Verifying, requests.len() as u64)?;
        let observer = &mut *self.observer;
        let (mut tokens, mut flow) = (0, ControlFlow::Continue(()));
        let scores = self.parts.policy.score_completions(&requests, &mut |progress| {
            tokens = progress.tokens;
            flow = observer.observe(&Event::StageProgress { done: progress.finished, tokens, loss: None });
            flow
        })?;
        flow.or_cancelled()?;
        for (score, candidate) in scores.iter().zip(candidates) {
            require_finite("the verifier's log-probability", *score, || format!("{}, {}", self.name, candidate.attempt.problem))?;
        }
        place.write_scores(&scores)?;
        self.ended(generator + 1, Stage::Verifying, tokens, began)?;
        Ok((checkpoint, scores))
    }

    fn verified_problems(&self, generator: u32) -> Vec<Problem> {
        self.settings.evaluation.problems(self.parts.task, self.settings.evaluation.split, generator)
    }
}

/// The best of `k` by the verifier, by the generator's own likelihood, by the vote of their answers, and by the answer key, over all problems.
fn best_of(candidates: &[GradedAttempt], scores: &[f64], k: u32) -> BestOf {
    let scored: Vec<(&GradedAttempt, f64)> = candidates.iter().zip(scores.iter().copied()).collect();
    let mean = |score: &dyn Fn(&GradedAttempt, f64) -> f64| {
        let of_problem = |group: &[(&GradedAttempt, f64)]| {
            let candidate = |&(graded, by_verifier): &(&GradedAttempt, f64)| Candidate {
                score: score(graded, by_verifier),
                right: graded.verdict.is_correct(),
            };
            best_of_k(&group.iter().map(candidate).collect::<Vec<_>>(), k as usize)
        };
        let groups = scored.chunk_by(|a, b| a.0.attempt.problem == b.0.attempt.problem);
        MeanOf::new(&groups.map(of_problem).collect::<Vec<_>>())
    };
    // The draws of k that share no candidate are alike, and their mean is steadier than the first of them.
    let majority = |group: &[GradedAttempt]| {
        let draws = group.chunks_exact(k as usize);
        let right = draws.clone().filter(|draw| evaluation::majority_is_right(draw.iter().map(|graded| &graded.verdict)));
        right.count() as f64 / draws.len() as f64
    };
    let pass = |group: &[GradedAttempt]| {
        let right = group.iter().filter(|graded| graded.verdict.is_correct()).count();
        evaluation::pass_at_k(group.len() as u64, right as u64, k.into())
    };
    let by_problem = || candidates.chunk_by(|a, b| a.attempt.problem == b.attempt.problem);
    let has_likelihoods = candidates.iter().all(|graded| graded.attempt.logprob.is_some());
    BestOf {
        k,
        verifier: mean(&|_, by_verifier| by_verifier),
        likelihood: has_likelihoods.then(|| mean(&|graded, _| graded.attempt.logprob.unwrap_or(f64::NEG_INFINITY))),
        majority: Some(MeanOf::new(&by_problem().map(majority).collect::<Vec<_>>())),
        pass: MeanOf::new(&by_problem().map(pass).collect::<Vec<_>>()),
    }
}
