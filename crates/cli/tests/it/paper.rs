//! The paper's experiments by name, and multiple choice by likelihood.

use crate::pretraining_text::Corpus;
use crate::program::{command, lines, numbers, starloop, text};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// The paper's arithmetic experiment in a few seconds.
const SMALL: &str = "reproduce arithmetic --quiet --set run=[\"few_shot\",\"star\"] --set task.digits=[2,3] --set task.problems_per_iteration=48 \
     --set task.evaluation_per_class=5 --set training.steps=6 --set methods.star.iterations=1";

#[test]
fn the_papers_table_is_printed_and_nothing_done_twice() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    let table = starloop(SMALL, &["--run-dir", text(&run)]).done();
    let row = |title: &str| table.lines().find(|line| line.starts_with(title)).unwrap().split_whitespace().collect::<Vec<_>>();
    assert!(row("STaR with rationalization (star)").contains(&"89.5"), "{table}");
    assert_eq!(row("direct fine-tuning")[2..], ["76.3", "-", "-", "-"], "not in this run: {table}");
    let share = row("STaR with rationalization (star)")[7].parse::<f64>().unwrap();
    let report = starloop("report --json", &[text(&run)]).json();
    let used = &report["methods"][1]["train_used"]["share"];
    assert!((100.0 * used.as_f64().unwrap() - share).abs() < 0.06 && share > 0.0, "{table}");
    let modified = || std::fs::metadata(run.join("star/iter-001/metrics.json")).unwrap().modified().unwrap();
    let before = modified();
    assert_eq!(starloop(SMALL, &["--run-dir", text(&run)]).done(), table);
    assert_eq!(modified(), before);
}

#[test]
fn what_is_missing_is_told_with_the_commands_that_fetch_it() {
    let nowhere = tempfile::tempdir().unwrap();
    let get_model = "`starloop get model Qwen/Qwen2.5-0.5B --out bases/Qwen2.5-0.5B`";
    for (line, said) in [
        ("reproduce gsm8k --small", &[get_model, "`starloop get data gsm8k`"][..]),
        (
            "reproduce commonsense_qa",
            &["`starloop get model EleutherAI/gpt-j-6b --out bases/gpt-j-6b`", "`starloop get data commonsense_qa`"],
        ),
        ("run gsm8k-small", &["`starloop get data gsm8k`"]),
        ("reproduce gsm8k --small --set model.base=elsewhere", &["\"elsewhere\"", "no such directory"]),
    ] {
        let outcome: crate::program::Outcome = command(line, &[]).current_dir(nowhere.path()).output().unwrap().into();
        outcome.failed(2, said);
        assert!(!line.contains("elsewhere") || !outcome.err.contains("starloop get model"), "{}", outcome.err);
    }
    assert_eq!(std::fs::read_dir(nowhere.path()).unwrap().count(), 0, "nothing was begun");
}

/// Sums with five choices, in the form of CommonsenseQA.
fn sums(path: &Path, from: u32) {
    let mut rows = String::new();
    for n in from..from + 6 {
        let choices = ["A", "B", "C", "D", "E"].iter().zip(n..).map(|(label, sum)| json!({"label": label, "text": sum.to_string()}));
        let choices: Vec<Value> = choices.collect();
        let question = json!({"stem": format!("{n} + 1"), "choices": choices});
        writeln!(rows, "{}", json!({"id": n.to_string(), "answerKey": "B", "question": question})).unwrap();
    }
    std::fs::write(path, rows).unwrap();
}

#[test]
fn the_most_likely_choice_is_the_one_that_score_says() {
    let place = tempfile::tempdir().unwrap();
    let (train, test, answers) = (place.path().join("train"), place.path().join("test"), place.path().join("answers"));
    sums(&train, 100);
    sums(&test, 7);
    let set = |key: &str, path: &Path| format!("task.{key}={}", Value::from(text(path)));
    let data = [set("train", &train), set("test", &test), "task.dev_problems=1".to_owned()];
    let data: Vec<&str> = data.iter().flat_map(|set| ["--set", set]).collect();
    let corpus = Corpus::new();
    let model = corpus.path("model");
    corpus.pretrain(&model, &["--set", "training.steps=20", "--set", "model.max_position_embeddings=512"]).done();
    let line = "eval --task commonsense_qa --split test --by-likelihood --quiet --model";
    let options = [&[text(&model)], &data[..]].concat();
    let figures = starloop(line, &[&options[..], &["--json", "--answers", text(&answers)]].concat()).json();
    crate::schemas::check("eval", &figures.to_string());
    assert_eq!((&figures["chance"], &figures["accuracy"]["total"]), (&json!(0.2), &json!(6)));
    let answers = lines(&answers);
    let of_kind = |chosen: &str| answers.iter().filter(|answer| answer[chosen] == answer["right"]).count();
    assert_eq!(figures["accuracy"]["correct"], of_kind("chosen"));
    assert_eq!(figures["accuracy_per_byte"]["correct"], of_kind("chosen_per_byte"));
    let first = &answers[0];
    assert_eq!((&first["right"], &first["choices"][1]), (&json!(1), &json!("8")));
    let prompt = "Q: 7 + 1\nAnswer Choices:\n(a) 7\n(b) 8\n(c) 9\n(d) 10\n(e) 11\nA:";
    let path = text(&model);
    let score = |text: &str| {
        let score = starloop("score --json", &["--model", path, "--text", text]).json();
        score["logprobs"].as_array().unwrap().iter().filter_map(Value::as_f64).sum::<f64>()
    };
    for (choice, logprob) in first["choices"].as_array().unwrap().iter().zip(numbers(&first["logprobs"])) {
        let alone = score(&format!("{prompt} {}", choice.as_str().unwrap())) - score(prompt);
        assert!((alone - logprob).abs() < 1e-3, "{choice}: {alone} {logprob}");
    }
    assert!(starloop(line, &options).done().starts_with("likelihood"));
}
