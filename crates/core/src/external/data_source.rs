//! The source of rows: a file, a folder, or a data set of the Hugging Face hub.
//!
//! The hub's cache and `data/NAME` are the places of a data set. Nothing is downloaded here.

use crate::error::{Error, Result};
use crate::external::hub_cache::{HubCache, HubName, RepositoryKind};
use serde::{Deserialize, Serialize};
use starloop_data::{Rows, folder};
use std::fmt;
use std::path::{Path, PathBuf};

/// The beginning of the address of a data set on the hub.
const ADDRESS: &str = "hf://datasets/";
/// The directory in which downloaded data sets are, by their names without the organization.
const DOWNLOADS: &str = "data";

/// Rows of a file, of a folder, or of a data set of the hub.
///
/// A text is a path, `ORG/NAME[@REVISION]`, or `hf://datasets/ORG/NAME[@REVISION][/PATH]`. An existing path is preferred to a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "expected a path or ORG/NAME as a text, or a table such as { path = \"ORG/NAME\", config = \"main\", split = \"train\" }"
)]
pub enum DataSource {
    /// A path or name alone.
    Named(PathBuf),
    /// A part of a folder or data set.
    Part(DataPart),
}

/// A part of a folder or data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DataPart {
    /// The path or name.
    pub path: PathBuf,
    /// The configuration, which is a folder of the data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// The split. The default depends on the key: `train`, `validation` for `dev`, `test`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
}

impl Default for DataSource {
    fn default() -> Self {
        DataSource::Named(PathBuf::new())
    }
}

impl<P: Into<PathBuf>> From<P> for DataSource {
    fn from(path: P) -> Self {
        DataSource::Named(path.into())
    }
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path().display().fmt(f)
    }
}

impl DataSource {
    /// A source of these parts. Without config and split it is a path or name alone.
    pub fn new(path: PathBuf, config: Option<String>, split: Option<String>) -> Self {
        match (&config, &split) {
            (None, None) => DataSource::Named(path),
            _ => DataSource::Part(DataPart { path, config, split }),
        }
    }

    /// The path or name.
    pub fn path(&self) -> &Path {
        match self {
            DataSource::Named(path) | DataSource::Part(DataPart { path, .. }) => path,
        }
    }

    /// Returns true if nothing is named.
    pub fn is_empty(&self) -> bool {
        self.path().as_os_str().is_empty()
    }

    /// The files with the rows, in order. `split` is the split if the source names none. A path that does not exist is returned as it is.
    ///
    /// # Errors
    /// The data set is neither in the hub's cache nor downloaded, or the folder does not have the split.
    pub fn files(&self, split: &str) -> Result<Vec<PathBuf>> {
        self.files_in(&HubCache::from_environment(|name| std::env::var(name).ok()), split)
    }

    fn files_in(&self, cache: &HubCache, split: &str) -> Result<Vec<PathBuf>> {
        let place = match HubData::of(self.path()) {
            Some(data) => data.find(cache)?,
            None => self.path().to_owned(),
        };
        let (config, named) = match self {
            DataSource::Named(_) => (None, None),
            DataSource::Part(DataPart { config, split, .. }) => (config.as_deref(), split.as_deref()),
        };
        if place.is_dir() {
            return Ok(folder::files(&place, config, named.unwrap_or(split))?);
        }
        if place.exists() && (config.is_some() || named.is_some()) {
            let problem = "is a file; only a folder or a data set has a config and a split".to_owned();
            return Err(starloop_data::Error::File { file: place.display().to_string(), problem }.into());
        }
        Ok(if self.is_empty() { Vec::new() } else { vec![place] })
    }

    /// The rows of the files.
    ///
    /// # Errors
    /// As [`DataSource::files`], and if the first file cannot be read.
    pub fn rows(&self, split: &str) -> Result<Rows> {
        Ok(Rows::open_all(self.files(split)?)?)
    }
}

/// A data set of the hub, or a file or folder in it.
struct HubData {
    name: HubName,
    /// The path within the data set; empty for the whole.
    within: PathBuf,
}

impl HubData {
    /// The data set that a text names. `None` for a path: it exists, or is not such a name, or has the extension of a file of rows.
    fn of(path: &Path) -> Option<Self> {
        let text = path.to_str()?;
        if let Some(address) = text.strip_prefix(ADDRESS) {
            let end = address.match_indices('/').nth(1).map_or(address.len(), |(at, _)| at);
            let within = Path::new(address[end..].trim_matches('/')).to_owned();
            let is_inside = within.components().all(|part| matches!(part, std::path::Component::Normal(_)));
            return HubName::parse(&address[..end]).filter(|_| is_inside).map(|name| HubData { name, within });
        }
        let is_path = path.exists() || starloop_data::Format::is_known(path) || path.starts_with(DOWNLOADS);
        HubName::parse(text).filter(|_| !is_path).map(|name| HubData { name, within: PathBuf::new() })
    }

