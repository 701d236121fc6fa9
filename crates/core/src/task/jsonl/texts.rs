//! From a row to a problem, its prompts and its completions.
//!
//! Templates see the row's columns. These names come from the config and hide columns of the same name: `answer` (the known answer as text; for
//! choices the letter, or the text with `choice_style = "text"`), `choices` (their texts), `answer_text` (the text of the right choice),
//! `rationale`, and in the prompt `hint`, which is empty if no hint is shown. `columns` is the row itself, for columns whose names are no names in
//! templates: `columns["Question Text"]`.
//!
//! The prompt without a hint must not show the answer. To check this, it is rendered again from the row without its answer and rationale. The
//! two texts must be equal.

use super::answer::Answers;
use super::settings::{AnswerType, JsonlConfig};
use super::solution::Solution;
use crate::error::masks::shortened;
use crate::external::data_source::DataSource;
use crate::task::ConfigError;
use crate::task::dataset::{Entry, Store};
use crate::task::identity::Identity;
use crate::task::leak;
use crate::task::rows::{self, DataRow};
use crate::task::template::Template;
use crate::task::verdict::letter;
use crate::types::{Problem, ProblemId, Reading, StopReason, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use starloop_answers::choice::{self, ChoiceStyle};
use starloop_data::{READABLE, RowPlace};
use std::collections::BTreeMap;

/// The class of all problems if the config names no column of classes.
const EVERY_CLASS: &str = "all";
/// The column that makes a problem, unless the config names others.
const QUESTION: &str = "question";

/// The texts of a row. The question of its problem is the prompt without the hint.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Texts {
    /// The prompt with the hint.
    pub hinted: String,
    /// Rationale and answer, if the rationale is known.
    pub completion: Option<String>,
    /// The answer alone.
    pub direct: String,
    /// The prompt with a wrong answer in the hint, if one can be made.
    pub wrong: Option<WrongHint>,
}

/// A hint with a wrong answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WrongHint {
    pub answer: String,
    /// The prompt with the hint.
    pub hinted: String,
}

/// Turns rows into problems and texts.
pub(super) struct RowTexts<'a> {
    config: &'a JsonlConfig,
    answers: &'a Answers,
    prompt: Template,
    hint: Template,
    completion: Template,
    direct: Template,
}

/// The values of a row that the config selects.
struct RowParts {
    answer: String,
    choices: Vec<String>,
    rationale: Option<String>,
}

impl<'a> RowTexts<'a> {
    pub fn new(config: &'a JsonlConfig, answers: &'a Answers) -> Result<Self, ConfigError> {
        let parse = |key, source: &str| Template::parse(source).map_err(|reason| ConfigError { key, reason });
        Ok(RowTexts {
            config,
            answers,
            prompt: parse("prompt", &config.prompt)?,
            hint: parse("hint", &config.hint)?,
            completion: parse("completion", &config.completion)?,
            direct: parse("direct_completion", &config.direct_completion)?,
        })
    }

    /// The problems of a file. `seen` gets each of them in order.
    pub fn read(&self, key: &'static str, source: &DataSource, seen: impl FnMut(&Problem)) -> Result<Store<Texts>, ConfigError> {
        ConfigError::check(!source.is_empty(), key, || format!("is missing: name a file with one problem a row ({READABLE})"))?;
        Store::read(key, source, |row| self.problem(row), seen)
    }

    /// The worked examples of their file or of the config. Their rationales are templates over the example's columns.
    pub fn worked(&self) -> Result<Vec<Entry<Texts>>, ConfigError> {
        if let Some(source) = &self.config.examples_file {
            return rows::of_setting("examples_file", source, |row| self.worked_example(row));
        }
        let made = self.config.examples.iter().enumerate().map(|(number, table)| {
            let columns = serde_json::to_value(table).ok().and_then(|value| value.as_object().cloned()).unwrap_or_default();
            self.worked_example(&DataRow { number, place: RowPlace::line(number + 1), columns })
                .map_err(|reason| ConfigError { key: "examples", reason: format!("example {}: {reason}", number + 1) })
        });
        made.collect()
    }

    fn worked_example(&self, row: &DataRow) -> Result<Entry<Texts>, String> {
        // An example can have its answer and rationale apart, whatever the problems have.
        let parts = if row.get(&self.config.rationale).is_some() { self.column_parts(row)? } else { self.parts(row)? };
        let rationale = match &parts.rationale {
            Some(of_solution) => of_solution.clone(),
            None => self.rendered_rationale(row, &parts)?,
        };
        if rationale.trim().is_empty() {
            let fault = match &self.config.solution {
                Some(column) if parts.rationale.is_some() => format!("{column:?} has nothing before the answer"),
                _ => format!("{:?} is empty", self.config.rationale),
            };
            return Err(format!("{fault}; a worked example shows how the answer is reached"));
        }
        let mut entry = self.entry(row, RowParts { rationale: Some(rationale), ..parts })?;
        if let Some(completion) = &entry.rest.completion {
            self.is_graded_correct(&entry.problem, completion, "completion")?;
        }
        // A worked example may lack the columns of `identity`. Then its wording shows if it is one of the problems.
        entry.identity = self.identity(row, &entry.problem.choices).unwrap_or(entry.identity);
        Ok(entry)
    }

