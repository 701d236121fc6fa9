//! A task, a policy and a trainer that are small enough to be known by heart.
//!
//! A problem is a number, its level the hundreds. A model is a file that holds the highest level that it solves. Unhinted, it solves up to
//! that level, and hinted one more. Trained on examples of a level, it solves that level.

mod models;
mod numbers;

pub use models::{Fault, Hopeless, ToyPolicy, ToyTrainer, complete, completion, completions};
pub use numbers::Numbers;

use starloop_core::config::Config;
use starloop_core::error::Result;
use starloop_core::event::{Event, Observer};
use starloop_core::experiment::Experiment;
use starloop_core::method_run::RunParts;
use starloop_core::policy::Policy;
use starloop_core::registry::{Registry, TaskKind};
use starloop_record::RunDir;
use starloop_record::info::Inputs;
use starloop_record::run_dir::OpenedAs;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

pub const CONFIG: &str = include_str!("doubles/toy.toml");

/// Remembers what it saw, and dies or cancels at the event with a given number.
#[derive(Default)]
pub struct Watcher {
    pub events: Vec<Event>,
    pub dies_at: Option<usize>,
    pub cancels_at: Option<usize>,
}

impl Observer for Watcher {
    fn observe(&mut self, event: &Event) -> ControlFlow<()> {
        if Some(self.events.len()) == self.dies_at {
            // As a panic, without the report: a test dies a thousand times.
            std::panic::resume_unwind(Box::new("injected death"));
        }
        if Some(self.events.len()) == self.cancels_at {
            return ControlFlow::Break(());
        }
        self.events.push(event.clone());
        ControlFlow::Continue(())
    }
}

impl Watcher {
    pub fn warnings(&self) -> Vec<&str> {
        self.events.iter().filter_map(|event| if let Event::Warning { message } = event { Some(message.as_str()) } else { None }).collect()
    }
}

pub fn experiment(overrides: &[&str]) -> Experiment {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    parse("toy.toml", CONFIG, &overrides).unwrap()
}

pub fn parse(origin: &str, text: &str, overrides: &[String]) -> Result<Experiment> {
    resolve(Config::parse(origin, text, overrides)?)
}

pub fn resolve(config: Config) -> Result<Experiment> {
    Experiment::new(config, &Registry::default().with_task(TaskKind::new::<Numbers>("numbers", "numbers")))
}

/// A temporary directory, in memory where the system has a place for that. These tests write thousands of files and make each permanent.
fn quick_place() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A base model of a skill, and a place for runs.
pub struct Bench {
    pub place: tempfile::TempDir,
    pub task: Numbers,
}

impl Bench {
    pub fn new() -> Self {
        let place = quick_place();
        std::fs::create_dir(place.path().join("base")).unwrap();
        std::fs::write(place.path().join("base/skill"), "0").unwrap();
        Bench { place, task: Numbers::default() }
    }

    /// Removes a run, so that many of them need little room.
    pub fn remove(&self, name: &str) {
        std::fs::remove_dir_all(self.place.path().join(name)).unwrap();
    }

    pub fn run(&self, name: &str, experiment: &Experiment, resume: bool) -> Result<Watcher> {
        let mut watcher = Watcher::default();
        self.run_with(name, experiment, resume, &mut ToyPolicy::default(), &mut ToyTrainer::default(), &mut watcher)?;
        Ok(watcher)
    }

    pub fn run_with(
        &self,
        name: &str,
        experiment: &Experiment,
        resume: bool,
        policy: &mut ToyPolicy<'_>,
        trainer: &mut ToyTrainer<'_>,
        watcher: &mut Watcher,
    ) -> Result<()> {
        let (run_dir, found) = self.take(name, experiment, resume)?;
        let base = self.place.path().join("base");
        let mut parts = RunParts { task: &self.task, base: &base, policy, trainer };
        experiment.run_in(&run_dir, found, &mut parts, watcher)
    }

    /// A run with another policy.
    pub fn run_policy(&self, name: &str, experiment: &Experiment, policy: &mut dyn Policy) -> (Result<()>, Watcher) {
        let mut watcher = Watcher::default();
        let (run_dir, found) = self.take(name, experiment, false).unwrap();
        let base = self.place.path().join("base");
        let mut parts = RunParts { task: &self.task, base: &base, policy, trainer: &mut ToyTrainer::default() };
        let result = experiment.run_in(&run_dir, found, &mut parts, &mut watcher);
        (result, watcher)
    }

    /// Opens a run for writing.
    pub fn take(&self, name: &str, experiment: &Experiment, resume: bool) -> Result<(RunDir, OpenedAs)> {
        experiment.open(&self.place.path().join(name), &self.task, Inputs::new(), resume)
    }

    pub fn open(&self, name: &str) -> RunDir {
        RunDir::open_read_only(&self.place.path().join(name)).unwrap()
    }

    /// Every file of a run with its bytes, and every directory, without times and the content of the lock file.
    pub fn snapshot(&self, name: &str) -> BTreeMap<String, Option<String>> {
        let mut files = BTreeMap::new();
        walk(&self.place.path().join(name), "", &mut files);
        files.remove("events.jsonl");
        // It holds the number of its file.
        if let Some(Some(lock)) = files.get_mut("lock") {
            lock.clear();
        }
        files
    }
}

fn walk(directory: &Path, prefix: &str, files: &mut BTreeMap<String, Option<String>>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            walk(&path, &format!("{name}/"), files);
            files.insert(name, None);
        } else {
            files.insert(name, Some(std::fs::read_to_string(&path).unwrap()));
        }
    }
}
