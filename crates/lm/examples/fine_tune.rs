//! Fine-tunes a checkpoint on prompts and completions, and saves the result to a new directory:
//! `cargo run --release --example fine_tune -- OUTPUT [CHECKPOINT]`

use starloop_lm::LanguageModel;
use starloop_lm::train::{Document, Hyperparameters, LearningRate, PackedEpochs, TrainingSession};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Prompts, each with the completion that the model learns.
const EXAMPLES: [(&str, &str); 3] =
    [("Input:\n1 + 1\nTarget:\n", "2\n"), ("Input:\n2 + 3\nTarget:\n", "5\n"), ("Input:\n4 + 4\nTarget:\n", "8\n")];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let output = arguments.next().map(PathBuf::from).ok_or("name the output directory")?;
    let checkpoint = arguments.next().map_or_else(arithmetic, PathBuf::from);

    // To train adapters of a frozen model instead: `LanguageModel::load(..)?.with_fresh_adapters(..)`, and `save_adapter` at the end.
    let model = LanguageModel::load_to_train(&checkpoint)?;
    let end = model.tokenizer().eos_token_ids()[0];
    let mut documents = Vec::new();
    for (prompt, completion) in EXAMPLES {
        let prompt = model.tokenizer().encode(prompt, true)?;
        let completion = [model.tokenizer().encode(completion, false)?, vec![end]].concat();
        documents.push(Document::completion(&prompt, &completion));
    }

    let steps = 20;
    let hyperparameters = Hyperparameters { learning_rate: LearningRate::constant(1e-4), ..Hyperparameters::default() };
    let mut session = TrainingSession::new(model, hyperparameters)?;
    let mut epochs = PackedEpochs::new(documents, 1, 128, 0)?;
    let mut out = std::io::stdout();
    session.train(&mut epochs, steps, &mut |step, report| {
        let written = writeln!(out, "step {step}: loss {:.4}", report.loss);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let sha256 = session.into_model().save(&output)?;
    writeln!(out, "{}: weights with SHA-256 {sha256}", output.display())?;
    Ok(())
}

/// The arithmetic model of this repository.
fn arithmetic() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../core/models/arithmetic")
}
