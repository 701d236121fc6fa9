//! `[task]` with `kind = "jsonl"`.

use super::{ChoiceColumns, JsonlTask};
use crate::error::Result;
use crate::external::data_source::DataSource;
use crate::task::rows::split_of;
use crate::task::{ConfigError, Task, TaskSettings, TooLong};
use serde::{Deserialize, Serialize};
use starloop_answers::choice::{ChoicePreference, ChoiceStyle};
use starloop_answers::number;
use starloop_answers::verdict::Tolerance;
use std::path::PathBuf;

/// The files of problems, the templates of prompts, and the comparison of answers. Paths are relative to the working directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct JsonlConfig {
    /// The training problems: JSON lines, a JSON array, CSV, TSV or Parquet; a folder of such files; or a data set of the hub, `ORG/NAME`.
    pub train: DataSource,
    /// Held-out problems for decisions. By default `dev_problems` of `train`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev: Option<DataSource>,
    /// Held-out problems for the final figure. By default there is no test split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<DataSource>,
    /// The number of problems held out of `train` if there is no `dev`.
    pub dev_problems: usize,
    /// Problems attempted in an iteration; 0 for all.
    pub problems_per_iteration: usize,
    /// Problems that measure accuracy; 0 for all.
    pub evaluation_problems: usize,
    /// The column of the problem's id, a text or a number. By default the id is the place in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The columns that make a problem: rows with the same values there are one problem, and are never both learned from and held out. By
    /// default `question` (with the choices), or, if there is no such column, all columns but answer, rationale, id and class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identity: Vec<String>,
    /// The column of the class in which accuracy is reported. By default there is one class, `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The column of the known answer.
    pub answer: String,
    /// The column of a worked solution whose end states the answer: `#### 72`, `\boxed{72}`. The known answer and the rationale are read from it.
    /// `answer` and `rationale` then name no columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub solution: Option<String>,
    /// The column of the choices: texts, or objects with `text` and `label`. Or a list of columns, one for each choice: `["A", "B"]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choices: Option<ChoiceColumns>,
    /// The number of the first choice, for known answers that are numbers. By default numbers are the labels of the choices, if these are numbers,
    /// and otherwise count from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_choice: Option<u64>,
    /// The column of a known rationale. Problems may lack it, worked examples may not.
    pub rationale: String,
    /// The template of the prompt. `{{ hint }}` is the place where rationalization shows the answer.
    pub prompt: String,
    /// The template of the hint; empty for none.
    pub hint: String,
    /// The template of a completion with a rationale, for worked examples and known rationales.
    pub completion: String,
    /// The template of a completion without a rationale, for direct prompting and fine-tuning.
    pub direct_completion: String,
    /// The text between a worked example and the next prompt.
    pub separator: String,
    /// The strings that end a completion.
    pub stop: Vec<String>,
    /// How the answer of a completion is compared.
    pub answer_type: AnswerType,
    /// For numbers: the largest difference from the known answer that is still right. By default numbers are equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// For numbers: the same as a fraction of the known answer, such as 0.01.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative_tolerance: Option<f64>,
    /// For choices: whether completions name them by letter or text, or by their text alone. `prompt` shows them in the same way, and
    /// `{{ answer }}` is the letter or the text.
    pub choice_style: ChoiceStyle,
    /// For choices: whether letter or text counts if an answer names different choices with them; `"neither"` counts it as a contradiction.
    pub choice_preference: ChoicePreference,
    /// A regular expression with one group: the answer in a completion. Its last match counts. By default `####`, `\boxed{}`,
    /// `<answer>` and phrases such as `the answer is` mark the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The treatment of problems whose prompts are too long for the model: `"error"` or `"skip"`.
    #[serde(skip_serializing_if = "TooLong::is_default")]
    pub too_long: TooLong,
    /// The accuracy of guessing, in 0..=1. By default the one of random choices, or 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// Regular expressions. A hinted rationale that matches one mentions the hint, and is not learned.
    pub leaks: Vec<String>,
    /// The verifier of `answer_type = "command"`, with its arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Environment variables with secrets that the verifier gets. It gets no others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Seconds that the verifier may take for a completion.
    pub time_limit_seconds: f64,
    /// Completions in a row on which the verifier may fail; then the run stops.
    pub most_failures: u32,
    /// A file of worked examples, with the columns of the problems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub examples_file: Option<DataSource>,
    /// `[[task.examples]]`: worked examples, with the columns of the problems.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>"))]
    pub examples: Vec<toml::Table>,
}

/// How the answer of a completion is compared with the known one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AnswerType {
    /// The same text. White space, quotes, emphasis and a full stop around it make no difference.
    Exact,
    /// The same number: `1,200`, `$1200.00`, `2400/2`.
    Number,
    /// The same choice, by its letter or its text.
    Choice,
    /// The known answer is a regular expression that matches all of the completion's answer.
    Regex,
    /// A program of the user decides.
    Command,
}

