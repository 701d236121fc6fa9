//! The report's page in a real browser: what a reader does with it, what hostile text does to it, and how much it holds.

mod access;
mod figures;
mod paths;

use crate::browser::{Browser, DOWN, END, ESCAPE, RIGHT, tell};
use crate::program::{lines, reseal, small_run, starloop, text, write_lines};
use serde_json::{Value, json};
use starloop_record::RunDir;
use std::collections::{BTreeMap, HashSet};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Writes the page of a run beside it. The output on standard error.
fn write_page(run: &Path, page: &Path, more: &[&str]) -> String {
    let outcome = starloop("report --quiet", &[&[text(run), "--html", text(page)], more].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.err);
    outcome.err
}

/// How many attempts the browser's list says that it has.
fn listed(browser: &Browser) -> u64 {
    let status = browser.text("document.querySelector('#rationales .status').textContent");
    let digits: String = status.split(" of ").next().unwrap().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{status}"))
}

/// Does something that changes what is listed, and waits until that is done. How many are listed.
fn after(browser: &Browser, act: impl FnOnce()) -> u64 {
    let round = "document.querySelector('#rationales .status').dataset.done";
    let before = browser.text(round);
    act();
    browser.wait_until(&format!("{round} !== '{before}'"));
    listed(browser)
}

/// Chooses the option of a filter by its text; `all` lets everything through.
fn choose(browser: &Browser, filter: &str, option: &str) -> u64 {
    after(browser, || {
        browser.run(&format!(
            "const select = document.getElementById('filter-{filter}');
             select.value = [...select.options].find((option) => option.text === '{option}').value;
             select.dispatchEvent(new Event('change'));"
        ));
    })
}

/// Chooses an instructive kind of attempts by its flag; an empty one lets everything through.
fn choose_kind(browser: &Browser, flag: &str) -> u64 {
    let flag = if flag.is_empty() { "all" } else { flag };
    after(browser, || {
        browser.run(&format!("document.getElementById('kind-{flag}').click()"));
    })
}

/// Searches as a reader does, by keys alone.
fn search(browser: &Browser, words: &str) -> u64 {
    browser.run("document.activeElement.blur()");
    browser.press(&format!("/{words}"));
    browser.wait_until(&format!("document.querySelector('#rationales .status').dataset.found === {}", Value::from(words)));
    listed(browser)
}

fn clear(browser: &Browser) -> u64 {
    after(browser, || browser.press(&ESCAPE.to_string()))
}

fn pane(browser: &Browser) -> String {
    browser.text("document.getElementById('pane').textContent")
}

/// The files of attempts and answers of the small run, in the order of the page.
fn all_files(run: &Path) -> Vec<PathBuf> {
    let files = ["few_shot/iter-000/eval.jsonl", "direct/iter-000/eval.jsonl", "direct/iter-001/eval.jsonl", "star/iter-000/eval.jsonl"];
    let of_star = ["1", "2"].map(|n| ["attempts.jsonl", "eval.jsonl"].map(|file| format!("star/iter-00{n}/{file}")));
    files.iter().map(ToString::to_string).chain(of_star.into_iter().flatten()).map(|file| run.join(file)).collect()
}

/// A copy of the small run that recorded a log-probability for each token. Every token of a completion has the same one.
fn run_with_tokens(place: &Path) -> PathBuf {
    let run = place.join("tokens");
    copy(small_run(), &run);
    for file in all_files(&run) {
        let mut changed = lines(&file);
        for line in &mut changed {
            let (tokens, length) = (line["completion_tokens"].as_u64().unwrap(), line["completion"].as_str().unwrap().len() as u64);
            line["token_logprobs"] = vec![line["logprob"].as_f64().unwrap() / tokens as f64; tokens as usize].into();
            line["token_ends"] = (1..=tokens).map(|token| token * length / tokens).collect::<Vec<_>>().into();
        }
        write_lines(&file, &changed);
    }
    reseal(&run);
    run
}

