//! The programs of the user's that a config names: when none may be started, and what they get of the environment.

use crate::program::{Outcome, base, command, small_run, starloop, text};
use crate::views::copy;
use serde_json::{Value, json};
use starloop_record::digest::file_sha256;
use std::path::{Path, PathBuf};

/// The keys of a config that name a program, with the key that names the program's secrets.
const KEYS: [(&str, &str); 4] = [
    ("task.command", "task.secrets"),
    ("trainer.command", "trainer.secrets"),
    ("policy.launch", "policy.secrets"),
    ("policy.reload", "policy.secrets"),
];

/// The small experiment.
const SMALL: &str = include_str!("../../../core/configs/smoke.toml");

/// A config whose `key` names a shell with a script.
pub fn config(place: &Path, key: &str, script: &str) -> PathBuf {
    let shell = |words: &[&str]| json!([&["sh", "-c", script][..], words].concat());
    let toml = match key {
        "task.command" => with_verifier(place, &shell(&[])),
        "trainer.command" => {
            format!(
                "{SMALL}\n[trainer]\nkind = \"command\"\ncommand = {}\n",
                shell(&["train", "{base}", "{data}", "{out}", "{steps}", "{seed}"])
            )
        }
        "policy.launch" => format!("{SMALL}\n[policy]\nkind = \"openai\"\nlaunch = {}\n", shell(&["serve", "{port}", "{checkpoint}"])),
        "policy.reload" => {
            let reload = shell(&["reload", "{checkpoint}", "{endpoint}"]);
            format!("{SMALL}\n[policy]\nkind = \"openai\"\nendpoints = [\"http://127.0.0.1:9/v1\"]\nreload = {reload}\n")
        }
        _ => unreachable!("{key}"),
    };
    let path = place.join(format!("{key}.toml"));
    std::fs::write(&path, toml).unwrap();
    path
}

/// The script of a verifier that leaves a mark when it is started.
pub fn marking_verifier(mark: &Path) -> String {
    format!("touch {}; while read line; do echo '{{\"verdict\": \"wrong\"}}'; done", text(mark))
}

/// A config with a verifier. The base model has tokens for sums alone.
fn with_verifier(place: &Path, verifier: &Value) -> String {
    let rows = place.join("rows.jsonl");
    let row = |n: u32| format!("{{\"question\": \"{n} + 1\", \"answer\": \"{0}\", \"rationale\": \"{0}\"}}\n", n + 1);
    std::fs::write(&rows, (0..40).map(row).collect::<String>()).unwrap();
    let train = Value::from(text(&rows));
    format!(
        r#"name = "own"
run = ["few"]
[model]
base = "builtin:arithmetic"
[sampling]
few_shot = 0
[methods.few]
kind = "few_shot"
[task]
kind = "jsonl"
train = {train}
dev_problems = 10
prompt = "Input:\n{{{{ question }}}}\nTarget:{{{{ hint }}}}\n"
hint = " {{{{ answer }}}}"
completion = "{{{{ rationale }}}}"
direct_completion = "{{{{ answer }}}}"
separator = "\n"
stop = ["\nInput:"]
answer_type = "command"
command = {verifier}
"#
    )
}

#[test]
fn without_programs_no_command_starts_one() {
    let place = tempfile::tempdir().unwrap();
    let mark = place.path().join("started");
    let script = format!("touch {}; exit 3", text(&mark));
    for (key, _) in KEYS {
        let config = config(place.path(), key, &script);
        let (config, run) = (text(&config), place.path().join("run"));
        let refused = [key, "\"sh\"", "--no-programs"];
        starloop("run --no-programs", &[config, "--run-dir", text(&run)]).failed(2, &refused);
        starloop("sweep --no-programs --set training.steps=1,2", &[config]).failed(2, &refused);
        // The embedded engine measures a model, without the trainer and the servers of the config.
        let measured = starloop("eval --no-programs --limit 2 --quiet --model builtin:arithmetic", &[config]);
        if key == "task.command" {
            measured.failed(2, &refused);
        } else {
            drop(measured.done());
        }
        for line in ["run --dry-run", "plan --no-measurement", "prompt"] {
            starloop(&format!("{line} --no-programs"), &[config]).done();
        }
        assert!(!mark.exists(), "{key}");
    }
    let command = format!("task.command=[\"touch\",{:?}]", text(&mark));
    let verify = "verify --no-programs --task jsonl --set task.answer_type=\"command\" --set";
    starloop(verify, &[&command]).failed(2, &["task.command", "--no-programs"]);
    assert!(!mark.exists());
}

