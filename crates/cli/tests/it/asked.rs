//! The prompts of models: prompts before a run, prompts that are too long, and measurements with the settings of a config or of a run.

use crate::program::{base, repository, small_run, starloop, text};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Ten sums as the shipped base knows them, the third with so many zeros in front that it is too long, and a config for them.
fn sums(place: &Path) -> PathBuf {
    let row = |n: usize| {
        let zeros = "0 ".repeat(if n == 3 { 2_000 } else { 0 });
        json!({"id": format!("s{n}"), "question": format!("Input:\n{zeros}{n} + 1\nTarget:\n"), "answer": format!("{}", n + 1)}).to_string()
    };
    std::fs::write(place.join("sums.jsonl"), (1..=10).map(row).collect::<Vec<_>>().join("\n")).unwrap();
    let config = place.join("sums.toml");
    let written = "name = 'sums'\nrun = ['few_shot']\n[model]\nbase = 'builtin:arithmetic'\n[task]\nkind = 'jsonl'\ntrain = 'sums.jsonl'\nid = 'id'\n\
                   dev_problems = 9\nprompt = '{{ question }}{{ hint }}'\nhint = \"{{ answer }}\\n\"\ncompletion = \"{{ rationale }}\\n{{ answer }}\"\ndirect_completion = '{{ answer }}'\n\
                   [[task.examples]]\nquestion = \"Input:\\n2 2 + 1 1\\nTarget:\\n\"\nanswer = '3 3'\nrationale = '2 + 1'\n\
                   [sampling]\nmax_new_tokens = 8\nfew_shot = 1\n[methods.few_shot]\nkind = 'few_shot'\n[methods.star]\nkind = 'star'\n";
    std::fs::write(&config, written).unwrap();
    config
}

#[test]
fn a_prompt_that_is_too_long_is_found_before_the_run() {
    let place = tempfile::tempdir().unwrap();
    let (config, run) = (sums(place.path()), place.path().join("run"));
    let said = [
        "`sampling.max_new_tokens`: the prompt of problem jsonl/",
        "/s3 (",
        "sums.jsonl, line 3) has ",
        "with 1 worked examples",
        "task.too_long",
    ];
    for more in [&["--dry-run"][..], &["--run-dir", text(&run)]] {
        starloop("run", &[&[text(&config)], more].concat()).failed(2, &said);
    }
    let gguf = format!("model.base={}", text(&repository("fixtures/gguf/types.gguf")));
    starloop("run --dry-run", &[text(&config), "--set", &gguf]).failed(2, &[said[0], "of the model's context"]);
    let skip = ["--set", "task.too_long=skip", "--run-dir", text(&run)];
    starloop("run --dry-run", &[&[text(&config)], &skip[..]].concat()).done();
    let report = starloop("run --quiet --json", &[&[text(&config)], &skip[..]].concat()).json();
    assert_eq!(report["methods"][0]["problems_left_out"], 1, "{report}");
    let shown = starloop("report", &[text(&run)]).done();
    assert!(shown.contains("1 problem is left out, because its prompt is too long for the model"), "{shown}");
}

#[test]
fn a_prompt_is_shown_as_the_model_reads_it() {
    let place = tempfile::tempdir().unwrap();
    let config = sums(place.path());
    let shown = starloop("prompt --split dev --problem s5", &[text(&config)]).done();
    for words in [
        "jsonl/dev/s5 (",
        "sums.jsonl, line 5), 1 worked examples (with at most 8 new ones; the context has ",
        " tokens\n",
        "  │ 2 2 + 1 1\n",
        "  │ 5 + 1\n",
        "\n  tokens: ",
    ] {
        assert!(shown.contains(words), "no {words:?} in {shown}");
    }
    let both: Vec<Value> = starloop("prompt --json --set run=[\"star\"] --set task.dev_problems=2 -n 2", &[text(&config)])
        .done()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        both.iter().map(|prompt| prompt["mode"].as_str().unwrap()).collect::<Vec<_>>(),
        ["unhinted", "hinted", "unhinted", "hinted"]
    );
    for prompt in &both {
        let whole: String = prompt["tokens"].as_array().unwrap().iter().map(|token| token["text"].as_str().unwrap()).collect();
        assert!(whole.ends_with(prompt["text"].as_str().unwrap()), "the tokens are those of the text: {prompt}");
    }
    assert_ne!(both[0]["text"], both[1]["text"]);
    let nowhere = starloop("prompt --set model.base=nowhere", &[text(&config)]);
    assert!(nowhere.err.contains("without chat template and tokens") && nowhere.done().contains("  │ Input:\n"));
    starloop("prompt --problem s99", &[text(&config)]).failed(2, &["s99: no such problem"]);
}

#[test]
fn inspect_shows_the_prompt_of_an_attempt() {
    let line = "inspect --method star --iteration 1 --purpose hinted --limit 1 --prompt";
    let shown = starloop(line, &[text(small_run())]).done();
    assert!(shown.contains(" tokens\n  │ Input:\n") && shown.contains("  tokens: "), "{shown}");
    let attempt: Value = starloop(&format!("{line} --json"), &[text(small_run())]).json();
    assert_eq!(attempt["prompt"]["tokens"].as_array().unwrap().len() as u64, attempt["prompt_tokens"].as_u64().unwrap());
}