#[test]
fn a_reader_filters_searches_follows_a_problem_and_sees_what_changed() {
    let Some(browser) = Browser::start("the page of a real run") else { return };
    let place = tempfile::tempdir().unwrap();
    let page = place.path().join("page.html");
    let run = run_with_tokens(place.path());
    let said = write_page(&run, &page, &[]);
    assert!(!said.contains("warning: "), "{said}");
    browser.open(&page);
    let all: Vec<Value> = all_files(&run).iter().flat_map(|file| lines(file)).collect();
    assert_eq!(listed(&browser), all.len() as u64);
    the_result_is_stated_in_sentences(&browser, &run);
    filters_and_search(&browser, &all);
    keys_move_through_the_list(&browser);
    a_problem_has_its_story(&browser);
    tokens_add_up(&browser, &all);
    figures::are_those_of_the_files(&browser, &run);
    paths::from_an_example_and_back(&browser, &run);
    paths::from_the_grid(&browser, &run);
    paths::from_figures(&browser, &run);
    paths::to_a_file(&browser, place.path(), &all);
    paths::by_a_link(&browser, &page, &all);
    prompts_are_whole_and_the_hint_is_marked(&browser, &run);
    colours_and_narrow_screens(&browser);
    assert_eq!(browser.value("performance.getEntriesByType('resource').length"), 0, "nothing is loaded");
    assert_eq!(browser.complaints(), [""; 0]);
}

fn prompts_are_whole_and_the_hint_is_marked(browser: &Browser, run: &Path) {
    let run = RunDir::open_read_only(run).unwrap();
    let kept: HashSet<String> = (0..2).flat_map(|iteration| run.iteration("star", iteration).prompts().unwrap().into_values()).collect();
    let shown = browser.value("[...document.querySelectorAll('pre.asked')].map((prompt) => prompt.textContent)");
    let shown: Vec<&str> = shown.as_array().unwrap().iter().map(|prompt| prompt.as_str().unwrap()).collect();
    assert!(shown.len() >= 3 && shown[..3].iter().all(|prompt| kept.contains(*prompt)), "{shown:?}");
    let hint = browser.value("document.querySelector('pre.asked mark.hint').textContent");
    assert!(hint.as_str().is_some_and(|hint| hint.trim().split(' ').all(|digit| digit.parse::<u8>().is_ok())), "{hint}");
}

/// The first sentences of the page are those of the JSON, and their counts are those of the answers.
fn the_result_is_stated_in_sentences(browser: &Browser, run: &Path) {
    let headline = &starloop("report --json --quiet", &[text(run)]).json()["headlines"][0];
    let shown = |class: &str| browser.text(&format!("document.querySelector('.card .{class}').textContent"));
    assert_eq!(shown("result"), format!("{}.", headline["result"].as_str().unwrap()));
    assert_eq!(shown("subject"), headline["subject"].as_str().unwrap());
    assert_eq!(shown("choice-note"), headline["choice_note"].as_str().unwrap());
    let right = |iteration: u32| {
        let answers = lines(&run.join(format!("star/iter-00{iteration}/eval.jsonl"))).into_iter();
        answers.map(|line| (line["problem"].to_string(), line["verdict"] == "correct")).collect::<BTreeMap<_, _>>()
    };
    let (base, last) = (right(0), right(2));
    let gained = last.iter().filter(|(problem, right)| **right && !base[*problem]).count();
    let lost = base.iter().filter(|(problem, right)| **right && !last[*problem]).count();
    assert!(
        shown("result").replace("problems", "problem").contains(&format!("{gained} problem gained, {lost} lost, McNemar p ")),
        "{}",
        shown("result")
    );
    let legend = browser.text("document.querySelector('#accuracy').textContent");
    assert!(legend.contains("2 digits (n = 5)"), "n is beside every class: {legend}");
}

