//! A run in progress, read from its files: its stage, its speed, the time left, and the latest rationales.
//!
//! A running stage has written no figures yet, only its start in `events.jsonl`. Its progress is an estimate from the time that the same kind
//! of work took before.

mod estimate;

use crate::error::Result;
use crate::report::directory_name;
use crate::words::Purpose;
use serde::Serialize;
use starloop_record::RunDir;
use starloop_record::event::{Event, Stage};
use starloop_record::info::{MethodInfo, RunInfo, RunStatus};
use starloop_record::metrics::{IterationMetrics, LossPoint};
use starloop_record::types::{GradedAttempt, ProblemRecord};
use std::path::Path;

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunProgress {
    /// The run's name: that of its directory.
    pub run: String,
    /// Shows if a process works on the run.
    pub state: RunState,
    /// The time of its last event, in seconds since the Unix epoch; `null` if it has no events.
    pub last_news: Option<f64>,
    /// Seconds of work until then, without the pauses between an interruption and a resumption.
    pub worked: f64,
    /// Its methods, in the order in which they are run.
    pub methods: Vec<MethodProgress>,
    /// The finished stages of the latest iteration, in order.
    pub done: Vec<FinishedStage>,
    /// The stage under way, or the stage in which the run was stopped; `null` between stages, and when the run is finished.
    pub under_way: Option<UnderWay>,
    /// Seconds of work left after [`RunProgress::last_news`], at most; `null` if some kind of work that is left was never done before.
    pub left: Option<f64>,
    /// The warnings of the run, the latest last.
    pub warnings: Vec<String>,
    /// The command that resumes the run; `null` if it is running or finished.
    pub resume: Option<String>,
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// A process holds it.
    Running,
    /// Every method is done.
    Finished,
    /// It is not finished, and no process on this machine holds it. A copy of a running run has this state too.
    Stopped,
    /// The same, and its process ended with an error.
    Failed,
}

impl RunState {
    /// The state of a run with these events.
    pub(crate) fn of(run: &RunDir, status: RunStatus, events: &[(f64, Event)]) -> Self {
        match (status, events.last()) {
            (RunStatus::Finished, _) => RunState::Finished,
            // A copy that cannot be written has no lock that could be tried. No process works on it.
            (RunStatus::Running, _) if run.is_held().unwrap_or(false) => RunState::Running,
            (RunStatus::Running, Some((_, Event::RunFailed { .. }))) => RunState::Failed,
            (RunStatus::Running, _) => RunState::Stopped,
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Finished => "finished",
            RunState::Stopped => "stopped",
            RunState::Failed => "failed",
        }
    }

    /// Returns true if the work can go on and nobody does it.
    pub fn can_be_resumed(self) -> bool {
        matches!(self, RunState::Stopped | RunState::Failed)
    }
}

/// The command that resumes the run in a directory.
pub fn resume_command(root: &Path) -> String {
    let root = shell_word(&root.display().to_string());
    format!("starloop run {root}/config.toml --run-dir {root} --resume")
}

/// A text as one word of a shell.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=,:@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// How far a method has come.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodProgress {
    /// The description of the method, with an estimate of its whole work.
    #[serde(flatten)]
    pub info: MethodInfo,
    /// The figures of its finished iterations.
    pub iterations: Vec<IterationMetrics>,
    /// Its figures on the final split, once they are measured.
    pub final_metrics: Option<IterationMetrics>,
    /// The curve of the loss through all its fine-tunings. Their steps are counted on.
    pub losses: Vec<LossPoint>,
}

/// A finished stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FinishedStage {
    /// The method's name in the config.
    pub method: String,
    /// The outer iteration.
    pub iteration: u32,
    /// The stage.
    pub stage: Stage,
    /// Completions sampled, or steps trained.
    pub units: u64,
    /// Tokens sampled or trained.
    pub tokens: u64,
    /// Wall-clock seconds of the work, if they are known. A result that was found on resuming keeps the time of its work.
    pub seconds: Option<f64>,
}

/// A stage under way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnderWay {
    /// The method's name in the config.
    pub method: String,
    /// The outer iteration.
    pub iteration: u32,
    /// The stage.
    pub stage: Stage,
    /// Completions to sample, or steps to train.
    pub units: u64,
    /// When it began, in seconds since the Unix epoch.
    pub since: f64,
    /// Seconds that it may take; `null` if this kind of work was never done before.
    pub expected: Option<f64>,
}

/// One of the newest attempts and answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rationale {
    /// The outer iteration.
    pub iteration: u32,
    /// The purpose of the attempt.
    pub purpose: Purpose,
    /// The problem, if the run recorded it.
    #[serde(rename = "question")]
    pub problem: Option<ProblemRecord>,
    /// The completion and its verdict.
    #[serde(flatten)]
    pub graded: GradedAttempt,
}

/// A run that is read again and again.
#[derive(Debug)]
pub struct Watch {
    run: RunDir,
    info: RunInfo,
    /// The name of its directory, which reports show too.
    name: String,
}

/// The history of a run, from its events.
#[derive(Debug, Default)]
struct History {
    /// Each finished stage once, in the order of the work.
    done: Vec<FinishedStage>,
    under_way: Option<UnderWay>,
    last_news: Option<f64>,
    worked: f64,
    warnings: Vec<String>,
}

