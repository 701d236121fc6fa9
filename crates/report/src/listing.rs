//! The runs in a directory: state, size and best result of each, from its small files.

use crate::error::Result;
use crate::watch::{RunState, resume_command};
use fs_err as fs;
use serde::Serialize;
use starloop_record::RunDir;
use starloop_record::metrics::{Accuracy, IterationMetrics};
use starloop_record::types::Split;
use std::path::{Path, PathBuf};

/// Directories below the given one that are searched.
const DEPTH: usize = 4;

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedRun {
    /// Its directory.
    pub run: PathBuf,
    /// The bytes of its files.
    pub bytes: u64,
    /// The content of its files: state and results.
    #[serde(flatten)]
    pub content: Content,
}

/// The content of a run in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Content {
    /// It can be read.
    Read {
        /// Its name in the config.
        name: String,
        /// Its state.
        state: RunState,
        /// The time of its last event, in seconds since the Unix epoch; `null` if it has no events.
        last_news: Option<f64>,
        /// Its best result; `null` if nothing was measured yet.
        best: Option<BestResult>,
        /// The command that resumes it; `null` if it is running or finished.
        resume: Option<String>,
    },
    /// It cannot be read.
    Unreadable {
        /// The error.
        error: String,
    },
}

/// The highest accuracy of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BestResult {
    /// The method's name in the config.
    pub method: String,
    /// The iteration that made the model; 0 for the base.
    pub iteration: u32,
    /// The split that it was measured on: the final one, if the run has final figures.
    pub split: Split,
    /// The accuracy.
    pub accuracy: Accuracy,
}

/// Lists the runs in `root` and in the directories below, in the order of their paths. Links are not followed. A run that `check` refuses is
/// listed with that error, and its files are not read.
///
/// # Errors
/// `root` cannot be read.
pub fn runs(root: &Path, check: &dyn Fn(&Path) -> Result<(), String>) -> Result<Vec<ListedRun>> {
    let mut found = Vec::new();
    collect(root, DEPTH, &mut found)?;
    found.sort();
    Ok(found.into_iter().map(|run| ListedRun { bytes: size(&run), content: content(&run, check), run }).collect())
}

fn collect(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if directory.join("run.json").is_file() {
        found.push(directory.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(directory)?.flatten() {
        if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            // A directory that cannot be read has no runs that could be listed.
            let _ = collect(&entry.path(), depth - 1, found);
        }
    }
    Ok(())
}

fn content(root: &Path, check: &dyn Fn(&Path) -> Result<(), String>) -> Content {
    let content = check(root).and_then(|()| read(root).map_err(|error| error.to_string()));
    content.unwrap_or_else(|error| Content::Unreadable { error })
}

fn read(root: &Path) -> Result<Content> {
    let run = RunDir::open_read_only(root)?;
    let (info, events) = (run.info()?, run.timed_events()?);
    let state = RunState::of(&run, info.status, &events);
    let mut best: Option<BestResult> = None;
    for method in &info.methods {
        for metrics in results(&run, &method.name)?.iter().filter(|metrics| metrics.accuracy.total > 0) {
            let IterationMetrics { iteration, split, accuracy, .. } = *metrics;
            if best.as_ref().is_none_or(|best| accuracy.mean > best.accuracy.mean) {
                best = Some(BestResult { method: method.name.clone(), iteration, split, accuracy });
            }
        }
    }
    let resume = state.can_be_resumed().then(|| resume_command(root));
    Ok(Content::Read { name: info.name, state, last_news: events.last().map(|(time, _)| *time), best, resume })
}

/// The final figures of a method, or those of its iterations.
fn results(run: &RunDir, method: &str) -> Result<Vec<IterationMetrics>> {
    match run.final_measurement(method).metrics()? {
        Some(last) => Ok(vec![last]),
        None => Ok(run.metrics(method)?),
    }
}

/// The bytes of all files below a directory. Files that disappear meanwhile do not count.
pub fn size(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size(&entry.path())).sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sample_run::{begin, learned, metrics};
    use starloop_record::Approach;

    #[test]
    fn a_list_has_state_and_best_result_of_every_run() {
        let place = tempfile::tempdir().unwrap();
        let [done, stopped] = ["b/seed-1", "a"].map(|name| place.path().join(name));
        let run = begin(&done, &[("star", Approach::Star)]);
        run.iteration("star", 0).write_metrics(&metrics(0, &[20])).unwrap();
        run.iteration("star", 1).write_metrics(&learned(1, &[90], 800, 600)).unwrap();
        run.iteration("star", 2).write_metrics(&learned(2, &[80], 800, 600)).unwrap();
        run.finish().unwrap();
        drop(run);
        drop(begin(&stopped, &[("star", Approach::Star)]));
        std::fs::create_dir(place.path().join("broken")).unwrap();
        std::fs::write(place.path().join("broken/run.json"), "{").unwrap();
        let listed = runs(place.path(), &|_| Ok(())).unwrap();
        let paths: Vec<&Path> = listed.iter().map(|run| run.run.strip_prefix(place.path()).unwrap()).collect();
        assert_eq!(paths, ["a", "b/seed-1", "broken"].map(Path::new));
        let Content::Read { state, best, resume, .. } = &listed[0].content else { panic!("{listed:?}") };
        assert_eq!((*state, best), (RunState::Stopped, &None));
        assert!(resume.as_ref().unwrap().ends_with("--resume"));
        let Content::Read { state, best: Some(best), resume, .. } = &listed[1].content else { panic!("{listed:?}") };
        assert_eq!((*state, best.iteration, best.accuracy.correct, resume), (RunState::Finished, 1, 90, &None));
        assert!(listed[1].bytes > 500);
        assert!(matches!(&listed[2].content, Content::Unreadable { error } if error.contains("run.json")), "{listed:?}");
    }
}
