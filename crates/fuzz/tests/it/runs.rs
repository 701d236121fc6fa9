//! The files of a finished run, read by everything that reads runs.

use starloop_core::event::{Event, Observer};
use starloop_core::experiment::Experiment;
use starloop_fuzz::{Target, overwrite};
use starloop_record::RunDir;
use starloop_record::digest::sha256_hex;
use starloop_report::compare::ComparedMethods;
use starloop_report::inspect::Filter;
use starloop_report::verdicts::VerdictAudit;
use starloop_report::watch::Watch;
use starloop_report::{Report, compare, export, inspect, listing};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const SMALL: [&str; 7] = [
    "task.digits=[2,3]",
    "task.problems_per_iteration=24",
    "task.evaluation_per_class=3",
    "training.steps=4",
    "methods.direct.training.steps=4",
    "policy.kind=\"embedded\"",
    "record.token_logprobs=true",
];

/// Every file of a run that is text.
fn texts(root: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            texts(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json" || extension == "jsonl" || extension == "toml") {
            found.push(path);
        }
    }
}

/// Everything that shows or exports a report.
fn show(report: &Report) {
    let _ = (report.summary_tables(120), report.table_over_runs(), report.paper_tables(), report.iteration_tables(), report.chart(100));
    let _ = (report.svg(), report.cost_table(), report.cost_svg(), report.json(), report.html(20).is_ok());
    let _ = (export::csv(report), export::json_lines(report).is_ok());
    for run in &report.runs {
        let Ok(chosen) = export::Chosen::of(run, None, None) else { continue };
        let _ = (chosen.words(), export::card(&chosen, export::Weights::Whole).is_ok());
        let set = RunDir::open_read_only(&run.path).ok().and_then(|run| export::training_set(&run, chosen.method, None).ok());
        let _ = set.map(|set| set.json_lines().is_ok());
    }
}

fn read(run: &Path) {
    let _ = Report::read(&[run.to_owned()]).map(|report| show(&report));
    let _ = listing::runs(run, &|_| Ok(()));
    if let Ok(opened) = RunDir::open_read_only(run) {
        let _ = inspect::each(&opened, &Filter::default(), |_, _| Ok(()));
        let _ = VerdictAudit::of(&opened, &Filter::default(), 3);
    }
    let _ = compare::compare(run, run, &ComparedMethods::default());
    if let Ok(watch) = Watch::open(run) {
        let _ = (watch.progress().is_ok(), watch.rationales("star", 3).is_ok());
    }
}

/// Passes every event by.
struct Quiet;

impl Observer for Quiet {
    fn observe(&mut self, _event: &Event) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

#[test]
fn run_directory() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("run");
    Experiment::load("smoke", &SMALL.map(str::to_owned)).unwrap().run(&root, false, &mut Quiet).unwrap();
    let mut files = Vec::new();
    texts(&root, &mut files);
    assert!(files.len() > 10, "{files:?}");
    let whole: Vec<Vec<u8>> = files.iter().map(|path| std::fs::read(path).unwrap()).collect();
    for (path, bytes) in files.iter().zip(&whole) {
        // Files that record the SHA-256 of this one. Each second input is recorded there too, so that the readers accept its SHA-256.
        let before = sha256_hex(bytes);
        let records: Vec<usize> = (0..files.len()).filter(|&file| String::from_utf8_lossy(&whole[file]).contains(&before)).collect();
        let mut is_recorded = false;
        let target = Target::new("run-directory", [bytes.clone()]).words(&["\"verdict\"", "\"correct\"", "\"method\"", "null"]);
        target.share(0.1 / files.len() as f64).run(super::tmp(), |input| {
            is_recorded = !is_recorded;
            if is_recorded {
                let after = sha256_hex(input);
                for &record in &records {
                    overwrite(&files[record], String::from_utf8_lossy(&whole[record]).replace(&before, &after).as_bytes());
                }
            }
            overwrite(path, input);
            read(&root);
            overwrite(path, bytes);
            for &record in &records {
                overwrite(&files[record], &whole[record]);
            }
        });
    }
}
