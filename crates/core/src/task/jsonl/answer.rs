//! Reading the answer of a completion, and comparing it with the known one.
//!
//! 1. The text ends before the first stop string.
//! 2. Strict: what the pattern's group takes in its last match; without a pattern, the last line that begins with `####`.
//! 3. Flexible, where there is no such place: a number is the last of the text, a text what follows the last `answer is` or `answer:`, or else
//!    the last line. Choices are read as `task/choice.rs` says, with a pattern within its group.
//! 4. A text that the token limit ended has given its answer only if something follows the place of the strict one. Otherwise it is truncated.

use super::command::Verifier;
use super::settings::{AnswerType, JsonlConfig};
use crate::error::{Error, Result};
use crate::task::number::Number;
use crate::task::{ConfigError, choice};
use crate::types::{Grade, Problem, Reading, StopReason, Verdict};
use regex::Regex;

/// The place of a strict answer where no pattern is given.
const MARKED_LINE: &str = r"(?m)^[ \t]*####[ \t]*([^\n]*)$";

/// What stands before a text that is an answer, in lower case.
const MARKS: [&str; 3] = ["answer is", "answer:", "####"];

/// Reads and compares answers.
pub(super) struct Answers {
    stop: Vec<String>,
    /// `None` for choices without a pattern.
    pattern: Option<Regex>,
    comparison: Comparison,
}

enum Comparison {
    Exact,
    Number,
    Choice,
    Regex,
    Command(Verifier),
}

impl Answers {
    pub fn new(config: &JsonlConfig) -> Result<Self, ConfigError> {
        let comparison = match config.answer_type {
            AnswerType::Exact => Comparison::Exact,
            AnswerType::Number => Comparison::Number,
            AnswerType::Choice => Comparison::Choice,
            AnswerType::Regex => Comparison::Regex,
            AnswerType::Command => {
                Comparison::Command(Verifier::new(&config.command, &config.secrets, config.time_limit_seconds, config.most_failures))
            }
        };
        let pattern = match &config.pattern {
            None if config.answer_type == AnswerType::Choice => None,
            pattern => Some(one_group(pattern.as_deref().unwrap_or(MARKED_LINE))?),
        };
        Ok(Answers { stop: config.stop.clone(), pattern, comparison })
    }

    /// Starts the user's verifier, if there is one.
    pub fn start(&self) -> Result<(), ConfigError> {
        if let Comparison::Command(verifier) = &self.comparison { verifier.start() } else { Ok(()) }
    }

    /// Whether a text can be a known answer.
    pub fn check_known(&self, answer: &str, choices: &[String]) -> Result<(), String> {
        match self.comparison {
            Comparison::Exact if answer.trim().is_empty() => Err("the answer is empty".to_owned()),
            Comparison::Exact | Comparison::Command(_) => Ok(()),
            Comparison::Number => Number::whole(answer).map(drop).ok_or_else(|| format!("the answer {answer:?} is not a number")),
            Comparison::Choice => choice::known(answer, choices).map(drop).ok_or_else(|| {
                format!(
                    "the answer {answer:?} names none of the choices, or two of them: {}; write its letter or its text",
                    choices.join(", ")
                )
            }),
            Comparison::Regex => whole(answer).map(drop).map_err(|error| format!("the answer is not a regular expression: {error}")),
        }
    }

    /// Whether completions are graded here, and not by a program of the user's.
    pub fn are_compared_here(&self) -> bool {
        !matches!(self.comparison, Comparison::Command(_))
    }

    pub fn verify(&self, problem: &Problem, completion: &str, stop_reason: &StopReason) -> Result<Grade> {
        let (text, stop_reason) = match self.stop.iter().filter_map(|stop| completion.find(stop.as_str())).min() {
            Some(end) => (&completion[..end], &StopReason::Unspecified),
            None => (completion, stop_reason),
        };
        if let Comparison::Command(verifier) = &self.comparison {
            return Ok(match verifier.ask(problem, text)? {
                Verdict::Unparsed if stop_reason.is_cut() => Verdict::Truncated.into(),
                verdict => verdict.into(),
            });
        }
        self.check_known(&problem.answer, &problem.choices)
            .map_err(|message| Error::KnownAnswer { problem: problem.id.to_string(), message })?;
        Ok(self.compare(problem, text, stop_reason))
    }

