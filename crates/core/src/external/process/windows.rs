//! Stopping a program with its tree of children by `taskkill`, which comes with Windows.
//!
//! There is no watcher: when this process is killed, programs that it started keep running.

use super::Shutdown;
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Nothing has to be remembered: each [`Shutdown`] kills.
#[derive(Debug)]
pub(super) struct Guard;

impl Guard {
    #[expect(clippy::unnecessary_wraps, reason = "on Unix a watcher is started here")]
    pub(super) fn new(_: &Child, _: Shutdown) -> io::Result<Self> {
        Ok(Guard)
    }

    /// A console program cannot be asked.
    #[expect(clippy::unused_self, reason = "on Unix the answer depends on it")]
    pub(super) fn ask_to_end(&self, _: &Child) -> Option<Duration> {
        None
    }

    #[expect(clippy::unused_self, reason = "on Unix a watcher is ended here")]
    pub(super) fn dismiss(&mut self) {}
}

pub(super) fn lead_a_group(_: &mut Command) {}

/// Kills the program and its children. A failure means that they have ended.
pub(super) fn kill(leader: &mut Child) {
    let mut taskkill = Command::new("taskkill");
    taskkill.args(["/F", "/T", "/PID", &leader.id().to_string()]);
    let _ = taskkill.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let _ = leader.kill();
}

pub(super) fn has_ended(leader: &mut Child) -> bool {
    leader.try_wait().ok().flatten().is_some()
}

pub(super) fn has_succeeded(leader: &mut Child) -> bool {
    matches!(leader.try_wait(), Ok(Some(status)) if status.success())
}
