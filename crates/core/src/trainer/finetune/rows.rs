//! The rows of a training file, in the shapes that TRL reads and in that of Alpaca.
//!
//! | columns | without a chat template | with one |
//! |---|---|---|
//! | `prompt`, `completion` as texts | read | read; the prompt is what the user says |
//! | `instruction`, `output`, and `input` if there is one | read; a blank line divides instruction and input | likewise |
//! | `prompt`, `completion` as lists of messages | refused | the messages of the assistant in `completion` are learned |
//! | `messages`, or `conversations` with `from` and `value` | refused | all messages of the assistant are learned |
//!
//! A column or a field that would change the prompt or the loss, such as `tools`, is refused: it is not read. A message's content is a text, or
//! a list of texts.
//!
//! Each message that is learned is one example: the messages before it are its prompt. A conversation can have system messages and any number
//! of turns. TRL learns the same tokens from `prompt` and `completion` by default, and from `messages` with `assistant_only_loss`. Its default
//! for `messages` also learns the messages of the user, which this program never does.

use crate::task::Identity;
use serde_json::{Map, Value};
use starloop_lm::files::chat::Message;

/// Lines before and behind a question that can belong to a template.
const EDGE: usize = 3;

/// Columns that other programs put into the prompt.
const UNREAD_COLUMNS: [&str; 9] =
    ["tools", "functions", "system", "history", "documents", "images", "videos", "audios", "chat_template_kwargs"];
/// Fields of a message that a template writes, or that change the loss.
const UNREAD_FIELDS: [&str; 9] =
    ["tool_calls", "function_call", "reasoning_content", "reasoning", "thinking", "weight", "train", "training", "loss"];

/// A text that the model learns, and the context that it is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lesson {
    pub prompt: Prompt,
    pub completion: String,
}

/// The context of a completion.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// A text, shown as it is.
    Text(String),
    /// A conversation, which the chat template renders.
    Messages(Vec<Message>),
}

/// The lessons of a row. Without `chat` each prompt is a text, with it a conversation.
///
/// # Errors
/// The text says what is wrong with the row.
pub(super) fn lessons(row: &Map<String, Value>, chat: bool) -> Result<Vec<Lesson>, String> {
    refuse_unread(row, &UNREAD_COLUMNS)?;
    let filled = |column: &str| row.get(column).filter(|value| !value.is_null());
    // Both are null in a row of a table that has other rows with `messages`.
    let is_empty = filled("prompt").is_none() && filled("completion").is_none();
    let pair_of = |column: &str| row.get(column).filter(|_| !is_empty);
    match (pair_of("prompt"), pair_of("completion")) {
        (Some(Value::Array(prompt)), Some(Value::Array(completion))) => conversation(prompt, completion, chat),
        (Some(_), Some(_)) => Ok(vec![pair(text(row, "prompt")?, text(row, "completion")?, chat)]),
        _ => match (filled("messages").or(filled("conversations")), row.contains_key("instruction") && row.contains_key("output")) {
            (Some(Value::Array(messages)), _) => conversation(&[], messages, chat),
            (Some(other), _) => Err(format!("the messages are {}, expected a list", kind(other))),
            (None, true) => {
                let (instruction, completion) = (text(row, "instruction")?, text(row, "output")?);
                let input = if filled("input").is_some() { text(row, "input")? } else { String::new() };
                let prompt = if input.is_empty() { instruction } else { format!("{instruction}\n\n{input}") };
                Ok(vec![pair(prompt, completion, chat)])
            }
            (None, false) => {
                let columns: Vec<&str> = row.keys().map(String::as_str).collect();
                let columns = columns.join(", ");
                Err(format!(
                    "the columns are {columns}; expected `prompt` and `completion`, `messages`, or `instruction` and `output`; rename them"
                ))
            }
        },
    }
}

