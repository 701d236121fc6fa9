//! The registry: the kinds of tasks, methods and policies that configs can name. `main` builds it and passes it on, so a program can add its
//! own kinds without a fork.
//!
//! ```
//! use starloop_core::registry::Registry;
//!
//! let registry = Registry::default();
//! assert!(registry.methods.iter().any(|method| method.kind == "star"));
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
use std::fmt;
use std::sync::Arc;

/// Reads the keys of a section. Returns what they configure, and all of these keys with their defaults.
pub(crate) type Read<T> = fn(Section<'_>) -> Result<(Box<T>, toml::Table)>;

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
    /// The value of `kind`.
    pub kind: String,
    /// The words that tables and pages show.
    pub label: String,
    /// Reads the other keys of `[task]`. Returns the settings, and all of them with their defaults.
    pub(crate) read: Read<dyn TaskSettings>,
}

impl TaskKind {
    /// A kind of task whose settings are `S`.
    pub fn new<S: TaskSettings + Serialize + DeserializeOwned + 'static>(kind: &str, label: &str) -> Self {
        let read = |section: Section<'_>| {
            let settings: S = section.read()?;
            let table = with_defaults(&settings);
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
    /// Reads the keys of `[methods.NAME]` that are the method's own. Returns the method, and all of these keys with their defaults.
    pub(crate) read: Read<dyn Method>,
}

impl MethodKind {
    /// A kind of method whose settings are `M`.
    pub fn new<M: Method + Serialize + DeserializeOwned + 'static>(kind: &str) -> Self {
        let read = |section: Section<'_>| {
            let method: M = section.read()?;
            let table = with_defaults(&method);
            Ok((Box::new(method) as Box<dyn Method>, table))
        };
        MethodKind { kind: kind.to_owned(), read }
    }
}

/// Makes a policy from the keys of `[policy]` and from `[model]`.
pub type BuildPolicy = dyn Fn(&toml::Table, &ModelConfig) -> Result<Box<dyn Policy>> + Send + Sync;

/// A kind of policy from outside this crate.
#[derive(Clone)]
pub struct PolicyKind {
    /// The value of `kind`.
    pub kind: String,
    /// Makes the policy, before the first sample of a run.
    pub build: Arc<BuildPolicy>,
}

impl PolicyKind {
    /// A kind of policy that `build` makes.
    pub fn new(kind: &str, build: impl Fn(&toml::Table, &ModelConfig) -> Result<Box<dyn Policy>> + Send + Sync + 'static) -> Self {
        PolicyKind { kind: kind.to_owned(), build: Arc::new(build) }
    }
}

impl fmt::Debug for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyKind").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Default for Registry {
    /// What this project ships: the paper's methods first, then their relatives in the order of docs/methods.md.
    fn default() -> Self {
        Registry {
            tasks: vec![
                TaskKind::new::<ArithmeticConfig>("arithmetic", "arithmetic"),
                TaskKind::new::<CommonsenseQaConfig>("commonsense_qa", "CommonsenseQA"),
                TaskKind::new::<Gsm8kConfig>("gsm8k", "GSM8K"),
                TaskKind::new::<JsonlConfig>("jsonl", "own data"),
            ],
            methods: vec![
                MethodKind::new::<FewShot>("few_shot"),
                MethodKind::new::<Direct>("direct"),
                MethodKind::new::<Star>("star"),
                MethodKind::new::<PartialHints>("partial_hints"),
                MethodKind::new::<Rft>("rft"),
                MethodKind::new::<RestEm>("rest_em"),
                MethodKind::new::<AdaStar>("adastar"),
                MethodKind::new::<BStar>("b_star"),
                MethodKind::new::<VStar>("v_star"),
                MethodKind::new::<Spin>("spin"),
                MethodKind::new::<Grpo>("grpo"),
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
    /// # Errors
    /// There is no such kind, or it has no such key.
    pub fn task_settings(&self, kind: &str, overrides: &[String]) -> Result<Box<dyn TaskSettings>> {
        let overrides: Vec<String> = [format!("task.kind={kind:?}")].into_iter().chain(overrides.iter().cloned()).collect();
        let (source, mut table) = crate::config::strict::Source::read("--task", "", &overrides)?;
        let Some(toml::Value::Table(mut task)) = table.remove("task").filter(|_| table.is_empty()) else {
            let text = overrides.iter().find(|text| !text.starts_with("task.")).cloned().unwrap_or_default();
            return Err(Error::Override { text });
        };
        let entry = source.kind("task", &mut task, &self.tasks, |entry| &entry.kind)?;
        (entry.read)(source.section("task", task)).map(|(settings, _)| settings)
    }
}

/// All settings as a table. They are plain structs of texts, numbers and lists, which TOML can always hold.
fn with_defaults<T: Serialize>(settings: &T) -> toml::Table {
    toml::Table::try_from(settings).unwrap_or_default()
}