#[test]
fn an_audit_of_a_run_whose_config_names_a_program_starts_none() {
    let place = tempfile::tempdir().unwrap();
    let (run, mark) = (place.path().join("run"), place.path().join("started"));
    copy(small_run(), &run);
    let served = config(place.path(), "policy.launch", &format!("touch {}; exit 3", text(&mark)));
    let section = std::fs::read_to_string(served).unwrap().split_once("[policy]").unwrap().1.to_owned();
    let file = run.join("config.toml");
    let (whole, before) = (std::fs::read_to_string(&file).unwrap(), file_sha256(&file).unwrap());
    std::fs::write(&file, format!("{whole}\n[policy]{section}")).unwrap();
    let info = std::fs::read_to_string(run.join("run.json")).unwrap();
    std::fs::write(run.join("run.json"), info.replace(&before, &file_sha256(&file).unwrap())).unwrap();
    starloop("audit --trust --no-programs", &[text(&run)]).failed(2, &["policy.launch", "--no-programs"]);
    assert!(!mark.exists());
}

#[test]
fn a_plan_starts_no_verifier_and_a_dry_run_says_so_first() {
    let place = tempfile::tempdir().unwrap();
    let mark = place.path().join("started");
    let config = config(place.path(), "task.command", &marking_verifier(&mark));
    starloop("plan --no-measurement", &[text(&config)]).done();
    assert!(!mark.exists());
    let dry = starloop("run --dry-run", &[text(&config)]);
    assert!(dry.err.contains("starting the verifier \"sh\", to see that it starts; --no-programs leaves it out"), "{}", dry.err);
    dry.done();
    assert!(mark.exists());
}

#[test]
fn a_program_gets_the_secrets_that_the_config_names_for_it() {
    let place = tempfile::tempdir().unwrap();
    let got = place.path().join("got");
    let script = format!("echo \"$NAMED_TOKEN,$OTHER_TOKEN,$PLAIN\" > {}; exit 3", text(&got));
    for (key, secrets) in KEYS {
        let config = config(place.path(), key, &script);
        let run = place.path().join(key);
        let named = format!("{secrets}=[\"NAMED_TOKEN\"]");
        let mut run = command("run --quiet", &[text(&config), "--run-dir", text(&run), "--set", &named]);
        let outcome: Outcome = run.env("NAMED_TOKEN", "one").env("OTHER_TOKEN", "two").env("PLAIN", "three").output().unwrap().into();
        assert_ne!(outcome.code, Some(0), "{key}: the program fails");
        assert_eq!(std::fs::read_to_string(&got).unwrap(), "one,,three\n", "{key}: {}", outcome.err);
        std::fs::remove_file(&got).unwrap();
    }
}

/// A checkpoint whose chat template needs the variable `mark`.
fn with_template(place: &Path) -> PathBuf {
    let checkpoint = place.join("checkpoint");
    copy(&base(), &checkpoint);
    let template = "{% if mark is undefined %}{{ raise_exception('no mark') }}{% endif %}{% for message in messages %}\
                    {{ message.content }}{% if message.role == 'user' %}{{ mark }}{% endif %}{% endfor %}";
    std::fs::write(checkpoint.join("chat_template.jinja"), template).unwrap();
    checkpoint
}

#[test]
fn variables_of_the_chat_template_reach_every_stage() {
    let place = tempfile::tempdir().unwrap();
    let (checkpoint, run) = (with_template(place.path()), place.path().join("run"));
    let base = format!("model.base={}", text(&checkpoint));
    let stages = "--set run=[\"few_shot\",\"direct\"] --set model.chat=true --set task.digits=[2,3] --set task.problems_per_iteration=8 \
                  --set task.evaluation_per_class=2 --set training.steps=2 --set methods.direct.training.steps=2";
    let variables = "--set model.chat_variables={mark=\"\\n\"}";
    let more = ["--set", &base];
    starloop(&format!("prompt smoke {stages}"), &more).failed(1, &["no mark", "chat_template.jinja"]);
    let shown = starloop(&format!("prompt smoke --json {stages} {variables}"), &more).json();
    assert!(shown["text"].as_str().unwrap().ends_with("Target:\n\n"), "{shown}");
    let whole = [&more[..], &["--run-dir", text(&run)]].concat();
    starloop(&format!("run smoke --quiet {stages} {variables}"), &whole).done();
    assert!(run.join("direct/iter-001/metrics.json").exists(), "sampled, trained, and sampled again");
}
