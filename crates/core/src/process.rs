//! Programs of the user's that this process starts: a verifier, a trainer, a server. None of them is left behind, however this process ends.
//!
//! Each leads a process group of its own, and with it goes whatever it has started and what has stayed in the group. Dropping it stops it. For
//! the ends in which nothing is dropped (Ctrl-C, a signal, a crash, `kill -9`) a watcher, a shell of a few lines, holds the read end of a
//! pipe whose other end this process holds: the system closes that end whatever happens, and the watcher then stops the group. So there is no
//! list of children for a signal handler to walk, and no code between fork and exec.
//!
//! Launchers such as torchrun put their workers into groups of their own and stop them when they are asked to end (SIGTERM). That is what the
//! patience is for: a group is asked first, and killed when it has not ended in that time.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// What a launcher is given to end its workers by itself; torchrun gives its own 30 s before it kills them.
pub(crate) const LAUNCHER_PATIENCE: Duration = Duration::from_secs(40);

/// How often a group is looked at while its end is awaited.
const LOOK: Duration = Duration::from_millis(2);

/// A started program with all that it has started. Dropping it stops them.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    patience: Duration,
    #[cfg(unix)]
    watcher: unix::Watcher,
    ended: Option<ExitStatus>,
}

impl Group {
    /// Starts `command` as the leader of a group, which is given `patience` to end when it is asked to; with none it is killed at once.
    ///
    /// # Errors
    /// The program cannot be started; the message names it.
    pub fn start(command: &mut Command, patience: Duration) -> io::Result<Self> {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        #[cfg_attr(not(unix), allow(unused_mut, reason = "only a watcher's failure ends it here"))]
        let mut child = command.spawn().map_err(|error| named(command.get_program(), &error))?;
        #[cfg(unix)]
        let watcher = match unix::Watcher::start(child.id(), patience) {
            Ok(watcher) => watcher,
            Err(error) => {
                unix::signal(child.id(), unix::Signal::KILL);
                let _ = child.wait();
                return Err(error);
            }
        };
        Ok(Group {
            child,
            patience,
            #[cfg(unix)]
            watcher,
            ended: None,
        })
    }

    /// The program itself, for its pipes. Its end is told by [`Group::ended`].
    pub fn leader(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How the program ended, if it has. Whatever it left in its group is killed then.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() && self.has_ended() {
            self.kill();
        }
        self.ended
    }

    /// Waits for the end up to `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let began = Instant::now();
        loop {
            match self.ended() {
                None if began.elapsed() < limit => std::thread::sleep(LOOK),
                ended => return ended,
            }
        }
    }

    /// Asks all to end, kills whoever has not when the patience is over, and says how the program ended.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            #[cfg(unix)]
            if !self.patience.is_zero() {
                unix::signal(self.child.id(), unix::Signal::TERM);
                self.wait(self.patience);
            }
            self.kill();
        }
        self.ended
    }

    fn kill(&mut self) {
        if self.ended.is_some() {
            return;
        }
        // Before the leader is buried, so that its number still means this group. Failures mean that nobody is left.
        #[cfg(unix)]
        unix::signal(self.child.id(), unix::Signal::KILL);
        let _ = self.child.kill();
        self.ended = self.child.wait().ok();
        #[cfg(unix)]
        self.watcher.dismiss();
    }

    /// Whether the program has ended, without burying it.
    #[cfg(unix)]
    fn has_ended(&mut self) -> bool {
        unix::has_ended(self.child.id())
    }

    #[cfg(not(unix))]
    fn has_ended(&mut self) -> bool {
        self.child.try_wait().ok().flatten().is_some()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop();
    }
}

fn named(program: &OsStr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", Path::new(program).display()))
}

#[cfg(unix)]
mod unix {
    use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process_group, waitid};
    use std::io;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    pub use rustix::process::Signal;

    /// Waits for the end of its input, which nobody writes to; asks the group `$1` to end, looks for up to `$2` seconds whether anybody is
    /// left, and kills them.
    const SCRIPT: &str = r#"cat >/dev/null
if [ "$2" -gt 0 ]; then
    kill -s TERM -- "-$1" 2>/dev/null
    left=$2
    while [ "$left" -gt 0 ] && kill -s 0 -- "-$1" 2>/dev/null; do sleep 1; left=$((left - 1)); done
fi
kill -s KILL -- "-$1" 2>/dev/null"#;

    /// The process that stops a group when this process is gone.
    #[derive(Debug)]
    pub struct Watcher(Child);

    impl Watcher {
        pub fn start(group: u32, patience: Duration) -> io::Result<Self> {
            let mut shell = Command::new("sh");
            shell.args(["-c", SCRIPT, "starloop-watcher", &group.to_string(), &patience.as_secs().to_string()]);
            // Output of its own would keep a pipe open that others wait on. In a group of its own it does not hear Ctrl-C.
            shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
            shell.spawn().map(Watcher).map_err(|error| super::named("sh".as_ref(), &error))
        }

        /// The end of the pipe that this process holds.
        #[cfg(test)]
        pub fn input(&mut self) -> Option<std::process::ChildStdin> {
            self.0.stdin.take()
        }

        #[cfg(test)]
        pub fn id(&self) -> u32 {
            self.0.id()
        }

        pub fn dismiss(&mut self) {
            signal(self.0.id(), Signal::KILL);
            let _ = self.0.wait();
        }
    }

    /// Sends a signal to a group, if it is there.
    pub fn signal(group: u32, signal: Signal) {
        if let Some(group) = pid(group) {
            let _ = kill_process_group(group, signal);
        }
    }

    pub fn has_ended(child: u32) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        pid(child).is_none_or(|child| !matches!(waitid(WaitId::Pid(child), options), Ok(None)))
    }

    fn pid(number: u32) -> Option<Pid> {
        i32::try_from(number).ok().and_then(Pid::from_raw)
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests;