/// The problems that a row can be made of: its question, its prompt, instruction and input, and what the user says, each as a whole and in
/// [`parts`].
pub(super) fn identities(row: &Map<String, Value>) -> impl Iterator<Item = Identity> {
    let named = ["question", "prompt", "instruction", "input"].into_iter().filter_map(|column| row.get(column)?.as_str());
    let messages = ["prompt", "messages", "conversations"].into_iter().filter_map(|column| row.get(column)?.as_array()).flatten();
    let users = messages.enumerate().filter_map(|(number, value)| message(number, value).ok()).filter(|message| message.role == "user");
    let said = users.map(|message| message.content);
    let texts = named.map(str::to_owned).chain(said);
    texts.flat_map(|text| std::iter::once(&*text).chain(parts(&text)).map(|text| Identity::of_texts([text])).collect::<Vec<_>>())
}

/// The parts of a prompt that can be its question: whole lines of its last paragraph and of the whole text, without a label such as `Q:`
/// before them. Up to [`EDGE`] lines before and behind the question belong to a template.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let last = text.trim_end().rsplit("\n\n").next().unwrap_or(text);
    [text, last]
        .into_iter()
        .flat_map(|text| {
            let begins: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
            let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).chain([text.len()]).collect();
            let first = begins.into_iter().take(EDGE + 1);
            let last = ends.into_iter().rev().take(EDGE + 1).collect::<Vec<_>>();
            first.flat_map(move |begin| last.clone().into_iter().filter_map(move |end| text.get(begin..end)))
        })
        .map(str::trim)
        .flat_map(|part| [Some(part), without_label(part)])
        .flatten()
}

/// A text without a label of one or two words before a colon.
fn without_label(text: &str) -> Option<&str> {
    let (label, rest) = text.split_once(':')?;
    let is_label = label.split(' ').count() <= 2 && label.chars().all(|c| c.is_alphabetic() || c == ' ');
    is_label.then(|| rest.trim())
}

fn pair(prompt: String, completion: String, chat: bool) -> Lesson {
    let prompt = if chat { Prompt::Messages(vec![Message::new("user", &prompt)]) } else { Prompt::Text(prompt) };
    Lesson { prompt, completion }
}

fn text(row: &Map<String, Value>, column: &str) -> Result<String, String> {
    match row.get(column) {
        Some(Value::String(text)) => Ok(text.clone()),
        other => Err(format!("`{column}` is {}, expected a text", other.map_or("missing", kind))),
    }
}

/// A lesson for each message of the assistant in `learned`. The messages of `shown` come before.
fn conversation(shown: &[Value], learned: &[Value], chat: bool) -> Result<Vec<Lesson>, String> {
    let messages: Vec<Message> =
        shown.iter().chain(learned).enumerate().map(|(number, value)| message(number, value)).collect::<Result<_, _>>()?;
    if !chat {
        return Err("the row is a conversation; format it with the checkpoint's chat template (`chat`)".to_owned());
    }
    let of_assistant = (shown.len()..messages.len()).filter(|&at| messages[at].role == "assistant");
    let lesson = |at: usize| Lesson { prompt: Prompt::Messages(messages[..at].to_vec()), completion: messages[at].content.clone() };
    let lessons: Vec<Lesson> = of_assistant.map(lesson).collect();
    if lessons.is_empty() || messages[0].role == "assistant" {
        let roles: Vec<&str> = messages.iter().map(|message| message.role.as_str()).collect();
        let expected = "expected at least one of the assistant, with others before it";
        return Err(format!("the messages are of {}; {expected}", if roles.is_empty() { "nobody".to_owned() } else { roles.join(", ") }));
    }
    Ok(lessons)
}

/// A message with `role` and `content`, or with `from` and `value`, as in `ShareGPT`.
fn message(number: usize, value: &Value) -> Result<Message, String> {
    let Value::Object(fields) = value else { return Err(format!("message {} is {}, expected an object", number + 1, kind(value))) };
    let read = || {
        refuse_unread(fields, &UNREAD_FIELDS)?;
        if fields.contains_key("from") && !fields.contains_key("role") {
            let role = match text(fields, "from")?.as_str() {
                "human" => "user".to_owned(),
                "gpt" => "assistant".to_owned(),
                other => other.to_owned(),
            };
            return Ok(Message { role, content: text(fields, "value")? });
        }
        let content = match fields.get("content") {
            Some(Value::Array(parts)) => parts.iter().map(part).collect::<Result<_, _>>()?,
            _ => text(fields, "content")?,
        };
        Ok(Message { role: text(fields, "role")?, content })
    };
    read().map_err(|error: String| format!("message {}: {error}", number + 1))
}

