//! `starloop eval`: the accuracy of checkpoints on a task.

mod figures;
mod subject;

use crate::access::Access;
use crate::console;
use crate::model::Model;
use crate::progress::{Console, Log};
use crate::usage::UsageError;
use anyhow::{Result, bail};
use figures::{Figures, MeasuredModel, PairedModel};
use starloop_core::evaluation::likelihood;
use starloop_core::evaluation::self_consistency::{self, Sampled};
use starloop_core::event::{Event, Observer};
use starloop_core::experiment::Experiment;
use starloop_core::metrics::IterationMetrics;
use starloop_core::policy::embedded::EmbeddedPolicy;
use starloop_core::registry::Registry;
use starloop_core::types::ProblemId;
use starloop_record::{RunDir, atomic};
use std::ops::ControlFlow;
use std::path::PathBuf;
use subject::Subject;

/// Measure the accuracy of checkpoints on a task's held-out problems.
///
/// The task and its settings come from a config, from a run, or from --task with its options. Several models are measured on the same problems,
/// and each is compared with the first by McNemar's exact test.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop eval mine.toml --model runs/mine/star/iter-003/checkpoint     a checkpoint on the problems of a config
  starloop eval runs/mine --limit 50                                     the best checkpoint of a run, on 50 of its problems
  starloop eval mine.toml --model bases/NAME --model runs/mine/star/iter-003/checkpoint --json
  starloop eval --model builtin:arithmetic --task arithmetic --few-shot 3 --split dev
  starloop eval --model DIR --task gsm8k --samples 8 --temperature 0.7      majority of 1, 2, 4, 8 samples, and pass@k
  starloop eval --model DIR --task commonsense_qa --by-likelihood
  starloop eval --model DIR --task arithmetic --set task.digits=[6,10] --max-new-tokens 256 --answers answers.jsonl")]
