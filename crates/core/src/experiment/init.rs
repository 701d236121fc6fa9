//! A config for a user's file of problems, from the names and values of its columns.
//!
//! Each guess is checked: before the config is written, it is read and its task is built, so every row was rendered and graded once.

mod columns;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::experiment::base_model::BaseModel;
use crate::external::data_source::DataSource;
use crate::registry::Registry;
use crate::task::prompt;
use crate::task::rows::DataRow;
use crate::task::template::Template;
use crate::types::{Mode, Split, Style};
use columns::{ColumnRoles, Unclear};
use serde_json::{Map, Value, json};
use starloop_lm::model::PromptEncoder;
use std::io::Write;
use std::path::Path;

/// Rows that become worked examples where rationales are known, or stubs of them where they are not.
const EXAMPLES: usize = 3;
/// A tenth of the problems is held out, at most this many.
const MOST_DEV_PROBLEMS: usize = 500;

/// The roles of columns follow from the first rows of a file, at most this many. So the memory does not depend on the length of the file.
const MOST_ROWS: usize = 100_000;
/// If a file has more problems, an iteration attempts [`PROBLEMS_PER_ITERATION`] of them instead of all.
const MOST_FOR_WHOLE_ITERATIONS: usize = 10_000;
/// The problems of an iteration, if the file has too many for it.
const PROBLEMS_PER_ITERATION: usize = 1000;

/// The result of [`init`].
#[derive(Debug)]
pub struct Draft {
    /// Problems that are learned from. Of the rows that were not checked, each counts as one.
    pub train_problems: usize,
    /// Problems that are held out.
    pub dev_problems: usize,
    /// The columns and their roles, such as `("answer", "the known answer: a number")`.
    pub columns: Vec<(String, String)>,
    /// True if the base has a chat template, so that the config asks for it.
    pub has_chat: bool,
    /// True if the config has worked examples.
    pub has_worked_examples: bool,
    /// A whole prompt, worked examples and all.
    pub prompt: String,
    /// All rows of the file.
    pub rows: usize,
    /// The first rows, from which the roles of the columns follow. Only these were rendered and graded.
    pub checked_rows: usize,
    /// Remarks for the user, one sentence each.
    pub warnings: Vec<String>,
}

/// Columns whose roles the user names. The roles of the others follow from their names and values.
#[derive(Debug, Clone, Default)]
pub struct NamedColumns {
    /// The column of the question.
    pub question: Option<String>,
    /// The column of the known answer, or of a worked solution that states it.
    pub answer: Option<String>,
    /// The column of a known rationale.
    pub rationale: Option<String>,
}

/// Writes a config for the problems of `source` to `out`, which must not exist.
///
/// # Errors
/// The source cannot be read, the roles of its columns are not clear, or a row does not fit them. [`Error::NoColumn`]: no column has a usual name
/// for a role.
pub fn init(source: &DataSource, named: &NamedColumns, out: &Path, base: &str) -> Result<Draft> {
    draft(source, named, out, base, MOST_ROWS)
}

/// As [`init`], from at most `most_rows` rows.
fn draft(source: &DataSource, named: &NamedColumns, out: &Path, base: &str, most_rows: usize) -> Result<Draft> {
    if out.exists() {
        let message = format!("{} exists already; remove it, or choose another file", out.display());
        return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, message).into());
    }
    let invalid = |message| Error::ConfigValue { origin: source.to_string(), key: "task.train".to_owned(), message };
    source.files("train")?;
    let columns = ColumnRoles::read(source, named, most_rows).map_err(|unclear| match unclear {
        Unclear::NoColumn { role, usual, columns } => Error::NoColumn { origin: source.to_string(), role, usual, columns },
        Unclear::Rows(message) => invalid(message),
    })?;
    if columns.all_rows() < 2 {
        return Err(invalid(format!("{source} holds one problem, expected at least two: one to learn from and one to measure")));
    }
    let text = written(source, out, base, &columns);
    let fit = columns.fit_rows().map(rows_file).transpose()?;
    let checked = fit.as_ref().map(|file| format!("task.train={}", quoted(&file.path().display().to_string())));
    let all_problems = "task.problems_per_iteration=0".to_owned();
    let config = Config::parse(&out.display().to_string(), &text, &checked.into_iter().chain([all_problems]).collect::<Vec<_>>())?;
    let experiment = Experiment::new(config, &Registry::default())?;
    let (config, task) = (experiment.config(), experiment.read_task()?);
    let (train, dev) = (task.training_problems(1), task.evaluation_problems(Split::Dev, 1));
    let first = train.first().ok_or_else(|| invalid("no problem is left to learn from".to_owned()))?;
    let prompt = prompt::assemble(task.as_ref(), first, Mode::Unhinted, Style::Rationale, config.sampling.few_shot);
    starloop_record::atomic::write(out, text.as_bytes())?;
    Ok(Draft {
        train_problems: train.len() + columns.all_rows() - columns.checked_rows(),
        dev_problems: dev.len(),
        columns: columns.described(),
        has_chat: config.model.chat,
        has_worked_examples: config.sampling.few_shot > 0,
        prompt,
        rows: columns.all_rows(),
        checked_rows: columns.checked_rows(),
        warnings: columns.warnings,
    })
}

