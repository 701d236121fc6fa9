//! Reading the answer of a completion, and comparing it with the known one.
//!
//! 1. The text ends before the first stop string.
//! 2. With a pattern, the answer is its group in the last match.
//! 3. Otherwise, and where a pattern does not match, [`starloop_answers`] finds the answer. Choices with a pattern are read in its group only.
//! 4. A completion that the token limit cut off has an answer only if the mark or the pattern's match ended before the text. Otherwise it is
//!    truncated.

use super::command::VerifierProgram;
use super::settings::{AnswerType, JsonlConfig};
use crate::error::masks::shortened;
use crate::error::{Error, Result};
use crate::task::{ConfigError, verdict};
use crate::types::{Grade, Named, Place, Problem, Reading, StopReason, Verdict};
use regex::Regex;
use starloop_answers::choice::{self, ChoicePreference, ChoiceStyle};
use starloop_answers::number::{self, Quantity};
use starloop_answers::verdict::Tolerance;
use starloop_answers::{Ending, Mark, end_of_turn, find};
use std::ops::Range;

/// Reads and compares answers.
pub(super) struct Answers {
    stop: Vec<String>,
    pattern: Option<Regex>,
    comparison: AnswerComparison,
}

enum AnswerComparison {
    Exact,
    Number(Tolerance),
    Choice(ChoiceStyle, ChoicePreference),
    Regex,
    Command(VerifierProgram),
}

impl Answers {
    pub fn new(config: &JsonlConfig) -> Result<Self, ConfigError> {
        let comparison = match config.answer_type {
            AnswerType::Exact => AnswerComparison::Exact,
            AnswerType::Number => AnswerComparison::Number(config.tolerance()?),
            AnswerType::Choice => AnswerComparison::Choice(config.choice_style, config.choice_preference),
            AnswerType::Regex => AnswerComparison::Regex,
            AnswerType::Command => AnswerComparison::Command(VerifierProgram::new(
                &config.command,
                &config.secrets,
                config.time_limit_seconds,
                config.most_failures,
            )),
        };
        let pattern = config.pattern.as_deref().map(one_group).transpose()?;
        Ok(Answers { stop: config.stop.clone(), pattern, comparison })
    }

    /// Starts the user's verifier, if there is one, and tries it with `known`: a problem, and a completion with its known answer.
    pub fn start(&self, known: Option<(&Problem, &str)>) -> Result<(), ConfigError> {
        if let AnswerComparison::Command(verifier) = &self.comparison { verifier.start(known) } else { Ok(()) }
    }

    /// Checks that a text can be a known answer.
    pub fn check_known(&self, answer: &str, choices: &[String]) -> Result<(), String> {
        match self.comparison {
            AnswerComparison::Exact if find::plain(answer).is_empty() => Err("the answer is empty".to_owned()),
            AnswerComparison::Exact | AnswerComparison::Command(_) => Ok(()),
            AnswerComparison::Number(_) => known_number(answer).map(drop),
            AnswerComparison::Choice(style, preference) => verdict::choices(answer, choices, style, preference).map(drop),
            AnswerComparison::Regex => known_pattern(answer).map(drop),
        }
    }

    /// Returns true if starloop grades completions itself, without the user's program.
    pub fn are_compared_here(&self) -> bool {
        !matches!(self.comparison, AnswerComparison::Command(_))
    }

    pub fn verify(&self, problem: &Problem, completion: &str, stop_reason: &StopReason) -> Result<Grade> {
        let stop = self.stop.iter().filter_map(|stop| completion.find(stop.as_str())).min();
        let text = &completion[..stop.unwrap_or(completion.len())];
        let ending = if stop.is_some() { Ending::Complete } else { verdict::ending(stop_reason) };
        if let AnswerComparison::Command(verifier) = &self.comparison {
            return Ok(match verifier.ask(problem, text)? {
                Verdict::Unparsed if ending == Ending::CutOff => Verdict::Truncated.into(),
                verdict => verdict.into(),
            });
        }
        let grade = match &self.pattern {
            Some(pattern) => self.by_pattern(pattern, problem, text, ending),
            None => self.compare(problem, text, ending),
        };
        grade.map_err(|message| Error::KnownAnswer { problem: problem.id.to_string(), message })
    }

