//! Each command by itself, and the figures that it prints.

use crate::program::{SMALL_RUN, base, lines, numbers, repository, small_run, starloop, starloop_reading, start, text};
use serde_json::{Value, json};
use starloop_core::config::Config;
use starloop_core::experiment::Experiment;
use starloop_core::registry::Registry;
use std::path::Path;

const SUM: &str = "Input:\n6 2 4 + 2 5 9\nTarget:\n";

#[test]
fn every_command_shows_examples() {
    for command in [
        "",
        "demo",
        "run",
        "reproduce",
        "init",
        "report",
        "watch",
        "inspect",
        "compare",
        "export",
        "get",
        "model",
        "pretrain",
        "sample",
        "score",
        "train",
        "eval",
        "verify",
        "bench",
    ] {
        let help = starloop(&format!("{command} --help"), &[]).done();
        assert!(help.contains("Examples:\n") && help.contains("  starloop "), "{command}: {help}");
    }
    assert_eq!(starloop("--version", &[]).done(), concat!("starloop ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for (line, said) in [
        ("rum", "unrecognized subcommand"),
        ("run", "<CONFIG>"),
        ("run smoke --resum", "--resume"),
        ("--threads 0 run smoke --dry-run", "--threads"),
        ("--memory 500 run smoke --dry-run", "500 what? write 500MB"),
        ("--memory much run smoke --dry-run", "a size such as 500MB"),
        ("run nowhere.toml", "nowhere.toml"),
        ("run smoke --set training.steps=x", "training.steps"),
        ("report nowhere", "nowhere"),
        ("sample --model nowhere --prompt x", "nowhere"),
        ("sample --model x", "--prompt"),
        ("sample --model x --prompt y --prompt-file z", "cannot be used with"),
        ("sample --model x --prompt y -n 0", "at least 1"),
        ("sample --model x --prompt y --top-p 0", "above 0"),
        ("sample --model x --prompt y --temperature=-1", "at least 0"),
        ("get", "Commands:"),
        ("get data mnist", "expected one of gsm8k, commonsense_qa, or ORG/NAME"),
        ("get model ../x", "expected ORG/NAME"),
        ("get model a/b/c", "expected ORG/NAME"),
        ("get model a/b --revision ../c", "expected a branch, tag or commit"),
        ("eval --model x --task arithmetic --split train", "[possible values: dev, test]"),
    ] {
        let outcome = starloop(line, &[]);
        assert_eq!(outcome.code, Some(2), "{line}");
        assert!(outcome.err.contains(said), "{line}: {}", outcome.err);
    }
}

/// The completions of [`SUM`] by the shipped base, as JSON.
fn samples(options: &str) -> Vec<Value> {
    let output = starloop(&format!("sample {options} --json"), &["--model", text(&base()), "--prompt", SUM]).json();
    assert_eq!(output["prompt"], SUM);
    output["completions"].as_array().unwrap().clone()
}

#[test]
fn samples_depend_on_their_seed_alone() {
    let four = samples("-n 4 --seed 5 --temperature 3 --max-new-tokens 40");
    assert_eq!(four.iter().map(|sample| sample["seed"].as_u64().unwrap()).collect::<Vec<_>>(), [5, 6, 7, 8]);
    assert!(four[1..].iter().all(|sample| sample["token_ids"] != four[0]["token_ids"]));
    assert_eq!(samples("--seed 7 --temperature 3 --max-new-tokens 40"), four[2..3]);
    for one_choice in ["--top-k 1", "--top-p 0.000001"] {
        let drawn = samples(&format!("{one_choice} --temperature 3 --max-new-tokens 40"));
        assert_eq!(drawn[0]["token_ids"], samples("--max-new-tokens 40")[0]["token_ids"], "{one_choice}");
    }
}

#[test]
fn a_sample_ends_at_a_stop_string_or_at_the_limit() {
    let whole = samples("--max-new-tokens 40").remove(0);
    assert_eq!(whole["stop_reason"], "length");
    assert_eq!(whole["token_ids"].as_array().unwrap().len(), 40);
    let stopped = samples("--max-new-tokens 40 --stop C:").remove(0);
    assert_eq!(stopped["stop_reason"], serde_json::json!({ "stop_string": "C:" }));
    let (whole, stopped) = (whole["text"].as_str().unwrap(), stopped["text"].as_str().unwrap());
    assert_eq!(stopped, whole.split_once("C:").unwrap().0);
    let prompt = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&prompt, SUM).unwrap();
    let plain = starloop("sample --max-new-tokens 40", &["--model", text(&base()), "--prompt-file", text(prompt.path())]).done();
    assert_eq!(plain, format!("{whole}\n"));
}

