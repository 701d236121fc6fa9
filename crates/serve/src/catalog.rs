//! The models of a server: names and directories.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The checkpoints that requests can name. The first one answers requests that name none.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    entries: Vec<Entry>,
    /// Directories whose checkpoints requests can name by their absolute path.
    roots: Vec<PathBuf>,
}

/// A name and its directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name in requests.
    pub name: String,
    /// The checkpoint or adapter directory.
    pub directory: PathBuf,
}

impl Catalog {
    /// Adds a checkpoint or an adapter under a name.
    ///
    /// # Errors
    /// Another model has the name.
    pub fn add(&mut self, name: &str, directory: &Path) -> Result<()> {
        if self.entries.iter().any(|entry| entry.name == name) {
            return Err(Error::NameTaken { name: name.to_owned() });
        }
        self.entries.push(Entry { name: name.to_owned(), directory: directory.to_owned() });
        Ok(())
    }

    /// Lets requests name every checkpoint below a directory by its absolute path. Checkpoints that appear later count too.
    ///
    /// # Errors
    /// The directory does not exist.
    pub fn add_root(&mut self, directory: &Path) -> Result<()> {
        let root = directory.canonicalize().map_err(|source| Error::Root { path: directory.to_owned(), source })?;
        self.roots.push(root);
        Ok(())
    }

    /// The named models.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The model that a request names. `None` means the default model.
    pub(crate) fn find(&self, name: Option<&str>) -> Option<Entry> {
        let Some(name) = name else { return self.entries.first().cloned() };
        self.entries.iter().find(|entry| entry.name == name).cloned().or_else(|| self.below_a_root(name))
    }

    /// A checkpoint that is named by its path. Links are followed first, so that none leads out of the directories.
    fn below_a_root(&self, name: &str) -> Option<Entry> {
        let path = Path::new(name);
        let directory = Some(path).filter(|path| path.is_absolute() && !self.roots.is_empty())?.canonicalize().ok()?;
        let is_below = self.roots.iter().any(|root| directory.starts_with(root)) && directory.is_dir();
        is_below.then(|| Entry { name: name.to_owned(), directory })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_nowhere_outside_of_the_roots() {
        let place = tempfile::tempdir().unwrap();
        let (root, outside) = (place.path().join("root"), place.path().join("outside"));
        for directory in [root.join("a/checkpoint"), outside.clone()] {
            std::fs::create_dir_all(directory).unwrap();
        }
        let mut catalog = Catalog::default();
        catalog.add("named", &outside).unwrap();
        let name = |path: &Path| path.to_str().unwrap().to_owned();
        assert_eq!(catalog.find(Some(&name(&root.join("a/checkpoint")))), None, "no root yet");
        catalog.add_root(&root).unwrap();
        assert!(catalog.find(Some(&name(&root.join("a/checkpoint")))).is_some());
        for refused in [name(&outside), name(&root.join("../outside")), name(&root.join("missing")), "a/checkpoint".into(), String::new()] {
            assert_eq!(catalog.find(Some(&refused)), None, "{refused}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&outside, root.join("link")).unwrap();
            assert_eq!(catalog.find(Some(&name(&root.join("link")))), None);
        }
        assert_eq!(catalog.find(None).unwrap().name, "named");
        assert!(catalog.add("named", &root).is_err() && catalog.add_root(&root.join("missing")).is_err());
    }
}
