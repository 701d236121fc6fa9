//! Process groups, signals, and the watcher that stops a group when this process is gone.
//!
//! The watcher holds the read end of a pipe whose write end this process holds. The system closes the write end whatever ends this process.
//! The watcher then stops the group. It starts before the program, because a start takes milliseconds, in which this process could
//! die. It gets the number of the group through the pipe. No code runs between fork and exec.

use super::Shutdown;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Reads the number of the group, and waits for the end of its input. Then asks the group to end if `$1` is above 0, waits up to `$1` seconds,
/// and kills the rest.
const WATCHER: &str = r#"read -r group || exit 0
cat >/dev/null
if [ "$1" -gt 0 ]; then
    kill -s TERM -- "-$group" 2>/dev/null
    left=$1
    while [ "$left" -gt 0 ] && kill -s 0 -- "-$group" 2>/dev/null; do sleep 1; left=$((left - 1)); done
fi
kill -s KILL -- "-$group" 2>/dev/null"#;

/// How a group is stopped, and the watcher that does the same when this process is gone.
#[derive(Debug)]
pub(super) struct Guard {
    shutdown: Shutdown,
    watcher: Child,
}

impl Guard {
    /// Starts the watcher.
    pub(super) fn new(shutdown: Shutdown) -> io::Result<Self> {
        let seconds = match shutdown {
            Shutdown::Immediate => 0,
            Shutdown::Graceful(patience) => patience.as_secs(),
        };
        let mut shell = Command::new("sh");
        shell.args(["-c", WATCHER, "starloop-watcher", &seconds.to_string()]);
        // An inherited output would keep a pipe open that others read to its end. In its own group the watcher does not receive Ctrl-C.
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let watcher = shell.spawn().map_err(|error| super::naming("sh".as_ref(), &error))?;
        Ok(Guard { shutdown, watcher })
    }

    /// Tells the watcher which group it stops.
    pub(super) fn watch(&mut self, leader: &Child) -> io::Result<()> {
        self.watcher.stdin.as_mut().map_or(Ok(()), |pipe| writeln!(pipe, "{}", leader.id()))
    }

    /// Asks the group to end if that is how it is stopped. Returns how long to wait for it.
    pub(super) fn ask_to_end(&self, leader: &Child) -> Option<Duration> {
        let Shutdown::Graceful(patience) = self.shutdown else { return None };
        signal(leader.id(), Signal::TERM);
        Some(patience)
    }

    /// Kills the group, whose leader has not been reaped, so that its number still means this group.
    pub(super) fn kill(&mut self, leader: &mut Child) {
        kill(leader);
        self.dismiss();
    }

    /// Ends the watcher.
    pub(super) fn dismiss(&mut self) {
        signal(self.watcher.id(), Signal::KILL);
        let _ = self.watcher.wait();
    }

    #[cfg(test)]
    pub(super) fn watcher(&mut self) -> &mut Child {
        &mut self.watcher
    }
}

/// Makes the program of `command` lead a group.
pub(super) fn lead_a_group(command: &mut Command) {
    command.process_group(0);
}

/// Kills the group of `leader`. A failure means that no process is left in it.
pub(super) fn kill(leader: &mut Child) {
    signal(leader.id(), Signal::KILL);
    let _ = leader.kill();
}

/// Returns true if the leader has ended. Does not reap it: its number stays taken.
pub(super) fn has_ended(leader: &mut Child) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    pid(leader.id()).is_none_or(|leader| !matches!(waitid(WaitId::Pid(leader), options), Ok(None)))
}

/// Returns true if the leader, which has ended, has exited with code 0. Does not reap it.
pub(super) fn has_succeeded(leader: &mut Child) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let status = pid(leader.id()).and_then(|leader| waitid(WaitId::Pid(leader), options).ok().flatten());
    status.is_some_and(|status| status.exit_status() == Some(0))
}

fn signal(group: u32, signal: Signal) {
    if let Some(group) = pid(group) {
        let _ = kill_process_group(group, signal);
    }
}

fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}
