//! Several samples of each held-out problem: how often the majority is right (self-consistency, Wang et al. 2023), and how often at least
//! one of k is (pass@k, by the unbiased estimator of Chen et al. 2021).

use crate::config::{EvaluationConfig, is_default};
use crate::error::{OrCancelled, Result};
use crate::evaluation;
use crate::event::{Event, Observer, Stage};
use crate::metrics::{self, Accuracy};
use crate::policy::seed::sample_seed;
use crate::policy::{self, Completion, Policy, PromptRequest, SamplingParams};
use crate::selection::TrainedProblems;
use crate::task::prompt;
use crate::task::{self, Answered, Task};
use crate::types::{Mode, Problem, ProblemId, Split, Style, Verdict};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// How problems are sampled.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// The held-out problems.
    pub evaluation: EvaluationConfig,
    /// Worked examples in front, which show their rationales.
    pub few_shot: usize,
    /// Samples of each problem.
    pub samples: u32,
    /// How they are drawn.
    pub params: SamplingParams,
    /// The seed that all others are made from.
    pub seed: u64,
}

/// The figures of several samples of each problem.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SelfConsistency {
    /// The SHA-256 of the weights.
    pub checkpoint: String,
    /// The problems.
    pub split: Split,
    /// Samples of each problem.
    pub samples: u32,
    /// The temperature that they were drawn at.
    pub temperature: f64,
    /// For 1, 2, 4 and so on up to all samples.
    pub at: Vec<AtK>,
    /// Tokens generated.
    pub tokens: u64,
    /// Samples without a verdict, because the user's verifier program failed. They count as not right.
    #[serde(skip_serializing_if = "is_default")]
    pub without_verdict: u64,
}

/// The figures of k samples of each problem.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AtK {
    /// How many samples.
    pub k: u32,
    /// Share of problems, 0..=1, that the majority of the first k samples has right.
    pub majority: Accuracy,
    /// Mean over problems of the chance that one of k samples is right, 0..=1, estimated from all samples.
    pub pass: f64,
    /// The 95% interval of `pass` over problems (Wilson 1927, with as many cases as the spread between problems is worth).
    pub pass_interval: [f64; 2],
}

/// The samples of one problem.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampledProblem {
    /// The problem.
    pub problem: ProblemId,
    /// The class in which accuracy is reported.
    pub class: String,
    /// The completions, in the order of the samples.
    pub completions: Vec<String>,
    /// The verdict on each.
    pub verdicts: Vec<Verdict>,
    /// True if the majority of all is right.
    pub majority_is_right: bool,
}

/// Samples the model `checkpoint` on every held-out problem of the split.
///
/// # Errors
/// Those of the policy and of the task's verdict.
pub fn measure(
    task: &dyn Task,
    asked: &Sampled,
    policy: &mut dyn Policy,
    checkpoint: &Path,
    observer: &mut dyn Observer,
) -> Result<(SelfConsistency, Vec<SampledProblem>)> {
    let split = asked.evaluation.split;
    let problems = asked.evaluation.problems(task, split, 0);
    let request = |problem: &Problem| {
        let seed = |sample| sample_seed(asked.seed, 0, Mode::Unhinted, &problem.id, sample);
        let prompt = prompt::assemble(task, problem, Mode::Unhinted, Style::Rationale, asked.few_shot);
        PromptRequest { prompt, seeds: (0..asked.samples).map(seed).collect() }
    };
    let requests: Vec<PromptRequest> = problems.iter().map(request).collect();
    let total = requests.len() as u64 * u64::from(asked.samples);
    TrainedProblems::of_checkpoint(checkpoint)?.refuse(checkpoint, task, split, 0)?;
    let checkpoint = policy.load(checkpoint)?;
    let (method, iteration, stage) = ("self-consistency".to_owned(), 0, Stage::Evaluating);
    observer.observe(&Event::StageStarted { method: method.clone(), iteration, stage, total }).or_cancelled()?;
    let began = Instant::now();
    let completions = policy.sample(&requests, &asked.params, &mut |progress| {
        observer.observe(&Event::StageProgress { done: progress.finished, tokens: progress.tokens, loss: None })
    });
    let completions = completions.map_err(|error| error.naming(|request| Some(problems.get(request)?.id.to_string())))?;
    let completions = policy::checked(completions, &requests)?;
    let tokens = completions.iter().map(|completion| completion.completion_tokens as u64).sum();
    let seconds = began.elapsed().as_secs_f64();
    observer.observe(&Event::StageFinished { method, iteration, stage, tokens, seconds, reused: false }).or_cancelled()?;
    let mut drawn = completions.into_iter();
    let mut sampled = Vec::with_capacity(problems.len());
    for problem in problems {
        let drawn: Vec<Completion> = drawn.by_ref().take(asked.samples as usize).collect();
        let answers: Vec<Answered<'_>> =
            drawn.iter().map(|drawn| Answered { problem: &problem, completion: &drawn.text, stop_reason: &drawn.stop_reason }).collect();
        let grades = task::checked(task.verify_all(&answers)?, answers.len())?;
        let verdicts: Vec<Verdict> = grades.into_iter().map(|grade| grade.verdict).collect();
        let completions = drawn.into_iter().map(|completion| completion.text).collect();
        let majority_is_right = evaluation::majority_is_right(verdicts.iter());
        sampled.push(SampledProblem { problem: problem.id, class: problem.class, completions, verdicts, majority_is_right });
    }
    let at = ks(asked.samples).into_iter().map(|k| at_k(&sampled, asked.samples, k)).collect();
    let (samples, temperature) = (asked.samples, asked.params.temperature);
    let is_failed = |verdict: &&Verdict| matches!(verdict, Verdict::Failed { .. });
    let without_verdict = sampled.iter().flat_map(|problem| &problem.verdicts).filter(is_failed).count() as u64;
    Ok((SelfConsistency { checkpoint, split, samples, temperature, at, tokens, without_verdict }, sampled))
}