fn filters_and_search(browser: &Browser, all: &[Value]) {
    let count = |holds: &dyn Fn(&Value) -> bool| all.iter().filter(|line| holds(line)).count() as u64;
    assert_eq!(choose(browser, "verdict", "wrong"), count(&|line| line["verdict"] == "wrong"));
    assert_eq!(choose(browser, "class", "2 digits"), count(&|line| line["verdict"] == "wrong" && line["class"] == "2 digits"));
    choose(browser, "class", "all");
    choose(browser, "verdict", "all");
    assert_eq!(choose(browser, "purpose", "with hint"), count(&|line| line["mode"] == "hinted"));
    choose(browser, "purpose", "all");
    let kept: usize = [1, 2].map(|n| lines(&small_run().join(format!("star/iter-00{n}/train.jsonl"))).len()).iter().sum();
    assert_eq!(choose(browser, "outcome", "learned"), kept as u64);
    choose(browser, "outcome", "all");
    let right_with_hint = count(&|line| line["mode"] == "hinted" && line["verdict"] == "correct");
    assert_eq!(choose_kind(browser, "only_with_hint"), right_with_hint);
    let chip = browser.text("document.getElementById('kind-only_with_hint').parentElement.textContent");
    assert_eq!(chip, format!("right only with hint ({right_with_hint})"));
    choose_kind(browser, "");
    let second = ["attempts", "eval"].map(|file| lines(&small_run().join(format!("star/iter-002/{file}.jsonl"))).len());
    assert_eq!(choose(browser, "iteration", "2"), second.iter().sum::<usize>() as u64);
    choose(browser, "iteration", "all");
    choose(browser, "order", "surest first");
    let per_token = |line: &Value| line["logprob"].as_f64().unwrap() / line["completion_tokens"].as_f64().unwrap();
    let surest = all.iter().map(per_token).fold(f64::NEG_INFINITY, f64::max);
    browser.wait_until(&format!("document.getElementById('pane').textContent.includes('mean log-probability {surest:.3} ')"));
    choose(browser, "order", "as made");
    let id = all[0]["problem"].as_str().unwrap();
    assert_eq!(search(browser, id), count(&|line| line["problem"].as_str().unwrap().contains(id)));
    assert!(pane(browser).contains(id), "the first that is found is shown");
    assert_eq!(clear(browser), all.len() as u64);
    assert_eq!(search(browser, "no such words"), 0);
    clear(browser);
}

fn keys_move_through_the_list(browser: &Browser) {
    let active = "document.querySelector('.list').getAttribute('aria-activedescendant')";
    assert_eq!(browser.text("document.activeElement.getAttribute('role')"), "listbox", "Escape leads from the search to the list");
    assert_eq!(browser.text(active), "attempt-0");
    browser.press(&DOWN.to_string().repeat(3));
    assert_eq!(browser.text(active), "attempt-3");
    let id = browser.text("document.querySelector('#attempt-3 .id').title");
    browser.wait_until(&format!("document.querySelector('#pane h3').textContent === {}", Value::from(id)));
    browser.press(&END.to_string());
    assert_eq!(browser.text(active), format!("attempt-{}", listed(browser) - 1));
    assert!(browser.value("document.querySelectorAll('.row').length").as_u64() < Some(60), "only rows in sight exist");
}

