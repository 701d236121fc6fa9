//! Models and data sets of the Hugging Face hub, or of a server with the same interface.
//!
//! A name and a revision are first resolved to a commit. Every file is of that commit. Files that are already in the cache of the hub's programs
//! are copied from there. The cache is only read. A model that is used by its name is kept in a cache of this program, in the same layout.

mod rows;

use super::digest::Digest;
use super::{DownloadProgress, OnProgress, PartialDirectory, RETRY, RemoteFile, refused};
use crate::error::masks::without_password;
use crate::error::{Error, Result};
use crate::external::http::{Failure, HttpClient, HttpError, RetryPolicy};
use crate::external::hub_cache::{self, HubCache, HubName, RepositoryKind, Snapshot, is_plain};
use fs_err as fs;
use serde::Deserialize;
use starloop_lm::checkpoint::{COMPANIONS, CONFIG, WEIGHTS};
use starloop_lm::tokenizer::{ADDED_TOKENS, VOCABULARY_FILES};
use starloop_record::atomic;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const ENDPOINT: &str = "https://huggingface.co";
/// Bytes of the longest list of a model's files.
const LONGEST_LIST: u64 = 32 << 20;

/// The sources of models, from the hub's environment variables.
#[derive(Debug)]
pub struct Hub {
    /// `HF_ENDPOINT`, or the hub.
    endpoint: String,
    http: HttpClient,
    cache: HubCache,
    /// The cache of models that are used by their names.
    own: HubCache,
    /// `HF_HUB_OFFLINE`: whether only the cache is used.
    offline: bool,
}

/// A model or data set that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedModel {
    /// The commit of its files.
    pub commit: String,
    /// Their names.
    pub files: Vec<String>,
}

/// The hub's answer about a revision. Other keys are ignored.
#[derive(Debug, Deserialize)]
struct Revision {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<LargeFile>,
}

#[derive(Debug, Deserialize)]
struct LargeFile {
    sha256: String,
    size: u64,
}

