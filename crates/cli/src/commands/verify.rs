//! `starloop verify`: grade completions against known answers, or audit the verdicts of a run.

use crate::access::{Access, RunPart};
use crate::console;
use crate::untrusted::line as visible;
use crate::usage::UsageError;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use starloop_core::registry::Registry;
use starloop_core::types::{Grade, Place, Problem, ProblemId, Reading, StopReason, Verdict};
use starloop_record::RunDir;
use starloop_report::inspect::Filter;
use starloop_report::verdicts::{Doubt, VerdictAudit};
use starloop_report::words::VERDICTS;
use std::fmt::Write as _;
use std::io::BufRead;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes of a completion that `--explain` shows on each side of the answer, at least.
const AROUND: usize = 40;

/// Grade completions against known answers as the loop does, or audit the verdicts of a run.
///
/// With --task, each line of standard input is one completion:
/// `{"completion": "...", "answer": "..."}`. Add `"choices": ["...", ...]` if the problem has choices, and `"stop_reason": "length"` if the token
/// limit cut the completion off.
///
/// With RUN, the program counts the run's verdicts by the rule that found the answer. It lists the verdicts that a person should read: right
/// answers found by a weak rule, wrong answers whose text holds the known answer, stated numbers that differ from the last number of the text,
/// and letters that contradict the text of the choice.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("subject").required(true).args(["run", "task"])))]
#[command(after_help = "\
Examples:
  echo '{\"completion\": \"8 8 3\", \"answer\": \"8 8 3\"}' | starloop verify --task arithmetic --json
  starloop verify --task arithmetic < completions.jsonl
  echo '{\"completion\": \"The answer is 72, after 3 days.\", \"answer\": \"72\"}' | starloop verify --task gsm8k --explain
  starloop verify --task jsonl --set task.answer_type=number --set task.tolerance=0.01 < completions.jsonl
  starloop verify runs/gsm8k                                  the verdicts of a run
  starloop verify runs/gsm8k --method star --iteration 2 --limit 20 --json")]
pub struct Arguments {
    /// A run directory, whose verdicts are audited
    #[arg(value_name = "RUN", conflicts_with_all = ["set", "explain"])]
    run: Option<PathBuf>,
    /// The task of the completions on standard input
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// Change a key of the task, such as `task.answer_type="number"`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Show for each completion what was read as its answer, where, and by which rule
    #[arg(long)]
    explain: bool,
    /// Audit only this method of the run
    #[arg(long, value_name = "NAME", requires = "run")]
    method: Option<String>,
    /// Audit only this iteration of the run; 0 is the base
    #[arg(long, value_name = "N", requires = "run")]
    iteration: Option<u32>,
    /// List at most so many verdicts of each kind
    #[arg(long, value_name = "N", default_value_t = 5, requires = "run")]
    limit: usize,
    /// Print JSON: {"verdict": ..., "predicted": ...} for each line, or the audit as one object
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    #[serde(deserialize_with = "scalar")]
    completion: String,
    #[serde(deserialize_with = "scalar")]
    answer: String,
    #[serde(default)]
    choices: Vec<Scalar>,
    #[serde(default)]
    id: Option<Scalar>,
    #[serde(default = "unspecified")]
    stop_reason: StopReason,
}

/// A value that [`scalar`] reads as a text.
#[derive(Deserialize)]
struct Scalar(#[serde(deserialize_with = "scalar")] String);

/// A text, a number with all the digits that the line writes, or a truth value.
fn scalar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    match serde_json::from_str(raw.get()) {
        Ok(serde_json::Value::String(text)) => Ok(text),
        Ok(serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => Ok(raw.get().to_owned()),
        _ => Err(serde::de::Error::custom(format!("invalid value {}, expected a text, a number, true or false", raw.get()))),
    }
}

fn unspecified() -> StopReason {
    StopReason::Unspecified
}

#[derive(Serialize)]
struct Output<'a> {
    verdict: &'static str,
    predicted: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reading: Option<Reading>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<Range<usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

pub fn run(arguments: &Arguments, registry: &Registry, access: Access) -> Result<()> {
    match (&arguments.run, &arguments.task) {
        (Some(run), _) => {
            access.check_run(run, RunPart::Files)?;
            arguments.audit(run)
        }
        (None, Some(task)) => arguments.grade(task, registry, access),
        (None, None) => unreachable!("clap requires one of them"),
    }
}

impl Arguments {
    /// Grades the completions on standard input.
    fn grade(&self, task: &str, registry: &Registry, access: Access) -> Result<()> {
        let settings = registry.task_settings(task, &self.set)?;
        if let Some(program) = settings.program().filter(|_| access.no_programs) {
            bail!(UsageError::Request(format!(
                "task.command names the program {program:?}, and --no-programs starts none; leave out that option to grade with it"
            )));
        }
        let task = settings.grader()?;
        task.prepare()?;
        let mut counts = VERDICTS.map(|words| (words.name, 0_u64));
        for (number, line) in std::io::stdin().lock().lines().enumerate() {
            let number = number + 1;
            let place = || format!("standard input, line {number}");
            let at = |error: serde_json::Error| {
                let text = error.to_string();
                anyhow::anyhow!("{}, column {}: {}", place(), error.column(), text.split(" at line ").next().unwrap_or_default())
            };
            let line = line.with_context(place)?;
            if line.trim().is_empty() {
                continue;
            }
            let input: Input = serde_json::from_str(&line).map_err(at)?;
            let id = ProblemId(input.id.map_or_else(|| format!("line {number}"), |Scalar(id)| id));
            let choices = input.choices.into_iter().map(|Scalar(choice)| choice).collect();
            let problem = Problem { id, class: String::new(), question: String::new(), answer: input.answer, choices };
            let grade = task.verify(&problem, &input.completion, &input.stop_reason).with_context(place)?;
            counts.iter_mut().filter(|(name, _)| *name == grade.verdict.name()).for_each(|(_, count)| *count += 1);
            if self.json {
                console::print_json(&output(&grade, &problem.answer, &input.completion, self.explain))?;
            } else if self.explain {
                console::print(explained(&format!("line {number}"), &grade, &problem.answer, &input.completion).trim_end())?;
            }
        }
        if self.json {
            return Ok(());
        }
        // These two are rare: letter and text can only differ for choices, and only the user's own verifier can fail.
        let is_shown = |(name, count): &&(&str, u64)| *count > 0 || !["contradiction", "failed"].contains(name);
        counts.iter().filter(is_shown).try_for_each(|(name, count)| console::print(&format!("{name:>13} {count}")))
    }

    /// Audits the verdicts of a run.
    fn audit(&self, path: &Path) -> Result<()> {
        let run = RunDir::open_read_only(path)?;
        let methods: Vec<String> = run.info()?.methods.into_iter().map(|method| method.name).collect();
        if let Some(unknown) = self.method.as_ref().filter(|method| !methods.contains(method)) {
            bail!(UsageError::Request(format!("{} has no method {unknown}; it has: {}", path.display(), methods.join(", "))));
        }
        let filter = Filter { method: self.method.clone(), iteration: self.iteration, ..Filter::default() };
        let audit = VerdictAudit::of(&run, &filter, self.limit)?;
        if self.json { console::print_json(&audit) } else { console::print(table(&audit).trim_end()) }
    }
}

fn output<'a>(grade: &'a Grade, known: &'a str, completion: &'a str, is_explained: bool) -> Output<'a> {
    let (predicted, reason) = match &grade.verdict {
        Verdict::Correct => (Some(known), None),
        Verdict::Wrong { predicted } => (Some(predicted.as_str()), None),
        Verdict::Contradiction { .. } | Verdict::Unparsed | Verdict::Truncated => (None, None),
        Verdict::Failed { reason } => (None, Some(reason.as_str())),
    };
    let place = grade.place.as_ref();
    let explained = place.filter(|_| is_explained);
    Output {
        verdict: grade.verdict.name(),
        predicted,
        reading: place.map(|place| place.reading),
        span: explained.map(|place| place.span.clone()),
        read: explained.and_then(|place| completion.get(place.span.clone())),
        reason,
    }
}

