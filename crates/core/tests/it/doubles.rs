//! A task, a policy and a trainer that are small enough to be known by heart.
//!
//! A problem is a number, its level the hundreds. A model is a file that holds the highest level that it solves. Unhinted, it solves up to
//! that level, and hinted one more. Trained on examples of a level, it solves that level.

use starloop_core::config::Config;
use starloop_core::error::{Error, Result};
use starloop_core::event::{Event, Observer};
use starloop_core::experiment::run_in;
use starloop_core::iterate::Parts;
use starloop_core::metrics::TrainingMetrics;
use starloop_core::objective::Objective;
use starloop_core::policy::{CompletionRequest, Policy, Sample, SampleProgress, SampleRequest, SamplingParameters, ScoreRequest, Scorer};
use starloop_core::run_dir::RunDir;
use starloop_core::task::{Split, Style, Task, WorkedExample};
use starloop_core::trainer::{FineTuning, Trainer, Training, TrainingProgress};
use starloop_core::types::{FinishReason, Grade, Mode, Problem, ProblemId, Verdict};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;

pub const LEVELS: u32 = 4;

#[derive(Default)]
pub struct Numbers {
    /// Puts a held-out problem among the training problems.
    pub careless: bool,
    /// Has no rationales.
    pub answers_only: bool,
    /// The accuracy of guessing.
    pub chance: f64,
}

fn problem(split: &str, number: u32) -> Problem {
    Problem {
        id: ProblemId(format!("numbers/{split}/{number}")),
        class: format!("level {}", number / 100),
        question: number.to_string(),
        answer: (number * 7).to_string(),
        choices: vec!["0".into(), (number * 7).to_string()],
    }
}

impl Task for Numbers {
    fn name(&self) -> &'static str {
        "numbers"
    }

    fn classes(&self, _: u32) -> Vec<String> {
        (0..LEVELS).map(|level| format!("level {level}")).collect()
    }

    fn training_problems(&self, iteration: u32) -> Vec<Problem> {
        let numbers = (0..LEVELS).flat_map(|level| (0..20).map(move |i| 100 * level + (i * 3 + iteration) % 80));
        let careless = self.careless.then(|| problem("train", 85));
        numbers.map(|number| problem("train", number)).chain(careless).collect()
    }

    fn evaluation_problems(&self, split: Split, _: u32) -> Vec<Problem> {
        let (name, first) = if split == Split::Dev { ("dev", 80) } else { ("test", 90) };
        (0..LEVELS).flat_map(|level| (first..first + 10).map(move |i| problem(name, 100 * level + i))).collect()
    }

    fn prompt(&self, problem: &Problem, mode: Mode) -> String {
        match mode {
            Mode::Unhinted => format!("Q: {}\nA:", problem.question),
            Mode::Hinted => format!("Q: {} (HINT {})\nA:", problem.question, problem.answer),
        }
    }

    fn worked_examples(&self, _: &Problem, mode: Mode, style: Style, count: usize) -> Vec<WorkedExample> {
        let example = |number| {
            let solved = problem("train", number);
            let completion = match style {
                Style::Rationale => rationale(&solved.question),
                Style::Direct => self.direct_completion(&solved),
            };
            WorkedExample { prompt: self.prompt(&solved, mode), completion }
        };
        (1..=count as u32).map(example).collect()
    }

    fn separator(&self) -> &'static str {
        "\n\n"
    }

    fn stop_strings(&self) -> Vec<String> {
        vec!["\n\n".into()]
    }

    fn verify(&self, problem: &Problem, completion: &str, finish: FinishReason) -> Result<Grade> {
        let verdict = match completion.rsplit_once("so ") {
            Some((_, predicted)) if predicted == problem.answer => Verdict::Correct,
            Some((_, predicted)) => Verdict::Wrong { predicted: predicted.into() },
            None if finish == FinishReason::Length => Verdict::Truncated,
            None => Verdict::Unparsed,
        };
        Ok(verdict.into())
    }

    fn reference(&self, problem: &Problem) -> Option<String> {
        (!self.answers_only).then(|| rationale(&problem.question))
    }

    fn direct_completion(&self, problem: &Problem) -> String {
        format!("so {}", problem.answer)
    }

    fn chance(&self) -> f64 {
        self.chance
    }

    fn leaks_hint(&self, completion: &str) -> bool {
        completion.contains("as the hint says")
    }
}

fn rationale(question: &str) -> String {
    let number: u32 = question.parse().unwrap();
    format!("seven times {number}, so {}", number * 7)
}

