//! A program that was stopped in any way resumes and writes the same bytes.

use crate::program::{
    Outcome, SMALL_PRETRAINING, SMALL_RUN, assert_same, base, command, small_run, starloop, start, state_of, text, wait_until,
};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// When a run is stopped.
#[derive(Debug)]
enum Moment {
    /// So many milliseconds after its start.
    After(u64),
    /// In a stage: method, iteration, stage.
    In(&'static str, u32, &'static str),
    /// When this file is there.
    When(&'static str),
}

/// The deaths of one run, each later in it than the one before.
const DEATHS: &[Moment] = &[
    Moment::After(5),
    Moment::In("few_shot", 0, "evaluating"),
    Moment::In("direct", 1, "fine_tuning"),
    Moment::When("direct/iter-001/training-state/state.safetensors"),
    Moment::When("direct/iter-001/training.json"),
    Moment::After(100),
    Moment::In("star", 1, "sampling"),
    Moment::In("star", 1, "rationalizing"),
    Moment::When("star/iter-001/attempts.jsonl"),
    Moment::When("star/iter-001/training-state/state.safetensors"),
    Moment::In("star", 1, "evaluating"),
    Moment::In("star", 2, "sampling"),
    Moment::When("star/iter-002/train.jsonl"),
    Moment::After(300),
    Moment::When("star/iter-002/checkpoint"),
];

impl Moment {
    fn has_come(&self, run: &Path) -> bool {
        match self {
            Moment::After(_) => true,
            Moment::When(file) => run.join(file).exists(),
            Moment::In(method, iteration, stage) => {
                let event = format!("\"event\":\"stage_started\",\"method\":\"{method}\",\"iteration\":{iteration},\"stage\":\"{stage}\"");
                std::fs::read_to_string(run.join("events.jsonl")).is_ok_and(|events| events.contains(&event))
            }
        }
    }
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_in_the_same_bytes() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    let resume = ["--resume", "--run-dir", text(&run)];
    let died = |moment: &&Moment| {
        let mut child = start(SMALL_RUN, &resume);
        if let Moment::After(milliseconds) = moment {
            std::thread::sleep(Duration::from_millis(*milliseconds));
        }
        while !moment.has_come(&run) && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap().code().is_none()
    };
    // On a busy machine a moment may be seen too late, but not many.
    let deaths = DEATHS.iter().filter(died).count();
    assert!(deaths + 2 >= DEATHS.len(), "{deaths}");
    starloop(SMALL_RUN, &resume).done();
    assert_same(&run, small_run());
}

#[test]
fn a_run_with_adapters_is_moved_and_then_resumed_sampled_and_exported() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let line = format!("{SMALL_RUN} --set training.lora.rank=4 --set run=['star']");
    starloop(&line, &["--run-dir", text(&path("whole"))]).done();
    starloop(&line, &["--run-dir", text(&path("here"))]).done();
    std::fs::create_dir(path("there")).unwrap();
    std::fs::rename(path("here"), path("there/run")).unwrap();
    let run = path("there/run");
    // The run goes on from the first adapter to the second iteration.
    std::fs::remove_dir_all(run.join("star/iter-002")).unwrap();
    starloop(&line, &["--resume", "--run-dir", text(&run)]).done();
    assert_same(&run, &path("whole"));
    let adapter = run.join("star/iter-002/checkpoint");
    let sampled = starloop("sample --json --max-new-tokens 4 --prompt", &["Input:\n6 + 9\nTarget:\n", "--model", text(&adapter)]).json();
    assert_eq!(sampled["completions"].as_array().unwrap().len(), 1);
    let line = "export --method star --iteration 2 --merged";
    starloop(line, &[text(&run), "--checkpoint", text(&path("shared"))]).done();
    assert!(path("shared/model.safetensors").exists());
    // The base is in the run, and the adapters name it by the way to it.
    starloop("export --method star --iteration 2", &[text(&run), "--checkpoint", text(&path("adapters"))]).done();
    let config: serde_json::Value = serde_json::from_slice(&std::fs::read(path("adapters/adapter_config.json")).unwrap()).unwrap();
    assert_eq!(config["base_model_name_or_path"], "../there/run/base");
    let exported = path("adapters");
    let again = ["Input:\n6 + 9\nTarget:\n", "--model", text(&exported)];
    assert_eq!(starloop("sample --json --max-new-tokens 4 --prompt", &again).json(), sampled);
}

