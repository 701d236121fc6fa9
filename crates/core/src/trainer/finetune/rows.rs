//! The rows of a training file, in the shapes that TRL reads and in that of Alpaca.
//!
//! | columns | without a chat template | with one |
//! |---|---|---|
//! | `prompt`, `completion` as texts | read | read; the prompt is what the user says |
//! | `instruction`, `output`, and `input` if there is one | read; a blank line divides instruction and input | likewise |
//! | `prompt`, `completion` as lists of messages; `messages` | refused | one message of the user and one of the assistant |
//!
//! A conversation of more messages, or with a system message, is refused: the trainer puts a prompt as one message of the user.

use serde_json::{Map, Value};

/// A prompt and its completion.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub prompt: String,
    pub completion: String,
}

/// Reads one line of the file.
///
/// # Errors
/// The text says what is wrong with the row.
pub(super) fn pair(line: &str, chat: bool) -> Result<Pair, String> {
    let row: Map<String, Value> = serde_json::from_str(line).map_err(|error| error.to_string())?;
    match (row.get("prompt"), row.get("completion")) {
        (Some(Value::Array(prompt)), Some(Value::Array(completion))) => conversation(prompt.iter().chain(completion), chat),
        (Some(_), Some(_)) => Ok(Pair { prompt: text(&row, "prompt")?, completion: text(&row, "completion")? }),
        _ => match (row.get("messages"), row.contains_key("instruction") && row.contains_key("output")) {
            (Some(Value::Array(messages)), _) => conversation(messages.iter(), chat),
            (Some(other), _) => Err(format!("`messages` is {}, expected a list of messages", kind(other))),
            (None, true) => {
                let (instruction, completion) = (text(&row, "instruction")?, text(&row, "output")?);
                let input = if row.contains_key("input") { text(&row, "input")? } else { String::new() };
                let prompt = if input.is_empty() { instruction } else { format!("{instruction}\n\n{input}") };
                Ok(Pair { prompt, completion })
            }
            (None, false) => {
                let columns: Vec<&str> = row.keys().map(String::as_str).collect();
                let columns = columns.join(", ");
                Err(format!("the columns are {columns}; expected `prompt` and `completion`, `messages`, or `instruction` and `output`"))
            }
        },
    }
}

fn text(row: &Map<String, Value>, column: &str) -> Result<String, String> {
    match row.get(column) {
        Some(Value::String(text)) => Ok(text.clone()),
        other => Err(format!("`{column}` is {}, expected a text", other.map_or("missing", kind))),
    }
}

fn conversation<'a>(messages: impl Iterator<Item = &'a Value>, chat: bool) -> Result<Pair, String> {
    let mut texts = Vec::new();
    for (number, message) in messages.enumerate() {
        let Value::Object(fields) = message else { return Err(format!("message {} is {}, expected an object", number + 1, kind(message))) };
        let named = |error: String| format!("message {}: {error}", number + 1);
        texts.push((text(fields, "role").map_err(named)?, text(fields, "content").map_err(named)?));
    }
    if !chat {
        return Err("the row is a conversation; format it with the checkpoint's chat template (`chat`)".to_owned());
    }
    let roles: Vec<&str> = texts.iter().map(|(role, _)| role.as_str()).collect();
    if roles != ["user", "assistant"] {
        return Err(format!("the messages are of {}; expected one of the user and one of the assistant", roles.join(", ")));
    }
    let mut texts = texts.into_iter().map(|(_, text)| text);
    Ok(Pair { prompt: texts.next().unwrap_or_default(), completion: texts.next().unwrap_or_default() })
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

    #[test]
    fn every_shape_gives_the_same_pair() {
        let expected = || Ok(Pair { prompt: "2 + 2?".into(), completion: "4".into() });
        for line in [
            r#"{"prompt": "2 + 2?", "completion": "4", "id": 7}"#,
            r#"{"instruction": "2 + 2?", "output": "4"}"#,
            r#"{"instruction": "2 + 2?", "input": "", "output": "4"}"#,
        ] {
            assert_eq!(pair(line, false), expected(), "{line}");
            assert_eq!(pair(line, true), expected(), "{line}");
        }
        for line in [
            r#"{"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]}"#,
            r#"{"prompt": [{"role": "user", "content": "2 + 2?"}], "completion": [{"role": "assistant", "content": "4"}]}"#,
        ] {
            assert_eq!(pair(line, true), expected(), "{line}");
            assert!(pair(line, false).is_err_and(|error| error.contains("chat template")), "{line}");
        }
        let with_input = pair(r#"{"instruction": "Add.", "input": "2 2", "output": "4"}"#, false);
        assert_eq!(with_input.map(|pair| pair.prompt), Ok("Add.\n\n2 2".to_owned()));
    }

    #[test]
    fn what_is_wrong_with_a_row_is_named() {
        for (line, said) in [
            (r#"{"prompt": "a"}"#, "the columns are prompt; expected `prompt` and `completion`"),
            (r#"{"prompt": "a", "completion": null}"#, "`completion` is null, expected a text"),
            (r#"{"prompt": ["a"], "completion": "b"}"#, "`prompt` is a list, expected a text"),
            (r#"{"instruction": 1, "output": "b"}"#, "`instruction` is a number"),
            (r#"{"messages": "a"}"#, "`messages` is a text"),
            (r#"{"messages": ["a"]}"#, "message 1 is a text"),
            (r#"{"messages": [{"role": "user"}]}"#, "message 1: `content` is missing"),
            (r#"{"messages": [{"role": "user", "content": "a"}]}"#, "the messages are of user; expected one of the user and one"),
            (
                r#"{"messages": [{"role": "system", "content": ""}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#,
                "the messages are of system, user, assistant",
            ),
            ("[]", "invalid type: sequence"),
        ] {
            assert!(pair(line, true).is_err_and(|error| error.contains(said)), "{line}: {:?}", pair(line, true));
        }
    }
}
