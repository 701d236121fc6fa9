//! Many requests to several servers at once.
//!
//! Each server has a queue of requests: a contiguous part of all requests in the order of their prompts. Prompts with the same beginning go to
//! the same server one after another, because the server may still have the keys and values of that beginning. Each server has its own threads,
//! one for each open request. A server with an empty queue takes requests from the end of the longest other queue, so a slow or dead server
//! delays nothing.
//!
//! A failed request returns to the front of a queue after a pause. The pause doubles each time and differs between requests. A server that
//! fails many times in a row gets one request at a time until it answers again. A request that was answered is never sent again.

use super::dialect::{Prompt, ServerChoice};
use crate::error::with_causes;
use crate::external::http::{Failure, HttpError, RetryPolicy};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failed connections and missed time limits in a row after which a server counts as down. A failed answer weighs less, by the number of open
/// requests: a server that gives one is there, and some requests fail more than once.
const FAILURES_UNTIL_DOWN: u32 = 8;
/// The longest time that a thread without work waits before it checks again.
const POLL: Duration = Duration::from_millis(500);

/// A request: a prompt and the samples that are wanted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) prompt: Arc<Prompt>,
    /// The places of the completions in the result of the call, and the seed of each.
    pub(super) samples: Vec<(usize, u64)>,
    /// Failed answers.
    pub(super) failures: u32,
}

/// One sample that has arrived.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arrival {
    /// Its place in the result of the call.
    pub(super) place: usize,
    pub(super) choice: ServerChoice,
    pub(super) prompt_tokens: usize,
    pub(super) completion_tokens: usize,
}

/// The outcome of a request. Outcomes arrive in any order.
#[derive(Debug)]
pub(super) enum ServerOutcome {
    /// Samples that one request was answered with.
    Samples(Vec<Arrival>),
    /// A request will never be answered: its first place, and why.
    Refused(usize, Refusal),
}

/// The reason why a request will never be answered.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Failed answers.
    pub(super) failures: u32,
    /// The last of them.
    pub(super) error: HttpError,
}

/// Sends one job to the server with a number.
pub(super) type Ask = dyn Fn(usize, &Job) -> Result<Vec<Arrival>, HttpError> + Send + Sync;

/// Limits for each server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Open requests for each server.
    pub(super) in_flight: usize,
    /// How often one request may fail, and the longest time that a server can ask to wait.
    pub(super) retry: RetryPolicy,
}

/// Requests in progress. Dropping it stops the sending, and does not wait for open requests.
pub(super) struct Dispatch {
    shared: Arc<Shared>,
    outcomes: Receiver<ServerOutcome>,
}

struct Shared {
    state: Mutex<State>,
    /// Notified when the state changes.
    news: Condvar,
    limits: Limits,
    ask: Box<Ask>,
}

struct State {
    queues: Vec<Queue>,
    /// Samples that have not arrived.
    missing: usize,
    stopped: bool,
}

/// One server's requests.
#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Failures since its last answer, by their weight.
    failures: u32,
    /// The weight of failures after which the server counts as down.
    limit: u32,
    /// The server gets no request before this time.
    not_before: Option<Instant>,
    /// True if one request is checking that the server is back.
    probing: bool,
    /// How often that check failed.
    probes: u32,
    /// Its last failure, since it last answered.
    last_error: Option<String>,
}

impl Dispatch {
    /// Begins to send the jobs to `servers` servers.
    pub(super) fn begin(jobs: Vec<Job>, servers: usize, limits: Limits, ask: Box<Ask>) -> std::io::Result<Self> {
        let missing = jobs.iter().map(|job| job.samples.len()).sum();
        let weight = limits.in_flight as u32;
        let queues =
            divide(jobs, servers).into_iter().map(|jobs| Queue { jobs, limit: FAILURES_UNTIL_DOWN * weight, ..Queue::default() }).collect();
        let shared = Shared { state: Mutex::new(State { queues, missing, stopped: false }), news: Condvar::new(), limits, ask };
        let shared = Arc::new(shared);
        let (sender, outcomes) = channel();
        let dispatch = Dispatch { shared, outcomes };
        for server in 0..servers {
            // More threads than samples would have nothing to do.
            for _ in 0..limits.in_flight.min(missing) {
                let (shared, sender) = (Arc::clone(&dispatch.shared), sender.clone());
                std::thread::Builder::new().name("asking".into()).stack_size(STACK).spawn(move || shared.work(server, &sender))?;
            }
        }
        Ok(dispatch)
    }

    /// The next outcome, or nothing if there is none within the time limit.
    pub(super) fn next(&self, time_limit: Duration) -> Option<ServerOutcome> {
        self.outcomes.recv_timeout(time_limit).ok()
    }

