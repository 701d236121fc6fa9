//! `starloop inspect`: problems, answers, verdicts and outcomes.

use crate::access::{Access, RunPart};
use crate::commands::prompt;
use crate::console;
use crate::pager::Pager;
use crate::untrusted::{line, readable, visible};
use crate::usage::UsageError;
use anyhow::{Context, Result, bail};
use starloop_core::experiment::prompts::ShownPrompt;
use starloop_lm::files::chat::{Chat, ChatVariables};
use starloop_lm::model::PromptEncoder;
use starloop_record::types::{ProblemRecord, Verdict};
use starloop_record::{Outcome, RunDir};
use starloop_report::inspect::{self, Filter, InspectedAttempt, Instructive, Selected};
use starloop_report::report::before;
use starloop_report::words::{Purpose, of_verdict};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

/// Read problems, the answers of the models, their verdicts and their outcomes.
///
/// `--problem` shows one problem over the iterations. On a terminal the output goes through $PAGER, or `less`. Control characters and invisible
/// characters are shown by name, so that no text can control the terminal. --json prints texts unchanged.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  starloop inspect runs/arithmetic                                             all attempts and answers
  starloop inspect runs/arithmetic --method star --iteration 3 --verdict wrong
  starloop inspect runs/arithmetic --problem 624+259                           one problem over the iterations
  starloop inspect runs/arithmetic --kind lost                                 right before training, wrong after it
  starloop inspect runs/gsm8k --dropped --text \"as the hint says\" --limit 5
  starloop inspect runs/gsm8k --problem 00017 --prompt                         the prompt as the model read it, and its tokens
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
    /// The purpose of the attempt
    #[arg(long, value_enum)]
    purpose: Option<For>,
    /// The verdict on the answer
    #[arg(long, value_parser = ["correct", "wrong", "contradiction", "unparsed", "truncated", "failed"])]
    verdict: Option<String>,
    /// Only attempts that are learned
    #[arg(long)]
    kept: bool,
    /// Only right answers that are not learned
    #[arg(long, conflicts_with = "kept")]
    dropped: bool,
    /// Only an instructive kind of attempts
    #[arg(long, value_enum)]
    kind: Option<InstructiveArgument>,
    /// A class of problems, as the reports name it
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// A text in the completion; case matters
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Show at most N attempts, and count the others
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Show the whole prompt of each attempt as the model read it, with its tokens
    #[arg(long)]
    prompt: bool,
    /// Do not cut long lines
    #[arg(long)]
    full: bool,
    /// Print one JSON object on each line
    #[arg(long)]
    json: bool,
}

/// [`Purpose`] on the command line.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum For {
    Unhinted,
    Hinted,
    Evaluation,
    Final,
}

/// [`Instructive`] on the command line.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum InstructiveArgument {
    /// Right answers of the measured model where the untrained model was wrong
    Gained,
    /// Wrong answers of the measured model where the untrained model was right
    Lost,
    /// Right attempts with the hint, which the model failed without it
    OnlyWithHint,
    /// Right answers with a false step
    WrongSteps,
}

pub fn run(arguments: &Arguments, access: Access) -> Result<()> {
    access.check_run(&arguments.run, if arguments.prompt { RunPart::Base } else { RunPart::Files })?;
    let run = RunDir::open_read_only(&arguments.run)?;
    let methods: Vec<String> = run.info()?.methods.into_iter().map(|method| method.name).collect();
    if let Some(unknown) = arguments.method.as_ref().filter(|method| !methods.contains(method)) {
        bail!(UsageError::Request(format!(
            "{}: the run has no method {unknown}; its methods are {}",
            arguments.run.display(),
            methods.join(", ")
        )));
    }
    let mut out = if arguments.json || access.no_programs { Pager::Plain(std::io::stdout()) } else { Pager::start() };
    let outcome = arguments.write(&run, &mut out);
    // The pager must end before this program writes to the terminal.
    out.finish()?;
    let total = outcome?;
    match total {
        0 => console::remark(&format!("no attempts of {} match", arguments.run.display())),
        total if arguments.kind.is_some() => console::remark(&format!("{total} attempts match")),
        _ => {}
    }
    Ok(())
}

