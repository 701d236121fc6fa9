//! A loaded model, and the thread that samples and scores with it.
//!
//! Requests join the batch of this thread between two steps, and leave it when they are finished or when their client is gone. Results do not
//! depend on the batch.

use crate::metrics::Metrics;
use starloop_lm::LanguageModel;
use starloop_lm::checkpoint::weights_sha256;
use starloop_lm::engine::{Batch, Delivery, EngineLimits, Request, Update};
use starloop_lm::score::ScoredToken;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, atomic};
use std::thread::JoinHandle;
use tokio::sync::mpsc::UnboundedSender;

/// Prompts that belong to one request of a client.
#[derive(Debug)]
pub(crate) struct Job {
    /// The prompts, how each is completed, and the seeds. Prompts that are only scored have no seeds.
    pub(crate) requests: Vec<Request>,
    pub(crate) delivery: Delivery,
    /// Prompts are scored too, with this many of the likeliest tokens at each place.
    pub(crate) scoring: Option<usize>,
    /// Receives the results. The work stops when the other end is dropped.
    pub(crate) events: UnboundedSender<EngineEvent>,
}

/// A result of a job.
#[derive(Debug)]
pub(crate) enum EngineEvent {
    /// The scores of each prompt.
    Scored(Vec<Vec<Option<ScoredToken>>>),
    /// A token or the end of a completion of the prompt with this place in the job.
    Update(usize, Update),
    /// The work failed.
    Failed(starloop_lm::Error),
}

/// A loaded model.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) model: Arc<LanguageModel>,
    /// The SHA-256 of its weights, in hexadecimal.
    pub(crate) sha256: String,
    /// The most tokens of a prompt with its completion.
    pub(crate) longest: usize,
    inbox: Sender<Job>,
    thread: JoinHandle<()>,
}

impl Engine {
    /// Loads a checkpoint or an adapter, and starts its thread. The thread ends when this value is dropped and all its work is done.
    pub(crate) fn start(directory: &Path, limits: &EngineLimits, metrics: &Arc<Metrics>) -> starloop_lm::Result<Self> {
        let model = Arc::new(LanguageModel::load(directory)?);
        let sha256 = weights_sha256(directory)?;
        let longest = limits.longest_sequence(&model)?;
        let (inbox, jobs) = channel();
        let (shared, limits, metrics) = (Arc::clone(&model), *limits, Arc::clone(metrics));
        let work = move || {
            let worked = catch_unwind(AssertUnwindSafe(|| work(&shared, &limits, &jobs, &metrics)));
            if let Ok(Err(error)) = worked {
                log::error!("an engine stopped: {error}");
            }
        };
        let thread = std::thread::Builder::new().name("engine".into()).spawn(work)?;
        Ok(Engine { model, sha256, longest, inbox, thread })
    }

    /// Returns true if the thread has ended, which happens before this value is dropped only after a failure.
    pub(crate) fn has_failed(&self) -> bool {
        self.thread.is_finished()
    }

    /// Gives a job to the thread. Returns false if the thread has failed.
    pub(crate) fn submit(&self, job: Job) -> bool {
        self.inbox.send(job).is_ok()
    }
}

/// A request in the batch.
struct Open {
    /// Its place in the job.
    prompt: usize,
    /// Completions that are not finished.
    missing: usize,
    events: UnboundedSender<EngineEvent>,
}

/// The work of the thread.
fn work(model: &LanguageModel, limits: &EngineLimits, jobs: &Receiver<Job>, metrics: &Metrics) -> starloop_lm::Result<()> {
    let mut batch = Batch::new(model, limits)?;
    let mut open: HashMap<u64, Open> = HashMap::new();
    loop {
        // Without work, the thread waits for a job, and ends when no job can come any more.
        let first = if batch.is_idle() {
            let Ok(job) = jobs.recv() else { return Ok(()) };
            Some(job)
        } else {
            None
        };
        for job in first.into_iter().chain(jobs.try_iter()) {
            begin(model, &mut batch, &mut open, job);
        }
        let gone: Vec<u64> = open.iter().filter(|(_, open)| open.events.is_closed()).map(|(number, _)| *number).collect();
        if !gone.is_empty() {
            batch.cancel(&gone);
            open.retain(|number, _| !gone.contains(number));
            metrics.cancelled.fetch_add(gone.len() as u64, atomic::Ordering::Relaxed);
        }
        let before = batch.generated();
        for update in batch.step() {
            let number = update.request;
            let Some(request) = open.get_mut(&number) else { continue };
            request.missing -= usize::from(update.end.is_some());
            // A client that is gone is noticed before the next step.
            let _ = request.events.send(EngineEvent::Update(request.prompt, update));
            if request.missing == 0 {
                open.remove(&number);
            }
        }
        metrics.generated_tokens.fetch_add(batch.generated() - before, atomic::Ordering::Relaxed);
    }
}

/// Scores the prompts of a job if that is wanted, and adds its requests to the batch.
fn begin(model: &LanguageModel, batch: &mut Batch<'_>, open: &mut HashMap<u64, Open>, job: Job) {
    let Job { requests, delivery, scoring, events } = job;
    if let Some(alternatives) = scoring {
        let mut scores = Vec::with_capacity(requests.len());
        for request in &requests {
            if events.is_closed() {
                return;
            }
            match model.score_with_alternatives(&request.prompt, alternatives) {
                Ok(scored) => scores.push(scored),
                Err(error) => {
                    let _ = events.send(EngineEvent::Failed(error));
                    return;
                }
            }
        }
        let _ = events.send(EngineEvent::Scored(scores));
    }
    for (prompt, request) in requests.into_iter().enumerate().filter(|(_, request)| !request.seeds.is_empty()) {
        let missing = request.seeds.len();
        match batch.submit(request, delivery) {
            Ok(number) => _ = open.insert(number, Open { prompt, missing, events: events.clone() }),
            Err(error) => {
                let _ = events.send(EngineEvent::Failed(error));
                return;
            }
        }
    }
}
