//! The registry: the kinds of tasks, methods, policies and verifiers that configs can name. `main` builds it and passes it on, so a program can add its
//! kinds without a fork.
//!
//! A kind has the name that configs use, a section of the config with its settings, and the words that reports show for it. The task and the
//! method state what a report may say beyond that: [`Task::paper_figures`](crate::task::Task::paper_figures),
//! [`Task::chance`](crate::task::Task::chance), [`Task::has_false_step`](crate::task::Task::has_false_step) and [`Method::approach`].
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use starloop_core::config::{Config, ModelConfig};
//! use starloop_core::error::Result;
//! use starloop_core::experiment::Experiment;
//! use starloop_core::policy::{Policy, embedded::EmbeddedPolicy};
//! use starloop_core::registry::{PolicyKind, PolicySettings, Registry};
//!
//! /// `[policy] kind = "mine"`: its settings are the section's other keys.
//! #[derive(Debug, Default, Serialize, Deserialize)]
//! #[serde(deny_unknown_fields, default)]
//! struct Mine {
//!     patience: u32,
//! }
//!
//! impl PolicySettings for Mine {
//!     fn build(&self, model: &ModelConfig) -> Result<Box<dyn Policy>> {
//!         Ok(Box::new(EmbeddedPolicy::new(model)))
//!     }
//! }
//!
//! let registry = Registry::default().with_policy(PolicyKind::new::<Mine>("mine"));
//! let config = Config::load("smoke", &["policy.kind=mine".to_owned(), "policy.patience=3".to_owned()])?;
//! assert!(Experiment::new(config, &registry)?.to_toml().contains("patience = 3"));
//! # Ok::<(), starloop_core::error::Error>(())
//! ```

#[cfg(feature = "schema")]
pub mod schema;

use crate::config::{ModelConfig, Section};
use crate::error::{Error, Result};
use crate::method::{AdaStar, BStar, Direct, FewShot, Grpo, Method, PartialHints, RestEm, Rft, SelfTraining, Spin, Star, VStar};
use crate::policy::Policy;
use crate::task::TaskSettings;
use crate::task::arithmetic::ArithmeticConfig;
use crate::task::commonsense_qa::CommonsenseQaConfig;
use crate::task::gsm8k::Gsm8kConfig;
use crate::task::jsonl::JsonlConfig;
use crate::task::verifier::Verifier;
use crate::task::word_problems::WordProblemsConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;

/// The JSON schema (draft 7) of a config, for editors that complete and check TOML. It describes the kinds that this project ships.
pub const SCHEMA: &str = include_str!("registry/schema.json");