    /// The rationale of a worked example, which is a template over the example's columns.
    fn rendered_rationale(&self, row: &DataRow, parts: &RowParts) -> Result<String, String> {
        let column = &self.config.rationale;
        let source = row.text(column).map_err(|reason| format!("{reason}; a worked example shows how the answer is reached"))?;
        let rendered = Template::parse(source).and_then(|template| template.render(&overlaid(&row.columns, parts)));
        rendered.map_err(|reason| format!("in {column:?}: {reason}"))
    }

    fn problem(&self, row: &DataRow) -> Result<Entry<Texts>, String> {
        let mut parts = self.parts(row)?;
        if self.config.solution.is_none() {
            parts.rationale = row.get(&self.config.rationale).map(|_| row.text(&self.config.rationale).map(str::to_owned)).transpose()?;
        }
        let mut entry = self.entry(row, parts)?;
        entry.identity = self.identity(row, &entry.problem.choices)?;
        if let Some(column) = &self.config.id {
            entry.problem.id = ProblemId(name(row, column)?);
        }
        if let Some(column) = &self.config.class {
            entry.problem.class = name(row, column)?;
        }
        entry.rest.wrong = self.wrong_hint(row, &entry);
        Ok(entry)
    }

    /// The prompt with a wrong answer in the hint. There is none if no wrong answer can be made, or if the hint shows another column.
    fn wrong_hint(&self, row: &DataRow, entry: &Entry<Texts>) -> Option<WrongHint> {
        let Problem { answer, choices, .. } = leak::with_wrong_answer(&entry.problem)?;
        let columns = &overlaid(&self.without_answer(&row.columns), &RowParts { answer: answer.clone(), choices, rationale: None });
        let hint = self.hint.render(columns).ok()?;
        let hinted = self.prompt.render(&with_hint(columns, &hint)).ok()?;
        (hinted != entry.rest.hinted && hinted != entry.problem.question).then_some(WrongHint { answer, hinted })
    }

    /// The identity of the row's problem. It depends on the columns alone: another template must not move a problem from
    /// the training problems to the held-out ones.
    fn identity(&self, row: &DataRow, choices: &[String]) -> Result<Identity, String> {
        let JsonlConfig { identity, answer, solution, rationale, id, class, .. } = self.config;
        let choices = choices.iter().map(String::as_str);
        let own_question = [QUESTION.to_owned()];
        let named = if identity.is_empty() && row.get(QUESTION).is_some() { &own_question[..] } else { identity };
        if named.is_empty() {
            let apart = [Some(answer), Some(rationale), solution.as_ref(), id.as_ref(), class.as_ref()];
            let data = row.columns.iter().filter(|(column, _)| !apart.contains(&Some(column)));
            let texts: BTreeMap<&String, String> = data.map(|(column, value)| (column, plain(value))).collect();
            return Ok(Identity::of_texts(texts.iter().flat_map(|(column, text)| [column.as_str(), text]).chain(choices)));
        }
        let texts = named.iter().map(|column| row.require(column).map(plain)).collect::<Result<Vec<_>, _>>();
        let texts = texts.map_err(|reason| format!("{reason}; name the columns that make a problem with `identity`"))?;
        Ok(Identity::of_texts(texts.iter().map(String::as_str).chain(choices)))
    }

    /// Everything but id, class and identity, which worked examples do not need.
    fn entry(&self, row: &DataRow, parts: RowParts) -> Result<Entry<Texts>, String> {
        let columns = &overlaid(&row.columns, &parts);
        let within = |key: &'static str| move |reason: String| format!("in the template `{key}`: {reason}");
        let hint = self.hint.render(columns).map_err(within("hint"))?;
        let question = self.prompt.render(&with_hint(columns, "")).map_err(within("prompt"))?;
        let hinted = self.prompt.render(&with_hint(columns, &hint)).map_err(within("prompt"))?;
        if self.prompt.render(&with_hint(&self.without_answer(columns), "")).ok().as_ref() != Some(&question) {
            return Err("the prompt shows the answer or the rationale; leave that to `{{ hint }}`".to_owned());
        }
        if hinted == question && !self.config.hint.is_empty() {
            return Err(
                "the prompt with the hint equals the prompt without it; put {{ hint }} into `prompt`, or set hint = \"\"".to_owned()
            );
        }
        if let Some(unseen) = parts.choices.iter().find(|choice| !question.contains(choice.as_str())) {
            return Err(format!("the prompt does not show the choice {unseen:?}; write the choices into `prompt`"));
        }
        let completion = parts.rationale.is_some().then(|| self.completion.render(columns).map_err(within("completion"))).transpose()?;
        let direct = self.direct.render(columns).map_err(within("direct_completion"))?;
        let id = ProblemId(format!("{:05}", row.number));
        let problem = Problem { id, class: EVERY_CLASS.to_owned(), question, answer: parts.answer, choices: parts.choices };
        // A regular expression need not match itself.
        if self.config.answer_type != AnswerType::Regex {
            self.is_graded_correct(&problem, &direct, "direct_completion")?;
        }
        Ok(Entry::new(row.place.clone(), problem, Texts { hinted, completion, direct, wrong: None }))
    }

