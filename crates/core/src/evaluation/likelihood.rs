//! Multiple choice by likelihood, as evaluation harnesses measure it: each choice is scored as a continuation of the prompt, and the most
//! likely one is the answer. Nothing is sampled, so no answer can be unreadable.
//!
//! Long choices are less likely than short ones. So a second figure divides each log-probability by the choice's bytes,
//! which no tokenizer changes.

use crate::config::EvaluationConfig;
use crate::error::{Error, OrCancelled, Result};
use crate::event::{Event, Observer, Stage};
use crate::metrics::Accuracy;
use crate::policy::{ScoreRequest, Scorer};
use crate::selection::TrainedProblems;
use crate::task::Task;
use crate::task::prompt;
use crate::types::{Mode, Problem, ProblemId, Split, Style};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// The choices of a model over many problems.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ByLikelihood {
    /// The SHA-256 of the weights.
    pub checkpoint: String,
    /// The problems.
    pub split: Split,
    /// The accuracy of guessing, 0..=1.
    pub chance: f64,
    /// Of the most likely choice.
    pub accuracy: Accuracy,
    /// Of the choice that is most likely for its length in bytes.
    pub accuracy_per_byte: Accuracy,
}

/// One problem with the likelihoods of its choices.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoredProblem {
    /// The problem.
    pub problem: ProblemId,
    /// The choices.
    pub choices: Vec<String>,
    /// The log-probability of each (natural logarithm), summed over its tokens.
    pub logprobs: Vec<f64>,
    /// The place of the right choice, from 0.
    pub right: usize,
    /// The place of the most likely one.
    pub chosen: usize,
    /// The place of the most likely one for its length in bytes.
    pub chosen_per_byte: usize,
}

/// Asks the model `checkpoint` the held-out problems that `evaluation` names, with `few_shot` worked examples that show the answers alone.
///
/// # Errors
/// A problem has no choices, its known answer is not among them, or the policy fails.
pub fn measure(
    task: &dyn Task,
    evaluation: &EvaluationConfig,
    few_shot: usize,
    policy: &mut dyn Scorer,
    checkpoint: &Path,
    observer: &mut dyn Observer,
) -> Result<(ByLikelihood, Vec<ScoredProblem>)> {
    let split = evaluation.split;
    let problems = evaluation.problems(task, split, 0);
    let right = problems.iter().map(right_choice).collect::<Result<Vec<_>>>()?;
    let mut requests = Vec::new();
    for problem in &problems {
        let prompt = prompt::assemble(task, problem, Mode::Unhinted, Style::Direct, few_shot);
        let blank = if prompt.ends_with(char::is_whitespace) { "" } else { " " };
        requests
            .extend(problem.choices.iter().map(|choice| ScoreRequest { prompt: prompt.clone(), continuation: format!("{blank}{choice}") }));
    }
    TrainedProblems::of_checkpoint(checkpoint)?.refuse(checkpoint, task, split, 0)?;
    let checkpoint = policy.load(checkpoint)?;
    let (method, iteration, stage) = ("likelihood".to_owned(), 0, Stage::Evaluating);
    observer.observe(&Event::StageStarted { method: method.clone(), iteration, stage, total: requests.len() as u64 }).or_cancelled()?;
    let began = Instant::now();
    let mut tokens = 0;
    let logprobs = policy.score(&requests, &mut |progress| {
        tokens = progress.tokens;
        observer.observe(&Event::StageProgress { done: progress.finished, tokens, loss: None })
    });
    let mut asked = problems.iter().flat_map(|problem| problem.choices.iter().map(|_| problem.id.to_string()));
    let logprobs = logprobs.map_err(|error| error.naming(|request| asked.nth(request)))?;
    if logprobs.len() != requests.len() {
        return Err(Error::SampleCount { expected: requests.len(), got: logprobs.len() });
    }
    let seconds = began.elapsed().as_secs_f64();
    observer.observe(&Event::StageFinished { method, iteration, stage, tokens, seconds, reused: false }).or_cancelled()?;
    let mut logprobs = logprobs.into_iter();
    let mut scored = Vec::with_capacity(problems.len());
    for (problem, right) in problems.into_iter().zip(right) {
        scored.push(choose(problem, right, logprobs.by_ref())?);
    }
    let accuracy = |chosen: fn(&ScoredProblem) -> usize| {
        let correct = scored.iter().filter(|problem| chosen(problem) == problem.right).count();
        Accuracy::new(correct as u64, scored.len() as u64)
    };
    let (accuracy, accuracy_per_byte) = (accuracy(|problem| problem.chosen), accuracy(|problem| problem.chosen_per_byte));
    Ok((ByLikelihood { checkpoint, split, chance: task.chance(), accuracy, accuracy_per_byte }, scored))
}

