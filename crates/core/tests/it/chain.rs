//! The chain of digests: a file that was changed after its stage is an error that names file and stage, and a run can be moved.

use crate::doubles::{Bench, experiment};
use starloop_core::error::Error;
use starloop_record::Error as RecordError;
use starloop_record::run_dir::FileStage;
use std::fs;
use std::path::Path;

/// The files of iteration 1, each with the stage that writes it. A resumed run reads all of them if `metrics.json` is missing.
const FILES: [(&str, &str); 6] = [
    ("attempts.jsonl", "collect"),
    ("outcomes.jsonl", "select"),
    ("train.jsonl", "select"),
    ("training.json", "train"),
    ("checkpoint/skill", "train"),
    ("eval.jsonl", "evaluate"),
];

/// A finished run of one iteration whose figures are missing, so that resuming reads everything else.
fn uncounted(bench: &Bench, name: &str) -> std::path::PathBuf {
    bench.run(name, &experiment(&ONE_ITERATION), false).unwrap();
    let place = bench.place.path().join(name).join("star/iter-001");
    fs::remove_file(place.join("metrics.json")).unwrap();
    place
}

const ONE_ITERATION: [&str; 2] = ["run=['star']", "methods.star.iterations=1"];

#[test]
fn a_file_that_was_cut_zeroed_or_changed_is_named_with_its_stage() {
    type Damage = (&'static str, fn(&mut Vec<u8>));
    let damages: [Damage; 3] =
        [("cut", |bytes| bytes.truncate(bytes.len() / 2)), ("zeroed", |bytes| bytes.fill(0)), ("flipped", |bytes| bytes[0] ^= 1)];
    for (file, stage) in FILES {
        for (damage, apply) in damages {
            let bench = Bench::new();
            let place = uncounted(&bench, "toy");
            let path = place.join(file);
            let mut bytes = fs::read(&path).unwrap();
            apply(&mut bytes);
            fs::write(&path, bytes).unwrap();
            // Without its answers the model is asked again, so the checkpoint is loaded.
            if file.starts_with("checkpoint") {
                fs::remove_file(place.join("eval.jsonl")).unwrap();
            }
            let error = bench.run("toy", &experiment(&ONE_ITERATION), true).err().unwrap();
            let Error::Record(RecordError::Altered { path: named, stage: by, .. }) = &error else { panic!("{damage} {file}: {error}") };
            assert_eq!((named, by.as_str()), (&path, stage), "{damage}");
        }
    }
}

#[test]
fn a_stage_whose_files_are_deleted_is_done_again() {
    let bench = Bench::new();
    bench.run("whole", &experiment(&ONE_ITERATION), false).unwrap();
    for (file, _) in FILES {
        let place = uncounted(&bench, file.split('/').next().unwrap());
        let path = place.join(file.split('/').next().unwrap());
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        let name = file.split('/').next().unwrap();
        bench.run(name, &experiment(&ONE_ITERATION), true).unwrap();
        assert_eq!(bench.snapshot(name), bench.snapshot("whole"), "{file}");
    }
}

#[test]
fn every_stage_records_what_it_read_and_wrote() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&ONE_ITERATION), false).unwrap();
    let run = bench.open("toy");
    let place = run.iteration("star", 1);
    let stages = [FileStage::Collect, FileStage::Select, FileStage::Train, FileStage::Evaluate, FileStage::Count];
    let records = stages.map(|stage| place.stage(stage).unwrap().unwrap());
    for record in &records {
        assert!(record.maker.program.starts_with("starloop ") && record.maker.device.starts_with("cpu"), "{record:?}");
        for (name, sha256) in &record.wrote {
            assert_eq!(starloop_record::digest::file_sha256(&run.root().join(name)).unwrap(), *sha256, "{name}");
        }
    }
    let [collect, select, train, ..] = &records;
    assert!(collect.wrote.iter().all(|(name, sha256)| select.read.get(name) == Some(sha256)), "selection read the attempts");
    assert!(train.read.contains_key("star/iter-001/train.jsonl"), "{:?}", train.read);
    assert!(records[4].read.len() >= 5, "the figures count everything: {:?}", records[4].read);
}

#[test]
fn readers_find_every_problem_and_prompt() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&ONE_ITERATION), false).unwrap();
    let place = bench.open("toy").iteration("star", 1);
    let (problems, prompts) = (place.problems().unwrap(), place.prompts().unwrap());
    let attempts = place.attempts().unwrap().unwrap().into_iter().chain(place.evaluation().unwrap().unwrap());
    for graded in attempts {
        let problem = &problems[&graded.attempt.problem];
        let prompt = &prompts[&graded.attempt.prompt_sha256];
        assert_eq!(starloop_record::digest::sha256_hex(prompt), graded.attempt.prompt_sha256);
        assert!(prompt.contains(problem.text.trim_end_matches("\nA:")) && !problem.text.contains("HINT"), "{prompt}");
        assert!(problem.reference.is_some());
    }
}

#[test]
fn every_attempt_has_one_outcome_and_the_counts_are_theirs() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&["run=['star']", "methods.star.accumulate=true"]), false).unwrap();
    let run = bench.open("toy");
    for iteration in 1..=3 {
        let place = run.iteration("star", iteration);
        let outcomes = place.outcomes().unwrap().unwrap();
        for earlier in 1..=iteration {
            let attempts = run.iteration("star", earlier).attempts().unwrap().unwrap();
            let of_iteration: Vec<_> = outcomes.iter().filter(|record| record.iteration == earlier).collect();
            let same = attempts.iter().zip(&of_iteration).all(|(graded, record)| {
                (&graded.attempt.problem, graded.attempt.mode, graded.attempt.sample) == (&record.problem, record.mode, record.sample)
            });
            assert!(attempts.len() == of_iteration.len() && same, "iteration {iteration}, attempts of {earlier}");
        }
        let learned = outcomes.iter().filter(|record| record.outcome.is_learned()).count();
        assert_eq!(learned, place.examples().unwrap().unwrap().len());
    }
}

#[test]
fn a_moved_run_goes_on() {
    let bench = Bench::new();
    bench.run("whole", &experiment(&ONE_ITERATION), false).unwrap();
    uncounted(&bench, "here");
    let elsewhere = bench.place.path().join("deep/there");
    fs::create_dir(bench.place.path().join("deep")).unwrap();
    fs::rename(bench.place.path().join("here"), &elsewhere).unwrap();
    bench.run("deep/there", &experiment(&ONE_ITERATION), true).unwrap();
    assert_eq!(bench.snapshot("deep/there"), bench.snapshot("whole"));
}

#[test]
fn nothing_is_left_over_after_a_resume() {
    let bench = Bench::new();
    let place = uncounted(&bench, "toy");
    let root = bench.place.path().join("toy");
    let stages = root.join("stages");
    for directory in [&root, &stages, &root.join("star"), &place, &place.join("stages"), &root.join("problems"), &root.join("prompts")] {
        fs::create_dir_all(directory.join("unfinished.x.partial/unfinished")).unwrap();
        fs::write(directory.join("unfinished.y.partial"), "half").unwrap();
    }
    bench.run("toy", &experiment(&ONE_ITERATION), true).unwrap();
    bench.run("whole", &experiment(&ONE_ITERATION), false).unwrap();
    // This base is a directory, so no stage unpacked it.
    fs::remove_dir(stages).unwrap();
    assert_eq!(bench.snapshot("toy"), bench.snapshot("whole"));
    assert!(!Path::new(&root).join("unfinished.y.partial").exists());
}
