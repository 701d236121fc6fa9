//! `starloop sample`: complete a prompt.

use crate::access::Access;
use crate::console;
use crate::model::{MODEL_HELP, Model};
use anyhow::Result;
use serde::Serialize;
use starloop_lm::engine::{Completion, EngineLimits, Request, SamplingParams, StopReason, sample};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Complete a prompt with a checkpoint. The same seed gives the same completion, whatever -n is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop sample --model builtin:arithmetic --prompt $'Input:\\n6 2 4 + 2 5 9\\nTarget:\\n'
  starloop sample --model DIR --prompt 'Q: How many legs have two cats?' --stop 'Q:' --max-new-tokens 64
  starloop sample --model DIR --prompt-file question.txt -n 8 --temperature 0.7 --json")]
pub struct Arguments {
    #[arg(long, value_name = "MODEL", help = MODEL_HELP)]
    model: String,
    /// The text to continue
    #[arg(long, value_name = "TEXT", required_unless_present = "prompt_file")]
    prompt: Option<String>,
    /// A file that holds the text to continue
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    prompt_file: Option<PathBuf>,
    /// The most tokens to generate, the end token included
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = positive)]
    max_new_tokens: usize,
    /// Divides the logits; 0 takes the most likely token
    #[arg(long, default_value_t = 0.0, value_parser = temperature)]
    temperature: f64,
    /// Draw from the K most likely tokens only; 0 for all
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Draw from the most likely tokens whose probabilities add up to P
    #[arg(long, default_value_t = 1.0, value_parser = share)]
    top_p: f64,
    /// Seed of the first completion. Each further completion has the next seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of completions
    #[arg(short, value_name = "N", default_value_t = 1, value_parser = positive)]
    n: usize,
    /// A string that ends the completion; may be given several times
    #[arg(long, value_name = "STR")]
    stop: Vec<String>,
    /// Use the checkpoint's chat template, with the prompt as the user's message
    #[arg(long)]
    chat: bool,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "expected a whole number of at least 1".into())
}

fn temperature(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|t: &f64| t.is_finite() && *t >= 0.0).ok_or_else(|| "expected a number of at least 0".into())
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|p| *p > 0.0 && *p <= 1.0).ok_or_else(|| "expected a number above 0 and at most 1".into())
}

#[derive(Serialize)]
struct Output<'a> {
    prompt: &'a str,
    prompt_token_ids: &'a [u32],
    completions: Vec<OutputCompletion<'a>>,
}

#[derive(Serialize)]
struct OutputCompletion<'a> {
    text: &'a str,
    token_ids: &'a [u32],
    logprobs: &'a [f32],
    stop_reason: &'a StopReason,
    seed: u64,
}

pub fn run(arguments: &Arguments, access: Access) -> Result<()> {
    let prompt = match (&arguments.prompt, &arguments.prompt_file) {
        (Some(prompt), _) => prompt.clone(),
        (None, Some(file)) => fs_err::read_to_string(file)?,
        (None, None) => String::new(),
    };
    let found = Model::find(&arguments.model, access)?;
    found.warn_of_another_prompt(arguments.chat)?;
    let model = found.load()?;
    let tokens = model.prompt_encoder(arguments.chat)?.encode(&prompt)?;
    let Arguments { temperature, top_k, top_p, max_new_tokens, .. } = *arguments;
    let params = SamplingParams { temperature, top_k, top_p, max_new_tokens, stop: arguments.stop.clone() };
    let seeds: Vec<u64> = (0..arguments.n as u64).map(|i| arguments.seed.wrapping_add(i)).collect();
    let request = Request { prompt: tokens.clone(), seeds: seeds.clone(), params };
    let completions = sample(&model, &[request], &EngineLimits::default(), &mut |_| ControlFlow::Continue(()))?;
    if arguments.json {
        let completions = completions.iter().zip(seeds).map(|(completion, seed)| describe(completion, seed)).collect();
        return console::print_json(&Output { prompt: &prompt, prompt_token_ids: &tokens, completions });
    }
    completions.iter().try_for_each(|completion| console::print(&completion.text))
}

fn describe(completion: &Completion, seed: u64) -> OutputCompletion<'_> {
    OutputCompletion {
        text: &completion.text,
        token_ids: &completion.tokens,
        logprobs: &completion.logprobs,
        stop_reason: &completion.stop_reason,
        seed,
    }
}
