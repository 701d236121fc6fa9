//! TRL as the trainer, in one process and in two: run on demand, with a Python that has what `examples/trl/requirements.txt` lists.
//!
//! ```sh
//! STARLOOP_PYTHON=venv/bin/python cargo test -p starloop --test it trl -- --ignored --nocapture --test-threads 1
//! ```
#![expect(clippy::print_stdout, reason = "its figures are what it is run for")]

use crate::program::{repository, starloop, text};
use serde_json::json;
use starloop_record::RunDir;
use std::path::Path;

/// The accuracies of `examples/trl/arithmetic.toml`, iteration by iteration, with other settings.
fn accuracies(run: &Path, more: &[&str]) -> Vec<starloop_core::metrics::Accuracy> {
    let config = repository("examples/trl/arithmetic.toml");
    let mut arguments = vec![text(&config), "--quiet", "--run-dir", text(run)];
    arguments.extend(more);
    starloop("run", &arguments).done();
    let metrics = RunDir::open_read_only(run).unwrap().metrics("star").unwrap();
    metrics.iter().map(|metrics| metrics.accuracy).collect()
}

fn python() -> String {
    std::env::var("STARLOOP_PYTHON").expect("STARLOOP_PYTHON is a Python with examples/trl/requirements.txt")
}

/// With TRL as the trainer, started by Python with the words `launcher`, and `more`, the last accuracy is within the interval of the embedded
/// engine's with `others`.
fn as_good_as_embedded(name: &str, launcher: &[&str], others: &[&str], more: &[&str]) {
    let place = tempfile::tempdir().unwrap();
    let own = ["--set", "trainer.kind=embedded", "--set", "trainer.command=[]"];
    let embedded = accuracies(&place.path().join("embedded"), &[&own, others].concat());
    let script = repository("examples/trl/train.py");
    let python = python();
    let words = [&[&*python], launcher, &[text(&script), "{settings}", "--cpu"]].concat();
    let command = format!("trainer.command={}", json!(words));
    let trained = accuracies(&place.path().join("outside"), &[&["--set", &command], more].concat());
    for (iteration, (ours, theirs)) in embedded.iter().zip(&trained).enumerate() {
        let percent = [ours.mean, ours.low, ours.high, theirs.mean, theirs.low, theirs.high].map(|share| 100.0 * share);
        let [ours, low, high, theirs, from, to] = percent;
        println!("{name}, iteration {iteration}: embedded {ours:.1}% ({low:.1}-{high:.1}), {theirs:.1}% ({from:.1}-{to:.1})");
    }
    let (ours, theirs) = (embedded.last().unwrap(), trained.last().unwrap());
    assert!((ours.low..=ours.high).contains(&theirs.mean), "{ours:?} {theirs:?}");
}

#[test]
#[ignore = "needs STARLOOP_PYTHON with examples/trl/requirements.txt"]
fn trl_trains_as_well_as_the_embedded_trainer() {
    as_good_as_embedded("TRL", &[], &[], &[]);
}

#[test]
#[ignore = "needs STARLOOP_PYTHON with examples/trl/requirements.txt and examples/serving/requirements.txt"]
fn transformers_serve_samples_and_trl_trains() {
    let serve = format!(
        "OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 exec {} -m transformers.cli.transformers serve {{checkpoint}} --device cpu \
         --host 127.0.0.1 --port {{port}}",
        python()
    );
    let launch = format!("policy.launch={}", json!(["sh", "-c", serve]));
    let more = ["policy.kind=openai", "policy.server=transformers", &launch, "policy.stop_at_server=false", "policy.in_flight=2"];
    // Fewer problems: this server writes each completion to its end.
    let fewer = ["task.problems_per_iteration=60", "task.evaluation_per_class=20", "sampling.max_new_tokens=72"];
    let set: Vec<&str> = more.iter().chain(&fewer).flat_map(|setting| ["--set", setting]).collect();
    let embedded: Vec<&str> = fewer.iter().flat_map(|setting| ["--set", setting]).collect();
    as_good_as_embedded("transformers serve and TRL", &[], &embedded, &set);
}

#[test]
#[ignore = "needs STARLOOP_PYTHON with examples/trl/requirements.txt"]
fn two_processes_train_as_well_as_the_embedded_trainer() {
    as_good_as_embedded("two processes", &["-m", "torch.distributed.run", "--nproc-per-node", "2"], &[], &[]);
}

#[test]
#[ignore = "needs STARLOOP_PYTHON with examples/trl/requirements.txt"]
fn two_processes_that_share_the_model_train_as_well_as_the_embedded_trainer() {
    let (config, lifted) = (repository("examples/trl/fsdp.yaml"), repository("crates/cli/tests/it/fsdp_on_cpu.py"));
    // In 32 bits, as the others.
    let launch = ["-m", "accelerate.commands.launch", "--config_file", text(&config), "--num_processes", "2", "--mixed_precision", "no"];
    as_good_as_embedded("two processes of FSDP", &[&launch[..], &[text(&lifted)]].concat(), &[], &[]);
}

/// The losses of each step of one fine-tuning, that of the config's first iteration.
fn trained(name: &str, place: &Path, launcher: &[&str]) -> Vec<f64> {
    let run = place.join(name);
    let python = python();
    let script = repository("examples/trl/train.py");
    let words = [&[&*python], launcher, &[text(&script), "{settings}", "--cpu"]].concat();
    accuracies(&run, &["--set", &format!("trainer.command={}", json!(words)), "--set", "methods.star.iterations=1"]);
    let log = std::fs::read_to_string(run.join("star/iter-001/checkpoint/training.log")).unwrap();
    println!("{name}: {}", log.lines().find(|line| line.contains(" processes, ")).unwrap());
    crate::program::lines(&run.join("star/iter-001/loss.jsonl")).iter().map(|point| point["loss"].as_f64().unwrap()).collect()
}

#[test]
#[ignore = "needs STARLOOP_PYTHON with examples/trl/requirements.txt"]
fn the_losses_of_two_processes_are_those_of_one() {
    let place = tempfile::tempdir().unwrap();
    let one = trained("one", place.path(), &[]);
    let two = trained("two", place.path(), &["-m", "torch.distributed.run", "--nproc-per-node", "2"]);
    let largest = one.iter().zip(&two).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("{} steps, losses differ by {largest:.1e} nats at most", one.len());
    assert!(one.len() == two.len() && largest < 1e-4, "{one:?} {two:?}");
}