#[test]
fn score_gives_a_greedy_sample_the_log_probability_that_sample_reports() {
    let sample = samples("--max-new-tokens 40").remove(0);
    let whole = format!("{SUM}{}", sample["text"].as_str().unwrap());
    let score = starloop("score --json", &["--model", text(&base()), "--text", &whole]).json();
    assert_eq!(score.as_object().unwrap().keys().collect::<Vec<_>>(), ["logprobs", "token_ids"]);
    let (ids, logprobs) = (score["token_ids"].as_array().unwrap(), score["logprobs"].as_array().unwrap());
    assert!(logprobs[0].is_null() && logprobs.len() == ids.len());
    let sampled = numbers(&sample["logprobs"]);
    let scored = numbers(&json!(logprobs[ids.len() - sampled.len()..]));
    assert_eq!(json!(ids[ids.len() - sampled.len()..]), sample["token_ids"]);
    assert!((scored.iter().sum::<f64>() - sampled.iter().sum::<f64>()).abs() < 1e-4, "{scored:?} {sampled:?}");
    let plain = starloop("score", &["--model", text(&base()), "--text", &whole]).done();
    assert_eq!(plain.lines().count(), ids.len() + 1, "a line for each token and the total");
}

#[test]
fn eval_counts_majority_and_pass_at_k_over_the_samples_that_it_writes() {
    let place = tempfile::tempdir().unwrap();
    let answers = place.path().join("answers.jsonl");
    let options = "eval --model builtin:arithmetic --task arithmetic --few-shot 1 --max-new-tokens 40 --set task.digits=[1,2] --samples 4";
    let options = format!("{options} --set task.evaluation_per_class=10 --temperature 1.2");
    let figures = starloop(&format!("{options} --json"), &["--answers", text(&answers)]).json();
    let lines = std::fs::read_to_string(&answers).unwrap();
    let right = |line: &str| -> Vec<bool> {
        let problem: Value = serde_json::from_str(line).unwrap();
        problem["verdicts"].as_array().unwrap().iter().map(|verdict| verdict["verdict"] == "correct").collect()
    };
    let right: Vec<Vec<bool>> = lines.lines().map(right).collect();
    let share = |of: &dyn Fn(&[bool]) -> f64| right.iter().map(|samples| of(samples)).sum::<f64>() / right.len() as f64;
    let one = share(&|samples| samples.iter().filter(|right| **right).count() as f64 / 4.0);
    let any = share(&|samples| f64::from(u8::from(samples.contains(&true))));
    let [at_1, at_2, at_4] = &figures["at"].as_array().unwrap()[..] else { panic!("{figures}") };
    assert_eq!(json!([at_1["k"], at_2["k"], at_4["k"]]), json!([1, 2, 4]));
    assert!((at_1["pass"].as_f64().unwrap() - one).abs() < 1e-12 && (at_4["pass"].as_f64().unwrap() - any).abs() < 1e-12, "{figures}");
    assert!(0.0 < one && one < any, "samples differ, or nothing is tested: {one} {any}");
    assert_eq!(at_1["majority"]["correct"], right.iter().filter(|samples| samples[0]).count());
    let shown = starloop(&options, &[]).done();
    let named: Vec<&str> = shown.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(named, ["majority@1", "pass@1", "majority@2", "pass@2", "majority@4", "pass@4"]);
    let greedy = options.replace("--temperature 1.2", "--temperature 0");
    starloop(&greedy, &[]).failed(2, &["--temperature", "above 0"]);
}

#[test]
fn bench_needs_no_file_and_no_completion_ends_early() {
    let shape = "--layers 1 --hidden 32 --heads 2 --intermediate 32 --sequences 4 --steps 1 --json";
    let train = starloop(&format!("bench --size S --mode train {shape}"), &[]).json();
    let decode = starloop(&format!("bench --size S --mode decode --new-tokens 64 {shape}"), &[]).json();
    assert!(train["tokens_per_second"].as_f64().unwrap() > 0.0, "{train}");
    assert_eq!(decode["tokens"], 4 * 64);
}