/// Takes the problem's own log-probabilities from those that are left.
fn choose(problem: Problem, right: usize, logprobs: &mut dyn Iterator<Item = f64>) -> Result<ScoredProblem> {
    let Problem { id, choices, .. } = problem;
    let logprobs: Vec<f64> = logprobs.take(choices.len()).collect();
    if let Some(&value) = logprobs.iter().find(|logprob| !logprob.is_finite()) {
        return Err(Error::NotFinite { what: "the log-probability of a choice", value, place: id.0 });
    }
    let per_byte: Vec<f64> = logprobs.iter().zip(&choices).map(|(logprob, choice)| logprob / choice.len().max(1) as f64).collect();
    let (chosen, chosen_per_byte) = (highest(&logprobs), highest(&per_byte));
    Ok(ScoredProblem { problem: id, choices, logprobs, right, chosen, chosen_per_byte })
}

/// The place of the highest value, the first of equals.
fn highest(values: &[f64]) -> usize {
    (0..values.len()).rev().max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0)
}

/// The place of the choice that the known answer names, by its text or by its letter.
fn right_choice(problem: &Problem) -> Result<usize> {
    let Problem { id, answer, choices, .. } = problem;
    if choices.is_empty() {
        return Err(Error::NoChoices { problem: id.to_string() });
    }
    let letter = || match answer.to_ascii_lowercase().as_bytes() {
        [letter @ b'a'..=b'z'] => Some(usize::from(letter - b'a')).filter(|place| *place < choices.len()),
        _ => None,
    };
    choices.iter().position(|choice| choice == answer).or_else(letter).ok_or_else(|| Error::KnownAnswer {
        problem: id.to_string(),
        message: format!("its answer {answer:?} is not among its choices: {}", choices.join(", ")),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn problem(answer: &str, choices: &[&str]) -> Problem {
        let choices = choices.iter().map(|&choice| choice.to_owned()).collect();
        Problem { id: ProblemId("p".into()), class: String::new(), question: String::new(), answer: answer.into(), choices }
    }

    #[test]
    fn the_right_choice_is_named_by_text_or_letter() {
        for (answer, choices, right) in [
            ("pond", &["sea", "pond"][..], Some(1)),
            ("b", &["sea", "pond"], Some(1)),
            ("B", &["sea", "pond"], Some(1)),
            ("a", &["b", "a"], Some(1)),
            ("c", &["sea", "pond"], None),
        ] {
            assert_eq!(right_choice(&problem(answer, choices)).ok(), right, "{answer}");
        }
        let error = right_choice(&problem("c", &["sea", "pond"])).unwrap_err().to_string();
        assert_eq!(error, "p: its answer \"c\" is not among its choices: sea, pond");
        assert!(matches!(right_choice(&problem("c", &[])), Err(Error::NoChoices { .. })));
    }

    #[test]
    fn a_long_choice_is_judged_by_its_length() {
        let scored = choose(problem("a", &["sea", "a large body of water"]), 0, &mut [-3.0, -4.0, -9.0].into_iter()).unwrap();
        assert_eq!((scored.chosen, scored.chosen_per_byte, scored.logprobs), (0, 1, vec![-3.0, -4.0]));
        assert_eq!(highest(&[-2.0, -1.0, -1.0]), 1, "the first of equals");
        let error = choose(problem("a", &["sea"]), 0, &mut [f64::NAN].into_iter()).unwrap_err();
        assert!(matches!(error, Error::NotFinite { place, .. } if place == "p"));
    }
}
