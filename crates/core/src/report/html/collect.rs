//! From the files of runs to columns and pages of attempts.

use super::pack::{self, Pages};
use crate::error::Result;
use crate::metrics::IterationMetrics;
use crate::policy::TokenScore;
use crate::report::digest::is_doubtful;
use crate::report::fate::{Fate, Fates};
use crate::report::questions::{Question, Questions};
use crate::report::token_scores::TokenScores;
use crate::report::{HtmlContents, MethodReport, Report, RunReport};
use crate::run_dir::RunDir;
use crate::seed::sha256_hex;
use crate::task::Task;
use crate::types::{Attempt, GradedAttempt, Mode, ProblemId, Reading, Verdict};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// The attempts of a report, ready for its page, and what could not be had.
pub(super) struct Collection {
    pub(super) attempts: Attempts,
    pub(super) warnings: Vec<String>,
}

/// Right unaided rationales by the steps of the known solution and their own.
pub(super) type Steps = BTreeMap<[u64; 2], u64>;

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
    /// Of each method.
    pub(super) steps: Vec<Steps>,
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

/// More steps than this are counted as so many: a model that repeats itself has hundreds.
const MOST_STEPS: u64 = 12;

/// The text of an attempt, what was read or said of it, and its tokens where they are known.
#[derive(Serialize)]
struct Text<'a>(&'a str, Option<&'a str>, #[serde(skip_serializing_if = "Option::is_none")] Option<Tokens>);

/// Each token's length in the text, in UTF-16 units as a browser counts them, and its negative log-probability (nats, to three places).
#[derive(Serialize)]
struct Tokens(Vec<usize>, Vec<f64>);

/// A problem's question and answer, and its reference where there is one.
#[derive(Serialize)]
struct ProblemText<'a>(&'a str, Option<&'a str>, Option<&'a str>);

pub(super) fn collect(report: &Report, contents: &HtmlContents, progress: &mut dyn FnMut(u64, u64)) -> Result<Collection> {
    let total = report.methods().map(|(_, method)| count(method)).sum();
    let attempts = Attempts { total, ..Attempts::default() };
    let mut collector = Collector { contents, attempts, numbers: HashMap::new(), seen: 0, progress };
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

struct Collector<'a> {
    contents: &'a HtmlContents,
    attempts: Attempts,
    /// Problems by id and question: runs of one task share them, and two files of a user's may use an id twice.
    numbers: HashMap<(ProblemId, String), u32>,
    seen: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

/// What is known of a run beside its files.
struct Known<'a> {
    questions: Questions<'a>,
    scores: Option<TokenScores<'a>>,
}

/// An attempt on its way into the table.
struct Row {
    iteration: u32,
    kind: Kind,
    fate: Fate,
    doubtful: Option<bool>,
    graded: GradedAttempt,
}

/// Rows of one method that are put in together: enough to keep a model busy that scores them, few enough to be held.
const BATCH: usize = 256;

