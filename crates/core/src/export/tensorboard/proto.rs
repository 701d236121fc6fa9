//! The messages of TensorBoard that are written here, field by field as its `.proto` files number them. What is not written is left out.

use prost::{Message, Oneof};
use std::collections::BTreeMap;

/// `tensorflow.Event`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

/// `tensorflow.Summary.Value`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(message, optional, tag = "8")]
    tensor: Option<Tensor>,
    #[prost(message, optional, tag = "9")]
    metadata: Option<Metadata>,
}

/// `tensorflow.SummaryMetadata`.
#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(message, optional, tag = "1")]
    plugin_data: Option<PluginData>,
    #[prost(int32, tag = "4")]
    data_class: i32,
}

#[derive(Clone, PartialEq, Message)]
struct PluginData {
    #[prost(string, tag = "1")]
    plugin_name: String,
    #[prost(bytes = "vec", tag = "2")]
    content: Vec<u8>,
}

/// `tensorflow.TensorProto`.
#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int32, tag = "1")]
    dtype: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
    #[prost(float, repeated, tag = "5")]
    float_val: Vec<f32>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    string_val: Vec<Vec<u8>>,
}

/// `tensorflow.TensorShapeProto`.
#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "2")]
    dim: Vec<Dim>,
}

#[derive(Clone, PartialEq, Message)]
struct Dim {
    #[prost(int64, tag = "1")]
    size: i64,
}

const FLOAT: i32 = 1;
const STRING: i32 = 7;
/// `tensorboard.hparams.Status`.
const SUCCESS: i32 = 1;
/// `tensorflow.DataClass`.
const SCALAR: i32 = 1;
const TENSOR: i32 = 2;

/// `tensorboard.hparams.HParamsPluginData`.
#[derive(Clone, PartialEq, Message)]
struct HParamsPluginData {
    #[prost(message, optional, tag = "3")]
    session_start_info: Option<SessionStartInfo>,
    #[prost(message, optional, tag = "4")]
    session_end_info: Option<SessionEndInfo>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionStartInfo {
    #[prost(btree_map = "string, message", tag = "1")]
    hparams: BTreeMap<String, Setting>,
    #[prost(double, tag = "5")]
    start_time_secs: f64,
}

#[derive(Clone, PartialEq, Message)]
struct SessionEndInfo {
    #[prost(int32, tag = "1")]
    status: i32,
    #[prost(double, tag = "2")]
    end_time_secs: f64,
}

/// `google.protobuf.Value`, as far as settings need it.
#[derive(Clone, PartialEq, Message)]
struct Setting {
    #[prost(oneof = "Kind", tags = "2, 3, 4")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Kind {
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Switch(bool),
}

impl Event {
    /// What begins every file.
    pub(super) fn version(wall_time: f64) -> Self {
        Event { wall_time, step: 0, what: Some(What::FileVersion("brain.Event:2".to_owned())) }
    }

    pub(super) fn summary(wall_time: f64, step: i64, value: Vec<Value>) -> Self {
        Event { wall_time, step, what: Some(What::Summary(Summary { value })) }
    }
}

impl Value {
    pub(super) fn scalar(tag: &str, value: f64) -> Self {
        let tensor = Tensor { dtype: FLOAT, shape: Some(Shape { dim: Vec::new() }), float_val: vec![value as f32], string_val: Vec::new() };
        Value::of_plugin(tag, "scalars", Vec::new(), SCALAR, tensor)
    }

    /// Texts in Markdown, one below the other.
    pub(super) fn text(tag: &str, texts: &[String]) -> Self {
        let shape = Shape { dim: vec![Dim { size: texts.len() as i64 }] };
        let string_val = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        Value::of_plugin(tag, "text", Vec::new(), TENSOR, Tensor { dtype: STRING, shape: Some(shape), float_val: Vec::new(), string_val })
    }

    fn of_plugin(tag: &str, plugin: &str, content: Vec<u8>, data_class: i32, tensor: Tensor) -> Self {
        let plugin_data = Some(PluginData { plugin_name: plugin.to_owned(), content });
        Value { tag: tag.to_owned(), tensor: Some(tensor), metadata: Some(Metadata { plugin_data, data_class }) }
    }
}

/// The settings of a method, for TensorBoard's table of hyperparameters.
pub(super) struct HParams {
    start: HParamsPluginData,
    end: HParamsPluginData,
}

impl HParams {
    /// Settings by their dotted keys, and when the work began and ended. No group is named: TensorBoard would take the mean over its members.
    pub(super) fn of(settings: &BTreeMap<String, toml::Value>, began: f64, ended: f64) -> Self {
        let setting = |value: &toml::Value| Setting {
            kind: Some(match value {
                toml::Value::Boolean(value) => Kind::Switch(*value),
                toml::Value::Integer(value) => Kind::Number(*value as f64),
                toml::Value::Float(value) => Kind::Number(*value),
                toml::Value::String(value) => Kind::Text(value.clone()),
                other => Kind::Text(other.to_string()),
            }),
        };
        let hparams = settings.iter().map(|(key, value)| (key.clone(), setting(value))).collect();
        let start = SessionStartInfo { hparams, start_time_secs: began };
        HParams {
            start: HParamsPluginData { session_start_info: Some(start), session_end_info: None },
            end: HParamsPluginData {
                session_start_info: None,
                session_end_info: Some(SessionEndInfo { status: SUCCESS, end_time_secs: ended }),
            },
        }
    }

    pub(super) fn values(&self) -> Vec<Value> {
        // The plugin reads its content alone, but wants a tensor to be there.
        let tensor =
            || Tensor { dtype: FLOAT, shape: Some(Shape { dim: vec![Dim { size: 1 }] }), float_val: vec![0.0], string_val: Vec::new() };
        let value = |tag: &str, data: &HParamsPluginData| Value::of_plugin(tag, "hparams", data.encode_to_vec(), TENSOR, tensor());
        vec![value("_hparams_/session_start_info", &self.start), value("_hparams_/session_end_info", &self.end)]
    }
}