/// A problem that was failed, and then explained with the hint.
fn a_problem_has_its_story(browser: &Browser) {
    let attempts = lines(&small_run().join("star/iter-001/attempts.jsonl"));
    let first = |problem: &Value| attempts.iter().find(|line| line["problem"] == *problem && line["mode"] == "unhinted").unwrap();
    let rescued = |line: &&Value| line["mode"] == "hinted" && line["verdict"] == "correct" && first(&line["problem"])["verdict"] == "wrong";
    // The longest name is in no other one.
    let rescued = attempts.iter().filter(rescued).max_by_key(|line| line["problem"].as_str().unwrap().len()).unwrap();
    let id = rescued["problem"].as_str().unwrap();
    search(browser, id);
    browser.wait_until(&format!("document.querySelector('#pane h3')?.textContent === {}", Value::from(id)));
    let shown = pane(browser);
    assert!(shown.contains("with hint in iteration 1"), "{shown}");
    let entries = attempts.iter().filter(|line| line["problem"] == id).count() as u64;
    assert!(browser.value("document.querySelectorAll('.story li').length").as_u64() >= Some(entries));
    // The hinted attempt beside the first one, which failed.
    browser.run("document.querySelectorAll('.story button')[1].click()");
    browser.wait_until("document.querySelectorAll('.story button')[1].getAttribute('aria-current') === 'true'");
    browser.run(
        "const select = [...document.querySelectorAll('#pane select')].at(-1);
         select.value = [...select.options].find((option) => option.text.startsWith('✗')).value;
         select.dispatchEvent(new Event('change'));",
    );
    browser.wait_until("document.querySelector('.difference') !== null");
    let side = |tag: &str| {
        browser.text(&format!(
            "[...document.querySelectorAll('.difference :not({tag}):not(.unseen)')].map((part) => part.textContent).join('')"
        ))
    };
    assert_eq!(side("del").as_str(), rescued["completion"].as_str().unwrap(), "without what is struck out it is the newer text");
    assert_eq!(
        side("ins").as_str(),
        first(&rescued["problem"])["completion"].as_str().unwrap(),
        "without what is underlined it is the older text"
    );
    clear(browser);
}

/// The log-probabilities of the tokens on the page add up to the recorded sum.
fn tokens_add_up(browser: &Browser, all: &[Value]) {
    for (order, n) in [(DOWN, 1), (END, all.len() - 1)] {
        browser.run("document.querySelector('.list').focus()");
        browser.press(&order.to_string());
        browser.wait_until(&format!("document.querySelector('.list').getAttribute('aria-activedescendant') === 'attempt-{n}'"));
        let id = all[n]["problem"].as_str().unwrap();
        browser.wait_until(&format!("document.querySelector('#pane h3').textContent === {}", Value::from(id)));
        let nats = browser.value("[...document.querySelectorAll('#pane .token')].map((token) => Number(token.dataset.nats ?? 0))");
        let nats: Vec<f64> = nats.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).filter(|nats| *nats != 0.0).collect();
        let (sum, recorded) = (-nats.iter().sum::<f64>(), all[n]["logprob"].as_f64().unwrap());
        assert!((sum - recorded).abs() < 0.01 + 0.001 * nats.len() as f64, "{id}: {sum}, recorded {recorded}");
    }
    browser.run("document.querySelector('.tokens pre').focus()");
    browser.press(&RIGHT.to_string().repeat(2));
    assert!(browser.text("document.querySelector('.tokens [role=status]').textContent").starts_with("Token 2 of "));
}

fn colours_and_narrow_screens(browser: &Browser) {
    let paper = || browser.text("getComputedStyle(document.body).backgroundColor");
    let light = paper();
    browser.devtools("Emulation.setEmulatedMedia", &json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]}));
    let dark = paper();
    assert_ne!(dark, light, "the system's choice is followed");
    browser.run("document.getElementById('theme').click()");
    assert_eq!((browser.text("document.documentElement.dataset.theme"), paper()), ("light".into(), light), "the reader's goes before it");
    browser.run("document.getElementById('theme').click()");
    assert_eq!((browser.text("document.documentElement.dataset.theme"), paper()), ("dark".into(), dark));
    let phone = json!({"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": true});
    browser.devtools("Emulation.setDeviceMetricsOverride", &phone);
    browser.wait_until("innerWidth === 390");
    assert_eq!(browser.value("document.documentElement.scrollWidth"), 390, "nothing sticks out on a phone");
    browser.wait_until("document.querySelector('svg.flow').getBoundingClientRect().width <= 390");
}