impl Default for JsonlConfig {
    fn default() -> Self {
        JsonlConfig {
            train: DataSource::default(),
            dev: None,
            test: None,
            dev_problems: 100,
            problems_per_iteration: 0,
            evaluation_problems: 0,
            id: None,
            identity: Vec::new(),
            class: None,
            answer: "answer".to_owned(),
            solution: None,
            choices: None,
            first_choice: None,
            rationale: "rationale".to_owned(),
            prompt: "Q: {{ question }}{{ hint }}\nA:".to_owned(),
            hint: " ({{ answer }})".to_owned(),
            completion: " {{ rationale }}\n#### {{ answer }}".to_owned(),
            direct_completion: " #### {{ answer }}".to_owned(),
            separator: "\n\n".to_owned(),
            stop: vec!["\nQ:".to_owned()],
            answer_type: AnswerType::Exact,
            tolerance: None,
            relative_tolerance: None,
            choice_style: ChoiceStyle::Letters,
            choice_preference: ChoicePreference::Letter,
            pattern: None,
            too_long: TooLong::Error,
            chance: None,
            leaks: [r"(?i)\bhint\b", r"(?i)\bgiven answer\b", r"(?i)\banswer (is|was|has been) (already )?(given|provided|shown)\b"]
                .map(str::to_owned)
                .into(),
            command: Vec::new(),
            secrets: Vec::new(),
            time_limit_seconds: 10.0,
            most_failures: 20,
            examples_file: None,
            examples: Vec::new(),
        }
    }
}

impl JsonlConfig {
    /// Checks every value that can be checked without the files.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let of_choice = self.answer_type == AnswerType::Choice;
        ConfigError::check(!of_choice || self.choices.is_some(), "choices", || {
            "answer_type = \"choice\" needs the name of the column with the choices".to_owned()
        })?;
        ConfigError::check(of_choice || self.choices.is_none(), "choices", || {
            "is allowed with answer_type = \"choice\" only; remove it".to_owned()
        })?;
        ConfigError::check(self.choices.as_ref().is_none_or(|choices| !choices.names().is_empty()), "choices", || {
            "names no column; name the column with the choices, or a column for each choice".to_owned()
        })?;
        ConfigError::check(self.solution.is_none() || !(of_choice || self.answer_type == AnswerType::Regex), "solution", || {
            "is allowed with answer_type = \"exact\", \"number\" and \"command\"; name the column of the known answer with `answer`"
                .to_owned()
        })?;
        let of_command = self.answer_type == AnswerType::Command;
        ConfigError::check(of_command != self.command.is_empty(), "command", || {
            "and answer_type = \"command\" go together: name the program and its arguments, such as [\"sh\", \"verify.sh\"]".to_owned()
        })?;
        ConfigError::check(!of_command || self.pattern.is_none(), "pattern", || {
            "is not allowed with answer_type = \"command\"; remove it".to_owned()
        })?;
        let (limit, most) = (self.time_limit_seconds, 86_400.0);
        ConfigError::check(limit > 0.0 && limit <= most, "time_limit_seconds", || {
            format!("must be in 0..={most}, 0 excluded, found {limit}")
        })?;
        ConfigError::check(self.most_failures > 0, "most_failures", || "must be at least 1".to_owned())?;
        ConfigError::check(self.chance.is_none_or(|chance| (0.0..=1.0).contains(&chance)), "chance", || "must be in 0..=1".to_owned())?;
        ConfigError::check(!self.stop.iter().any(String::is_empty), "stop", || {
            "has an empty text, which would stop each completion at once; remove it".to_owned()
        })?;
        ConfigError::check(self.examples.is_empty() || self.examples_file.is_none(), "examples_file", || {
            "worked examples stand either there or in [[task.examples]]".to_owned()
        })
    }
}

impl JsonlConfig {
    /// How far a number may be from the known one.
    pub(super) fn tolerance(&self) -> Result<Tolerance, ConfigError> {
        let (key, value, make): (_, _, fn(_) -> _) = match (self.tolerance, self.relative_tolerance) {
            (None, None) => return Ok(Tolerance::Exact),
            (Some(value), None) => ("tolerance", value, Tolerance::Absolute),
            (None, Some(value)) => ("relative_tolerance", value, Tolerance::Relative),
            (Some(_), Some(_)) => {
                return Err(ConfigError {
                    key: "tolerance",
                    reason: "cannot be set together with relative_tolerance; remove one".to_owned(),
                });
            }
        };
        // The shortest decimal of the setting is what its author wrote.
        let number = number::parse(&value.to_string()).filter(|_| value >= 0.0);
        number.map(|number| make(number.value)).ok_or_else(|| ConfigError { key, reason: format!("must be 0 or more, found {value}") })
    }
}

impl TaskSettings for JsonlConfig {
    fn build(&self, seed: u64) -> Result<Box<dyn Task>, ConfigError> {
        Ok(Box::new(JsonlTask::new(self, seed)?))
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let JsonlConfig { train, dev, test, examples_file, .. } = self;
        let sources = [("train", Some(train)), ("dev", dev.as_ref()), ("test", test.as_ref()), ("examples_file", examples_file.as_ref())];
        let named = sources.into_iter().filter_map(|(key, source)| Some((key, source?)));
        let files = named.map(|(key, source)| source.files(split_of(key))).collect::<Result<Vec<_>>>()?;
        Ok(files.into_iter().flatten().collect())
    }

    fn program(&self) -> Option<&str> {
        self.command.first().map(String::as_str)
    }

    fn too_long(&self) -> TooLong {
        self.too_long
    }

    fn grader(&self) -> Result<Box<dyn Task>, ConfigError> {
        Ok(Box::new(JsonlTask::without_problems(self)?))
    }
}
