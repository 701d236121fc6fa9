//! The cache in which the programs of the Hugging Face hub keep models and data sets. It is only read.
//!
//! ```text
//! CACHE/models--ORG--NAME/    refs/main          the commit of the revision `main`
//!                             snapshots/COMMIT/  the files of a commit: links into `blobs`, or plain copies
//!                             blobs/             the contents, named by their hashes
//! CACHE/datasets--ORG--NAME/  likewise
//! ```

use std::path::{Path, PathBuf};

/// A kind of repository on the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepositoryKind {
    /// A model.
    Model,
    /// A data set.
    Dataset,
}

impl RepositoryKind {
    /// Its name in paths and in addresses: `models` or `datasets`.
    pub fn plural(self) -> &'static str {
        match self {
            RepositoryKind::Model => "models",
            RepositoryKind::Dataset => "datasets",
        }
    }
}

/// The name of a repository with a revision: `ORG/NAME`, or `ORG/NAME@REVISION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubName {
    /// `ORG/NAME`.
    pub name: String,
    /// A branch, tag or commit; `main` if the text names none.
    pub revision: String,
}

impl std::fmt::Display for HubName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name, self.revision)
    }
}

impl HubName {
    /// Reads `ORG/NAME` or `ORG/NAME@REVISION`. Letters, digits, `-`, `_` and `.` are allowed in each part, and `/` in a revision. `None` for
    /// any other text, so that the parts are safe in paths and in addresses.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, revision) = text.split_once('@').unwrap_or((text, "main"));
        let is_part =
            |part: &str| !part.starts_with('.') && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        let are_parts = |text: &str| text.split('/').all(|part| !part.is_empty() && is_part(part));
        let is_name = are_parts(name) && name.split('/').count() == 2;
        (is_name && are_parts(revision)).then(|| HubName { name: name.to_owned(), revision: revision.to_owned() })
    }
}

/// The files of one commit in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The directory of the files.
    pub directory: PathBuf,
    /// The commit.
    pub commit: String,
}

/// The cache of this machine.
#[derive(Debug, Clone)]
pub struct HubCache {
    directory: Option<PathBuf>,
}

impl HubCache {
    /// The cache by the variables of an environment: `HF_HUB_CACHE`, or `hub` in `HF_HOME`, or `huggingface/hub` among the user's caches.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let given = |name| variable(name).filter(|value| !value.trim().is_empty());
        let directory = given("HF_HUB_CACHE").map(PathBuf::from).or_else(|| Some(home(&variable)?.join("hub")));
        HubCache { directory }
    }

    /// The directory in which this program keeps what it fetches, in the same layout: `starloop/hub` among the user's caches.
    pub fn own(variable: impl Fn(&str) -> Option<String>) -> Self {
        HubCache { directory: user_caches(&variable).map(|caches| caches.join("starloop").join("hub")) }
    }

    /// The directory of the cache. `None` if the environment names no home.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// The place of a repository, also if the cache does not hold it. `None` if the environment names no home.
    pub fn repository(&self, kind: RepositoryKind, name: &str) -> Option<PathBuf> {
        Some(self.directory()?.join(format!("{}--{}", kind.plural(), name.replace('/', "--"))))
    }

    /// The files of a repository at a revision. `None` if the cache does not hold that revision.
    pub fn snapshot(&self, kind: RepositoryKind, name: &HubName) -> Option<Snapshot> {
        let repository = self.repository(kind, &name.name)?;
        let reference = std::fs::read_to_string(repository.join("refs").join(&name.revision)).ok();
        let commit = reference.map_or_else(|| name.revision.clone(), |commit| commit.trim().to_owned());
        let directory = repository.join("snapshots").join(&commit);
        (is_plain(&commit) && directory.is_dir()).then_some(Snapshot { directory, commit })
    }
}

/// The home of the hub's programs: `HF_HOME`, or `huggingface` among the user's caches. `None` if the environment names no home.
pub(super) fn home(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    given(&variable, "HF_HOME").or_else(|| Some(user_caches(&variable)?.join("huggingface")))
}

/// The directory of the user's caches.
fn user_caches(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let user = || given(&variable, "HOME").or_else(|| given(&variable, "USERPROFILE"));
    given(&variable, "XDG_CACHE_HOME").or_else(|| Some(user()?.join(".cache")))
}

fn given(variable: impl Fn(&str) -> Option<String>, name: &str) -> Option<PathBuf> {
    variable(name).filter(|value| !value.trim().is_empty()).map(PathBuf::from)
}

/// Returns true if a text is the name of a file or directory in another one.
pub(super) fn is_plain(name: &str) -> bool {
    !name.contains(['/', '\\', ':', '\0']) && !matches!(name, "" | "." | "..")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_have_two_safe_parts_and_a_revision() {
        let parsed = |text| HubName::parse(text).map(|HubName { name, revision }| (name, revision));
        let expected = |name: &str, revision: &str| Some((name.to_owned(), revision.to_owned()));
        assert_eq!(parsed("org/name-1.5_b"), expected("org/name-1.5_b", "main"));
        assert_eq!(parsed("org/name@refs/pr/3"), expected("org/name", "refs/pr/3"));
        for text in ["", "name", "a/b/c", "/a", "a/", "../a", "a/..", "a/.b", "a/b@", "a/b@../c", "a b/c", "a\\b/c", "a/b@c:d"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn a_snapshot_is_found_by_its_revision_and_by_its_commit() {
        let place = tempfile::tempdir().unwrap();
        let cache = HubCache::from_environment(|name| (name == "HF_HOME").then(|| place.path().display().to_string()));
        let repository = place.path().join("hub/datasets--org--name");
        assert_eq!(cache.repository(RepositoryKind::Dataset, "org/name"), Some(repository.clone()));
        std::fs::create_dir_all(repository.join("refs")).unwrap();
        std::fs::create_dir_all(repository.join("snapshots/abc")).unwrap();
        std::fs::write(repository.join("refs/main"), "abc\n").unwrap();
        std::fs::write(repository.join("refs/bad"), "../../..").unwrap();
        let commit = |kind, text| cache.snapshot(kind, &HubName::parse(text).unwrap()).map(|snapshot| snapshot.commit);
        for text in ["org/name", "org/name@abc"] {
            assert_eq!(commit(RepositoryKind::Dataset, text), Some("abc".to_owned()), "{text}");
        }
        assert_eq!(commit(RepositoryKind::Model, "org/name"), None);
        assert_eq!(commit(RepositoryKind::Dataset, "org/name@bad"), None);
        assert_eq!(commit(RepositoryKind::Dataset, "org/name@v2"), None);
    }

    #[test]
    fn the_variables_come_in_the_order_of_the_hubs_programs() {
        let directory = |given: &[(&str, &str)]| {
            let value = |name: &str| given.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            HubCache::from_environment(value).directory().map(Path::to_path_buf)
        };
        let user = ("HOME", "/home/a");
        assert_eq!(directory(&[]), None);
        assert_eq!(directory(&[user]), Some("/home/a/.cache/huggingface/hub".into()));
        assert_eq!(directory(&[user, ("XDG_CACHE_HOME", "/x")]), Some("/x/huggingface/hub".into()));
        assert_eq!(directory(&[user, ("HF_HOME", "/h")]), Some("/h/hub".into()));
        assert_eq!(directory(&[user, ("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")]), Some("/c".into()));
        assert_eq!(directory(&[user, ("HF_HOME", " ")]), Some("/home/a/.cache/huggingface/hub".into()));
    }
}
