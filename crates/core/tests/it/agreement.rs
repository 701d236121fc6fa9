//! Compares the log-probabilities of real servers with those of the embedded engine, on the same checkpoint. It runs on request only.
//!
//! ```sh
//! STARLOOP_PYTHON=venv/bin/python cargo test -p starloop-core --test it agreement -- --ignored --nocapture --test-threads 1
//! ```
#![expect(clippy::print_stdout, reason = "figures are what these tests are run for")]

use crate::load::{example, params, policy, root};
use serde::Deserialize;
use serde_json::json;
use starloop_core::config::{Config, PolicyConfig};
use starloop_core::policy::embedded::EmbeddedPolicy;
use starloop_core::policy::openai::OpenAiPolicy;
use starloop_core::policy::{Completion, Policy, PromptRequest, SamplingParams, ScoreRequest, Scorer};
use starloop_lm::LanguageModel;
use starloop_lm::decoder::{Packed, TrainingMemory};
use std::collections::HashMap;
use std::ops::ControlFlow::Continue;
use std::path::Path;

fn prompt(i: u64) -> String {
    format!("Input:\n{} {} + {} {}\nTarget:\n", 1 + i % 9, i % 7, 1 + i % 5, i % 3)
}

/// The Kullback-Leibler divergence from what the server samples by to what the embedded engine computes, by the mean over samples of the
/// difference of their log-probabilities.
#[test]
#[ignore = "needs STARLOOP_PYTHON with llama-cpp-python[server]"]
fn log_probabilities_of_a_server_are_those_of_the_embedded_engine() {
    let place = tempfile::tempdir().unwrap();
    let base = root().join("crates/core/models/arithmetic");
    let mut server = policy(&example("llama-cpp-python.toml", &[]), place.path());
    server.load(&base).unwrap();
    let requests: Vec<PromptRequest> = (0..300).map(|i| PromptRequest { prompt: prompt(i), seeds: vec![i] }).collect();
    // Without stop strings: their first tokens would count on one side alone.
    let params = SamplingParams { stop: Vec::new(), ..params(1.0) };
    let samples = server.sample(&requests, &params, &mut |_| Continue(())).unwrap();
    let mut embedded = EmbeddedPolicy::default();
    embedded.load(&base).unwrap();
    let told: Vec<(&PromptRequest, &Completion)> = requests.iter().zip(&samples).filter(|(_, s)| !s.text.is_empty()).collect();
    let texts: Vec<ScoreRequest> =
        told.iter().map(|(request, sample)| ScoreRequest { prompt: request.prompt.clone(), continuation: sample.text.clone() }).collect();
    let scores = embedded.score(&texts, &mut |_| Continue(())).unwrap();
    let differences: Vec<f64> = told.iter().zip(&scores).map(|((_, sample), score)| sample.logprob.unwrap() - score).collect();
    let tokens: usize = told.iter().map(|(_, sample)| sample.completion_tokens).sum();
    let nats: f64 = told.iter().map(|(_, sample)| sample.logprob.unwrap()).sum();
    let worst = differences.iter().fold(0.0_f64, |worst, difference| worst.max(difference.abs()));
    let kl = differences.iter().sum::<f64>() / tokens as f64;
    println!(
        "{} samples, {tokens} tokens, {:.4} nats a token: KL {kl:.2e} nats a token, worst sum {worst:.2e} nats",
        told.len(),
        nats / tokens as f64
    );
    assert!(kl.abs() < 1e-3 && worst < 1e-1);
}

/// Samples whose tokens are compared one by one.
const COMPARED: u64 = 100;

/// An answer of llama-cpp-python's server: the tokens that it drew, and at each place the log-probability of every token that has a text.
#[derive(Deserialize)]
struct Told {
    tokens: Vec<String>,
    token_logprobs: Vec<f64>,
    top_logprobs: Vec<HashMap<String, f64>>,
}

/// A served checkpoint, whose port the launched server writes down, so that it can be asked for more than a policy asks for.
fn serve(mut config: Config, checkpoint: &Path, place: &Path) -> (OpenAiPolicy, String) {
    let PolicyConfig::OpenAi(serving) = &mut config.policy else { panic!("{:?}", config.policy) };
    let file = place.join("port");
    serving.launch[2].insert_str(0, &format!("echo {{port}} > {}\n", file.display()));
    let mut policy = policy(&config, place);
    policy.load(checkpoint).unwrap();
    let port = std::fs::read_to_string(file).unwrap();
    (policy, format!("http://127.0.0.1:{}/v1/completions", port.trim()))
}

/// Samples a completion at temperature 1, with every token's log-probability at each position.
fn told(url: &str, checkpoint: &Path, prompt: &str, seed: u64, vocabulary: usize) -> Told {
    let body = json!({
        "model": checkpoint.display().to_string(), "prompt": prompt, "seed": seed, "max_tokens": 96, "temperature": 1.0,
        "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repeat_penalty": 1.0, "logprobs": vocabulary,
    });
    let answer = ureq::post(url).header("Content-Type", "application/json").send(body.to_string().as_bytes()).unwrap();
    let mut answer: serde_json::Value = serde_json::from_reader(answer.into_body().into_reader()).unwrap();
    serde_json::from_value(answer["choices"][0]["logprobs"].take()).unwrap()
}

