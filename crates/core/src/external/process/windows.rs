//! A job object, which holds a program with all its children. Windows ends them when the last handle of the job is closed, whatever ends this
//! process.

use super::Shutdown;
use std::io;
use std::os::windows::io::AsRawHandle;
use std::process::{Child, Command};
use std::time::Duration;
use win32job::{ExtendedLimitInfo, Job};

/// The job. `None` after the program has ended.
#[derive(Debug)]
pub(super) struct Guard {
    job: Option<Job>,
}

impl Guard {
    pub(super) fn new(_: Shutdown) -> io::Result<Self> {
        let job = Job::create_with_limit_info(ExtendedLimitInfo::new().limit_kill_on_job_close()).map_err(io::Error::other)?;
        Ok(Guard { job: Some(job) })
    }

    /// Puts a program into the job.
    pub(super) fn watch(&mut self, leader: &Child) -> io::Result<()> {
        self.job.as_ref().map_or(Ok(()), |job| job.assign_process(leader.as_raw_handle() as isize).map_err(io::Error::other))
    }

    /// Windows has no request that every console program understands.
    #[expect(clippy::unused_self, reason = "on Unix the answer depends on it")]
    pub(super) fn ask_to_end(&self, _: &Child) -> Option<Duration> {
        None
    }

    /// Ends the program with all its children.
    pub(super) fn kill(&mut self, leader: &mut Child) {
        drop(self.job.take());
        kill(leader);
    }

    /// Lets what the program has started keep running.
    pub(super) fn dismiss(&mut self) {
        if let Some(job) = self.job.take() {
            let _ = job.set_extended_limit_info(&ExtendedLimitInfo::new());
        }
    }
}

/// A job needs no group.
pub(super) fn lead_a_group(_: &mut Command) {}

/// Ends the program alone, before it has a guard. A failure means that it has ended.
pub(super) fn kill(leader: &mut Child) {
    let _ = leader.kill();
}

pub(super) fn has_ended(leader: &mut Child) -> bool {
    leader.try_wait().ok().flatten().is_some()
}

pub(super) fn has_succeeded(leader: &mut Child) -> bool {
    matches!(leader.try_wait(), Ok(Some(status)) if status.success())
}
