//! From the files of runs to columns and pages of attempts.

use super::errors::{distance, false_step, utf16};
use super::names::{Beside, flags, outcome_index, purpose_index};
use super::pack::{self, Pages};
use crate::error::Result;
use crate::outcomes::Outcomes;
use crate::paired::{Before, Change};
use crate::report::{MethodReport, Report, RunReport, changes};
use crate::verdicts::{Origin, VerdictAudit, VerdictAuditor};
use crate::words::{Purpose, verdict_index};
use serde::Serialize;
use starloop_record::digest::sha256_hex;
use starloop_record::metrics::IterationMetrics;
use starloop_record::types::{GradedAttempt, Mode, ProblemId, ProblemRecord, Verdict};
use starloop_record::{IterationDir, Outcome, RunDir};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Right rationales without hint, by the steps of the reference and their own.
pub(super) type Steps = BTreeMap<[u64; 2], u64>;

/// Attempts and answers in the order of their files, with their problems.
#[derive(Default)]
pub(super) struct Attempts {
    /// How many are on the page.
    pub(super) shown: u64,
    /// How many the runs have.
    pub(super) total: u64,
    /// The methods of the runs, as places of run and method in the report. A column points here.
    pub(super) methods: Vec<[usize; 2]>,
    /// The classes. A column points here.
    pub(super) classes: Vec<String>,
    /// For each method.
    pub(super) steps: Vec<Steps>,
    /// For each run.
    pub(super) audits: Vec<VerdictAudit>,
    columns: AttemptColumns,
    texts: Pages,
    problems: Pages,
    ids: Vec<String>,
}

/// One value for each attempt, column by column. The page filters by these without opening a text.
#[derive(Default)]
struct AttemptColumns {
    method: Vec<u16>,
    iteration: Vec<u16>,
    class: Vec<u16>,
    purpose: Vec<u8>,
    verdict: Vec<u8>,
    outcome: Vec<u8>,
    flags: Vec<u8>,
    problem: Vec<u32>,
    sample: Vec<u32>,
    tokens: Vec<u32>,
    /// Mean log-probability of a token (natural logarithm); not a number if it is not known.
    logprob: Vec<f32>,
    /// For a wrong number, its distance from the known one, relative to that; else not a number.
    distance: Vec<f32>,
}

/// Doubtful verdicts of each kind on the page.
const SHOWN_DOUBTS: usize = 8;
/// More steps are counted as this number, because a model that repeats itself has hundreds.
pub(super) const MOST_STEPS: u64 = 12;

/// The text of an attempt, the answer that was read or the reason of the verifier's failure, the tokens if they were recorded, and the place
/// of the first false step (start and end in UTF-16 units).
#[derive(Serialize)]
struct Text<'a>(&'a str, Option<&'a str>, Option<Tokens>, Option<[usize; 2]>);

/// Each token's length in the text, in UTF-16 units as a browser counts them, and its negative log-probability (nats, to three places).
#[derive(Serialize)]
struct Tokens(Vec<usize>, Vec<f64>);

/// A problem's text, its answer, and its reference if it has one.
#[derive(Serialize)]
struct ProblemText<'a>(&'a str, Option<&'a str>, Option<&'a str>);

/// The problems of an iteration.
type Problems = HashMap<ProblemId, ProblemRecord>;

pub(super) fn collect(report: &Report, most_attempts: u64) -> Result<Attempts> {
    let total = report.methods().map(|(_, method)| count(method)).sum();
    let attempts = Attempts { total, ..Attempts::default() };
    let mut collector = Collector { most_attempts, attempts, numbers: HashMap::new(), auditor: VerdictAuditor::new(SHOWN_DOUBTS) };
    for (place, run) in report.runs.iter().enumerate() {
        collector.run(place, run)?;
        let audit = std::mem::replace(&mut collector.auditor, VerdictAuditor::new(SHOWN_DOUBTS)).finish();
        collector.attempts.audits.push(audit);
    }
    let mut attempts = collector.attempts;
    attempts.texts.close();
    attempts.problems.close();
    attempts.shown = attempts.columns.purpose.len() as u64;
    Ok(attempts)
}

/// Attempts and answers of the finished iterations.
fn count(method: &MethodReport) -> u64 {
    let of = |metrics: &IterationMetrics| metrics.unhinted.attempts + metrics.hinted.attempts + metrics.accuracy.total;
    method.total(of) + method.final_metrics.as_ref().map_or(0, |metrics| metrics.accuracy.total)
}

struct Collector {
    most_attempts: u64,
    attempts: Attempts,
    /// Problems by id and text. Runs of one task share them, and two files of a user may use an id twice.
    numbers: HashMap<(ProblemId, String), u32>,
    /// The audit of the current run.
    auditor: VerdictAuditor,
}

/// Properties of an attempt that its record does not have.
#[derive(Clone, Copy)]
struct Made<'a> {
    method: &'a str,
    iteration: u32,
    purpose: Purpose,
    outcome: Option<Outcome>,
    beside: Beside,
}

