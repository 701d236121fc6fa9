//! Messages of the library are for every program: they name no option and no command of `starloop`, which adds its own advice.

use std::path::Path;

/// Options of other programs that messages may name.
const OF_OTHERS: [&str; 1] = ["--enable-lora"];

#[test]
fn no_message_names_an_option_or_a_command_of_the_program() {
    let mut found = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.extend(of_program(&text).map(|line| format!("{}: {line}", path.display())));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The lines before the tests of a file whose texts name an option or a command.
fn of_program(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text).lines();
    code.filter(|line| {
        let line = line.trim();
        let is_named = |option: &str| line.contains(option) && !OF_OTHERS.iter().any(|other| line.contains(other));
        let is_option = line.match_indices("--").any(|(at, _)| line[at + 2..].starts_with(|next: char| next.is_ascii_lowercase()));
        let is_command = ["`starloop ", "starloop run", "starloop get"].iter().any(|command| line.contains(command));
        !line.starts_with("//") && (is_option && is_named("--") || is_command)
    })
}

#[test]
fn what_names_an_option_is_found() {
    assert_eq!(of_program("// --set\nlet a = \"choose another --out\";\nlet b = n--1;").count(), 1);
    assert_eq!(of_program("\"`starloop get data x`\"\n#[cfg(test)]\n\"--out\"").count(), 1);
}
