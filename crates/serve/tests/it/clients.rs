//! Programs that other people wrote, as clients of the server. Run on demand:
//!
//! ```sh
//! STARLOOP_PYTHON=venv/bin/python cargo test --release -p starloop-serve --test it clients -- --ignored --nocapture --test-threads 1
//! ```
#![expect(clippy::print_stdout, reason = "figures are what these tests are run for")]

use crate::chat::with_template;
use crate::client::{Running, repository, small, start};
use serde_json::{Value, json};
use starloop_serve::{ApiKey, Settings};
use std::path::{Path, PathBuf};
use std::process::Command;

const KEY: &str = "secret";
/// Problems of each local task of lm-evaluation-harness.
const PROBLEMS: usize = 12;

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn python() -> Command {
    let mut command = Command::new(std::env::var("STARLOOP_PYTHON").expect("STARLOOP_PYTHON names a Python with requirements.txt"));
    command.env("HF_HUB_OFFLINE", "1").env("HF_DATASETS_OFFLINE", "1").env("OPENAI_API_KEY", KEY).env("TOKENIZERS_PARALLELISM", "false");
    command
}

fn run(mut command: Command) -> String {
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    out.into_owned()
}

fn server(model: &Path) -> Running {
    start(&[("arithmetic", model)], Settings { api_key: Some(ApiKey::new(KEY).unwrap()), ..small() })
}

#[test]
#[ignore = "needs STARLOOP_PYTHON with openai"]
fn the_openai_package() {
    let place = tempfile::tempdir().unwrap();
    with_template(place.path());
    let server = server(place.path());
    let mut command = python();
    command.arg(clients().join("openai_client.py")).args([&server.url("/v1"), KEY, "arithmetic"]);
    assert_eq!(run(command).trim(), "ok");
}

/// Local tasks: sums to complete, and sums whose result is chosen by its likelihood.
fn write_tasks(place: &Path) {
    let digits = |number: u64| number.to_string().chars().map(String::from).collect::<Vec<_>>().join(" ");
    let mut lines = String::new();
    for at in 0..PROBLEMS as u64 {
        let (a, b) = (10 + at * 37 % 89, 10 + at * 53 % 83);
        let choices: Vec<String> = [0, 1, 10, 7]
            .iter()
            .map(|more| format!("<scratch>\n{} + {} , {} C: 0\n", digits(a), digits(b), digits(a + b + more)))
            .collect();
        let question = format!("Input:\n{} + {}\nTarget:\n", digits(a), digits(b));
        lines += &json!({ "question": question, "answer": digits(a + b), "choices": choices, "label": 0 }).to_string();
        lines.push('\n');
    }
    let data = place.join("data.jsonl");
    std::fs::write(&data, lines).unwrap();
    for task in ["local_generation", "local_likelihood"] {
        let text = std::fs::read_to_string(clients().join("tasks").join(format!("{task}.yaml"))).unwrap();
        std::fs::write(place.join(format!("{task}.yaml")), text.replace("DATA", data.to_str().unwrap())).unwrap();
    }
}

/// The answers of the harness's model to every problem, by task.
fn evaluated(place: &Path, name: &str, kind: &str, arguments: &str) -> Value {
    let out = place.join(name);
    let mut command = python();
    command.args(["-m", "lm_eval", "run", "--model", kind, "--model_args", arguments, "--tasks", "local_generation,local_likelihood"]);
    command.arg("--include_path").arg(place).arg("--output_path").arg(&out).arg("--log_samples").env("HF_HOME", place.join("cache"));
    if kind == "hf" {
        command.args(["--device", "cpu"]);
    }
    run(command);
    let mut found = json!({});
    for entry in walk(&out) {
        let text = std::fs::read_to_string(&entry).unwrap();
        let file = entry.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some(task) = ["local_generation", "local_likelihood"].iter().find(|task| file.starts_with(&format!("samples_{task}"))) {
            found[*task] = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect();
        }
    }
    found
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
#[ignore = "needs STARLOOP_PYTHON with lm_eval[api,hf], torch and transformers"]
fn lm_evaluation_harness_scores_as_with_its_own_model() {
    let place = tempfile::tempdir().unwrap();
    write_tasks(place.path());
    let model = repository("crates/core/models/arithmetic");
    let server = server(&model);
    let directory = model.canonicalize().unwrap().display().to_string();
    let own = evaluated(place.path(), "hf", "hf", &format!("pretrained={directory},dtype=float32"));
    let arguments = format!(
        "model=arithmetic,base_url={},tokenizer={directory},num_concurrent=4,max_retries=1,tokenized_requests=True",
        server.url("/v1/completions")
    );
    let served = evaluated(place.path(), "served", "local-completions", &arguments);
    for task in ["local_generation", "local_likelihood"] {
        let (own, served) = (own[task].as_array().unwrap(), served[task].as_array().unwrap());
        assert_eq!((own.len(), served.len()), (PROBLEMS, PROBLEMS));
        let by_document = |samples: &[Value]| {
            let mut sorted = samples.to_vec();
            sorted.sort_by_key(|sample| sample["doc_id"].as_u64());
            sorted
        };
        let mut worst = 0.0_f64;
        for (own, served) in by_document(own).iter().zip(&by_document(served)) {
            if task == "local_generation" {
                assert_eq!(own["resps"], served["resps"], "the greedy text");
                continue;
            }
            assert_eq!(own["acc"], served["acc"]);
            for (own, served) in own["filtered_resps"].as_array().unwrap().iter().zip(served["filtered_resps"].as_array().unwrap()) {
                let number = |value: &Value| value[0].as_f64().or_else(|| value[0].as_str()?.parse().ok()).unwrap();
                worst = worst.max((number(own) - number(served)).abs());
                assert_eq!(
                    own[1].to_string().to_lowercase(),
                    served[1].to_string().to_lowercase(),
                    "whether the choice is the greedy text"
                );
            }
        }
        println!("{task}: {PROBLEMS} documents agree; the largest difference of a log-likelihood is {worst:.1e}");
        assert!(worst < 1e-2);
    }
}
