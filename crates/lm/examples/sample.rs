//! Completes a prompt and prints the text while it is generated:
//! `cargo run --release --example sample -- [CHECKPOINT] [PROMPT]`

use starloop_lm::LanguageModel;
use starloop_lm::engine::{EngineLimits, Request, SamplingParams, sample_streaming};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let checkpoint = arguments.next().map_or_else(arithmetic, PathBuf::from);
    let prompt = arguments.next().unwrap_or_else(|| "Input:\n6 2 4 + 2 5 9\nTarget:\n".to_owned());

    let model = LanguageModel::load(&checkpoint)?;
    let request = Request {
        prompt: model.tokenizer().encode(&prompt, true)?,
        seeds: vec![1],
        params: SamplingParams { temperature: 0.7, max_new_tokens: 100, ..SamplingParams::default() },
    };
    let mut out = std::io::stdout();
    write!(out, "{prompt}")?;
    let completions = sample_streaming(&model, &[request], &EngineLimits::default(), &mut |token| {
        // A closed pipe stops the generation.
        let written = write!(out, "{}", token.text).and_then(|()| out.flush());
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    writeln!(out, "\n[{} tokens, {:?}]", completions[0].tokens.len(), completions[0].stop_reason)?;
    Ok(())
}

/// The arithmetic model of this repository.
fn arithmetic() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../core/models/arithmetic")
}
