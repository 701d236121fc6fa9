//! `starloop prompt`: what a model is asked, before a run.

use crate::access::Access;
use crate::console;
use crate::overrides::Overrides;
use crate::untrusted::visible;
use crate::usage::UsageError;
use anyhow::Result;
use serde::Serialize;
use starloop_core::experiment::base_model::BaseModel;
use starloop_core::experiment::prompts::{ShownPrompt, ShownToken, problems};
use starloop_core::experiment::{Experiment, ResolvedMethod};
use starloop_core::registry::Registry;
use starloop_core::task::{Task, prompt};
use starloop_core::types::{Mode, Problem, Split};
use starloop_lm::model::PromptEncoder;

/// Show the prompts of a config as the model reads them: the text with worked examples and chat template, the hinted variant, and the tokens.
///
/// Nothing is sampled, and no weights are read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop prompt mine.toml                          the first training problem, with and without the hint
  starloop prompt mine.toml --split dev -n 3         the prompts that measure accuracy
  starloop prompt mine.toml --problem 00017 --json
  starloop prompt mine.toml --iteration 2 --set sampling.few_shot=3")]
pub struct Arguments {
    /// A preset's name or a TOML file
    config: String,
    /// The method whose prompts are shown [default: `main` of the config, or the last method]
    #[arg(long, value_name = "NAME")]
    method: Option<String>,
    /// The iteration, from 1. It decides about the worked examples
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    iteration: u32,
    /// The problems: train, dev or test
    #[arg(long, default_value = "train", value_parser = ["train", "dev", "test"])]
    split: String,
    /// Show this problem: its whole id, or the last part of it; may be given several times
    #[arg(long, value_name = "ID")]
    problem: Vec<String>,
    /// Number of problems
    #[arg(short, value_name = "N", default_value_t = 1)]
    n: usize,
    #[command(flatten)]
    overrides: Overrides,
    /// Print one JSON object for each prompt
    #[arg(long)]
    json: bool,
}

/// One prompt, as JSON shows it.
#[derive(Serialize)]
struct Output<'a> {
    problem: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    mode: Mode,
    few_shot: usize,
    chat: bool,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<&'a [ShownToken]>,
}

pub fn run(arguments: &Arguments, registry: &Registry, access: Access) -> Result<()> {
    let experiment = access.experiment(&arguments.config, &arguments.overrides.list(), registry)?;
    let method = arguments.chosen_method(&experiment)?;
    let task = experiment.read_task()?;
    let place = tempfile::tempdir()?;
    let base = BaseModel::of(&experiment.config().model).and_then(|base| base.for_prompts(&place.path().join("base")));
    let base = match base {
        Ok(found) => Some(found),
        Err(error) => {
            console::say(&format!("warning: {error}; without the base, prompts are shown without chat template and tokens"));
            None
        }
    };
    let encoder = base.as_ref().map(|(directory, _)| experiment.prompt_encoder(directory)).transpose()?;
    let context = base.as_ref().map(|(_, context)| *context);
    let sampling = &method.settings.sampling;
    let is_measured = arguments.split != "train";
    let few_shot = if is_measured { sampling.few_shot } else { sampling.few_shot_in(arguments.iteration) };
    for problem in arguments.chosen_problems(task.as_ref())? {
        let modes: &[Mode] = if method.hints() && !is_measured { &[Mode::Unhinted, Mode::Hinted] } else { &[Mode::Unhinted] };
        for &mode in modes {
            let prompt = prompt::assemble(task.as_ref(), &problem, mode, method.method.style(), few_shot);
            let shown = shown(encoder.as_ref(), prompt)?;
            let tokens = encoder.is_some().then_some(shown.tokens.as_slice());
            let output = Output {
                problem: &problem.id.0,
                source: task.source(&problem),
                mode,
                few_shot,
                chat: experiment.config().model.chat,
                text: &shown.text,
                tokens,
            };
            if arguments.json {
                console::print_json(&output)?;
            } else {
                console::print(&described(&output, &shown, context, sampling.max_new_tokens))?;
            }
        }
    }
    Ok(())
}

fn shown(encoder: Option<&PromptEncoder<'_>>, prompt: String) -> Result<ShownPrompt> {
    match encoder {
        Some(encoder) => Ok(ShownPrompt::new(encoder, &prompt)?),
        None => Ok(ShownPrompt { text: prompt, tokens: Vec::new() }),
    }
}

impl Arguments {
    fn chosen_method<'e>(&self, experiment: &'e Experiment) -> Result<&'e ResolvedMethod> {
        let names = || experiment.methods_to_run().map(|method| method.name.as_str()).collect::<Vec<_>>().join(", ");
        let find = |name: &String| experiment.methods_to_run().find(|method| method.name == *name);
        let found = match &self.method {
            Some(name) => find(name),
            None => experiment.config().main.as_ref().and_then(find).or_else(|| experiment.methods_to_run().last()),
        };
        found.ok_or_else(|| UsageError::request(format!("{}: no such method is run; methods: {}", self.config, names())))
    }

    fn chosen_problems(&self, task: &dyn Task) -> Result<Vec<Problem>> {
        let split = match self.split.as_str() {
            "dev" => Split::Dev,
            "test" => Split::Test,
            _ => Split::Train,
        };
        let all = problems(task, split);
        if self.problem.is_empty() {
            return Ok(all.into_iter().take(self.n).collect());
        }
        let find = |wanted: &String| {
            let found = all.iter().find(|problem| problem.id.is_named(wanted));
            found
                .cloned()
                .ok_or_else(|| UsageError::request(format!("{wanted}: no such problem among the {} problems; see --split", self.split)))
        };
        self.problem.iter().map(find).collect()
    }
}

/// The prompt for people: a heading, the text, the tokens.
fn described(prompt: &Output<'_>, shown: &ShownPrompt, context: Option<usize>, new_tokens: usize) -> String {
    let source = prompt.source.as_ref().map_or_else(String::new, |source| format!(" ({source})"));
    let hint = if prompt.mode == Mode::Hinted { ", with the hint" } else { "" };
    let chat = if prompt.chat { ", by the chat template" } else { "" };
    let room = context.map_or_else(String::new, |context| format!(" (with at most {new_tokens} new ones; the context has {context})"));
    format!("{}{source}{hint}, {} worked examples{chat}{room}: {}\n", prompt.problem, prompt.few_shot, body(shown))
}

/// The number of tokens, the text, and the tokens, if there are any.
pub fn body(shown: &ShownPrompt) -> String {
    let text = visible(&shown.text).split('\n').map(|line| format!("  │ {line}")).collect::<Vec<_>>().join("\n");
    if shown.tokens.is_empty() {
        return format!("\n{text}");
    }
    let listed: Vec<String> = shown.tokens.iter().map(|token| format!("{} {:?}", token.id, token.text)).collect();
    format!("{} tokens\n{text}\n  tokens: {}", shown.tokens.len(), listed.join(" | "))
}