impl Collector {
    fn run(&mut self, place: usize, run: &RunReport) -> Result<()> {
        let directory = RunDir::open_read_only(&run.path)?;
        for (number, method) in run.methods.iter().enumerate() {
            self.attempts.methods.push([place, number]);
            self.attempts.steps.push(Steps::new());
            let before = changes::of_method(run, method, &directory)?;
            for iteration in &method.iterations {
                let number = iteration.metrics.iteration;
                let place = directory.iteration(&method.info.name, number);
                let problems = place.problems()?;
                let outcomes = Outcomes::read(&place, number, drop)?;
                let mut paths = Paths::new();
                place.each_attempt(|graded| {
                    let purpose = Purpose::from(graded.attempt.mode);
                    let made = Made {
                        method: &method.info.name,
                        iteration: number,
                        purpose,
                        outcome: outcomes.of(&graded.attempt),
                        beside: Beside { change: Change::Same, other_path: is_another_path(&mut paths, &graded) },
                    };
                    self.put(made, &graded, &problems);
                    Ok(())
                })?;
                self.answers(&place, (&method.info.name, number, Purpose::Evaluation), &problems, &before)?;
            }
            if let Some(metrics) = &method.final_metrics {
                let place = directory.final_measurement(&method.info.name);
                let made = (method.info.name.as_str(), metrics.iteration, Purpose::FinalEvaluation);
                self.answers(&place, made, &place.problems()?, &before)?;
            }
        }
        Ok(())
    }

    /// Reads the answers of an evaluation.
    fn answers(
        &mut self,
        place: &IterationDir,
        (method, iteration, purpose): (&str, u32, Purpose),
        problems: &Problems,
        before: &Before,
    ) -> Result<()> {
        let evaluated = (purpose == Purpose::Evaluation).then_some(iteration);
        place.each_evaluation(|graded| {
            let beside = Beside { change: before.change(evaluated, &graded), other_path: false };
            self.put(Made { method, iteration, purpose, outcome: None, beside }, &graded, problems);
            Ok(())
        })?;
        Ok(())
    }

    fn put(&mut self, made: Made<'_>, graded: &GradedAttempt, problems: &Problems) {
        let problem = problems.get(&graded.attempt.problem);
        self.auditor.add(&Origin { method: made.method, iteration: made.iteration, purpose: made.purpose }, graded, problem);
        if made.purpose == Purpose::Unhinted && graded.verdict.is_correct() {
            self.count_steps(&graded.attempt.completion, problem);
        }
        if self.is_in_the_sample(&graded.attempt.problem) {
            self.attempt(made, graded, problem);
        }
    }

    /// Counts the calculator annotations of a right rationale without hint beside those of the reference (the paper's figure 6).
    fn count_steps(&mut self, completion: &str, problem: Option<&ProblemRecord>) {
        let steps = |text: &str| text.matches("<<").count() as u64;
        let known = problem.and_then(|problem| problem.reference.as_deref()).map_or(0, steps);
        if known > 0
            && let Some(counts) = self.attempts.steps.last_mut()
        {
            *counts.entry([known, steps(completion).min(MOST_STEPS)]).or_default() += 1;
        }
    }

    fn attempt(
        &mut self,
        Made { iteration, purpose, outcome, beside, .. }: Made<'_>,
        graded: &GradedAttempt,
        problem: Option<&ProblemRecord>,
    ) {
        let attempt = &graded.attempt;
        let known = problem;
        let problem = self.problem(&attempt.problem, problem);
        let class = self.class(&attempt.class);
        let columns = &mut self.attempts.columns;
        columns.method.push(self.attempts.methods.len() as u16 - 1);
        columns.iteration.push(iteration as u16);
        columns.class.push(class);
        columns.purpose.push(purpose_index(purpose));
        columns.verdict.push(verdict_index(&graded.verdict) as u8);
        columns.outcome.push(outcome_index(outcome, purpose));
        columns.flags.push(flags(graded, beside));
        columns.problem.push(problem);
        columns.sample.push(attempt.sample);
        columns.tokens.push(attempt.completion_tokens as u32);
        columns.logprob.push(attempt.logprob_per_token().map_or(f32::NAN, |logprob| logprob as f32));
        let said = match &graded.verdict {
            Verdict::Wrong { predicted } => Some(predicted.as_str()),
            Verdict::Failed { reason } => Some(reason.as_str()),
            Verdict::Correct | Verdict::Contradiction { .. } | Verdict::Unparsed | Verdict::Truncated => None,
        };
        columns.distance.push(known.zip(said).and_then(|(known, said)| distance(said, &known.answer)).unwrap_or(f32::NAN));
        let tokens = attempt.token_logprobs.as_ref().zip(attempt.token_ends.as_ref());
        let tokens = tokens.map(|(logprobs, ends)| Tokens::new(&attempt.completion, logprobs, ends));
        let step = false_step(graded, known).map(|at| utf16(&attempt.completion, at));
        self.attempts.texts.push(&Text(&attempt.completion, said, tokens, step));
    }