impl Collector<'_> {
    fn run(&mut self, place: usize, run: &RunReport, warnings: &mut Vec<String>) -> Result<()> {
        let directory = RunDir::open_read_only(&run.path)?;
        let config = directory.config()?;
        let grader = config.task.grader().ok();
        let scores = if self.contents.token_logprobs { Some(TokenScores::of(&config, &directory)?) } else { None };
        let mut known = Known { questions: Questions::of(&config), scores };
        warnings.extend(known.questions.missing().map(|missing| format!("{}: {missing}", run.name)));
        for (number, method) in run.methods.iter().enumerate() {
            self.attempts.arms.push([place, number]);
            self.attempts.steps.push(BTreeMap::new());
            self.method(&directory, method, grader.as_deref(), &mut known)?;
        }
        warnings.extend(known.scores.iter().flat_map(TokenScores::warnings).map(|warning| format!("{}: {warning}", run.name)));
        Ok(())
    }

    fn method(&mut self, directory: &RunDir, method: &MethodReport, grader: Option<&dyn Task>, known: &mut Known<'_>) -> Result<()> {
        let name = &method.name;
        let mut rows = Vec::with_capacity(BATCH);
        let row = |iteration, kind, fate, graded| Row { iteration, kind, fate, doubtful: is_doubtful(&graded, grader), graded };
        for iteration in method.iterations.iter().map(|iteration| iteration.metrics.iteration) {
            let place = directory.iteration(name, iteration);
            known.questions.learn(name, iteration, &place)?;
            if let Some(scores) = &mut known.scores {
                scores.learn(name, iteration);
            }
            let mut fates = Fates::of(&place, grader)?;
            place.each_attempt(|graded| {
                let kind = if graded.attempt.mode == Mode::Hinted { Kind::Hinted } else { Kind::Unhinted };
                self.put(name, row(iteration, kind, fates.next(&graded), graded), &mut rows, known)
            })?;
            place.each_evaluation(|graded| self.put(name, row(iteration, Kind::Evaluation, Fate::Measured, graded), &mut rows, known))?;
        }
        if let Some(metrics) = &method.final_metrics {
            let place = directory.final_measurement(name);
            let final_row = |graded| row(metrics.iteration, Kind::FinalEvaluation, Fate::Measured, graded);
            place.each_evaluation(|graded| self.put(name, final_row(graded), &mut rows, known))?;
        }
        self.flush(name, &mut rows, known)
    }

    fn put(&mut self, method: &str, row: Row, rows: &mut Vec<Row>, known: &mut Known<'_>) -> Result<()> {
        self.seen += 1;
        self.count_steps(&row, &known.questions);
        if self.is_in_the_sample(&row.graded.attempt.problem) {
            rows.push(row);
        }
        if rows.len() == BATCH { self.flush(method, rows, known) } else { Ok(()) }
    }

    fn flush(&mut self, method: &str, rows: &mut Vec<Row>, known: &mut Known<'_>) -> Result<()> {
        let attempts: Vec<&Attempt> = rows.iter().map(|row| &row.graded.attempt).collect();
        let tokens = match &mut known.scores {
            Some(scores) => scores.score(method, &attempts)?,
            None => vec![None; rows.len()],
        };
        for (row, tokens) in rows.drain(..).zip(tokens) {
            self.attempt(&row, tokens.as_deref(), &known.questions);
        }
        (self.progress)(self.seen, self.attempts.total);
        Ok(())
    }

    /// Counts the calculator annotations of a right, unaided rationale beside those of the known solution (the paper's figure 6).
    fn count_steps(&mut self, row: &Row, questions: &Questions<'_>) {
        let GradedAttempt { attempt, verdict, .. } = &row.graded;
        if !matches!(row.kind, Kind::Unhinted) || !verdict.is_correct() {
            return;
        }
        let steps = |text: &str| text.matches("<<").count() as u64;
        let known = questions.get(&attempt.problem).and_then(|question| question.reference.as_deref()).map_or(0, steps);
        if known > 0
            && let Some(counts) = self.attempts.steps.last_mut()
        {
            *counts.entry([known, steps(&attempt.completion).min(MOST_STEPS)]).or_default() += 1;
        }
    }

    fn attempt(&mut self, row: &Row, tokens: Option<&[TokenScore]>, questions: &Questions<'_>) {
        let Row { iteration, kind, fate, doubtful, graded } = row;
        let attempt = &graded.attempt;
        let problem = self.problem(&attempt.problem, questions.get(&attempt.problem));
        let class = self.class(&attempt.class);
        let columns = &mut self.attempts.columns;
        columns.arm.push(self.attempts.arms.len() as u16 - 1);
        columns.iteration.push(*iteration as u16);
        columns.class.push(class);
        columns.kind.push(*kind as u8);
        columns.verdict.push(verdict_number(&graded.verdict));
        columns.fate.push(*fate as u8);
        let flag = |holds: bool, flag: u8| if holds { flag } else { 0 };
        columns.flags.push(
            flag(graded.faithful == Some(true), FAITHFUL)
                | flag(*doubtful == Some(true), DOUBTFUL)
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
        let tokens = tokens.map(|tokens| Tokens::of(&attempt.completion, tokens));
        self.attempts.texts.push(&Text(&attempt.completion, said, tokens));
    }

    /// All attempts at a problem are in the sample or none, so that its story is whole. Which ones are is a hash of the id.
    fn is_in_the_sample(&self, problem: &ProblemId) -> bool {
        let most = self.contents.most_attempts;
        if self.attempts.total <= most {
            return true;
        }
        let share = u32::from_str_radix(&sha256_hex(&problem.0)[..8], 16).unwrap_or(0);
        // A hundredth less than there is room for: shares of a hash are even, but not exactly.
        f64::from(share) / f64::from(u32::MAX) < 0.99 * most as f64 / self.attempts.total as f64
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

impl Tokens {
    fn of(text: &str, tokens: &[TokenScore]) -> Self {
        let mut from = 0;
        let length = |token: &TokenScore| {
            let part = &text[from..token.end];
            from = token.end;
            part.encode_utf16().count()
        };
        let lengths = tokens.iter().map(length).collect();
        Tokens(lengths, tokens.iter().map(|token| (f64::from(-token.logprob) * 1000.0).round() / 1000.0).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_as_long_as_a_browser_counts_them() {
        let token = |end, logprob| TokenScore { end, logprob };
        // A token that ends inside a character has all of it, and the next one none.
        let tokens =
            Tokens::of("aé🙂.", &[token(1, -0.5), token(3, -0.25), token(7, -1.0), token(7, -2.0), token(8, -0.000_4), token(8, 0.0)]);
        assert_eq!(tokens.0, [1, 1, 2, 0, 1, 0]);
        assert_eq!(tokens.1, [0.5, 0.25, 1.0, 2.0, 0.0, 0.0]);
    }

    #[test]
    fn a_sample_is_about_as_large_as_it_may_be_and_always_the_same() {
        let contents = HtmlContents { most_attempts: 3_000, ..HtmlContents::default() };
        let sample = || {
            let attempts = Attempts { total: 10_000, ..Attempts::default() };
            let collector = Collector { contents: &contents, attempts, numbers: HashMap::new(), seen: 0, progress: &mut |_, _| {} };
            let ids = (0..10_000).map(|n| ProblemId(format!("task/train/{n}")));
            ids.filter(|id| collector.is_in_the_sample(id)).collect::<Vec<_>>()
        };
        let chosen = sample();
        assert!((2_800..=3_000).contains(&chosen.len()), "{}", chosen.len());
        assert_eq!(chosen, sample());
    }
}
