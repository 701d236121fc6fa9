//! A program of the user's that fine-tunes, for which this program stands.

use crate::program::{SMALL_RUN, lines, small_run, starloop, start, text, wait_until};
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

/// `[trainer]` with a command, as overrides.
fn trained_by(command: &Value) -> [String; 4] {
    ["--set".into(), "trainer.kind=command".into(), "--set".into(), format!("trainer.command={command}")]
}

/// A shell's script that fine-tunes with this program, by the settings of [`SMALL_RUN`].
fn own_program() -> Value {
    let script = format!(
        "set -e; '{}' train --quiet --model \"$1\" --data \"$2\" --out \"$3\" --steps \"$4\" --seed \"$5\" --batch-size 4 --sequence-length 256 \
         --learning-rate 2e-3 --set 'betas=[0.9, 0.98]' --set warmup_steps=5 --set schedule=linear --set decay_start=0.5 \
         --set final_fraction=0.05 >&2; echo \"{{\\\"step\\\": $4, \\\"loss\\\": 0.5}}\"",
        env!("CARGO_BIN_EXE_starloop")
    );
    json!(["sh", "-c", script, "train", "{base}", "{data}", "{out}", "{steps}", "{seed}"])
}

#[test]
#[cfg(unix)]
fn another_program_trains_and_the_run_is_that_of_the_embedded_trainer() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    let trainer = trained_by(&own_program());
    let mut more = vec!["--run-dir", text(&run), "--set", "run=[\"star\"]"];
    more.extend(trainer.iter().map(String::as_str));
    starloop(SMALL_RUN, &more).done();
    for iteration in ["star/iter-001", "star/iter-002"] {
        for file in ["attempts.jsonl", "train.jsonl", "eval.jsonl", "checkpoint/model.safetensors"] {
            let [here, there] = [&run, small_run()].map(|run| std::fs::read(run.join(iteration).join(file)).unwrap());
            assert!(here == there, "{iteration}/{file} differs");
        }
        assert!(!run.join(iteration).join("training-state").exists(), "its states are gone");
        assert!(run.join(iteration).join("checkpoint/training.log").exists());
        let told = lines(&run.join(iteration).join("loss.jsonl"));
        assert!(told.iter().all(|point| point["loss"] == 0.5), "{told:?}");
    }
    // The config is part of the run.
    starloop(SMALL_RUN, &["--run-dir", text(&run), "--resume", "--set", "run=[\"star\"]"]).failed(2, &["changed: trainer.command"]);
}

#[test]
#[cfg(target_os = "linux")]
fn neither_ctrl_c_nor_kill_leaves_a_trainer_behind_and_the_run_goes_on() {
    let is_running = |pid: &String| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    };
    let place = tempfile::tempdir().unwrap();
    let (run, file) = (place.path().join("run"), place.path().join("pids"));
    let pids = || std::fs::read_to_string(&file).unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    // It hangs at the given place, and trains elsewhere.
    let mut command = own_program();
    let script = format!(
        "if [ -e {0} ]; then sleep 600 & echo $$ $! > {1}; wait; fi; {2}",
        text(&place.path().join("hang")),
        text(&file),
        command[2].as_str().unwrap()
    );
    command[2] = script.into();
    let trainer = trained_by(&command);
    let mut more = vec!["--run-dir", text(&run), "--resume", "--set", "run=[\"star\"]", "--set", "methods.star.iterations=1"];
    more.extend(trainer.iter().map(String::as_str));
    for signal in ["INT", "KILL"] {
        std::fs::write(place.path().join("hang"), "").unwrap();
        let _ = std::fs::remove_file(&file);
        let mut child = start(SMALL_RUN, &more);
        wait_until(&mut child, "a trainer", || pids().len() == 2);
        let started = pids();
        assert!(started.iter().all(is_running), "{started:?}");
        Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status().unwrap();
        assert_eq!(child.wait().unwrap().code(), if signal == "INT" { Some(130) } else { None });
        let began = Instant::now();
        while started.iter().any(is_running) {
            assert!(began.elapsed() < Duration::from_secs(60), "{signal}: still running: {started:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!run.join("star/iter-001/checkpoint").exists(), "whole or not at all");
    }
    std::fs::remove_file(place.path().join("hang")).unwrap();
    starloop(SMALL_RUN, &more).done();
    let [here, there] = [&run, small_run()].map(|run| std::fs::read(run.join("star/iter-001/checkpoint/model.safetensors")).unwrap());
    assert!(here == there, "as if it had never been stopped");
}
