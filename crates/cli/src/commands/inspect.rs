//! `starloop inspect`: what was asked, answered, kept and dropped.

use crate::console;
use crate::untrusted::{readable, visible};
use anyhow::{Result, bail};
use starloop_core::inspect::{self, Filter, Found, Purpose};
use starloop_core::report::{Fate, Question};
use starloop_core::run_dir::RunDir;
use starloop_core::types::Verdict;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Read what a model was asked and answered, and what became of it.
///
/// With `--problem`, one problem's story over the iterations. On a terminal the output is paged through $PAGER, or `less`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop inspect runs/arithmetic --method star --iteration 3 --verdict wrong
  starloop inspect runs/arithmetic --problem 624+259
  starloop inspect runs/gsm8k --dropped --limit 5
  starloop inspect runs/gsm8k --purpose hinted --kept --json | head")]
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
    #[arg(long, value_parser = ["unhinted", "hinted", "evaluation", "final"])]
    purpose: Option<String>,
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
    /// Attempts to show; 0 for all
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Show long lines whole
    #[arg(long)]
    full: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let run = RunDir::open_read_only(&arguments.run)?;
    if let Some(method) = arguments.method.as_ref().filter(|_| arguments.method_is_unknown(&run)) {
        bail!("{} has no method {method}; there are: {}", arguments.run.display(), run.config()?.run.join(", "));
    }
    // A story is wanted whole.
    let limit = if arguments.limit == 0 || arguments.problem.is_some() { usize::MAX } else { arguments.limit };
    let mut shown = Vec::new();
    let mut total = 0;
    let warnings = inspect::each(&run, &arguments.filter(), |found, questions| {
        total += 1;
        if shown.len() < limit {
            shown.push((questions.get(&found.graded.attempt.problem).cloned(), found));
        }
    })?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    if arguments.json {
        return shown.iter().try_for_each(|(question, found)| console::print_json(&json(question.as_ref(), found)?));
    }
    let mut text = if arguments.problem.is_some() { arguments.story(shown) } else { arguments.list(&shown) };
    if total > limit {
        let _ = writeln!(text, "{limit} of {total} shown; --limit 0 shows all");
    } else if total == 0 {
        eprintln!("nothing like that is in {}", arguments.run.display());
    }
    page(&text)
}

impl Arguments {
    fn method_is_unknown(&self, run: &RunDir) -> bool {
        run.config().is_ok_and(|config| self.method.as_ref().is_some_and(|method| !config.run.contains(method)))
    }

    fn filter(&self) -> Filter {
        let purpose = |name: &String| match name.as_str() {
            "unhinted" => Purpose::Unhinted,
            "hinted" => Purpose::Hinted,
            "evaluation" => Purpose::Evaluation,
            _ => Purpose::FinalEvaluation,
        };
        Filter {
            method: self.method.clone(),
            iteration: self.iteration,
            problem: self.problem.clone(),
            purpose: self.purpose.as_ref().map(purpose),
            verdict: self.verdict.clone(),
            kept: if self.kept { Some(true) } else { self.dropped.then_some(false) },
            class: self.class.clone(),
            text: self.text.clone(),
        }
    }

    fn list(&self, shown: &[(Option<Question>, Found)]) -> String {
        let mut text = String::new();
        for (question, found) in shown {
            let _ = writeln!(text, "{}\n{}", visible(&found.graded.attempt.problem.0), self.asked(question.as_ref()));
            text.push_str(&self.answered(found));
        }
        text
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
            let first = |purpose| story.iter().find(|found| found.purpose == purpose && found.graded.verdict.is_correct());
            let solved =
                |name, found: Option<&Found>| found.map(|f| format!("first solved {name} in iteration {} of {}", f.iteration, f.method));
            let solved = [solved("unaided", first(Purpose::Unhinted)), solved("with the hint", first(Purpose::Hinted))];
            let _ = writeln!(text, "{}\n{}", visible(&story[0].graded.attempt.problem.0), self.asked(question.as_ref()));
            solved.into_iter().flatten().for_each(|line| text.push_str(&format!("  {line}\n")));
            text.push('\n');
            story.iter().for_each(|found| text.push_str(&self.answered(found)));
        }
        text
    }

    fn asked(&self, question: Option<&Question>) -> String {
        let Some(Question { text, answer, .. }) = question else { return "  (the question is not known)".to_owned() };
        let answer = answer.as_ref().map_or(String::new(), |answer| format!("\n  answer: {}", visible(answer)));
        self.indented(text.trim_end()) + &answer
    }

    fn answered(&self, found: &Found) -> String {
        let attempt = &found.graded.attempt;
        let sign = match &found.graded.verdict {
            Verdict::Correct => "✓ correct".to_owned(),
            Verdict::Wrong { predicted } => format!("✗ wrong: {}", readable(predicted)),
            Verdict::Failed { reason } => format!("! failed: {}", readable(reason)),
            other => format!("? {}", other.name()),
        };
        let sample = if attempt.sample > 0 { format!(", sample {}", attempt.sample) } else { String::new() };
        let Found { method, iteration, purpose, fate, .. } = found;
        let per_token = attempt.logprob_per_token().map_or_else(String::new, |nats| format!(", {nats:.3} nats a token"));
        format!(
            "  {method}, iteration {iteration}, {}{sample}: {sign}{}; {} tokens{per_token}\n{}\n\n",
            purpose.name(),
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

fn fate_text(fate: Fate) -> &'static str {
    match fate {
        Fate::Measured | Fate::NotRight => "",
        Fate::Kept => ", kept",
        Fate::LeakedHint => ", dropped: tells the hint",
        Fate::FalseStep => ", dropped: a false step",
        Fate::Duplicate => ", dropped: a duplicate",
        Fate::OverLimit => ", dropped: over the limit of its problem",
        Fate::Open => ", selection to come",
    }
}

/// The attempt with its question.
fn json(question: Option<&Question>, found: &Found) -> Result<serde_json::Value> {
    let mut value = serde_json::to_value(found)?;
    value["question"] = serde_json::to_value(question)?;
    Ok(value)
}

/// Shows a text through the user's pager on a terminal; prints it elsewhere, or where there is no pager.
fn page(text: &str) -> Result<()> {
    if std::io::stdout().is_terminal() {
        let pager = std::env::var("PAGER").unwrap_or_else(|_| "less -FRX".to_owned());
        let mut words = pager.split_whitespace();
        let started = words.next().and_then(|program| Command::new(program).args(words).stdin(Stdio::piped()).spawn().ok());
        if let Some(mut pager) = started {
            // Who leaves the pager early has seen enough.
            let _ = pager.stdin.take().map(|mut stdin| stdin.write_all(text.as_bytes()));
            pager.wait()?;
            return Ok(());
        }
    }
    console::print(text.trim_end())
}