pub struct Arguments {
    /// A config or a run's directory: its task and its settings hold
    #[arg(value_name = "CONFIG|RUN", required_unless_present = "task", conflicts_with = "task")]
    subject: Option<String>,
    /// A checkpoint directory in the Hugging Face layout, a GGUF file, builtin:NAME, or ORG/NAME on the hub; may be given several times [default: the
    /// run's best checkpoint, or the config's base]
    #[arg(long, value_name = "DIR")]
    model: Vec<String>,
    /// The kind of the task, such as arithmetic, or a config
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// The held-out problems: dev for choices, test for final figures [default: the config's, or dev]
    #[arg(long, value_parser = ["dev", "test"])]
    split: Option<String>,
    /// Measure on N of the problems only. The same N problems for every model
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Number of worked examples in the prompt [default: as the checkpoint was measured in its run, or the config's; 0 with --task NAME]
    #[arg(long, value_name = "K")]
    few_shot: Option<usize>,
    /// The most tokens of an answer. Longer answers are cut off [default: the config's, or 256]
    #[arg(long, value_name = "N")]
    max_new_tokens: Option<usize>,
    /// Do not sample: take the choice that is most likely after the prompt. Worked examples then show answers only
    #[arg(long, conflicts_with = "max_new_tokens")]
    by_likelihood: bool,
    /// Number of samples for each problem. Reports majority voting (self-consistency) and pass@k (unbiased)
    #[arg(long, value_name = "K", conflicts_with = "by_likelihood", value_parser = clap::value_parser!(u32).range(1..))]
    samples: Option<u32>,
    /// The temperature of these samples
    #[arg(long, value_name = "T", default_value_t = 0.7, requires = "samples", value_parser = above_zero)]
    temperature: f64,
    /// Change a key of the config, such as `task.evaluation_per_class=50`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Also write the answers to this file as JSON lines: each answer with its verdict, or each problem with its samples or with the
    /// log-probabilities of its choices
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Shows progress and keeps the figures.
struct Collect {
    console: Console,
    metrics: Option<IterationMetrics>,
}

impl Observer for Collect {
    fn observe(&mut self, event: &Event) -> ControlFlow<()> {
        match event {
            Event::IterationFinished { metrics, .. } => self.metrics = Some(metrics.as_ref().clone()),
            Event::RunStarted { .. } | Event::RunFinished { .. } => {}
            other => return self.console.observe(other),
        }
        ControlFlow::Continue(())
    }
}

pub fn run(arguments: &Arguments, registry: &Registry, access: Access, log: Log) -> Result<()> {
    let subject = Subject::of(arguments, registry, access)?;
    let models = subject.models(arguments)?;
    if models.len() > 1 && arguments.answers.is_some() {
        return Err(UsageError::request(format!(
            "--answers writes the answers of one model, and {} models are given; measure them one by one",
            models.len()
        )));
    }
    let mut measured: Vec<MeasuredModel> = Vec::new();
    for name in models {
        let model = Model::find(&name, access)?;
        let experiment = subject.experiment(arguments, model.directory(), registry, access)?;
        access.check_programs(&experiment)?;
        let (figures, right) = arguments.measure(&experiment, &model, log)?;
        measured.push(MeasuredModel::new(name, &experiment, figures, right));
    }
    let pairs = PairedModel::with_the_first(&measured);
    if arguments.json {
        return match measured.as_slice() {
            [one] => console::print_json(one),
            several => console::print_json(&serde_json::json!({ "models": several, "paired": pairs })),
        };
    }
    let is_one = measured.len() == 1;
    for measured in &measured {
        if !is_one {
            console::print(&measured.model)?;
        }
        measured.figures.lines().iter().try_for_each(|line| console::print(line))?;
    }
    pairs.iter().try_for_each(|pair| console::print(&pair.line()))
}

/// The problems, each with true if its answer is right.
type Right = Vec<(ProblemId, bool)>;

impl Arguments {
    fn measure(&self, experiment: &Experiment, model: &Model, log: Log) -> Result<(Figures, Right)> {
        if self.by_likelihood {
            return self.measure_likelihood(experiment, model, log);
        }
        if self.samples.is_some() { self.measure_samples(experiment, model, log) } else { self.measure_greedily(experiment, log) }
    }

    /// The measurement of a checkpoint is an experiment with one method, which trains nothing.
    fn measure_greedily(&self, experiment: &Experiment, log: Log) -> Result<(Figures, Right)> {
        let place = tempfile::tempdir()?;
        let root = place.path().join("eval");
        let mut collect = Collect { console: Console::new(log), metrics: None };
        experiment.run(&root, false, &mut collect)?;
        let answers = RunDir::open_read_only(&root)?.iteration(subject::METHOD, 0).evaluation()?.unwrap_or_default();
        if let Some(path) = &self.answers {
            atomic::write(path, &fs_err::read(root.join("eval/iter-000/eval.jsonl"))?)?;
        }
        let Some(metrics) = collect.metrics else { bail!("the measurement ended without figures") };
        let right = answers.into_iter().map(|graded| (graded.attempt.problem, graded.verdict.is_correct())).collect();
        Ok((Figures::greedy(metrics, experiment.config().sampling.max_new_tokens), right))
    }

    fn measure_likelihood(&self, experiment: &Experiment, model: &Model, log: Log) -> Result<(Figures, Right)> {
        let (config, task, console) = (experiment.config(), experiment.task()?, &mut Console::new(log));
        let (few_shot, policy) = (config.sampling.few_shot, &mut EmbeddedPolicy::new(&config.model));
        let (figures, scored) = likelihood::measure(task.as_ref(), &config.evaluation, few_shot, policy, model.directory(), console)?;
        self.write_answers(&scored)?;
        let right = scored.into_iter().map(|problem| (problem.problem, problem.chosen == problem.right)).collect();
        Ok((Figures::ByLikelihood(figures), right))
    }

    fn measure_samples(&self, experiment: &Experiment, model: &Model, log: Log) -> Result<(Figures, Right)> {
        let (config, task) = (experiment.config(), experiment.task()?);
        let (sampling, evaluation) = (&config.sampling, config.evaluation.clone());
        let (few_shot, samples, params) = (sampling.few_shot, sampling.samples_per_problem, sampling.params(task.stop_strings()));
        let asked = Sampled { evaluation, few_shot, samples, params, seed: config.seed };
        let policy = &mut EmbeddedPolicy::new(&config.model);
        let (figures, sampled) = self_consistency::measure(task.as_ref(), &asked, policy, model.directory(), &mut Console::new(log))?;
        self.write_answers(&sampled)?;
        let right = sampled.into_iter().map(|problem| (problem.problem, problem.majority_is_right)).collect();
        Ok((Figures::Samples(figures), right))
    }

    fn write_answers<T: serde::Serialize>(&self, problems: &[T]) -> Result<()> {
        let Some(answers) = &self.answers else { return Ok(()) };
        let lines: String = problems.iter().map(|problem| Ok(serde_json::to_string(problem)? + "\n")).collect::<Result<_>>()?;
        Ok(atomic::write(answers, lines.as_bytes())?)
    }
}

/// Reads a temperature at which the samples of a problem can differ.
pub(super) fn above_zero(text: &str) -> Result<f64, String> {
    let temperature: f64 = text.parse().map_err(|_| "expected a number above 0, such as 0.7".to_owned())?;
    if temperature > 0.0 {
        Ok(temperature)
    } else {
        Err("expected a number above 0: at 0 all samples of a problem are the same".to_owned())
    }
}
