//! Data sets of the hub: their files of rows, in their folders.

use super::{FetchedModel, Hub};
use crate::error::{Error, Result};
use crate::external::fetch::{OnProgress, PartialDirectory};
use crate::external::hub_cache::{HubName, RepositoryKind};
use starloop_data::{Format, READABLE};
use std::path::Path;

/// The card of a data set.
const CARD: &str = "README.md";

impl Hub {
    /// Fetches the data files of a data set and its card into a directory that is not there yet. With `config`, only the files of that
    /// configuration, which is a folder.
    ///
    /// # Errors
    /// The directory exists; only the cache may be read; the hub has no such data set or does not give it; it has no file that this program
    /// reads; the network or the disk.
    pub fn fetch_dataset(
        &self,
        HubName { name, revision }: &HubName,
        config: Option<&str>,
        directory: &Path,
        report: &mut OnProgress<'_>,
    ) -> Result<FetchedModel> {
        let refused = |what: String, problem: &str| Error::Fetch { what, problem: problem.to_owned(), source: None };
        if directory.exists() {
            return Err(refused(directory.display().to_string(), "exists already; remove it, or choose another place"));
        }
        if self.offline {
            return Err(refused(name.clone(), "HF_HUB_OFFLINE is set; unset it. A data set in the cache is read from there"));
        }
        let (commit, files) = self.list(RepositoryKind::Dataset, name, revision)?;
        let is_wanted = |file: &str| {
            let of_config = config.is_none_or(|config| file.split('/').rev().skip(1).any(|folder| folder == config));
            Format::is_known(Path::new(file)) && of_config
        };
        let mut names: Vec<String> = files.keys().filter(|file| is_wanted(file)).cloned().collect();
        if names.is_empty() {
            let of = config.map_or_else(String::new, |config| format!("of the configuration {config:?} "));
            return Err(refused(name.clone(), &format!("the data set has no file {of}that can be read: {READABLE}")));
        }
        names.extend(files.contains_key(CARD).then(|| CARD.to_owned()));
        let partial = PartialDirectory::begin(directory)?;
        names.iter().try_for_each(|file| partial.fetch(&self.http, &files[file], report))?;
        partial.finish(&names)?;
        Ok(FetchedModel { commit, files: names })
    }
}
