//! Compares the log-probabilities of several answers to one prompt:
//! `cargo run --release --example score -- [CHECKPOINT PROMPT ANSWER...]`

use starloop_lm::LanguageModel;
use starloop_lm::score::Tail;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let checkpoint = arguments.next().map_or_else(arithmetic, PathBuf::from);
    let prompt = arguments.next().unwrap_or_else(|| "Input:\n2 + 3\nTarget:\n".to_owned());
    let mut answers: Vec<String> = arguments.collect();
    if answers.is_empty() {
        answers = ["5\n", "6\n", "2 3\n"].map(String::from).to_vec();
    }

    let model = LanguageModel::load(&checkpoint)?;
    let before = model.tokenizer().encode(&prompt, true)?;
    let mut documents = Vec::new();
    for answer in &answers {
        let tokens = [before.clone(), model.tokenizer().encode(answer, false)?].concat();
        documents.push(Tail { tokens, from: before.len() });
    }
    let logprobs = model.score_tails(&documents, &mut |_progress| ControlFlow::Continue(()))?;
    let mut out = std::io::stdout();
    for (answer, logprobs) in answers.iter().zip(logprobs) {
        writeln!(out, "{:9.3} {answer:?}", logprobs.iter().sum::<f32>())?;
    }
    Ok(())
}

/// The arithmetic model of this repository.
fn arithmetic() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../core/models/arithmetic")
}