impl Arguments {
    /// Writes the attempts that match, and returns their number.
    fn write(&self, run: &RunDir, out: &mut impl Write) -> Result<usize> {
        let limit = self.limit.unwrap_or(usize::MAX);
        let (mut total, mut story) = (0, Vec::new());
        let mut prompts = self.prompt.then(|| Prompts::of(run)).transpose()?;
        inspect::each(run, &self.filter(run)?, |attempt, problem| {
            total += 1;
            if total > limit {
                return Ok(());
            }
            let asked = prompts.as_mut().map(|prompts| prompts.shown(run, &attempt)).transpose().map_err(std::io::Error::other)?;
            match problem {
                problem if self.json => writeln!(out, "{}", console::json_line(&json(problem, &attempt, asked.as_ref())?.to_string())),
                // The attempts at one problem are grouped after all of them are read.
                problem if self.problem.is_some() && !self.prompt => {
                    story.push((problem.cloned(), attempt));
                    Ok(())
                }
                problem => {
                    let asked = asked.map_or_else(String::new, |asked| format!("  prompt: {}\n", prompt::body(&asked)));
                    write!(out, "{}\n{}\n{asked}{}", heading(&attempt), self.text_of(problem), self.answer(&attempt))
                }
            }
        })?;
        write!(out, "{}", self.story(story))?;
        if total > limit {
            console::remark(&format!("{limit} of {total} shown"));
        }
        Ok(total)
    }

    fn filter(&self, run: &RunDir) -> Result<Filter> {
        let purpose = |purpose| match purpose {
            For::Unhinted => Purpose::Unhinted,
            For::Hinted => Purpose::Hinted,
            For::Evaluation => Purpose::Evaluation,
            For::Final => Purpose::FinalEvaluation,
        };
        let kind = |kind| match kind {
            InstructiveArgument::Gained => Instructive::Gained,
            InstructiveArgument::Lost => Instructive::Lost,
            InstructiveArgument::OnlyWithHint => Instructive::OnlyWithHint,
            InstructiveArgument::WrongSteps => Instructive::FalseStep,
        };
        let kind = self.kind.map(kind);
        Ok(Filter {
            method: self.method.clone(),
            iteration: self.iteration,
            problem: self.problem.clone(),
            purpose: self.purpose.map(purpose),
            verdict: self.verdict.clone(),
            selected: if self.kept { Some(Selected::Learned) } else { self.dropped.then_some(Selected::Dropped) },
            kind,
            before: if kind.is_some_and(Instructive::compares) { before(run)? } else { BTreeMap::new() },
            class: self.class.clone(),
            text: self.text.clone(),
        })
    }

    /// Each problem once, with its attempts over the iterations.
    fn story(&self, shown: Vec<(Option<ProblemRecord>, InspectedAttempt)>) -> String {
        let mut text = String::new();
        let mut problems: Vec<(Option<ProblemRecord>, Vec<InspectedAttempt>)> = Vec::new();
        for (problem, attempt) in shown {
            let same = |(_, group): &&mut (_, Vec<InspectedAttempt>)| group[0].graded.attempt.problem == attempt.graded.attempt.problem;
            match problems.iter_mut().find(same) {
                Some((_, group)) => group.push(attempt),
                None => problems.push((problem, vec![attempt])),
            }
        }
        for (problem, story) in &problems {
            let _ = writeln!(text, "{}\n{}\n", heading(&story[0]), self.text_of(problem.as_ref()));
            text.push_str(&courses(story));
            text.extend(story.iter().map(|attempt| self.answer(attempt)));
        }
        text
    }

    fn text_of(&self, problem: Option<&ProblemRecord>) -> String {
        let Some(ProblemRecord { text, answer, .. }) = problem else { return "  (the run did not record this problem)".to_owned() };
        format!("{}\n  known answer: {}", self.indented(text.trim_end()), line(answer))
    }

    fn answer(&self, inspected: &InspectedAttempt) -> String {
        let InspectedAttempt { method, iteration, purpose, outcome, graded } = inspected;
        let attempt = &graded.attempt;
        let words = of_verdict(&graded.verdict);
        let said = match &graded.verdict {
            Verdict::Wrong { predicted: said } | Verdict::Failed { reason: said } => format!(": {}", line(said)),
            Verdict::Contradiction { letter, text } => format!(": letter {letter}, text of {text}"),
            Verdict::Correct | Verdict::Unparsed | Verdict::Truncated => String::new(),
        };
        let sample = if attempt.sample > 0 { format!(", sample {}", attempt.sample) } else { String::new() };
        let repeats_verdict = |outcome: &Outcome| Outcome::of_failure(&graded.verdict) == Some(*outcome);
        let outcome = outcome.filter(|outcome| !repeats_verdict(outcome));
        let outcome = outcome.map_or_else(String::new, |outcome| format!(", {}", outcome.label()));
        let steps = if graded.verdict.is_correct() && graded.false_step == Some(true) { ", right answer with wrong steps" } else { "" };
        let per_token = attempt.logprob_per_token().map_or_else(String::new, |nats| format!(", {nats:.3} nats per token"));
        format!(
            "  {}, iteration {iteration}, {}{sample}: {} {}{said}{steps}{outcome}; {} tokens{per_token}\n{}\n\n",
            line(method),
            purpose.label(),
            words.sign,
            words.label,
            attempt.completion_tokens,
            self.indented(&attempt.completion)
        )
    }

