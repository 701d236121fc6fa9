#![allow(clippy::unwrap_used)]

use super::*;
use crate::Report;
use crate::sample_run::{attempt, metrics, new_run, write_evaluation, wrong};
use starloop_record::metrics::ClassAccuracy;
use starloop_record::run_dir::Digests;
use starloop_record::types::Verdict;
use std::path::Path;

const PROBLEMS: &str = "abcdefghij";

/// A run of these methods, measured on `split`, with the problems that each has right, iteration by iteration. `main` is the config's main
/// method.
fn report_on(split: Split, root: &Path, main: Option<&str>, methods: &[(&str, Approach, &[&str])]) -> Report {
    let mut new = new_run(&methods.iter().map(|(name, approach, _)| (*name, *approach)).collect::<Vec<_>>());
    new.info.main = main.map(str::to_owned);
    new.config.insert("sampling".into(), toml::Table::from_iter([("few_shot".to_owned(), 3.into())]).into());
    let run = RunDir::open(root, &new, false).unwrap().0;
    for (method, _, iterations) in methods {
        for (iteration, right) in (0..).zip(*iterations) {
            let verdict = |problem: &str| if right.contains(problem) { Verdict::Correct } else { wrong("0") };
            let answers =
                PROBLEMS.split("").filter(|problem| !problem.is_empty()).map(|problem| attempt(problem, "text", verdict(problem)));
            write_evaluation(&run, method, iteration, &answers.collect::<Vec<_>>());
            run.iteration(method, iteration).write_metrics(&IterationMetrics { split, ..measured(iteration, right) }).unwrap();
        }
    }
    Report::read(&[root.to_owned()]).unwrap()
}

fn report(root: &Path, main: Option<&str>, methods: &[(&str, Approach, &[&str])]) -> Report {
    report_on(Split::Test, root, main, methods)
}

fn measured(iteration: u32, right: &str) -> IterationMetrics {
    let accuracy = Accuracy::new(right.len() as u64, 10);
    let by_class = [("1 digit", accuracy), ("2 digits", Accuracy::new(0, 0))];
    let by_class = by_class.map(|(class, accuracy)| ClassAccuracy { class: class.into(), accuracy }).into();
    IterationMetrics { accuracy, by_class, ..metrics(iteration, &[]) }
}

const FEW_SHOT: (&str, Approach, &[&str]) = ("few_shot", Approach::FewShot, &["ab"]);

#[test]
fn the_first_sentence_goes_from_the_untrained_model_to_the_final_one_with_a_paired_test() {
    let place = tempfile::tempdir().unwrap();
    let report = report(place.path(), None, &[FEW_SHOT, ("star", Approach::StarRationalized, &["ab", "abcd", "acdefgh"])]);
    let headline = report.runs[0].headline.as_ref().unwrap();
    assert_eq!(headline.choice, HeadlineChoice::Only);
    assert_eq!(
        headline.result,
        "20.0% (untrained model, 3 worked examples) → 70.0% after 2 iterations of STaR with rationalization (star); +50.0 points, 6 problems \
         gained, 1 lost, McNemar p = 0.1250"
    );
    assert_eq!(headline.subject, "builtin:tiny (1000 parameters), arithmetic, 10 test problems");
    assert!(headline.interval_note.starts_with("95% interval over 10 problems of one run: "), "{}", headline.interval_note);
    let summaries = report.summaries();
    assert_eq!((summaries[0].from_base, summaries[1].from_main), (None, None), "neither is compared with itself");
    assert_eq!(summaries[0].from_main.map(|of| (of.gained, of.lost)), Some((1, 6)));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&report.json()).unwrap()["headlines"][0]["result"], headline.result.as_str());
    let table = report.summary_tables(120);
    assert!(table.contains(&headline.result) && table.contains("1 digit (n = 10), %") && !table.contains("2 digits"), "{table}");
}

#[test]
fn the_config_or_dev_chooses_the_method_and_the_best_of_several_is_called_biased() {
    let star = ("star", Approach::StarRationalized, &["ab", "abc"][..]);
    let without = ("star_without", Approach::Star, &["ab", "abcd"][..]);
    let headline = |main: Option<&str>| {
        let place = tempfile::tempdir().unwrap();
        let report = report(place.path(), main, &[FEW_SHOT, star, without]);
        report.runs[0].headline.clone().unwrap()
    };
    let named = headline(Some("star"));
    assert_eq!((named.method.as_str(), named.choice), ("star", HeadlineChoice::Config), "{named:?}");
    let best = headline(None);
    assert_eq!((best.method.as_str(), best.choice), ("star_without", HeadlineChoice::BestOf(2)));
    assert!(best.choice_note.contains("best of 2 on the test split: biased upwards"), "{}", best.choice_note);
}

#[test]
fn a_final_figure_is_compared_with_the_untrained_model_on_the_same_split() {
    let place = tempfile::tempdir().unwrap();
    let star = ("star", Approach::StarRationalized, &["ab", "abcdef"][..]);
    let other = ("other", Approach::Star, &["ab", "abc"][..]);
    report_on(Split::Dev, place.path(), None, &[FEW_SHOT, star, other]);
    let run = RunDir::open_read_only(place.path()).unwrap();
    for (method, iteration, right) in [("few_shot", 0, 1), ("star", 1, 5), ("other", 1, 9)] {
        let last = IterationMetrics { accuracy: Accuracy::new(right, 10), ..metrics(iteration, &[]) };
        run.final_measurement(method).write_metrics(&last).unwrap();
        let answer = |n: u64| attempt(&n.to_string(), "text", if n < right { Verdict::Correct } else { wrong("0") });
        run.final_measurement(method).write_evaluation(&(0..10).map(answer).collect::<Vec<_>>(), Digests::default()).unwrap();
    }
    let report = Report::read(&[place.path().to_owned()]).unwrap();
    let headline = report.runs[0].headline.as_ref().unwrap();
    assert_eq!((headline.method.as_str(), headline.choice), ("star", HeadlineChoice::Dev), "dev chooses, and not the final split");
    assert!(headline.result.contains("+40.0 points, 4 problems gained, 0 lost"), "{}", headline.result);
}

#[test]
fn own_data_is_named_by_its_file() {
    let place = tempfile::tempdir().unwrap();
    let mut report = report(place.path(), None, &[FEW_SHOT]);
    let run = &mut report.runs[0];
    (run.info.task.kind, run.info.task.label) = ("jsonl".into(), "own data".into());
    run.config = "[task]\ntrain = \"data/problems.jsonl\"".parse().unwrap();
    assert_eq!(data(run), "own data problems.jsonl");
}
