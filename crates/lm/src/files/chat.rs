//! Chat templates: a conversation as the text that a model was trained on, exactly as `transformers` renders it.
//!
//! A template is a Jinja program in the checkpoint. It can read the conversation and write text, nothing else. Unlike `transformers` it
//! has no clock: `strftime_now`, with which some templates tell the model the date, is always [`TODAY`], so that a prompt is the same
//! tomorrow.

mod json;

use crate::error::{Error, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, Value, context};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The day that templates are told, year, month and day: the one that Llama 3's fall back to where there is no clock.
pub const TODAY: (u16, u8, u8) = (2024, 7, 26);

/// The files that may hold a template; the first wins, as in `transformers`.
const FILES: [&str; 2] = ["chat_template.jinja", CONFIG];
const CONFIG: &str = "tokenizer_config.json";
/// The template's name inside the environment, which messages show.
const NAME: &str = "chat_template";

/// What one side said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// Its text.
    pub content: String,
}

/// A checkpoint's chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    path: PathBuf,
    /// `bos_token` and the like.
    tokens: BTreeMap<String, String>,
}

impl ChatTemplate {
    /// Reads the template of a directory, if it has one.
    pub fn load(dir: &Path) -> Result<Option<Self>> {
        let mut files = BTreeMap::new();
        for name in FILES {
            let path = dir.join(name);
            if path.exists() {
                files.insert(name.to_owned(), fs_err::read(path)?);
            }
        }
        Self::new(dir, &files)
    }

    /// The same from files in memory.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Option<Self>> {
        Self::new(Path::new(""), files)
    }

    fn new(dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<Option<Self>> {
        let path = dir.join(CONFIG);
        let config = match files.get(CONFIG) {
            Some(bytes) => serde_json::from_slice(bytes).map_err(|source| Error::Json { path: path.clone(), source })?,
            None => serde_json::Value::Null,
        };
        let (path, source) = match files.get(FILES[0]) {
            Some(bytes) => {
                let path = dir.join(FILES[0]);
                let text = std::str::from_utf8(bytes).map_err(|e| Error::ChatTemplate { path: path.clone(), message: e.to_string() })?;
                (path, Some(text.to_owned()))
            }
            None => (path.clone(), template_in(&config, &path)?),
        };
        let Some(source) = source else { return Ok(None) };
        let mut environment = environment();
        environment.add_template_owned(NAME, without_marks(&source)).map_err(|error| refusal(&path, &error))?;
        Ok(Some(ChatTemplate { environment, path, tokens: named_tokens(&config) }))
    }

    /// The conversation as text; `add_generation_prompt` adds the beginning of the assistant's answer. All special tokens are in the
    /// text, so it is to be encoded without adding any ([`crate::Tokenizer::encode`] with `false`).
    ///
    /// # Errors
    /// The template refuses the conversation (its roles, most often), or does what only Python can.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        let message = |m: &Message| Value::from_pairs([("role", Value::from(m.role.as_str())), ("content", m.content.as_str().into())]);
        let conversation = context! {
            messages => messages.iter().map(message).collect::<Vec<_>>(),
            add_generation_prompt,
            tools => (),
            documents => (),
            ..Value::from_pairs(self.tokens.clone())
        };
        let template = self.environment.get_template(NAME).map_err(|error| refusal(&self.path, &error))?;
        template.render(conversation).map_err(|error| refusal(&self.path, &error))
    }
}

fn refusal(path: &Path, error: &minijinja::Error) -> Error {
    Error::ChatTemplate { path: path.into(), message: error.to_string() }
}

/// `chat_template` of a `tokenizer_config.json`: a text, or a list of named ones of which `default` is the one for plain conversations.
fn template_in(config: &serde_json::Value, path: &Path) -> Result<Option<String>> {
    let list = match &config["chat_template"] {
        serde_json::Value::Null => return Ok(None),
        serde_json::Value::String(template) => return Ok(Some(template.clone())),
        other => other.as_array().map_or(&[][..], Vec::as_slice),
    };
    let default = list.iter().find(|entry| entry["name"] == "default").and_then(|entry| entry["template"].as_str());
    let names = || list.iter().filter_map(|entry| entry["name"].as_str()).collect::<Vec<_>>().join(", ");
    let message = || format!("key \"chat_template\": expected a text, or a list with one named \"default\", found [{}]", names());
    default.map(|template| Some(template.to_owned())).ok_or_else(|| Error::ChatTemplate { path: path.into(), message: message() })
}

/// The texts of `bos_token`, `eos_token` and the others, each a text or an object that holds one.
fn named_tokens(config: &serde_json::Value) -> BTreeMap<String, String> {
    let names = ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"];
    let text = |name: &str| config[name].as_str().or_else(|| config[name]["content"].as_str()).map(str::to_owned);
    names.iter().filter_map(|name| Some(((*name).to_owned(), text(name)?))).collect()
}

/// Jinja as `transformers` sets it up.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("only delimiters can be wrong, and these are the usual ones"));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_filter("tojson", json::to_json);
    environment.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function("strftime_now", date);
    environment
}

/// The template without `{% generation %}`, which marks what training may learn and adds nothing to the text.
fn without_marks(template: &str) -> String {
    let mut plain = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(begin) = rest.find("{%") {
        let Some(length) = rest[begin..].find("%}") else { break };
        let tag = &rest[begin..begin + length];
        plain.push_str(&rest[..begin]);
        plain.push_str(&match tag[2..].trim_matches(['-', '+']).trim() {
            "generation" => tag.replace("generation", "if true"),
            "endgeneration" => tag.replace("endgeneration", "endif"),
            _ => tag.to_owned(),
        });
        rest = &rest[begin + length..];
    }
    plain + rest
}

/// [`TODAY`] at midnight in the notation of C's `strftime`; a minus takes a leading zero away.
fn date(format: &str) -> Result<String, minijinja::Error> {
    let (year, month, day) = TODAY;
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let mut code = characters.next();
        let unpadded = code == Some('-');
        if unpadded {
            code = characters.next();
        }
        let number = |value: u16, width: usize| if unpadded { value.to_string() } else { format!("{value:0width$}") };
        text += &match code {
            Some('Y') => year.to_string(),
            Some('y') => number(year % 100, 2),
            Some('m') => number(month.into(), 2),
            Some('d') => number(day.into(), 2),
            Some('j') => number(208, 3),
            Some('B') => "July".into(),
            Some('b') => "Jul".into(),
            Some('A') => "Friday".into(),
            Some('a') => "Fri".into(),
            Some('H' | 'M' | 'S') => number(0, 2),
            Some('I') => number(12, 2),
            Some('p') => "AM".into(),
            Some('%') => "%".into(),
            other => {
                let code = other.map_or_else(String::new, String::from);
                let message = format!("strftime_now: %{code} is not supported; a day's and a time's numbers and names are");
                return Err(minijinja::Error::new(ErrorKind::InvalidOperation, message));
            }
        };
    }
    Ok(text)
}
