//! From the files of runs to columns and pages of attempts.

use super::pack::{self, Pages};
use crate::error::Result;
use crate::metrics::IterationMetrics;
use crate::report::digest::is_doubtful;
use crate::report::fate::{Fate, Fates};
use crate::report::questions::{Question, Questions};
use crate::report::{MethodReport, Report, RunReport};
use crate::run_dir::RunDir;
use crate::seed::sha256_hex;
use crate::types::{GradedAttempt, Mode, ProblemId, Reading, Verdict};
use serde::Serialize;
use std::collections::HashMap;

/// The attempts of a report, ready for its page, and what could not be had.
pub(super) struct Collection {
    pub(super) attempts: Attempts,
    pub(super) warnings: Vec<String>,
}

/// Attempts and answers in the order of their files, with their problems.
#[derive(Default)]
pub(super) struct Attempts {
    /// How many there are here.
    pub(super) shown: u64,
    /// How many the runs have.
    pub(super) total: u64,
    /// The methods of the runs, as indices into the report; a column points here.
    pub(super) arms: Vec<[usize; 2]>,
    /// The classes; a column points here.
    pub(super) classes: Vec<String>,
    columns: Columns,
    texts: Pages,
    problems: Pages,
    ids: Vec<String>,
}

/// One value for each attempt, column by column: the page filters by these without opening a text.
#[derive(Default)]
struct Columns {
    arm: Vec<u16>,
    iteration: Vec<u16>,
    class: Vec<u16>,
    kind: Vec<u8>,
    verdict: Vec<u8>,
    fate: Vec<u8>,
    flags: Vec<u8>,
    problem: Vec<u32>,
    sample: Vec<u32>,
    tokens: Vec<u32>,
    /// Mean log-probability of a token (natural logarithm), not a number where it is not known.
    logprob: Vec<f32>,
}

/// What an attempt was made for, as the page numbers it.
#[derive(Clone, Copy)]
enum Kind {
    Unhinted = 0,
    Hinted = 1,
    Evaluation = 2,
    FinalEvaluation = 3,
}

/// The rationale is the task's reference.
const FAITHFUL: u8 = 1;
/// It is right, and a step of it is not so.
const DOUBTFUL: u8 = 2;
/// The answer was not where the format puts it.
const READ_FLEXIBLY: u8 = 4;

/// The text of an attempt.
#[derive(Serialize)]
struct Text<'a>(&'a str, Option<&'a str>);

/// A problem's question and answer, and its reference where there is one.
#[derive(Serialize)]
struct ProblemText<'a>(&'a str, Option<&'a str>, Option<&'a str>);

pub(super) fn collect(report: &Report, most: u64) -> Result<Collection> {
    let total = report.methods().map(|(_, method)| count(method)).sum();
    let mut collector = Collector { most, attempts: Attempts { total, ..Attempts::default() }, numbers: HashMap::new() };
    let mut warnings = Vec::new();
    for (place, run) in report.runs.iter().enumerate() {
        collector.run(place, run, &mut warnings)?;
    }
    let mut attempts = collector.attempts;
    attempts.texts.close();
    attempts.problems.close();
    attempts.shown = attempts.columns.kind.len() as u64;
    Ok(Collection { attempts, warnings })
}

/// Attempts and answers that the finished iterations have.
fn count(method: &MethodReport) -> u64 {
    let of = |metrics: &IterationMetrics| metrics.unhinted.attempts + metrics.hinted.attempts + metrics.accuracy.total;
    method.total(of) + method.final_metrics.as_ref().map_or(0, |metrics| metrics.accuracy.total)
}

struct Collector {
    most: u64,
    attempts: Attempts,
    /// Problems by id and question: runs of one task share them, and two files of a user's may use an id twice.
    numbers: HashMap<(ProblemId, String), u32>,
}

