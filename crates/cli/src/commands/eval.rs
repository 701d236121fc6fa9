//! `starloop eval`: a checkpoint's accuracy on a task.

use crate::access::Access;
use crate::console;
use crate::model::Model;
use crate::progress::{Console, Log};
use anyhow::Result;
use starloop_core::config::Config;
use starloop_core::evaluation::likelihood;
use starloop_core::evaluation::self_consistency::{self, Sampled};
use starloop_core::event::{Event, Observer};
use starloop_core::experiment::Experiment;
use starloop_core::metrics::{Accuracy, IterationMetrics};
use starloop_core::policy::embedded::EmbeddedPolicy;
use starloop_core::registry::Registry;
use starloop_record::atomic;
use starloop_record::format::interval;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Measure a checkpoint's accuracy on a task's held-out problems.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop eval --model runs/arithmetic/star/iter-003/checkpoint --task arithmetic
  starloop eval --model builtin:arithmetic --task arithmetic --few-shot 3 --split dev --json
  starloop eval --model DIR --task gsm8k --samples 8 --temperature 0.7      majority of 1, 2, 4, 8 samples, and pass@k
  starloop eval --model DIR --task commonsense_qa --by-likelihood
  starloop eval --model DIR --task arithmetic --set task.digits=[6,10] --max-new-tokens 256 --answers answers.jsonl")]
pub struct Arguments {
    /// A checkpoint directory in the Hugging Face layout, or builtin:NAME
    #[arg(long, value_name = "DIR")]
    model: String,
    /// The task
    #[arg(long, value_name = "NAME")]
    task: String,
    /// The held-out problems: dev for choices, test for final figures
    #[arg(long, default_value = "dev", value_parser = ["dev", "test"])]
    split: String,
    /// Number of worked examples in the prompt
    #[arg(long, value_name = "K", default_value_t = 0)]
    few_shot: usize,
    /// The most tokens of an answer. Longer answers are cut off
    #[arg(long, value_name = "N", default_value_t = 256)]
    max_new_tokens: usize,
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
    let set = [
        format!("model.base={}", toml_text(&arguments.model)),
        format!("task.kind={}", toml_text(&arguments.task)),
        format!("evaluation.split={}", toml_text(&arguments.split)),
        format!("sampling.few_shot={}", arguments.few_shot),
        format!("sampling.max_new_tokens={}", arguments.max_new_tokens),
    ];
    let several = arguments
        .samples
        .map(|samples| [format!("sampling.samples_per_problem={samples}"), format!("sampling.temperature={}", arguments.temperature)]);
    let set = set.into_iter().chain(several.into_iter().flatten());
    let set: Vec<String> = set.chain(arguments.set.iter().cloned()).collect();
    // The measurement of a checkpoint is an experiment with one method, which trains nothing.
    let config = Config::parse("starloop eval", "name = \"eval\"\nrun = [\"eval\"]\n[methods.eval]\nkind = \"few_shot\"", &set)?;
    let experiment = Experiment::new(config, registry)?;
    access.check_programs(&experiment)?;
    if arguments.by_likelihood {
        return by_likelihood(arguments, &experiment, &mut Console::new(log));
    }
    if arguments.samples.is_some() {
        return several_samples(arguments, &experiment, &mut Console::new(log));
    }
    let directory = tempfile::tempdir()?;
    let mut collect = Collect { console: Console::new(log), metrics: None };
    experiment.run(&directory.path().join("eval"), false, &mut collect)?;
    if let Some(answers) = &arguments.answers {
        atomic::write(answers, &fs_err::read(directory.path().join("eval/eval/iter-000/eval.jsonl"))?)?;
    }
    let Some(metrics) = collect.metrics else { return Ok(()) };
    if arguments.json {
        return console::print_json(&metrics);
    }
    metrics.by_class.iter().try_for_each(|class| line(&class.class, &class.accuracy))?;
    line("all", &metrics.accuracy)
}

fn by_likelihood(arguments: &Arguments, experiment: &Experiment, console: &mut Console) -> Result<()> {
    let (config, task) = (experiment.config(), experiment.task()?);
    let model = Model::find(&arguments.model)?;
    let (split, few_shot, policy) = (config.evaluation.split, arguments.few_shot, &mut EmbeddedPolicy::new(&config.model));
    let (figures, scored) = likelihood::measure(task.as_ref(), split, few_shot, policy, model.directory(), console)?;
    write_answers(arguments, &scored)?;
    if arguments.json {
        return console::print_json(&figures);
    }
    line("likelihood", &figures.accuracy)?;
    line("per byte", &figures.accuracy_per_byte)
}

fn several_samples(arguments: &Arguments, experiment: &Experiment, console: &mut Console) -> Result<()> {
    let (config, task) = (experiment.config(), experiment.task()?);
    let model = Model::find(&arguments.model)?;
    let sampling = &config.sampling;
    let params = sampling.params(task.stop_strings());
    let (split, few_shot, samples) = (config.evaluation.split, sampling.few_shot, sampling.samples_per_problem);
    let asked = Sampled { split, few_shot, samples, params, seed: config.seed };
    let policy = &mut EmbeddedPolicy::new(&config.model);
    let (figures, sampled) = self_consistency::measure(task.as_ref(), &asked, policy, model.directory(), console)?;
    write_answers(arguments, &sampled)?;
    if arguments.json {
        return console::print_json(&figures);
    }
    for at in &figures.at {
        line(&format!("majority@{}", at.k), &at.majority)?;
        console::print(&format!("{:<12} {:>20}", format!("pass@{}", at.k), interval(at.pass, at.pass_interval)))?;
    }
    Ok(())
}

/// Reads a temperature at which the samples of a problem can differ.
fn above_zero(text: &str) -> Result<f64, String> {
    let temperature: f64 = text.parse().map_err(|_| "expected a number above 0, such as 0.7".to_owned())?;
    if temperature > 0.0 {
        Ok(temperature)
    } else {
        Err("expected a number above 0: at 0 all samples of a problem are the same".to_owned())
    }
}

fn write_answers<T: serde::Serialize>(arguments: &Arguments, problems: &[T]) -> Result<()> {
    let Some(answers) = &arguments.answers else { return Ok(()) };
    let lines: String = problems.iter().map(|problem| Ok(serde_json::to_string(problem)? + "\n")).collect::<Result<_>>()?;
    Ok(atomic::write(answers, lines.as_bytes())?)
}

fn line(name: &str, a: &Accuracy) -> Result<()> {
    console::print(&format!("{name:<12} {:>20}  {} of {}", interval(a.mean, [a.low, a.high]), a.correct, a.total))
}

/// A text as TOML writes it.
fn toml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
