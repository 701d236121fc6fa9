//! The errors of this crate. A message states what failed and where, what was expected, and what to do.

use std::path::PathBuf;

/// An error of this crate. [`std::error::Error::source`] returns the cause, if there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written. The message names the file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A path does not exist.
    #[error("{path}: does not exist; expected the directory of a checkpoint")]
    NotFound {
        /// The path.
        path: PathBuf,
    },
    /// A path exists and is not a checkpoint directory.
    #[error("{path}: not a checkpoint: {problem}")]
    NotACheckpoint {
        /// The path.
        path: PathBuf,
        /// The missing part, and what was expected.
        problem: String,
    },
    /// A setting has a value that cannot be used.
    #[error(transparent)]
    InvalidSetting(#[from] InvalidSetting),
    /// A request cannot be sampled.
    #[error("request {request} cannot be sampled")]
    InvalidRequest {
        /// The request, counted from 0.
        request: usize,
        /// The setting.
        source: InvalidSetting,
    },
    /// A token id is not in the vocabulary of the model.
    #[error("{input} {index}: token {token} at position {position} is not in the vocabulary; the model has the tokens 0 to {}", vocabulary - 1)]
    UnknownToken {
        /// The kind of input: `request` or `document`.
        input: &'static str,
        /// The request or document, counted from 0.
        index: usize,
        /// The position of the token, counted from 0.
        position: usize,
        /// The token.
        token: u32,
        /// Tokens in the vocabulary.
        vocabulary: usize,
    },
    /// A progress callback returned [`ControlFlow::Break`](std::ops::ControlFlow::Break).
    #[error("the caller cancelled {work}")]
    Cancelled {
        /// The work, such as `sampling`.
        work: &'static str,
    },
    /// A JSON file does not parse.
    #[error("{path}: not valid JSON")]
    Json {
        /// The file.
        path: PathBuf,
        /// The error of the parser, with line and column.
        source: serde_json::Error,
    },
    /// The config's `model_type` is not supported.
    #[error("{path}: model_type \"{found}\" is not supported; supported are {supported}")]
    UnknownModelType {
        /// The config.
        path: PathBuf,
        /// Its `model_type`.
        found: String,
        /// The supported values.
        supported: String,
    },
    /// A key of config.json is missing, has the wrong type, or has a value that is not supported.
    #[error("{path}: key \"{key}\": {problem}")]
    ConfigKey {
        /// The config.
        path: PathBuf,
        /// The key.
        key: String,
        /// The fault, and the expected value.
        problem: String,
    },
    /// The weights file is not a complete safetensors file.
    #[error("{path}: not a complete safetensors file; copy or download it again")]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// The error of the reader.
        source: safetensors::SafeTensorError,
    },
    /// A file of weights is missing or cannot be used.
    #[error("{path}: {problem}")]
    Weights {
        /// The file or directory.
        path: PathBuf,
        /// The fault, and the remedy.
        problem: String,
    },
    /// A checkpoint cannot be written as a GGUF file.
    #[error("{path}: the model cannot be written as GGUF: {problem}")]
    Gguf {
        /// The file that was asked for.
        path: PathBuf,
        /// The part that has no description in llama.cpp, and what was expected.
        problem: String,
    },
    /// A tensor of the model is missing.
    #[error("{path}: tensor \"{name}\" is missing (expected shape {expected:?}); the weights have {}", names_of(similar))]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape according to the config.
        expected: Vec<usize>,
        /// Names of tensors that are there, the most similar ones.
        similar: Vec<String>,
    },
    /// A tensor does not belong to the model.
    #[error("{path}: tensor \"{name}\" is not part of this model; does config.json belong to these weights?")]
    ExtraTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A tensor has another shape than config.json gives.
    #[error("{path}: tensor \"{name}\" has shape {got:?}, expected {expected:?} by config.json")]
    TensorShape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape according to the config.
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
    /// A weight is infinite or NaN.
    #[error("{path}: tensor \"{name}\" holds {value} at index {index}; the weights are damaged")]
    NonFiniteWeight {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The index of the first such element.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// The tokenizer cannot be used.
    #[error("{path}: {message}")]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// The fault.
        message: String,
    },
    /// A part of a text has no token.
    #[error("{path}: the tokenizer has no token for {text:?} at byte {at} of the text{}; use text that it can encode", only(token.as_deref()))]
    UnknownText {
        /// The tokenizer.
        path: PathBuf,
        /// The part without a token.
        text: String,
        /// The byte at which it begins.
        at: usize,
        /// The unknown token, if there is one.
        token: Option<String>,
    },
    /// The chat template is missing or invalid, or refuses a conversation.
    #[error("{path}: {message}")]
    ChatTemplate {
        /// The file that holds the template.
        path: PathBuf,
        /// The fault.
        message: String,
    },
    /// A prompt and its new tokens do not fit the model or the cache.
    #[error(
        "request {request}: {prompt_tokens} prompt tokens and up to {new_tokens} new ones exceed {what} of {limit} tokens; shorten the prompt, show fewer examples or lower max_new_tokens"
    )]
    PromptTooLong {
        /// The request, counted from 0.
        request: usize,
        /// Tokens of its prompt.
        prompt_tokens: usize,
        /// The most tokens that it may generate.
        new_tokens: usize,
        /// The limit that is exceeded: the model's context or the cache.
        what: &'static str,
        /// The tokens that fit.
        limit: usize,
    },
    /// A job needs more memory than the budget of this process ([`crate::memory::set_budget`]).
    #[error("{what} needs at least {}, but may use {}; give more memory, or {remedy}", megabytes(*needed), megabytes(*budget))]
    OutOfMemory {
        /// The job.
        what: &'static str,
        /// The bytes that it may use.
        budget: usize,
        /// The least number of bytes that it needs.
        needed: usize,
        /// A change that needs less memory.
        remedy: &'static str,
    },
    /// A prompt has no tokens.
    #[error("request {request}: the prompt is empty; give at least one token")]
    EmptyPrompt {
        /// The request, counted from 0.
        request: usize,
    },
    /// A document has more tokens than the model or a packed row can hold.
    #[error("document {document} has {tokens} tokens, more than {what} of {limit}; shorten the document, or raise the limit")]
    DocumentTooLong {
        /// The document, counted from 0.
        document: usize,
        /// Its tokens.
        tokens: usize,
        /// The limit that it exceeds.
        what: &'static str,
        /// The value of that limit.
        limit: usize,
    },
    /// The target mask of a document has another length than the document.
    #[error("the document has {tokens} tokens, but its target mask has {mask} entries; give one entry for each token")]
    MaskLength {
        /// Tokens of the document.
        tokens: usize,
        /// Entries of the mask.
        mask: usize,
    },
    /// The part of a document to score begins after its end.
    #[error("document {document} has {tokens} tokens, but its scores begin at token {from}; begin at a token of the document")]
    TailBeginsAfterEnd {
        /// The document, counted from 0.
        document: usize,
        /// Its tokens.
        tokens: usize,
        /// The first token to score.
        from: usize,
    },
    /// The data of a training example do not fit the objective.
    #[error("training example {unit}: {problem}")]
    InvalidUnit {
        /// The example's place in the batch, counted from 0.
        unit: usize,
        /// The fault, and the expected value.
        problem: String,
    },
    /// No module of the model has the name of an adapter target.
    #[error("no module is called {targets}; the layers have {}, and \"all-linear\" selects all of them", modules.join(", "))]
    NoSuchModule {
        /// The names of the targets.
        targets: String,
        /// The modules of a layer.
        modules: Vec<String>,
    },
    /// A pattern of an adapter's config cannot be used.
    #[error("adapter_config.json: key \"{key}\": the pattern \"{pattern}\": {problem}")]
    AdapterPattern {
        /// The key.
        key: String,
        /// The pattern.
        pattern: String,
        /// Its fault.
        problem: String,
    },
    /// The weights that training would change are stored in 16 bits.
    #[error(
        "{frozen} of {trained} parameters are stored in 16 bits and cannot be trained; load the model with `LanguageModel::load_to_train`, \
         or train adapters (`LanguageModel::with_fresh_adapters`)"
    )]
    NotTrainable {
        /// Parameters that are stored in 16 bits.
        frozen: usize,
        /// Parameters that training changes.
        trained: usize,
    },
    /// A model with adapters was given where only a model without adapters can be used.
    #[error(
        "cannot {action} a model that has adapters; save the adapters with `LanguageModel::save_adapter`, \
         or merge them first with `LanguageModel::merged`"
    )]
    HasAdapters {
        /// The action that was requested.
        action: &'static str,
    },
    /// Adapters were to be saved, and the model has none.
    #[error("the model has no adapters to save; save the whole model with `LanguageModel::save`")]
    NoAdapters,
    /// The adapter was trained on another base.
    #[error("{adapter}: the adapter was trained on weights with SHA-256 {expected}, but {base} has {found}; give the base of the adapter")]
    AnotherBase {
        /// The adapter's directory.
        adapter: PathBuf,
        /// The given base.
        base: PathBuf,
        /// The SHA-256 of the base that it was trained on.
        expected: String,
        /// The SHA-256 of the given base.
        found: String,
    },
    /// The training data have no token that carries loss.
    #[error("no token of the training data carries loss; give at least one document with a target token")]
    NothingToLearn,
    /// The loss or the gradient is infinite or NaN.
    #[error("training diverged at step {step}: {what} is {value}; lower the learning rate or check the data")]
    Diverged {
        /// The step, counted from 1.
        step: u64,
        /// The value: the loss or the gradient norm.
        what: &'static str,
        /// The value.
        value: f64,
    },
    /// The model computed a logit that is not finite.
    #[error(
        "request {request}: the model computed a logit that is not finite after {tokens} tokens; its weights have diverged, use an earlier checkpoint"
    )]
    NonFiniteLogit {
        /// The request, counted from 0.
        request: usize,
        /// Tokens of its sequence before this logit.
        tokens: usize,
    },
    /// A saved training state does not belong to this training.
    #[error("{path}: {problem}; remove it to start the training again")]
    TrainingState {
        /// The file of the state.
        path: PathBuf,
        /// The fault.
        problem: String,
    },
}

/// A setting has a value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {problem}")]
pub struct InvalidSetting {
    /// The name of the field.
    pub key: &'static str,
    /// The expected values, and the value that was found.
    pub problem: String,
}

impl InvalidSetting {
    /// An error unless `holds`. The message says that `key` must be `expected`, and that `found` was found.
    pub(crate) fn unless(holds: bool, key: &'static str, expected: &str, found: impl std::fmt::Debug) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(InvalidSetting { key, problem: format!("must be {expected}, found {found:?}") }) }
    }
}

fn only(unknown_token: Option<&str>) -> String {
    unknown_token.map(|token| format!(", only {token:?}")).unwrap_or_default()
}

fn names_of(tensors: &[String]) -> String {
    if tensors.is_empty() { "no tensors".into() } else { format!("{} and others", tensors.join(", ")) }
}

fn megabytes(bytes: usize) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
