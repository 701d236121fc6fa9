//! Running the program, and looking at what it left.

use serde_json::Value;
use starloop_record::digest::file_sha256;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The smoke experiment, smaller still: every stage of every method in a few seconds.
pub const SMALL_RUN: &str = "run smoke --quiet --set task.digits=[2,3] --set task.problems_per_iteration=48 --set task.evaluation_per_class=5 \
     --set training.steps=12 --set methods.direct.training.steps=8 --set training.checkpoint_every=4";

/// A pretraining of a fraction of a second.
pub const SMALL_PRETRAINING: &str = "pretrain arithmetic --quiet --set model.hidden_size=32 --set model.num_hidden_layers=1 \
     --set model.num_attention_heads=2 --set model.intermediate_size=32 --set training.batch_size=2 --set training.warmup_steps=2 \
     --set training.checkpoint_every=5";

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Outcome {
    /// Its output, after a check of its exit code.
    pub fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self.out
    }

    /// The JSON that it printed, after seeing that it went well.
    pub fn json(self) -> Value {
        serde_json::from_str(&self.done()).unwrap()
    }

    /// Checks that it failed with this code, and said all of this in one line.
    pub fn failed(&self, code: i32, said: &[&str]) {
        let Outcome { code: found, err, out } = self;
        assert_eq!(*found, Some(code), "{err}");
        assert!(out.is_empty(), "standard output is for data alone: {out}");
        assert_eq!(err.matches("error: ").count(), 1, "one error: {err}");
        assert!(!err.contains("panicked"), "no panic: {err}");
        for words in said {
            assert!(err.contains(words), "no {words:?} in: {err}");
        }
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Outcome { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// The program with arguments that are divided by blanks, and after them others as they stand.
pub fn command(line: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_starloop"));
    command.args(line.split_whitespace()).args(more).env_remove("STARLOOP_LOG").stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub fn starloop(line: &str, more: &[&str]) -> Outcome {
    command(line, more).output().unwrap().into()
}

/// Runs the program to its end with a text on its standard input.
pub fn starloop_reading(input: &str, line: &str) -> Outcome {
    let mut child = command(line, &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

/// Starts the program and leaves it running.
pub fn start(line: &str, more: &[&str]) -> Child {
    command(line, more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until `reached` holds while the program runs; it must not end before.
pub fn wait_until(child: &mut Child, what: &str, reached: impl Fn() -> bool) {
    let began = Instant::now();
    while !reached() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before {what}");
        assert!(began.elapsed() < Duration::from_secs(120), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The state that an interrupted `train` or `pretrain` has saved beside its output.
pub fn state_of(out: &Path) -> Option<PathBuf> {
    let directory = format!("{}.training-state", text(out));
    let saved = std::fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path().join("state.safetensors"));
    saved.into_iter().find(|state| state.exists())
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A path in the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The shipped base model's checkpoint directory.
pub fn base() -> PathBuf {
    repository("crates/core/models/arithmetic")
}

/// An uninterrupted [`SMALL_RUN`], which all tests share.
pub fn small_run() -> &'static Path {
    static RUN: LazyLock<PathBuf> = LazyLock::new(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("small-run");
        if path.exists() {
            std::fs::remove_dir_all(&path).unwrap();
        }
        starloop(SMALL_RUN, &["--run-dir", text(&path)]).done();
        path
    });
    &RUN
}

/// Every directory and every file with its bytes, but for the event log, which holds times, and the lock.
pub fn snapshot(root: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut files = BTreeMap::new();
    walk(root, "", &mut files);
    files.retain(|name, _| name != "events.jsonl" && name != "lock");
    files
}

fn walk(directory: &Path, prefix: &str, files: &mut BTreeMap<String, Option<Vec<u8>>>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            walk(&path, &format!("{name}/"), files);
            files.insert(name, None);
        } else {
            files.insert(name, Some(std::fs::read(&path).unwrap()));
        }
    }
}

/// Checks that two directories hold the same, and names what differs.
pub fn assert_same(left: &Path, right: &Path) {
    let (left, right) = (snapshot(left), snapshot(right));
    let names = left.keys().chain(right.keys());
    let differing: Vec<&String> = names.filter(|name| left.get(*name) != right.get(*name)).collect();
    assert!(differing.is_empty(), "differ or are on one side alone: {differing:?}");
}

/// The values of a file of JSON lines.
pub fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Writes a file of JSON lines.
pub fn write_lines(path: &Path, lines: &[Value]) {
    std::fs::write(path, lines.iter().map(|line| line.to_string() + "\n").collect::<String>()).unwrap();
}

/// Records the digests of all files of a run anew, so that a run whose files a test has changed is read as if it had been made so.
pub fn reseal(run: &Path) {
    let stages: Vec<PathBuf> = snapshot(run).into_keys().filter(|name| name.contains("stages/")).map(|name| run.join(name)).collect();
    for stage in stages.into_iter().filter(|path| path.is_file()) {
        let mut record: Value = serde_json::from_slice(&std::fs::read(&stage).unwrap()).unwrap();
        for side in ["read", "wrote"] {
            for (name, digest) in record[side].as_object_mut().unwrap() {
                if let Ok(sha256) = file_sha256(&run.join(name)) {
                    *digest = sha256.into();
                }
            }
        }
        std::fs::write(&stage, record.to_string()).unwrap();
    }
}

/// The numbers of a JSON list.
pub fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}
