//! A look at a run while it goes on, from its files alone: where it is, how fast, how long it may take, what was said last.
//!
//! The run knows nothing of it. What is under way has left no figures yet, only its beginning in `events.jsonl`; so how far it has come is
//! judged by how long the same kind of work took before, and is an estimate everywhere.

mod estimate;

use crate::config::Config;
use crate::error::Result;
use crate::event::{Event, Stage};
use crate::inspect::Purpose;
use crate::method::{self, Approach, Estimate};
use crate::metrics::{IterationMetrics, LossPoint};
use crate::report::{Question, Questions};
use crate::run_dir::{RunDir, RunStatus};
use crate::types::{GradedAttempt, Mode};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    /// The run's name.
    pub run: String,
    /// Whether it is finished. One that was interrupted is running as far as its files tell.
    pub status: RunStatus,
    /// When its files last told something, in seconds since the Unix epoch; `null` where they tell no times.
    pub last_news: Option<f64>,
    /// Seconds that it has worked until then, without the pauses between being interrupted and taken up again.
    pub worked: f64,
    /// Its methods, in the order in which they are run.
    pub methods: Vec<MethodProgress>,
    /// What was done of the iteration that was worked at last, in order.
    pub done: Vec<Work>,
    /// What is under way; `null` between stages, and when the run is finished.
    pub under_way: Option<UnderWay>,
    /// Seconds of work left after [`Progress::last_news`], at most; `null` where nothing of the kind was done before.
    pub left: Option<f64>,
    /// What the run warned of, the latest last.
    pub warnings: Vec<String>,
}

/// How far a method has come.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodProgress {
    /// The method's name in the config.
    pub name: String,
    /// What it does.
    pub kind: Approach,
    /// Outer iterations that it makes at most; `null` where the task's files are not here to tell.
    pub planned: Option<u32>,
    /// The figures of its finished iterations.
    pub iterations: Vec<IterationMetrics>,
    /// Its figures on the final split, where there is one and they are measured.
    pub final_metrics: Option<IterationMetrics>,
    /// The curve of the loss through all its fine-tunings, their steps counted on.
    pub losses: Vec<LossPoint>,
}

/// A stage that was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Work {
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
    /// Wall-clock seconds; of what was found instead of done, those of when it was done, if they are known.
    pub seconds: Option<f64>,
}

/// A stage that was begun.
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
    /// Seconds that it may take; `null` where nothing of the kind was done before.
    pub expected: Option<f64>,
}

/// An attempt or an answer of the newest ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rationale {
    /// The outer iteration.
    pub iteration: u32,
    /// What it was made for.
    pub purpose: Purpose,
    /// What was asked, where the task's files are here to tell.
    pub question: Option<Question>,
    /// What was answered, and the verdict.
    #[serde(flatten)]
    pub graded: GradedAttempt,
}

/// A run that is looked at again and again.
#[derive(Debug)]
pub struct Watch {
    run: RunDir,
    config: Config,
    /// What each method will do at most; empty where the task's files are not here.
    planned: BTreeMap<String, Estimate>,
}

/// What the events tell.
#[derive(Debug, Default)]
struct History {
    /// Each stage once, in the order in which they were first done.
    done: Vec<Work>,
    under_way: Option<UnderWay>,
    last_news: Option<f64>,
    worked: f64,
    warnings: Vec<String>,
}

impl Watch {
    /// Opens a run, whoever works in it. Nothing is written, locked or started.
    ///
    /// # Errors
    /// There is no run, or one of another version.
    pub fn open(root: &Path) -> Result<Watch> {
        let run = RunDir::open_read_only(root)?;
        let config = run.config()?;
        let planned = config.task.build(config.seed).map(|task| {
            let estimate = |(name, method): (&str, _)| (name.to_owned(), method::estimate(method, task.as_ref()));
            config.methods_to_run().map(estimate).collect()
        });
        Ok(Watch { planned: planned.unwrap_or_default(), run, config })
    }

    /// A mark that is another one as soon as the run has done something.
    pub fn mark(&self) -> Option<u64> {
        self.run.events_length()
    }

    /// How far the run has come.
    ///
    /// # Errors
    /// A file is damaged.
    pub fn progress(&self) -> Result<Progress> {
        let status = self.run.info()?.map_or(RunStatus::Running, |info| info.status);
        let mut history = History::of(self.run.timed_events()?);
        let methods = self.config.methods_to_run();
        let methods = methods.map(|(name, config)| self.method(name, config.method.approach())).collect::<Result<Vec<_>>>()?;
        if status == RunStatus::Finished {
            history.under_way = None;
        }
        let rates = estimate::Rates::of(&history.done);
        if let Some(stage) = &mut history.under_way {
            stage.expected = rates.seconds(&stage.method, stage.stage, stage.units);
        }
        let left = if status == RunStatus::Finished { Some(0.0) } else { estimate::left(&methods, &history, &rates, &self.planned) };
        let at_work = history.under_way.as_ref().map(|stage| (stage.method.clone(), stage.iteration));
        let at_work = at_work.or_else(|| history.done.last().map(|work| (work.method.clone(), work.iteration)));
        let History { mut done, under_way, last_news, worked, warnings } = history;
        done.retain(|work| at_work.as_ref().is_some_and(|(method, iteration)| work.method == *method && work.iteration == *iteration));
        Ok(Progress { run: self.config.name.clone(), status, last_news, worked, methods, done, under_way, left, warnings })
    }

    fn method(&self, name: &str, kind: Approach) -> Result<MethodProgress> {
        let iterations = self.run.metrics(name)?;
        let mut losses = Vec::new();
        let mut steps = 0;
        for iteration in self.run.iterations(name)? {
            let points = self.run.iteration(name, iteration).losses()?.unwrap_or_default();
            losses.extend(points.iter().map(|point| LossPoint { step: steps + point.step, loss: point.loss }));
            steps += points.last().map_or(0, |point| point.step);
        }
        Ok(MethodProgress {
            name: name.to_owned(),
            kind,
            planned: self.planned.get(name).map(|estimate| estimate.iterations),
            final_metrics: self.run.final_measurement(name).metrics()?,
            iterations,
            losses,
        })
    }

    /// Some of the newest attempts and answers of a method, at most `most` of each, spread over their files.
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
            let mut questions = Questions::of(&self.config);
            questions.learn(method, iteration, &place)?;
            let rationale = |(purpose, graded): (Purpose, GradedAttempt)| {
                let question = questions.get(&graded.attempt.problem).cloned();
                Rationale { iteration, purpose, question, graded }
            };
            let purpose = |graded: &GradedAttempt| if graded.attempt.mode == Mode::Hinted { Purpose::Hinted } else { Purpose::Unhinted };
            let attempts = attempts.into_iter().map(|graded| (purpose(&graded), graded));
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
                    history.finish(Work { method, iteration, stage, units, tokens, seconds: (!reused).then_some(seconds) });
                }
                Event::Warning { message } => history.warnings.push(message),
                _ => {}
            }
        }
        history
    }

    /// What was done again counts as it was done last; what was found again, as it was done.
    fn finish(&mut self, work: Work) {
        let same = |before: &&mut Work| (&before.method, before.iteration, before.stage) == (&work.method, work.iteration, work.stage);
        match self.done.iter_mut().find(same) {
            Some(before) => *before = Work { seconds: work.seconds.or(before.seconds), ..work },
            None => self.done.push(work),
        }
    }
}

#[cfg(test)]
mod tests;
