//! Classes of Python as kinds of the registry. The arguments of a class's constructor are the keys of its section.

pub mod method;
pub mod task;
pub mod verifier;

use crate::arguments::{misuse, text, wrong_type};
use crate::values::{from_toml, to_toml};
use method::PythonMethod;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use starloop_core::config::Section;
use starloop_core::error::{Error, Result as CoreResult};
use starloop_core::method::Method;
use starloop_core::registry::{MethodKind, Registry as CoreRegistry, TaskKind, VerifierKind};
use starloop_core::task::TaskSettings;
use starloop_core::task::verifier::Verifier;
use std::sync::Arc;
use task::PythonTask;
use verifier::PythonVerifier;

/// The kinds that configs can name: those of starloop, and classes of Python.
#[pyclass(frozen, module = "starloop")]
pub struct Registry {
    /// The kinds.
    pub kinds: CoreRegistry,
}

#[pymethods]
impl Registry {
    #[new]
    #[pyo3(signature = (*, tasks=None, methods=None, verifiers=None))]
    fn new(tasks: Option<&Bound<'_, PyAny>>, methods: Option<&Bound<'_, PyAny>>, verifiers: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let mut kinds = CoreRegistry::default();
        for class in classes("tasks", tasks)? {
            let (kind, label) = (class.kind.clone(), class.label.clone());
            kinds = kinds.with_task(TaskKind::read_by(&kind, &label, move |section| {
                let (object, table) = class.make(&section)?;
                let task = PythonTask { kind: class.kind.clone(), object };
                Ok((Box::new(task) as Box<dyn TaskSettings>, table))
            }));
        }
        for class in classes("methods", methods)? {
            let (kind, label) = (class.kind.clone(), class.label.clone());
            kinds = kinds.with_method(MethodKind::read_by(&kind, &label, move |section| {
                let (object, table) = class.make(&section)?;
                let method = PythonMethod::new(&class.kind, object)?;
                Ok((Box::new(method) as Box<dyn Method>, table))
            }));
        }
        for class in classes("verifiers", verifiers)? {
            let kind = class.kind.clone();
            kinds = kinds.with_verifier(VerifierKind::read_by(&kind, move |section| {
                let (object, table) = class.make(&section)?;
                let function =
                    Python::attach(|py| object.getattr(py, "verify")).map_err(|raised| failure(&class.kind, "verify", raised))?;
                let verifier = PythonVerifier { name: class.kind.clone(), function: Arc::new(function) };
                Ok((Box::new(verifier) as Box<dyn Verifier>, table))
            }));
        }
        Ok(Registry { kinds })
    }

    fn __repr__(&self) -> String {
        let tasks: Vec<&str> = self.kinds.tasks.iter().map(|entry| entry.kind.as_str()).collect();
        let methods: Vec<&str> = self.kinds.methods.iter().map(|entry| entry.kind.as_str()).collect();
        format!("<starloop.Registry: tasks {}; methods {}>", tasks.join(", "), methods.join(", "))
    }
}

/// A class of Python with the name of its kind.
struct Class {
    kind: String,
    label: String,
    constructor: Py<PyAny>,
    settings: Vec<Setting>,
}

/// An argument of a constructor.
struct Setting {
    name: String,
    /// `None` if the config must give it.
    default: Option<toml::Value>,
}

/// The classes in an argument of the registry.
fn classes(name: &str, given: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<Class>> {
    let Some(given) = given else { return Ok(Vec::new()) };
    let items = given.try_iter().map_err(|_| wrong_type(name, "a list of classes", given))?;
    items.enumerate().map(|(place, class)| Class::read(&format!("{name}[{place}]"), &class?)).collect()
}

impl Class {
    fn read(place: &str, class: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = class.py();
        let class = class.cast::<PyType>().map_err(|_| wrong_type(place, "a class", class))?;
        let word = |attribute: &str, default: Option<&str>| match class.getattr_opt(attribute)? {
            Some(value) if !value.is_none() => text(&format!("{place}.{attribute}"), &value),
            _ => default.map(str::to_owned).ok_or_else(|| {
                misuse(
                    py,
                    format!(
                        "{place}: the class {} lacks the attribute {attribute}, the name that configs use",
                        class.qualname().map_or_else(|_| String::new(), |name| name.to_string())
                    ),
                )
            }),
        };
        let kind = word("kind", None)?;
        let label = word("label", Some(&kind))?;
        Ok(Class { settings: settings(place, class)?, kind, label, constructor: class.clone().into_any().unbind() })
    }

    /// Makes an object of the keys of a section. Returns it with all keys and their values.
    fn make(&self, section: &Section<'_>) -> CoreResult<(Py<PyAny>, toml::Table)> {
        let names: Vec<String> = self.settings.iter().map(|setting| setting.name.clone()).collect();
        section.refuse_unknown(&names)?;
        let mut table = toml::Table::new();
        for Setting { name, default } in &self.settings {
            let value = section.table().get(name).cloned().or_else(|| default.clone());
            let missing = || section.invalid(name, &format!("is missing; {:?} has no default for it", self.kind));
            table.insert(name.clone(), value.ok_or_else(missing)?);
        }
        let object = Python::attach(|py| {
            let arguments = PyDict::new(py);
            table.iter().try_for_each(|(key, value)| arguments.set_item(key, from_toml(py, value)?))?;
            self.constructor.call(py, (), Some(&arguments))
        });
        Ok((object.map_err(|raised| failure(&self.kind, "its constructor", raised))?, table))
    }
}

/// The arguments of a class's constructor.
fn settings(place: &str, class: &Bound<'_, PyType>) -> PyResult<Vec<Setting>> {
    let py = class.py();
    let inspect = py.import("inspect")?;
    let (parameter, empty) = (inspect.getattr("Parameter")?, inspect.getattr("Parameter")?.getattr("empty")?);
    let parameters = inspect.call_method1("signature", (class,))?.getattr("parameters")?.call_method0("values")?;
    let mut settings = Vec::new();
    for argument in parameters.try_iter()? {
        let argument = argument?;
        let name = argument.getattr("name")?.extract::<String>()?;
        let kind = argument.getattr("kind")?;
        if !kind.eq(parameter.getattr("POSITIONAL_OR_KEYWORD")?)? && !kind.eq(parameter.getattr("KEYWORD_ONLY")?)? {
            return Err(misuse(
                py,
                format!("{place}: the argument {name:?} of the constructor has no fixed name; each argument is a key of configs"),
            ));
        }
        let default = argument.getattr("default")?;
        let default = if default.is(&empty) { None } else { Some(to_toml(&format!("{place}({name})"), &default)?) };
        settings.push(Setting { name, default });
    }
    Ok(settings)
}

/// The error about an exception of a class's method.
pub fn failure(kind: &str, method: &str, raised: PyErr) -> Error {
    Error::Extension { what: format!("the Python class of {kind:?} raised an exception in {method}"), source: Box::new(raised) }
}