/// The embedded engine's log-probabilities at each place of a completion, `[tokens, vocabulary]`.
fn distributions(model: &LanguageModel, prompt: &[u32], completion: &[u32]) -> Vec<Vec<f64>> {
    let tokens = [prompt, completion].concat();
    let rows = (prompt.len() - 1..tokens.len() - 1).map(|row| row as u32).collect();
    let offsets = vec![0, tokens.len()];
    let packed = Packed { positions: (0..tokens.len() as u32).collect(), targets: completion.to_vec(), tokens, offsets, rows };
    let logits = model.decoder.target_logits(&packed, &mut TrainingMemory::new(model.decoder.kernels()));
    let normalized = |row: &[f32]| {
        let highest = f64::from(row.iter().copied().fold(f32::MIN, f32::max));
        let sum: f64 = row.iter().map(|&logit| (f64::from(logit) - highest).exp()).sum();
        row.iter().map(|&logit| f64::from(logit) - highest - sum.ln()).collect()
    };
    logits.chunks(model.spec().vocabulary).map(normalized).collect()
}

/// How far two engines are from each other, token by token.
#[derive(Default)]
struct Distance {
    tokens: usize,
    /// Of the tokens that were drawn: the sum and the largest of the differences, without their signs.
    sum: f64,
    largest: f64,
    /// Of all tokens at all places.
    largest_of_all: f64,
    /// Kullback-Leibler divergence from the server's distribution to the embedded engine's, summed over places, and the largest of a place.
    divergence: f64,
    largest_divergence: f64,
}

impl Distance {
    /// Counts one completion in.
    fn count(&mut self, model: &LanguageModel, prompt: &str, told: &Told) {
        let id = |token: &str| model.tokenizer().encode(token.trim_start_matches(' '), false).unwrap()[0];
        let completion: Vec<u32> = told.tokens.iter().map(|token| id(token)).collect();
        let ours = distributions(model, &model.tokenizer().encode(prompt, true).unwrap(), &completion);
        assert_eq!(completion, model.tokenizer().encode(&told.tokens.concat(), false).unwrap(), "the same tokens");
        for (((&drawn, &logprob), top), ours) in completion.iter().zip(&told.token_logprobs).zip(&told.top_logprobs).zip(&ours) {
            let difference = (logprob - ours[drawn as usize]).abs();
            (self.tokens, self.sum, self.largest) = (self.tokens + 1, self.sum + difference, self.largest.max(difference));
            let mut divergence = 0.0;
            // The end token and the unknown one have no text, and so one name in the server's answer: they are left out.
            for (token, theirs) in top.iter().filter(|(token, _)| !token.is_empty()) {
                let difference = theirs - ours[id(token) as usize];
                self.largest_of_all = self.largest_of_all.max(difference.abs());
                // p ln(p / q) - p + q: sums to the divergence, and no term is negative.
                divergence += theirs.exp() * (difference + (-difference).exp_m1());
            }
            self.divergence += divergence;
            self.largest_divergence = self.largest_divergence.max(divergence);
        }
    }
}

/// Compares `COMPARED` completions that a server draws, token by token and over the whole vocabulary.
fn distance(further: &str) -> Distance {
    let place = tempfile::tempdir().unwrap();
    let base = root().join("crates/core/models/arithmetic");
    let mut config = example("llama-cpp-python.toml", &[]);
    if let PolicyConfig::OpenAi(serving) = &mut config.policy {
        serving.launch[2] = serving.launch[2].replace("--logits_all true", &format!("--logits_all true {further}"));
    }
    let (_server, url) = serve(config, &base, place.path());
    let model = LanguageModel::load(&base).unwrap();
    let mut distance = Distance::default();
    for seed in 0..COMPARED {
        let prompt = prompt(seed);
        let told = told(&url, &base, &prompt, seed, model.spec().vocabulary);
        assert!(told.top_logprobs.iter().all(|top| top.len() + 2 > model.spec().vocabulary), "the server returns the whole vocabulary");
        distance.count(&model, &prompt, &told);
    }
    distance
}

#[test]
#[ignore = "needs STARLOOP_PYTHON with llama-cpp-python[server]"]
fn every_token_is_as_likely_to_a_server_as_to_the_embedded_engine() {
    // llama.cpp keeps keys and values in 16 bits by default.
    for (cache, further, tolerance) in [("16 bits", "", 3e-2), ("32 bits", "--type_k 0 --type_v 0", 1e-3)] {
        let distance = distance(further);
        let Distance { tokens, sum, largest, largest_of_all, divergence, largest_divergence } = distance;
        println!(
            "{COMPARED} samples, {tokens} tokens, keys and values in {cache}: drawn tokens differ by {:.2e} nats in the mean and {largest:.2e} \
             at most, all tokens by {largest_of_all:.2e} at most; KL {:.2e} nats a token, {largest_divergence:.2e} at most",
            sum / tokens as f64,
            divergence / tokens as f64
        );
        assert!(tokens > 1000 && largest < tolerance, "{largest}");
        assert!(divergence / (tokens as f64) < tolerance * tolerance, "{divergence}");
    }
}
