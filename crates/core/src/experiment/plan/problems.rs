//! The problems of a plan: how many there are, and texts to count tokens of. If the data is missing, the published sizes and the worked
//! examples of the task are used instead.

use super::PlanRequest;
use super::work::Mean;
use crate::error::{EngineContext, Error, Result};
use crate::experiment::Experiment;
use crate::experiment::base_model::BaseModel;
use crate::task::{Task, TooLong, WorkedExample};
use crate::types::{Grade, Mode, Problem, ProblemId, Split, StopReason, Style};
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
    /// The source of counts and texts.
    pub source: String,
    /// True if the texts are those of the config's data.
    pub has_data: bool,
    counts_tokens: Counter,
    /// The problems whose texts are counted, and that are sampled to measure the speed.
    pub sample: Vec<Problem>,
    /// How much longer problems and completions are than the texts that are counted.
    pub stretch: f64,
}

/// How tokens are counted.
enum Counter {
    Tokenizer(Box<Tokenizer>),
    /// Letters of a token.
    Letters(f64),
}

impl Problems {
    /// The problems of the config, or of another number, counted with the tokenizer in `directory` if there is one. `task` is the config's task,
    /// if it was read already.
    pub fn of(
        experiment: &Experiment,
        task: Option<Box<dyn Task>>,
        directory: Option<&Path>,
        PlanRequest { problems, assumptions, .. }: &PlanRequest<'_>,
    ) -> Result<Self> {
        let tokenizer = directory.filter(|directory| directory.join("tokenizer.json").exists()).map(Tokenizer::load).transpose();
        let tokenizer = tokenizer.during("counting tokens")?;
        let counts_tokens = tokenizer.map_or(Counter::Letters(assumptions.letters_per_token), |t| Counter::Tokenizer(Box::new(t)));
        let read = task.map_or_else(|| fitting_task(experiment), Ok);
        let has_data = read.is_ok();
        let StandIn { task, mut source, stretch } = match read {
            Ok(task) => StandIn { task, source: "the config's data".to_owned(), stretch: 1.0 },
            Err(error) => stand_in(experiment, *problems).ok_or(error)?,
        };
        let sample: Vec<Problem> = task.training_problems(1).into_iter().take(MEASURED).collect();
        let task: Box<dyn Task> = match *problems {
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
        Ok(Problems { task, source, has_data, counts_tokens, sample, stretch })
    }

    /// How tokens are counted, in words.
    pub fn counted_by(&self) -> String {
        match &self.counts_tokens {
            Counter::Tokenizer(_) => "the base's tokenizer".to_owned(),
            Counter::Letters(letters) => format!("{letters} letters a token, without the tokenizer"),
        }
    }

    /// Tokens of a text.
    pub fn tokens(&self, text: &str) -> Result<f64> {
        match &self.counts_tokens {
            Counter::Letters(letters) => Ok(text.chars().count() as f64 / letters),
            Counter::Tokenizer(tokenizer) => Ok(tokenizer.encode_lossy(text, false).during("counting tokens")?.len() as f64),
        }
    }
}

/// The task with its data, without the problems that a run leaves out.
fn fitting_task(experiment: &Experiment) -> Result<Box<dyn Task>> {
    let mut task = experiment.read_task()?;
    if experiment.task_settings().too_long() == TooLong::Skip
        && let Ok(base) = BaseModel::of(&experiment.config().model)
    {
        experiment.fit(task.as_mut(), &base)?;
    }
    Ok(task)
}

/// A task, where it comes from, and how much longer its texts are.
struct StandIn {
    task: Box<dyn Task>,
    source: String,
    stretch: f64,
}

/// The task without its data: as many problems as were published, or as are wanted, each as long as a worked example.
fn stand_in(experiment: &Experiment, wanted: Option<usize>) -> Option<StandIn> {
    let task = experiment.task_settings().grader().ok()?;
    let published = PUBLISHED.iter().find(|published| published.name == experiment.task_kind());
    let (train, test) = published.map(|published| (published.train, published.test)).or(wanted.map(|wanted| (wanted, 0)))?;
    let settings = starloop_record::run_dir::settings::flatten(&experiment.to_table());
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
    fn name(&self) -> &str {
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

    /// The prompt of a problem. If the problem has no question, the prompt has a worked example's question, which has a typical length.
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
