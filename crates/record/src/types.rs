//! The nouns of self-taught reasoning, as plain data.
//!
//! A [`Problem`] is put to a policy in a [`Mode`]; what comes back is an [`Attempt`]; a task's verdict on it makes a [`GradedAttempt`];
//! what is worth learning from becomes an [`Example`].

pub(crate) mod counts;

pub use counts::MOST as MOST_COUNT;
use serde::{Deserialize, Serialize};
pub use starloop_answers::choice::Named;
pub use starloop_answers::verdict::{Grade, Verdict};
pub use starloop_answers::{Place, Reading};
use std::fmt;

/// A name for a problem that never changes, such as `arithmetic/train/12+34`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProblemId(pub String);

impl ProblemId {
    /// Returns true if `wanted` is this id or the last part of it.
    pub fn is_named(&self, wanted: &str) -> bool {
        self.0 == wanted || self.0.strip_suffix(wanted).is_some_and(|before| before.ends_with('/'))
    }
}

impl fmt::Display for ProblemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A question whose final answer is known. No rationale is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The stable name.
    pub id: ProblemId,
    /// The group in which accuracy is reported, such as `3 digits`.
    pub class: String,
    /// The question as the task's prompt shows it.
    pub question: String,
    /// The known final answer.
    pub answer: String,
    /// The choices of a multiple-choice question: the texts, in the order of their letters. Empty for other questions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

/// A problem as the run directory keeps it for readers (`problems/`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemRecord {
    /// The stable name.
    pub id: ProblemId,
    /// A digest of the problem's data, which no prompt template changes; absent in older runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The group in which accuracy is reported.
    pub class: String,
    /// The problem's part of the prompt, without worked examples and without a hint.
    pub text: String,
    /// The known final answer.
    pub answer: String,
    /// The texts of the choices, if it is a choice problem.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The known rationale with the answer, if the task has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// A prompt as the run directory keeps it for readers (`prompts/`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptRecord {
    /// The SHA-256 of the whole prompt, which attempts name.
    pub sha256: String,
    /// The SHA-256 of the text that stands before `text`, which an earlier line holds; absent if nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The prompt, or what follows the earlier text.
    pub text: String,
}

/// A set of problems: those to learn from, those that choose settings, or those that give the final figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Problems that may be trained on.
    Train,
    /// Held out, for choices made while developing.
    Dev,
    /// Held out, for the final figure only.
    Test,
}

impl Split {
    /// The name that problem ids and configs use.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Dev => "dev",
            Split::Test => "test",
        }
    }
}

/// The content of a worked example's completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// A rationale and the answer.
    Rationale,
    /// The answer alone (the paper's direct prompting).
    Direct,
}

/// A model of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelRef {
    /// The pretrained model.
    Base,
    /// The model that this iteration of the same method made.
    Iteration(u32),
}

/// The kind of prompt: without or with the known answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The question alone.
    Unhinted,
    /// Rationalization: the question with its answer as a hint.
    Hinted,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Unhinted => "unhinted",
            Mode::Hinted => "hinted",
        })
    }
}

/// The cause of a completion's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// An end token of the model.
    EndToken,
    /// This stop string.
    StopString(String),
    /// An end token or a stop string: the server did not say which.
    Unspecified,
    /// The limit of new tokens.
    Length,
}

impl StopReason {
    /// Returns true if the limit of new tokens cut the completion, so that no end token belongs to it.
    pub fn is_cut(&self) -> bool {
        matches!(self, StopReason::Length)
    }
}

