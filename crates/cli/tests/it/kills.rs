//! Random deaths of a run of every method, on request. They take a second each:
//!
//! ```sh
//! STARLOOP_KILL_TRIALS=300 cargo test -p starloop --test it kills -- --ignored --nocapture
//! ```
//!
//! In each trial a run dies once or twice, and then resumes to its end. Its files must be those of a run that did not die, and no other
//! file may be left. `STARLOOP_KILL_SEED` changes the trials. Failing system calls need `strace`.

use crate::program::{assert_same, command, starloop, start, text};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUN: &str = "run methods --seed 1 --quiet --set task.digits=[2,3] --set task.problems_per_iteration=16 --set task.evaluation_per_class=4 \
     --set training.steps=4 --set training.checkpoint_every=2";
const METHODS: [&str; 17] = [
    "few_shot",
    "direct",
    "rationales",
    "star",
    "star_without",
    "self_training",
    "star_accumulate",
    "star_continue",
    "partial_hints",
    "rft",
    "rest_em",
    "adastar",
    "b_star",
    "v_star",
    "spin",
    "grpo",
    "dr_grpo",
];
const SIGNALS: [&str; 5] = ["KILL", "TERM", "INT", "HUP", "STOP"];
const CALLS: [&str; 4] = ["write", "rename,renameat,renameat2", "fsync,fdatasync", "openat"];
const FAULTS: [&str; 3] = ["error=EIO", "error=ENOSPC", "signal=KILL"];

/// A run that did not die, and its time.
struct Whole {
    run: PathBuf,
    line: String,
    time: Duration,
}

impl Whole {
    fn new(place: &Path, method: &str) -> Self {
        // A control needs the method that it controls.
        let methods = if method == "self_training" { "'star_without','self_training'".to_owned() } else { format!("'{method}'") };
        let (run, line) = (place.join("whole").join(method), format!("{RUN} --set run=[{methods}] --set main='{method}'"));
        let begun = Instant::now();
        starloop(&line, &["--run-dir", text(&run)]).done();
        Whole { run, line, time: begun.elapsed() }
    }

    /// A signal at a random moment. After SIGSTOP, SIGKILL follows.
    fn signalled(&self, run: &Path, random: &mut ChaCha8Rng) -> String {
        let (signal, moment) = (SIGNALS[random.random_range(0..SIGNALS.len())], random.random_range(0..=self.time.as_millis() as u64));
        let mut child = start(&self.line, &["--resume", "--run-dir", text(run)]);
        std::thread::sleep(Duration::from_millis(moment));
        let send =
            |signal: &str| Command::new("kill").args(["-s", signal, &child.id().to_string()]).stderr(Stdio::null()).status().unwrap();
        send(signal);
        if signal == "STOP" {
            send("KILL");
        }
        child.wait().unwrap();
        format!("SIG{signal} after {moment} ms")
    }

    /// A system call that fails, or in which the process dies.
    fn failing(&self, run: &Path, random: &mut ChaCha8Rng) -> String {
        let (calls, fault, when) =
            (CALLS[random.random_range(0..CALLS.len())], FAULTS[random.random_range(0..FAULTS.len())], random.random_range(1..=300));
        let inject = format!("inject={calls}:{fault}:when={when}");
        let program = command(&self.line, &["--resume", "--run-dir", text(run)]);
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-o", "/dev/null", "-e", &inject]).arg(program.get_program()).args(program.get_args());
        traced.env_remove("STARLOOP_LOG").stdin(Stdio::null()).output().unwrap();
        inject
    }
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
#[ignore = "minutes of random deaths"]
fn every_method_survives_random_deaths() {
    let place = tempfile::tempdir().unwrap();
    let whole: Vec<Whole> = METHODS.iter().map(|method| Whole::new(place.path(), method)).collect();
    let has_strace = Command::new("strace").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_strace {
        eprintln!("strace was not found: no system call fails");
    }
    let mut random = ChaCha8Rng::seed_from_u64(number("STARLOOP_KILL_SEED", 0) as u64);
    let trials = number("STARLOOP_KILL_TRIALS", 300);
    for trial in 0..trials {
        let (whole, run) = (&whole[trial % whole.len()], place.path().join("run"));
        let deaths: Vec<String> =
            (0..=random.random_range(0..2))
                .map(|_| {
                    if has_strace && random.random_bool(0.5) {
                        whole.failing(&run, &mut random)
                    } else {
                        whole.signalled(&run, &mut random)
                    }
                })
                .collect();
        eprintln!("trial {} of {trials}, {}: {}", trial + 1, METHODS[trial % METHODS.len()], deaths.join(", then "));
        starloop(&whole.line, &["--resume", "--run-dir", text(&run)]).done();
        assert_same(&run, &whole.run);
        std::fs::remove_dir_all(&run).unwrap();
    }
}