    /// Grades the group of the user's pattern.
    fn by_pattern(&self, pattern: &Regex, problem: &Problem, text: &str, ending: Ending) -> Result<Grade, String> {
        let Some(end) = end_of_turn(text) else { return Ok(Verdict::Truncated.into()) };
        let (own, ending) = (&text[..end], if end < text.len() { Ending::Complete } else { ending });
        let place = pattern.captures_iter(own).last();
        let whole_match = place.as_ref().and_then(|captures| captures.get(0));
        if ending == Ending::CutOff && whole_match.is_none_or(|whole| whole.end() == own.len()) {
            return Ok(Verdict::Truncated.into());
        }
        match place.and_then(|captures| captures.get(1)) {
            Some(group) => self.conclusion(problem, group.as_str(), group.range()),
            None if matches!(self.comparison, AnswerComparison::Choice(..)) => Ok(Verdict::Unparsed.into()),
            None => self.compare(problem, own, ending),
        }
    }

    /// Grades a text that is the answer and nothing else.
    fn conclusion(&self, Problem { answer, choices, .. }: &Problem, stated: &str, span: Range<usize>) -> Result<Grade, String> {
        let text = |is_right: &dyn Fn(&str) -> bool| match find::plain(stated) {
            predicted if predicted.is_empty() => Verdict::Unparsed,
            predicted if is_right(&predicted) => Verdict::Correct,
            predicted => Verdict::Wrong { predicted },
        };
        let mut contradiction = None;
        let verdict = match &self.comparison {
            AnswerComparison::Exact => text(&|predicted| predicted == find::plain(answer)),
            AnswerComparison::Regex => {
                let known = known_pattern(answer)?;
                text(&|predicted| known.is_match(predicted))
            }
            AnswerComparison::Number(tolerance) => {
                let known = known_number(answer)?;
                match find::conclusion(stated) {
                    None => Verdict::Unparsed,
                    Some(found) if tolerance.accepts(&found.value, &known.value) => Verdict::Correct,
                    Some(found) => Verdict::Wrong { predicted: found.value.to_string() },
                }
            }
            AnswerComparison::Choice(style, preference) => {
                let known = verdict::choices(answer, choices, *style, *preference)?;
                let named = choice::conclusion(stated, choices, *style);
                contradiction = named.filter(|named: &Named| named.is_contradiction());
                named.map_or(Verdict::Unparsed, |named| starloop_answers::verdict::of_named(named, &known))
            }
            AnswerComparison::Command(_) => unreachable!("the program gave its verdict before"),
        };
        Ok(Grade { verdict, place: Some(Place { reading: Reading::Pattern, span }), contradiction })
    }

    fn compare(&self, Problem { answer, choices, .. }: &Problem, text: &str, ending: Ending) -> Result<Grade, String> {
        Ok(match &self.comparison {
            AnswerComparison::Exact => {
                self.check_known(answer, choices)?;
                let known = find::plain(answer);
                starloop_answers::verdict::text(text, |predicted| predicted == known, &Mark::ALL, ending)
            }
            AnswerComparison::Regex => {
                let known = known_pattern(answer)?;
                starloop_answers::verdict::text(text, |predicted| known.is_match(predicted), &Mark::ALL, ending)
            }
            AnswerComparison::Number(tolerance) => {
                starloop_answers::verdict::number(text, &known_number(answer)?, tolerance, &Mark::ALL, ending)
            }
            AnswerComparison::Choice(style, preference) => {
                let known = verdict::choices(answer, choices, *style, *preference)?;
                starloop_answers::verdict::choice(text, &known, &Mark::ALL, ending)
            }
            AnswerComparison::Command(_) => unreachable!("the program gave its verdict before"),
        })
    }
}

fn known_number(answer: &str) -> Result<Quantity, String> {
    number::known(answer).ok_or_else(|| format!("the answer {:?} is not a number", shortened(answer)))
}

/// The regular expression of a known answer. It has to match all of a completion's answer.
fn known_pattern(answer: &str) -> Result<Regex, String> {
    Regex::new(&format!("^(?:{answer})$")).map_err(|error| format!("the answer is not a regular expression: {}", brief(&error)))
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