/// One completion of one problem's prompt, with what is needed to make it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The problem.
    pub problem: ProblemId,
    /// The problem's class.
    pub class: String,
    /// Shows if the prompt held the answer.
    pub mode: Mode,
    /// The index of the sample for this prompt, from 0.
    pub sample: u32,
    /// The seed of this completion's own random generator.
    pub seed: u64,
    /// The SHA-256 of the weights that produced it, in hexadecimal.
    pub checkpoint: String,
    /// The SHA-256 of the whole prompt, in hexadecimal.
    pub prompt_sha256: String,
    /// Tokens of the prompt.
    #[serde(deserialize_with = "crate::types::counts::count")]
    pub prompt_tokens: usize,
    /// Tokens of the completion, the end token included.
    #[serde(deserialize_with = "crate::types::counts::count")]
    pub completion_tokens: usize,
    /// The generated text, without end token or stop string.
    pub completion: String,
    /// The cause of its end.
    pub stop_reason: StopReason,
    /// The sum of the completion's token log-probabilities (natural logarithm, temperature 1); absent where the policy gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprob: Option<f64>,
    /// The log-probability of each token of the completion, the end token included; only with `record.token_logprobs`, and absent where the
    /// policy gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_logprobs: Option<Vec<f32>>,
    /// For each of these tokens the byte of `completion` before which it ends. A token that ended the completion ends where the text does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ends: Option<Vec<usize>>,
}

impl Attempt {
    /// Returns true if the limit of new tokens cut it off.
    pub fn is_cut(&self) -> bool {
        self.stop_reason.is_cut()
    }

    /// Mean log-probability of a token (natural logarithm); `None` where the policy does not tell.
    pub fn logprob_per_token(&self) -> Option<f64> {
        self.logprob.map(|logprob| logprob / self.completion_tokens.max(1) as f64)
    }

    /// Returns true if the geometric mean of its tokens' probabilities is at least `confidence`, in 0..=1. It also
    /// returns true if the policy reported no log-probability.
    pub fn is_as_sure_as(&self, confidence: f64) -> bool {
        self.logprob_per_token().is_none_or(|logprob| logprob.exp() >= confidence)
    }
}

impl Attempt {
    /// An attempt with nothing but this, for tests and for grading texts that no run made.
    pub fn bare(problem: &str, mode: Mode, completion: &str) -> Self {
        Attempt {
            problem: ProblemId(problem.into()),
            class: String::new(),
            mode,
            sample: 0,
            seed: 0,
            checkpoint: String::new(),
            prompt_sha256: String::new(),
            prompt_tokens: 0,
            completion_tokens: 0,
            completion: completion.into(),
            stop_reason: StopReason::EndToken,
            logprob: None,
            token_logprobs: None,
            token_ends: None,
        }
    }
}

/// An attempt and what the task said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GradedAttempt {
    /// The generated text.
    #[serde(flatten)]
    pub attempt: Attempt,
    /// The task's verdict on the final answer.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The bytes of the completion that were read as the answer, and the rule that found them. `None` if there is no answer, or if the task
    /// has one rule only.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// For choices: letter and text, if the answer names different choices with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contradiction: Option<Named>,
    /// True if the rationale equals the task's reference rationale; `None` if the task has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faithful: Option<bool>,
    /// True if a step of the rationale is false; `None` if the task checked no step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub false_step: Option<bool>,
    /// A digest of the reasoning path: two rationales of a problem that differ only in wording have the same (Yuan et al. 2023).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Nats per token by which the hint makes a rationalization more likely; `None` if it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint_reliance: Option<f64>,
    /// True if the model, with a wrong answer as the hint, reached the wrong answer; `None` if it was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reaches_wrong_answer: Option<bool>,
}

impl GradedAttempt {
    /// The rule that found the answer.
    pub fn reading(&self) -> Option<Reading> {
        self.place.as_ref().map(|place| place.reading)
    }

    /// A verdict with nothing beside it.
    pub fn bare(attempt: Attempt, verdict: Verdict) -> Self {
        GradedAttempt {
            attempt,
            verdict,
            place: None,
            contradiction: None,
            faithful: None,
            false_step: None,
            path: String::new(),
            hint_reliance: None,
            reaches_wrong_answer: None,
        }
    }
}

/// A prompt and the completion to learn. The prompt never holds a hint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Example {
    /// The problem that it came from.
    pub problem: ProblemId,
    /// How the completion was found.
    pub mode: Mode,
    /// The text that the model is shown. It is not a training target.
    pub prompt: String,
    /// The text that the model learns to write. An end token follows it.
    pub completion: String,
}
