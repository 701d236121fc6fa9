//! A server that is started for a checkpoint. It is stopped with all processes that it has started ([`crate::external::process`]).

use crate::config::ServingConfig;
use crate::error::{Error, Result};
use crate::external::http::HttpClient;
use crate::external::process::{ProcessGroup, Shutdown, log_tail};
use starloop_record::atomic;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Time between two checks whether a server is ready.
const POLL: Duration = Duration::from_millis(100);
/// Time limit of one check.
const HEALTH: Duration = Duration::from_secs(10);
/// Lines of the log that an error shows.
const SHOWN: usize = 5;

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Server {
    group: ProcessGroup,
    /// The command that started it.
    command: String,
    port: u16,
    log: PathBuf,
}

impl Server {
    /// Starts the server of `[policy]` for a checkpoint. Its output is appended to `log`.
    pub(super) fn start(config: &ServingConfig, checkpoint: &str, replica: usize, log: &Path) -> Result<Self> {
        let port = free_port()?;
        let fill = |word: &String| {
            word.replace("{checkpoint}", checkpoint).replace("{port}", &port.to_string()).replace("{replica}", &replica.to_string())
        };
        let words: Vec<String> = config.launch.iter().map(fill).collect();
        let command = words.join(" ");
        if let Some(directory) = log.parent() {
            atomic::make_directory(directory)?;
        }
        let out = atomic::open_to_append(log)?.into_file();
        let mut prepared = Command::new(words.first().map_or("", String::as_str));
        prepared.args(words.iter().skip(1)).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        match ProcessGroup::start(&mut prepared, Shutdown::SERVER, &config.secrets_for_programs()) {
            Ok(group) => Ok(Server { group, command, port, log: log.to_owned() }),
            Err(error) => {
                let problem = "the server cannot be started (policy.launch)".to_owned();
                Err(Error::Server { endpoint: command, problem, source: Some(error.into()) })
            }
        }
    }

    /// Its base address.
    pub(super) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// Waits until it is ready.
    pub(super) fn wait(&mut self, client: &HttpClient, health: &str, limit: Duration) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/{}", self.port, health.trim_start_matches('/'));
        let began = Instant::now();
        while !client.is_healthy(&url, HEALTH) {
            self.check()?;
            if began.elapsed() > limit {
                let limit = limit.as_secs_f64();
                return Err(self.failed(&format!("is not ready after {limit:.0} s (policy.start_seconds): {url} does not answer 200")));
            }
            std::thread::sleep(POLL);
        }
        // If the server ended because its port was taken, another program answers at the port.
        self.check()
    }

    /// Checks that it still runs.
    ///
    /// # Errors
    /// It has ended. The error shows the end of its log.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.group.status() {
            None => Ok(()),
            Some(status) => Err(self.failed(&format!("ended ({status})"))),
        }
    }

    fn failed(&self, problem: &str) -> Error {
        let problem = format!("{problem}; the end of its log, {}:\n{}", self.log.display(), log_tail(&self.log, SHOWN));
        Error::Server { endpoint: self.command.clone(), problem, source: None }
    }
}

/// A free port. Another program can take it before the server does. The server then ends, and its log says why.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
