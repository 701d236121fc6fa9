#![allow(clippy::unwrap_used)]

use super::rows::by_class;
use super::*;
use crate::sample_run::{attempt, begin, hinted, learned, metrics, new_run, write_iteration, wrong};
use starloop_record::event::{Event, Observer};
use starloop_record::types::{GradedAttempt, Mode, Split, Verdict};
use starloop_record::{Approach, Outcome, OutcomeRecord, RunDir};
use std::io::Write;
use std::path::Path;

/// Writes a run as the loop would: metrics, and the events of three stages for each iteration.
fn write_run(root: &Path, methods: &[(&str, Vec<IterationMetrics>)]) {
    let run = begin(root, &[("few_shot", Approach::FewShot), ("star", Approach::StarRationalized)]);
    let mut log = run.event_log().unwrap();
    for (method, iterations) in methods {
        for metrics in iterations {
            let (method, iteration) = ((*method).to_owned(), metrics.iteration);
            run.iteration(&method, iteration).write_metrics(metrics).unwrap();
            for (stage, seconds, reused) in
                [(Stage::FineTuning, 60.0, false), (Stage::Evaluating, 5.5, false), (Stage::Sampling, 7.0, true)]
            {
                let _ = log.observe(&Event::StageFinished { method: method.clone(), iteration, stage, tokens: 1, seconds, reused });
            }
        }
    }
    run.finish().unwrap();
    log.close().unwrap();
}

pub(super) fn two_methods(root: &Path) {
    let base = vec![100, 96, 0];
    let star = vec![metrics(0, &base), learned(1, &[100, 99, 95], 800, 600), learned(2, &[100, 100, 99], 1_900, 50)];
    write_run(root, &[("few_shot", vec![metrics(0, &base)]), ("star", star)]);
}

fn read(root: &Path) -> Report {
    Report::read(&[root.to_owned()]).unwrap()
}