impl Hub {
    /// The hub by the variables of an environment: `HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE`.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let given = |name| variable(name).filter(|value| !value.trim().is_empty());
        let saved_token = || std::fs::read_to_string(hub_cache::home(&variable)?.join("token")).ok();
        let endpoint = given("HF_ENDPOINT").map_or_else(|| ENDPOINT.to_owned(), |url| url.trim_end_matches('/').to_owned());
        // The saved token is for the hub. Another server gets a token only if HF_TOKEN names one for it.
        let saved_token = || saved_token().filter(|_| endpoint == ENDPOINT);
        let token = given("HF_TOKEN").or_else(saved_token).map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        let (cache, own) = (HubCache::from_environment(&variable), HubCache::own(&variable));
        let offline = given("HF_HUB_OFFLINE").is_some_and(|value| ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str()));
        Hub { http: HttpClient::for_downloads(&endpoint, token), endpoint, cache, own, offline }
    }

    /// The directory in which the hub's own programs keep models. `None` if the environment names no home.
    pub fn cache(&self) -> Option<&Path> {
        self.cache.directory()
    }

    /// Returns true if only the cache is read.
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// The files of a model on this machine: in the cache of the hub's programs, or in the one of this program. `None` if neither has all files.
    pub fn find_model(&self, name: &HubName) -> Option<Snapshot> {
        let found = [&self.cache, &self.own].into_iter().filter_map(|cache| cache.snapshot(RepositoryKind::Model, name));
        found.into_iter().find(|snapshot| files_of(&name.name, &snapshot.directory).is_ok())
    }

    /// The places in which [`Hub::find_model`] looks, in order.
    pub fn places(&self, name: &HubName) -> Vec<String> {
        let place = |cache: &HubCache| cache.repository(RepositoryKind::Model, &name.name);
        let places = [&self.cache, &self.own].into_iter().filter_map(place);
        places.map(|place| format!("{} (revision {})", place.display(), name.revision)).collect()
    }

    /// The files of a model on this machine. They are fetched into the cache of this program if no cache has them. An interrupted fetching
    /// continues.
    ///
    /// # Errors
    /// As [`Hub::fetch_model`], and if `HF_HUB_OFFLINE` is set. The error lists the places.
    pub fn provide_model(&self, name: &HubName, report: &mut OnProgress<'_>) -> Result<Snapshot> {
        if let Some(found) = self.find_model(name) {
            return Ok(found);
        }
        let places = self.places(name).join(", ");
        if self.offline {
            let problem = format!("no such model on this machine, and HF_HUB_OFFLINE is set, so it is not fetched; searched: {places}");
            return Err(Error::Fetch { what: name.to_string(), problem, source: None });
        }
        self.fetch_into_own(name, report).map_err(|error| match error {
            Error::Fetch { what, problem, source } => {
                Error::Fetch { what, problem: format!("{problem}; before, these places were searched: {places}"), source }
            }
            error => error,
        })
    }

    fn fetch_into_own(&self, name: &HubName, report: &mut OnProgress<'_>) -> Result<Snapshot> {
        let missing = || Error::Fetch {
            what: name.to_string(),
            problem: "there is no place for it, because no variable names the user's home; set HOME".to_owned(),
            source: None,
        };
        let place = self.own.repository(RepositoryKind::Model, &name.name).ok_or_else(missing)?;
        let (commit, files) = self.list(RepositoryKind::Model, &name.name, &name.revision)?;
        let directory = place.join("snapshots").join(&commit);
        if directory.exists() {
            // A revision that moved to a commit that was fetched before.
            files_of(&name.name, &directory)?;
        } else {
            self.download(&name.name, &commit, &files, &directory, report)?;
        }
        let reference = place.join("refs").join(&name.revision);
        atomic::make_directory(reference.parent().unwrap_or(&place))?;
        atomic::write(&reference, commit.as_bytes())?;
        Ok(Snapshot { directory, commit })
    }

    /// Fetches a model's config, tokenizer and weights into a directory that is not there yet.
    ///
    /// # Errors
    /// The directory exists; the hub has no such model or does not give it; the model has no weights or tokenizer of a readable kind; the
    /// network or the disk.
    pub fn fetch_model(&self, name: &str, revision: &str, directory: &Path, report: &mut OnProgress<'_>) -> Result<FetchedModel> {
        if directory.exists() {
            let problem = "exists already; remove it, or choose another place".into();
            return Err(Error::Fetch { what: directory.display().to_string(), problem, source: None });
        }
        // Both become parts of addresses and of paths in the cache.
        for (what, text) in [("name of a model", name), ("revision", revision)] {
            if !text.split('/').all(is_plain) {
                return Err(Error::Fetch { what: text.to_owned(), problem: format!("is not the {what}"), source: None });
            }
        }
        if self.offline {
            return self.copy_cached(name, revision, directory, report);
        }
        let (commit, files) = self.list(RepositoryKind::Model, name, revision)?;
        let files = self.download(name, &commit, &files, directory, report)?;
        Ok(FetchedModel { commit, files })
    }

    /// Fetches the files of a commit, and returns their names.
    fn download(
        &self,
        name: &str,
        commit: &str,
        files: &BTreeMap<String, RemoteFile>,
        directory: &Path,
        report: &mut OnProgress<'_>,
    ) -> Result<Vec<String>> {
        let snapshot = self.cache_of(name).map(|cache| cache.join("snapshots").join(commit));
        let partial = PartialDirectory::begin(directory)?;
        let mut fetch = |file: &str| -> Result<()> {
            let file = files.get(file).ok_or_else(|| missing(name, file, "is in the index of its shards, but not among its files"))?;
            match snapshot.as_ref().map(|snapshot| snapshot.join(&file.name)) {
                Some(cached) if cached.exists() && file.digest.matches(&cached)? => {
                    partial.copy(&file.name, &cached, &file.digest)?;
                    report(DownloadProgress { file: &file.name, done: file.size, size: file.size });
                    Ok(())
                }
                _ => partial.fetch(&self.http, file, report),
            }
        };
        let mut names = companions(name, &files.keys().map(String::as_str).collect())?;
        names.iter().try_for_each(|file| fetch(file))?;
        if let Some(index) = names.iter().find(|file| file.ends_with(".index.json")) {
            let shards = shards(&partial.path(index))?;
            shards.iter().try_for_each(|file| fetch(file))?;
            names.extend(shards);
        }
        partial.finish(&names)?;
        Ok(names)
    }

    /// Repeats a call that the hub is too busy for.
    fn patiently<T>(call: impl Fn() -> std::result::Result<T, HttpError>) -> std::result::Result<T, HttpError> {
        let mut tries = 1;
        loop {
            match call() {
                Err(error) if matches!(error.failure(), Failure::Busy { .. }) && tries < RETRY.attempts => {
                    std::thread::sleep(RETRY.retry_after(&error).unwrap_or_else(|| RetryPolicy::pause(tries, 0)));
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// The commit of a revision, and its files; of a model only those at its root.
    fn list(&self, kind: RepositoryKind, name: &str, revision: &str) -> Result<(String, BTreeMap<String, RemoteFile>)> {
        let place = kind.plural();
        let url = format!("{}/api/{place}/{name}/revision/{}?blobs=true", self.endpoint, revision.replace('/', "%2F"));
        let wrong = |problem: String| Error::Fetch { what: without_password(&url), problem, source: None };
        let found: Revision = Self::patiently(|| self.http.get_json(&url, LONGEST_LIST)).map_err(|error| match error.failure() {
            Failure::Permanent => refused(&self.http, name.to_owned(), error),
            Failure::Server => {
                let problem = "the hub's list of its files cannot be read".to_owned();
                Error::Fetch { what: name.to_owned(), problem, source: Some(error.into()) }
            }
            Failure::Busy { .. } => {
                let problem = "the hub has too much to do; try again later, or set HF_TOKEN, because it answers users that it knows first";
                Error::Fetch { what: name.to_owned(), problem: problem.to_owned(), source: Some(error.into()) }
            }
            Failure::Unreachable | Failure::Timeout => {
                let problem = "cannot be fetched; without a network, copy its directory to this machine by hand, or set \
                               HF_HUB_OFFLINE=1 to use the cache";
                Error::Fetch { what: name.to_owned(), problem: problem.to_owned(), source: Some(error.into()) }
            }
        })?;
        // The commit becomes a part of addresses and of a path in the cache.
        if !is_commit(&found.sha) {
            let shown: String = found.sha.chars().take(80).collect();
            return Err(wrong(format!("the list names the commit {shown:?}, expected 40 to 64 hexadecimal digits")));
        }
        let mut files = BTreeMap::new();
        let is_wanted = |sibling: &Sibling| match kind {
            RepositoryKind::Model => is_plain(&sibling.rfilename),
            RepositoryKind::Dataset => sibling.rfilename.split('/').all(is_plain),
        };
        // The addresses of models have no folder for their kind.
        let folder = if kind == RepositoryKind::Model { String::new() } else { format!("{place}/") };
        for sibling in found.siblings.into_iter().filter(is_wanted) {
            let hash = sibling.lfs.as_ref().map(|large| large.sha256.clone()).or(sibling.blob_id);
            let size = sibling.lfs.as_ref().map(|large| large.size).or(sibling.size);
            let name_of_file = sibling.rfilename;
            let (Some(digest), Some(size)) = (hash.and_then(|hash| Digest::from_hexadecimal(&hash)), size) else {
                return Err(wrong(format!("the list gives no size or hash of {name_of_file}")));
            };
            let url = format!("{}/{folder}{name}/resolve/{}/{name_of_file}", self.endpoint, found.sha);
            files.insert(name_of_file.clone(), RemoteFile { name: name_of_file, url, size, digest });
        }
        Ok((found.sha, files))
    }

    /// The place of a model in the cache.
    fn cache_of(&self, name: &str) -> Option<PathBuf> {
        self.cache.repository(RepositoryKind::Model, name)
    }

    fn copy_cached(&self, name: &str, revision: &str, directory: &Path, report: &mut OnProgress<'_>) -> Result<FetchedModel> {
        let cache = self.cache_of(name).unwrap_or_default();
        let reference = std::fs::read_to_string(cache.join("refs").join(revision)).ok();
        let commit = reference.map_or_else(|| revision.to_owned(), |commit| commit.trim().to_owned());
        if !is_plain(&commit) {
            return Err(Error::Fetch {
                what: name.into(),
                problem: format!("the cache names {commit:?} as the commit of {revision}"),
                source: None,
            });
        }
        let snapshot = cache.join("snapshots").join(&commit);
        if !snapshot.exists() {
            let problem = format!(
                "HF_HUB_OFFLINE is set, and {} does not hold revision {revision}; unset it, or copy the model's directory to this machine by hand",
                cache.display()
            );
            return Err(Error::Fetch { what: name.into(), problem, source: None });
        }
        let names = files_of(name, &snapshot)?;
        let partial = PartialDirectory::begin(directory)?;
        for file in &names {
            let cached = snapshot.join(file);
            let size = fs::metadata(&cached)?.len();
            match cached_digest(&cached)? {
                Some(digest) => partial.copy(file, &cached, &digest)?,
                None => atomic::copy(&cached, &partial.path(file))?,
            }
            report(DownloadProgress { file, done: size, size });
        }
        partial.finish(&names)?;
        Ok(FetchedModel { commit, files: names })
    }
}

/// The hash of a cached file, if it is a link to a file that is named by its hash. Some programs and systems make plain copies instead, of
/// which no hash is known without the hub.
fn cached_digest(path: &Path) -> Result<Option<Digest>> {
    let blob = fs::canonicalize(path)?;
    let name = blob.file_name().unwrap_or_default().to_string_lossy();
    Ok(Digest::from_hexadecimal(&name))
}

/// The names of the files of a model in a directory.
///
/// # Errors
/// One of them is missing.
fn files_of(model: &str, directory: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let entries = entries.collect::<std::io::Result<BTreeSet<_>>>()?;
    let mut names = companions(model, &entries.iter().map(String::as_str).collect())?;
    if let Some(index) = names.iter().find(|file| file.ends_with(".index.json")) {
        names.extend(shards(&directory.join(index))?);
    }
    match names.iter().find(|name| !directory.join(name).exists()) {
        Some(name) => Err(missing(model, name, "is not in the cache, or is a link to nothing")),
        None => Ok(names),
    }
}

/// The files to fetch first: config, tokenizer, and the weights or the index of their shards.
fn companions(model: &str, there: &BTreeSet<&str>) -> Result<Vec<String>> {
    if !there.contains(CONFIG) {
        return Err(missing(model, CONFIG, "is not among its files; is it a model of transformers?"));
    }
    let has_tokenizer = there.contains("tokenizer.json") || VOCABULARY_FILES.iter().all(|name| there.contains(name));
    if !has_tokenizer {
        let problem = "is not among its files; transformers writes it from other kinds of tokenizers: \
                       AutoTokenizer.from_pretrained(NAME).save_pretrained(DIR)";
        return Err(missing(model, "tokenizer.json", problem));
    }
    let index = format!("{WEIGHTS}.index.json");
    let weights = [WEIGHTS, &index, "pytorch_model.bin", "pytorch_model.bin.index.json"].into_iter().find(|name| there.contains(name));
    let weights =
        weights.ok_or_else(|| missing(model, WEIGHTS, "is not among its files, nor is pytorch_model.bin or an index of shards"))?;
    let vocabulary = VOCABULARY_FILES.into_iter().chain([ADDED_TOKENS]).filter(|_| !there.contains("tokenizer.json"));
    let small = std::iter::once(CONFIG).chain(COMPANIONS.iter().copied()).chain(vocabulary).filter(|name| there.contains(name));
    Ok(small.chain([weights]).map(str::to_owned).collect())
}

fn is_commit(text: &str) -> bool {
    (40..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn missing(model: &str, file: &str, problem: &str) -> Error {
    Error::Fetch { what: format!("{model}: {file}"), problem: problem.into(), source: None }
}

/// The shards of an index, in order.
fn shards(index: &Path) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let wrong = |problem: String, source| Error::Fetch { what: index.display().to_string(), problem, source };
    let index: Index = serde_json::from_slice(&fs::read(index)?)
        .map_err(|error| wrong("is not an index of shards (a JSON object with weight_map)".to_owned(), Some(error.into())))?;
    match index.weight_map.values().find(|shard| !is_plain(shard)) {
        Some(shard) => Err(wrong(format!("names {shard}, which is not beside it"), None)),
        None => Ok(index.weight_map.into_values().collect()),
    }
}
