//! Bad input: one error that names the file or key and says what to do, the right exit code, and nothing lost.

use crate::program::{Outcome, SMALL_PRETRAINING, SMALL_RUN, command, repository, small_run, snapshot, starloop, text};

#[test]
fn configs_that_cannot_be_are_exit_code_2() {
    let place = tempfile::tempdir().unwrap();
    let broken = place.path().join("broken.toml");
    std::fs::write(&broken, "name = \"x\"\nseed = = 1\n").unwrap();
    let cases: &[(&str, &[&str])] = &[
        ("run smoke --set training.stepz=3", &["override training.stepz: unknown key `training.stepz`", "`training.steps`"]),
        ("run smoke --set methods.star.iteration=3", &["`methods.star.iteration`", "`methods.star.iterations`"]),
        ("run smoke --set training.steps=0", &["override training.steps", "at least 1"]),
        ("run smoke --set training.steps", &["key=value"]),
        ("run smoke --set task.digits=[3,1]", &["task.digits"]),
        ("run smoke --set model.base=/nowhere", &["model.base", "/nowhere", "no such directory"]),
        ("run smoke --set model.base=builtin:x", &["model.base", "arithmetic"]),
        ("run smok", &["did you mean `smoke`?"]),
        ("pretrain arithmetik", &["did you mean `arithmetic`?"]),
        ("pretrain arithmetic --set training.step=3", &["`training.step`", "`training.steps`"]),
        ("eval --model builtin:arithmetic --task arithmetik", &["task.kind", "did you mean \"arithmetic\"?"]),
        ("eval --model builtin:arithmetic --task arithmetic --by-likelihood", &["has no choices", "without --by-likelihood"]),
        ("verify --task arithmetik", &["task.kind", "did you mean \"arithmetic\"?"]),
        ("train --model x --data y --out z --set step=1", &["`step`", "`steps`"]),
    ];
    for (line, said) in cases {
        starloop(line, &[]).failed(2, said);
    }
    starloop("run", &[text(&broken)]).failed(2, &[text(&broken), "line 2"]);
    starloop("pretrain", &[text(&broken)]).failed(2, &[text(&broken), "line 2"]);
}

#[test]
fn files_that_are_not_there_are_named() {
    for line in [
        "run nowhere/x.toml",
        "pretrain nowhere/x.toml",
        "report nowhere/x",
        "train --model builtin:arithmetic --data nowhere/x --out z",
        "score --model ./nowhere/x --text a",
    ] {
        starloop(line, &[]).failed(2, &["nowhere/x"]);
    }
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let under_a_file = file.path().join("deep/run");
    starloop(SMALL_RUN, &["--run-dir", text(&under_a_file)]).failed(1, &[text(under_a_file.parent().unwrap())]);
    starloop(SMALL_PRETRAINING, &["--out", text(&under_a_file)]).failed(1, &[text(file.path())]);
    starloop("report", &[text(small_run()), "--svg", text(&under_a_file)]).failed(1, &[text(&under_a_file)]);
}

#[test]
fn a_run_that_is_there_is_left_as_it_is() {
    let before = snapshot(small_run());
    let place = ["--run-dir", text(small_run())];
    starloop(SMALL_RUN, &place).failed(2, &[text(small_run()), "--resume", "--run-dir"]);
    let changed = ["--resume", "--seed", "8", "--set", "methods.star.rationalize=false"];
    let keys = ["another config", "methods.star.rationalize (true -> false)", "seed (1 -> 8)"];
    starloop(SMALL_RUN, &[&place[..], &changed].concat()).failed(2, &keys);
    assert!(snapshot(small_run()) == before);
    let strange = tempfile::tempdir().unwrap();
    std::fs::write(strange.path().join("thesis.tex"), "").unwrap();
    starloop(SMALL_RUN, &["--run-dir", text(strange.path())]).failed(2, &[text(strange.path()), "is not a run directory"]);
    assert_eq!(std::fs::read_dir(strange.path()).unwrap().count(), 1);
}