#[test]
fn json_has_the_promised_keys() {
    let directory = tempfile::tempdir().unwrap();
    two_methods(&directory.path().join("first"));
    let json: serde_json::Value = serde_json::from_str(&read(&directory.path().join("first")).json()).unwrap();
    let results = json["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    let last = &results[3];
    for key in ["method", "iteration", "accuracy", "interval", "by_class", "problems", "sampled_tokens", "trained_tokens", "seconds"] {
        assert!(!last[key].is_null(), "{key} is missing");
    }
    assert_eq!((&last["run"], &last["method"], &last["iteration"]), (&"first".into(), &"star".into(), &2.into()));
    assert_eq!([&last["approach"], &last["label"]], ["star_rationalized", "STaR with rationalization"]);
    assert!((last["accuracy"].as_f64().unwrap() - 299.0 / 300.0).abs() < 1e-12);
    assert!(last["interval"][0].as_f64() < last["accuracy"].as_f64() && last["accuracy"].as_f64() < last["interval"][1].as_f64());
    assert_eq!(last["by_class"], serde_json::json!({"1 digit": 1.0, "2 digits": 1.0, "3 digits": 0.99}));
    assert_eq!(last["sampled_tokens"], 223_456);
    assert_eq!(last["seconds"], 65.5, "stages that were found, not done, took no time");
    assert_eq!((last["faithful_unhinted"].as_f64(), last["faithful_hinted"].as_f64()), (Some(0.95), Some(0.5)));
    assert_eq!((&last["kept"], &last["dropped"]), (&1_947.into(), &3.into()));
    assert_eq!(json["methods"][1]["trained_tokens"], 3_000_000, "totals over the iterations");
    assert_eq!(json["methods"][1]["paper"]["percent"], 89.5);
    assert_eq!(last["train_used"], serde_json::json!({"share": 0.9735, "generated": 0.9485, "rationalized": 0.025}));
    assert_eq!((&json["methods"][1]["train_used"], &json["methods"][1]["split"]), (&last["train_used"], &"test".into()));
    assert!(json["methods"][0]["train_used"].is_null(), "nothing was learned");
}

#[test]
fn classes_keep_their_order_in_json() {
    let metrics = metrics(0, &[1; 10]);
    let text = serde_json::to_string(&by_class(&metrics, |_| 0)).unwrap();
    assert!(text.find("2 digits") < text.find("10 digits"), "{text}");
}

#[test]
fn tables_for_notebooks_are_those_of_the_terminal_and_escape_their_texts() {
    let directory = tempfile::tempdir().unwrap();
    two_methods(directory.path());
    let mut report = read(directory.path());
    report.runs[0].name = "<b>&".to_owned();
    let html = report.summary_html();
    assert!(html.contains("<th>STaR<br>with rationalization<br>star</th>") && html.contains("<b>&lt;b&gt;&amp;</b>"), "{html}");
    let cells = |row: &str| row.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let text = html.replace("<br>", " ").replace("</td><td>", " ").replace("<tr><td>", " ").replace("</td></tr>", " ");
    let row = report.summary_tables(120).lines().find(|line| line.starts_with("1 digit")).unwrap().to_owned();
    assert!(text.lines().any(|line| cells(line) == cells(&row)), "{row} in {text}");
}

#[test]
fn summary_tables() {
    let directory = tempfile::tempdir().unwrap();
    two_methods(directory.path());
    insta::assert_snapshot!(read(directory.path()).summary_tables(120), @r"
                                      untrained                  STaR
                           model, with examples  with rationalization
                                       few_shot                  star
    ─────────────────────────────────────────────────────────────────
    accuracy, %                            65.3                  99.7
      95% interval                   59.8..70.5            98.1..99.9
      paper (GPT-J 6B)                        -                  89.5
    1 digit (n = 100), %                  100.0                 100.0
    2 digits (n = 100), %                  96.0                 100.0
    3 digits (n = 100), %                   0.0                  99.0
    split                                  test                  test
    after iteration                           0                     2
    problems learned, %                       -     97.4 (94.9 + 2.5)
    problems attempted                        -                 4,000
    tokens sampled                            -                  447k
    tokens trained                            -                 3.00M
    time                             1 min 06 s            3 min 17 s

    The paper, %: STaR with rationalization 89.5 (16 iterations).

    builtin:tiny (1000 parameters), arithmetic, 300 test problems
    65.3% (untrained model) → 99.7% after 2 iterations of STaR with rationalization (star)
    star is the only method of its kind in the run, so nothing was chosen by the figure.
    95% interval over 300 problems of one run: 98.1..99.9% (Wilson). Another seed can differ by more.
    ");
}

#[test]
fn methods_are_rows_if_they_do_not_fit_as_columns() {
    let directory = tempfile::tempdir().unwrap();
    two_methods(directory.path());
    let tables = |width| read(directory.path()).summary_tables(width);
    insta::assert_snapshot!(tables(54).split("\n\nThe paper").next().unwrap(), @r"
    method    accuracy,         95%  paper,
                      %    interval       %
    ───────────────────────────────────────
    few_shot       65.3  59.8..70.5       -
    star           99.7  98.1..99.9    89.5

    method      1 digit   2 digits   3 digits
              (n = 100)  (n = 100)  (n = 100)
    ─────────────────────────────────────────
    few_shot      100.0       96.0        0.0
    star          100.0      100.0       99.0
    ");
    for width in [26, 40, 50] {
        let table = tables(width);
        let widest = table.split("\n\nThe paper").next().unwrap().lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(width), "{table}");
    }
}

#[test]
fn equal_labels_are_told_apart_by_their_settings() {
    let directory = tempfile::tempdir().unwrap();
    let methods = [("star", Approach::StarRationalized), ("longer", Approach::StarRationalized), ("twin", Approach::StarRationalized)];
    let mut new = new_run(&methods);
    new.config =
        "seed = 7\n[methods.star]\niterations = 3\n[methods.longer]\niterations = 9\ntraining.steps = 5\n[methods.twin]\niterations = 3\n"
            .parse()
            .unwrap();
    let run = RunDir::open(directory.path(), &new, false).unwrap().0;
    for (name, _) in methods {
        run.iteration(name, 0).write_metrics(&metrics(0, &[5])).unwrap();
    }
    let labels: Vec<String> = read(directory.path()).summaries().into_iter().map(|summary| summary.label).collect();
    let plain = "STaR with rationalization";
    assert_eq!(labels, [plain, &format!("{plain}, iterations = 9, training.steps = 5"), plain]);
}

#[test]
fn runs_that_differ_in_more_than_their_seed_are_not_put_together() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, seed: u64, rate: &str, right: u64| {
        let mut new = new_run(&[("star", Approach::Star)]);
        new.info.seed = seed;
        new.config = format!("seed = {seed}\n[training]\nlearning_rate = {rate}\n[methods.star]\niterations = 1\n").parse().unwrap();
        let run = RunDir::open(&directory.path().join(name), &new, false).unwrap().0;
        run.iteration("star", 0).write_metrics(&metrics(0, &[10])).unwrap();
        run.iteration("star", 1).write_metrics(&metrics(1, &[right])).unwrap();
    };
    for (name, seed, rate, right) in [("a", 1, "0.1", 50), ("b", 2, "0.1", 70), ("c", 1, "0.2", 80), ("d", 2, "0.2", 90)] {
        write(name, seed, rate, right);
    }
    let paths = ["a", "b", "c", "d"].map(|name| directory.path().join(name));
    let json: serde_json::Value = serde_json::from_str(&Report::read(&paths).unwrap().json()).unwrap();
    let groups = json["over_runs"].as_array().unwrap();
    let shown = |group: &serde_json::Value| {
        let mean = (1e6 * group["mean"].as_f64().unwrap()).round() / 1e6;
        (group["label"].clone(), mean, group["runs"].as_array().unwrap().len())
    };
    assert_eq!(shown(&groups[0]), ("STaR without rationalization".into(), 0.6, 2));
    assert_eq!(shown(&groups[1]), ("STaR without rationalization, training.learning_rate = 0.2".into(), 0.85, 2));
    // Student's 97.5% quantile with one degree of freedom is 12.706; the standard error is 0.1.
    let low = groups[0]["interval"][0].as_f64().unwrap();
    assert!(low.abs() < 1e-12, "within 0..=1: {low}");
    let last = &groups[1]["iterations"][1];
    assert_eq!((&last["iteration"], &last["runs"]), (&1.into(), &serde_json::json!([0.8, 0.9])));
    let table = Report::read(&paths).unwrap().summary_tables(60);
    assert!(table.contains("over runs") && table.contains("0.0..100.0"), "{table}");
}

#[test]
fn the_papers_table_has_what_was_measured_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    two_methods(directory.path());
    insta::assert_snapshot!(read(directory.path()).paper_tables(), @r"
                                               paper, %  measured, %         95%         learned, %
                                                                        interval           measured
    ───────────────────────────────────────────────────────────────────────────────────────────────
    direct fine-tuning                             76.3            -           -                  -
    STaR with rationalization (star)               89.5         99.7  98.1..99.9  97.4 (94.9 + 2.5)
    untrained model, with examples (few_shot)         -         65.3  59.8..70.5                  -

    The paper's model is GPT-J 6B unless a row names another. Measured on 300 test problems.
    The paper, %: STaR with rationalization 89.5 (16 iterations).
    ");
}

#[test]
fn a_final_figure_goes_before_the_iterations_that_it_was_chosen_by() {
    let directory = tempfile::tempdir().unwrap();
    two_methods(directory.path());
    let run = RunDir::open_read_only(directory.path()).unwrap();
    let measured = IterationMetrics { accuracy: Accuracy::new(200, 300), by_class: Vec::new(), ..learned(1, &[0], 800, 600) };
    run.final_measurement("star").write_metrics(&IterationMetrics { split: Split::Test, ..measured }).unwrap();
    let report = read(directory.path());
    let star = &report.summaries()[1];
    assert_eq!((star.iteration, star.split, star.accuracy), (1, Split::Test, Some(200.0 / 300.0)));
    assert!(report.summary_tables(120).contains("1 (the best)"), "{}", report.summary_tables(120));
    assert_eq!(report.results().len(), 4, "it is no iteration");
}

#[test]
fn what_the_base_can_do_is_not_a_methods_own_figure() {
    let directory = tempfile::tempdir().unwrap();
    write_run(directory.path(), &[("few_shot", vec![metrics(0, &[5])]), ("star", vec![metrics(0, &[5])])]);
    let mut report = read(directory.path());
    let summaries = report.summaries();
    assert_eq!((summaries[0].accuracy, summaries[1].accuracy), (Some(0.05), None), "{summaries:?}");
    assert!(summaries[1].interval.is_none() && summaries[1].by_class.0.is_empty());
    // A plain fine-tuning that was not trained yet.
    report.runs[0].methods[0].info.estimate.iterations = 1;
    assert_eq!(report.summaries()[0].accuracy, None);
}

#[test]
fn iteration_tables() {
    let directory = tempfile::tempdir().unwrap();
    two_methods(directory.path());
    insta::assert_snapshot!(read(directory.path()).iteration_tables(), @r"
    star (STaR with rationalization)
    iteration  accuracy, %         95%          1          2          3
                              interval      digit     digits     digits
                                        (n = 100)  (n = 100)  (n = 100)
    ───────────────────────────────────────────────────────────────────
            0         65.3  59.8..70.5      100.0       96.0        0.0
            1         98.0  95.7..99.1      100.0       99.0       95.0
            2         99.7  98.1..99.9      100.0      100.0       99.0

    iteration  problems   right,     right,  learned  faithful %,  faithful %,   tokens  steps   tokens    loss        time
                         no hint  with hint               no hint    with hint  sampled         trained
    ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
            0         -        -          -        -            -            -        -      -        -       -  1 min 06 s
            1     2,000      800        600    1,397         95.0         50.0     223k     80    1.50M  0.0123  1 min 06 s
            2     2,000    1,900         50    1,947         95.0         50.0     223k     80    1.50M  0.0123  1 min 06 s
    ");
}

#[test]
fn chart() {
    let directory = tempfile::tempdir().unwrap();
    two_methods(directory.path());
    insta::assert_snapshot!(read(directory.path()).chart(80), @r"
    STaR with rationalization
    100% ┤ 1       1       12
         │ 2       23      3
         │
         │
         │
     50% ┤
         │
         │
         │
         │
      0% ┤ 3
         └────────────────────────
           0       1       2  iteration
           1 = 1 digit (n = 100), 2 = 2 digits (n = 100), 3 = 3 digits (n = 100)
    ");
}

#[test]
fn a_narrow_chart_leaves_iterations_out_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let iterations = (0..30).map(|n| learned(n, &[100, 3 * u64::from(n)], 10, 10)).collect();
    write_run(directory.path(), &[("star", iterations)]);
    let chart = read(directory.path()).chart(60);
    assert!(chart.lines().all(|line| line.chars().count() <= 72), "{chart}");
    assert!(chart.contains("one iteration in 3 shown"), "{chart}");
    assert!(chart.contains("29"), "the last iteration is always shown:\n{chart}");
}

#[test]
fn svg_is_well_formed_and_has_a_curve_for_each_class() {
    let directory = tempfile::tempdir().unwrap();
    two_methods(directory.path());
    let svg = read(directory.path()).svg().unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let curves = document.descendants().filter(|node| node.has_tag_name("polyline") && node.attribute("stroke-width") == Some("2"));
    assert_eq!(curves.count(), 3);
    let texts: Vec<&str> = document.descendants().filter(|node| node.has_tag_name("text")).filter_map(|node| node.text()).collect();
    for expected in ["iteration", "accuracy (%)", "1 digit (n = 100)", "3 digits (n = 100)", "99.0%"] {
        assert!(texts.iter().any(|text| text.trim() == expected), "no {expected:?} in {texts:?}");
    }
}

#[test]
fn names_cannot_break_the_svg() {
    let directory = tempfile::tempdir().unwrap();
    let mut star = vec![metrics(0, &[1, 2]), learned(1, &[3, 4], 10, 10)];
    for metrics in &mut star {
        metrics.by_class[0].class = "<script>\u{1}&\"'".into();
    }
    write_run(directory.path(), &[("star", star)]);
    roxmltree::Document::parse(&read(directory.path()).svg().unwrap()).unwrap();
}

#[test]
fn a_single_iteration_has_no_curves() {
    let directory = tempfile::tempdir().unwrap();
    write_run(directory.path(), &[("few_shot", vec![metrics(0, &[50])])]);
    let report = read(directory.path());
    assert_eq!((report.svg(), report.chart(80)), (None, String::new()));
}

#[test]
fn an_iteration_that_was_not_evaluated_has_no_accuracy() {
    let directory = tempfile::tempdir().unwrap();
    let skipped = IterationMetrics { accuracy: Accuracy::new(0, 0), by_class: Vec::new(), ..learned(2, &[], 10, 10) };
    write_run(directory.path(), &[("star", vec![metrics(0, &[5]), learned(1, &[50], 10, 10), skipped])]);
    let report = read(directory.path());
    assert_eq!((report.results()[2].accuracy, report.results()[2].interval), (None, None));
    assert_eq!((report.summaries()[0].iteration, report.summaries()[0].accuracy), (1, Some(0.5)));
    assert!(report.chart(80).contains("0       1  iteration"), "{}", report.chart(80));
}

#[test]
fn a_torn_event_and_a_missing_event_file_are_no_errors() {
    let directory = tempfile::tempdir().unwrap();
    two_methods(directory.path());
    let events = directory.path().join("events.jsonl");
    std::fs::OpenOptions::new().append(true).open(&events).unwrap().write_all(b"{\"event\":\"stage_fin").unwrap();
    assert_eq!(read(directory.path()).results()[3].seconds, Some(65.5));
    std::fs::remove_file(events).unwrap();
    let report = read(directory.path());
    assert_eq!(report.results()[3].seconds, None);
    assert!(report.warnings[0].contains("times"), "{:?}", report.warnings);
}

#[test]
fn errors_name_what_is_missing_or_broken() {
    let directory = tempfile::tempdir().unwrap();
    let error = |root: &Path| Report::read(&[root.to_owned()]).unwrap_err().to_string();
    let message = error(&directory.path().join("nowhere"));
    assert!(message.contains("nowhere") && message.contains("No such file"), "{message}");
    write_run(directory.path(), &[]);
    let message = error(directory.path());
    assert!(message.contains("no finished iteration"), "{message}");
    two_methods(&directory.path().join("broken"));
    std::fs::write(directory.path().join("broken/star/iter-001/metrics.json"), "{").unwrap();
    let message = error(&directory.path().join("broken"));
    assert!(message.contains("iter-001") && message.contains("metrics.json"), "{message}");
}

#[test]
fn several_runs_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let paths = ["a/run", "b/run", "c"].map(|name| directory.path().join(name));
    for path in &paths {
        two_methods(path);
    }
    let report = Report::read(&paths).unwrap();
    let names: Vec<&str> = report.runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names, [paths[0].to_str().unwrap(), paths[1].to_str().unwrap(), "c"]);
    assert!(report.summary_tables(120).contains("\nc\n"), "{}", report.summary_tables(120));
    assert!(report.svg().unwrap().contains("c: STaR with rationalization"));
}

