//! The errors of this crate. Each names the file, key or problem that it is about, and keeps its cause as its source.
//!
//! ```
//! use starloop_core::config::Config;
//! use starloop_core::error::{Error, Missing};
//!
//! match Config::load("arithmatic", &[]) {
//!     Err(Error::NotFound { what: Missing::Config, nearest, .. }) => assert_eq!(nearest.as_deref(), Some("arithmetic")),
//!     other => panic!("unexpected: {other:?}"),
//! }
//! ```
//!
//! Errors about run directories ([`NotARun`](starloop_record::Error::NotARun), [`RunInUse`](starloop_record::Error::RunInUse),
//! [`RunExists`](starloop_record::Error::RunExists) and others) are variants of [`Error::Record`].

pub(crate) mod masks;
mod missing;

use masks::{masked, without_password};
pub use missing::{ColumnRole, Missing};

use std::ops::ControlFlow;
use std::path::PathBuf;

/// The cause of an error. The message of the error does not repeat it.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate. Its message says what failed, where, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Something is wrong with a run directory.
    #[error(transparent)]
    Record(#[from] starloop_record::Error),
    /// Something is wrong with a file of rows.
    #[error(transparent)]
    Data(#[from] starloop_data::Error),
    /// A data set of the hub is not on this machine.
    #[error("{name}: no such file or folder, and revision {revision} of a data set with this name is in none of: {}", joined(.places))]
    NoDataset {
        /// Its name, `ORG/NAME`.
        name: String,
        /// The revision.
        revision: String,
        /// The directories that were looked for.
        places: Vec<PathBuf>,
    },
    /// A config file is not TOML.
    #[error("{origin}: not valid TOML")]
    ConfigSyntax {
        /// The file or preset.
        origin: String,
        /// The message of the TOML parser, with line and column.
        source: toml::de::Error,
    },
    /// A config key that does not exist.
    #[error("{origin}: unknown key `{key}`{}", suggest(.nearest.as_deref(), .valid))]
    UnknownKey {
        /// The file, preset or override.
        origin: String,
        /// The key with its path, such as `training.batch_sise`.
        key: String,
        /// The most similar valid key, with its path.
        nearest: Option<String>,
        /// The keys that are valid there.
        valid: Vec<String>,
    },
    /// A config value of the wrong kind or out of range.
    #[error("{origin}: `{key}`: {}", without_password(.message))]
    ConfigValue {
        /// The file, preset or override.
        origin: String,
        /// The key with its path.
        key: String,
        /// The expected and the found value.
        message: String,
    },
    /// An override that is not `key=value`.
    #[error("the override {:?} is not of the form key=value, such as training.steps=100", without_password(.text))]
    Override {
        /// The given value.
        text: String,
    },
    /// Something that a config or a caller names does not exist.
    #[error("{}{}", .what.about(.name, .known), did_you_mean(.nearest.as_deref()))]
    NotFound {
        /// Its description.
        what: Missing,
        /// The name, directory or file that was looked for.
        name: String,
        /// The names that this program ships. Of a model with a name of the hub: the places that were searched.
        known: Vec<String>,
        /// The most similar of them.
        nearest: Option<String>,
        /// The name under which it can be downloaded: of a model on the hub, or of a data set.
        download: Option<String>,
    },
    /// No column of the user's data has a usual name for a role.
    #[error("{origin}: no column for {role}; one should be called {usual}; there are: {columns}")]
    NoColumn {
        /// The data.
        origin: String,
        /// The role.
        role: ColumnRole,
        /// Some usual names.
        usual: String,
        /// The columns of the data.
        columns: String,
    },
    /// Another process writes the same output.
    #[error("{} is in use by another process, which holds the lock in {}; wait for that process, or choose another output", .path.display(), .states.display())]
    OutputInUse {
        /// The output.
        path: PathBuf,
        /// The directory of the other process's state.
        states: PathBuf,
    },
    /// A file of a run does not hold what it should.
    #[error("{}: {message}", .path.display())]
    Corrupt {
        /// The file, with the line if there is one.
        path: PathBuf,
        /// The fault.
        message: String,
    },
    /// An observer or a progress callback returned [`ControlFlow::Break`].
    #[error("cancelled; everything that was finished is kept, and the run can be resumed")]
    Cancelled,
    /// Selection kept nothing, so there is nothing to learn from.
    #[error(
        "{method}, iteration {iteration}: none of {attempts} attempts can be learned from, so there is nothing to train on. The model may be \
         too weak for these problems: try easier problems, more worked examples (sampling.few_shot), several samples at a temperature \
         (sampling.samples_per_problem, sampling.temperature), hints (`rationalize = true`, where the method has it), or a stronger base model"
    )]
    NothingSolved {
        /// The method.
        method: String,
        /// The outer iteration.
        iteration: u32,
        /// Attempts that were made.
        attempts: u64,
    },
    /// Selection kept nothing, because the user's verifier program gave no verdict.
    #[error(
        "{method}, iteration {iteration}: the verifier program failed on {failed} of {attempts} attempts, and none of the others can be learned \
         from, so there is nothing to train on; correct the program (task.command)"
    )]
    NothingGraded {
        /// The method.
        method: String,
        /// The outer iteration.
        iteration: u32,
        /// Attempts that were made.
        attempts: u64,
        /// Attempts without a verdict.
        failed: u64,
    },
    /// A control has nothing to compare with.
    #[error(
        "method {controls} learned nothing in this run, so its control has no number of examples to learn; see the error of {controls}"
    )]
    NothingToControl {
        /// The method that it is the control of.
        controls: String,
    },
    /// A method learns from known rationales, and the task has none to a problem.
    #[error(
        "problem {problem} has no known rationale, and the method as it is set learns from known rationales; change its settings (learn, \
         sampler, of), or use a method that needs none"
    )]
    NoKnownRationale {
        /// The problem.
        problem: String,
    },
    /// A method hints with a part of the answer, and the task cannot show a part.
    #[error(
        "problem {problem} has an answer of which no part can be shown; hint with rationales (of = \"rationale\") or whole answers (kind = \"star\")"
    )]
    NoPartOfAnswer {
        /// The problem.
        problem: String,
    },
    /// A problem without choices was to be measured by the likelihood of its choices.
    #[error("problem {problem} has no choices, so it cannot be measured by the likelihood of its choices; sample answers instead")]
    NoChoices {
        /// The problem.
        problem: String,
    },
    /// A problem that measures accuracy was about to be trained on.
    #[error("{method}, iteration {iteration}: problem {problem} is in the training problems and in the {split} problems")]
    HeldOutProblem {
        /// The method.
        method: String,
        /// The outer iteration.
        iteration: u32,
        /// The problem.
        problem: String,
        /// The split that it is held out in.
        split: &'static str,
    },
    /// A model was about to be measured on problems that it was trained on.
    #[error(
        "{}: this model was trained on {trained} of the {measured} {split} problems, such as {problem}, so its accuracy on them says nothing \
         about other problems; measure it with the data and the division that it was trained with, or on other problems",
        .checkpoint.display()
    )]
    TrainedOnHeldOut {
        /// The checkpoint directory, which records what the model was trained on.
        checkpoint: PathBuf,
        /// The split that it was to be measured on.
        split: &'static str,
        /// Problems of the split that it was trained on.
        trained: usize,
        /// Problems of the split.
        measured: usize,
        /// The first that it was trained on.
        problem: String,
    },
    /// A run was begun with a task of another kind than its config names.
    #[error(
        "the config names the task `{expected}`, but the run was given a task named `{found}`; register that kind and name it in [task]"
    )]
    OtherTask {
        /// The kind in the config.
        expected: String,
        /// The name of the task.
        found: String,
    },
    /// A JSON file does not hold what it should.
    #[error("{}: unexpected JSON", .path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The fault, with line and column.
        source: serde_json::Error,
    },
    /// An attempt at a problem that the task did not pose.
    #[error("an attempt names problem {problem}, which is not among the training problems of its iteration")]
    UnknownProblem {
        /// The problem.
        problem: String,
    },
    /// A number is not finite.
    #[error("{what} is {value} ({place}); the run stops here, and everything that was finished is kept")]
    NotFinite {
        /// The quantity, such as `loss`.
        what: &'static str,
        /// The value.
        value: f64,
        /// The place, such as `star, iteration 2, step 14`.
        place: String,
    },
    /// The known answer of a problem is not an answer of its type.
    #[error("{problem}: {message}")]
    KnownAnswer {
        /// The problem.
        problem: String,
        /// The fault of its answer, and the expected answer.
        message: String,
    },
    /// The user's verifier program cannot be started, or fails repeatedly.
    #[error("the verifier {command:?} {message}")]
    Verifier {
        /// The program with its arguments.
        command: String,
        /// Its fault, and the remedy.
        message: String,
        /// The cause, if there is one below.
        source: Option<Cause>,
    },
    /// The user's trainer program failed, or its checkpoint is not a fine-tuning of the base.
    #[error("the trainer {command:?} {message}")]
    ExternalTrainer {
        /// The program with its arguments.
        command: String,
        /// Its fault, and the remedy.
        message: String,
        /// The cause, if there is one below.
        source: Option<Cause>,
    },
    /// An example does not fit into the training sequence.
    #[error(
        "problem {problem}: {tokens} tokens, but training.sequence_length is {limit}; nothing is cut off silently, so raise the limit, or leave such examples out (training.drop_too_long = true)"
    )]
    ExampleTooLong {
        /// The problem.
        problem: String,
        /// Tokens of prompt, completion and end token.
        tokens: usize,
        /// `training.sequence_length`.
        limit: usize,
    },
    /// A trainer learns from examples alone.
    #[error(
        "this trainer does not support learning from {objective}, only from examples; leave [trainer] out to train in this process, or run a \
         method that learns from examples, such as star"
    )]
    ObjectiveNotSupported {
        /// The kind of training data, such as `preferences`.
        objective: &'static str,
    },
    /// A policy samples and cannot score text.
    #[error("this policy cannot score text, which a verifier and the rule `most_hint_reliance` need; use `[policy] kind = \"embedded\"`")]
    ScoringNotSupported,
    /// A policy returned another number of samples than it was asked for.
    #[error("the policy was asked for {expected} samples and returned {got}")]
    SampleCount {
        /// Requests.
        expected: usize,
        /// Samples.
        got: usize,
    },
    /// A task or verifier returned another number of grades than it was asked for.
    #[error("the task was asked for {expected} grades and returned {got}")]
    GradeCount {
        /// Answers.
        expected: usize,
        /// Grades.
        got: usize,
    },
    /// A task or a method from outside this crate failed.
    #[error("{what}")]
    Extension {
        /// The part that failed, and where.
        what: String,
        /// The cause.
        source: Cause,
    },
    /// A policy cannot serve one of its requests.
    #[error("{}", .problem.clone().unwrap_or_else(|| format!("request {}", .request)))]
    Request {
        /// The request's place in the call, from 0.
        request: usize,
        /// The problem of the request, if it is known.
        problem: Option<String>,
        /// Its fault.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A policy was used before it loaded a checkpoint.
    #[error("the policy has no checkpoint loaded, so it cannot sample or score")]
    NoCheckpoint,
    /// A file that could not be fetched, or is not what it should be.
    #[error("{}: {}", masked(.what), masked(.problem))]
    Fetch {
        /// Its address, file or model.
        what: String,
        /// The fault, and the remedy.
        problem: String,
        /// The cause, if there is one below.
        source: Option<Cause>,
    },
    /// A server does not do what it should.
    #[error("{}: {}", masked(.endpoint), masked(.problem))]
    Server {
        /// Its address, or the command that started it.
        endpoint: String,
        /// The fault, and the remedy. Never holds an API key.
        problem: String,
        /// The cause, if there is one below. Never holds an API key.
        source: Option<Cause>,
    },
    /// The language model under a policy or trainer failed.
    #[error("{context}")]
    Engine {
        /// The operation, such as `sampling`.
        context: &'static str,
        /// The error of the language model.
        source: Box<starloop_lm::Error>,
    },
    /// The checkpoint of the user's own trainer is not a fine-tuning of the base.
    #[error("the trainer {command:?} wrote a checkpoint that cannot be used")]
    TunedCheckpoint {
        /// The program with its arguments.
        command: String,
        /// The fault of the checkpoint.
        source: Box<starloop_lm::Error>,
    },
    /// The user's own trainer printed its steps out of order.
    #[error("the trainer printed step {step} after step {last}; it must count its steps up from 1")]
    StepOrder {
        /// The step that it printed.
        step: u64,
        /// The step before.
        last: u64,
    },
    /// The user's own trainer printed a number that no training has.
    #[error("the trainer printed the {key} {found}, expected at most {most}")]
    ProgressTooLarge {
        /// The key of the number.
        key: &'static str,
        /// The number.
        found: u64,
        /// The most that it may be.
        most: u64,
    },
    /// A base model's weights are not those of its log.
    #[error("the weights have the SHA-256 {found}, but the log of the base model records {expected}")]
    WeightsChanged {
        /// The SHA-256 of the weights.
        found: String,
        /// The SHA-256 in the log.
        expected: String,
    },
    /// A checkpoint cannot be exported as it was asked for.
    #[error("{}: {message}", .path.display())]
    Unexportable {
        /// The checkpoint or the new directory.
        path: PathBuf,
        /// Why, and what to do.
        message: String,
    },
}