    fn indented(&self, text: &str) -> String {
        let shown = if self.full { visible(text) } else { readable(text) };
        shown.lines().map(|line| format!("  │ {line}")).collect::<Vec<_>>().join("\n")
    }
}

fn heading(inspected: &InspectedAttempt) -> String {
    let attempt = &inspected.graded.attempt;
    format!("{} ({})", line(&attempt.problem.0), line(&attempt.class))
}

/// For each method, when it first solved a problem, and the verdict of every attempt.
fn courses(story: &[InspectedAttempt]) -> String {
    let mut text = String::new();
    let mut methods: Vec<&str> = story.iter().map(|attempt| attempt.method.as_str()).collect();
    methods.dedup();
    for method in methods {
        let of = |purpose| story.iter().filter(move |attempt| attempt.method == method && attempt.purpose == purpose);
        let first = |purpose| of(purpose).find(|attempt| attempt.graded.verdict.is_correct()).map(|attempt| attempt.iteration);
        let solved = |purpose: Purpose| Some(format!("{} in iteration {}", purpose.label(), first(purpose)?));
        let solved = [Purpose::Unhinted, Purpose::Hinted].into_iter().filter_map(solved).collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "  {}{}{solved}", line(method), if solved.is_empty() { "" } else { ": first solved " });
        for purpose in Purpose::ALL {
            let mut signs = String::new();
            let mut last = None;
            for attempt in of(purpose) {
                if last.replace(attempt.iteration) != Some(attempt.iteration) {
                    let _ = write!(signs, "  {} ", attempt.iteration);
                }
                signs.push_str(of_verdict(&attempt.graded.verdict).sign);
            }
            if !signs.is_empty() {
                let _ = writeln!(text, "    {:<18}{signs}", purpose.label());
            }
        }
    }
    text.push('\n');
    text
}

/// The prompts of a run as its model read them.
struct Prompts {
    encoder: PromptEncoder<'static>,
    /// The prompts of the stage that made the last attempt: its method, iteration and purpose.
    stage: Option<(String, u32, Purpose)>,
    texts: HashMap<String, String>,
}

impl Prompts {
    fn of(run: &RunDir) -> Result<Self> {
        let settings = starloop_record::run_dir::settings::flatten(&run.config()?);
        let base = match run.base_model() {
            unpacked if unpacked.is_dir() => unpacked,
            _ => run.info()?.model.base.into(),
        };
        let variables = settings.iter().filter_map(|(key, value)| Some((key.strip_prefix("model.chat_variables.")?, value)));
        let variables: ChatVariables =
            variables.map(|(key, value)| Ok((key.to_owned(), serde_json::to_value(value)?))).collect::<Result<_>>()?;
        let chat = settings.get("model.chat").is_some_and(|chat| chat.as_bool() == Some(true));
        let encoder =
            PromptEncoder::load(&base, Chat(chat.then_some(variables))).context("--prompt needs the tokenizer of the run's base")?;
        Ok(Prompts { encoder, stage: None, texts: HashMap::new() })
    }

    fn shown(&mut self, run: &RunDir, attempt: &InspectedAttempt) -> Result<ShownPrompt> {
        let stage = (attempt.method.clone(), attempt.iteration, attempt.purpose);
        if self.stage.as_ref() != Some(&stage) {
            (self.texts, self.stage) = (inspect::prompts(run, attempt)?, Some(stage));
        }
        let asked = &attempt.graded.attempt;
        match self.texts.get(&asked.prompt_sha256) {
            Some(text) => Ok(ShownPrompt::new(&self.encoder, text)?),
            None => bail!("the run did not record the prompt of {}", asked.problem),
        }
    }
}

/// The attempt with its problem, and with its prompt if it is asked for.
fn json(problem: Option<&ProblemRecord>, attempt: &InspectedAttempt, asked: Option<&ShownPrompt>) -> std::io::Result<serde_json::Value> {
    let mut value = serde_json::to_value(attempt)?;
    value["question"] = serde_json::to_value(problem)?;
    if let Some(asked) = asked {
        value["prompt"] = serde_json::to_value(asked)?;
    }
    Ok(value)
}