#[test]
fn ctrl_c_says_how_to_go_on_and_a_run_in_use_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    let arguments = ["--run-dir", text(&run), "--resume", "--set", "run=[\"few_shot\", \"direct\"]"];
    let mut child = start(SMALL_RUN, &arguments);
    wait_until(&mut child, "evaluating", || Moment::In("few_shot", 0, "evaluating").has_come(&run));
    starloop(SMALL_RUN, &arguments).failed(1, &[text(&run), "in use by another process"]);
    Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    let outcome = Outcome::from(child.wait_with_output().unwrap());
    assert_eq!(outcome.code, Some(130), "{}", outcome.err);
    assert!(outcome.err.contains("--resume"), "{}", outcome.err);
    starloop(SMALL_RUN, &arguments).done();
    for part in ["few_shot", "direct"] {
        assert_same(&run.join(part), &small_run().join(part));
    }
}

/// The shell's limit on the size of a file stands for a disk that is full: the base model still fits, a training's state does not.
#[test]
fn a_full_disk_is_told_with_the_path_and_costs_nothing_that_was_finished() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    let base_size = std::fs::metadata(base().join("model.safetensors")).unwrap().len();
    let blocks = base_size * 3 / 2 / 512;
    let arguments = ["--run-dir", text(&run)];
    let limited = command(SMALL_RUN, &arguments);
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    let outcome = Command::new("sh").args(["-c", &script, "sh"]).arg(limited.get_program()).args(limited.get_args()).output().unwrap();
    Outcome::from(outcome).failed(1, &["direct/iter-001/training-state/state", "File too large"]);
    let finished = "few_shot/iter-000/metrics.json";
    let before = std::fs::metadata(run.join(finished)).unwrap().modified().unwrap();
    starloop(SMALL_RUN, &["--run-dir", text(&run), "--resume"]).done();
    assert_eq!(std::fs::metadata(run.join(finished)).unwrap().modified().unwrap(), before, "kept as it was");
    assert_same(&run, small_run());
}

#[test]
#[cfg(target_os = "linux")]
fn results_that_cannot_be_printed_are_a_failure() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let outcome = command("report", &[text(small_run())]).stdout(full).output().unwrap();
    Outcome::from(outcome).failed(1, &["standard output", "No space left"]);
}

#[test]
fn a_pretraining_that_is_killed_ends_in_the_same_weights() {
    let place = tempfile::tempdir().unwrap();
    let (whole, cut) = (place.path().join("whole"), place.path().join("cut/base"));
    let pretrain = |out| [out, "--set", "training.steps=300"];
    let mut child = start(SMALL_PRETRAINING, &[&["--out"], &pretrain(text(&cut))[..]].concat());
    wait_until(&mut child, "a saved state", || state_of(&cut).is_some());
    starloop(SMALL_PRETRAINING, &[&["--out"], &pretrain(text(&cut))[..]].concat()).failed(1, &[text(&cut), "another process", "--out"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!cut.exists(), "a checkpoint appears whole or not at all");
    for out in [&cut, &whole] {
        starloop(SMALL_PRETRAINING, &[&["--out"], &pretrain(text(out))[..]].concat()).done();
    }
    assert_same(&cut, &whole);
    assert_eq!(std::fs::read_dir(cut.parent().unwrap()).unwrap().count(), 1, "no state is left");
}

#[test]
fn a_training_that_is_killed_ends_in_the_same_weights() {
    let place = tempfile::tempdir().unwrap();
    let (whole, cut) = (place.path().join("whole"), place.path().join("cut.1"));
    let data = small_run().join("star/iter-001/train.jsonl");
    let train = |out: &Path, steps: &str| {
        let settings = ["--steps", steps, "--batch-size", "1", "--sequence-length", "256", "--set", "checkpoint_every=2", "--quiet"];
        let places = ["--model", text(&base()), "--data", text(&data), "--out", text(out)].map(str::to_owned);
        [&places[..], &settings.map(str::to_owned)].concat()
    };
    let line = |out, steps| train(out, steps).join(" ");
    let mut child = start(&format!("train {}", line(&cut, "40")), &[]);
    wait_until(&mut child, "a saved state", || state_of(&cut).is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    // A training does not use the state that another training saved for the same output.
    for (out, steps) in [(&whole, "12"), (&cut, "12")] {
        starloop(&format!("train {}", line(out, steps)), &[]).done();
    }
    assert_same(&cut, &whole);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2, "no state is left");
}