/// 1, 2, 4 and so on, and `samples` itself.
pub(crate) fn ks(samples: u32) -> Vec<u32> {
    let powers = std::iter::successors(Some(1_u32), |k| k.checked_mul(2)).take_while(|k| *k < samples);
    powers.chain(std::iter::once(samples)).collect()
}

fn at_k(sampled: &[SampledProblem], samples: u32, k: u32) -> AtK {
    let problems = sampled.len() as f64;
    // Samples are drawn alike, so the first k are any k.
    let majority = sampled.iter().filter(|problem| evaluation::majority_is_right(problem.verdicts.iter().take(k as usize))).count();
    let right = |problem: &SampledProblem| problem.verdicts.iter().filter(|verdict| verdict.is_correct()).count() as u64;
    let passes: Vec<f64> = sampled.iter().map(|problem| evaluation::pass_at_k(samples.into(), right(problem), k.into())).collect();
    let pass = passes.iter().sum::<f64>() / problems;
    let pass_interval = metrics::wilson(pass, cases(&passes, pass));
    AtK { k, majority: Accuracy::new(majority as u64, sampled.len() as u64), pass, pass_interval }
}

/// The number of right-or-wrong cases whose mean is as certain as the mean of these values in 0..=1: at least the number of values, and more if
/// the values are closer together.
fn cases(values: &[f64], mean: f64) -> f64 {
    let count = values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    // Equal values do not tell the spread.
    if variance > 0.0 { count * mean * (1.0 - mean) / variance } else { count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ks_double_up_to_all() {
        assert_eq!(ks(1), [1]);
        assert_eq!(ks(8), [1, 2, 4, 8]);
        assert_eq!(ks(10), [1, 2, 4, 8, 10]);
    }

    #[test]
    fn majority_and_pass_over_problems() {
        let problem = |votes: &str| SampledProblem {
            problem: ProblemId("p".into()),
            class: String::new(),
            completions: Vec::new(),
            verdicts: votes
                .chars()
                .map(|vote| if vote == '+' { Verdict::Correct } else { Verdict::Wrong { predicted: vote.into() } })
                .collect(),
            majority_is_right: false,
        };
        let sampled = ["++++", "abc+", "aabb"].map(problem);
        let figures = |k| {
            let at = at_k(&sampled, 4, k);
            (at.majority.correct, (1e6 * at.pass).round() / 1e6)
        };
        // One of four: 1/4, 1/2 of the pairs, and always among all four.
        assert_eq!(figures(1), (1, 0.416_667));
        assert_eq!(figures(2), (1, 0.5));
        assert_eq!(figures(4), (1, 0.666_667));
        let Accuracy { low, high, .. } = Accuracy::new(2, 3);
        assert!(is_near(at_k(&sampled, 4, 4).pass_interval, [low, high]), "each problem is right or wrong");
        let [low, high] = at_k(&sampled, 4, 2).pass_interval;
        assert!(high - low < 0.8 && low > 0.1 && high < 0.9, "chances between say more: {low} {high}");
        let Accuracy { low, high, .. } = Accuracy::new(3, 3);
        let all_right = ["++++", "++++", "++++"].map(problem);
        assert!(is_near(at_k(&all_right, 4, 2).pass_interval, [low, high]), "three problems do not prove that all are right");
    }

    fn is_near(got: [f64; 2], expected: [f64; 2]) -> bool {
        got.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-9)
    }
}
