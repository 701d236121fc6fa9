//! Files from the network: models and data sets of the Hugging Face hub ([`hub`]) and the data of the paper's tasks ([`dataset`]).
//!
//! A directory appears when it is complete. Until then its name ends in `.partial`, and so do the names of unfinished files in it. The same
//! command continues after an interruption. Every file is compared with a digest that was known before: that of the hub, or of a table in this
//! program.

pub mod dataset;
mod digest;
pub mod hub;

use crate::error::masks::without_password;
use crate::error::{Error, Result};
use crate::external::http::{Failure, HttpClient, HttpError, HttpErrorKind, RetryPolicy};
use digest::Digest;
use fs_err as fs;
use starloop_record::atomic;
use std::collections::HashSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Tries of a download that bring less than [`LEAST`].
const RETRY: RetryPolicy = RetryPolicy { attempts: 4, longest_retry_after: Duration::from_secs(60) };

/// New bytes with which a broken download counts as a success. Fewer would let a server that sends a byte at a time be asked for ever.
const LEAST: u64 = 1 << 10;

/// Bytes between two reports of progress.
const CHUNK: usize = 1 << 18;

/// The progress of a file.
#[derive(Debug, Clone, Copy)]
pub struct DownloadProgress<'a> {
    /// Its name.
    pub file: &'a str,
    /// Bytes that have arrived.
    pub done: u64,
    /// Bytes of the whole file.
    pub size: u64,
}

/// Receives the progress.
pub type OnProgress<'a> = dyn FnMut(DownloadProgress<'_>) + 'a;

/// A file on a server.
#[derive(Debug, Clone)]
struct RemoteFile {
    name: String,
    url: String,
    /// Bytes.
    size: u64,
    digest: Digest,
}

/// A directory that is being filled.
#[derive(Debug)]
struct PartialDirectory {
    target: PathBuf,
    partial: PathBuf,
}

impl PartialDirectory {
    /// Begins a directory, or continues with one.
    fn begin(target: &Path) -> Result<Self> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = target.with_file_name(name);
        atomic::make_directory(&partial)?;
        Ok(PartialDirectory { target: target.into(), partial })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.partial.join(name)
    }

    /// Fetches one file, unless it is complete.
    fn fetch(&self, http: &HttpClient, file: &RemoteFile, report: &mut OnProgress<'_>) -> Result<()> {
        atomic::below(&self.partial, Path::new(&file.name))?;
        if let Some(folder) = self.path(&file.name).parent() {
            atomic::make_directory(folder)?;
        }
        let (finished, partial) = (self.path(&file.name), self.path(&format!("{}.partial", file.name)));
        if finished.exists() && file.digest.matches(&finished)? {
            report(DownloadProgress { file: &file.name, done: file.size, size: file.size });
            return Ok(());
        }
        let resumed = partial.exists();
        download(http, file, &partial, report)?;
        if resumed && !file.digest.matches(&partial)? {
            // An earlier command may have left the beginning of another version.
            fs::remove_file(&partial)?;
            download(http, file, &partial, report)?;
        }
        self.accept(&file.name, &file.digest, &without_password(&file.url))
    }

    /// Copies a file of this machine.
    fn copy(&self, name: &str, from: &Path, digest: &Digest) -> Result<()> {
        atomic::below(&self.partial, Path::new(name))?;
        atomic::copy(from, &self.path(&format!("{name}.partial")))?;
        self.accept(name, digest, &from.display().to_string())
    }

    /// Gives a complete file its name, or removes it if its digest is another one.
    fn accept(&self, name: &str, digest: &Digest, origin: &str) -> Result<()> {
        let partial = self.path(&format!("{name}.partial"));
        let found = digest.of_file(&partial)?;
        if found != digest.expected() {
            fs::remove_file(&partial)?;
            let problem = format!("its {} is {found}, expected {}; the file was refused", digest.kind(), digest.expected());
            return Err(Error::Fetch { what: origin.into(), problem, source: None });
        }
        fs::File::open(&partial)?.sync_all()?;
        Ok(fs::rename(partial, self.path(name))?)
    }

    /// Removes all files but these, and gives the directory its name.
    fn finish(self, names: &[String]) -> Result<()> {
        keep_only(&self.partial, &names.iter().map(|name| self.path(name)).collect())?;
        Ok(fs::rename(&self.partial, &self.target)?)
    }
}

/// Removes the files of a folder that are not among these.
fn keep_only(folder: &Path, files: &HashSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // A link to a folder is removed as a link.
        if entry.file_type()?.is_dir() {
            keep_only(&path, files)?;
        } else if !files.contains(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Appends to a partial file until it has its size.
fn download(http: &HttpClient, file: &RemoteFile, partial: &Path, report: &mut OnProgress<'_>) -> Result<()> {
    let length = || fs::metadata(partial).map_or(0, |metadata| metadata.len());
    let mut failures = 0;
    loop {
        let before = length();
        if before > file.size {
            fs::remove_file(partial)?;
            continue;
        }
        if before == file.size && partial.exists() {
            return Ok(());
        }
        let Err(error) = append(http, file, partial, before, report)? else { continue };
        if error.failure() == Failure::Permanent {
            return Err(refused(http, file.name.clone(), error));
        }
        failures = if length() >= before + LEAST { 0 } else { failures + 1 };
        if failures == RETRY.attempts {
            let problem = "cannot be fetched; the part that arrived is kept, and the same command continues from it".to_owned();
            return Err(Error::Fetch { what: file.name.clone(), problem, source: Some(error.into()) });
        }
        std::thread::sleep(RETRY.retry_after(&error).unwrap_or_else(|| RetryPolicy::pause(failures, file.size)));
    }
}

/// One request for the rest of a file. The inner result is that of the connection, the outer one that of the disk.
fn append(
    http: &HttpClient,
    file: &RemoteFile,
    partial: &Path,
    from: u64,
    report: &mut OnProgress<'_>,
) -> Result<std::result::Result<(), HttpError>> {
    let download = match http.download(&file.url, from) {
        Ok(download) => download,
        Err(error) => return Ok(Err(error)),
    };
    let mut out = if download.from > 0 { atomic::open_to_append(partial)? } else { atomic::create(partial)? };
    let mut body = download.body.take(file.size - download.from);
    let (mut done, mut buffer) = (download.from, vec![0; CHUNK]);
    let interrupted = || HttpError::new(without_password(&file.url), HttpErrorKind::Interrupted);
    loop {
        let read = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) => return Ok(Err(interrupted().caused_by(error))),
        };
        out.write_all(&buffer[..read])?;
        done += read as u64;
        report(DownloadProgress { file: &file.name, done, size: file.size });
    }
    out.sync_all()?;
    Ok(if done == file.size { Ok(()) } else { Err(interrupted()) })
}

/// The error for a server that refuses to send `what`.
fn refused(http: &HttpClient, what: String, error: HttpError) -> Error {
    let problem = match (error.status(), http.has_secret()) {
        (Some(401 | 403), false) => {
            "there is no such file, or it is not public; check the name, and if the model is gated accept its terms on its page and set \
             HF_TOKEN to a token of yours"
        }
        (Some(401 | 403), true) => {
            "the token (HF_TOKEN) does not give access; check the name, and if the model is gated accept its terms on its page"
        }
        (Some(404), _) => "there is no such file, model or revision; check the name",
        _ => "cannot be fetched",
    };
    Error::Fetch { what, problem: problem.to_owned(), source: Some(error.into()) }
}