#[test]
fn verify_tells_the_four_verdicts() {
    let input = r#"
        {"completion": "8 8 3", "answer": "8 8 3"}
        {"completion": "<scratch>\n, 8 8 3 C: 0\n0 8 8 3\n</scratch>\n0 8 8 3", "answer": "8 8 3"}
        {"completion": "8 8 4", "answer": "8 8 3", "stop_reason": {"stop_string": "\n\n"}}
        {"completion": "<scratch>\n8 8 3", "answer": "8 8 3"}
        {"completion": "<scratch>\n8 8 3", "answer": "8 8 3", "stop_reason": "length"}"#;
    let graded = starloop_reading(input, "verify --task arithmetic --json").done();
    let expected = [
        r#"{"verdict":"correct","predicted":"8 8 3"}"#,
        r#"{"verdict":"correct","predicted":"8 8 3"}"#,
        r#"{"verdict":"wrong","predicted":"8 8 4"}"#,
        r#"{"verdict":"unparsed","predicted":null}"#,
        r#"{"verdict":"truncated","predicted":null}"#,
    ];
    assert_eq!(graded.lines().collect::<Vec<_>>(), expected);
    let counts = starloop_reading(input, "verify --task arithmetic").done();
    assert_eq!(counts.split_whitespace().collect::<Vec<_>>().join(" "), "correct 2 wrong 1 unparsed 1 truncated 1");
}

#[test]
fn verify_names_the_line_that_it_cannot_read() {
    for (line, said) in
        [("{\"completion\": [1]", "expected a text"), ("{\"completion\": \"1\", \"anwser\": \"1\"}", "unknown field `anwser`")]
    {
        let outcome = starloop_reading(&format!("{{\"completion\": \"1\", \"answer\": \"1\"}}\n{line}"), "verify --task arithmetic");
        outcome.failed(1, &["standard input, line 2", said]);
    }
}

#[test]
fn train_lowers_the_loss_and_writes_a_checkpoint_that_samples() {
    let place = tempfile::tempdir().unwrap();
    let four = |digit: &str| [digit; 4].join(" ");
    let pair = |digit: &str| json!({"prompt": "a b", "completion": four(digit), "other keys": "are allowed"}).to_string() + "\n";
    let pairs: String = ["7", "8", "9"].into_iter().map(pair).collect();
    let data = place.path().join("pairs.jsonl");
    std::fs::write(&data, pairs).unwrap();
    let model = repository("fixtures/llama-tiny");
    let loss_after = |steps: &str| {
        let out = place.path().join(format!("tuned.{steps}"));
        let arguments = ["--model", text(&model), "--data", text(&data), "--out", text(&out), "--steps", steps];
        let settings = "train --quiet --json --learning-rate 1e-2 --batch-size 2 --sequence-length 32 --set warmup_steps=1";
        let metrics = starloop(settings, &arguments).json();
        assert_eq!(metrics["steps"], steps.parse::<u64>().unwrap());
        starloop("sample --max-new-tokens 3 --prompt a", &["--model", text(&out)]).done();
        starloop(settings, &arguments).failed(2, &[text(&out), "exists already"]);
        metrics["final_loss"].as_f64().unwrap()
    };
    let (first, later) = (loss_after("1"), loss_after("30"));
    assert!(later < first / 2.0, "{first} -> {later}");
}

#[test]
fn eval_measures_the_base_as_the_loop_does() {
    let place = tempfile::tempdir().unwrap();
    let answers = place.path().join("answers.jsonl");
    let line = "eval --quiet --task arithmetic --few-shot 3 --max-new-tokens 96 --set task.digits=[2,3] --set task.evaluation_per_class=5";
    let of_base = ["--model", "builtin:arithmetic", "--answers", text(&answers), "--json"];
    let metrics = starloop(line, &of_base).json();
    assert!(std::fs::read(&answers).unwrap() == std::fs::read(small_run().join("star/iter-000/eval.jsonl")).unwrap());
    let by_loop: Value = serde_json::from_slice(&std::fs::read(small_run().join("star/iter-000/metrics.json")).unwrap()).unwrap();
    for key in ["checkpoint", "split", "accuracy", "by_class"] {
        assert_eq!(metrics[key], by_loop[key], "{key}");
    }
    let asked = json!([metrics["model"], metrics["task"], metrics["few_shot"], metrics["chat"], metrics["max_new_tokens"]]);
    assert_eq!(asked, json!(["builtin:arithmetic", "arithmetic", 3, false, 96]));
    assert!(metrics.get("hinted").is_none() && metrics.get("without_verdict").is_none(), "no unused zeros: {metrics}");
    let plain = starloop(line, &["--model", text(&base())]).done();
    assert_eq!(plain.lines().count(), 3, "a line for each digit count and one for all: {plain}");
}