/// Fails at the call with this number, counted over policy and trainer.
#[derive(Default)]
pub struct Fault {
    calls: Cell<usize>,
    at: Option<usize>,
}

impl Fault {
    pub fn at(call: usize) -> Self {
        Fault { calls: Cell::new(0), at: Some(call) }
    }

    /// Whether the fault is still to come.
    pub fn is_ahead(&self) -> bool {
        self.at.is_some_and(|at| self.calls.get() <= at)
    }

    fn call(&self) -> Result<()> {
        let call = self.calls.replace(self.calls.get() + 1);
        if Some(call) == self.at { Err(Error::Engine { context: "test".into(), message: "injected".into() }) } else { Ok(()) }
    }
}

#[derive(Default)]
pub struct ToyPolicy<'a> {
    pub skill: Option<u32>,
    pub fault: Option<&'a Fault>,
    /// Every prompt that it was ever given.
    pub prompts: RefCell<Vec<String>>,
}

impl Policy for ToyPolicy<'_> {
    fn load(&mut self, checkpoint: &Path) -> Result<String> {
        self.fault.map_or(Ok(()), Fault::call)?;
        let skill = std::fs::read_to_string(checkpoint.join("skill"))?;
        self.skill = Some(skill.parse().unwrap());
        Ok(format!("sha-of-{skill}"))
    }

    /// At a temperature, every other seed is lucky and solves one level more.
    fn sample(
        &mut self,
        requests: &[SampleRequest],
        parameters: &SamplingParameters,
        progress: &mut dyn FnMut(SampleProgress),
    ) -> Result<Vec<Sample>> {
        self.fault.map_or(Ok(()), Fault::call)?;
        let skill = self.skill.unwrap();
        self.prompts.borrow_mut().extend(requests.iter().map(|request| request.prompt.clone()));
        progress(SampleProgress { finished: requests.len() as u64, tokens: 5 * requests.len() as u64 });
        let luck = |request: &SampleRequest| u32::from(parameters.temperature > 0.0 && request.seed.is_multiple_of(2));
        Ok(requests.iter().map(|request| complete(request, skill + luck(request))).collect())
    }

    /// It tells right from wrong a level beyond what it solves itself.
    fn score_completions(&mut self, requests: &[CompletionRequest], progress: &mut dyn FnMut(SampleProgress)) -> Result<Vec<f64>> {
        self.fault.map_or(Ok(()), Fault::call)?;
        let skill = self.skill.unwrap();
        self.prompts.borrow_mut().extend(requests.iter().map(|request| request.prompt.clone()));
        progress(SampleProgress { finished: requests.len() as u64, tokens: 5 * requests.len() as u64 });
        let own = |prompt: &String| complete(&SampleRequest { prompt: prompt.clone(), seed: 0 }, skill + 1).text;
        Ok(requests.iter().map(|request| if request.completion == own(&request.prompt) { -1.0 } else { -2.5 }).collect())
    }
}

impl Scorer for ToyPolicy<'_> {
    /// What it solves, it is sure of; elsewhere it prefers 0.
    fn score(&mut self, requests: &[ScoreRequest], progress: &mut dyn FnMut(SampleProgress)) -> Result<Vec<f64>> {
        self.fault.map_or(Ok(()), Fault::call)?;
        let skill = self.skill.unwrap();
        self.prompts.borrow_mut().extend(requests.iter().map(|request| request.prompt.clone()));
        progress(SampleProgress { finished: requests.len() as u64, tokens: 5 * requests.len() as u64 });
        let score = |request: &ScoreRequest| {
            let number = number_asked(&request.prompt);
            let preferred = if number / 100 <= skill { number * 7 } else { 0 };
            if request.continuation == format!(" {preferred}") { -1.0 } else { -2.0 }
        };
        Ok(requests.iter().map(score).collect())
    }
}

/// Has no answer of its own, and repeats a hint if it may.
pub struct Hopeless {
    pub repeats_hints: bool,
}

impl Policy for Hopeless {
    fn load(&mut self, _: &Path) -> Result<String> {
        Ok("sha".into())
    }

    fn sample(&mut self, requests: &[SampleRequest], _: &SamplingParameters, _: &mut dyn FnMut(SampleProgress)) -> Result<Vec<Sample>> {
        let complete = |request: &SampleRequest| {
            let hint = request.prompt.rsplit("Q: ").next().unwrap().split_once("HINT ").filter(|_| self.repeats_hints);
            let text = hint.map_or("hm".into(), |(_, hint)| format!("so {}", hint.trim_end_matches(")\nA:")));
            Sample { text, prompt_tokens: 1, completion_tokens: 1, finish: FinishReason::Length, logprob: Some(-1.0) }
        };
        Ok(requests.iter().map(complete).collect())
    }
}