impl Collector {
    fn run(&mut self, place: usize, run: &RunReport, warnings: &mut Vec<String>) -> Result<()> {
        let directory = RunDir::open_read_only(&run.path)?;
        let config = directory.config()?;
        let grader = config.task.grader().ok();
        let mut questions = Questions::of(&config);
        warnings.extend(questions.missing().map(|missing| format!("{}: {missing}", run.name)));
        for (number, method) in run.methods.iter().enumerate() {
            let arm = self.attempts.arms.len() as u16;
            self.attempts.arms.push([place, number]);
            for iteration in method.iterations.iter().map(|iteration| iteration.metrics.iteration) {
                let place = directory.iteration(&method.name, iteration);
                questions.learn(&method.name, iteration, &place)?;
                let mut fates = Fates::of(&place, grader.as_deref())?;
                let mut take = |graded: GradedAttempt, kind, fate| {
                    self.attempt(arm, iteration, kind, fate, &graded, is_doubtful(&graded, grader.as_deref()), &questions);
                    Ok(())
                };
                place.each_attempt(|graded| {
                    let kind = if graded.attempt.mode == Mode::Hinted { Kind::Hinted } else { Kind::Unhinted };
                    let fate = fates.next(&graded);
                    take(graded, kind, fate)
                })?;
                place.each_evaluation(|graded| take(graded, Kind::Evaluation, Fate::Measured))?;
            }
            if let Some(metrics) = &method.final_metrics {
                let place = directory.final_measurement(&method.name);
                place.each_evaluation(|graded| {
                    let doubtful = is_doubtful(&graded, grader.as_deref());
                    self.attempt(arm, metrics.iteration, Kind::FinalEvaluation, Fate::Measured, &graded, doubtful, &questions);
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "a row of the table, value by value")]
    fn attempt(
        &mut self,
        arm: u16,
        iteration: u32,
        kind: Kind,
        fate: Fate,
        graded: &GradedAttempt,
        doubtful: Option<bool>,
        questions: &Questions<'_>,
    ) {
        let attempt = &graded.attempt;
        if !self.is_in_the_sample(&attempt.problem) {
            return;
        }
        let problem = self.problem(&attempt.problem, questions.get(&attempt.problem));
        let class = self.class(&attempt.class);
        let columns = &mut self.attempts.columns;
        columns.arm.push(arm);
        columns.iteration.push(iteration as u16);
        columns.class.push(class);
        columns.kind.push(kind as u8);
        columns.verdict.push(verdict_number(&graded.verdict));
        columns.fate.push(fate as u8);
        let flag = |holds: bool, flag: u8| if holds { flag } else { 0 };
        columns.flags.push(
            flag(graded.faithful == Some(true), FAITHFUL)
                | flag(doubtful == Some(true), DOUBTFUL)
                | flag(graded.reading == Some(Reading::Flexible), READ_FLEXIBLY),
        );
        columns.problem.push(problem);
        columns.sample.push(attempt.sample);
        columns.tokens.push(attempt.completion_tokens as u32);
        columns.logprob.push(attempt.logprob_per_token().map_or(f32::NAN, |logprob| logprob as f32));
        let said = match &graded.verdict {
            Verdict::Wrong { predicted } => Some(predicted.as_str()),
            Verdict::Failed { reason } => Some(reason.as_str()),
            Verdict::Correct | Verdict::Unparsed | Verdict::Truncated => None,
        };
        self.attempts.texts.push(&Text(&attempt.completion, said));
    }

    /// All attempts at a problem are in the sample or none, so that its story is whole. Which ones are is a hash of the id.
    fn is_in_the_sample(&self, problem: &ProblemId) -> bool {
        if self.attempts.total <= self.most {
            return true;
        }
        let share = u32::from_str_radix(&sha256_hex(&problem.0)[..8], 16).unwrap_or(0);
        // A hundredth less than there is room for: shares of a hash are even, but not exactly.
        f64::from(share) / f64::from(u32::MAX) < 0.99 * self.most as f64 / self.attempts.total as f64
    }

    fn problem(&mut self, id: &ProblemId, known: Option<&Question>) -> u32 {
        let question = known.map_or("", |known| known.text.as_str());
        let key = (id.clone(), question.to_owned());
        let attempts = &mut self.attempts;
        *self.numbers.entry(key).or_insert_with(|| {
            attempts.ids.push(id.0.clone());
            let (answer, reference) = known.map_or((None, None), |known| (known.answer.as_deref(), known.reference.as_deref()));
            attempts.problems.push(&ProblemText(question, answer, reference)) as u32
        })
    }

    fn class(&mut self, class: &str) -> u16 {
        let classes = &mut self.attempts.classes;
        let known = classes.iter().position(|known| known == class);
        known.unwrap_or_else(|| {
            classes.push(class.to_owned());
            classes.len() - 1
        }) as u16
    }
}

/// The order in which the page names verdicts.
fn verdict_number(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Correct => 0,
        Verdict::Wrong { .. } => 1,
        Verdict::Unparsed => 2,
        Verdict::Truncated => 3,
        Verdict::Failed { .. } => 4,
    }
}

impl Attempts {
    /// The columns' names and types, in the order of their bytes.
    pub(super) fn layout(&self) -> Vec<[&'static str; 2]> {
        self.columns.bytes().into_iter().map(|(name, kind, _)| [name, kind]).collect()
    }

    /// The number of the first attempt of each page of texts, and of the first problem of each page of problems.
    pub(super) fn firsts(&self) -> [&[u64]; 2] {
        [&self.texts.firsts, &self.problems.firsts]
    }

    /// Every pack with its name in the page.
    pub(super) fn packs(&self) -> Vec<(String, String)> {
        let columns: Vec<u8> = self.columns.bytes().into_iter().flat_map(|(_, _, bytes)| bytes).collect();
        let mut packs = vec![("columns".to_owned(), pack::bytes(&columns)), ("ids".to_owned(), pack::json(&self.ids))];
        for (name, pages) in [("texts", &self.texts), ("problems", &self.problems)] {
            packs.extend(pages.packs.iter().enumerate().map(|(n, page)| (format!("{name}-{n}"), page.clone())));
        }
        packs
    }
}

impl Columns {
    /// Each column with the name of its type in a browser, and its bytes, little endian. The widest come first, so that all are aligned.
    fn bytes(&self) -> [(&'static str, &'static str, Vec<u8>); 11] {
        let of_u32 = |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let of_u16 = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        [
            ("problem", "Uint32Array", of_u32(&self.problem)),
            ("sample", "Uint32Array", of_u32(&self.sample)),
            ("tokens", "Uint32Array", of_u32(&self.tokens)),
            ("logprob", "Float32Array", self.logprob.iter().flat_map(|value| value.to_le_bytes()).collect()),
            ("arm", "Uint16Array", of_u16(&self.arm)),
            ("iteration", "Uint16Array", of_u16(&self.iteration)),
            ("class", "Uint16Array", of_u16(&self.class)),
            ("kind", "Uint8Array", self.kind.clone()),
            ("verdict", "Uint8Array", self.verdict.clone()),
            ("fate", "Uint8Array", self.fate.clone()),
            ("flags", "Uint8Array", self.flags.clone()),
        ]
    }
}