/// A temporary file of these rows. A config is checked with it if the user's file has rows that must be corrected first.
fn rows_file<'a>(rows: impl Iterator<Item = &'a DataRow>) -> Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile()?;
    for row in rows {
        writeln!(file, "{}", Value::from(row.columns.clone()))?;
    }
    Ok(file)
}

/// The config's text.
fn written(source: &DataSource, out: &Path, base: &str, columns: &ColumnRoles) -> String {
    let examples = columns.examples(EXAMPLES);
    let worked = (columns.rationale.is_some() || columns.solution.is_some()) && !examples.is_empty();
    let blocks: Vec<String> = examples.iter().map(|example| block(example, worked)).collect();
    let question = columns::expression(&columns.question);
    let (prompt, hint, completion, direct) = if columns.choices.is_some() {
        let listed = "{% for choice in choices %}({{ 'abcdefghijklmnopqrstuvwxyz'[loop.index0] }}) {{ choice }}\
                      {% if choice == answer_text %}{{ hint }}{% endif %}\n{% endfor %}";
        let asked = format!("Q: {{{{ {question} }}}}\nAnswer Choices:\n{listed}A:");
        let so = "the answer is {{ answer_text }} ({{ answer }}).";
        (asked, " (CORRECT)", format!(" {{{{ rationale }}}} Therefore, {so}"), " The answer is {{ answer_text }} ({{ answer }}).")
    } else {
        let asked = format!("Q: {{{{ {question} }}}}{{{{ hint }}}}\nA:");
        (asked, " ({{ answer }})", " {{ rationale }}\n#### {{ answer }}".to_owned(), " #### {{ answer }}")
    };
    let name = out.file_stem().map_or_else(|| "own".to_owned(), |stem| stem.to_string_lossy().trim_start_matches('.').to_owned());
    let known = json!({
        "file": source.to_string(),
        "out": out.display().to_string(),
        "name": quoted(&name),
        "base": quoted(base),
        "chat": has_chat_template(base),
        "file_text": toml::Value::try_from(source).map_or_else(|_| quoted(&source.to_string()), |value| value.to_string()),
        "dev_problems": (columns.all_rows() / 10).clamp(1, MOST_DEV_PROBLEMS),
        "problems_per_iteration": if columns.all_rows() > MOST_FOR_WHOLE_ITERATIONS { PROBLEMS_PER_ITERATION } else { 0 },
        "id": columns.id.as_deref().map(quoted),
        "class": columns.class.as_deref().map(quoted),
        "identity": (columns.question != "question").then(|| quoted(&columns.question)),
        "answer": columns.solution.is_none().then(|| quoted(&columns.answer)),
        "solution": columns.solution.as_deref().map(quoted),
        "answer_type": quoted(columns.answer_type),
        "choices": columns.choices.as_ref().map(|choices| serde_json::json!(choices).to_string()),
        "first_choice": columns.first_choice,
        "rationale": columns.rationale.as_deref().map(quoted),
        "prompt": prompt,
        "hint": quoted(hint),
        "completion": completion,
        "direct_completion": direct,
        "worked": worked,
        "examples": blocks.join("\n"),
        "few_shot": if worked { examples.len() } else { 0 },
    });
    let known = known.as_object().expect("it was written as one");
    let template = Template::parse(include_str!("init/config.toml.j2"));
    template.and_then(|template| template.render(known)).expect("all that the template asks for is known")
}

/// Returns true if the base, or the base of an adapter, has a chat template.
fn has_chat_template(base: &str) -> bool {
    let Ok(place) = tempfile::tempdir() else { return false };
    let directory = BaseModel::find(base).and_then(|model| model.for_prompts(&place.path().join("base")));
    directory.is_ok_and(|(directory, _)| PromptEncoder::load(&directory, true).is_ok())
}

/// A worked example; as a comment where its rationale has to be written first.
fn block(example: &Map<String, Value>, worked: bool) -> String {
    let value = |value: &Value| toml::Value::try_from(value).map_or_else(|_| "\"\"".to_owned(), |value| value.to_string());
    let lines = example.iter().map(|(key, held)| format!("{} = {}", quoted_key(key), value(held)));
    let text = std::iter::once("[[task.examples]]".to_owned()).chain(lines).collect::<Vec<_>>().join("\n") + "\n";
    if worked { text } else { "# ".to_owned() + &text.trim_end().replace('\n', "\n# ") + "\n" }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn quoted_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { quoted(key) }
}

#[cfg(test)]
mod tests;
