//! Verdicts of a program of the user.
//!
//! The program is started once, before the first completion. It answers each line with one line:
//!
//! ```text
//! {"id": "jsonl/train/00017", "answer": "72", "completion": " 48/2 = 24 ..."}      and "choices", if the problem has them
//! {"verdict": "correct"}      or {"verdict": "wrong", "predicted": "73"}, or {"verdict": "unparsed"}
//! ```
//! It ends when its input ends. An answer may repeat the `id` of its question. If the program ends, hangs or answers anything else, the verdict of
//! this completion is [`Verdict::Failed`], and another process is started for the next one. So a completion that kills the verifier loses only its
//! own verdict. If the program fails many times in a row, the verifier is broken, and the run stops.

mod process;

use crate::error::{Error, Result};
use crate::task::ConfigError;
use crate::types::{Problem, ProblemId, Verdict};
use process::Process;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The protocol of a verifier. Errors show it.
const PROTOCOL: &str = "it has to answer each line such as {\"id\": ..., \"answer\": ..., \"completion\": ...} with one line such as \
                        {\"verdict\": \"correct\"}, and to end only when its input ends";
/// Characters of a wrong answer that an error shows.
const SHOWN: usize = 200;

/// A program that judges completions.
pub(super) struct VerifierProgram {
    command: Vec<String>,
    secrets: Vec<String>,
    time_limit: Duration,
    most_failures: u32,
    state: Mutex<State>,
}

struct State {
    /// `None` before the first question and after a failure.
    process: Option<Process>,
    /// Failures since the last verdict.
    failures: u32,
}

#[derive(Serialize)]
struct Question<'a> {
    id: &'a ProblemId,
    answer: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    choices: &'a [String],
    completion: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    verdict: Name,
    #[serde(default)]
    predicted: Option<serde_json::Value>,
    #[serde(default)]
    id: Option<ProblemId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    Correct,
    Wrong,
    Unparsed,
}

impl VerifierProgram {
    /// The verifier. It starts no program yet, because reading a run must not run one.
    pub fn new(command: &[String], secrets: &[String], time_limit_seconds: f64, most_failures: u32) -> Self {
        let state = Mutex::new(State { process: None, failures: 0 });
        VerifierProgram {
            command: command.to_vec(),
            secrets: secrets.to_vec(),
            time_limit: Duration::from_secs_f64(time_limit_seconds),
            most_failures,
            state,
        }
    }

    /// Starts the program, and asks it twice about a completion with the known answer. So a program that does not exist, does not keep to the
    /// protocol or ends after its first answer is an error before any work is done.
    pub fn start(&self, known: Option<(&Problem, &str)>) -> Result<(), ConfigError> {
        let invalid = |reason| ConfigError { key: "command", reason };
        let process = Process::start(&self.command, &self.secrets).map_err(|reason| invalid(format!("cannot be started: {reason}")));
        let mut process = process?;
        for answers_before in 0..2 {
            let Some((problem, completion)) = known else { break };
            let failed = |reason: String| {
                let after = if answers_before == 0 { "" } else { ", after one answer" };
                let id = &problem.id;
                invalid(format!("the program {:?} was tried with the known answer of {id}{after}: {reason}; {PROTOCOL}", self.name()))
            };
            let verdict = self.judge(&mut process, problem, completion).map_err(failed)?;
            if answers_before == 0 && !verdict.is_correct() {
                log::warn!(
                    "task.command: the program {:?} calls the known answer of {} {}: {completion:?}. Check the program, or make \
                     task.direct_completion write answers that it can read",
                    self.name(),
                    problem.id,
                    verdict.name()
                );
            }
        }
        self.state().process = Some(process);
        Ok(())
    }

    /// The program with its arguments, as errors show it.
    fn name(&self) -> String {
        self.command.join(" ")
    }

    fn judge(&self, process: &mut Process, problem: &Problem, completion: &str) -> Result<Verdict, String> {
        let Problem { id, answer, choices, .. } = problem;
        let question = serde_json::to_string(&Question { id, answer, choices, completion }).expect("texts are always JSON");
        process.ask(question, self.time_limit).and_then(|line| verdict(&line, id))
    }

    /// A panic while the state was locked cannot leave a part of it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The program's verdict on a completion.
    ///
    /// # Errors
    /// [`Error::Verifier`]: the program cannot be started again, or it failed too many times in a row.
    pub fn ask(&self, problem: &Problem, completion: &str) -> Result<Verdict> {
        let broken = |message, source| Error::Verifier { command: self.name(), message, source };
        let mut state = self.state();
        // One that ended while nothing was asked has failed on nothing.
        let is_alive = state.process.as_mut().is_some_and(Process::is_alive);
        let mut process = match state.process.take().filter(|_| is_alive) {
            Some(process) => process,
            None => {
                Process::start(&self.command, &self.secrets).map_err(|error| broken("cannot be started".to_owned(), Some(error.into())))?
            }
        };
        match self.judge(&mut process, problem, completion) {
            Ok(verdict) => {
                *state = State { process: Some(process), failures: 0 };
                Ok(verdict)
            }
            Err(reason) => {
                state.failures += 1;
                if state.failures < self.most_failures {
                    return Ok(Verdict::Failed { reason });
                }
                let message = format!(
                    "failed on {} completions in a row, the last time on {}: {reason}; try it by hand: {PROTOCOL}",
                    state.failures, problem.id
                );
                Err(broken(message, None))
            }
        }
    }
}

/// The verdict in `line`, a verifier's answer to a question about `asked`.
///
/// # Errors
/// The line is not a verdict, or it answers about another problem. The text names what was found and what was expected.
pub fn verdict(line: &str, asked: &ProblemId) -> Result<Verdict, String> {
    let Answer { verdict, predicted, id } = serde_json::from_str(line).map_err(|_| {
        let shown: String = line.trim_end().chars().take(SHOWN).collect();
        format!("it answered {shown:?}, expected a verdict such as {{\"verdict\": \"correct\"}}")
    })?;
    if let Some(id) = id.filter(|id| id != asked) {
        return Err(format!("it answered about {id} when it was asked about {asked}"));
    }
    Ok(match verdict {
        Name::Correct => Verdict::Correct,
        Name::Wrong => Verdict::Wrong { predicted: predicted.map(plain).unwrap_or_default() },
        Name::Unparsed => Verdict::Unparsed,
    })
}

fn plain(value: serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(all(test, unix))]
mod tests;