/// Copies a run without its checkpoints.
#[test]
fn audits_are_shown_in_the_words_of_the_terminal() {
    let Some(browser) = Browser::start("the audits of a run") else { return };
    let place = tempfile::tempdir().unwrap();
    let (run, page) = (place.path().join("run"), place.path().join("page.html"));
    crate::views::copy(small_run(), &run);
    let terminal = starloop("audit --quiet --problems 3", &[text(&run)]).done();
    write_page(&run, &page, &[]);
    browser.open(&page);
    let section = |part: &str| browser.value(&format!("[...document.querySelectorAll('#audit {part}')].map((part) => part.textContent)"));
    let lines: Vec<String> =
        section("table.audit tbody tr > *").as_array().unwrap().iter().map(|cell| cell.as_str().unwrap().to_owned()).collect();
    assert!(lines.len() >= 12, "{lines:?}");
    assert!(lines.iter().all(|cell| terminal.contains(cell.as_str())), "{lines:?}\n{terminal}");
    let ledger = section("table.ledger tbody tr:last-child td:first-child, table.ledger tbody tr:last-child th");
    assert_eq!(ledger[0], "all");
    assert_eq!(browser.complaints(), [""; 0]);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() && entry.file_name() != "checkpoint" {
            copy(&path, &target);
        } else if path.is_file() {
            std::fs::copy(path, target).unwrap();
        }
    }
}

#[test]
fn nothing_that_a_model_writes_is_executed_or_turns_the_page_around() {
    let Some(browser) = Browser::start("the page of hostile text") else { return };
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("<img src=x onerror=window.hacked=1>");
    copy(small_run(), &run);
    let attempts = run.join("star/iter-001/attempts.jsonl");
    let mut changed = lines(&attempts);
    let megabyte = "x\u{202e}".repeat(200_000) + &"y".repeat(400_000);
    let hostile = [
        "</script><script>window.hacked = 1</script>",
        "<img src=x onerror=\"window.hacked = 1\"><svg onload=\"window.hacked = 1\">",
        "<!--<script>{{SCRIPT}}{{BLOCKS}}{{POLICY}} javascript:window.hacked=1 ${window.hacked = 1}",
        "\u{1b}]0;title\u{7}\u{1b}[31mred \u{202e}desrever\u{202c} \u{200f}שלום \u{e0041}",
        &megabyte,
    ];
    for (line, text) in changed.iter_mut().zip(hostile) {
        line["completion"] = text.into();
        let beginning: String = text.chars().take(60).collect();
        line["problem"] = format!("arithmetic/train/{beginning}").into();
        line["class"] = beginning.into();
    }
    write_lines(&attempts, &changed);
    reseal(&run);
    let page = place.path().join("page.html");
    write_page(&run, &page, &[]);
    browser.open(&page);
    choose(&browser, "iteration", "1");
    choose(&browser, "method", "star");
    browser.run("document.querySelector('.list').focus()");
    for (n, text) in hostile.into_iter().enumerate() {
        let begins: String = text.chars().filter(char::is_ascii_graphic).take(40).collect();
        let shown = "document.querySelector('.rationale').textContent.replace(/⟨U\\+\\w+⟩|\\s|[^!-~]/g, '')";
        let took = browser.wait_until(&format!("{shown}.startsWith({})", Value::from(begins)));
        assert!(took < Duration::from_secs(20), "{n}: {took:?}");
        browser.press(&DOWN.to_string());
    }
    browser.run("document.querySelector('.list').scrollTop = 0");
    search(&browser, "desrever");
    browser.wait_until("document.querySelector('.rationale').textContent.includes('desrever')");
    let named = browser.text("document.querySelector('.rationale').textContent");
    assert_eq!(named, "␛]0;title␇␛[31mred ⟨U+202E⟩desrever⟨U+202C⟩ ⟨U+200F⟩שלום ⟨U+E0041⟩");
    assert_eq!(browser.text("getComputedStyle(document.querySelector('.rationale')).unicodeBidi"), "isolate");
    assert_eq!(browser.value("[window.hacked ?? null, document.images.length, document.title.includes('<img')]"), json!([null, 0, true]));
    assert_eq!(browser.complaints(), [""; 0], "nothing was even tried");
    // And if something were: the policy lets no script run but the page's own.
    browser.run("const script = document.createElement('script'); script.textContent = 'window.hacked = 1'; document.body.append(script);");
    browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hacked = 1\">');");
    assert_eq!(browser.value("window.hacked ?? null"), Value::Null);
    assert!(browser.complaints().iter().any(|complaint| complaint.contains("Content Security Policy")));
}