type IsRight = fn(&Value) -> bool;

/// The values of a report for each iteration of each method, by name and kind of value.
const REPORTED: &[(&str, IsRight)] = &[
    ("method", Value::is_string),
    ("iteration", Value::is_u64),
    ("accuracy", Value::is_f64),
    ("interval", Value::is_array),
    ("by_class", Value::is_object),
    ("problems", Value::is_u64),
    ("sampled_tokens", Value::is_u64),
    ("trained_tokens", Value::is_u64),
    ("seconds", |value| value.is_f64() || value.is_null()),
];

#[test]
fn a_report_is_made_from_files_alone() {
    let place = tempfile::tempdir().unwrap();
    let svg = place.path().join("figure.svg");
    let report = starloop("report --json", &[text(small_run()), "--svg", text(&svg)]).json();
    let rows = report["results"].as_array().unwrap();
    let expected = [("few_shot", 0), ("direct", 0), ("direct", 1), ("star", 0), ("star", 1), ("star", 2)];
    assert_eq!(rows.iter().map(|row| (row["method"].as_str().unwrap(), row["iteration"].as_u64().unwrap())).collect::<Vec<_>>(), expected);
    for row in rows {
        for (key, is_right) in REPORTED {
            assert!(row.get(key).is_some_and(is_right), "{key} in {row}");
        }
        assert_eq!(row["by_class"].as_object().unwrap().keys().collect::<Vec<_>>(), ["2 digits", "3 digits"]);
    }
    assert!(std::fs::read(svg).unwrap() == std::fs::read(small_run().join("accuracy.svg")).unwrap());
    let plain = starloop("report --iterations", &[text(small_run())]).done();
    assert!(plain.contains("STaR") && plain.contains("paper"), "{plain}");
}

#[test]
fn a_dry_run_prints_a_config_that_reads_back_and_an_estimate() {
    let place = tempfile::tempdir().unwrap();
    let line = "run smoke --dry-run --seed 9 --set task.problems_per_iteration=20 --set methods.star.iterations=7";
    let run = place.path().join("run");
    let printed = starloop(line, &["--run-dir", text(&run)]).done();
    let experiment = Experiment::new(Config::parse("printed", &printed, &[]).unwrap(), &Registry::default()).unwrap();
    let config = experiment.config();
    assert_eq!((config.seed, config.name.as_str()), (9, "smoke"));
    assert!(experiment.to_toml().contains("iterations = 7") && printed.starts_with(experiment.to_toml().trim_end()));
    assert!(printed.contains("# star                   7 iterations"), "{printed}");
    assert!(!run.exists(), "nothing is written");
    let estimate = starloop(line, &["--json"]).json();
    assert_eq!(estimate["config"], experiment.to_toml());
    assert_eq!(estimate["plan"]["methods"][2]["work"]["iterations"], 7);
}

#[test]
fn a_dry_run_measures_nothing_that_is_done_elsewhere() {
    let line = "run smoke --dry-run --set run=[\"star\"] --set methods.star.iterations=3";
    let served = ["--set", "policy.kind=openai", "--set", "policy.endpoints=[\"http://127.0.0.1:9/v1\"]"];
    let trained = ["--set", "trainer.kind=command", "--set", "trainer.command=[\"train\", \"{settings}\"]"];
    let both = starloop(line, &[served, trained].concat()).done();
    for words in [
        "Servers sample ([policy]). They start or load a checkpoint 4 times",
        "Another program trains ([trainer]). It starts 3 times",
        "8 x H100",
    ] {
        assert!(both.contains(words), "no {words:?} in {both}");
    }
    assert!(!both.contains("tokens/s trained") && !both.contains("Total"), "{both}");
    let only_served = starloop(line, &[&served[..], &["--json"]].concat()).json()["plan"].clone();
    assert!(only_served["speed"]["sampling"].is_null() && only_served["speed"]["training"].is_number(), "{only_served}");
    assert!(only_served["methods"][0]["embedded_hours"].is_null(), "{only_served}");
}

