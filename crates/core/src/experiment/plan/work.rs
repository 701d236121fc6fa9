//! The work of a method: its prompts, tokens and steps, at most. [`crate::method::Method::estimate`] counts attempts and steps; the texts of
//! the problems give their lengths.

use super::problems::Problems;
use crate::error::Result;
use crate::experiment::ResolvedMethod;
use crate::method::Estimate;
use crate::task::WorkedExample;
use crate::types::{Mode, Problem, Style};
use serde::Serialize;

/// Mean tokens of the parts of a prompt and of the completion.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lengths {
    /// The worked examples.
    pub worked_examples: f64,
    /// The problem.
    pub problem: f64,
    /// The completion, its end token included.
    pub completion: f64,
}

/// The largest numbers of requests and training examples of a method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Work {
    /// Outer iterations.
    pub iterations: u32,
    /// Prompts, as if every problem needed a rationalization.
    pub prompts: u64,
    /// Tokens of all prompts.
    pub prompt_tokens: f64,
    /// Those of them that are not of the worked examples, which stay the same from prompt to prompt.
    pub own_prompt_tokens: f64,
    /// Tokens of a prompt, on average.
    pub mean_prompt: f64,
    /// Tokens of a completion, on average.
    pub mean_completion: f64,
    /// Tokens of all completions.
    pub completion_tokens: f64,
    /// Optimizer steps.
    pub steps: u64,
    /// Tokens that go through the model in training, as if every packed sequence were full.
    pub trained_tokens: u64,
    /// Tokens of an example that is learned, on average.
    pub mean_example: f64,
    /// How often servers start or load another checkpoint, if servers sample: for the base, and for the model of each iteration.
    pub server_starts: u64,
    /// How often a training program starts, if one trains.
    pub trainer_starts: u64,
}

impl Lengths {
    /// Counts the texts of a method. If problems have no known rationale, completions are as long as those of the worked examples.
    pub(super) fn of(problems: &Problems, method: &ResolvedMethod) -> Result<Self> {
        let style = method.method.style();
        let (mut prompts, mut completions, mut examples) = (Mean::default(), Mean::default(), Mean::default());
        for problem in &problems.sample {
            prompts.add(problems.tokens(&problems.task.prompt(problem, Mode::Unhinted))?);
            completion_tokens(problems, problem, style)?.into_iter().for_each(|tokens| completions.add(tokens));
            examples.add(worked_example_tokens(problems, problem, style, method.settings.sampling.few_shot)?);
        }
        let limit = method.settings.sampling.max_new_tokens as f64;
        // An answer alone is as long as it is.
        let stretch = if style == Style::Rationale { problems.stretch } else { 1.0 };
        let completion = (stretch * completions.mean_or(limit)).min(limit);
        Ok(Lengths { worked_examples: examples.mean(), problem: problems.stretch * prompts.mean(), completion })
    }
}

/// Tokens of each training example that the sampled problems give a method, prompt and completion together.
pub(super) fn example_tokens(problems: &Problems, method: &ResolvedMethod) -> Result<Vec<usize>> {
    let style = method.method.style();
    let few_shot = if method.settings.training.train_with_few_shot { method.settings.sampling.few_shot } else { 0 };
    let mut lengths = Vec::new();
    for problem in &problems.sample {
        let prompt = problems.tokens(&problems.task.prompt(problem, Mode::Unhinted))?;
        let shown = worked_example_tokens(problems, problem, style, few_shot)?;
        let mut completions = completion_tokens(problems, problem, style)?;
        if completions.is_empty() {
            // Without a known rationale and without a worked example, the longest completion bounds the length.
            completions.push(method.settings.sampling.max_new_tokens as f64);
        }
        lengths.extend(completions.into_iter().map(|completion| (problems.stretch * (prompt + completion) + shown).ceil() as usize));
    }
    Ok(lengths)
}

/// Tokens of a problem's completion with its end token. If its rationale is not known, those of all worked examples.
fn completion_tokens(problems: &Problems, problem: &Problem, style: Style) -> Result<Vec<f64>> {
    let task = problems.task.as_ref();
    let completion = match style {
        Style::Direct => Some(task.direct_completion(problem)),
        Style::Rationale => task.reference(problem),
    };
    let texts = completion.map_or_else(
        || task.worked_examples(problem, Mode::Unhinted, style, usize::MAX).into_iter().map(|example| example.completion).collect(),
        |completion| vec![completion],
    );
    texts.iter().map(|text| Ok(problems.tokens(text)? + 1.0)).collect()
}

fn worked_example_tokens(problems: &Problems, problem: &Problem, style: Style, count: usize) -> Result<f64> {
    let task = problems.task.as_ref();
    let examples = task.worked_examples(problem, Mode::Unhinted, style, count).into_iter();
    let tokens = examples.map(|WorkedExample { prompt, completion }| {
        Ok(problems.tokens(&prompt)? + problems.tokens(&completion)? + problems.tokens(task.separator())?)
    });
    tokens.sum()
}

impl Work {
    /// The largest numbers of requests and training examples of a method.
    pub(super) fn of(problems: &Problems, method: &ResolvedMethod, lengths: &Lengths) -> Self {
        let task = problems.task.as_ref();
        let Estimate { iterations, attempts, evaluations, steps, trained_tokens } = method.estimate(task);
        let of_the_base = task.evaluation_problems(method.settings.evaluation.split, 0).len() as u64;
        let share_with_examples = match method.settings.sampling.few_shot_iterations {
            0 => 1.0,
            shown => f64::from(shown.min(iterations)) / f64::from(iterations.max(1)),
        };
        let evaluated_with = method.settings.evaluation.few_shot.map_or(share_with_examples, |examples| f64::from(u8::from(examples > 0)));
        let of_the_tuned = evaluations.saturating_sub(of_the_base) as f64;
        let with_examples = attempts as f64 * share_with_examples + of_the_base as f64 + of_the_tuned * evaluated_with;
        let prompts = attempts + evaluations;
        let own_prompt_tokens = prompts as f64 * lengths.problem;
        let prompt_tokens = own_prompt_tokens + with_examples * lengths.worked_examples;
        let trainings = if steps > 0 { u64::from(iterations) } else { 0 };
        Work {
            iterations,
            prompts,
            prompt_tokens,
            own_prompt_tokens,
            mean_prompt: prompt_tokens / (prompts as f64).max(1.0),
            mean_completion: lengths.completion,
            completion_tokens: prompts as f64 * lengths.completion,
            steps,
            trained_tokens,
            mean_example: lengths.problem + lengths.completion,
            server_starts: 1 + trainings,
            trainer_starts: trainings,
        }
    }
}

/// A mean of values that come one by one.
#[derive(Default)]
pub(super) struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1.0;
    }

    /// The mean, or 0 of no values.
    pub(super) fn mean(&self) -> f64 {
        self.mean_or(0.0)
    }

    pub(super) fn mean_or(&self, otherwise: f64) -> f64 {
        if self.count > 0.0 { self.sum / self.count } else { otherwise }
    }
}
