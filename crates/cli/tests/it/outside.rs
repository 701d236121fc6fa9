//! Files of other people: what a command reads, writes, starts and shows of them.

use crate::program::{command, small_run, starloop, text};
use crate::programs;
use crate::views::copy;
use std::path::{Path, PathBuf};

/// Every regular file below a directory.
fn files(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap());
    entries.flat_map(|entry| if entry.file_type().unwrap().is_dir() { files(&entry.path()) } else { vec![entry.path()] }).collect()
}

#[test]
fn a_copied_run_reads_and_exports_nothing_outside_of_itself() {
    let place = tempfile::tempdir().unwrap();
    let (run, secret, out) = (place.path().join("run"), place.path().join("secret"), place.path().join("out"));
    copy(small_run(), &run);
    std::fs::write(&secret, "a private text").unwrap();
    starloop("report", &[text(&run)]).done();
    std::os::unix::fs::symlink(&secret, run.join("star/iter-002/checkpoint/notes.md")).unwrap();
    let export = ["--checkpoint", text(&out), "--method", "star", "--iteration", "2"];
    for line in ["inspect", "watch --json", "report", "compare", "export"] {
        let more = match line {
            "compare" => vec![text(&run), text(small_run())],
            "export" => [&[text(&run)], &export[..]].concat(),
            _ => vec![text(&run)],
        };
        let leads = format!("star/iter-002/checkpoint/notes.md (a symbolic link to {})", text(&secret));
        starloop(line, &more).failed(2, &["was copied here from another place", &leads, "--trust"]);
        let trusted = starloop(&format!("{line} --trust"), &more);
        let err = trusted.err.clone();
        trusted.done();
        assert!(line != "export" || err.contains("left out, because they are not files of a checkpoint: notes.md"), "{err}");
    }
    for file in files(&out) {
        assert!(!String::from_utf8_lossy(&std::fs::read(&file).unwrap()).contains("a private text"), "{}", file.display());
    }
    // An adapter whose base is a directory of the reader.
    std::fs::remove_file(run.join("star/iter-002/checkpoint/notes.md")).unwrap();
    std::fs::write(run.join("star/iter-002/checkpoint/adapter_config.json"), r#"{"base_model_name_or_path": "/"}"#).unwrap();
    starloop("report", &[text(&run)]).done();
    let merged = place.path().join("merged");
    let more = [text(&run), "--merged", "--checkpoint", text(&merged)];
    starloop("export", &more).failed(2, &["star/iter-002/checkpoint/adapter_config.json (an adapter of /)"]);
}

#[test]
fn verify_and_runs_follow_no_link_of_a_copied_run() {
    let place = tempfile::tempdir().unwrap();
    let (run, secret) = (place.path().join("run"), place.path().join("secret"));
    copy(small_run(), &run);
    std::fs::rename(run.join("events.jsonl"), &secret).unwrap();
    std::os::unix::fs::symlink(&secret, run.join("events.jsonl")).unwrap();
    let leads = format!("events.jsonl (a symbolic link to {})", text(&secret));
    starloop("verify", &[text(&run)]).failed(2, &["was copied here", &leads]);
    let listed = starloop("runs --json", &[text(place.path())]).json();
    assert!(listed["runs"][0]["error"].as_str().unwrap().contains(&leads), "{listed}");
    let trusted = starloop("runs --json --trust", &[text(place.path())]).json();
    assert_eq!(trusted["runs"][0]["name"], "smoke", "{trusted}");
}

#[test]
fn a_copied_run_uses_nothing_that_its_config_names() {
    let place = tempfile::tempdir().unwrap();
    let (mark, made, copied) = (place.path().join("started"), place.path().join("made"), place.path().join("copied"));
    let config = programs::config(place.path(), "task.command", &programs::marking_verifier(&mark));
    starloop("run --quiet", &[text(&config), "--run-dir", text(&made)]).done();
    starloop("eval --quiet --limit 2 --model builtin:arithmetic", &[text(&made)]).done();
    copy(&made, &copied);
    std::fs::remove_file(&mark).unwrap();
    let rows = format!("a file of [task] = {:?}", text(&place.path().join("rows.jsonl")));
    let its_config = copied.join("config.toml");
    let eval = "eval --limit 2 --model builtin:arithmetic";
    for (line, subject) in [
        (eval, &copied),
        (eval, &its_config),
        ("audit", &copied),
        ("plan --no-measurement", &its_config),
        ("prompt", &its_config),
        ("run --dry-run", &its_config),
        ("run --resume --run-dir elsewhere", &its_config),
    ] {
        starloop(line, &[text(subject)]).failed(2, &["was copied here from another place", &rows, "task.command = \"sh\"", "--trust"]);
        assert!(!mark.exists(), "{line}");
    }
    starloop(&format!("{eval} --quiet --trust"), &[text(&copied)]).done();
    assert!(mark.exists());
    // A server that gets prompts, and a key of the reader with them.
    let toml = std::fs::read_to_string(&its_config).unwrap();
    let served = "[policy]\nkind = \"openai\"\nendpoints = [\"http://192.0.2.1/v1\"]\nmodel = \"m\"\napi_key_env = \"HOME\"\n";
    std::fs::write(&its_config, format!("{toml}\n{served}")).unwrap();
    starloop("plan --no-measurement", &[text(&its_config)]).failed(2, &["policy.endpoints = \"http://192.0.2.1/v1\""]);
}

#[test]
fn the_base_model_of_a_copied_run_is_not_read() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    copy(small_run(), &run);
    let info = std::fs::read_to_string(run.join("run.json")).unwrap();
    assert!(info.contains("\"builtin:arithmetic\""));
    let named = crate::program::base().canonicalize().unwrap();
    std::fs::write(run.join("run.json"), info.replace("builtin:arithmetic", text(&named))).unwrap();
    std::fs::remove_dir_all(run.join("base")).unwrap();
    let leads = format!("the base model = {:?}", text(&named));
    for line in ["inspect --prompt", "chat"] {
        starloop(line, &[text(&run)]).failed(2, &["was copied here", &leads]);
    }
    starloop("inspect --prompt --limit 1 --trust", &[text(&run)]).done();
}