/// Two iterations at four problems. The second one accumulates.
fn accumulating(root: &Path) {
    let run = begin(root, &[("star", Approach::StarRationalized)]);
    let right = |graded: GradedAttempt, outcome| (GradedAttempt { false_step: Some(outcome == Outcome::Duplicate), ..graded }, outcome);
    let sample = |number, mut graded: GradedAttempt| {
        graded.attempt.sample = number;
        graded
    };
    let first = [
        right(attempt("a", "one", Verdict::Correct), Outcome::Learned),
        right(sample(1, attempt("a", "two", Verdict::Correct)), Outcome::Learned),
        (attempt("b", "x", wrong("3")), Outcome::Wrong),
        (sample(1, attempt("b", "y", Verdict::Truncated)), Outcome::Truncated),
        (attempt("c", "z", Verdict::Unparsed), Outcome::Unreadable),
        right(hinted("b", "because", Verdict::Correct), Outcome::Learned),
        (hinted("c", "the hint says", Verdict::Correct), Outcome::LeaksHint),
    ];
    write_iteration(&run, "star", 1, &first, &[]);
    run.iteration("star", 1).write_metrics(&learned(1, &[50], 20, 10)).unwrap();
    let earlier: Vec<OutcomeRecord> = first.iter().map(|(graded, outcome)| OutcomeRecord::new(1, &graded.attempt, *outcome)).collect();
    let second = [
        right(attempt("a", "one", Verdict::Correct), Outcome::Duplicate),
        (GradedAttempt { false_step: Some(true), ..attempt("d", "four", Verdict::Correct) }, Outcome::Learned),
    ];
    write_iteration(&run, "star", 2, &second, &earlier);
    run.iteration("star", 2).write_metrics(&learned(2, &[60], 20, 10)).unwrap();
}

