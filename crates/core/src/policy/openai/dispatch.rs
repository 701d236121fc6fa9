//! Many requests to several servers at once.
//!
//! Each server has a line of requests, a contiguous part of all of them in the order of their prompts: what begins alike is asked one after
//! another at the same place, where the server may still have its keys and values. Each server has its own threads, one for each open
//! request; a server that has emptied its line takes from the far end of the longest other one. So a slow or dead server holds nothing up.
//!
//! A request that fails goes to the front of a line again after a pause, which doubles and is not the same for two requests. A server that
//! fails many times in a row is left alone but for one request at a time, until it answers again. Nothing is asked again once it was answered.

use super::dialect::{Choice, Prompt};
use crate::error::with_causes;
use crate::external::http::{Failure, HttpError, RetryPolicy};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failed connections and missed time limits in a row after which a server counts as gone. A failed answer weighs less, by the number of open
/// requests: a server that gives one is there, and some requests fail more than once.
const TRIPPED: u32 = 8;
/// How often a thread without work looks around.
const GLANCE: Duration = Duration::from_millis(500);

/// What is to be asked: the same prompt for some samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) prompt: Arc<Prompt>,
    /// The places of the completions in the result of the call, and the seed of each.
    pub(super) samples: Vec<(usize, u64)>,
    /// Failed answers.
    pub(super) failures: u32,
}

/// One sample that has come.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arrival {
    /// Its place in the result of the call.
    pub(super) place: usize,
    pub(super) choice: Choice,
    pub(super) prompt_tokens: usize,
    pub(super) completion_tokens: usize,
}

/// What comes of all requests, in any order.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Samples that one request was answered with.
    Samples(Vec<Arrival>),
    /// A request will never be answered: its first place, and why.
    Refused(usize, Refusal),
}

/// Why a request will never be answered.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Failed answers.
    pub(super) failures: u32,
    /// The last of them.
    pub(super) error: HttpError,
}

/// Sends one job to the server with a number.
pub(super) type Ask = dyn Fn(usize, &Job) -> Result<Vec<Arrival>, HttpError> + Send + Sync;

/// How servers are asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Open requests for each server.
    pub(super) in_flight: usize,
    /// How often one request may fail, and how long a server may keep it waiting.
    pub(super) retry: RetryPolicy,
}

/// Requests under way. Dropping it stops the asking: open requests are not waited for.
pub(super) struct Dispatch {
    shared: Arc<Shared>,
    outcomes: Receiver<Outcome>,
}

struct Shared {
    state: Mutex<State>,
    /// Something has changed in the state.
    news: Condvar,
    manner: Manner,
    ask: Box<Ask>,
}

struct State {
    lines: Vec<Line>,
    /// Samples that have not come yet.
    missing: usize,
    stopped: bool,
}

/// One server's requests.
#[derive(Default)]
struct Line {
    jobs: VecDeque<Job>,
    /// Failures since its last answer, by their weight.
    failures: u32,
    /// The weight of failures after which it counts as gone.
    limit: u32,
    /// It is not asked before.
    not_before: Option<Instant>,
    /// One request is trying whether it is back.
    probing: bool,
    /// How often that was in vain.
    probes: u32,
    /// Its last failure, since it last answered.
    last_error: Option<String>,
}

impl Dispatch {
    /// Begins to ask `servers` servers.
    pub(super) fn begin(jobs: Vec<Job>, servers: usize, manner: Manner, ask: Box<Ask>) -> std::io::Result<Self> {
        let missing = jobs.iter().map(|job| job.samples.len()).sum();
        let weight = manner.in_flight as u32;
        let lines = divide(jobs, servers).into_iter().map(|jobs| Line { jobs, limit: TRIPPED * weight, ..Line::default() }).collect();
        let shared = Shared { state: Mutex::new(State { lines, missing, stopped: false }), news: Condvar::new(), manner, ask };
        let shared = Arc::new(shared);
        let (sender, outcomes) = channel();
        let dispatch = Dispatch { shared, outcomes };
        for server in 0..servers {
            // More threads than samples would have nothing to do.
            for _ in 0..manner.in_flight.min(missing) {
                let (shared, sender) = (Arc::clone(&dispatch.shared), sender.clone());
                std::thread::Builder::new().name("asking".into()).stack_size(STACK).spawn(move || shared.work(server, &sender))?;
            }
        }
        Ok(dispatch)
    }

    /// The next outcome, or nothing if there is none within the time limit.
    pub(super) fn next(&self, time_limit: Duration) -> Option<Outcome> {
        self.outcomes.recv_timeout(time_limit).ok()
    }

    /// The last failure of each server, since it last answered.
    pub(super) fn last_errors(&self) -> Vec<Option<String>> {
        self.shared.lock().lines.iter().map(|line| line.last_error.clone()).collect()
    }
}

/// Bytes of a thread's stack: HTTP, TLS and JSON of one answer.
const STACK: usize = 1 << 20;

impl Drop for Dispatch {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.news.notify_all();
    }
}

