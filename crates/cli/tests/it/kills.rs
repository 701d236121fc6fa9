//! Random deaths of a run of every method, on request. They take a second each:
//!
//! ```sh
//! STARLOOP_KILL_TRIALS=300 cargo test -p starloop --test it kills -- --ignored --nocapture
//! ```
//!
//! In each trial a run dies once or twice, and then resumes to its end. Its files must be those of a run that did not die, and no other
//! file may be left. `STARLOOP_KILL_SEED` changes the trials. Failing system calls need `strace`.

use crate::program::{assert_same, command, starloop, start, text};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUN: &str = "run methods --seed 1 --quiet --set task.digits=[2,3] --set task.problems_per_iteration=16 --set task.evaluation_per_class=4 \
     --set training.steps=4 --set training.checkpoint_every=2";
const METHODS: [&str; 16] = [
    "few_shot",
    "direct",
    "rationales",
    "star",
    "star_without",
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

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

/// A run that did not die, and its time.
struct Whole {
    run: PathBuf,
    line: String,
    time: Duration,
}

impl Whole {
    fn new(place: &Path, method: &str) -> Self {
        let (run, line) = (place.join("whole").join(method), format!("{RUN} --set run=['{method}'] --set main='{method}'"));
        let begun = Instant::now();
        starloop(&line, &["--run-dir", text(&run)]).done();
        Whole { run, line, time: begun.elapsed() }
    }

    /// A signal at a random moment. After SIGSTOP, SIGKILL follows.
    fn signalled(&self, run: &Path, random: &mut Random) -> String {
        let (signal, moment) = (SIGNALS[random.below(SIGNALS.len())], random.below(self.time.as_millis() as usize + 1));
        let mut child = start(&self.line, &["--resume", "--run-dir", text(run)]);
        std::thread::sleep(Duration::from_millis(moment as u64));
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
    fn failing(&self, run: &Path, random: &mut Random) -> String {
        let (calls, fault, when) = (CALLS[random.below(CALLS.len())], FAULTS[random.below(FAULTS.len())], 1 + random.below(300));
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
    let mut random = Random(number("STARLOOP_KILL_SEED", 0) as u64);
    let trials = number("STARLOOP_KILL_TRIALS", 300);
    for trial in 0..trials {
        let (whole, run) = (&whole[trial % whole.len()], place.path().join("run"));
        let deaths: Vec<String> = (0..=random.below(2))
            .map(|_| if has_strace && random.below(2) == 0 { whole.failing(&run, &mut random) } else { whole.signalled(&run, &mut random) })
            .collect();
        eprintln!("trial {} of {trials}, {}: {}", trial + 1, METHODS[trial % METHODS.len()], deaths.join(", then "));
        starloop(&whole.line, &["--resume", "--run-dir", text(&run)]).done();
        assert_same(&run, &whole.run);
        std::fs::remove_dir_all(&run).unwrap();
    }
}
