//! An estimate of the time left, from the time that the same kind of work took so far in this run.

use super::{FinishedStage, History, MethodProgress};
use starloop_record::event::Stage;
use starloop_record::info::MethodInfo;

/// The times of the stages of a run.
pub(super) struct Rates<'a> {
    /// The stages with a known time and number of units, the latest last.
    known: Vec<(&'a FinishedStage, f64)>,
}

impl<'a> Rates<'a> {
    pub(super) fn of(done: &'a [FinishedStage]) -> Self {
        Rates { known: done.iter().filter(|work| work.units > 0).filter_map(|work| Some((work, work.seconds?))).collect() }
    }

    /// Seconds of a stage, from the last time of the same stage of the method, or of any method, or of another stage that samples.
    pub(super) fn seconds(&self, method: &str, stage: Stage, units: u64) -> Option<f64> {
        let latest = |is_like: &dyn Fn(&FinishedStage) -> bool| self.known.iter().rev().find(|(work, _)| is_like(work));
        let same_method = latest(&|work| work.stage == stage && work.method == method);
        let found = same_method.or_else(|| latest(&|work| work.stage == stage)).or_else(|| {
            let samples = |stage| !matches!(stage, Stage::FineTuning | Stage::Pretraining);
            latest(&|work| samples(stage) && samples(work.stage))
        });
        found.map(|(work, seconds)| seconds / work.units as f64 * units as f64)
    }

    /// Seconds that the stages of some iterations of a method took.
    fn of_iterations(&self, method: &str, iterations: std::ops::RangeInclusive<u32>) -> f64 {
        let of = self.known.iter().filter(|(work, _)| work.method == method && iterations.contains(&work.iteration));
        of.map(|(_, seconds)| seconds).sum()
    }
}

/// Seconds from the last event to the end, at most: a method may stop early. Returns `None` if a kind of work that is left was never done.
pub(super) fn left(methods: &[MethodProgress], history: &History, rates: &Rates<'_>) -> Option<f64> {
    let at_work = history.under_way.as_ref().map(|stage| &stage.method).or(history.done.last().map(|work| &work.method))?;
    let place = methods.iter().position(|method| method.info.name == *at_work)?;
    methods[place..].iter().map(|method| of_method(method, rates)).sum()
}

/// Seconds that a method has left, from the beginning of its stage under way if there is one.
fn of_method(method: &MethodProgress, rates: &Rates<'_>) -> Option<f64> {
    let MethodInfo { name, estimate: planned, .. } = &method.info;
    let finished = method.iterations.iter().map(|metrics| metrics.iteration).filter(|&iteration| iteration > 0).max().unwrap_or(0);
    if finished > 0 {
        let mean = rates.of_iterations(name, 1..=finished) / f64::from(finished);
        let begun = rates.of_iterations(name, finished + 1..=u32::MAX);
        return Some((mean * f64::from(planned.iterations.saturating_sub(finished)) - begun).max(0.0));
    }
    let kinds = [(Stage::Sampling, planned.attempts), (Stage::Evaluating, planned.evaluations), (Stage::FineTuning, planned.steps)];
    let seconds: Option<f64> = kinds.iter().filter(|(_, units)| *units > 0).map(|(stage, units)| rates.seconds(name, *stage, *units)).sum();
    Some((seconds? - rates.of_iterations(name, 0..=u32::MAX)).max(0.0))
}
