//! The registry: the kinds of tasks, methods and policies that configs can name. `main` builds it and passes it on, so a program can add its
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

use crate::config::{ModelConfig, Section};
use crate::error::{Error, Result};
use crate::method::{AdaStar, BStar, Direct, FewShot, Grpo, Method, PartialHints, RestEm, Rft, Spin, Star, VStar};
use crate::policy::Policy;
use crate::task::TaskSettings;
use crate::task::arithmetic::ArithmeticConfig;
use crate::task::commonsense_qa::CommonsenseQaConfig;
use crate::task::gsm8k::Gsm8kConfig;
use crate::task::jsonl::JsonlConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Reads the keys of a section. Returns what they configure, and all of these keys with their defaults.
pub(crate) type ReadSettings<T> = fn(Section<'_>) -> Result<(Box<T>, toml::Table)>;

/// Everything that configs can name.
#[derive(Debug, Clone)]
pub struct Registry {
    /// The values of `[task] kind`.
    pub tasks: Vec<TaskKind>,
    /// The values of `[methods.NAME] kind`.
    pub methods: Vec<MethodKind>,
    /// The values of `[policy] kind`, besides `embedded` and `openai`.
    pub policies: Vec<PolicyKind>,
}

/// A kind of task.
#[derive(Debug, Clone)]
pub struct TaskKind {
    /// The value of `kind`, which [`Task::name`](crate::task::Task::name) gives too.
    pub kind: String,
    /// The words that tables and pages show.
    pub label: String,
    /// Reads the other keys of `[task]`.
    pub(crate) read: ReadSettings<dyn TaskSettings>,
}

impl TaskKind {
    /// A kind of task whose settings are `S`.
    pub fn new<S: TaskSettings + Serialize + DeserializeOwned + 'static>(kind: &str, label: &str) -> Self {
        let read = |section: Section<'_>| {
            let (settings, table) = section.read_with_defaults::<S>()?;
            Ok((Box::new(settings) as Box<dyn TaskSettings>, table))
        };
        TaskKind { kind: kind.to_owned(), label: label.to_owned(), read }
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
    pub(crate) read: ReadSettings<dyn Method>,
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
        MethodKind { kind: kind.to_owned(), label: None, read }
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
    pub(crate) read: ReadSettings<dyn PolicySettings>,
}

impl PolicyKind {
    /// A kind of policy whose settings are `P`.
    pub fn new<P: PolicySettings + Serialize + DeserializeOwned + 'static>(kind: &str) -> Self {
        let read = |section: Section<'_>| {
            let (settings, table) = section.read_with_defaults::<P>()?;
            Ok((Box::new(settings) as Box<dyn PolicySettings>, table))
        };
        PolicyKind { kind: kind.to_owned(), read }
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
                TaskKind::new::<JsonlConfig>("jsonl", "own data"),
            ],
            methods: vec![
                MethodKind::of_approach::<FewShot>("few_shot"),
                MethodKind::of_approach::<Direct>("direct"),
                MethodKind::of_approach::<Star>("star"),
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
        let overrides: Vec<String> = [format!("task.kind={kind:?}")].into_iter().chain(overrides.iter().cloned()).collect();
        let (source, mut table) = crate::config::strict::Source::read("the task's settings", "", &overrides)?;
        let Some(toml::Value::Table(mut task)) = table.remove("task").filter(|_| table.is_empty()) else {
            let text = overrides.iter().find(|text| !text.starts_with("task.")).cloned().unwrap_or_default();
            return Err(Error::Override { text });
        };
        let entry = source.kind("task", &mut task, &self.tasks, |entry| &entry.kind)?;
        (entry.read)(source.section("task", task)).map(|(settings, _)| settings)
    }
}