/// Reads the keys of a section. Returns what they configure, and all of these keys with their defaults.
type ReadSection<T> = dyn Fn(Section<'_>) -> Result<(Box<T>, toml::Table)> + Send + Sync;

/// The reader of a kind's section.
pub(crate) struct Reader<T: ?Sized>(Arc<ReadSection<T>>);

impl<T: ?Sized> Reader<T> {
    /// Reads the section. Returns its value, and all of its keys.
    pub(crate) fn read(&self, section: Section<'_>) -> Result<(Box<T>, toml::Table)> {
        (self.0)(section)
    }
}

impl<T: ?Sized> Clone for Reader<T> {
    fn clone(&self) -> Self {
        Reader(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> Debug for Reader<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

/// Everything that configs can name.
#[derive(Debug, Clone)]
pub struct Registry {
    /// The values of `[task] kind`.
    pub tasks: Vec<TaskKind>,
    /// The values of `[methods.NAME] kind`.
    pub methods: Vec<MethodKind>,
    /// The values of `[policy] kind`, besides `embedded` and `openai`.
    pub policies: Vec<PolicyKind>,
    /// The values of `[task.verifier] kind`. If there are none, `[task]` has no such section.
    pub verifiers: Vec<VerifierKind>,
}

/// A kind of task.
#[derive(Debug, Clone)]
pub struct TaskKind {
    /// The value of `kind`, which [`Task::name`](crate::task::Task::name) gives too.
    pub kind: String,
    /// The words that tables and pages show.
    pub label: String,
    /// Reads the other keys of `[task]`.
    pub(crate) reader: Reader<dyn TaskSettings>,
}

impl TaskKind {
    /// A kind of task whose settings are `S`.
    pub fn new<S: TaskSettings + Serialize + DeserializeOwned + 'static>(kind: &str, label: &str) -> Self {
        TaskKind::read_by(kind, label, |section| {
            let (settings, table) = section.read_with_defaults::<S>()?;
            Ok((Box::new(settings) as Box<dyn TaskSettings>, table))
        })
    }

    /// A kind of task whose settings have no type of Rust: `read` makes them of `[task]`, and returns all keys with their defaults.
    pub fn read_by(
        kind: &str,
        label: &str,
        read: impl Fn(Section<'_>) -> Result<(Box<dyn TaskSettings>, toml::Table)> + Send + Sync + 'static,
    ) -> Self {
        TaskKind { kind: kind.to_owned(), label: label.to_owned(), reader: Reader(Arc::new(read)) }
    }
}

/// A kind of method.
#[derive(Debug, Clone)]
pub struct MethodKind {
    /// The value of `kind`.
    pub kind: String,
    /// The words that tables and pages show; `None` for those of the method's [`Method::approach`].
    pub label: Option<String>,
    /// Reads the keys of `[methods.NAME]` that are the method's own.
    pub(crate) reader: Reader<dyn Method>,
}

impl MethodKind {
    /// A kind of method whose settings are `M`.
    pub fn new<M: Method + Serialize + DeserializeOwned + 'static>(kind: &str, label: &str) -> Self {
        MethodKind { label: Some(label.to_owned()), ..MethodKind::of_approach::<M>(kind) }
    }

    /// A kind that is called as its approach.
    fn of_approach<M: Method + Serialize + DeserializeOwned + 'static>(kind: &str) -> Self {
        let read = |section: Section<'_>| {
            let (method, table) = section.read_with_defaults::<M>()?;
            Ok((Box::new(method) as Box<dyn Method>, table))
        };
        MethodKind { kind: kind.to_owned(), label: None, reader: Reader(Arc::new(read)) }
    }

    /// A kind of method whose settings have no type of Rust: `read` makes it of `[methods.NAME]`, and returns all keys with their defaults.
    pub fn read_by(
        kind: &str,
        label: &str,
        read: impl Fn(Section<'_>) -> Result<(Box<dyn Method>, toml::Table)> + Send + Sync + 'static,
    ) -> Self {
        MethodKind { kind: kind.to_owned(), label: Some(label.to_owned()), reader: Reader(Arc::new(read)) }
    }
}

/// The settings of a policy from outside this crate, as `[policy]` gives them.
pub trait PolicySettings: Debug + Send + Sync {
    /// Makes the policy, before the first sample of a run. `model` is the section `[model]`.
    ///
    /// # Errors
    /// Making the policy fails.
    fn build(&self, model: &ModelConfig) -> Result<Box<dyn Policy>>;
}

/// A kind of policy from outside this crate.
#[derive(Debug, Clone)]
pub struct PolicyKind {
    /// The value of `kind`.
    pub kind: String,
    /// Reads the other keys of `[policy]`.
    pub(crate) reader: Reader<dyn PolicySettings>,
}

impl PolicyKind {
    /// A kind of policy whose settings are `P`.
    pub fn new<P: PolicySettings + Serialize + DeserializeOwned + 'static>(kind: &str) -> Self {
        let read = |section: Section<'_>| {
            let (settings, table) = section.read_with_defaults::<P>()?;
            Ok((Box::new(settings) as Box<dyn PolicySettings>, table))
        };
        PolicyKind { kind: kind.to_owned(), reader: Reader(Arc::new(read)) }
    }
}

/// A kind of verifier. It grades the completions of any task in place of the task.
#[derive(Debug, Clone)]
pub struct VerifierKind {
    /// The value of `kind`.
    pub kind: String,
    /// Reads the other keys of `[task.verifier]`.
    pub(crate) reader: Reader<dyn Verifier>,
}

impl VerifierKind {
    /// A kind of verifier whose settings are `V`.
    pub fn new<V: Verifier + Serialize + DeserializeOwned + 'static>(kind: &str) -> Self {
        VerifierKind::read_by(kind, |section| {
            let (verifier, table) = section.read_with_defaults::<V>()?;
            Ok((Box::new(verifier) as Box<dyn Verifier>, table))
        })
    }

    /// A kind of verifier whose settings have no type of Rust: `read` makes it of `[task.verifier]`, and returns all keys with their defaults.
    pub fn read_by(kind: &str, read: impl Fn(Section<'_>) -> Result<(Box<dyn Verifier>, toml::Table)> + Send + Sync + 'static) -> Self {
        VerifierKind { kind: kind.to_owned(), reader: Reader(Arc::new(read)) }
    }
}

