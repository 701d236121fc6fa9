//! The paper's arithmetic experiment: the sum of two n-digit numbers, worked out in a scratchpad (Zelikman et al. 2022, section 4.2).
//!
//! Problems are generated, so there are always fresh ones. Which pairs of numbers are held out is a property of the pair ([`split_of`]):
//! train, dev and test are disjoint by construction in every run.

pub mod corpus;
mod pairs;
mod scratchpad;
mod verdict;
pub mod vocabulary;

pub use pairs::split_of;

use crate::error::Result;
use crate::task::{ConfigError, Identity, Task, TaskSettings, WorkedExample, paper};
use crate::types::{Grade, Mode, Problem, ProblemId, Split, StopReason, Style};
use pairs::Pool;
use scratchpad::Walk;
use serde::{Deserialize, Serialize};
use starloop_record::info::PaperFigure;
use std::collections::HashSet;

/// The sums that are learned and measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ArithmeticConfig {
    /// The smallest and the largest digit count n of the two numbers (paper: 1 to 5).
    pub digits: [u32; 2],
    /// Problems sampled in each iteration, at most 50,000 (paper: 10,000).
    pub problems_per_iteration: usize,
    /// Longer numbers that join later (paper: 6 to 10 digits after iteration 20).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension: Option<ExtensionConfig>,
    /// Held-out problems per digit count, at most 10,000. One digit has fewer than ten in each split; all of them are used.
    pub evaluation_per_class: usize,
}

impl Default for ArithmeticConfig {
    fn default() -> Self {
        ArithmeticConfig { digits: [1, 5], problems_per_iteration: 2_000, extension: None, evaluation_per_class: 200 }
    }
}

/// Longer numbers that join the problems at some iteration, training and evaluation alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExtensionConfig {
    /// The first iteration (counted from 1) that has them (paper: 21, the first after iteration 20).
    pub from_iteration: u32,
    /// The smallest and the largest digit count that joins (paper: 6 to 10).
    #[serde(default = "ExtensionConfig::paper_digits")]
    pub digits: [u32; 2],
}

impl ExtensionConfig {
    fn paper_digits() -> [u32; 2] {
        [6, 10]
    }
}

impl TaskSettings for ArithmeticConfig {
    fn build(&self, seed: u64) -> Result<Box<dyn Task>, ConfigError> {
        Ok(Box::new(ArithmeticTask::new(self.clone(), seed)?))
    }

    fn grader(&self) -> Result<Box<dyn Task>, ConfigError> {
        self.build(0)
    }
}

impl ArithmeticConfig {
    /// Checks every value. The error names the first that is not allowed.
    pub fn check(&self) -> Result<(), ConfigError> {
        check_digits("digits", self.digits)?;
        let in_range = |n: usize, most: usize| (1..=most).contains(&n);
        ConfigError::check(in_range(self.problems_per_iteration, pairs::PLENTY), "problems_per_iteration", || {
            format!("{} is not in 1..={}", self.problems_per_iteration, pairs::PLENTY)
        })?;
        ConfigError::check(in_range(self.evaluation_per_class, 10_000), "evaluation_per_class", || {
            format!("{} is not in 1..=10000", self.evaluation_per_class)
        })?;
        let Some(extension) = &self.extension else { return Ok(()) };
        check_digits("extension.digits", extension.digits)?;
        ConfigError::check(extension.digits[0] > self.digits[1], "extension.digits", || {
            format!("{:?} must lie above digits = {:?}", extension.digits, self.digits)
        })?;
        ConfigError::check(extension.from_iteration >= 1, "extension.from_iteration", || "iterations are counted from 1".to_owned())
    }
}

fn check_digits(key: &'static str, [low, high]: [u32; 2]) -> Result<(), ConfigError> {
    let most = pairs::MAX_DIGITS;
    ConfigError::check(1 <= low && low <= high && high <= most, key, || {
        format!("[{low}, {high}] is not a range [smallest, largest] within 1..={most}")
    })
}

/// The task. See the module's page.
#[derive(Debug, Clone)]
pub struct ArithmeticTask {
    config: ArithmeticConfig,
    seed: u64,
}

