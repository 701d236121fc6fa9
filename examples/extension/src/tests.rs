//! Own kinds are recorded and shown by their own names, and a cancelled run goes on to the same bytes.

use super::run;
use starloop_core::error::Error;
use starloop_record::RunDir;
use std::collections::BTreeMap;
use std::path::Path;

const ALL: u32 = u32::MAX;

#[test]
fn own_kinds_are_recorded_and_shown_by_their_names() {
    let place = tempfile::tempdir().expect("a directory");
    run(place.path(), ALL, &[]).expect("the example runs");
    let record = RunDir::open_read_only(place.path()).expect("a run");
    let info = record.info().expect("run.json");
    assert_eq!((info.task.kind.as_str(), info.task.label.as_str()), ("doubling", "twice a number"));
    assert!(info.task.paper.is_empty() && info.methods[0].label == "shortest rationale");
    let policy = &record.config().expect("config.toml")["policy"];
    assert_eq!((policy["kind"].as_str(), policy["draws"].as_integer()), (Some("likeliest"), Some(2)));
    let metrics = record.metrics("shortest").expect("figures");
    // The base doubles numbers of two digits already. One right rationale of each problem is learned, and nothing is lost by it.
    let selection = metrics[1].selection;
    assert!(selection.problems_unhinted > 50 && selection.kept_unhinted == selection.problems_unhinted, "{selection:?}");
    assert!(metrics[1].accuracy.mean > 0.9, "{metrics:?}");
    let attempts = record.iteration("shortest", 1).attempts().expect("readable").expect("attempts");
    assert!(attempts.iter().all(|graded| graded.false_step.is_none()), "no checker of another task judges the steps");

    let report = starloop_report::Report::read(&[place.path().to_owned()]).expect("a report");
    for shown in [report.json(), report.summary_tables(120), report.paper_tables()] {
        assert!(!shown.contains("STaR with rationalization") && !shown.contains("89.5"), "{shown}");
    }
    assert_eq!(report.summaries()[0].label, "shortest rationale");
    assert!(report.runs[0].paper_model().is_none() && report.runs[0].paper_figure(&info.methods[0]).is_none());

    let other = ["task={ kind = \"arithmetic\" }".to_owned()];
    let Some(Error::Record(starloop_record::Error::ConfigChanged { keys, .. })) = run(place.path(), ALL, &other).err() else {
        panic!("a run must not go on with another task")
    };
    assert!(keys.iter().any(|key| key.starts_with("task.kind (\"doubling\" -> \"arithmetic\")")), "{keys:?}");
}

#[test]
fn a_cancelled_run_goes_on_to_the_same_bytes() {
    let place = tempfile::tempdir().expect("a directory");
    let [whole, cut] = ["whole", "cut"].map(|name| place.path().join(name));
    let small = ["task.training_problems=8".to_owned(), "training.steps=2".to_owned()];
    run(&whole, ALL, &small).expect("the example runs");
    assert!(matches!(run(&cut, 1, &small), Err(Error::Cancelled)));
    assert!(!cut.join("shortest/iter-001/metrics.json").exists());
    run(&cut, ALL, &small).expect("the example goes on");
    assert_eq!(files(&cut), files(&whole));
}

/// Every file below a directory with its bytes, except the log with its times and the lock, which names its place.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in std::fs::read_dir(next).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.file_name().is_none_or(|name| name != "events.jsonl" && name != "lock") {
                let name = path.strip_prefix(directory).expect("below it").to_string_lossy().into_owned();
                found.insert(name, std::fs::read(&path).expect("readable"));
            }
        }
    }
    found
}
