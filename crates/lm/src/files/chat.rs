//! Chat templates: a conversation as the text that a model was trained on, exactly as `transformers` renders it.
//!
//! A template is a Jinja program in the checkpoint. It can read the conversation and write text, nothing else, and it has a budget of time
//! and memory. Unlike in `transformers`, the function `strftime_now` always returns [`jinja::TODAY`].

use super::contained::contained;
use super::jinja;
use super::named_tokens::named_tokens;
use super::tokenizer::files_of;
use crate::error::{Error, Result};
use minijinja::{Environment, Value, context};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files that may hold a template; the first wins, as in `transformers`.
const FILES: [&str; 2] = ["chat_template.jinja", CONFIG];
const CONFIG: &str = "tokenizer_config.json";
/// The longest template, in bytes. The longest published ones have a tenth of it.
const MAX_BYTES: usize = 1 << 20;
/// The template's name inside the environment, which messages show.
const NAME: &str = "chat_template";

/// Variables of a template besides the conversation, such as `enable_thinking`.
pub type ChatVariables = serde_json::Map<String, serde_json::Value>;

/// How prompts are put to a model: as they are (`None`), or as a user's message in a conversation, with these variables of the template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chat(pub Option<ChatVariables>);

impl From<bool> for Chat {
    fn from(chat: bool) -> Self {
        Chat(chat.then(ChatVariables::new))
    }
}

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// Its text.
    pub content: String,
}

impl Message {
    /// A message of a role.
    pub fn new(role: &str, content: &str) -> Self {
        Message { role: role.into(), content: content.into() }
    }
}

/// A checkpoint's chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    path: PathBuf,
    /// `bos_token` and the like.
    tokens: BTreeMap<String, String>,
    variables: ChatVariables,
}

impl ChatTemplate {
    /// Reads the template of a directory, if it has one.
    pub fn load(dir: &Path) -> Result<Option<Self>> {
        let (dir, files) = files_of(dir)?;
        Self::new(&dir, &files)
    }

    /// The same from files in memory.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Option<Self>> {
        Self::new(Path::new(""), files)
    }

    pub(crate) fn new(dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<Option<Self>> {
        let Some((path, source)) = source(dir, files)? else { return Ok(None) };
        super::refuse_pointer(source.as_bytes(), &path)?;
        if source.len() > MAX_BYTES {
            let message = format!("the chat template has {} bytes, expected at most {MAX_BYTES}", source.len());
            return Err(Error::ChatTemplate { path, message });
        }
        let mut environment = jinja::environment();
        let source = jinja::prepared(&source).map_err(|message| Error::ChatTemplate { path: path.clone(), message })?;
        guarded(&path, || environment.add_template_owned(NAME, source))?;
        let tokens = named_tokens(&config_of(dir, files)?, dir, files)?;
        Ok(Some(ChatTemplate { environment, path, tokens, variables: ChatVariables::new() }))
    }

    /// The same with variables that the template may read. They hide special tokens of the same name.
    #[must_use]
    pub fn with_variables(self, variables: ChatVariables) -> Self {
        ChatTemplate { variables, ..self }
    }

    /// The conversation as text; `add_generation_prompt` adds the beginning of the assistant's answer. The text contains all special
    /// tokens: encode it without adding any ([`crate::Tokenizer::encode`] with `false`).
    ///
    /// # Errors
    /// The template refuses the conversation, most often its roles; it exceeds [`jinja::BUDGET`]; or it calls a function that only Python has.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        let message = |m: &Message| Value::from_pairs([("role", Value::from(m.role.as_str())), ("content", m.content.as_str().into())]);
        let conversation = context! {
            messages => messages.iter().map(message).collect::<Vec<_>>(),
            add_generation_prompt,
            tools => (),
            documents => (),
            ..context! { ..Value::from(minijinja::value::Serde(&self.variables)), ..Value::from_pairs(self.tokens.clone()) }
        };
        let template = self.environment.get_template(NAME).map_err(|error| refusal(&self.path, &error))?;
        guarded(&self.path, || template.render(conversation))
    }
}

/// The result of a call of the template engine. Its error, or its panic, becomes an error that names the file.
fn guarded<T>(path: &Path, call: impl FnOnce() -> Result<T, minijinja::Error>) -> Result<T> {
    match contained(call) {
        Ok(outcome) => outcome.map_err(|error| refusal(path, &error)),
        Err(panic) => Err(Error::ChatTemplate { path: path.into(), message: format!("the template engine failed: {panic}") }),
    }
}

fn config_of(dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<serde_json::Value> {
    files.get(CONFIG).map_or(Ok(serde_json::Value::Null), |bytes| super::read_json(bytes, &dir.join(CONFIG)))
}

/// The text of the template of a directory, and the file that has it.
pub(super) fn source(dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<Option<(PathBuf, String)>> {
    if let Some(bytes) = files.get(FILES[0]) {
        let path = dir.join(FILES[0]);
        let text = std::str::from_utf8(bytes).map_err(|e| Error::ChatTemplate { path: path.clone(), message: e.to_string() })?;
        return Ok(Some((path, text.to_owned())));
    }
    let path = dir.join(CONFIG);
    let text = template_in(&config_of(dir, files)?, &path)?;
    Ok(text.map(|text| (path, text)))
}

fn refusal(path: &Path, error: &minijinja::Error) -> Error {
    Error::ChatTemplate { path: path.into(), message: error.to_string() }
}

/// `chat_template` of a `tokenizer_config.json`: a text, or named texts as an object or a list. `default` is the one for conversations.
fn template_in(config: &serde_json::Value, path: &Path) -> Result<Option<String>> {
    use serde_json::Value;
    let named: Vec<(&str, &Value)> = match &config["chat_template"] {
        Value::Null => return Ok(None),
        Value::String(template) => return Ok(Some(template.clone())),
        Value::Object(templates) => templates.iter().map(|(name, template)| (name.as_str(), template)).collect(),
        Value::Array(templates) => templates.iter().filter_map(|entry| Some((entry["name"].as_str()?, &entry["template"]))).collect(),
        _ => Vec::new(),
    };
    let default = named.iter().find(|(name, _)| *name == "default").and_then(|(_, template)| template.as_str());
    let names = || named.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let message = || format!("key \"chat_template\": expected a text, or texts of which one is named \"default\", found [{}]", names());
    default.map(|template| Some(template.to_owned())).ok_or_else(|| Error::ChatTemplate { path: path.into(), message: message() })
}