#[test]
fn a_base_that_solves_nothing_is_told_with_what_to_try() {
    let place = tempfile::tempdir().unwrap();
    let (base, run) = (place.path().join("base"), place.path().join("run"));
    starloop(SMALL_PRETRAINING, &["--out", text(&base), "--set", "training.steps=1"]).done();
    let set = [format!("model.base={}", text(&base)), "run=[\"star\"]".to_owned()];
    let arguments = ["--set", &set[0], "--set", &set[1], "--run-dir", text(&run)];
    let said =
        ["star, iteration 1: none of 96 attempts", "sampling.few_shot", "stronger base model", "warning: star: the base model solves none"];
    // The warning is shown however quiet the program is.
    starloop(SMALL_RUN, &arguments).failed(1, &said);
    assert!(run.join("star/iter-001/attempts.jsonl").exists(), "what was done is kept");
    starloop(SMALL_RUN, &[&arguments[..], &["--resume"]].concat()).failed(1, &said[..3]);

    // Others' results are shown all the same.
    let (both, other) = ("run=[\"star\", \"few_shot\"]", place.path().join("both"));
    let outcome = starloop(SMALL_RUN, &["--set", &set[0], "--set", both, "--run-dir", text(&other)]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains(said[0]), "{}", outcome.err);
    assert!(outcome.out.contains("untrained") && outcome.out.contains("accuracy, %"), "{}", outcome.out);
}

#[test]
fn training_data_that_cannot_be_read_is_named_with_its_line() {
    let place = tempfile::tempdir().unwrap();
    let (model, data, out) = (repository("fixtures/llama-tiny"), place.path().join("pairs.jsonl"), place.path().join("out"));
    let pair = r#"{"prompt": "a", "completion": "b"}"#;
    for (content, said) in [
        (format!("{pair}\n\n{{\"prompt\": \"a\"}}\n"), "line 3: the columns are prompt; expected `prompt` and `completion`"),
        (format!("{pair}\n{{\"prompt"), "line 2"),
        (String::new(), "holds no row"),
        (format!("{{\"prompt\": \"a\", \"completion\": \"{}\"}}", "b ".repeat(40)), ":1: 42 tokens, but training.sequence_length is 32"),
    ] {
        std::fs::write(&data, content).unwrap();
        let arguments = ["--model", text(&model), "--data", text(&data), "--out", text(&out)];
        starloop("train --quiet --steps 2 --sequence-length 32", &arguments).failed(1, &[text(&data), said]);
        assert!(!out.exists());
    }
}

#[test]
fn what_cannot_be_fetched_says_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let fetch = |line, variables: [(&str, &str); 2]| -> Outcome {
        let arguments = ["--quiet", "--out", text(&out)];
        command(line, &arguments).envs(variables).env("HF_HOME", place.path()).output().unwrap().into()
    };
    let nobody = "http://127.0.0.1:1";
    let token = ("HF_TOKEN", "hf_secret");
    let online = fetch("get model org/tiny", [token, ("HF_ENDPOINT", nobody)]);
    online.failed(1, &["http://127.0.0.1:1/api/models/org/tiny", "cannot be reached", "HF_HUB_OFFLINE=1"]);
    assert!(!online.err.contains("hf_secret"));
    fetch("get model org/tiny", [token, ("HF_HUB_OFFLINE", "1")]).failed(1, &["org/tiny: HF_HUB_OFFLINE is set", text(place.path())]);
    fetch("get data gsm8k", [token, ("STARLOOP_DATA_URL", nobody)])
        .failed(1, &["/gsm8k/train.jsonl", "without a network, put train.jsonl"]);
    assert!(!out.exists());
}