    /// Its place on this machine.
    fn find(&self, cache: &HubCache) -> Result<PathBuf> {
        let HubName { name, revision } = &self.name;
        if let Some(snapshot) = cache.snapshot(RepositoryKind::Dataset, &self.name) {
            return Ok(snapshot.directory.join(&self.within));
        }
        let downloaded = Path::new(DOWNLOADS).join(name.rsplit('/').next().unwrap_or(name));
        let is_main = revision == "main";
        if is_main && downloaded.is_dir() {
            return Ok(downloaded.join(&self.within));
        }
        let cached = cache.repository(RepositoryKind::Dataset, name);
        let places = cached.into_iter().chain(is_main.then_some(downloaded)).collect();
        Err(Error::NoDataset { name: name.clone(), revision: revision.clone(), places })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A cache with `org/name` at the commit `abc`, with the configurations `main` and `other`.
    fn cache() -> (tempfile::TempDir, HubCache) {
        let place = tempfile::tempdir().unwrap();
        let repository = place.path().join("datasets--org--name");
        for file in ["main/train-00000-of-00001.jsonl", "main/test-00000-of-00001.jsonl", "other/train-00000-of-00001.jsonl"] {
            let path = repository.join("snapshots/abc").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "{}").unwrap();
        }
        std::fs::create_dir_all(repository.join("refs")).unwrap();
        std::fs::write(repository.join("refs/main"), "abc").unwrap();
        let cache = HubCache::from_environment(|name| (name == "HF_HUB_CACHE").then(|| place.path().display().to_string()));
        (place, cache)
    }

    fn found(source: &DataSource, cache: &HubCache) -> Result<Vec<String>, String> {
        let files = source.files_in(cache, "train").map_err(|error| error.to_string())?;
        Ok(files.iter().map(|file| file.iter().rev().take(2).map(|part| part.to_string_lossy()).collect::<Vec<_>>().join(" of ")).collect())
    }

    #[test]
    fn data_sets_are_found_in_the_cache_by_name_config_and_split() {
        let (_place, cache) = cache();
        let part =
            |path: &str, config: &str, split: Option<&str>| DataSource::new(path.into(), Some(config.to_owned()), split.map(str::to_owned));
        for (source, file) in [
            (part("org/name", "main", None), "train-00000-of-00001.jsonl of main"),
            (part("org/name@abc", "main", Some("test")), "test-00000-of-00001.jsonl of main"),
            (part("hf://datasets/org/name", "other", None), "train-00000-of-00001.jsonl of other"),
            ("hf://datasets/org/name/other".into(), "train-00000-of-00001.jsonl of other"),
            ("hf://datasets/org/name@main/main/test-00000-of-00001.jsonl".into(), "test-00000-of-00001.jsonl of main"),
        ] {
            assert_eq!(found(&source, &cache), Ok(vec![file.to_owned()]), "{source:?}");
        }
        let unclear = found(&"org/name".into(), &cache).unwrap_err();
        assert!(unclear.contains("has several configurations: main, other"), "{unclear}");
        let missing = found(&"org/else".into(), &cache).unwrap_err();
        assert!(missing.contains("org/else") && missing.contains("datasets--org--else") && missing.contains("data"), "{missing}");
        let missing = found(&"org/name@v2".into(), &cache).unwrap_err();
        assert!(missing.contains("revision v2") && !missing.contains("data/name"), "{missing}");
    }

    #[test]
    fn a_path_stays_a_path() {
        let (place, cache) = cache();
        let file = place.path().join("datasets--org--name/refs/main");
        assert_eq!(DataSource::from(file.clone()).files_in(&cache, "train").unwrap(), [file.as_path()]);
        for path in ["data/train.jsonl", "org/name.csv.gz", "a/b/c", "nowhere", "data/gsm8k"] {
            assert_eq!(DataSource::from(path).files_in(&cache, "train").unwrap(), [PathBuf::from(path)], "{path}");
        }
        let part = DataSource::new(file, None, Some("test".to_owned()));
        assert!(found(&part, &cache).unwrap_err().contains("is a file; only a folder or a data set has"));
    }

    #[test]
    fn configs_write_a_text_or_a_table() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Table {
            train: DataSource,
        }
        let table = Table { train: DataSource::new("org/name".into(), Some("main".to_owned()), None) };
        for (text, table) in
            [("train = \"a.csv\"\n", Table { train: "a.csv".into() }), ("[train]\npath = \"org/name\"\nconfig = \"main\"\n", table)]
        {
            assert_eq!(toml::from_str::<Table>(text).unwrap(), table);
            assert_eq!(toml::to_string(&table).unwrap(), text);
        }
        let error = toml::from_str::<Table>("train = { path = \"a\", splits = \"b\" }").unwrap_err().to_string();
        assert!(error.contains("expected a path or ORG/NAME as a text, or a table such as"), "{error}");
    }
}
