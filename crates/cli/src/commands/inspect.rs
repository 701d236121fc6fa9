//! `starloop inspect`: what was asked, answered, kept and dropped.

use crate::pager::Pager;
use crate::untrusted::{line, readable, visible};
use anyhow::{Result, bail};
use starloop_core::inspect::{self, Filter, Found, Purpose};
use starloop_core::report::{Fate, Question};
use starloop_core::run_dir::RunDir;
use starloop_core::types::Verdict;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

/// Read what a model was asked and answered, and what became of it.
///
/// With `--problem`, one problem's story over the iterations. On a terminal the output is paged through $PAGER, or `less`. A text of the model
/// is shown with its control and invisible characters named, so that nothing of it steers the terminal; --json gives it as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop inspect runs/arithmetic                                             everything, paged
  starloop inspect runs/arithmetic --method star --iteration 3 --verdict wrong
  starloop inspect runs/arithmetic --problem 624+259                           its story over the iterations
  starloop inspect runs/gsm8k --dropped --text \"as the hint says\" --limit 5
  starloop inspect runs/gsm8k --purpose hinted --kept --json | head -n 100")]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub struct Arguments {
    /// The run directory
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// A problem's id, or its last part
    #[arg(long, value_name = "ID")]
    problem: Option<String>,
    /// A method of the run
    #[arg(long, value_name = "NAME")]
    method: Option<String>,
    /// An iteration; 0 is the base
    #[arg(long, value_name = "N")]
    iteration: Option<u32>,
    /// What the attempt was made for
    #[arg(long, value_enum)]
    purpose: Option<For>,
    /// What the task says of it
    #[arg(long, value_parser = ["correct", "wrong", "unparsed", "truncated", "failed"])]
    verdict: Option<String>,
    /// Only what is learned from
    #[arg(long)]
    kept: bool,
    /// Only right answers that are not learned from
    #[arg(long, conflicts_with = "kept")]
    dropped: bool,
    /// A class of problems, as the reports name it
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// A text within the completion
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Show at most so many, and count the others
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Show long lines whole
    #[arg(long)]
    full: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// [`Purpose`] as it is typed.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum For {
    Unhinted,
    Hinted,
    Evaluation,
    Final,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let run = RunDir::open_read_only(&arguments.run)?;
    let methods = run.config()?.run;
    if let Some(unknown) = arguments.method.as_ref().filter(|method| !methods.contains(method)) {
        bail!("{} has no method {unknown}; there are: {}", arguments.run.display(), methods.join(", "));
    }
    let mut out = if arguments.json { Pager::Plain(std::io::stdout()) } else { Pager::start() };
    let outcome = arguments.write(&run, &mut out);
    // The pager has to end before its terminal is written to.
    out.finish()?;
    let total = outcome?;
    if total == 0 {
        eprintln!("nothing like that is in {}", arguments.run.display());
    }
    Ok(())
}

impl Arguments {
    /// Writes what is wanted, and returns how much there is of it.
    fn write(&self, run: &RunDir, out: &mut impl Write) -> Result<usize> {
        let limit = self.limit.unwrap_or(usize::MAX);
        let (mut total, mut story) = (0, Vec::new());
        let warnings = inspect::each(run, &self.filter(), |found, question| {
            total += 1;
            if total > limit {
                return Ok(());
            }
            match question {
                question if self.json => writeln!(out, "{}", json(question, &found)?)?,
                // A story is put together when all of it is there.
                question if self.problem.is_some() => story.push((question.cloned(), found)),
                question => {
                    write!(out, "{}\n{}\n{}", heading(&found), self.asked(question), self.answered(&found))?;
                }
            }
            Ok(())
        })?;
        write!(out, "{}", self.story(story))?;
        for warning in warnings {
            eprintln!("warning: {warning}");
        }
        if total > limit {
            eprintln!("{limit} of {total} shown");
        }
        Ok(total)
    }

    fn filter(&self) -> Filter {
        let purpose = |purpose| match purpose {
            For::Unhinted => Purpose::Unhinted,
            For::Hinted => Purpose::Hinted,
            For::Evaluation => Purpose::Evaluation,
            For::Final => Purpose::FinalEvaluation,
        };
        Filter {
            method: self.method.clone(),
            iteration: self.iteration,
            problem: self.problem.clone(),
            purpose: self.purpose.map(purpose),
            verdict: self.verdict.clone(),
            kept: if self.kept { Some(true) } else { self.dropped.then_some(false) },
            class: self.class.clone(),
            text: self.text.clone(),
        }
    }

