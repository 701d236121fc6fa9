//! The figures of the page beside figures that are counted here, from the JSON lines of the run.

use crate::browser::Browser;
use crate::program::lines;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The answers of a file by problem: true if right.
fn answers(file: &Path) -> BTreeMap<String, bool> {
    lines(file).into_iter().map(|line| (line["problem"].as_str().unwrap().to_owned(), line["verdict"] == "correct")).collect()
}

/// The cells of the row of a table whose first cell ends with a name.
fn row(browser: &Browser, table: &str, name: &str) -> Vec<String> {
    let rows = browser
        .value(&format!("[...document.querySelectorAll('{table} tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))"));
    let rows: Vec<Vec<String>> = serde_json::from_value(rows).unwrap();
    rows.iter().find(|row| row[0].ends_with(name)).unwrap_or_else(|| panic!("no {name} in {rows:?}")).clone()
}

fn percent(share: f64) -> String {
    format!("{:.1}", if share > 0.0 && share < 1.0 { (100.0 * share).clamp(0.1, 99.9) } else { 100.0 * share })
}

/// Wilson's interval (1927) by the roots of its quadratic equation: the shares p with |p - mean| = z * sqrt(p * (1 - p) / n).
fn interval(right: usize, all: usize) -> String {
    let (n, mean, z2) = (all as f64, right as f64 / all as f64, 1.959_964_f64.powi(2));
    let (a, b, c) = (1.0 + z2 / n, -(2.0 * mean + z2 / n), mean * mean);
    let root = (b * b - 4.0 * a * c).max(0.0).sqrt();
    format!("{} to {}", percent((-b - root) / (2.0 * a)), percent((-b + root) / (2.0 * a)))
}

/// McNemar's two-sided p: twice the share of the sequences of so many coins that have so few heads or fewer.
fn p_value(gained: usize, lost: usize) -> String {
    let (coins, few) = (gained + lost, gained.min(lost));
    let sequences = |heads: usize| (0..heads).fold(1.0, |product, k| product * (coins - k) as f64 / (k + 1) as f64);
    let p = (2.0 * (0..=few).map(sequences).sum::<f64>() / 2_f64.powi(coins as i32)).min(1.0);
    if p < 1e-4 { "< 0.0001".into() } else { format!("{p:.4}") }
}

/// `+20.0 3 gained, 1 lost, p 0.6250`
fn difference(before: &BTreeMap<String, bool>, after: &BTreeMap<String, bool>) -> String {
    let gained = after.iter().filter(|(problem, right)| **right && !before[*problem]).count();
    let lost = after.iter().filter(|(problem, right)| !**right && before[*problem]).count();
    let points = 100.0 * (gained as f64 - lost as f64) / after.len() as f64;
    let sign = if points < 0.0 { "\u{2212}" } else { "+" };
    format!("{sign}{:.1} {gained} gained, {lost} lost, p {}", points.abs(), p_value(gained, lost))
}

/// The result, the flow of the last iteration, and the signs of health.
pub fn are_those_of_the_files(browser: &Browser, run: &Path) {
    let base = answers(&run.join("star/iter-000/eval.jsonl"));
    let star = answers(&run.join("star/iter-002/eval.jsonl"));
    for (method, file) in [("few_shot", "few_shot/iter-000"), ("direct", "direct/iter-001"), ("star", "star/iter-002")] {
        let found = answers(&run.join(file).join("eval.jsonl"));
        let right = found.values().filter(|right| **right).count();
        let cells = row(browser, "table.results", method);
        assert_eq!(cells[1], format!("{} {}", percent(right as f64 / found.len() as f64), interval(right, found.len())), "{method}");
        let expected = [
            if method == "few_shot" { "\u{2013}".to_owned() } else { difference(&base, &found) },
            if method == "star" { "\u{2013}".to_owned() } else { difference(&star, &found) },
        ];
        assert_eq!(cells[2..4], expected, "{method}");
    }
    the_flow(browser, run);
    for iteration in [1, 2] {
        health(browser, run, iteration);
    }
}

fn of<'a>(attempts: &'a [Value], mode: &'a str) -> impl Iterator<Item = &'a Value> {
    attempts.iter().filter(move |line| line["mode"] == mode)
}

fn the_flow(browser: &Browser, run: &Path) {
    let attempts = lines(&run.join("star/iter-002/attempts.jsonl"));
    let examples = lines(&run.join("star/iter-002/train.jsonl"));
    let counts = |name: &str, count: &dyn Fn(&str) -> usize| {
        let cells = row(browser, ".flow-place table", name);
        assert_eq!(cells[1..], ["unhinted", "hinted"].map(|mode| count(mode).to_string()), "{name}");
    };
    counts("attempts", &|mode| of(&attempts, mode).count());
    counts("learned", &|mode| of(&examples, mode).count());
    for (verdict, words) in [("correct", "right"), ("wrong", "wrong"), ("unparsed", "no readable answer"), ("truncated", "cut off")] {
        let number = |mode: &str| of(&attempts, mode).filter(|line| line["verdict"] == verdict).count();
        if number("unhinted") + number("hinted") > 0 {
            counts(words, &number);
        }
    }
}

/// Right without hint, right with hint, learned with hint, and right answers with wrong steps, as shares.
fn health(browser: &Browser, run: &Path, iteration: u32) {
    let place = run.join(format!("star/iter-00{iteration}"));
    let [attempts, examples, outcomes] = ["attempts", "train", "outcomes"].map(|file| lines(&place.join(format!("{file}.jsonl"))));
    let table = "[...document.querySelectorAll('#details table')].find((table) => table.parentElement.parentElement.textContent.startsWith('Signs'))";
    let texts = |row: &str| browser.value(&format!("[...{table}.{row}.cells].map((cell) => cell.textContent)"));
    let [head, cells]: [Vec<String>; 2] =
        [texts("tHead.rows[0]"), texts(&format!("tBodies[0].rows[{}]", iteration - 1))].map(|cells| serde_json::from_value(cells).unwrap());
    let cell = |name: &str| cells[head.iter().position(|cell| cell == name).unwrap_or_else(|| panic!("no {name} in {head:?}"))].clone();
    let share = |part: usize, all: usize| if all > 0 { percent(part as f64 / all as f64) } else { "\u{2013}".to_owned() };
    let right = |mode: &str| share(of(&attempts, mode).filter(|line| line["verdict"] == "correct").count(), of(&attempts, mode).count());
    assert_eq!(cell("iteration"), iteration.to_string());
    assert_eq!([cell("right, %"), cell("right with hint, %")], [right("unhinted"), right("hinted")], "iteration {iteration}");
    assert_eq!(cell("learned with hint, % of learned"), share(of(&examples, "hinted").count(), examples.len()), "iteration {iteration}");
    let key = |line: &Value| format!("{} {} {}", line["problem"], line["mode"], line["sample"]);
    let learned: Vec<String> = outcomes.iter().filter(|line| line["outcome"] == "learned").map(key).collect();
    let checked: Vec<&Value> = attempts.iter().filter(|line| learned.contains(&key(line)) && line["false_step"].is_boolean()).collect();
    let wrong_steps = checked.iter().filter(|line| line["false_step"] == true).count();
    assert_eq!(cell("right answer, wrong steps, % of learned"), share(wrong_steps, checked.len()), "iteration {iteration}");
}
