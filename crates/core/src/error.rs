//! What can go wrong, with the file, key or problem that it went wrong with.

use std::path::PathBuf;

/// The cause of an error, which its message does not repeat.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a user did not want to happen, told so that it can be mended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Something is wrong with a run directory.
    #[error(transparent)]
    Record(#[from] starloop_record::Error),
    /// A config file is not TOML; the message shows the line.
    #[error("{origin}: not valid TOML\n{message}")]
    ConfigSyntax {
        /// The file or preset.
        origin: String,
        /// What the TOML parser says, with line and column.
        message: String,
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
    #[error("{origin}: `{key}`: {message}")]
    ConfigValue {
        /// The file, preset or override.
        origin: String,
        /// The key with its path.
        key: String,
        /// What was expected, and what was found.
        message: String,
    },
    /// An override that is not `key=value`.
    #[error("`--set {text}` is not of the form key=value, such as --set training.steps=100")]
    Override {
        /// What was given.
        text: String,
    },
    /// Neither a preset nor a file.
    #[error("{name:?} is neither a config file nor a preset; presets: {}{}", .presets.join(", "), did_you_mean(.nearest.as_deref()))]
    NoSuchConfig {
        /// What was asked for.
        name: String,
        /// The presets that there are.
        presets: Vec<String>,
        /// The most similar preset.
        nearest: Option<String>,
    },
    /// A base model that does not exist.
    #[error("`model.base = {base:?}`: {message}")]
    BaseModel {
        /// The config's value.
        base: String,
        /// What was looked for.
        message: String,
    },
    /// Another process makes the same output.
    #[error("{} is being made by another process (the lock in {} is held); wait for it, or choose another --out", .path.display(), .states.display())]
    OutputInUse {
        /// The output.
        path: PathBuf,
        /// Where the other process keeps its state.
        states: PathBuf,
    },
    /// A file of a run does not hold what it should.
    #[error("{}: {message}", .path.display())]
    Corrupt {
        /// The file, with the line where there is one.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
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
    /// A method learns from known rationales, and the task has none to a problem.
    #[error(
        "problem {problem} has no known rationale, and the method as it is set learns from known rationales; `starloop run CONFIG --dry-run` \
         shows its settings (learn, sampler, of), and docs/methods.md says which methods need none"
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
    /// A problem is to be decided between choices, and has none.
    #[error("problem {problem} has no choices, so there is nothing to tell by likelihood; measure it without --by-likelihood")]
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
    /// An attempt at a problem that the task did not pose.
    #[error("an attempt names problem {problem}, which is not among the training problems of its iteration")]
    UnknownProblem {
        /// The problem.
        problem: String,
    },
    /// A number that must be finite is not.
    #[error("{what} is {value} ({place}); the run stops here, and what was finished before is kept")]
    NotFinite {
        /// What is not finite, such as `loss`.
        what: &'static str,
        /// The value.
        value: f64,
        /// Where, such as `star, iteration 2, step 14`.
        place: String,
    },
    /// The known answer of a problem is no answer.
    #[error("{problem}: {message}")]
    KnownAnswer {
        /// The problem.
        problem: String,
        /// What is wrong with its answer, and what was expected.
        message: String,
    },
    /// The user's own verifier cannot be started, or fails again and again.
    #[error("the verifier {command:?} {message}")]
    Verifier {
        /// The program with its arguments.
        command: String,
        /// What it did, and what to do about it.
        message: String,
        /// The cause, if there is one below.
        source: Option<Cause>,
    },
    /// The user's own trainer failed, or what it wrote is no fine-tuning of the base.
    #[error("the trainer {command:?} {message}")]
    ExternalTrainer {
        /// The program with its arguments.
        command: String,
        /// What it did, and what to do about it.
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
        "this trainer does not support learning from {objective}, only from examples; leave [trainer] out, so that starloop's own trains, or run \
         a method that learns from examples, such as star"
    )]
    ObjectiveNotSupported {
        /// What was to be learned from, such as `preferences`.
        objective: &'static str,
    },
    /// A policy samples and cannot tell how likely a given text is.
    #[error("this policy samples, but does not tell how likely a given text is, which a verifier is for; let starloop's own engine sample")]
    ScoringNotSupported,
    /// A policy returned another number of samples than it was asked for.
    #[error("the policy was asked for {expected} samples and returned {got}")]
    SampleCount {
        /// Requests.
        expected: usize,
        /// Samples.
        got: usize,
    },
    /// A policy cannot serve one of its requests.
    #[error("{}", .problem.clone().unwrap_or_else(|| format!("request {}", .request)))]
    Request {
        /// The request's place in the call, from 0.
        request: usize,
        /// The problem that was asked, where it is known.
        problem: Option<String>,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A policy was asked before it loaded a checkpoint.
    #[error("the policy has no checkpoint loaded, so it cannot sample or score")]
    NoCheckpoint,
    /// A file that could not be fetched, or is not what it should be.
    #[error("{what}: {problem}")]
    Fetch {
        /// Its address, file or model.
        what: String,
        /// What is wrong and what to do.
        problem: String,
        /// The cause, if there is one below.
        source: Option<Cause>,
    },
    /// A server does not do what it should.
    #[error("{endpoint}: {problem}")]
    Server {
        /// Its address, or the command that started it.
        endpoint: String,
        /// What is wrong and what to do. Never holds an API key.
        problem: String,
        /// The cause, if there is one below. Never holds an API key.
        source: Option<Cause>,
    },
    /// The language model under a policy or trainer failed.
    #[error("{context}")]
    Engine {
        /// What was being done, such as `sampling`.
        context: &'static str,
        /// The error of the language model.
        source: Box<starloop_lm::Error>,
    },
    /// The checkpoint of the user's own trainer is not a fine-tuning of the base.
    #[error("the trainer {command:?} wrote a checkpoint that cannot be used")]
    TunedCheckpoint {
        /// The program with its arguments.
        command: String,
        /// What is wrong with the checkpoint.
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
        self.map_err(|source| Error::Engine { context, source: Box::new(source) })
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

    /// Whether the user asked for something that cannot be, as opposed to something that failed on the way.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Error::ConfigSyntax { .. }
                | Error::UnknownKey { .. }
                | Error::ConfigValue { .. }
                | Error::Override { .. }
                | Error::NoSuchConfig { .. }
                | Error::Record(
                    starloop_record::Error::RunExists { .. }
                        | starloop_record::Error::NotARun { .. }
                        | starloop_record::Error::ConfigChanged { .. }
                        | starloop_record::Error::InputChanged { .. }
                        | starloop_record::Error::LeadsOutside { .. }
                )
                | Error::BaseModel { .. }
                | Error::NoKnownRationale { .. }
                | Error::NoPartOfAnswer { .. }
                | Error::NoChoices { .. }
                | Error::ObjectiveNotSupported { .. }
                | Error::ScoringNotSupported
                | Error::Unexportable { .. }
        )
    }
}

fn suggest(nearest: Option<&str>, valid: &[String]) -> String {
    match nearest {
        Some(_) => did_you_mean(nearest),
        None if valid.is_empty() => String::new(),
        None => format!("; valid there: {}", valid.join(", ")),
    }
}