/// A part of a message's content: `{"type": "text", "text": "..."}`.
fn part(value: &Value) -> Result<&str, String> {
    let is_text = value["type"].as_str().is_none_or(|kind| kind == "text");
    let text = value.as_str().or_else(|| value["text"].as_str()).filter(|_| is_text);
    text.ok_or_else(|| {
        format!(
            "`content` has the part {}, expected {{\"type\": \"text\", \"text\": ...}}",
            crate::error::masks::shortened(&value.to_string())
        )
    })
}

/// Refuses what would change the prompt or the loss, and is not read.
fn refuse_unread(fields: &Map<String, Value>, unread: &[&str]) -> Result<(), String> {
    let is_filled = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
        // A weight of 1, and `train: true`, say what is done anyway.
        other => *other != 1 && *other != 1.0 && *other != true,
    };
    match unread.iter().find(|&&name| fields.get(name).is_some_and(is_filled)) {
        Some(name) => {
            Err(format!("`{name}` would change what is learned, but it is not read; write its text into the prompt, or remove it"))
        }
        None => Ok(()),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(row: &str, chat: bool) -> Result<Vec<Lesson>, String> {
        lessons(&serde_json::from_str(row).map_err(|error| error.to_string())?, chat)
    }

    /// A lesson as text: `ROLE: CONTENT` of each message, and the completion behind an arrow.
    fn shown(row: &str, chat: bool) -> Result<Vec<String>, String> {
        let shown = |Lesson { prompt, completion }: Lesson| match prompt {
            Prompt::Text(text) => format!("{text} -> {completion}"),
            Prompt::Messages(messages) => {
                let messages: Vec<String> = messages.into_iter().map(|Message { role, content }| format!("{role}: {content}")).collect();
                format!("{} -> {completion}", messages.join(" | "))
            }
        };
        Ok(read(row, chat)?.into_iter().map(shown).collect())
    }

    #[test]
    fn every_shape_gives_the_same_lesson() {
        for row in [
            r#"{"prompt": "2 + 2?", "completion": "4", "id": 7}"#,
            r#"{"instruction": "2 + 2?", "output": "4"}"#,
            r#"{"instruction": "2 + 2?", "input": "", "output": "4"}"#,
            r#"{"instruction": "2 + 2?", "input": null, "output": "4"}"#,
        ] {
            assert_eq!(shown(row, false), Ok(vec!["2 + 2? -> 4".to_owned()]), "{row}");
            assert_eq!(shown(row, true), Ok(vec!["user: 2 + 2? -> 4".to_owned()]), "{row}");
        }
        for row in [
            r#"{"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]}"#,
            r#"{"prompt": [{"role": "user", "content": "2 + 2?"}], "completion": [{"role": "assistant", "content": "4"}]}"#,
            r#"{"conversations": [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4", "weight": 1}]}"#,
            r#"{"messages": [{"role": "user", "content": [{"type": "text", "text": "2 +"}, {"type": "text", "text": " 2?"}], "tool_calls": []},
                {"role": "assistant", "content": "4", "reasoning_content": null}], "prompt": null, "completion": null, "tools": []}"#,
        ] {
            assert_eq!(shown(row, true), Ok(vec!["user: 2 + 2? -> 4".to_owned()]), "{row}");
            assert!(read(row, false).is_err_and(|error| error.contains("chat template")), "{row}");
        }
        assert_eq!(shown(r#"{"instruction": "Add.", "input": "2 2", "output": "4"}"#, false), Ok(vec!["Add.\n\n2 2 -> 4".to_owned()]));
    }

    #[test]
    fn a_question_is_known_within_a_prompt() {
        let question = "A bag has 3 nuts:\ntwo are eaten. How many are left?";
        let wanted = Identity::of_texts([question]);
        for row in [
            serde_json::json!({"prompt": format!("{question}\n"), "completion": "1"}),
            serde_json::json!({"prompt": format!("Question: {question}\nAnswer:"), "completion": "1"}),
            serde_json::json!({"prompt": format!("Think first.\n\nQ: {question}\nA:"), "completion": "1"}),
            serde_json::json!({"prompt": format!("Q: 1 + 1?\nA: 2\n\nQ: 1 + 2?\nA: 3\n\nQ: {question}\nA:"), "completion": "1"}),
            serde_json::json!({"instruction": "Answer.", "input": question, "output": "1"}),
            serde_json::json!({"messages": [{"role": "user", "content": format!("Input:\n{question}\nTarget:\n")}]}),
        ] {
            assert!(row.as_object().is_some_and(|row| identities(row).any(|identity| identity == wanted)), "{row}");
        }
        let other = serde_json::json!({"prompt": "Q: another\nA:", "completion": question});
        assert!(other.as_object().is_some_and(|row| identities(row).all(|identity| identity != wanted)));
    }

    #[test]
    fn each_message_of_the_assistant_is_a_lesson_with_all_messages_before_it() {
        let turns = r#"[{"role": "system", "content": "s"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]"#;
        let whole = shown(&format!("{{\"messages\": {turns}}}"), true);
        let second = "system: s | user: a | assistant: b | user: c -> d".to_owned();
        assert_eq!(whole, Ok(vec!["system: s | user: a -> b".to_owned(), second.clone()]));
        let completion = r#"[{"role": "assistant", "content": "d"}]"#;
        let prompt =
            turns.replace(",\n            {\"role\": \"user\", \"content\": \"c\"}, {\"role\": \"assistant\", \"content\": \"d\"}", "");
        let prompt = prompt.replace(']', ", {\"role\": \"user\", \"content\": \"c\"}]");
        assert_eq!(shown(&format!("{{\"prompt\": {prompt}, \"completion\": {completion}}}"), true), Ok(vec![second]));
    }

    #[test]
    fn what_is_wrong_with_a_row_is_named() {
        for (row, said) in [
            (r#"{"prompt": "a"}"#, "the columns are prompt; expected `prompt` and `completion`"),
            (r#"{"prompt": "a", "completion": null}"#, "`completion` is null, expected a text"),
            (r#"{"prompt": ["a"], "completion": "b"}"#, "`prompt` is a list, expected a text"),
            (r#"{"instruction": 1, "output": "b"}"#, "`instruction` is a number"),
            (r#"{"messages": "a"}"#, "the messages are a text"),
            (
                r#"{"messages": [{"role": "user", "content": [{"type": "image"}]}]}"#,
                "message 1: `content` has the part {\"type\":\"image\"}",
            ),
            (r#"{"messages": [{"role": "user", "content": "a"}], "tools": [{"name": "f"}]}"#, "`tools` would change what is learned"),
            (r#"{"instruction": "a", "output": "b", "system": "c"}"#, "`system` would change"),
            (r#"{"messages": [{"role": "user", "content": "a", "weight": 0}]}"#, "message 1: `weight` would change"),
            (r#"{"messages": [{"role": "assistant", "content": null, "tool_calls": [{}]}]}"#, "message 1: `tool_calls` would change"),
            (r#"{"messages": []}"#, "the messages are of nobody; expected at least one of the assistant"),
            (r#"{"messages": ["a"]}"#, "message 1 is a text"),
            (r#"{"messages": [{"role": "user"}]}"#, "message 1: `content` is missing"),
            (r#"{"messages": [{"role": "user", "content": "a"}]}"#, "the messages are of user; expected at least one of the assistant"),
            (
                r#"{"messages": [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]}"#,
                "the messages are of assistant, user; expected at least one of the assistant, with others before it",
            ),
        ] {
            assert!(read(row, true).is_err_and(|error| error.contains(said)), "{row}: {:?}", read(row, true));
        }
    }
}