/// Contiguous parts, one for each server, as equal as can be.
fn divide(jobs: Vec<Job>, servers: usize) -> Vec<VecDeque<Job>> {
    let (count, mut jobs) = (jobs.len(), jobs.into_iter());
    let part = |server: usize| (server + 1) * count / servers - server * count / servers;
    (0..servers).map(|server| jobs.by_ref().take(part(server)).collect()).collect()
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs while the state is half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One thread: takes requests for its server and puts them, until all samples are there.
    fn work(&self, server: usize, outcomes: &Sender<Outcome>) {
        while let Some(job) = self.take(server) {
            match (self.ask)(server, &job) {
                Ok(arrivals) => {
                    self.answered(server, job, &arrivals);
                    if outcomes.send(Outcome::Samples(arrivals)).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    if let Some(outcome) = self.failed(server, job, error) {
                        let _ = outcomes.send(outcome);
                        return;
                    }
                }
            }
        }
    }

    /// The next request for a server, when there is one and the server may be asked. Nothing when all samples are there.
    fn take(&self, server: usize) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.stopped || state.missing == 0 {
                return None;
            }
            let now = Instant::now();
            let line = &mut state.lines[server];
            let wait = line.not_before.map(|when| when.saturating_duration_since(now)).filter(|wait| !wait.is_zero());
            let is_down = line.is_down();
            let may_ask = wait.is_none() && !(is_down && line.probing);
            if let Some(job) = may_ask.then(|| state.next_job(server)).flatten() {
                state.lines[server].probing = is_down;
                return Some(job);
            }
            let wait = wait.unwrap_or(GLANCE).min(GLANCE);
            state = self.news.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Notes an answer. Samples that it lacks are asked for again.
    fn answered(&self, server: usize, mut job: Job, arrivals: &[Arrival]) {
        let mut state = self.lock();
        state.missing -= arrivals.len();
        job.samples.drain(..arrivals.len());
        let line = &mut state.lines[server];
        let was_down = line.is_down();
        (line.failures, line.probes, line.probing, line.last_error) = (0, 0, false, None);
        if was_down {
            line.not_before = None;
        }
        if !job.samples.is_empty() {
            line.jobs.push_front(Job { failures: 0, ..job });
        }
        if was_down || state.missing == 0 {
            self.news.notify_all();
        }
    }

    /// Puts a request at the front of a line.
    fn give_back(&self, server: usize, job: Job) {
        self.lock().lines[server].jobs.push_front(job);
        self.news.notify_one();
    }

    /// Puts a failed request back after a pause, unless it failed for good or too often.
    fn failed(&self, server: usize, mut job: Job, error: HttpError) -> Option<Outcome> {
        let failure = error.failure();
        let is_of_this_request = matches!(failure, Failure::Server | Failure::Timeout);
        job.failures += u32::from(is_of_this_request);
        if failure == Failure::Permanent || job.failures >= self.manner.retry.attempts {
            let place = job.samples.first().map_or(0, |(place, _)| *place);
            return Some(Outcome::Refused(place, Refusal { failures: job.failures, error }));
        }
        let (salt, now) = (job.samples.first().map_or(0, |(_, seed)| *seed), Instant::now());
        let mut state = self.lock();
        let line = &mut state.lines[server];
        line.last_error = Some(with_causes(&error));
        let until = |pause: Duration, line: &Line| line.not_before.map_or(now + pause, |when| when.max(now + pause));
        if matches!(failure, Failure::Busy { .. }) {
            // It is there, and may have said when to come again.
            if let Some(wait) = self.manner.retry.retry_after(&error) {
                line.not_before = Some(until(wait, line));
            }
        } else {
            let weight = if failure == Failure::Server { 1 } else { self.manner.in_flight as u32 };
            line.failures = line.failures.saturating_add(weight);
            line.probes += u32::from(line.probing);
        }
        let is_down = line.is_down();
        if is_down {
            line.not_before = Some(until(RetryPolicy::pause(line.probes, salt), line));
        }
        // Another server may do better.
        let next = if is_of_this_request { (server + 1) % state.lines.len() } else { server };
        drop(state);
        if !is_down {
            // The request waits in this thread, so that a server in trouble is asked less at once.
            std::thread::sleep(RetryPolicy::pause(job.failures.max(1), salt));
        }
        self.lock().lines[server].probing = false;
        self.give_back(next, job);
        None
    }
}

impl Line {
    /// Whether the server is taken to be gone.
    fn is_down(&self) -> bool {
        self.failures >= self.limit
    }
}

impl State {
    /// The first of the server's own line, or the last of the longest other one.
    fn next_job(&mut self, server: usize) -> Option<Job> {
        if let Some(job) = self.lines[server].jobs.pop_front() {
            return Some(job);
        }
        let longest = self.lines.iter_mut().max_by_key(|line| line.jobs.len())?;
        longest.jobs.pop_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_gets_a_contiguous_part() {
        let job = |place| Job { prompt: Arc::new(Prompt::Text(String::new())), samples: vec![(place, 0)], failures: 0 };
        let lines = divide((0..7).map(job).collect(), 3);
        let places: Vec<Vec<usize>> = lines.iter().map(|line| line.iter().map(|job| job.samples[0].0).collect()).collect();
        assert_eq!(places, [vec![0, 1], vec![2, 3], vec![4, 5, 6]]);
    }
}
