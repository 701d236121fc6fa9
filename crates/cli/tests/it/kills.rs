//! Random deaths of a run of every method, on request. They take a second each:
//!
//! ```sh
//! STARLOOP_KILL_TRIALS=300 cargo test -p starloop --test it kills -- --ignored --nocapture
//! ```
//!
//! In each trial a run dies once or twice, and then resumes to its end. Its files must be those of a run that did not die, and no other
//! file may be left. `STARLOOP_KILL_SEED` changes the trials. The suite needs `strace`, which makes system calls fail.

use crate::program::{assert_same, command, repository, starloop, start, text};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use starloop_core::registry::Registry;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const RUN: &str = "run methods --seed 1 --quiet --set task.digits=[2,3] --set task.problems_per_iteration=16 --set task.evaluation_per_class=4 \
     --set training.steps=4 --set training.checkpoint_every=2";
const SIGNALS: [&str; 5] = ["KILL", "TERM", "INT", "HUP", "STOP"];
const CALLS: [&str; 4] = ["write", "rename,renameat,renameat2", "fsync,fdatasync", "openat"];
const FAULTS: [&str; 3] = ["error=EIO", "error=ENOSPC", "signal=KILL"];

/// An attempt to end a run early.
struct Attack {
    what: String,
    /// The run did not come to its end.
    succeeded: bool,
}

/// The methods of the preset `methods`: every kind that there is, and its variants.
fn methods() -> Vec<String> {
    let config: toml::Table = std::fs::read_to_string(repository("crates/core/configs/methods.toml")).unwrap().parse().unwrap();
    let methods = config["methods"].as_table().unwrap();
    let kinds: BTreeSet<&str> = methods.values().map(|method| method["kind"].as_str().unwrap()).collect();
    let registered = Registry::default().methods;
    assert_eq!(kinds, registered.iter().map(|method| method.kind.as_str()).collect(), "the preset has every kind");
    methods.keys().cloned().collect()
}

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

    /// A signal at a random moment. After SIGSTOP, SIGKILL or SIGCONT follows.
    fn signalled(&self, run: &Path, random: &mut ChaCha8Rng) -> Attack {
        let (signal, moment) = (SIGNALS[random.random_range(0..SIGNALS.len())], random.random_range(0..=self.time.as_millis() as u64));
        let child = start(&self.line, &["--resume", "--run-dir", text(run)]);
        std::thread::sleep(Duration::from_millis(moment));
        let send =
            |signal: &str| Command::new("kill").args(["-s", signal, &child.id().to_string()]).stderr(Stdio::null()).status().unwrap();
        send(signal);
        if signal == "STOP" {
            send(if random.random_bool(0.5) { "KILL" } else { "CONT" });
        }
        Attack::of(&child.wait_with_output().unwrap(), format!("SIG{signal} after {moment} ms"))
    }

    /// A system call that fails, or in which the process dies.
    fn failing(&self, run: &Path, random: &mut ChaCha8Rng) -> Attack {
        let (calls, fault, when) =
            (CALLS[random.random_range(0..CALLS.len())], FAULTS[random.random_range(0..FAULTS.len())], random.random_range(1..=300));
        let inject = format!("inject={calls}:{fault}:when={when}");
        let program = command(&self.line, &["--resume", "--run-dir", text(run)]);
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-o", "/dev/null", "-e", &inject]).arg(program.get_program()).args(program.get_args());
        let output = traced.env_remove("STARLOOP_LOG").stdin(Stdio::null()).output().unwrap();
        Attack::of(&output, inject)
    }
}

impl Attack {
    /// The program may end early, and may not panic.
    fn of(output: &Output, what: String) -> Self {
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!err.contains("panicked"), "{what}: {err}");
        Attack { what, succeeded: !output.status.success() }
    }
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
#[ignore = "minutes of random deaths"]
fn every_method_survives_random_deaths() {
    let place = tempfile::tempdir().unwrap();
    let methods = methods();
    let whole: Vec<Whole> = methods.iter().map(|method| Whole::new(place.path(), method)).collect();
    let traces = Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success());
    assert!(traces, "strace cannot trace a program here: install it, and allow ptrace");
    let mut random = ChaCha8Rng::seed_from_u64(number("STARLOOP_KILL_SEED", 0) as u64);
    let trials = number("STARLOOP_KILL_TRIALS", 300);
    let mut deaths = 0;
    for trial in 0..trials {
        let (whole, run) = (&whole[trial % whole.len()], place.path().join("run"));
        let attack =
            |random: &mut ChaCha8Rng| if random.random_bool(0.5) { whole.failing(&run, random) } else { whole.signalled(&run, random) };
        let attacks: Vec<Attack> = (0..=random.random_range(0..2)).map(|_| attack(&mut random)).collect();
        deaths += attacks.iter().filter(|attack| attack.succeeded).count();
        let told: Vec<&str> = attacks.iter().map(|attack| attack.what.as_str()).collect();
        eprintln!("trial {} of {trials}, {}: {}; {deaths} deaths", trial + 1, methods[trial % methods.len()], told.join(", then "));
        starloop(&whole.line, &["--resume", "--run-dir", text(&run)]).done();
        assert_same(&run, &whole.run);
        std::fs::remove_dir_all(&run).unwrap();
    }
    assert!(2 * deaths >= trials, "{deaths} deaths in {trials} trials: the attacks come too late");
}
