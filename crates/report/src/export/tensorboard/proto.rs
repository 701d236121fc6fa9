//! The messages of TensorBoard as bytes: the wire format of protocol buffers, with fields numbered as in TensorBoard's `.proto` files.

use std::collections::BTreeMap;

/// The bytes of a message under construction. A field with its default value is left out, as the format wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message(Vec<u8>);

/// How the bytes of a field are laid out.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Eight = 1,
    Length = 2,
}

impl Message {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u8, wire: Wire) {
        self.varint(u64::from(field) << 3 | wire as u64);
    }

    fn int(mut self, field: u8, value: i64) -> Self {
        if value != 0 {
            self.key(field, Wire::Varint);
            self.varint(value as u64);
        }
        self
    }

    fn double(mut self, field: u8, value: f64) -> Self {
        if value != 0.0 {
            self.key(field, Wire::Eight);
            self.0.extend(value.to_le_bytes());
        }
        self
    }

    fn text(self, field: u8, value: &str) -> Self {
        if value.is_empty() { self } else { self.bytes(field, value.as_bytes()) }
    }

    /// Bytes, which are written even if they are none.
    fn bytes(mut self, field: u8, value: &[u8]) -> Self {
        self.key(field, Wire::Length);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn message(self, field: u8, value: &Message) -> Self {
        self.bytes(field, &value.0)
    }
}

/// `tensorflow.Event` with the version of the file, which begins every file.
pub(super) fn version(wall_time: f64) -> Message {
    Message::default().double(1, wall_time).text(3, "brain.Event:2")
}

/// `tensorflow.Event` with a `tensorflow.Summary` of values.
pub(super) fn summary(wall_time: f64, step: i64, values: &[Message]) -> Message {
    let summary = values.iter().fold(Message::default(), |summary, value| summary.message(1, value));
    Message::default().double(1, wall_time).int(2, step).message(5, &summary)
}

/// `tensorflow.DataType`.
const FLOAT: i64 = 1;
const STRING: i64 = 7;
/// `tensorflow.DataClass`.
const SCALAR: i64 = 1;
const TENSOR: i64 = 2;
/// `tensorboard.hparams.Status`.
const SUCCESS: i64 = 1;

/// `tensorflow.Summary.Value` of one number.
pub(super) fn scalar(tag: &str, value: f64) -> Message {
    let tensor = tensor(FLOAT, None).bytes(5, &(value as f32).to_le_bytes());
    value_of("scalars", tag, &[], SCALAR, &tensor)
}

/// `tensorflow.Summary.Value` of texts in Markdown, one below the other.
pub(super) fn text(tag: &str, texts: &[String]) -> Message {
    let tensor = texts.iter().fold(tensor(STRING, Some(texts.len())), |tensor, text| tensor.bytes(8, text.as_bytes()));
    value_of("text", tag, &[], TENSOR, &tensor)
}

/// The settings of a method by their dotted keys, for TensorBoard's table of hyperparameters, with the times of the beginning and the end. No
/// group is named, because TensorBoard would show the mean over its members.
pub(super) fn hyperparameters(settings: &BTreeMap<String, toml::Value>, began: f64, ended: f64) -> [Message; 2] {
    let mut start = Message::default();
    for (key, value) in settings {
        start = start.message(1, &Message::default().text(1, key).message(2, &setting(value)));
    }
    let end = Message::default().int(1, SUCCESS).double(2, ended);
    // The plugin reads its content only, but expects a tensor.
    let tensor = tensor(FLOAT, Some(1)).bytes(5, &0.0_f32.to_le_bytes());
    let value = |tag: &str, content: Message| value_of("hparams", tag, &content.0, TENSOR, &tensor);
    [
        value("_hparams_/session_start_info", Message::default().message(3, &start.double(5, began))),
        value("_hparams_/session_end_info", Message::default().message(4, &end)),
    ]
}

/// `google.protobuf.Value`, as far as settings need it. A member of a union is written even if it has its default value.
fn setting(value: &toml::Value) -> Message {
    let mut message = Message::default();
    let number = match value {
        toml::Value::Boolean(value) => {
            message.key(4, Wire::Varint);
            message.varint(u64::from(*value));
            return message;
        }
        toml::Value::Integer(value) => *value as f64,
        toml::Value::Float(value) => *value,
        toml::Value::String(value) => return message.bytes(3, value.as_bytes()),
        other => return message.bytes(3, other.to_string().as_bytes()),
    };
    message.key(2, Wire::Eight);
    message.0.extend(number.to_le_bytes());
    message
}

/// `tensorflow.TensorProto` without values: of one dimension, or of none.
fn tensor(kind: i64, length: Option<usize>) -> Message {
    let shape = length.map_or_else(Message::default, |length| Message::default().message(2, &Message::default().int(1, length as i64)));
    Message::default().int(1, kind).message(2, &shape)
}

/// `tensorflow.Summary.Value` that a plugin of TensorBoard shows.
fn value_of(plugin: &str, tag: &str, content: &[u8], data_class: i64, tensor: &Message) -> Message {
    let plugin_data = Message::default().text(1, plugin);
    let plugin_data = if content.is_empty() { plugin_data } else { plugin_data.bytes(2, content) };
    let metadata = Message::default().message(1, &plugin_data).int(4, data_class);
    Message::default().text(1, tag).message(8, tensor).message(9, &metadata)
}
