//! What can go wrong with a model, each naming the file, key or tensor and what was expected.

use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A JSON file does not parse.
    #[error("{path}: cannot be read as JSON")]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser says, with line and column.
        source: serde_json::Error,
    },
    /// `model_type` names a family that is not supported.
    #[error("{path}: model_type \"{found}\" is not supported; supported are {supported}")]
    UnknownModelType {
        /// The config.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What would work.
        supported: String,
    },
    /// A key of config.json is missing, has the wrong type or asks for something unsupported.
    #[error("{path}: key \"{key}\": {problem}")]
    ConfigKey {
        /// The config.
        path: PathBuf,
        /// The key.
        key: String,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// The weights file is not a whole safetensors file.
    #[error("{path}: not a complete safetensors file; copy or download it again")]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        source: safetensors::SafeTensorError,
    },
    /// The weights' files are not what they should be, or not all there.
    #[error("{path}: {problem}")]
    Weights {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A tensor that the config calls for is not there.
    #[error("{path}: tensor \"{name}\" is missing (expected shape {expected:?})")]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape by the config.
        expected: Vec<usize>,
    },
    /// A tensor that the config does not call for.
    #[error("{path}: tensor \"{name}\" is not part of this model; does config.json belong to these weights?")]
    ExtraTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A tensor's shape is not the one that the config gives.
    #[error("{path}: tensor \"{name}\" has shape {got:?}, expected {expected:?} by config.json")]
    TensorShape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape by the config.
        expected: Vec<usize>,
        /// Its shape in the file.
        got: Vec<usize>,
    },
    /// A tensor's type is not a supported floating-point type.
    #[error("{path}: tensor \"{name}\" has type {got}; expected F64, F32, F16 or BF16")]
    TensorType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its type in the file.
        got: String,
    },
    /// A weight is infinite or not a number.
    #[error("{path}: tensor \"{name}\" holds {value} at index {index}; the weights are damaged")]
    NonFiniteWeight {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The first such element.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// The tokenizer could not be used.
    #[error("{path}: {message}")]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A chat template is broken, or refuses a conversation.
    #[error("{path}: {message}")]
    ChatTemplate {
        /// The file that holds the template.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A prompt and its new tokens do not fit the model.
    #[error(
        "request {request}: {prompt_tokens} prompt tokens and up to {new_tokens} new ones exceed {what} of {limit} tokens; shorten the prompt, show fewer examples or lower max_new_tokens"
    )]
    PromptTooLong {
        /// Which request, from 0.
        request: usize,
        /// Its prompt.
        prompt_tokens: usize,
        /// What it may generate.
        new_tokens: usize,
        /// What is exceeded: the model's context or the cache.
        what: &'static str,
        /// How many fit.
        limit: usize,
    },
    /// A job needs more memory than it may use.
    #[error("{what} needs at least {}, but may use {}; give more memory, or {remedy}", megabytes(*needed), megabytes(*budget))]
    BudgetTooSmall {
        /// The job.
        what: &'static str,
        /// Bytes that it may use.
        budget: usize,
        /// Bytes that it needs at the least.
        needed: usize,
        /// What would need less.
        remedy: &'static str,
    },
    /// A prompt without tokens.
    #[error("request {request}: the prompt is empty; give at least one token")]
    EmptyPrompt {
        /// Which request, from 0.
        request: usize,
    },
    /// A document is longer than it may be.
    #[error("training document {document} has {tokens} tokens, more than {what} of {limit}; raise it or shorten the document")]
    DocumentTooLong {
        /// Which document, from 0.
        document: usize,
        /// Its length.
        tokens: usize,
        /// What is exceeded.
        what: &'static str,
        /// How many fit.
        limit: usize,
    },
    /// No module has one of the names that adapters are asked for.
    #[error("no module is called {targets}; the layers have {}, or ask for \"all-linear\"", modules.join(", "))]
    NoSuchModule {
        /// The names.
        targets: String,
        /// Those of a layer.
        modules: Vec<String>,
    },
    /// A pattern of an adapter's config cannot be used.
    #[error("adapter_config.json: key \"{key}\": the pattern \"{pattern}\": {problem}")]
    AdapterPattern {
        /// The key.
        key: String,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An adapter was trained on another base.
    #[error("{adapter}: was trained on weights with SHA-256 {expected}, but {base} has {found}; give it its own base")]
    AnotherBase {
        /// The adapter's directory.
        adapter: PathBuf,
        /// The base that was found.
        base: PathBuf,
        /// The hash of the base that it was trained on.
        expected: String,
        /// The hash of the base that was found.
        found: String,
    },
    /// Nothing to train on.
    #[error("no token of the training data carries loss; there is nothing to learn from")]
    NothingToLearn,
    /// The loss or the gradient stopped being a number.
    #[error("training diverged at step {step}: {what} is {value}; lower the learning rate or check the data")]
    Diverged {
        /// The step, from 1.
        step: u64,
        /// The loss or the gradient norm.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// The model gave a logit that is not a number.
    #[error("the model gave a logit that is not a number after {tokens} tokens of request {request}; its weights have diverged")]
    NonFiniteLogit {
        /// Which request, from 0.
        request: usize,
        /// Tokens of its sequence so far.
        tokens: usize,
    },
    /// A saved training state does not belong to this training.
    #[error("{path}: {problem}; remove it to start the training again")]
    TrainingState {
        /// The state's file.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
}

fn megabytes(bytes: usize) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