/// Adds to an error of the language model what was being done.
pub(crate) trait EngineContext<T> {
    /// The same result with [`Error::Engine`].
    fn during(self, context: &'static str) -> Result<T>;
}

impl<T> EngineContext<T> for starloop_lm::Result<T> {
    fn during(self, context: &'static str) -> Result<T> {
        self.map_err(|source| match source {
            starloop_lm::Error::Cancelled { .. } => Error::Cancelled,
            source => Error::Engine { context, source: Box::new(source) },
        })
    }
}

/// Turns the wish of an observer or a progress callback into a result.
pub(crate) trait OrCancelled {
    /// [`Error::Cancelled`] for [`ControlFlow::Break`].
    fn or_cancelled(self) -> Result<()>;
}

impl OrCancelled for ControlFlow<()> {
    fn or_cancelled(self) -> Result<()> {
        if self.is_break() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// The message of an error with the messages of its causes, on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default()
}

impl Error {
    /// The same error with the name of the problem that the request was about, as `problem` finds it by the request's place.
    pub(crate) fn naming(self, problem: impl FnOnce(usize) -> Option<String>) -> Self {
        match self {
            Error::Request { request, source, .. } => {
                let problem = problem(request).map(|problem| format!("problem {problem}"));
                Error::Request { request, problem, source }
            }
            other => other,
        }
    }