impl Scorer for Hopeless {
    fn score(&mut self, requests: &[ScoreRequest], _: &mut dyn FnMut(SampleProgress)) -> Result<Vec<f64>> {
        Ok(vec![f64::NAN; requests.len()])
    }
}

fn number_asked(prompt: &str) -> u32 {
    prompt.rsplit("Q: ").next().unwrap().split([' ', '\n']).next().unwrap().parse().unwrap()
}

pub fn complete(request: &SampleRequest, skill: u32) -> Sample {
    let asked = request.prompt.rsplit("Q: ").next().unwrap();
    let number = number_asked(&request.prompt);
    let hinted = asked.contains("HINT");
    let solves = number / 100 <= skill + u32::from(hinted);
    let text = match (solves, hinted, number % 5) {
        (true, true, 0) => format!("as the hint says, so {}", number * 7),
        (true, ..) => rationale(&number.to_string()),
        (false, _, 0) => "no idea".into(),
        (false, ..) => "a guess, so 1".into(),
    };
    // A float with all its digits, to be had back from JSON exactly.
    let logprob = Some(-(request.seed as f64) / 3e19);
    Sample { text, prompt_tokens: request.prompt.len(), completion_tokens: 5, finish: FinishReason::Stop, logprob }
}

#[derive(Default)]
pub struct ToyTrainer<'a> {
    pub fault: Option<&'a Fault>,
    pub diverges: bool,
}

impl Trainer for ToyTrainer<'_> {
    fn finetune(&mut self, job: &FineTuning<'_>, progress: &mut dyn FnMut(TrainingProgress)) -> Result<TrainingMetrics> {
        self.train(&job.training(), job.examples.iter().map(|example| example.prompt.as_str()), progress)
    }

    fn optimize(
        &mut self,
        training: &Training<'_>,
        objective: &Objective<'_>,
        progress: &mut dyn FnMut(TrainingProgress),
    ) -> Result<TrainingMetrics> {
        match objective {
            Objective::Preferences { pairs, .. } => self.train(training, pairs.iter().map(|pair| pair.prompt.as_str()), progress),
            Objective::Rewards { samples, .. } => {
                let better = samples.iter().filter(|sample| sample.advantage > 0.0);
                self.train(training, better.map(|sample| sample.prompt.as_str()), progress)
            }
        }
    }
}

impl ToyTrainer<'_> {
    /// Learns the highest level among the prompts.
    fn train<'a>(
        &mut self,
        job: &Training<'_>,
        prompts: impl Iterator<Item = &'a str>,
        progress: &mut dyn FnMut(TrainingProgress),
    ) -> Result<TrainingMetrics> {
        let start: u32 = std::fs::read_to_string(job.start.join("skill"))?.parse().unwrap();
        std::fs::create_dir_all(job.scratch)?;
        std::fs::write(job.scratch.join("state"), "half way")?;
        // What a trainer leaves beside its output when it dies must not stay.
        std::fs::write(job.output.with_file_name("stray"), "")?;
        std::fs::create_dir(job.output)?;
        self.fault.map_or(Ok(()), Fault::call)?;
        let level = |prompt: &str| prompt.rsplit("Q: ").next().unwrap().split('\n').next().unwrap().parse::<u32>().unwrap() / 100;
        let learned = prompts.map(level).max().unwrap();
        std::fs::write(job.output.join("skill"), start.max(learned).to_string())?;
        let loss = if self.diverges { f64::NAN } else { 1.0 / (3.0 * job.seed as f64) };
        progress(TrainingProgress { step: job.steps, tokens: 100, loss });
        Ok(TrainingMetrics { steps: job.steps, tokens: 100, target_tokens: 50, final_loss: loss, dropped_too_long: 0 })
    }
}

/// Remembers what it saw, and dies at the event with a given number.
#[derive(Default)]
pub struct Watcher {
    pub events: Vec<Event>,
    pub dies_at: Option<usize>,
}

impl Observer for Watcher {
    fn observe(&mut self, event: &Event) {
        assert!(Some(self.events.len()) != self.dies_at, "injected death");
        self.events.push(event.clone());
    }
}