#[test]
fn a_run_is_written_through_no_link() {
    let place = tempfile::tempdir().unwrap();
    let (run, elsewhere) = (place.path().join("run"), place.path().join("elsewhere"));
    copy(small_run(), &run);
    copy(&run.join("star"), &elsewhere);
    std::fs::remove_dir_all(run.join("star")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, run.join("star")).unwrap();
    std::fs::remove_file(elsewhere.join("iter-002/metrics.json")).unwrap();
    let line = format!("{} --resume --trust", crate::program::SMALL_RUN);
    starloop(&line, &["--run-dir", text(&run)]).failed(1, &["/run/star` is a symbolic link, and nothing is written through a link"]);
    assert!(!elsewhere.join("iter-002/metrics.json").exists());
    // A file of the user under the name of one that is written.
    let (victim, picture) = (place.path().join("victim"), place.path().join("plot.svg"));
    std::fs::write(&victim, "mine").unwrap();
    std::os::unix::fs::symlink(&victim, &picture).unwrap();
    starloop("report", &[text(small_run()), "--svg", text(&picture)]).done();
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
    assert!(!picture.is_symlink());
    // And under the names that unfinished files could have.
    let run = place.path().join("again");
    copy(small_run(), &run);
    let (page, table) = (place.path().join("report.html"), place.path().join("F.csv"));
    let unfinished = |path: &Path, end: &str| PathBuf::from(format!("{}{end}", text(path)));
    for end in [".partial", ".tmp"] {
        for path in [&page, &table, &run.join("run.json"), &run.join("events.jsonl")] {
            std::os::unix::fs::symlink(&victim, unfinished(path, end)).unwrap();
        }
    }
    starloop("report --trust", &[text(&run), "--html", text(&page)]).done();
    starloop("export --trust", &[text(&run), "--csv", text(&table)]).done();
    std::fs::remove_file(run.join("star/iter-002/metrics.json")).unwrap();
    starloop(&line, &["--run-dir", text(&run)]).failed(1, &["is a symbolic link, and nothing is written through a link"]);
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
    // A file that is extended in place, and the lock.
    for name in ["events.jsonl", "lock"] {
        let run = place.path().join(format!("with-{name}"));
        copy(small_run(), &run);
        std::fs::remove_file(run.join(name)).unwrap();
        std::os::unix::fs::symlink(&victim, run.join(name)).unwrap();
        std::fs::remove_file(run.join("star/iter-002/metrics.json")).unwrap();
        starloop(&line, &["--run-dir", text(&run)]).failed(1, &[name, "is a symbolic link"]);
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
    }
}

/// A file whose name and column would steer a terminal.
const HOSTILE: &str = "a\u{1b}]52;c;aGk=\u{7}\u{9b}2J\u{202e}";

#[test]
fn messages_show_controls_as_text() {
    let outcome = starloop("score --text a --model", &[HOSTILE]);
    assert!(!outcome.err.chars().any(|c| c.is_control() && c != '\n') && !outcome.err.contains('\u{202e}'), "{:?}", outcome.err);
    outcome.failed(2, &["a␛]52;c;aGk=␇⟨U+009B⟩2J⟨U+202E⟩"]);
    let outcome = starloop("doctor", &[HOSTILE]);
    assert!(!outcome.err.chars().any(|c| c.is_control() && c != '\n') && !outcome.err.contains('\u{202e}'), "{:?}", outcome.err);
    outcome.failed(2, &["'a⟨U+009B⟩2J⟨U+202E⟩'"]);
}

#[test]
fn a_terminal_gets_controls_as_text_and_a_pipe_gets_the_data() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("rows.jsonl");
    let row = |n: u32| serde_json::json!({ "question": format!("{n} + 1 = {HOSTILE}"), "answer": (n + 1).to_string() }).to_string() + "\n";
    std::fs::write(&file, (0..40).map(row).collect::<String>()).unwrap();
    let piped = starloop("init", &[text(&file), "--out", text(&place.path().join("piped.toml"))]).done();
    assert!(piped.contains(HOSTILE), "{piped:?}");
    let shown = on_terminal("init", &[text(&file), "--out", text(&place.path().join("shown.toml"))]);
    assert!(shown.contains("a␛]52;c;aGk=␇⟨U+009B⟩2J⟨U+202E⟩"), "{shown:?}");
    assert!(!shown.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r')) && !shown.contains('\u{202e}'), "{shown:?}");
}

/// The output of a command on a terminal.
fn on_terminal(line: &str, more: &[&str]) -> String {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use std::io::Read;
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let terminal = std::fs::OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut child = command(line, more).stdout(terminal).spawn().unwrap();
    let mut shown = Vec::new();
    // The end of a terminal that nobody holds open is an error.
    let _ = std::fs::File::from(master).read_to_end(&mut shown);
    assert!(child.wait().unwrap().success());
    String::from_utf8(shown).unwrap()
}
