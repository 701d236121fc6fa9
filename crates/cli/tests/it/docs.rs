//! The pages of README.md and docs/: each command is one that the program accepts, marked blocks run, and each link leads to something.
//!
//! A block whose fence is followed by `sh run` is run as it stands, in a directory with `problems.jsonl`, `completions.jsonl` and
//! the finished runs `runs/arithmetic` and `runs/longer`.

use crate::program::{repository, small_run, text};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A block between fences.
struct Block {
    /// The page and the line of its first fence.
    place: String,
    /// The words after the fence.
    info: String,
    text: String,
}

fn pages() -> Vec<PathBuf> {
    let docs = std::fs::read_dir(repository("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.chain(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"].map(repository));
    let mut pages: Vec<PathBuf> = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    pages.sort();
    pages
}

fn blocks(page: &Path) -> Vec<Block> {
    let text = std::fs::read_to_string(page).unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                open = Some(Block { place: format!("{}:{number}", page.display()), info: info.trim().to_owned(), text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{}: a block is not closed", page.display());
    blocks
}

/// Runs a script of bash in which `starloop` is this program, with `arguments` after the script's own, in a directory with the files that
/// the pages name.
fn run(block: &Block, arguments: &str) {
    let place = tempfile::tempdir().unwrap();
    std::fs::copy(repository("examples/own-data/problems.jsonl"), place.path().join("problems.jsonl")).unwrap();
    std::fs::write(place.path().join("completions.jsonl"), "{\"answer\": \"9\", \"completion\": \"4 + 5 = 9\\n#### 9\"}\n").unwrap();
    let runs = place.path().join("runs");
    std::fs::create_dir(&runs).unwrap();
    for name in ["arithmetic", "longer"] {
        assert!(Command::new("cp").args(["-r", text(small_run()), text(&runs.join(name))]).status().unwrap().success());
    }
    // Other programs of a block, such as git and cargo, are not this project's.
    let lines = block.text.replace("\\\n", " ");
    let own: Vec<&str> = lines.lines().filter(|line| line.trim_start().starts_with("starloop ")).collect();
    let script = format!("set -e\nstarloop() {{ \"$STARLOOP\" \"$@\" {arguments}; }}\n{}\n", own.join("\n"));
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(place.path()).env("HOME", place.path()).env("STARLOOP", env!("CARGO_BIN_EXE_starloop"));
    std::fs::create_dir_all(place.path().join(".local/share/bash-completion/completions")).unwrap();
    let output = bash.output().unwrap();
    assert!(output.status.success(), "{}:\n{}\n{}", block.place, block.text, String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_command_of_the_pages_is_one_that_the_program_accepts() {
    let mut commands = 0;
    for block in pages().iter().flat_map(|page| blocks(page)).filter(|block| block.info.split(' ').next() == Some("sh")) {
        commands += block.text.matches("starloop ").count();
        // With its help option, the program only checks names of commands and options.
        run(&block, "--help");
    }
    assert!(commands > 50, "{commands} commands");
}

#[test]
fn marked_blocks_run() {
    let marked: Vec<Block> = pages().iter().flat_map(|page| blocks(page)).filter(|block| block.info == "sh run").collect();
    assert!(marked.len() > 2, "{} blocks", marked.len());
    for block in &marked {
        run(block, "");
    }
}

/// The places that a page's links name.
fn links(text: &str) -> Vec<&str> {
    let ends = text.match_indices("](").map(|(at, _)| &text[at + 2..]);
    ends.filter_map(|rest| rest.split([')', ' ']).next()).filter(|link| !link.contains("://")).collect()
}

/// The name of a heading in an address, as web pages of repositories make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn every_link_of_the_pages_leads_to_a_file_or_heading() {
    let headings = |path: &Path| -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
    };
    let mut checked = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        let prose: String = text.split("```").step_by(2).collect();
        for link in links(&prose) {
            checked += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            assert!(heading.is_empty() || headings(&target).contains(&heading.to_owned()), "{}: no heading {link}", page.display());
        }
    }
    assert!(checked > 60, "{checked} links");
}

#[test]
fn the_page_on_security_says_what_each_command_may_do() {
    let page = std::fs::read_to_string(repository("docs/security.md")).unwrap();
    let (_, table) = page.split_once("| command | reads besides |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let help = crate::program::starloop("--help", &[]).done();
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    let names = commands.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    let missing: Vec<&str> = names.filter(|name| !table.contains(&format!("`{name}`")) && !table.contains(&format!("`{name} "))).collect();
    assert_eq!(missing, [""; 0], "docs/security.md has no row for them");
}