impl ArithmeticTask {
    /// The task of a run. The seed decides which training problems an iteration gets, and the worked examples; held-out problems are the
    /// same for every seed.
    pub fn new(config: ArithmeticConfig, seed: u64) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(ArithmeticTask { config, seed })
    }

    /// The digit counts in force at an iteration.
    fn digit_counts(&self, iteration: u32) -> Vec<u32> {
        let range = |[low, high]: [u32; 2]| low..=high;
        let joined = self.config.extension.iter().filter(|extension| iteration >= extension.from_iteration);
        range(self.config.digits).chain(joined.flat_map(|extension| range(extension.digits))).collect()
    }
}

impl Task for ArithmeticTask {
    fn name(&self) -> &'static str {
        "arithmetic"
    }

    fn classes(&self, iteration: u32) -> Vec<String> {
        self.digit_counts(iteration).into_iter().map(class).collect()
    }

    /// The digit count is uniform over those in force. No problem comes twice in an iteration: a digit count whose pairs are used up (one
    /// digit has about 70) leaves its share to the others.
    fn training_problems(&self, iteration: u32) -> Vec<Problem> {
        let rng = &mut pairs::generator("arithmetic training problems", &[self.seed, u64::from(iteration)]);
        let mut left: Vec<(u32, usize)> =
            self.digit_counts(iteration).into_iter().map(|digits| (digits, pairs::capacity(Pool::Problems, digits))).collect();
        let mut seen = HashSet::new();
        let mut problems = Vec::with_capacity(self.config.problems_per_iteration);
        while problems.len() < self.config.problems_per_iteration && !left.is_empty() {
            let chosen = rand::RngExt::random_range(rng, 0..left.len());
            let digits = left[chosen].0;
            let pair = pairs::draw_pair(digits, rng, |a, b| !seen.contains(&(a, b)) && pairs::pool_of(a, b) == Pool::Problems);
            seen.insert(pair);
            problems.push(problem(Split::Train, digits, pair));
            left[chosen].1 -= 1;
            left.retain(|&(_, pairs)| pairs > 0);
        }
        problems
    }

    fn training_count(&self, iteration: u32) -> usize {
        let pairs = self.digit_counts(iteration).into_iter().map(|digits| pairs::capacity(Pool::Problems, digits));
        self.config.problems_per_iteration.min(pairs.fold(0, usize::saturating_add))
    }

    fn evaluation_count(&self, split: Split, iteration: u32) -> usize {
        let (pool, _) = measured(split);
        let of_class = |digits| self.config.evaluation_per_class.min(pairs::capacity(pool, digits));
        self.digit_counts(iteration).into_iter().map(of_class).fold(0, usize::saturating_add)
    }

    /// The same problems for every seed and iteration, class by class. Of [`Split::Train`], the worked examples' pairs.
    fn evaluation_problems(&self, split: Split, iteration: u32) -> Vec<Problem> {
        let (pool, label) = measured(split);
        let of_class = |digits: u32| {
            let rng = &mut pairs::generator(label, &[u64::from(digits)]);
            let pairs = pairs::distinct_pairs(pool, digits, self.config.evaluation_per_class, rng);
            pairs.into_iter().map(move |pair| problem(split, digits, pair))
        };
        self.digit_counts(iteration).into_iter().flat_map(of_class).collect()
    }

    /// A pair and its mirror image are the same problem, as in `pairs`.
    fn identity(&self, problem: &Problem) -> Identity {
        parse_question(&problem.question)
            .map_or_else(|| Identity::of_question(problem), |(_, (a, b))| Identity::of_texts([pairs::name(a, b).as_str()]))
    }

    fn prompt(&self, problem: &Problem, mode: Mode) -> String {
        match mode {
            Mode::Unhinted => scratchpad::prompt(&problem.question, None),
            Mode::Hinted => scratchpad::prompt(&problem.question, Some(&hint(problem))),
        }
    }

    /// The last digits of the hint, which are those that the scratchpad comes to first.
    fn partly_hinted_prompt(&self, problem: &Problem, share: f64) -> Option<String> {
        let whole = hint(problem);
        let digits: Vec<&str> = whole.split(' ').collect();
        let shown = ((share * digits.len() as f64).ceil() as usize).min(digits.len());
        let part = digits[digits.len() - shown..].join(" ");
        Some(scratchpad::prompt(&problem.question, (shown > 0).then_some(part.as_str())))
    }

    /// The same examples for all problems of a class, so that the prefix can be shared. They come from pairs that are never problems.
    fn worked_examples(&self, problem: &Problem, mode: Mode, style: Style, count: usize) -> Vec<WorkedExample> {
        let Some((digits, _)) = parse_question(&problem.question) else { return Vec::new() };
        let rng = &mut pairs::generator("arithmetic worked examples", &[self.seed, u64::from(digits)]);
        let pairs = pairs::distinct_pairs(Pool::WorkedExamples, digits, count, rng);
        let worked = |(a, b)| {
            let walk = Walk::addition(a, b, digits as usize, "+");
            let hint = (mode == Mode::Hinted).then(|| walk.last_line());
            let completion = match style {
                Style::Rationale => walk.completion(),
                Style::Direct => walk.answer(),
            };
            WorkedExample { prompt: scratchpad::prompt(&walk.question(), hint.as_deref()), completion }
        };
        pairs.into_iter().map(worked).collect()
    }

    fn separator(&self) -> &'static str {
        "\n"
    }

    /// After the answer, a few-shot prompt invites another problem.
    fn stop_strings(&self) -> Vec<String> {
        vec![format!("\n{}", scratchpad::INPUT)]
    }

    fn verify(&self, problem: &Problem, completion: &str, stop_reason: &StopReason) -> Result<Grade> {
        Ok(verdict::verify(&problem.answer, completion, stop_reason).into())
    }

    fn reference(&self, problem: &Problem) -> Option<String> {
        let (digits, (a, b)) = parse_question(&problem.question)?;
        Some(Walk::addition(a, b, digits as usize, "+").completion())
    }

    fn direct_completion(&self, problem: &Problem) -> String {
        problem.answer.clone()
    }

    fn leaks_hint(&self, completion: &str) -> bool {
        verdict::leaks_hint(completion)
    }

    /// There is one right scratchpad for each problem, so any other has a false step. An answer alone has no step to check.
    fn has_false_step(&self, problem: &Problem, completion: &str) -> Option<bool> {
        self.reference(problem)
            .filter(|_| completion.contains(scratchpad::OPEN) || completion.contains(scratchpad::CLOSE))
            .map(|reference| reference.trim() != completion.trim())
    }

    fn checks_steps(&self) -> bool {
        true
    }

    fn paper_figures(&self) -> Vec<PaperFigure> {
        paper::arithmetic()
    }
}

