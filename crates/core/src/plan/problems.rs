//! How many problems there are and how long their texts are, also where the data is not there yet: from the published sizes and the worked
//! examples that come with the task.

use super::Assumptions;
use crate::config::{Config, MethodConfig};
use crate::error::{EngineContext, Error, Result};
use crate::experiment;
use crate::method::{self, Estimate};
use crate::task::{Split, Style, Task, WorkedExample};
use crate::types::{Grade, Mode, Problem, ProblemId, StopReason};
use serde::Serialize;
use starloop_lm::tokenizer::Tokenizer;
use std::path::Path;

/// Problems of the published files: training problems, and those of the final figure (Cobbe et al. 2021; Talmor et al. 2019, whose test
/// answers are not published, so that dev gives it). Of GSM8K, whose files hold question and solution and little else, also the letters of a
/// row: 4,166,206 bytes less 32 of JSON a row.
const PUBLISHED: [Published; 2] = [
    Published { name: "gsm8k", train: 7_473, test: 1_319, letters: Some(525.0) },
    Published { name: "commonsense_qa", train: 9_741, test: 1_221, letters: None },
];
/// Problems whose texts are measured.
const MEASURED: usize = 128;

/// The size of a published data set.
struct Published {
    name: &'static str,
    train: usize,
    test: usize,
    /// Letters of a question and its solution.
    letters: Option<f64>,
}

/// The problems of a plan.
pub(super) struct Problems {
    pub task: Box<dyn Task>,
    /// Where counts and texts come from.
    pub source: String,
    counts_tokens: Counter,
    sample: Vec<Problem>,
    /// How much longer problems and completions are than the texts that are measured.
    stretch: f64,
}

/// How tokens are counted.
enum Counter {
    Tokenizer(Box<Tokenizer>),
    /// Letters of a token.
    Letters(f64),
}

/// Tokens of the parts of a prompt and of what follows, on average.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lengths {
    /// The worked examples.
    pub worked_examples: f64,
    /// The problem.
    pub problem: f64,
    /// The completion, its end token included.
    pub completion: f64,
}

/// What a method asks and learns, at most.
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
}

impl Problems {
    /// The problems of the config, or of another number, counted with the tokenizer in `directory` if there is one.
    pub fn of(config: &Config, directory: Option<&Path>, problems: Option<usize>, assumptions: &Assumptions) -> Result<Self> {
        let tokenizer = directory.filter(|directory| directory.join("tokenizer.json").exists()).map(Tokenizer::load).transpose();
        let tokenizer = tokenizer.during("counting tokens")?;
        let counts_tokens = tokenizer.map_or(Counter::Letters(assumptions.letters_per_token), |t| Counter::Tokenizer(Box::new(t)));
        let StandIn { task, mut source, stretch } = match experiment::task(config) {
            Ok(task) => StandIn { task, source: "the config's data".to_owned(), stretch: 1.0 },
            Err(error) => stand_in(config, problems).ok_or(error)?,
        };
        let sample: Vec<Problem> = task.training_problems(1).into_iter().take(MEASURED).collect();
        let task: Box<dyn Task> = match problems {
            None => task,
            Some(wanted) => {
                let problem = sample.first().cloned();
                let problem = problem.ok_or_else(|| Error::Corrupt { path: "[task]".into(), message: "has no problems".into() })?;
                let held_out = |split| task.evaluation_problems(split, 0).len();
                let (dev, test) = (held_out(Split::Dev), held_out(Split::Test));
                source = format!("{wanted} problems an iteration as asked, texts of {source}");
                Box::new(Counted { task, problem, train: wanted, dev, test })
            }
        };
        Ok(Problems { task, source, counts_tokens, sample, stretch })
    }

    /// How tokens are counted, in words.
    pub fn counted_by(&self) -> String {
        match &self.counts_tokens {
            Counter::Tokenizer(_) => "the base's tokenizer".to_owned(),
            Counter::Letters(letters) => format!("{letters} letters a token, without the tokenizer"),
        }
    }