impl Default for Registry {
    /// The kinds that this project ships: the paper's methods first, then their relatives in the order of docs/methods.md.
    fn default() -> Self {
        Registry {
            tasks: vec![
                TaskKind::new::<ArithmeticConfig>("arithmetic", "arithmetic"),
                TaskKind::new::<CommonsenseQaConfig>("commonsense_qa", "CommonsenseQA"),
                TaskKind::new::<Gsm8kConfig>("gsm8k", "GSM8K"),
                TaskKind::new::<WordProblemsConfig>("word_problems", "word problems"),
                TaskKind::new::<JsonlConfig>("jsonl", "own data"),
            ],
            methods: vec![
                MethodKind::of_approach::<FewShot>("few_shot"),
                MethodKind::of_approach::<Direct>("direct"),
                MethodKind::of_approach::<Star>("star"),
                MethodKind::of_approach::<SelfTraining>("self_training"),
                MethodKind::of_approach::<PartialHints>("partial_hints"),
                MethodKind::of_approach::<Rft>("rft"),
                MethodKind::of_approach::<RestEm>("rest_em"),
                MethodKind::of_approach::<AdaStar>("adastar"),
                MethodKind::of_approach::<BStar>("b_star"),
                MethodKind::of_approach::<VStar>("v_star"),
                MethodKind::of_approach::<Spin>("spin"),
                MethodKind::of_approach::<Grpo>("grpo"),
            ],
            policies: Vec::new(),
            verifiers: Vec::new(),
        }
    }
}

impl Registry {
    /// Adds a kind of task. A kind of the same name is replaced.
    #[must_use]
    pub fn with_task(mut self, task: TaskKind) -> Self {
        self.tasks.retain(|other| other.kind != task.kind);
        self.tasks.push(task);
        self
    }

    /// Adds a kind of method. A kind of the same name is replaced.
    #[must_use]
    pub fn with_method(mut self, method: MethodKind) -> Self {
        self.methods.retain(|other| other.kind != method.kind);
        self.methods.push(method);
        self
    }

    /// Adds a kind of policy. A kind of the same name is replaced.
    #[must_use]
    pub fn with_policy(mut self, policy: PolicyKind) -> Self {
        self.policies.retain(|other| other.kind != policy.kind);
        self.policies.push(policy);
        self
    }

    /// Adds a kind of verifier. A kind of the same name is replaced.
    #[must_use]
    pub fn with_verifier(mut self, verifier: VerifierKind) -> Self {
        self.verifiers.retain(|other| other.kind != verifier.kind);
        self.verifiers.push(verifier);
        self
    }

    /// The settings of a task by the name of its kind, with overrides of the form `task.key=value`; for grading without a run.
    ///
    /// ```
    /// use starloop_core::registry::Registry;
    /// use starloop_core::types::{Problem, ProblemId, StopReason};
    ///
    /// let task = Registry::default().task_settings("jsonl", &["task.answer_type=number".to_owned()])?.grader()?;
    /// let problem = Problem {
    ///     id: ProblemId("mine/1".into()),
    ///     class: String::new(),
    ///     question: String::new(),
    ///     answer: "72".into(),
    ///     choices: Vec::new(),
    /// };
    /// let grade = task.verify(&problem, "Half of 48 is 24, and 48 + 24 = 72.\n#### 72", &StopReason::EndToken)?;
    /// assert!(grade.verdict.is_correct());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// There is no such kind, or it has no such key.
    pub fn task_settings(&self, kind: &str, overrides: &[String]) -> Result<Box<dyn TaskSettings>> {
        let text = format!("task.kind = {}", toml::Value::from(kind));
        let (source, mut table) = crate::config::strict::Source::read("the task's settings", &text, overrides)?;
        let Some(toml::Value::Table(mut task)) = table.remove("task").filter(|_| table.is_empty()) else {
            let text = overrides.iter().find(|text| !text.starts_with("task.")).cloned().unwrap_or_default();
            return Err(Error::Override { text });
        };
        let entry = source.kind("task", &mut task, &self.tasks, |entry| &entry.kind)?;
        entry.reader.read(source.section("task", task)).map(|(settings, _)| settings)
    }
}