    /// Each problem once, and under it what was answered over the iterations.
    fn story(&self, shown: Vec<(Option<Question>, Found)>) -> String {
        let mut text = String::new();
        let mut problems: Vec<(Option<Question>, Vec<Found>)> = Vec::new();
        for (question, found) in shown {
            let same = |(_, group): &&mut (Option<Question>, Vec<Found>)| group[0].graded.attempt.problem == found.graded.attempt.problem;
            match problems.iter_mut().find(same) {
                Some((_, group)) => group.push(found),
                None => problems.push((question, vec![found])),
            }
        }
        for (question, story) in &problems {
            let _ = writeln!(text, "{}\n{}\n", heading(&story[0]), self.asked(question.as_ref()));
            text.push_str(&courses(story));
            text.extend(story.iter().map(|found| self.answered(found)));
        }
        text
    }

    fn asked(&self, question: Option<&Question>) -> String {
        let Some(Question { text, answer, .. }) = question else { return "  (the question is not known)".to_owned() };
        let answer = answer.as_ref().map_or(String::new(), |answer| format!("\n  known answer: {}", line(answer)));
        self.indented(text.trim_end()) + &answer
    }

    fn answered(&self, found: &Found) -> String {
        let attempt = &found.graded.attempt;
        let verdict = match &found.graded.verdict {
            Verdict::Wrong { predicted } => format!("wrong: {}", line(predicted)),
            Verdict::Failed { reason } => format!("failed: {}", line(reason)),
            other => other.name().to_owned(),
        };
        let sample = if attempt.sample > 0 { format!(", sample {}", attempt.sample) } else { String::new() };
        let Found { method, iteration, purpose, fate, .. } = found;
        let per_token = attempt.logprob_per_token().map_or_else(String::new, |nats| format!(", {nats:.3} nats a token"));
        format!(
            "  {}, iteration {iteration}, {}{sample}: {} {verdict}{}; {} tokens{per_token}\n{}\n\n",
            line(method),
            purpose.name(),
            sign(&found.graded.verdict),
            fate_text(*fate),
            attempt.completion_tokens,
            self.indented(&attempt.completion)
        )
    }

    fn indented(&self, text: &str) -> String {
        let shown = if self.full { visible(text) } else { readable(text) };
        shown.lines().map(|line| format!("  │ {line}")).collect::<Vec<_>>().join("\n")
    }
}

fn heading(found: &Found) -> String {
    let attempt = &found.graded.attempt;
    format!("{} ({})", line(&attempt.problem.0), line(&attempt.class))
}

/// How each method fared with a problem: when it was first solved, and what every attempt came to.
fn courses(story: &[Found]) -> String {
    let mut text = String::new();
    let mut methods: Vec<&str> = story.iter().map(|found| found.method.as_str()).collect();
    methods.dedup();
    for method in methods {
        let of = |purpose| story.iter().filter(move |found| found.method == method && found.purpose == purpose);
        let first = |purpose| of(purpose).find(|found| found.graded.verdict.is_correct()).map(|found| found.iteration);
        let solved = [("unaided", Purpose::Unhinted), ("with the hint", Purpose::Hinted)];
        let solved = solved.into_iter().filter_map(|(how, purpose)| Some(format!("{how} in iteration {}", first(purpose)?)));
        let solved = solved.collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "  {}{}{solved}", line(method), if solved.is_empty() { "" } else { ": first solved " });
        for purpose in [Purpose::Unhinted, Purpose::Hinted, Purpose::Evaluation, Purpose::FinalEvaluation] {
            let mut signs = String::new();
            let mut last = None;
            for found in of(purpose) {
                if last.replace(found.iteration) != Some(found.iteration) {
                    let _ = write!(signs, "  {} ", found.iteration);
                }
                signs.push_str(sign(&found.graded.verdict));
            }
            if !signs.is_empty() {
                let _ = writeln!(text, "    {:<18}{signs}", purpose.name());
            }
        }
    }
    text.push('\n');
    text
}

fn sign(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Correct => "✓",
        Verdict::Wrong { .. } => "✗",
        Verdict::Unparsed | Verdict::Truncated => "?",
        Verdict::Failed { .. } => "!",
    }
}

fn fate_text(fate: Fate) -> &'static str {
    match fate {
        Fate::Measured | Fate::NotRight => "",
        Fate::Kept => ", kept",
        Fate::LeakedHint => ", dropped: tells the hint",
        Fate::FalseStep => ", dropped: a false step",
        Fate::Duplicate => ", dropped: a duplicate",
        Fate::OverLimit => ", dropped: over the limit of its problem",
        Fate::Open => ", selection to come",
        Fate::Restated => ", dropped: only restates the hint",
        Fate::Unsure => ", dropped: the model was not sure of it",
        Fate::SamePath => ", dropped: the same path as another",
        Fate::OwnRule => ", dropped: by a rule of its method",
        Fate::Compared => ", learned from beside others",
        Fate::NotCompared => ", dropped: nothing to compare it with",
    }
}

/// The attempt with its question.
fn json(question: Option<&Question>, found: &Found) -> std::io::Result<serde_json::Value> {
    let mut value = serde_json::to_value(found)?;
    value["question"] = serde_json::to_value(question)?;
    Ok(value)
}