    /// Returns true if the request itself was wrong. Other errors are failures during the work.
    pub fn is_usage(&self) -> bool {
        if let Error::Record(error) = self {
            return error.is_usage();
        }
        matches!(
            self,
            Error::ConfigSyntax { .. }
                | Error::UnknownKey { .. }
                | Error::ConfigValue { .. }
                | Error::Override { .. }
                | Error::NotFound { .. }
                | Error::NoDataset { .. }
                | Error::NoColumn { .. }
                | Error::TrainedOnHeldOut { .. }
                | Error::NoKnownRationale { .. }
                | Error::NoPartOfAnswer { .. }
                | Error::NoChoices { .. }
                | Error::ObjectiveNotSupported { .. }
                | Error::ScoringNotSupported
                | Error::Unexportable { .. }
        )
    }

    /// The kind of the input or output error behind this error, if there is one. A missing file of a checkpoint is damage, so it has none.
    pub fn io_kind(&self) -> Option<std::io::ErrorKind> {
        match self {
            Error::Io(error) | Error::Data(starloop_data::Error::Io(error)) => Some(error.kind()),
            Error::Record(error) => error.io_kind(),
            _ => None,
        }
    }
}

fn joined(places: &[PathBuf]) -> String {
    places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn suggest(nearest: Option<&str>, valid: &[String]) -> String {
    match nearest {
        Some(_) => did_you_mean(nearest),
        None if valid.is_empty() => String::new(),
        None => format!("; valid there: {}", valid.join(", ")),
    }
}