    fn tokens(&self, text: &str) -> Result<f64> {
        match &self.counts_tokens {
            Counter::Letters(letters) => Ok(text.chars().count() as f64 / letters),
            Counter::Tokenizer(tokenizer) => Ok(tokenizer.encode(text, false).during("counting tokens")?.len() as f64),
        }
    }

    /// Token counts of a method's texts. Where problems have no known rationale, completions are as long as those of the worked examples.
    pub fn lengths(&self, config: &MethodConfig) -> Result<Lengths> {
        let task = self.task.as_ref();
        let style = config.method.style();
        let (mut prompts, mut completions, mut examples) = (Mean::default(), Mean::default(), Mean::default());
        for problem in &self.sample {
            let worked = task.worked_examples(problem, Mode::Unhinted, style, config.sampling.few_shot);
            prompts.add(self.tokens(&task.prompt(problem, Mode::Unhinted))?);
            let completion = match style {
                Style::Direct => Some(task.direct_completion(problem)),
                Style::Rationale => task.reference(problem),
            };
            match completion {
                Some(completion) => completions.add(self.tokens(&completion)? + 1.0),
                None => {
                    for example in task.worked_examples(problem, Mode::Unhinted, style, usize::MAX) {
                        completions.add(self.tokens(&example.completion)? + 1.0);
                    }
                }
            }
            let shown = worked.iter().map(|WorkedExample { prompt, completion }| {
                Ok(self.tokens(prompt)? + self.tokens(completion)? + self.tokens(task.separator())?)
            });
            examples.add(shown.sum::<Result<f64>>()?);
        }
        let limit = config.sampling.max_new_tokens as f64;
        // An answer alone is as long as it is.
        let stretch = if style == Style::Rationale { self.stretch } else { 1.0 };
        let completion = (stretch * completions.mean_or(limit)).min(limit);
        Ok(Lengths { worked_examples: examples.mean(), problem: self.stretch * prompts.mean(), completion })
    }

    /// What a method asks and learns, at most.
    pub fn work(&self, config: &MethodConfig, lengths: &Lengths) -> Work {
        let estimate = method::estimate(config, self.task.as_ref());
        let Estimate { iterations, attempts, evaluations, steps, trained_tokens, .. } = estimate;
        let of_the_base = self.task.evaluation_problems(config.evaluation.split, 0).len() as u64;
        let share_with_examples = match config.sampling.few_shot_iterations {
            0 => 1.0,
            shown => f64::from(shown.min(iterations)) / f64::from(iterations.max(1)),
        };
        let evaluated_with = config.evaluation.few_shot.map_or(share_with_examples, |examples| f64::from(u8::from(examples > 0)));
        let of_the_tuned = evaluations.saturating_sub(of_the_base) as f64;
        let with_examples = attempts as f64 * share_with_examples + of_the_base as f64 + of_the_tuned * evaluated_with;
        let prompts = attempts + evaluations;
        let own_prompt_tokens = prompts as f64 * lengths.problem;
        let prompt_tokens = own_prompt_tokens + with_examples * lengths.worked_examples;
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
        }
    }
}

/// A task, where it comes from, and how much longer its texts are.
struct StandIn {
    task: Box<dyn Task>,
    source: String,
    stretch: f64,
}

