//! The ways of a reader through the page: from a result to the attempts behind it, and back.

use super::{after, choose, listed, pane};
use crate::browser::{Browser, DOWN, ENTER, RIGHT};
use crate::program::{lines, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The answers of an iteration of star: true if right.
fn right_answers(run: &Path, iteration: u32) -> BTreeMap<String, bool> {
    let answers = lines(&run.join(format!("star/iter-00{iteration}/eval.jsonl"))).into_iter();
    answers.map(|line| (line["problem"].as_str().unwrap().to_owned(), line["verdict"] == "correct")).collect()
}

fn address(browser: &Browser) -> String {
    browser.text("decodeURIComponent(location.hash.replaceAll('+', ' '))")
}

/// An example under the result opens its attempt; the way back leads to all attempts.
pub fn from_an_example_and_back(browser: &Browser, run: &Path) {
    let (base, last) = (right_answers(run, 0), right_answers(run, 2));
    let gained: Vec<&String> = last.iter().filter(|(problem, right)| **right && !base[*problem]).map(|(problem, _)| problem).collect();
    browser.run("history.replaceState(null, '', '#rationales')");
    let card = "[...document.querySelectorAll('.example')].find((card) => card.textContent.startsWith('Gained'))";
    assert!(browser.text(&format!("{card}.querySelector('h4').textContent")).ends_with(&format!("all {}", gained.len())));
    let found = after(browser, || {
        browser
            .run(&format!("{card}.querySelector('a.read').dispatchEvent(new MouseEvent('click', {{ bubbles: true, cancelable: true }}))"));
    });
    assert_eq!(found, gained.len() as u64, "the list has the same kind");
    browser.wait_until("document.querySelector('#pane h3') !== null");
    let shown = browser.text("document.querySelector('#pane h3').textContent");
    assert!(gained.contains(&&shown), "{shown}");
    assert!(
        address(browser).contains("kind=gained") && address(browser).contains(&format!("/evaluation/0/{shown}")),
        "{}",
        address(browser)
    );
    let all = after(browser, || {
        browser.run("history.back()");
    });
    assert!(all > found, "back leads to all attempts");
}

/// The grid has a row for each problem, and the counts of the files. A cell opens its attempt.
pub fn from_the_grid(browser: &Browser, run: &Path) {
    let head = browser.text("document.querySelector('.grid-head').textContent");
    let share = |iteration| {
        let answers = right_answers(run, iteration);
        let right = answers.values().filter(|right| **right).count();
        format!("{iteration}{:.0}%", 100.0 * right as f64 / answers.len() as f64)
    };
    assert_eq!(head, format!("{} problems{}{}{}", right_answers(run, 0).len(), share(0), share(1), share(2)));
    let (base, last) = (right_answers(run, 0), right_answers(run, 2));
    let gained = last.iter().find(|(problem, right)| **right && !base[*problem]).unwrap().0;
    let cell = |iteration: u32| {
        format!("document.querySelector('.grid-row:has([title=\"{gained}\"])').querySelectorAll('.grid-cell')[{iteration}]")
    };
    browser.run("document.querySelector('.grid-box').scrollIntoView()");
    browser.wait_until("document.querySelectorAll('.grid-cell').length > 3");
    let words = |iteration| browser.text(&format!("{}.textContent", cell(iteration)));
    assert_eq!([words(0), words(2)], ["✗", "✓"]);
    after(browser, || {
        browser.run(&format!("{}.click()", cell(2)));
    });
    assert!(address(browser).contains(&format!("attempt=star/2/evaluation/0/{gained}")), "{}", address(browser));
    // The same by keys.
    browser.run("document.querySelector('.grid-box').focus()");
    after(browser, || browser.press(&format!("{RIGHT}{ENTER}")));
    assert!(address(browser).contains("attempt=star/1/evaluation/0/"), "{}", address(browser));
}

/// Points, bars, ribbons and rows of figures open the attempts that they count.
pub fn from_figures(browser: &Browser, run: &Path) {
    let attempts = lines(&run.join("star/iter-002/attempts.jsonl"));
    let answers = lines(&run.join("star/iter-002/eval.jsonl")).len() as u64;
    let click = |element: &str| {
        after(browser, || {
            browser.run(&format!("{element}.dispatchEvent(new MouseEvent('click', {{ bubbles: true, cancelable: true }}))"));
        })
    };
    let point =
        "[...document.querySelectorAll('#accuracy a')].find((point) => point.getAttribute('aria-label').startsWith('star, iteration 2'))";
    assert_eq!(click(point), answers, "a point");
    let node = "[...document.querySelectorAll('.flow a')].find((node) => node.getAttribute('aria-label').endsWith(' right'))";
    let right = attempts.iter().filter(|line| line["mode"] == "unhinted" && line["verdict"] == "correct").count() as u64;
    assert_eq!(click(node), right, "a part of the flow");
    let bar = "[...document.querySelectorAll('#details .opens')].find((bar) => bar.textContent.startsWith('iteration 2, sampling'))";
    assert_eq!(click(bar), attempts.iter().filter(|line| line["mode"] == "unhinted").count() as u64, "a bar");
    // A chart by keys: the third place, then its attempts.
    browser.run("document.querySelector('#accuracy svg[tabindex]').focus()");
    browser.press(&RIGHT.to_string().repeat(3));
    let read = browser.text("document.querySelector('#accuracy .readout').textContent");
    assert!(read.contains("star, iteration 2: "), "{read}");
    assert_eq!(after(browser, || browser.press(&ENTER.to_string())), answers, "the same point by keys");
    // The list goes on from there.
    let place = "document.querySelector('.tools .note').textContent";
    browser.wait_until(&format!("{place} === '1 of {answers}'"));
    browser.run("document.getElementById('next').click()");
    browser.wait_until(&format!("{place} === '2 of {answers}'"));
    browser.run("document.getElementById('previous').click()");
    browser.wait_until(&format!("{place} === '1 of {answers}'"));
}

/// CSV and JSON lines hold exactly the listed attempts.
pub fn to_a_file(browser: &Browser, place: &Path, all: &[Value]) {
    browser.devtools("Browser.setDownloadBehavior", &json!({"behavior": "allow", "downloadPath": text(place)}));
    let total = after(browser, || {
        browser.run("document.getElementById('reset').click()");
    });
    assert_eq!((total, address(browser)), (all.len() as u64, "#rationales".to_owned()), "reset");
    choose(browser, "verdict", "wrong");
    let wrong: Vec<&Value> = all.iter().filter(|line| line["verdict"] == "wrong").collect();
    let saved = |format: &str| {
        browser.run(&format!(
            "[...document.querySelectorAll('.line-of-tools button')].find((button) => button.textContent === '{format}').click()"
        ));
        let file = place.join(format!("attempts.{}", format.to_lowercase()));
        let began = std::time::Instant::now();
        while !file.exists() {
            assert!(began.elapsed() < Duration::from_secs(60), "{format} was not saved");
            std::thread::sleep(Duration::from_millis(20));
        }
        file
    };
    let records = lines(&saved("JSONL"));
    for (record, line) in records.iter().zip(&wrong) {
        for key in ["problem", "completion", "predicted", "class", "sample", "verdict"] {
            assert_eq!(record[key], line[key], "{key}");
        }
    }
    assert_eq!(records.len(), wrong.len());
    let table = std::fs::read_to_string(saved("CSV")).unwrap();
    assert!(table.starts_with("\"run\",\"method\",\"iteration\""), "{table}");
    assert_eq!(table.matches("\r\n").count(), wrong.len() + 1, "a header, and a line for each attempt");
    browser.run("[...document.querySelectorAll('.tools button')].find((button) => button.textContent === 'copy').click()");
    browser.wait_until("[...document.querySelectorAll('.tools button')].some((button) => button.textContent === 'copied')");
}

/// A page that is opened with an address shows its filters and its attempt.
pub fn by_a_link(browser: &Browser, page: &Path, all: &[Value]) {
    choose(browser, "order", "nearly right first");
    browser.run("document.querySelector('.list').focus()");
    browser.press(&DOWN.to_string().repeat(2));
    browser.wait_until("location.hash.includes('attempt=')");
    let (link, shown) = (browser.text("location.hash"), pane(browser));
    browser.run("location.hash = ''");
    browser.open_at(page, &link);
    assert_eq!(listed(browser), all.iter().filter(|line| line["verdict"] == "wrong").count() as u64);
    browser.wait_until("document.querySelector('#pane h3') !== null");
    assert_eq!(pane(browser), shown, "the same attempt");
    assert_eq!(browser.text("document.getElementById('filter-order').value"), "close");
    choose(browser, "verdict", "all");
    choose(browser, "order", "as made");
}