impl Watch {
    /// Opens a run, even while another process works in it. Nothing is written or started.
    ///
    /// # Errors
    /// There is no run, or it has another layout.
    pub fn open(root: &Path) -> Result<Watch> {
        let run = RunDir::open_read_only(root)?;
        Ok(Watch { info: run.info()?, run, name: directory_name(root) })
    }

    /// A mark that changes whenever the run has done something.
    pub fn mark(&self) -> Option<u64> {
        self.run.events_length()
    }

    /// How far the run has come.
    ///
    /// # Errors
    /// A file is damaged.
    pub fn progress(&self) -> Result<RunProgress> {
        let events = self.run.timed_events()?;
        let state = RunState::of(&self.run, self.run.info()?.status, &events);
        let mut history = History::of(events);
        let methods = self.info.methods.iter().map(|info| self.method(info)).collect::<Result<Vec<_>>>()?;
        if state == RunState::Finished {
            history.under_way = None;
        }
        let rates = estimate::Rates::of(&history.done);
        if let Some(stage) = &mut history.under_way {
            stage.expected = rates.seconds(&stage.method, stage.stage, stage.units);
        }
        let left = if state == RunState::Finished { Some(0.0) } else { estimate::left(&methods, &history, &rates) };
        let latest = history.under_way.as_ref().map(|stage| (stage.method.clone(), stage.iteration));
        let latest = latest.or_else(|| history.done.last().map(|work| (work.method.clone(), work.iteration)));
        let History { mut done, under_way, last_news, worked, warnings } = history;
        done.retain(|work| latest.as_ref().is_some_and(|(method, iteration)| work.method == *method && work.iteration == *iteration));
        let resume = state.can_be_resumed().then(|| resume_command(self.run.root()));
        Ok(RunProgress { run: self.name.clone(), state, last_news, worked, methods, done, under_way, left, warnings, resume })
    }

    fn method(&self, info: &MethodInfo) -> Result<MethodProgress> {
        let iterations = self.run.metrics(&info.name)?;
        let mut losses = Vec::new();
        let mut steps = 0;
        for iteration in self.run.iterations(&info.name)? {
            let points = self.run.iteration(&info.name, iteration).losses()?.unwrap_or_default();
            losses.extend(points.iter().map(|point| LossPoint { step: steps + point.step, ..*point }));
            steps += points.last().map_or(0, |point| point.step);
        }
        let final_metrics = self.run.final_measurement(&info.name).metrics()?;
        Ok(MethodProgress { info: info.clone(), iterations, final_metrics, losses })
    }

    /// The newest attempts and answers of a method, at most `most` of each, spread over their files.
    ///
    /// # Errors
    /// A file is damaged.
    pub fn rationales(&self, method: &str, most: usize) -> Result<Vec<Rationale>> {
        for iteration in self.run.iterations(method)?.into_iter().rev() {
            let place = self.run.iteration(method, iteration);
            let attempts = place.some_attempts(most)?;
            let answers = place.some_evaluations(most)?;
            if attempts.is_empty() && answers.is_empty() {
                continue;
            }
            let problems = place.problems()?;
            let rationale = |(purpose, graded): (Purpose, GradedAttempt)| {
                let problem = problems.get(&graded.attempt.problem).cloned();
                Rationale { iteration, purpose, problem, graded }
            };
            let attempts = attempts.into_iter().map(|graded| (graded.attempt.mode.into(), graded));
            let answers = answers.into_iter().map(|graded| (Purpose::Evaluation, graded));
            return Ok(attempts.chain(answers).map(rationale).collect());
        }
        Ok(Vec::new())
    }
}

impl History {
    fn of(events: Vec<(f64, Event)>) -> History {
        let mut history = History::default();
        for (time, event) in events {
            if let (Some(before), false) = (history.last_news, matches!(event, Event::RunStarted { .. })) {
                history.worked += (time - before).max(0.0);
            }
            history.last_news = Some(time);
            match event {
                Event::RunStarted { .. } => history.under_way = None,
                Event::StageStarted { method, iteration, stage, total } => {
                    history.under_way = Some(UnderWay { method, iteration, stage, units: total, since: time, expected: None });
                }
                Event::StageFinished { method, iteration, stage, tokens, seconds, reused } => {
                    let units = history.under_way.take().map_or(0, |stage| stage.units);
                    history.finish(FinishedStage { method, iteration, stage, units, tokens, seconds: (!reused).then_some(seconds) });
                }
                Event::Warning { message } => history.warnings.push(message),
                Event::RunFailed { message } => history.warnings.push(format!("the run failed: {message}")),
                _ => {}
            }
        }
        history
    }

    /// Work that was done twice counts with its last time. A result that was found keeps the time of its work.
    fn finish(&mut self, work: FinishedStage) {
        let same =
            |before: &&mut FinishedStage| (&before.method, before.iteration, before.stage) == (&work.method, work.iteration, work.stage);
        match self.done.iter_mut().find(same) {
            Some(before) => *before = FinishedStage { seconds: work.seconds.or(before.seconds), ..work },
            None => self.done.push(work),
        }
    }
}

#[cfg(test)]
mod tests;