/// A run whose first iteration has a hundred thousand attempts at ten thousand problems.
fn large_run(place: &Path) -> PathBuf {
    let run = place.join("large");
    copy(small_run(), &run);
    let iteration = run.join("star/iter-001");
    let like = lines(&iteration.join("attempts.jsonl")).into_iter().find(|line| line["verdict"] == "correct").unwrap();
    let mut file = BufWriter::new(std::fs::File::create(iteration.join("attempts.jsonl")).unwrap());
    for n in 0..100_000_u64 {
        let (problem, sample) = (n / 10, n % 10);
        let mut line = like.clone();
        line["problem"] = format!("arithmetic/train/{}+{problem}", 10_000 + problem * 7_919 % 89_999).into();
        line["sample"] = sample.into();
        // Numbers that no packing makes small.
        let numbers: Vec<String> =
            (1..40).map(|place| ((n * 2_654_435_761 + 40_503 * place * place * (n % 977)) % 99_991).to_string()).collect();
        line["completion"] = format!("{}{} and so on, number {n}", like["completion"].as_str().unwrap(), numbers.join(" ")).into();
        line["logprob"] = (-((n * 2_654_435_761 % 1_000) as f64) / 50.0).into();
        writeln!(file, "{line}").unwrap();
    }
    file.flush().unwrap();
    let mut metrics: BTreeMap<String, Value> = serde_json::from_slice(&std::fs::read(iteration.join("metrics.json")).unwrap()).unwrap();
    metrics.get_mut("unhinted").unwrap()["attempts"] = 100_000.into();
    std::fs::write(iteration.join("metrics.json"), serde_json::to_vec(&metrics).unwrap()).unwrap();
    reseal(&run);
    run
}

#[test]
fn a_hundred_thousand_attempts_hold_nothing_up() {
    let Some(browser) = Browser::start("the page of 100,000 attempts") else { return };
    let place = tempfile::tempdir().unwrap();
    let run = large_run(place.path());
    let page = place.path().join("page.html");
    write_page(&run, &page, &["--html-attempts", "200000"]);
    let megabytes = std::fs::metadata(&page).unwrap().len() as f64 / 1e6;
    let opened = browser.open(&page);
    let total = listed(&browser);
    assert!(total > 100_000, "{total}");
    // The longest that the page did not answer from here on.
    browser.run(
        "window.longest = 0; let last = performance.now();
         setInterval(() => { window.longest = Math.max(window.longest, performance.now() - last); last = performance.now(); }, 10);",
    );
    assert_eq!(search(&browser, "number 77777"), 1);
    assert!(pane(&browser).contains("number 77777"));
    clear(&browser);
    choose(&browser, "verdict", "right");
    browser.run("document.querySelector('.list').focus()");
    browser.press(&END.to_string());
    browser.wait_until("document.querySelectorAll('.row').length > 5");
    let longest = browser.value("window.longest").as_f64().unwrap();
    tell(&format!("100,000 attempts: {megabytes:.1} MB, open in {opened:.2?}, at most {longest:.0} ms without an answer"));
    assert!(
        (5.0..60.0).contains(&megabytes) && opened < Duration::from_secs(20) && longest < 3000.0,
        "{megabytes} MB, {opened:?}, {longest} ms"
    );
    assert_eq!(browser.complaints(), [""; 0]);
    // Above the limit all attempts at a part of the problems are there, and the page says so.
    let said = write_page(&run, &page, &["--html-attempts", "5000"]);
    assert!(said.contains("warning: the page holds "), "{said}");
    browser.open(&page);
    let part = listed(&browser);
    assert!((4_000..=6_000).contains(&part), "{part}");
    assert!(browser.text("document.querySelector('#rationales .note').textContent").contains("chosen by a hash"));
}
