//! `events.jsonl`: what happened, one event a line, as it happens.

use super::files::at_line;
use crate::atomic::{self, regular};
use crate::error::{Error, Result};
use crate::event::{Event, Observer};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Appends events to a file. Progress is left out. A failure to write is kept and told when the log is closed: it must not pass for an
/// error of the stage that it happened in.
#[derive(Debug)]
pub struct EventLog {
    path: PathBuf,
    file: fs::File,
    failure: Option<std::io::Error>,
}

/// The line of an event.
#[derive(Serialize)]
struct Line<'a> {
    /// Seconds since the Unix epoch.
    time: f64,
    #[serde(flatten)]
    event: &'a Event,
}

/// A line that is read back.
#[derive(Deserialize)]
struct ReadLine {
    #[serde(default)]
    time: f64,
    #[serde(flatten)]
    event: Event,
}

impl EventLog {
    pub(super) fn append_to(path: &Path) -> Result<EventLog> {
        let (file, _) = open_lines(path)?;
        Ok(EventLog { path: path.to_owned(), file, failure: None })
    }

    /// Syncs the file.
    ///
    /// # Errors
    /// The first failure since the log was opened.
    pub fn close(self) -> Result<()> {
        match self.failure {
            Some(error) => Err(error.into()),
            None => Ok(self.file.sync_all()?),
        }
    }

    fn append(&mut self, event: &Event) -> std::io::Result<()> {
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64());
        let mut line = serde_json::to_vec(&Line { time, event })?;
        line.push(b'\n');
        // One write for each line, so that a crash cuts off one line at most.
        self.file.write_all(&line)
    }
}

impl Observer for EventLog {
    fn observe(&mut self, event: &Event) -> ControlFlow<()> {
        if matches!(event, Event::StageProgress { .. }) || self.failure.is_some() {
            return ControlFlow::Continue(());
        }
        if let Err(error) = self.append(event) {
            self.failure = Some(std::io::Error::new(error.kind(), format!("{}: {error}", self.path.display())));
        }
        ControlFlow::Continue(())
    }
}

/// Opens a file of lines for appending, after removing a last line that a crash cut off. Returns its whole lines too.
pub(super) fn open_lines(path: &Path) -> Result<(fs::File, Vec<u8>)> {
    let mut file = atomic::open_to_append(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    if whole < bytes.len() {
        bytes.truncate(whole);
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
    }
    Ok((file, bytes))
}

/// Every event with its time, in seconds since the Unix epoch.
pub(super) fn read(path: &Path) -> Result<Vec<(f64, Event)>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = String::from_utf8_lossy(&regular::read(path)?).into_owned();
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str::<ReadLine>(line)
            .map(|line| (line.time, line.event))
            .map_err(|error| Error::Corrupt { path: path.to_owned(), message: at_line(number + 1, &error) })
    };
    text.split_inclusive('\n').filter(|line| line.ends_with('\n')).enumerate().map(parse).collect()
}
