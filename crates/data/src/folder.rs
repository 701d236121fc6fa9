//! The files of a split in a folder, as the Hugging Face hub lays out data sets.
//!
//! ```text
//! data/train-00000-of-00002.parquet   the split `train` of a data set with one configuration
//! main/test-00000-of-00001.parquet    the split `test` of the configuration `main`
//! train/part-0.jsonl, dev.csv         a split is a folder or a word of the file's name
//! ```
//!
//! The configurations in the head of a card (`README.md`) are not read. The folders of a data set have their names in almost all cases.

use crate::error::{Error, Result};
use crate::format::{Format, READABLE};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Folders within folders that are searched.
const DEEPEST: usize = 5;
/// The most files of a folder that are looked at.
const MOST_FILES: usize = 100_000;

/// Other words for the splits, as the hub's programs read them.
const SPLITS: [&[&str]; 3] = [&["train", "training"], &["validation", "valid", "val", "dev"], &["test", "testing", "eval", "evaluation"]];

/// The files with the rows of `split`, in the order of their names. If no name in the folder has the word of a split, all files belong to
/// `train`. `config` names a configuration, which is a folder within the folder.
///
/// # Errors
/// The folder cannot be read; there are no such files; or they are of several configurations or formats.
pub fn files(folder: &Path, config: Option<&str>, split: &str) -> Result<Vec<PathBuf>> {
    let fault = |problem: String| Error::File { file: folder.display().to_string(), problem };
    let mut all = Vec::new();
    collect(folder, Path::new(""), DEEPEST, &mut all)?;
    all.sort();
    if all.is_empty() {
        return Err(fault(format!("the folder holds no file of rows; expected {READABLE}")));
    }
    let of_config = |file: &&PathBuf| config.is_none_or(|config| folders(file).any(|folder| folder == config));
    let of_config: Vec<&PathBuf> = all.iter().filter(of_config).collect();
    if of_config.is_empty() {
        let there = configurations(&all);
        return Err(fault(format!("the folder has no configuration {:?}; it has: {there}", config.unwrap_or_default())));
    }
    let has_splits = of_config.iter().any(|file| splits_of(file).next().is_some());
    let is_wanted = |file: &&&PathBuf| if has_splits { is_of_split(file, split) } else { words_of(split).contains(&"train") };
    let wanted: Vec<&PathBuf> = of_config.iter().filter(is_wanted).copied().collect();
    let Some(first) = wanted.first() else {
        let there: BTreeSet<&str> = of_config.iter().flat_map(|file| splits_of(file)).collect();
        let there = if there.is_empty() { "no file name there has a split".to_owned() } else { format!("there are: {}", joined(&there)) };
        return Err(fault(format!("the folder has no file of the split {split:?}; {there}")));
    };
    if wanted.iter().any(|file| file.parent() != first.parent()) {
        let owned: Vec<PathBuf> = wanted.iter().map(|file| (*file).clone()).collect();
        return Err(fault(format!("the folder has several configurations: {}; name one (config)", configurations(&owned))));
    }
    if let Some(other) = wanted.iter().find(|file| Format::of(file) != Format::of(first)) {
        let (one, other) = (first.display(), other.display());
        return Err(fault(format!("{one} and {other} may hold the same rows in two formats; name one of the files")));
    }
    Ok(wanted.into_iter().map(|file| folder.join(file)).collect())
}

/// Adds the readable files of a folder, by their paths within `root`.
fn collect(root: &Path, within: &Path, depth: usize, all: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs_err::read_dir(root.join(within))? {
        let path = within.join(entry?.file_name());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // The hub's descriptions of a data set are JSON too.
        if name.starts_with('.') || matches!(&*name, "dataset_info.json" | "dataset_infos.json" | "dataset_dict.json" | "state.json") {
            continue;
        }
        // Entries of the hub's cache are links.
        if root.join(&path).is_dir() {
            if depth > 0 {
                collect(root, &path, depth - 1, all)?;
            }
        } else if Format::is_known(&path) {
            all.push(path);
        }
        if all.len() > MOST_FILES {
            let problem = format!("the folder holds more than {MOST_FILES} files; name the folder of a split");
            return Err(Error::File { file: root.display().to_string(), problem });
        }
    }
    Ok(())
}