    /// The sample holds all attempts at a problem or none, so that its story is whole. A hash of the id decides.
    fn is_in_the_sample(&self, problem: &ProblemId) -> bool {
        let most = self.most_attempts;
        if self.attempts.total <= most {
            return true;
        }
        let share = u32::from_str_radix(&sha256_hex(&problem.0)[..8], 16).unwrap_or(0);
        // A hundredth less than there is room for, because the shares of a hash are not exactly even.
        f64::from(share) / f64::from(u32::MAX) < 0.99 * most as f64 / self.attempts.total as f64
    }

    fn problem(&mut self, id: &ProblemId, problem: Option<&ProblemRecord>) -> u32 {
        let text = problem.map_or("", |problem| problem.text.as_str());
        let attempts = &mut self.attempts;
        *self.numbers.entry((id.clone(), text.to_owned())).or_insert_with(|| {
            attempts.ids.push(id.0.clone());
            let answer = problem.map(|problem| problem.answer.as_str());
            let reference = problem.and_then(|problem| problem.reference.as_deref());
            attempts.problems.push(&ProblemText(text, answer, reference)) as u32
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

/// Right paths of an iteration, by problem.
type Paths = HashMap<ProblemId, HashSet<String>>;

/// Returns true if an attempt is right by a path that no earlier right attempt at its problem has. `paths` are those before it.
fn is_another_path(paths: &mut Paths, graded: &GradedAttempt) -> bool {
    if !graded.verdict.is_correct() || graded.path.is_empty() || graded.attempt.mode != Mode::Unhinted {
        return false;
    }
    let known = paths.entry(graded.attempt.problem.clone()).or_default();
    !known.is_empty() & known.insert(graded.path.clone())
}

impl Tokens {
    /// `ends` are byte offsets before which the tokens end. A token that ends inside a character has all of it, and the next token has none.
    fn new(text: &str, logprobs: &[f32], ends: &[usize]) -> Self {
        let mut from = 0;
        let length = |&end: &usize| {
            let to = (end.min(text.len()).max(from)..=text.len()).find(|&to| text.is_char_boundary(to)).unwrap_or(text.len());
            let part = &text[from..to];
            from = to;
            part.encode_utf16().count()
        };
        let lengths = ends.iter().map(length).collect();
        Tokens(lengths, logprobs.iter().map(|logprob| (f64::from(-logprob) * 1000.0).round() / 1000.0).collect())
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

impl AttemptColumns {
    /// Each column with the name of its type in a browser, and its bytes, little endian. The widest come first, so that all are aligned.
    fn bytes(&self) -> [(&'static str, &'static str, Vec<u8>); 12] {
        let of_u32 = |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let of_f32 = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let of_u16 = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        [
            ("problem", "Uint32Array", of_u32(&self.problem)),
            ("sample", "Uint32Array", of_u32(&self.sample)),
            ("tokens", "Uint32Array", of_u32(&self.tokens)),
            ("logprob", "Float32Array", of_f32(&self.logprob)),
            ("distance", "Float32Array", of_f32(&self.distance)),
            ("method", "Uint16Array", of_u16(&self.method)),
            ("iteration", "Uint16Array", of_u16(&self.iteration)),
            ("class", "Uint16Array", of_u16(&self.class)),
            ("purpose", "Uint8Array", self.purpose.clone()),
            ("verdict", "Uint8Array", self.verdict.clone()),
            ("outcome", "Uint8Array", self.outcome.clone()),
            ("flags", "Uint8Array", self.flags.clone()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_as_long_as_a_browser_counts_them() {
        let tokens = Tokens::new("aé🙂.", &[-0.5, -0.25, -1.0, -2.0, -0.000_4, 0.0], &[1, 2, 4, 7, 8, 8]);
        assert_eq!(tokens.0, [1, 1, 2, 0, 1, 0]);
        assert_eq!(tokens.1, [0.5, 0.25, 1.0, 2.0, 0.0, 0.0]);
        assert_eq!(Tokens::new("ab", &[0.0; 3], &[2, 1, 99]).0, [2, 0, 0], "offsets that cannot be are cut");
    }

    #[test]
    fn a_sample_is_about_as_large_as_it_may_be_and_always_the_same() {
        let sample = || {
            let attempts = Attempts { total: 10_000, ..Attempts::default() };
            let collector = Collector { most_attempts: 3_000, attempts, numbers: HashMap::new(), auditor: VerdictAuditor::new(0) };
            let ids = (0..10_000).map(|n| ProblemId(format!("task/train/{n}")));
            ids.filter(|id| collector.is_in_the_sample(id)).collect::<Vec<_>>()
        };
        let chosen = sample();
        assert!((2_800..=3_000).contains(&chosen.len()), "{}", chosen.len());
        assert_eq!(chosen, sample());
    }
}
