//! Files from the network: models of the Hugging Face hub ([`hub`]) and the data of the paper's tasks ([`dataset`]).
//!
//! A directory appears whole or not at all. Until then it is `NAME.partial`, in which a finished file has its own name and an unfinished
//! one ends in `.partial` too, so that the same command goes on where it was interrupted. Every file is checked against a digest that was
//! known before: the hub's, or one that is written down here.

pub mod dataset;
mod digest;
mod http;
pub mod hub;

use crate::error::{Error, Result};
use digest::Digest;
use fs_err as fs;
use http::{Http, Trouble};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a download is tried again when it does not get on at all, and the first pause before that, which doubles.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);

/// Bytes between two reports of progress.
const CHUNK: usize = 1 << 18;

/// How far the fetching of a file is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Its name.
    pub file: &'a str,
    /// Bytes that are there.
    pub done: u64,
    /// Bytes that it has.
    pub size: u64,
}

/// Hears how far the fetching is.
pub type OnProgress<'a> = dyn FnMut(Progress<'_>) + 'a;

/// A file that is somewhere else.
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
    /// Begins a directory, or takes it up again.
    fn begin(target: &Path) -> Result<Self> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = target.with_file_name(name);
        fs::create_dir_all(&partial)?;
        Ok(PartialDirectory { target: target.into(), partial })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.partial.join(name)
    }

    /// Fetches one file, unless it is there.
    fn fetch(&self, http: &Http, file: &RemoteFile, report: &mut OnProgress<'_>) -> Result<()> {
        let (finished, partial) = (self.path(&file.name), self.path(&format!("{}.partial", file.name)));
        if finished.exists() && file.digest.matches(&finished)? {
            report(Progress { file: &file.name, done: file.size, size: file.size });
            return Ok(());
        }
        let resumed = partial.exists();
        download(http, file, &partial, report)?;
        if resumed && !file.digest.matches(&partial)? {
            // What an earlier command left may have been another version's beginning.
            fs::remove_file(&partial)?;
            download(http, file, &partial, report)?;
        }
        self.accept(&file.name, &file.digest, &file.url)
    }

    /// Takes a file over from elsewhere on this machine.
    fn copy(&self, name: &str, from: &Path, digest: &Digest) -> Result<()> {
        fs::copy(from, self.path(&format!("{name}.partial")))?;
        self.accept(name, digest, &from.display().to_string())
    }

    /// Gives a whole file its name, or removes it if it is not what it should be.
    fn accept(&self, name: &str, digest: &Digest, origin: &str) -> Result<()> {
        let partial = self.path(&format!("{name}.partial"));
        let found = digest.of_file(&partial)?;
        if found != digest.expected() {
            fs::remove_file(&partial)?;
            let problem = format!("its {} is {found}, expected {}; the file was refused", digest.kind(), digest.expected());
            return Err(Error::Fetch { what: origin.into(), problem });
        }
        fs::File::open(&partial)?.sync_all()?;
        Ok(fs::rename(partial, self.path(name))?)
    }

    /// Gives the directory its name; only these files are in it.
    fn finish(self, names: &[String]) -> Result<()> {
        for entry in fs::read_dir(&self.partial)? {
            let entry = entry?;
            if !names.iter().any(|name| entry.file_name() == name.as_str()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(fs::rename(&self.partial, &self.target)?)
    }
}

/// Appends to a partial file until it has its size.
fn download(http: &Http, file: &RemoteFile, partial: &Path, report: &mut OnProgress<'_>) -> Result<()> {
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
        let trouble = match append(http, file, partial, before, report)? {
            None if length() == file.size => continue,
            None => "the connection ended early".to_owned(),
            Some(trouble) => trouble,
        };
        failures = if length() > before { 0 } else { failures + 1 };
        if failures == TRIES {
            let problem = format!("{trouble}; what is there is kept, and the same command goes on from there");
            return Err(Error::Fetch { what: file.url.clone(), problem });
        }
        std::thread::sleep(PAUSE * 2_u32.pow(failures));
    }
}

/// One request for the rest of a file. What may pass if it is tried again is returned; what will not is an error.
fn append(http: &Http, file: &RemoteFile, partial: &Path, from: u64, report: &mut OnProgress<'_>) -> Result<Option<String>> {
    let answer = match http.get(&file.url, from) {
        Ok(answer) => answer,
        Err(Trouble::Passing(problem)) => return Ok(Some(problem)),
        Err(Trouble::Lasting(problem)) => return Err(Error::Fetch { what: file.url.clone(), problem }),
    };
    let from = if answer.resumed { from } else { 0 };
    let mut out = fs::OpenOptions::new().create(true).append(answer.resumed).write(true).truncate(!answer.resumed).open(partial)?;
    let mut body = answer.body.take(file.size - from);
    let (mut done, mut buffer) = (from, vec![0; CHUNK]);
    loop {
        let read = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) => return Ok(Some(format!("the connection was lost ({error})"))),
        };
        out.write_all(&buffer[..read])?;
        done += read as u64;
        report(Progress { file: &file.name, done, size: file.size });
    }
    out.sync_all()?;
    Ok(None)
}