    /// Answer and choices. The rationale is read if it is a part of the solution.
    fn parts(&self, row: &DataRow) -> Result<RowParts, String> {
        let Some(column) = &self.config.solution else { return self.column_parts(row) };
        let solution = Solution::read(row.text(column)?, self.config.answer_type);
        let Solution { answer, rationale } = solution.map_err(|reason| format!("{column:?}: {reason}"))?;
        self.answers.check_known(&answer, &[])?;
        Ok(RowParts { answer, choices: Vec::new(), rationale: Some(rationale) })
    }

    /// Answer and choices, each from its column.
    fn column_parts(&self, row: &DataRow) -> Result<RowParts, String> {
        let value = row.require(&self.config.answer)?;
        let (mut answer, mut choices) = (plain(value), Vec::new());
        if let Some(columns) = &self.config.choices {
            let listed = columns.read(row)?;
            let place = listed.place_of(value, self.config.first_choice).ok_or_else(|| {
                let shown = listed.texts.join(", ");
                format!(
                    "the answer {value} names none of the choices, or two: {shown}; write its letter, its text, or its place from 0 \
                     (`first_choice` is the number of the first choice)"
                )
            })?;
            choices = listed.texts;
            answer = match self.config.choice_style {
                ChoiceStyle::Letters => letter(place).to_string(),
                ChoiceStyle::Text => choices[place].clone(),
            };
        }
        self.answers.check_known(&answer, &choices)?;
        Ok(RowParts { answer, choices, rationale: None })
    }

    /// The columns with null in place of the answer, the rationale and values made from them.
    fn without_answer(&self, columns: &Map<String, Value>) -> Map<String, Value> {
        let mut columns = columns.clone();
        let JsonlConfig { answer, solution, rationale, .. } = self.config;
        let named = [answer, solution.as_ref().unwrap_or(answer), rationale];
        for column in named.map(String::as_str).into_iter().chain(["answer", "answer_text", "rationale"]) {
            if let Some(value) = columns.get_mut(column) {
                *value = Value::Null;
            } else if let Some((first, rest)) = column.split_once('.') {
                let pointer = format!("/{}", rest.replace('.', "/"));
                columns.get_mut(first).and_then(|value| value.pointer_mut(&pointer)).map(Value::take);
            }
        }
        columns
    }

    fn is_graded_correct(&self, problem: &Problem, completion: &str, key: &str) -> Result<(), String> {
        if !self.answers.are_compared_here() {
            return Ok(());
        }
        let grade = self.answers.verify(problem, completion, &StopReason::EndToken).map_err(|error| error.to_string())?;
        let found = match grade.verdict {
            // By accident: the last number of the text, or its last line.
            Verdict::Correct if self.config.pattern.is_some() && grade.place.is_none_or(|place| place.reading != Reading::Pattern) => {
                "not found by `pattern`".to_owned()
            }
            Verdict::Correct => return Ok(()),
            other => format!("graded {}", other.name()),
        };
        let (answer, completion) = (shortened(&problem.answer), shortened(completion));
        Err(format!("the right answer {answer:?}, as `{key}` writes it, is {found}: {completion:?}; make `{key}` and `pattern` agree"))
    }
}

/// A row's id or class.
fn name(row: &DataRow, column: &str) -> Result<String, String> {
    let name = plain(row.require(column)?);
    if name.is_empty() { Err(format!("{column:?} is empty")) } else { Ok(name) }
}

/// The row's columns, replaced by the values that the config selects.
fn overlaid(columns: &Map<String, Value>, parts: &RowParts) -> Map<String, Value> {
    let mut columns = columns.clone();
    columns.insert("answer".to_owned(), parts.answer.clone().into());
    if !parts.choices.is_empty() {
        let right = choice::known(&parts.answer, &parts.choices).map(|place| parts.choices[place].clone());
        columns.insert("answer_text".to_owned(), right.into());
        columns.insert("choices".to_owned(), parts.choices.clone().into());
    }
    if let Some(rationale) = &parts.rationale {
        columns.insert("rationale".to_owned(), rationale.clone().into());
    }
    columns
}

fn with_hint(columns: &Map<String, Value>, hint: &str) -> Map<String, Value> {
    let mut columns = columns.clone();
    columns.insert("hint".to_owned(), hint.into());
    columns
}

/// A value as the text that a reader would write.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned())
}