#[test]
fn eval_takes_the_settings_of_a_config_or_of_a_run() {
    let place = tempfile::tempdir().unwrap();
    let config = sums(place.path());
    let figures = starloop("eval --quiet --json --limit 5 --set task.too_long=skip", &[text(&config)]).json();
    assert_eq!(json!([figures["task"], figures["few_shot"], figures["max_new_tokens"]]), json!(["jsonl", 1, 8]));
    assert_eq!(figures["accuracy"]["total"], 5);
    let by_task = starloop("eval --quiet --json --limit 5 --set task.too_long=skip --task", &[text(&config)]).json();
    assert_eq!(by_task, figures);

    let best = small_run().join("star/iter-002/checkpoint");
    let prompting: Value = serde_json::from_slice(&std::fs::read(best.join("prompting.json")).unwrap()).unwrap();
    assert_eq!(prompting, json!({"chat": false, "few_shot": 0}));
    let models = ["--model", "builtin:arithmetic", "--model", text(&best)];
    let both = starloop("eval --quiet --json --limit 6", &[&[text(small_run())], &models[..]].concat()).json();
    assert_eq!(both["models"].as_array().unwrap().iter().map(|model| &model["few_shot"]).collect::<Vec<_>>(), [3, 0]);
    assert_eq!((&both["paired"][0]["before"], &both["paired"][0]["problems"]), (&json!("builtin:arithmetic"), &json!(6)));
    let shown = starloop("eval --limit 6", &[text(small_run())]);
    assert!(shown.err.contains("star after iteration") && !shown.err.contains("asked otherwise"), "{}", shown.err);
    let asked = starloop("eval --limit 6 --few-shot 2", &[text(small_run()), "--model", text(&best)]);
    assert!(asked.err.contains("it was measured with 0 worked examples in its prompt, and is asked with 2"), "{}", asked.err);
    starloop("eval --task arithmetic", &[]).failed(2, &["needs --model"]);
}

#[test]
fn a_config_and_its_run_can_be_moved_together() {
    let place = tempfile::tempdir().unwrap();
    let (here, there) = (place.path().join("here"), place.path().join("there"));
    std::fs::create_dir(&here).unwrap();
    sums(&here);
    let line = "run --quiet --resume --set task.too_long=skip --set evaluation.limit=2 --run-dir";
    starloop(line, &[text(&here.join("run")), text(&here.join("sums.toml"))]).done();
    std::fs::rename(&here, &there).unwrap();
    starloop(line, &[text(&there.join("run")), text(&there.join("sums.toml"))]).done();
    std::fs::rename(there.join("sums.jsonl"), there.join("other.jsonl")).unwrap();
    let resume = |more: &[&str]| starloop(line, &[&[text(&there.join("run")), text(&there.join("sums.toml"))], more].concat());
    resume(&[]).failed(2, &["sums.jsonl: no such file of problems", "accepts another path to the same content"]);
    let other = format!("task.train={}", text(&there.join("other.jsonl")));
    resume(&["--set", &other]).done();
    std::fs::write(there.join("other.jsonl"), std::fs::read_to_string(there.join("other.jsonl")).unwrap().replace("9 + 1", "9 + 0"))
        .unwrap();
    resume(&["--set", &other]).failed(2, &["was begun with other content in", "other.jsonl"]);
}

#[test]
fn a_checkpoint_of_train_is_not_measured_on_what_it_was_trained_on() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let config = sums(place.path());
    let lora = "train --quiet --set lora.rank=4 --set lora.alpha=8 --set steps=1 --set warmup_steps=0 --model";
    let settings = &format!("{lora} {}", text(&base()));
    let measured = |model: &Path| starloop("eval --quiet --set task.too_long=skip", &[text(&config), "--model", text(model)]);
    let held_out = "Input:\n2 + 1\nTarget:\n";
    for (number, row) in [
        json!({"prompt": held_out, "completion": "3"}),
        json!({"question": held_out, "prompt": "2 + 1", "completion": "3"}),
        json!({"instruction": held_out, "output": "3"}),
    ]
    .into_iter()
    .enumerate()
    {
        let [rows, tuned, merged] = ["rows.jsonl", "tuned", "merged"].map(|name| path(&format!("{number}-{name}")));
        std::fs::write(&rows, row.to_string()).unwrap();
        starloop(settings, &["--data", text(&rows), "--out", text(&tuned)]).done();
        measured(&tuned).failed(2, &["trained on 1 of the 8"]);
        // Merged with its base, it is the same model.
        starloop("model convert", &[text(&tuned), text(&merged)]).done();
        measured(&merged).failed(2, &["trained on 1 of the 8"]);
    }
    let (rows, tuned) = (path("rows.jsonl"), path("tuned"));
    let said = ["adapters name the directory of their base", "`starloop model convert builtin:arithmetic DIR`"];
    starloop(&format!("{lora} builtin:arithmetic"), &["--data", text(&path("0-rows.jsonl")), "--out", text(&tuned)]).failed(2, &said);
    std::fs::write(&rows, json!({"prompt": "Input:\n2 0 + 1\nTarget:\n", "completion": "2 1"}).to_string()).unwrap();
    starloop(settings, &["--data", text(&rows), "--out", text(&tuned)]).done();
    measured(&tuned).done();
}