/// The task without its data: as many problems as were published, or as are wanted, each as long as a worked example.
fn stand_in(config: &Config, wanted: Option<usize>) -> Option<StandIn> {
    let task = config.task.grader().ok()?;
    let published = PUBLISHED.iter().find(|published| published.name == config.task.kind());
    let (train, test) = published.map(|published| (published.train, published.test)).or(wanted.map(|wanted| (wanted, 0)))?;
    let settings = config.settings_of("");
    let setting = |key: &str| settings.get(key).and_then(toml::Value::as_integer).map_or(0, |value| value as usize);
    let at_most = |limit: usize, all: usize| if limit == 0 { all } else { limit.min(all) };
    let dev = setting("task.dev_problems").min(train);
    let measured = setting("task.evaluation_problems");
    let problem =
        Problem { id: ProblemId(String::new()), class: String::new(), question: String::new(), answer: "A".into(), choices: Vec::new() };
    let train = at_most(setting("task.problems_per_iteration"), train - dev);
    let source = match published {
        Some(Published { name, letters: Some(letters), .. }) => {
            format!("the published size of {name}, {letters} letters a problem and its solution; its files are not there")
        }
        Some(Published { name, .. }) => {
            format!("the published size of {name}, texts as long as its worked examples; its files are not there")
        }
        None => "worked examples; the data is not there".to_owned(),
    };
    let task = Counted { task, problem, train, dev: at_most(measured, dev), test: at_most(measured, test) };
    let mut completions = Mean::default();
    for example in task.worked_examples(&task.problem, Mode::Unhinted, Style::Rationale, usize::MAX) {
        completions.add(example.completion.len() as f64);
    }
    let as_measured = task.prompt(&task.problem, Mode::Unhinted).len() as f64 + completions.mean();
    let letters = published.and_then(|published| published.letters).unwrap_or(as_measured);
    let (task, stretch) = (Box::new(task), letters / as_measured);
    Some(StandIn { task, source, stretch })
}

/// A task of so many problems, all alike.
struct Counted {
    task: Box<dyn Task>,
    problem: Problem,
    train: usize,
    dev: usize,
    test: usize,
}

impl Task for Counted {
    fn name(&self) -> &'static str {
        self.task.name()
    }

    fn classes(&self, iteration: u32) -> Vec<String> {
        self.task.classes(iteration)
    }

    fn training_problems(&self, _: u32) -> Vec<Problem> {
        vec![self.problem.clone(); self.train]
    }

    fn evaluation_problems(&self, split: Split, _: u32) -> Vec<Problem> {
        let count = match split {
            Split::Train => self.train,
            Split::Dev => self.dev,
            Split::Test => self.test,
        };
        vec![self.problem.clone(); count]
    }

    /// Where there is no question, that of a worked example, all of them being as long as one.
    fn prompt(&self, problem: &Problem, mode: Mode) -> String {
        if !problem.question.is_empty() {
            return self.task.prompt(problem, mode);
        }
        // The longest of them would bound the prompt; the middle one is what a plan wants.
        let mut prompts: Vec<String> =
            self.task.worked_examples(problem, mode, Style::Rationale, usize::MAX).into_iter().map(|example| example.prompt).collect();
        prompts.sort_by_key(String::len);
        let middle = prompts.len() / 2;
        if prompts.is_empty() { self.task.prompt(problem, mode) } else { prompts.swap_remove(middle) }
    }

    fn worked_examples(&self, problem: &Problem, mode: Mode, style: Style, count: usize) -> Vec<WorkedExample> {
        self.task.worked_examples(problem, mode, style, count)
    }

    fn separator(&self) -> &str {
        self.task.separator()
    }

    fn stop_strings(&self) -> Vec<String> {
        self.task.stop_strings()
    }

    fn verify(&self, problem: &Problem, completion: &str, stop_reason: &StopReason) -> Result<Grade> {
        self.task.verify(problem, completion, stop_reason)
    }

    fn reference(&self, problem: &Problem) -> Option<String> {
        self.task.reference(problem)
    }

    fn direct_completion(&self, problem: &Problem) -> String {
        self.task.direct_completion(problem)
    }

    fn leaks_hint(&self, completion: &str) -> bool {
        self.task.leaks_hint(completion)
    }
}

#[derive(Default)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1.0;
    }

    fn mean(&self) -> f64 {
        self.mean_or(0.0)
    }

    fn mean_or(&self, otherwise: f64) -> f64 {
        if self.count > 0.0 { self.sum / self.count } else { otherwise }
    }
}