/// The name of a group: `1 digit`, `3 digits`.
fn class(digits: u32) -> String {
    format!("{digits} digit{}", if digits == 1 { "" } else { "s" })
}

fn problem(split: Split, digits: u32, (a, b): (u64, u64)) -> Problem {
    let split = split.name();
    let walk = Walk::addition(a, b, digits as usize, "+");
    Problem {
        id: ProblemId(format!("arithmetic/{split}/{a}+{b}")),
        class: class(digits),
        question: walk.question(),
        answer: walk.answer(),
        choices: Vec::new(),
    }
}

/// The hint is the last line of the scratchpad: one digit more than the numbers have, a leading 0 kept.
fn hint(problem: &Problem) -> String {
    let width = parse_question(&problem.question).map_or(0, |(digits, _)| digits as usize + 1);
    let length = problem.answer.split_ascii_whitespace().count();
    "0 ".repeat(width.saturating_sub(length)) + &problem.answer
}

/// `6 2 4 + 2 5 9` as 3 digits and (624, 259); `None` for anything that is not two numbers of equal length.
fn parse_question(question: &str) -> Option<(u32, (u64, u64))> {
    let (left, right) = question.split_once('+')?;
    let digits = |side: &str| side.split_ascii_whitespace().collect::<String>();
    let (left, right) = (digits(left), digits(right));
    let plain = |side: &str| side.bytes().all(|b| b.is_ascii_digit());
    let length = u32::try_from(left.len()).ok().filter(|length| (1..=pairs::MAX_DIGITS).contains(length))?;
    if left.len() != right.len() || !plain(&left) || !plain(&right) {
        return None;
    }
    Some((length, (left.parse().ok()?, right.parse().ok()?)))
}

/// The pool of the problems of a split, and the label of their draw.
fn measured(split: Split) -> (Pool, &'static str) {
    match split {
        Split::Train => (Pool::WorkedExamples, "arithmetic train evaluation"),
        Split::Dev => (Pool::Dev, "arithmetic dev"),
        Split::Test => (Pool::Test, "arithmetic test"),
    }
}

#[cfg(test)]
mod tests;