#[test]
fn the_flow_adds_up_and_has_a_source_for_what_earlier_iterations_made() {
    let directory = tempfile::tempdir().unwrap();
    accumulating(directory.path());
    let report = read(directory.path());
    let figures = |place: usize| report.runs[0].methods[0].iterations[place].attempts.as_ref().unwrap();
    let count = |place: usize, source, mode, outcome| {
        let alike = |count: &&FlowCount| (count.source, count.mode, count.outcome) == (source, mode, Some(outcome));
        figures(place).flow.counts.iter().filter(alike).map(|count| count.attempts).sum::<u64>()
    };
    let (this, earlier) = (Source::ThisIteration, Source::EarlierIterations);
    assert_eq!([count(0, this, Mode::Unhinted, Outcome::Learned), count(0, this, Mode::Hinted, Outcome::LeaksHint)], [2, 1]);
    assert_eq!(figures(0).flow.counts.iter().map(|count| count.attempts).sum::<u64>(), 7, "every attempt is counted once");
    assert_eq!(
        figures(0).flow.retries,
        [
            Retry { verdict: "wrong", unhinted: 1, hinted: 1 },
            Retry { verdict: "unparsed", unhinted: 1, hinted: 1 },
            Retry { verdict: "truncated", unhinted: 1, hinted: 0 },
        ]
    );
    assert_eq!([count(1, earlier, Mode::Unhinted, Outcome::Learned), count(1, earlier, Mode::Hinted, Outcome::Learned)], [2, 1]);
    assert_eq!(count(1, earlier, Mode::Unhinted, Outcome::Wrong), 0, "a failure ended in its own iteration");
    assert_eq!([count(1, this, Mode::Unhinted, Outcome::Learned), count(1, this, Mode::Unhinted, Outcome::Duplicate)], [1, 1]);
}

#[test]
fn paths_false_steps_and_practice_are_read_from_the_record() {
    let directory = tempfile::tempdir().unwrap();
    accumulating(directory.path());
    let report = read(directory.path());
    let method = &report.runs[0].methods[0];
    let [first, second] = [0, 1].map(|place| method.iterations[place].attempts.clone().unwrap());
    assert_eq!((first.distinct_paths, second.distinct_paths), (Some(2.0), None), "the second iteration has one sample for each problem");
    assert_eq!([(first.checked, first.false_steps), (second.checked, second.false_steps)], [(3, 0), (1, 1)]);
    assert_eq!([first.prompt_tokens, second.prompt_tokens], [50, 20]);
    // a: 2 + 2 examples, b: 1 + 1, d: 1.
    let practice = Practice { attempted: 4, problems_by_examples: [(1, 1), (2, 1), (4, 1)].into() };
    assert_eq!(method.practice, Some(practice));
}