    fn compare(&self, Problem { answer, choices, .. }: &Problem, text: &str, stop_reason: &StopReason) -> Grade {
        let cut_off = stop_reason.is_cut();
        let place = self.pattern.as_ref().and_then(|pattern| pattern.captures_iter(text).last());
        let stated = place.as_ref().and_then(|captures| captures.get(1)).map(|group| group.as_str().trim());
        let ended = place.as_ref().and_then(|captures| captures.get(0)).is_some_and(|whole| whole.end() < text.len());
        if cut_off && self.pattern.is_some() && !ended {
            return Verdict::Truncated.into();
        }
        let reading = if stated.is_some() { Reading::Strict } else { Reading::Flexible };
        let judged = |predicted: Option<String>, is_right: &dyn Fn(&str) -> bool| match predicted {
            None => Verdict::Unparsed.into(),
            Some(predicted) if is_right(&predicted) => Grade { verdict: Verdict::Correct, reading: Some(reading) },
            Some(predicted) => Grade { verdict: Verdict::Wrong { predicted }, reading: Some(reading) },
        };
        match &self.comparison {
            Comparison::Exact => judged(stated_text(stated, text), &|predicted| predicted == plain(answer)),
            Comparison::Regex => {
                judged(stated_text(stated, text), &|predicted| whole(answer).is_ok_and(|pattern| pattern.is_match(predicted)))
            }
            Comparison::Number => {
                let known = Number::whole(answer).map(|number| number.to_string());
                let number = stated.map_or_else(|| Number::last(text), stated_number);
                judged(number.map(|number| number.to_string()), &|predicted| known.as_deref() == Some(predicted))
            }
            Comparison::Choice => {
                let Some(right) = choice::known(answer, choices) else { return Verdict::Unparsed.into() };
                match (&self.pattern, stated) {
                    (None, _) => choice::verify(choices, right, text, stop_reason),
                    (Some(_), None) => Verdict::Unparsed.into(),
                    (Some(_), Some(stated)) => choice::verify_conclusion(choices, right, stated),
                }
            }
            Comparison::Command(_) => unreachable!("graded before it comes here"),
        }
    }
}

/// `48 + 24 = 72` states 72.
fn stated_number(stated: &str) -> Option<Number> {
    Number::first(stated.rsplit('=').next().unwrap_or_default())
}

/// The answer as it is stated, or as the end of the text has it.
fn stated_text(stated: Option<&str>, text: &str) -> Option<String> {
    let at_the_end = || concluded(text).or_else(|| text.trim_end().lines().next_back());
    let found = plain(stated.or_else(at_the_end)?);
    (!found.is_empty()).then_some(found)
}

/// What follows the last mark: the rest of its line, or the next line that is not blank.
fn concluded(text: &str) -> Option<&str> {
    // Of the same length, so that places hold for both.
    let lower = text.to_ascii_lowercase();
    let end = MARKS.iter().filter_map(|mark| lower.rfind(mark).map(|at| at + mark.len())).max()?;
    text[end..].trim_start_matches(|c: char| c.is_whitespace() || c == ':').lines().next()
}

/// Without what does not tell texts apart.
fn plain(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.strip_suffix('.').map(str::to_owned).unwrap_or(words)
}

/// A regular expression that has to match all of a text.
fn whole(answer: &str) -> Result<Regex, String> {
    Regex::new(&format!("^(?:{answer})$")).map_err(|error| brief(&error))
}

fn one_group(pattern: &str) -> Result<Regex, ConfigError> {
    let invalid = |reason| ConfigError { key: "pattern", reason };
    let regex = Regex::new(pattern).map_err(|error| invalid(brief(&error)))?;
    match regex.captures_len() - 1 {
        1 => Ok(regex),
        groups => Err(invalid(format!("must have one group (...) around the answer, found {groups}; write (?:...) for others"))),
    }
}

/// The last line of what the engine says, which names the mistake; the lines before it draw the pattern.
pub(super) fn brief(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().next_back().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests;