/// The value that was read, its place, and the rule that found it. `of` names the completion.
pub fn explained(of: &str, grade: &Grade, known: &str, completion: &str) -> String {
    let said = match &grade.verdict {
        Verdict::Wrong { predicted } => format!("wrong: {} is not {}", visible(predicted), visible(known)),
        Verdict::Contradiction { letter, text } => format!("contradiction: letter ({letter}), text of ({text})"),
        Verdict::Failed { reason } => format!("failed: {}", visible(reason)),
        other => other.name().to_owned(),
    };
    let mut shown = format!("{of}: {said}\n");
    match &grade.place {
        Some(place @ Place { reading, span }) if completion.get(span.clone()).is_some() => {
            let Range { start, end } = place.around(completion, AROUND);
            let (before, read, after) = (&completion[start..span.start], &completion[span.clone()], &completion[span.end..end]);
            let cut = |is_cut: bool| if is_cut { "…" } else { "" };
            let _ = writeln!(shown, "  rule: {} ({})", reading.description(), reading.name());
            let _ = writeln!(shown, "  read: {}  (bytes {} to {})", visible(read), span.start, span.end);
            let (before, read, after) = (visible(before), visible(read), visible(after));
            let _ = writeln!(shown, "  text: {}{before}»{read}«{after}{}", cut(start > 0), cut(end < completion.len()));
        }
        _ => {
            let _ = writeln!(shown, "  no place in the text was read as the answer");
        }
    }
    shown
}

fn table(audit: &VerdictAudit) -> String {
    let mut text = String::from("verdicts by the rule that found the answer\n\n");
    let shown: Vec<usize> =
        (0..VERDICTS.len()).filter(|&verdict| verdict < 2 || audit.readings.iter().any(|counts| counts.verdicts[verdict] > 0)).collect();
    let heads: Vec<String> = shown.iter().map(|&verdict| format!("{:>13}", VERDICTS[verdict].name)).collect();
    let _ = writeln!(text, "{:<42}{}", "", heads.concat());
    for counts in &audit.readings {
        let cells: Vec<String> = shown.iter().map(|&verdict| format!("{:>13}", counts.verdicts[verdict])).collect();
        let _ = writeln!(text, "{:<42}{}", counts.description, cells.concat());
    }
    for (kind, doubts) in audit.doubts() {
        let _ = writeln!(text, "\n{}: {kind}", doubts.count);
        for doubt in &doubts.shown {
            text.push_str(&entry(doubt));
        }
        let hidden = doubts.count - doubts.shown.len() as u64;
        if hidden > 0 {
            let _ = writeln!(text, "  … and {hidden} more; --limit N shows more");
        }
    }
    text
}

fn entry(doubt: &Doubt) -> String {
    let Doubt { method, iteration, purpose, problem, sample, verdict, known, read, reading, excerpt } = doubt;
    let rule = reading.map_or_else(String::new, |reading| format!(" by {}", reading.name()));
    let read = read.as_deref().map_or_else(String::new, |read| format!(", read {}{rule}", visible(read)));
    let [method, problem, known, excerpt] = [method, problem, known, excerpt].map(|text| visible(text));
    format!(
        "  {problem} ({method}, iteration {iteration}, {}, sample {sample}): {verdict}, known {known}{read}\n    {excerpt}\n",
        purpose.label()
    )
}
