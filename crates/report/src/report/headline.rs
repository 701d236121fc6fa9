//! The first sentences of a report: what was run, and what the main method reached. They are written here once. The terminal and the page
//! show the same ones.

use super::{MethodReport, RunReport};
use crate::error::Result;
use crate::paired::{PairedAnswers, PairedDifference, RightAnswers, right_answers};
use serde::Serialize;
use starloop_record::format::{count, percent, plural, range, thousands};
use starloop_record::metrics::{Accuracy, IterationMetrics};
use starloop_record::types::Split;
use starloop_record::{Approach, IterationDir, RunDir};

/// The result of a run in sentences.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Headline {
    /// The method that it is about, by its name in the config.
    pub method: String,
    /// The reason why it is about this method.
    pub choice: HeadlineChoice,
    /// The accuracy of the untrained model on the same problems; `null` if it was not measured.
    pub base: Option<Accuracy>,
    /// The accuracy of the method.
    pub accuracy: Accuracy,
    /// `builtin:arithmetic (1.23M parameters), arithmetic, 300 test problems`
    pub subject: String,
    /// `65.3% (untrained model, 3 worked examples) → 99.7% after 2 iterations of STaR (star); +34.3 points, 103 problems gained, 0 lost,
    /// McNemar p < 0.0001`
    pub result: String,
    /// The reason why it is about this method, and if that makes the figure too high.
    pub choice_note: String,
    /// `95% interval over 300 problems of one run: 98.1..99.9 (Wilson). Another seed can differ by more.`
    pub interval_note: String,
}

/// The reason why a headline is about its method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadlineChoice {
    /// No other method of its kind was measured.
    Only,
    /// The config names it.
    Config,
    /// It has the best accuracy on dev, and its figure is of another split.
    Dev,
    /// It has the best figure of so many on the split that it is reported on, so the figure is biased upwards.
    BestOf(usize),
}

/// Compares the methods of a run with the untrained model and with the main method, and writes the headline.
pub(super) fn add(run: &mut RunReport, directory: &RunDir) -> Result<()> {
    let measurements = run.methods.iter().map(|method| Measurement::read(run, method, directory)).collect::<Result<Vec<_>>>()?;
    let chosen = choose(run);
    let main = chosen.map(|(place, _)| place);
    let difference =
        |before: Option<&RightAnswers>, after: &RightAnswers| Some(PairedDifference::from(&PairedAnswers::of(before?, after)?));
    let differences: Vec<_> = measurements
        .iter()
        .enumerate()
        .map(|(place, measurement)| {
            let of_main = main.filter(|main| *main != place).map(|main| &measurements[main].answers);
            [difference(measurement.base.as_ref(), &measurement.answers), difference(of_main, &measurement.answers)]
        })
        .collect();
    for (method, [from_base, from_main]) in run.methods.iter_mut().zip(differences) {
        (method.from_base, method.from_main) = (from_base, from_main);
    }
    run.headline = match chosen {
        Some((place, choice)) => headline(run, &run.methods[place], choice),
        None => None,
    };
    Ok(())
}

/// The answers behind the figure of a method.
struct Measurement {
    answers: RightAnswers,
    /// Those of the untrained model to the same problems.
    base: Option<RightAnswers>,
}

impl Measurement {
    fn read(run: &RunReport, method: &MethodReport, directory: &RunDir) -> Result<Self> {
        Ok(Measurement { answers: right_answers(&place(method, directory))?, base: base_answers(run, method, directory)? })
    }
}

/// The untrained model's answers to the problems of a method's figure.
pub(super) fn base_answers(run: &RunReport, method: &MethodReport, directory: &RunDir) -> Result<Option<RightAnswers>> {
    Ok(match base(run, method) {
        Some((base, _)) if base.info.name == method.info.name => Some(right_answers(&directory.iteration(&method.info.name, 0))?),
        Some((base, _)) => Some(right_answers(&place(base, directory))?),
        None => None,
    })
}

/// The place of the answers that [`MethodReport::shown`] counts.
fn place(method: &MethodReport, directory: &RunDir) -> IterationDir {
    let name = &method.info.name;
    if method.final_metrics.is_some() { directory.final_measurement(name) } else { directory.iteration(name, method.shown().iteration) }
}

/// The untrained model's figure beside that of a method: the method's iteration 0, or on the final split the method that only prompts.
fn base<'a>(run: &'a RunReport, method: &'a MethodReport) -> Option<(&'a MethodReport, &'a IterationMetrics)> {
    let shown = method.shown();
    if shown.iteration == 0 {
        return None;
    }
    let is_base = |metrics: &&IterationMetrics| metrics.iteration == 0 && metrics.split == shown.split && metrics.accuracy.total > 0;
    let own = method.iterations.iter().map(|iteration| &iteration.metrics).find(is_base).map(|metrics| (method, metrics));
    let prompted = || run.methods.iter().filter(|other| other.info.approach == Approach::FewShot);
    own.or_else(|| prompted().map(|other| (other, other.shown())).find(|(_, metrics)| is_base(metrics)))
}

