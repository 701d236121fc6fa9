//! A server that is started for a checkpoint and stopped with all that it has started.
//!
//! A server leads a process group. Whoever outlives this program would hold memory and a port, so a small shell beside the server watches a
//! pipe from this process: when the pipe closes, by Ctrl-C, a crash or `kill -9`, it ends the group.

use super::client::Client;
use crate::error::{Error, Result};
use fs_err as fs;
use std::io::{Read, Seek, SeekFrom};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a server is given to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// How often is looked whether it serves.
const LOOK: Duration = Duration::from_millis(100);
/// A server that serves says so within this.
const HEALTH: Duration = Duration::from_secs(10);
/// Bytes of a log's end that an error is taken from, and lines that it shows.
const LAST_BYTES: u64 = 4096;
const LAST_LINES: usize = 5;

/// Starts the words that it is given beside a watcher of standard input, and ends when and as they do, whatever signal comes. The watcher
/// ends the whole group, itself included, when its input ends: kindly, and after ten seconds for good.
#[cfg(unix)]
const GUARD: &str = r#"exec 3<&0 </dev/null
trap : TERM INT HUP
"$@" 3<&- &
server=$!
{
    trap '' TERM INT HUP
    cat <&3 >/dev/null
    kill -TERM 0
    for second in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$server" 2>/dev/null && sleep 1; done
    kill -KILL 0
} &
exec 3<&-
while wait "$server"; status=$?; kill -0 "$server" 2>/dev/null; do :; done
exit "$status"
"#;

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// The words that it was started with.
    command: String,
    port: u16,
    log: PathBuf,
}

impl Server {
    /// Starts a server; `log` gets what it says.
    pub(super) fn start(launch: &[String], checkpoint: &str, replica: usize, log: &Path) -> Result<Self> {
        let port = free_port()?;
        let fill = |word: &String| {
            word.replace("{checkpoint}", checkpoint).replace("{port}", &port.to_string()).replace("{replica}", &replica.to_string())
        };
        let words: Vec<String> = launch.iter().map(fill).collect();
        let command = words.join(" ");
        if let Some(directory) = log.parent() {
            fs::create_dir_all(directory)?;
        }
        let out = fs::OpenOptions::new().create(true).append(true).open(log)?.into_file();
        let mut prepared = guarded(&words);
        prepared.stdin(Stdio::piped()).stdout(out.try_clone()?).stderr(out);
        let child = prepared.spawn().map_err(|error| failed(&command, error.to_string()))?;
        Ok(Server { child, command, port, log: log.to_owned() })
    }

    /// Its base address.
    pub(super) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// Waits until it serves.
    pub(super) fn wait(&mut self, client: &Client, health: &str, limit: Duration) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/{}", self.port, health.trim_start_matches('/'));
        let began = Instant::now();
        while !client.is_healthy(&url, HEALTH) {
            self.check()?;
            if began.elapsed() > limit {
                let problem =
                    format!("does not serve after {:.0} s (policy.start_seconds): {url} does not answer 200", limit.as_secs_f64());
                return Err(failed(&self.command, problem + &self.last_words()));
            }
            std::thread::sleep(LOOK);
        }
        // The port may be another's, if ours has ended because it was taken.
        self.check()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// It has ended; with its last words.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(failed(&self.command, format!("ended ({}){}", how(status), self.last_words()))),
        }
    }

    /// The end of its log, to be put behind an error.
    fn last_words(&self) -> String {
        let end = || -> std::io::Result<String> {
            let mut file = fs::File::open(&self.log)?;
            let length = file.seek(SeekFrom::End(0))?;
            file.seek(SeekFrom::Start(length.saturating_sub(LAST_BYTES)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = end().unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        format!("; the end of its log, {}:\n{last}", self.log.display())
    }

    /// Ends the group: kindly, and when time is up for good.
    fn stop(&mut self) {
        self.signal(false);
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && began.elapsed() < GRACE {
            std::thread::sleep(LOOK / 10);
        }
        // What the server has left behind, and the watcher. A failure means that nobody is left.
        self.signal(true);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    #[cfg(unix)]
    fn signal(&self, for_good: bool) {
        use rustix::process::{Pid, Signal, kill_process_group};
        if let Some(group) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process_group(group, if for_good { Signal::KILL } else { Signal::TERM });
        }
    }

    #[cfg(not(unix))]
    fn signal(&self, _: bool) {}
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(unix)]
fn guarded(words: &[String]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", GUARD, "sh"]).args(words);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

#[cfg(not(unix))]
fn guarded(words: &[String]) -> Command {
    let mut command = Command::new(words.first().map_or("", String::as_str));
    command.args(words.iter().skip(1));
    command
}

/// A port that nobody listens on. Another program could take it before the server does; then the server ends and says so.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn failed(command: &str, problem: String) -> Error {
    Error::Server { endpoint: command.to_owned(), problem }
}

/// How a process ended, as a shell tells it.
fn how(status: ExitStatus) -> String {
    match status.code() {
        Some(127) => "exit status 127: no such program".to_owned(),
        _ => status.to_string(),
    }
}