#[test]
fn a_seed_decides_a_run_and_is_kept_in_its_config() {
    let place = tempfile::tempdir().unwrap();
    let answers = |name: &str, seed: &str| {
        let run = place.path().join(name);
        let less = "run smoke --quiet --set task.evaluation_per_class=3 --set sampling.few_shot=1";
        starloop(less, &["--set", "run=[\"few_shot\"]", "--seed", seed, "--run-dir", text(&run)]).done();
        assert!(std::fs::read_to_string(run.join("config.toml")).unwrap().contains(&format!("seed = {seed}\n")));
        lines(&run.join(Path::new("few_shot/iter-000/eval.jsonl")))
    };
    let (one, again, two) = (answers("one", "4"), answers("again", "4"), answers("two", "5"));
    assert_eq!(one, again);
    assert_ne!(one, two);
}

#[test]
fn memory_is_kept_to_a_budget_or_refused_and_changes_no_sample() {
    let free = samples("-n 4 --seed 5 --temperature 3 --max-new-tokens 40");
    assert_eq!(samples("--memory 110MB -n 4 --seed 5 --temperature 3 --max-new-tokens 40"), free);
    let base = base();
    let options = ["--model", text(&base), "--prompt", SUM];
    starloop("sample --memory 20MB", &options).failed(1, &["sampling needs at least", "may use 20 MB", "give more memory"]);
    assert_eq!(starloop("sample --memory much", &options).code, Some(2));
    let place = tempfile::tempdir().unwrap();
    let (data, out) = (place.path().join("data.jsonl"), place.path().join("out"));
    std::fs::write(&data, r#"{"prompt": "Input:\n1 + 2\nTarget:\n", "completion": "3"}"#).unwrap();
    let options = ["--model", text(&base), "--data", text(&data), "--out", text(&out)];
    starloop("train --memory 90MB --set steps=1 --set warmup_steps=0", &options)
        .failed(1, &["training needs at least", "recompute activations"]);
    assert!(!out.exists());
    starloop("train --memory 150MB --set steps=1 --set warmup_steps=0", &options).done();
}

/// The data takes more memory than the model. Its batches are large enough for the limit to bind.
#[test]
#[cfg(target_os = "linux")]
fn a_training_with_much_data_keeps_its_memory_limit() {
    let place = tempfile::tempdir().unwrap();
    let (data, out) = (place.path().join("data.jsonl"), place.path().join("out"));
    let row = format!("{{\"prompt\": \"Input:\\n1 + 2\\nTarget:\\n\", \"completion\": \"{}\"}}\n", "3 ".repeat(100));
    std::fs::write(&data, row.repeat(100_000)).unwrap();
    let settings = "--set steps=1 --set warmup_steps=0 --set batch_size=1 --set sequence_length=16384 --set micro_batch_tokens=16384";
    let base = base();
    let options = ["--model", text(&base), "--data", text(&data), "--out", text(&out)];
    let mut child = start(&format!("train --quiet --memory 300MB {settings}"), &options);
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        // Memory that belongs to the process alone. The file ends with the process.
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(anonymous.unwrap_or(0) * 1024);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(child.wait_with_output().unwrap().status.success());
    assert!((150_000_000..300_000_000).contains(&peak), "{peak} bytes");
}

#[test]
fn verify_explains_what_it_read() {
    let input = r#"{"completion": "48 + 24 = 72. The answer is 72, after 3 days.", "answer": "73"}"#;
    let shown = starloop_reading(input, "verify --task gsm8k --explain").done();
    for said in ["line 1: wrong: 72 is not 73", "(phrase)", "read: 72  (bytes 28 to 30)", "The answer is »72«, after 3 days."] {
        assert!(shown.contains(said), "{shown}");
    }
    let json = starloop_reading(input, "verify --task gsm8k --explain --json").json();
    assert_eq!((&json["reading"], &json["read"], &json["span"]), (&json!("phrase"), &json!("72"), &json!({"start": 28, "end": 30})));
    let hostile =
        starloop_reading(r#"{"completion": "\u001b]52;c;eA==\u0007 72", "answer": "72"}"#, "verify --task gsm8k --explain").done();
    assert!(!hostile.contains('\u{1b}') && hostile.contains("line 1: correct"), "{hostile}");
    starloop("verify", &[]).failed(2, &["--task"]);
}

#[test]
fn verify_reads_a_number_as_the_known_answer() {
    let input = r#"{"completion": "1208925819614629174706176", "answer": 1208925819614629174706176}
        {"completion": "1208925819614629174706175", "answer": 1208925819614629174706176}
        {"completion": "3", "answer": 3.0}"#;
    let graded = starloop_reading(input, "verify --task gsm8k --json").done();
    let verdicts: Vec<Value> = graded.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["verdict"].clone()).collect();
    assert_eq!(verdicts, ["correct", "wrong", "correct"]);
    let refused = starloop_reading(r#"{"completion": "3", "answer": [3]}"#, "verify --task gsm8k");
    refused.failed(1, &["line 1", "invalid value [3], expected a text, a number, true or false"]);
}

#[test]
fn doctor_shows_the_machine() {
    let machine = starloop("doctor --json --threads 1", &[]).json();
    assert!(machine["memory_total"].as_u64().unwrap() > 1 << 28 && machine["cores"].as_u64().unwrap() >= 1, "{machine}");
    assert_eq!(machine["threads"], 1);
    assert!(!machine["vector_units"].as_str().unwrap().is_empty());
    let without = starloop("doctor --json --no-programs", &[]).json();
    assert!(without["python"].is_null(), "{without}");
    assert!(starloop("doctor --no-programs", &[]).done().contains("--no-programs starts none"));
    let table = starloop("doctor", &[]).done();
    for row in ["starloop", "processor", "vector units used", "memory", "disk here", "graphics devices", "hub cache", "python"] {
        assert!(table.lines().any(|line| line.starts_with(row)), "{row}: {table}");
    }
}

#[test]
fn without_a_command_the_program_says_what_it_is_and_what_to_try() {
    let shown = starloop("", &[]).done();
    assert_eq!(shown.lines().take_while(|line| !line.is_empty()).count(), 3, "{shown}");
    for part in ["STaR", "starloop demo", "starloop run arithmetic", "starloop init problems.jsonl", "docs/"] {
        assert!(shown.contains(part), "{part:?}: {shown}");
    }
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = starloop("completions", &[shell]).done();
        assert!(["verify", "doctor", "--run-dir"].iter().all(|word| script.contains(word.trim_start_matches('-'))), "{shell}");
    }
    starloop("completions tcsh", &[]).failed(2, &["tcsh", "bash"]);
}

#[test]
fn a_gguf_file_is_a_model() {
    let file = repository("fixtures/gguf/types.gguf");
    let sampled = starloop("sample --prompt AB --max-new-tokens 4 --temperature 0 --json --model", &[text(&file)]).json();
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("converted");
    starloop("model convert", &[text(&file), text(&out)]).done();
    let again = starloop("sample --prompt AB --max-new-tokens 4 --temperature 0 --json --model", &[text(&out)]).json();
    assert_eq!(sampled["text"], again["text"]);
    assert_eq!(sampled["completion"], again["completion"]);
    starloop("sample --prompt AB --model", &[text(&place.path().join("none.gguf"))]).failed(2, &["none.gguf"]);
}

#[test]
fn a_checkpoint_becomes_a_gguf_file_with_a_modelfile() {
    let place = tempfile::tempdir().unwrap();
    let (directory, out, file) = (place.path().join("converted"), place.path().join("small"), place.path().join("other.gguf"));
    starloop("model convert", &[text(&repository("fixtures/gguf/types.gguf")), text(&directory)]).done();
    let records = [
        ("trained_problems.json", "{\n  \"identities\": [\n    \"0123\"\n  ]\n}\n"),
        ("prompting.json", r#"{"chat": false, "few_shot": 2, "template": "é"}"#),
    ];
    for (name, content) in records {
        std::fs::write(directory.join(name), content).unwrap();
    }
    starloop("export --gguf-type f32 --gguf", &[text(&out), text(&directory)]).done();
    starloop("model convert --dtype q8_0", &[text(&directory), text(&file)]).done();
    let sampled = |model: &Path| starloop("sample --prompt AB --max-new-tokens 4 --temperature 0 --json --model", &[text(model)]).json();
    assert_eq!(sampled(&out.join("small.gguf"))["completion"], sampled(&directory)["completion"]);
    assert!(std::fs::metadata(&file).unwrap().len() < std::fs::metadata(out.join("small.gguf")).unwrap().len() / 3);
    let modelfile = std::fs::read_to_string(out.join("Modelfile")).unwrap();
    assert_eq!(modelfile, "FROM ./small.gguf\nPARAMETER stop \"<|end|>\"\n");
    // The GGUF file keeps the records of the model. A conversion back writes them again.
    for (gguf, again) in [(&file, "again"), (&out.join("small.gguf"), "whole")] {
        let again = place.path().join(again);
        starloop("model convert", &[text(gguf), text(&again)]).done();
        for (name, _) in records {
            let [before, after] = [&directory, &again]
                .map(|model| -> serde_json::Value { serde_json::from_slice(&std::fs::read(model.join(name)).unwrap()).unwrap() });
            let is_kept = |key: &String| before[key] == after[key];
            assert!(before.as_object().unwrap().keys().all(is_kept), "{name}: {after}");
        }
    }
    starloop("export --gguf", &[text(&out), text(&directory)]).failed(2, &["small: it exists already"]);
    starloop("model convert", &[text(&directory), text(&file)]).failed(2, &["other.gguf exists already"]);
    starloop("model convert --dtype q8_0", &[text(&directory), text(&place.path().join("x"))]).failed(2, &["only a GGUF file"]);
    let said = ["the model cannot be written as GGUF", "WordLevel"];
    starloop("model convert builtin:arithmetic", &[text(&place.path().join("a.gguf"))]).failed(1, &said);
    assert!(!place.path().join("a.gguf").exists());
}

#[test]
fn a_model_of_the_hub_is_found_in_the_cache() {
    let place = tempfile::tempdir().unwrap();
    let snapshot = place.path().join("models--org--tiny/snapshots/0123456789abcdef0123456789abcdef01234567");
    std::fs::create_dir_all(&snapshot).unwrap();
    for name in ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(repository("fixtures/llama-tiny").join(name), snapshot.join(name)).unwrap();
    }
    std::fs::create_dir_all(place.path().join("models--org--tiny/refs")).unwrap();
    std::fs::write(place.path().join("models--org--tiny/refs/v1"), "0123456789abcdef0123456789abcdef01234567").unwrap();
    let offline = |line: &str| -> crate::program::Outcome {
        let mut command = crate::program::command(line, &[]);
        command.env("HF_HUB_CACHE", place.path()).env("HF_HUB_OFFLINE", "1").env("XDG_CACHE_HOME", place.path()).output().unwrap().into()
    };
    assert_eq!(offline("model info org/tiny@v1 --json").json()["hidden"], 32);
    let places = ["org/tiny@main: no such model on this machine", "models--org--tiny (revision main)", "starloop/hub/models--org--tiny"];
    offline("model info org/tiny --json").failed(1, &places);
    let run = format!("run smoke --dry-run --set model.base=org/other@v2 --run-dir {}", text(&place.path().join("run")));
    offline(&run).failed(1, &["org/other@v2: no such model on this machine, and HF_HUB_OFFLINE is set"]);
    offline("model info bases/other").failed(2, &["bases/other: no such model"]);
}

#[test]
fn off_a_terminal_every_stage_has_a_line_at_its_start_and_end() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    let less = ["--set", "run=[\"star\"]", "--set", "methods.star.iterations=1", "--run-dir", text(&run)];
    let small = SMALL_RUN.replace("--quiet", "");
    let outcome = starloop(&small, &less);
    let said = outcome.err.clone();
    outcome.done();
    for part in [
        "running smoke\n",
        "star 0 evaluating: started, 10 problems\n",
        "star 1 sampling: started, 48 problems, accuracy so far ",
        "star 1 fine-tuning: finished, 12 steps in ",
        "plot: ",
        "accuracy.svg\nNext:\n  starloop report ",
    ] {
        assert!(said.contains(part), "{part:?}: {said}");
    }
    let again = starloop(&format!("{small} --resume --log-format json"), &less);
    let events: Vec<serde_json::Value> =
        again.err.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |event: &str| events.iter().filter(|line| line["event"] == event).count();
    assert_eq!((of("run_started"), of("run_finished")), (1, 1), "{}", again.err);
    assert_eq!(of("iteration_finished"), 2, "{}", again.err);
    again.done();
}