/// The folders on the way to a file.
fn folders(file: &Path) -> impl Iterator<Item = String> {
    let parent = file.parent().unwrap_or(Path::new(""));
    parent.iter().map(|part| part.to_string_lossy().into_owned()).collect::<Vec<_>>().into_iter()
}

/// The words of a split: those with the same meaning, or the name alone.
fn words_of(split: &str) -> Vec<&str> {
    SPLITS.iter().find(|words| words.contains(&split)).map_or_else(|| vec![split], |words| words.to_vec())
}

/// Returns true if a folder on the way to the file, or a word of the file's name, is a word of the split.
fn is_of_split(file: &Path, split: &str) -> bool {
    let words = words_of(split);
    let name = name_of(file);
    let is_word = |part: &str| words.contains(&part);
    // A split that the hub does not know may itself have separators.
    let begins = |name: &str| name.strip_prefix(split).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']));
    folders(file).any(|folder| is_word(&folder)) || parts(&name).any(is_word) || begins(&name)
}

/// The known splits whose words a path has.
fn splits_of(file: &Path) -> impl Iterator<Item = &'static str> {
    SPLITS.iter().map(|words| words[0]).filter(|split| is_of_split(file, split))
}

/// The file's name in lower case without extensions.
fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    name.split('.').next().unwrap_or_default().to_owned()
}

fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphabetic())
}

fn configurations(files: &[PathBuf]) -> String {
    let of = |file: &PathBuf| folders(file).find(|folder| folder != "data").unwrap_or_else(|| ".".to_owned());
    joined(&files.iter().map(of).collect())
}

fn joined<T: AsRef<str>>(names: &BTreeSet<T>) -> String {
    names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A folder of empty files.
    fn folder(names: &[&str]) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        for name in names {
            let path = place.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        place
    }

    fn found(names: &[&str], config: Option<&str>, split: &str) -> Result<Vec<String>, String> {
        let place = folder(names);
        let files = files(place.path(), config, split).map_err(|error| error.to_string())?;
        Ok(files.iter().map(|file| file.strip_prefix(place.path()).unwrap().display().to_string().replace('\\', "/")).collect())
    }

    #[test]
    fn the_layouts_of_the_hub_are_read() {
        let plain =
            ["README.md", "data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test-00000-of-00001.parquet"];
        assert_eq!(found(&plain, None, "train").unwrap(), plain[1..3]);
        assert_eq!(found(&plain, None, "test").unwrap(), plain[3..]);
        let configs = ["main/train-00000-of-00001.parquet", "main/test-00000-of-00001.parquet", "socratic/train-00000-of-00001.parquet"];
        assert_eq!(found(&configs, Some("main"), "train").unwrap(), configs[..1]);
        assert_eq!(found(&configs, Some("socratic"), "train").unwrap(), configs[2..]);
        assert_eq!(found(&["train/a.jsonl", "train/b.jsonl", "dev/a.jsonl"], None, "validation").unwrap(), ["dev/a.jsonl"]);
        assert_eq!(found(&["my_train.csv", "my_val.csv", "dataset_infos.json"], None, "dev").unwrap(), ["my_val.csv"]);
        assert_eq!(found(&["rows.csv.gz"], None, "train").unwrap(), ["rows.csv.gz"]);
        assert_eq!(found(&["data/train_sft-00000-of-00001.parquet"], None, "train_sft").unwrap().len(), 1);
    }

    #[test]
    fn a_choice_that_is_not_clear_is_refused() {
        for (names, config, split, said) in [
            (&["README.md"][..], None, "train", "the folder holds no file of rows; expected JSON lines, "),
            (&["a/train.csv", "b/train.csv"], None, "train", "the folder has several configurations: a, b; name one (config)"),
            (&["a/train.csv", "b/train.csv"], Some("c"), "train", "the folder has no configuration \"c\"; it has: a, b"),
            (&["train.csv"], None, "test", "the folder has no file of the split \"test\"; there are: train"),
            (&["rows.csv"], None, "test", "the folder has no file of the split \"test\"; no file name there has a split"),
            (&["train.csv", "train.jsonl"], None, "train", "train.csv and train.jsonl may hold the same rows in two formats"),
        ] {
            let error = found(names, config, split).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert!(files(Path::new("/nowhere"), None, "train").unwrap_err().to_string().contains("/nowhere"));
    }
}