    /// The last failure of each server, since it last answered.
    pub(super) fn last_errors(&self) -> Vec<Option<String>> {
        self.shared.lock().queues.iter().map(|queue| queue.last_error.clone()).collect()
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

    /// The work of one thread: sends requests to its server until all samples have arrived.
    fn work(&self, server: usize, outcomes: &Sender<ServerOutcome>) {
        while let Some(job) = self.take(server) {
            match (self.ask)(server, &job) {
                Ok(arrivals) => {
                    self.answered(server, job, &arrivals);
                    if outcomes.send(ServerOutcome::Samples(arrivals)).is_err() {
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

    /// Waits for the next request for a server. Returns nothing when all samples have arrived.
    fn take(&self, server: usize) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.stopped || state.missing == 0 {
                return None;
            }
            let now = Instant::now();
            let queue = &mut state.queues[server];
            let wait = queue.not_before.map(|when| when.saturating_duration_since(now)).filter(|wait| !wait.is_zero());
            let is_down = queue.is_down();
            let may_ask = wait.is_none() && !(is_down && queue.probing);
            if let Some(job) = may_ask.then(|| state.next_job(server)).flatten() {
                state.queues[server].probing = is_down;
                return Some(job);
            }
            let wait = wait.unwrap_or(POLL).min(POLL);
            state = self.news.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Records an answer. Samples that are missing in it are requested again.
    fn answered(&self, server: usize, mut job: Job, arrivals: &[Arrival]) {
        let mut state = self.lock();
        state.missing -= arrivals.len();
        job.samples.drain(..arrivals.len());
        let queue = &mut state.queues[server];
        let was_down = queue.is_down();
        (queue.failures, queue.probes, queue.probing, queue.last_error) = (0, 0, false, None);
        if was_down {
            queue.not_before = None;
        }
        if !job.samples.is_empty() {
            queue.jobs.push_front(Job { failures: 0, ..job });
        }
        if was_down || state.missing == 0 {
            self.news.notify_all();
        }
    }

    /// Puts a request at the front of a queue.
    fn give_back(&self, server: usize, job: Job) {
        self.lock().queues[server].jobs.push_front(job);
        self.news.notify_one();
    }

    /// Puts a failed request back after a pause, unless it failed for good or too often.
    fn failed(&self, server: usize, mut job: Job, error: HttpError) -> Option<ServerOutcome> {
        let failure = error.failure();
        let is_of_this_request = matches!(failure, Failure::Server | Failure::Timeout);
        job.failures += u32::from(is_of_this_request);
        if failure == Failure::Permanent || job.failures >= self.limits.retry.attempts {
            let place = job.samples.first().map_or(0, |(place, _)| *place);
            return Some(ServerOutcome::Refused(place, Refusal { failures: job.failures, error }));
        }
        let (salt, now) = (job.samples.first().map_or(0, |(_, seed)| *seed), Instant::now());
        let mut state = self.lock();
        let queue = &mut state.queues[server];
        queue.last_error = Some(with_causes(&error));
        let until = |pause: Duration, queue: &Queue| queue.not_before.map_or(now + pause, |when| when.max(now + pause));
        if matches!(failure, Failure::Busy { .. }) {
            // The server is up, and may have said when to try again.
            if let Some(wait) = self.limits.retry.retry_after(&error) {
                queue.not_before = Some(until(wait, queue));
            }
        } else {
            let weight = if failure == Failure::Server { 1 } else { self.limits.in_flight as u32 };
            queue.failures = queue.failures.saturating_add(weight);
            queue.probes += u32::from(queue.probing);
        }
        let is_down = queue.is_down();
        if is_down {
            queue.not_before = Some(until(RetryPolicy::pause(queue.probes, salt), queue));
        }
        // Another server may succeed.
        let next = if is_of_this_request { (server + 1) % state.queues.len() } else { server };
        drop(state);
        if !is_down {
            // The thread waits with its request, so that a failing server gets fewer requests at once.
            std::thread::sleep(RetryPolicy::pause(job.failures.max(1), salt));
        }
        self.lock().queues[server].probing = false;
        self.give_back(next, job);
        None
    }
}

impl Queue {
    /// Returns true if the server counts as down.
    fn is_down(&self) -> bool {
        self.failures >= self.limit
    }
}

impl State {
    /// The first request of the server's own queue, or the last one of the longest other queue.
    fn next_job(&mut self, server: usize) -> Option<Job> {
        if let Some(job) = self.queues[server].jobs.pop_front() {
            return Some(job);
        }
        let longest = self.queues.iter_mut().max_by_key(|queue| queue.jobs.len())?;
        longest.jobs.pop_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_gets_a_contiguous_part() {
        let job = |place| Job { prompt: Arc::new(Prompt::Text(String::new())), samples: vec![(place, 0)], failures: 0 };
        let queues = divide((0..7).map(job).collect(), 3);
        let places: Vec<Vec<usize>> = queues.iter().map(|queue| queue.iter().map(|job| job.samples[0].0).collect()).collect();
        assert_eq!(places, [vec![0, 1], vec![2, 3], vec![4, 5, 6]]);
    }
}
