//! The one supervisor of the programs that this process starts: verifiers, trainers, servers. No such program outlives this process.
//!
//! A started program leads a process group ([`ProcessGroup`]). The group is stopped when its value is dropped. [`Shutdown`] says how: killed at
//! once, or asked to end first. The behaviour on each platform:
//!
//! | | Unix | Windows |
//! |---|---|---|
//! | what is stopped | the group: the program and all children that stay in the group | the job object: the program and all its children |
//! | [`Shutdown::Graceful`] | SIGTERM to the group, SIGKILL after the patience | killed at once: console programs receive no such request |
//! | this process dies (Ctrl-C, a signal, a crash, `kill -9`) | a watcher stops the group in the same way | Windows ends the job |
//!
//! The watcher is a shell of a few lines beside each group (`process/unix.rs`). Another design, a list of children that a signal handler
//! walks, would miss crashes and `kill -9`.
//!
//! A program gets no tokens and keys from the environment but those that its config names (`process/secrets.rs`).

mod log_tail;
#[cfg(unix)]
#[path = "process/unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "process/windows.rs"]
mod platform;
mod secrets;
#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests;

pub(crate) use log_tail::log_tail;

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How often [`ProcessGroup::wait`] looks whether the program has ended.
const POLL: Duration = Duration::from_millis(2);

/// How a group is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// The group is killed.
    Immediate,
    /// The group is asked to end, and killed if it has not ended after this time. On Windows it is killed at once.
    Graceful(Duration),
}

impl Shutdown {
    /// For launchers such as torchrun and accelerate. They put workers into other groups and stop them when they are asked to end; torchrun
    /// waits 30 s for its workers.
    pub(crate) const LAUNCHER: Shutdown = Shutdown::Graceful(Duration::from_secs(40));
    /// For inference servers, which free memory and ports.
    pub(crate) const SERVER: Shutdown = Shutdown::Graceful(Duration::from_secs(10));
}

/// A started program with the children that it has started. Dropping it stops them.
#[derive(Debug)]
pub(crate) struct ProcessGroup {
    leader: Child,
    guard: platform::Guard,
    status: Option<ExitStatus>,
}

impl ProcessGroup {
    /// Starts `command` as the leader of a group that is stopped as `shutdown` says. `secrets` are the environment variables with secrets that
    /// the program gets.
    ///
    /// # Errors
    /// The program or its watcher cannot be started. The message names the program.
    pub fn start(command: &mut Command, shutdown: Shutdown, secrets: &[String]) -> io::Result<Self> {
        secrets::withhold(command, secrets);
        platform::lead_a_group(command);
        let mut guard = platform::Guard::new(shutdown)?;
        let spawned = command.spawn().map_err(|error| naming(command.get_program(), &error));
        let watched = spawned.and_then(|mut leader| match guard.watch(&leader) {
            Ok(()) => Ok(leader),
            Err(error) => {
                platform::kill(&mut leader);
                let _ = leader.wait();
                Err(error)
            }
        });
        match watched {
            Ok(leader) => Ok(ProcessGroup { leader, guard, status: None }),
            Err(error) => {
                guard.dismiss();
                Err(error)
            }
        }
    }

    /// The program itself, for its pipes. [`ProcessGroup::status`] shows if it has ended.
    pub fn leader(&mut self) -> &mut Child {
        &mut self.leader
    }

    /// The program's exit status, if it has ended. Its remaining children are killed then.
    pub fn status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() && platform::has_ended(&mut self.leader) {
            self.kill();
        }
        self.status
    }

    /// Waits up to `limit` for the program to end.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let began = Instant::now();
        loop {
            match self.status() {
                None if began.elapsed() < limit => std::thread::sleep(POLL),
                status => return status,
            }
        }
    }

    /// Waits up to `limit` for the program to end, and stops it then. If it succeeded, what it has started in the background keeps running.
    pub fn finish(mut self, limit: Duration) -> Option<ExitStatus> {
        let began = Instant::now();
        while !platform::has_ended(&mut self.leader) {
            if began.elapsed() >= limit {
                self.stop();
                return None;
            }
            std::thread::sleep(POLL);
        }
        if platform::has_succeeded(&mut self.leader) {
            self.status = self.leader.wait().ok();
            self.guard.dismiss();
        } else {
            self.kill();
        }
        self.status
    }

    /// Stops the group as its [`Shutdown`] says, and returns the program's exit status.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            if let Some(patience) = self.guard.ask_to_end(&self.leader) {
                self.wait(patience);
            }
            self.kill();
        }
        self.status
    }

    fn kill(&mut self) {
        if self.status.is_none() {
            self.guard.kill(&mut self.leader);
            self.status = self.leader.wait().ok();
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.stop();
    }
}

fn naming(program: &OsStr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", Path::new(program).display()))
}