#[test]
fn an_input_that_is_not_there_is_wrong_usage_in_every_command() {
    let place = tempfile::tempdir().unwrap();
    let (none, out) = (place.path().join("none"), place.path().join("out"));
    let (none, out) = (text(&none), text(&out));
    for line in [
        "run",
        "plan",
        "prompt",
        "eval",
        "report",
        "inspect",
        "compare",
        "audit",
        "clean",
        "export",
        "runs",
        "model info",
        "init",
        "watch --json",
    ] {
        starloop(line, &if line == "compare" { vec![none, none] } else { vec![none] }).failed(2, &["none"]);
    }
    let model = ["--model", "builtin:arithmetic"];
    for more in [vec!["train", "--data", none, "--out", out], vec!["sample", "--prompt-file", none], vec!["score", "--text-file", none]] {
        starloop(more[0], &[&more[1..], &model].concat()).failed(2, &["none"]);
    }
    starloop("pretrain", &[none, "--out", out]).failed(2, &["none"]);
}

/// A copy of the shipped base with another file in it.
fn base_with(place: &std::path::Path, name: &str, content: &[u8]) -> std::path::PathBuf {
    let model = place.join(format!("with-{name}"));
    crate::views::copy(&crate::program::base(), &model);
    std::fs::write(model.join(name), content).unwrap();
    model
}

/// Every command that reads a checkpoint and computes with it.
fn fails_in_every_command(model: &std::path::Path, place: &std::path::Path, said: &[&str], said_in_training: &[&str]) {
    let (rows, out) = (place.join("rows.jsonl"), place.join("out"));
    std::fs::write(&rows, "{\"prompt\": \"Input:\\n6 + 9\\nTarget:\\n\", \"completion\": \"9 9 9\"}\n").unwrap();
    let model = text(model);
    starloop("score --text", &["6 + 9", "--model", model]).failed(1, said);
    starloop("sample --prompt", &["6 + 9", "--model", model]).failed(1, said);
    starloop(
        "train --quiet --steps 2 --set warmup_steps=0 --sequence-length 64",
        &["--model", model, "--data", text(&rows), "--out", text(&out)],
    )
    .failed(1, said_in_training);
    starloop("eval --task arithmetic --quiet --limit 2", &["--model", model]).failed(1, said);
    assert!(!out.exists());
}

#[test]
fn weights_that_make_no_finite_number_are_an_error_in_every_command() {
    let place = tempfile::tempdir().unwrap();
    let mut weights = std::fs::read(crate::program::base().join("model.safetensors")).unwrap();
    let header = 8 + u64::from_le_bytes(*weights.first_chunk().unwrap()) as usize;
    let tensors: serde_json::Value = serde_json::from_slice(&weights[8..header]).unwrap();
    let offset = |end: usize| header + tensors["model.norm.weight"]["data_offsets"][end].as_u64().unwrap() as usize;
    let norm = &mut weights[offset(0)..offset(1)];
    norm.chunks_exact_mut(4).for_each(|weight| weight.copy_from_slice(&f32::MAX.to_le_bytes()));
    let model = base_with(place.path(), "model.safetensors", &weights);
    fails_in_every_command(&model, place.path(), &["finite"], &["the loss is NaN"]);
}

#[test]
fn an_id_beyond_the_vocabulary_is_an_error_in_every_command() {
    let place = tempfile::tempdir().unwrap();
    let model = base_with(place.path(), "generation_config.json", b"{\"eos_token_id\": 5000}");
    let said = ["generation_config.json", "eos_token_id", "5000"];
    fails_in_every_command(&model, place.path(), &said, &said);
}

#[cfg(unix)]
#[test]
fn a_pipe_in_a_run_is_an_error_and_no_command_waits_for_it() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    for name in ["config.toml", "events.jsonl", "star/iter-001/metrics.json", "star/iter-001/attempts.jsonl", "lock"] {
        let _ = std::fs::remove_dir_all(&run);
        crate::views::copy(small_run(), &run);
        assert!(run.join(name).is_file(), "{name}");
        std::fs::remove_file(run.join(name)).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(run.join(name)).status().unwrap().success());
        for line in ["report", "inspect", "watch --json", "verify", "runs", "clean --dry-run", "export --csv -", "report --html -"] {
            let mut child =
                command(line, &[text(&run)]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
            let began = std::time::Instant::now();
            while child.try_wait().unwrap().is_none() {
                assert!(began.elapsed() < std::time::Duration::from_secs(60), "{line} waits for {name}");
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    }
}
