#![allow(clippy::unwrap_used)]

use super::*;
use crate::sample_run::{attempt, begin, metrics, write_evaluation};
use starloop_record::Approach;
use starloop_record::types::Verdict;
use std::io::Write;

/// A run that this process holds.
struct Place(tempfile::TempDir, RunDir);

impl Place {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let run = begin(place.path(), &[("star", Approach::StarRationalized)]);
        Place(place, run)
    }

    /// Writes down what happened, each event with its time.
    fn log(&self, events: &[(f64, Event)]) -> &Self {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.0.path().join("events.jsonl")).unwrap();
        for (time, event) in events {
            let mut line = serde_json::to_value(event).unwrap();
            line["time"] = serde_json::json!(time);
            writeln!(file, "{line}").unwrap();
        }
        self
    }

    fn finish_iteration(&self, iteration: u32) {
        self.1.iteration("star", iteration).write_metrics(&metrics(iteration, &[50])).unwrap();
    }

    fn progress(&self) -> RunProgress {
        Watch::open(self.0.path()).unwrap().progress().unwrap()
    }
}

fn run_started(resumed: bool) -> Event {
    Event::RunStarted { run: "tiny".into(), resumed }
}

fn started(iteration: u32, stage: Stage, total: u64) -> Event {
    Event::StageStarted { method: "star".into(), iteration, stage, total }
}

fn finished(iteration: u32, stage: Stage, seconds: f64, reused: bool) -> Event {
    Event::StageFinished { method: "star".into(), iteration, stage, tokens: 500, seconds, reused }
}

fn close(found: Option<f64>, expected: f64) {
    assert!(found.is_some_and(|found| (found - expected).abs() < 1e-9), "{found:?} is not {expected}");
}

#[test]
fn a_stage_takes_as_long_as_its_kind_took_before() {
    let place = Place::new();
    place.log(&[(100.0, run_started(false)), (100.0, started(0, Stage::Evaluating, 50))]);
    let first = place.progress();
    assert_eq!((first.under_way.as_ref().map(|stage| (stage.units, stage.expected)), first.left), (Some((50, None)), None));
    // Sampling for 100 problems is expected from evaluating 50 of them in 5 s.
    place.log(&[(105.0, finished(0, Stage::Evaluating, 5.0, false)), (105.0, started(1, Stage::Sampling, 100))]);
    place.finish_iteration(0);
    let second = place.progress();
    close(second.under_way.and_then(|stage| stage.expected), 10.0);
    assert_eq!((second.last_news, second.worked, second.left), (Some(105.0), 5.0, None), "no fine-tuning was seen yet");
    place.log(&[
        (107.0, finished(1, Stage::Sampling, 2.0, false)),
        (107.0, started(1, Stage::FineTuning, 10)),
        (117.0, finished(1, Stage::FineTuning, 10.0, false)),
        (117.0, started(1, Stage::Evaluating, 50)),
        (120.0, finished(1, Stage::Evaluating, 3.0, false)),
        (120.0, started(2, Stage::Sampling, 100)),
    ]);
    place.finish_iteration(1);
    let third = place.progress();
    close(third.under_way.as_ref().and_then(|stage| stage.expected), 2.0);
    close(third.left, 30.0);
    assert_eq!((third.methods[0].info.estimate.iterations, third.worked), (3, 20.0));
    place.log(&[(122.0, finished(2, Stage::Sampling, 2.0, false)), (122.0, started(2, Stage::FineTuning, 20))]);
    let fourth = place.progress();
    close(fourth.left, 28.0);
    close(fourth.under_way.and_then(|stage| stage.expected), 20.0);
    assert_eq!(fourth.done.iter().map(|work| work.stage).collect::<Vec<_>>(), [Stage::Sampling], "those of the iteration at work");
}

#[test]
fn pauses_and_found_results_count_for_nothing() {
    let place = Place::new();
    place.log(&[
        (100.0, run_started(false)),
        (100.0, started(0, Stage::Evaluating, 50)),
        (105.0, finished(0, Stage::Evaluating, 5.0, false)),
        (105.0, started(1, Stage::Sampling, 100)),
        // Killed, and taken up an hour later.
        (3700.0, run_started(true)),
        (3700.0, started(0, Stage::Evaluating, 50)),
        (3700.5, finished(0, Stage::Evaluating, 0.0, true)),
    ]);
    let progress = place.progress();
    assert_eq!((progress.worked, progress.under_way), (5.5, None));
    assert_eq!(progress.done[0].seconds, Some(5.0), "as when it was done");
    assert_eq!(progress.done.len(), 1);
}

#[test]
fn a_copy_without_events_tells_its_figures() {
    let place = Place::new();
    place.finish_iteration(0);
    let watch = Watch::open(place.0.path()).unwrap();
    let progress = watch.progress().unwrap();
    assert_eq!((watch.mark(), progress.last_news, progress.left), (None, None, None));
    assert_eq!(progress.methods[0].iterations.len(), 1);
    assert_eq!(watch.rationales("star", 5).unwrap(), []);
}

#[test]
fn a_finished_run_has_nothing_under_way() {
    let place = Place::new();
    place.log(&[(100.0, run_started(false)), (100.0, started(0, Stage::Evaluating, 50))]);
    place.1.finish().unwrap();
    let progress = place.progress();
    assert_eq!((progress.state, progress.under_way, progress.left), (RunState::Finished, None, Some(0.0)));
}

#[test]
fn a_run_is_stopped_when_no_process_holds_it() {
    let Place(place, run) = Place::new();
    let state = || Watch::open(place.path()).unwrap().progress().unwrap().state;
    assert_eq!(state(), RunState::Running);
    drop(run);
    assert_eq!(state(), RunState::Stopped);
}

#[test]
fn a_run_that_ended_with_an_error_is_failed_until_it_is_resumed() {
    let place = Place::new();
    place.log(&[(100.0, run_started(false)), (101.0, Event::RunFailed { message: "no memory".into() })]);
    let root = place.0.path().to_owned();
    let Place(directory, run) = place;
    drop(run);
    let progress = Watch::open(&root).unwrap().progress().unwrap();
    assert_eq!((progress.state, progress.warnings), (RunState::Failed, vec!["the run failed: no memory".to_owned()]));
    let resume = progress.resume.unwrap();
    assert!(resume.starts_with("starloop run ") && resume.ends_with(" --resume") && resume.contains("/config.toml --run-dir "), "{resume}");
    drop(directory);
    assert_eq!(shell_word("a b'c"), r"'a b'\''c'");
}

#[test]
fn the_newest_answers_have_their_problems() {
    let place = Place::new();
    write_evaluation(&place.1, "star", 0, &[attempt("a", "one", Verdict::Correct)]);
    let newest = Watch::open(place.0.path()).unwrap().rationales("star", 5).unwrap();
    assert_eq!((newest.len(), newest[0].problem.as_ref().unwrap().answer.as_str()), (1, "A"));
}