/// The method that the headline is about. A method that learns from its own rationales goes before the others.
fn choose(run: &RunReport) -> Option<(usize, HeadlineChoice)> {
    let measured: Vec<usize> = (0..run.methods.len()).filter(|&place| run.methods[place].final_accuracy().is_some()).collect();
    if let Some(main) = measured.iter().find(|&&place| run.info.main.as_ref() == Some(&run.methods[place].info.name)) {
        return Some((*main, HeadlineChoice::Config));
    }
    let bootstraps = |place: &usize| run.methods[*place].info.approach.bootstraps();
    let candidates: Vec<usize> = if measured.iter().any(bootstraps) { measured.into_iter().filter(bootstraps).collect() } else { measured };
    let best = |figure: &dyn Fn(&MethodReport) -> f64| {
        candidates.iter().copied().max_by(|a, b| figure(&run.methods[*a]).total_cmp(&figure(&run.methods[*b])))
    };
    if candidates.len() > 1 && candidates.iter().all(|&place| run.methods[place].final_metrics.is_some()) {
        return Some((best(&chosen_accuracy)?, HeadlineChoice::Dev));
    }
    let choice = if candidates.len() == 1 { HeadlineChoice::Only } else { HeadlineChoice::BestOf(candidates.len()) };
    Some((best(&|method| method.shown().accuracy.mean)?, choice))
}

/// The accuracy by which the best iteration was chosen, before its final measurement.
fn chosen_accuracy(method: &MethodReport) -> f64 {
    let chosen = method.shown().iteration;
    let metrics = method.iterations.iter().map(|iteration| &iteration.metrics).find(|metrics| metrics.iteration == chosen);
    metrics.map_or(0.0, |metrics| metrics.accuracy.mean)
}

fn headline(run: &RunReport, method: &MethodReport, choice: HeadlineChoice) -> Option<Headline> {
    let metrics = method.shown();
    let accuracy = *method.final_accuracy()?;
    let base = base(run, method).map(|(_, metrics)| metrics.accuracy);
    let name = &method.info.name;
    let after = match metrics.iteration {
        0 => String::new(),
        iterations if method.info.approach.bootstraps() => format!("after {} of ", plural(iterations.into(), "iteration")),
        _ => "after ".to_owned(),
    };
    let reached = format!("{}% {after}{} ({name})", percent(accuracy.mean), method.info.label);
    let from = base.map(|base| {
        let examples = match worked_examples(&run.config, name) {
            0 => String::new(),
            several => format!(", {}", plural(several, "worked example")),
        };
        format!("{}% (untrained model{examples}) \u{2192} ", percent(base.mean))
    });
    let difference = method.from_base.map(|difference| format!("; {}, {}", difference.points(), difference.test()));
    Some(Headline {
        method: name.clone(),
        choice,
        base,
        accuracy,
        subject: subject(run, metrics.split, accuracy.total),
        result: from.unwrap_or_default() + &reached + &difference.unwrap_or_default(),
        choice_note: choice_note(choice, name, metrics.split),
        interval_note: format!(
            "95% interval over {} of one run: {}% (Wilson). Another seed can differ by more.",
            plural(accuracy.total, "problem"),
            range([accuracy.low, accuracy.high])
        ),
    })
}

fn choice_note(choice: HeadlineChoice, name: &str, split: Split) -> String {
    match choice {
        HeadlineChoice::Only => format!("{name} is the only method of its kind in the run, so nothing was chosen by the figure."),
        HeadlineChoice::Config => format!("The config names {name} as the main method."),
        HeadlineChoice::Dev => format!("{name} has the best accuracy on dev. The figure is of {}, which chose nothing.", split.name()),
        HeadlineChoice::BestOf(several) => format!(
            "{name} is the best of {several} on the {} split: biased upwards. `main = \"{name}\"` in the config names a method before a run.",
            split.name()
        ),
    }
}

/// The worked examples in the untrained model's prompt.
fn worked_examples(config: &toml::Table, method: &str) -> u64 {
    let few_shot = |table: &toml::Table| table.get("sampling")?.get("few_shot")?.as_integer();
    let own = config.get("methods").and_then(|methods| methods.get(method)?.as_table()).and_then(few_shot);
    own.or_else(|| few_shot(config)).and_then(|number| number.try_into().ok()).unwrap_or(0)
}

/// `builtin:arithmetic (1.23M parameters), arithmetic, 300 test problems`
fn subject(run: &RunReport, split: Split, problems: u64) -> String {
    let model = &run.info.model;
    let name = model.hub.as_ref().unwrap_or(&model.base);
    let size = model.parameters.map_or_else(String::new, |parameters| format!(" ({} parameters)", count(parameters as f64)));
    format!("{name}{size}, {}, {} {} problems", data(run), thousands(problems), split.name())
}

/// The task, and the file of its problems if the config names one and the task is the user's.
pub(super) fn data(run: &RunReport) -> String {
    let task = &run.info.task;
    let file = run.config.get("task").and_then(|task| task.get("train")?.as_str()).and_then(|path| path.rsplit(['/', '\\']).next());
    match file.filter(|_| task.kind == "jsonl") {
        Some(file) => format!("{} {file}", task.label),
        None => task.label.clone(),
    }
}

#[cfg(test)]
mod tests;
