//! The data of the paper's tasks, from their authors' servers.

use super::digest::Digest;
use super::{OnProgress, PartialDirectory, RemoteFile};
use crate::error::{Error, Result};
use crate::external::http::HttpClient;
use std::path::Path;

/// Sets another place for the files, such as a mirror: `ADDRESS/NAME/FILE`.
pub const ADDRESS_VARIABLE: &str = "STARLOOP_DATA_URL";

/// A published data set.
#[derive(Debug)]
pub struct PublishedDataset {
    /// Its task's name.
    pub name: &'static str,
    /// The address of its files.
    pub address: &'static str,
    /// The files there.
    pub files: &'static [PublishedFile],
}

/// A published file.
#[derive(Debug)]
pub struct PublishedFile {
    /// Its name.
    pub name: &'static str,
    /// Bytes.
    pub size: u64,
    /// Their hash, in hexadecimal.
    pub sha256: &'static str,
}

/// Every data set that can be fetched.
pub const DATASETS: &[PublishedDataset] = &[
    // Cobbe et al. 2021, "Training Verifiers to Solve Math Word Problems".
    PublishedDataset {
        name: "gsm8k",
        address: "https://raw.githubusercontent.com/openai/grade-school-math/master/grade_school_math/data",
        files: &[
            PublishedFile {
                name: "train.jsonl",
                size: 4_166_206,
                sha256: "17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465",
            },
            PublishedFile { name: "test.jsonl", size: 749_738, sha256: "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14" },
        ],
    },
    // Talmor et al. 2019, "CommonsenseQA", version 1.11, the random split; the test file has no answers.
    PublishedDataset {
        name: "commonsense_qa",
        address: "https://s3.amazonaws.com/commonsensqa",
        files: &[
            PublishedFile {
                name: "train_rand_split.jsonl",
                size: 3_785_890,
                sha256: "58ffa3c8472410e24b8c43f423d89c8a003d8284698a6ed7874355dedd09a2fb",
            },
            PublishedFile {
                name: "dev_rand_split.jsonl",
                size: 471_653,
                sha256: "3210497fdaae614ac085d9eb873dd7f4d49b6f965a93adadc803e1229fd8a02a",
            },
            PublishedFile {
                name: "test_rand_split_no_answers.jsonl",
                size: 423_148,
                sha256: "b426896d71a9cd064cf01cfaf6e920817c51701ef66028883ac1af2e73ad5f29",
            },
        ],
    },
];

impl PublishedDataset {
    /// The data set of a task.
    pub fn find(name: &str) -> Option<&'static Self> {
        DATASETS.iter().find(|dataset| dataset.name == name)
    }

    /// The names of its files.
    pub fn file_names(&self) -> impl Iterator<Item = &'static str> {
        self.files.iter().map(|file| file.name)
    }

    /// Fetches the files into a directory, unless they are there. `address` is used instead of the authors', with the name behind it.
    ///
    /// # Errors
    /// The network, the disk, or a file that is not the published one.
    pub fn fetch(&self, directory: &Path, address: Option<&str>, report: &mut OnProgress<'_>) -> Result<()> {
        if directory.exists() {
            return self.check(directory);
        }
        let address = address.map_or_else(|| self.address.to_owned(), |address| format!("{}/{}", address.trim_end_matches('/'), self.name));
        let (http, partial) = (HttpClient::for_downloads(&address, None), PartialDirectory::begin(directory)?);
        for file in self.files {
            let url = format!("{address}/{}", file.name);
            let file = RemoteFile { name: file.name.into(), url, size: file.size, digest: file.digest() };
            partial.fetch(&http, &file, report).map_err(|error| self.by_hand(error, directory))?;
        }
        partial.finish(&self.file_names().map(str::to_owned).collect::<Vec<_>>())
    }

    /// Checks a directory that may have been filled by hand.
    fn check(&self, directory: &Path) -> Result<()> {
        for file in self.files {
            let path = directory.join(file.name);
            let what = path.display().to_string();
            if !path.exists() {
                let problem = "is not there, but its directory is; put it there, or remove the directory to fetch it again".into();
                return Err(Error::Fetch { what, problem, source: None });
            }
            let digest = file.digest();
            let found = digest.of_file(&path)?;
            if found != digest.expected() {
                let problem = format!("its {} is {found}, but that of the published file {}", digest.kind(), digest.expected());
                let problem = format!("{problem}; remove its directory to fetch it again");
                return Err(Error::Fetch { what, problem, source: None });
            }
        }
        Ok(())
    }

    fn by_hand(&self, error: Error, directory: &Path) -> Error {
        let Error::Fetch { what, problem, source } = error else { return error };
        let names = self.file_names().collect::<Vec<_>>().join(", ");
        let advice = format!("without a network, put {names} of {} into {}", self.address, directory.display());
        Error::Fetch { what, problem: format!("{problem}; {advice}"), source }
    }
}

impl PublishedFile {
    fn digest(&self) -> Digest {
        Digest::Sha256(self.sha256.into())
    }
}