impl Watcher {
    pub fn warnings(&self) -> Vec<&str> {
        self.events.iter().filter_map(|event| if let Event::Warning { message } = event { Some(message.as_str()) } else { None }).collect()
    }
}

pub const CONFIG: &str = r#"
name = "toy"
seed = 7
run = ["few_shot", "direct", "star"]
[model]
base = "unused"
[task]
kind = "arithmetic"
[sampling]
few_shot = 2
few_shot_iterations = 1
[training]
steps = 10
step_growth = 1.2
[methods.few_shot]
kind = "few_shot"
[methods.direct]
kind = "direct"
problems_of_iterations = 2
[methods.star]
kind = "star"
iterations = 3
[methods.few_shot_direct]
kind = "few_shot"
style = "direct"
[methods.rationales]
kind = "direct"
learn = "rationales"
[methods.without]
kind = "star"
iterations = 2
rationalize = false
[methods.grpo]
kind = "grpo"
iterations = 3
sampling.temperature = 1.0
sampling.samples_per_problem = 4
[methods.spin]
kind = "spin"
iterations = 3
[methods.v_star]
kind = "v_star"
iterations = 2
sampling.temperature = 1.0
sampling.samples_per_problem = 4
[methods.v_star.verifier]
candidates = 3
best_of = [1, 3]
[methods.partial]
kind = "partial_hints"
iterations = 3
[methods.rft]
kind = "rft"
sampling.samples_per_problem = 2
sampling.temperature = 1.0
[methods.rest_em]
kind = "rest_em"
iterations = 2
sampling.samples_per_problem = 2
sampling.temperature = 1.0
[methods.adastar]
kind = "adastar"
iterations = 3
problems_of_iterations = 3
quota = 50
[methods.b_star]
kind = "b_star"
iterations = 2
probe_problems = 10
sampling.samples_per_problem = 2
sampling.temperature = 1.0
"#;

pub fn config(overrides: &[&str]) -> Config {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    Config::parse("toy.toml", CONFIG, &overrides).unwrap()
}

/// A base model of a skill, and a place for runs.
pub struct Bench {
    pub place: tempfile::TempDir,
    pub task: Numbers,
}

impl Bench {
    pub fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("base")).unwrap();
        std::fs::write(place.path().join("base/skill"), "0").unwrap();
        Bench { place, task: Numbers::default() }
    }

    pub fn run(&self, name: &str, config: &Config, resume: bool) -> Result<Watcher> {
        let mut watcher = Watcher::default();
        self.run_with(name, config, resume, &mut ToyPolicy::default(), &mut ToyTrainer::default(), &mut watcher)?;
        Ok(watcher)
    }

    pub fn run_with(
        &self,
        name: &str,
        config: &Config,
        resume: bool,
        policy: &mut ToyPolicy<'_>,
        trainer: &mut ToyTrainer<'_>,
        watcher: &mut Watcher,
    ) -> Result<()> {
        let (run_dir, found) = RunDir::open(&self.place.path().join(name), config, resume)?;
        let base = self.place.path().join("base");
        let mut parts = Parts { task: &self.task, base: &base, policy, trainer };
        run_in(config, &run_dir, found, &mut parts, watcher)
    }

    /// A run with another policy.
    pub fn run_policy(&self, name: &str, config: &Config, policy: &mut dyn Policy) -> (Result<()>, Watcher) {
        let mut watcher = Watcher::default();
        let (run_dir, found) = RunDir::open(&self.place.path().join(name), config, false).unwrap();
        let base = self.place.path().join("base");
        let mut parts = Parts { task: &self.task, base: &base, policy, trainer: &mut ToyTrainer::default() };
        let result = run_in(config, &run_dir, found, &mut parts, &mut watcher);
        (result, watcher)
    }

    pub fn open(&self, name: &str) -> RunDir {
        RunDir::open_read_only(&self.place.path().join(name)).unwrap()
    }

    /// Every file of a run with its bytes, and every directory, except what holds times.
    pub fn snapshot(&self, name: &str) -> BTreeMap<String, Option<String>> {
        let mut files = BTreeMap::new();
        walk(&self.place.path().join(name), "", &mut files);
        files.remove("events.jsonl");
        files
    }
}

fn walk(directory: &Path, prefix: &str, files: &mut BTreeMap<String, Option<String>>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            walk(&path, &format!("{name}/"), files);
            files.insert(name, None);
        } else {
            files.insert(name, Some(std::fs::read_to_string(&path).unwrap()));
        }
    }
}
