//! `starloop.run`: an experiment from its config to its run directory, as `starloop run` does it.

use crate::arguments::{whole, wrong_type};
use crate::errors::{OrRaise, released};
use crate::interrupt::Interrupts;
use crate::kinds::Registry;
use crate::kinds::verifier::PythonVerifier;
use crate::record::Run;
use crate::values::{self, from_record, to_toml};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use starloop::access::{Access, RunPart, run_of};
use starloop_core::config::Config;
use starloop_core::event::{Event, Observer};
use starloop_core::experiment::Experiment;
use starloop_core::registry::{Registry as CoreRegistry, VerifierKind};
use starloop_core::task::verifier::Verifier;
use starloop_record::RunDir;
use starloop_report::Report;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Passes events to a function of Python, and looks for signals.
struct Observed<'a> {
    on_event: Option<&'a Py<PyAny>>,
    interrupts: Interrupts,
}

impl Observer for Observed<'_> {
    fn observe(&mut self, event: &Event) -> ControlFlow<()> {
        if let Some(on_event) = self.on_event {
            let called = Python::attach(|py| on_event.call1(py, (from_record(py, event)?,)));
            if let Err(raised) = called {
                return self.interrupts.stop(raised);
            }
        }
        self.interrupts.look()
    }
}

/// Runs an experiment: a preset's name, a TOML file, or a dict. Returns the run.
#[pyfunction]
#[pyo3(signature = (config, *, run_dir=None, resume=false, seed=None, set=None, verify=None, on_event=None, registry=None, trust=false))]
#[expect(clippy::too_many_arguments, reason = "the keyword arguments of a Python function")]
pub fn run(
    py: Python<'_>,
    config: &Bound<'_, PyAny>,
    run_dir: Option<PathBuf>,
    resume: bool,
    seed: Option<&Bound<'_, PyAny>>,
    set: Option<&Bound<'_, PyDict>>,
    verify: Option<&Bound<'_, PyAny>>,
    on_event: Option<Py<PyAny>>,
    registry: Option<&Bound<'_, Registry>>,
    trust: bool,
) -> PyResult<Run> {
    let mut overrides = Vec::new();
    for (key, value) in set.into_iter().flatten() {
        let key = crate::arguments::text("set", &key)?;
        overrides.push(format!("{key}={}", to_toml(&key, &value)?));
    }
    if let Some(seed) = seed {
        // As with the option --seed, the seed replaces the seeds of the config.
        overrides.extend([format!("seed={}", whole("seed", seed, 0)?), "seeds=[]".to_owned()]);
    }
    let mut kinds = registry.map_or_else(CoreRegistry::default, |registry| registry.get().kinds.clone());
    if let Some(function) = verify {
        let kind = verifier_kind(function)?;
        overrides.push(format!("task.verifier={{ kind = {} }}", toml::Value::String(kind.kind.clone())));
        kinds = kinds.with_verifier(kind);
    }
    let of_run = config.extract::<PathBuf>().ok().and_then(|path| run_of(path.to_str()?));
    let config = read_config(config, &overrides)?;
    let experiment = Experiment::new(config, &kinds).or_raise(py)?;
    let run_dir = run_dir.unwrap_or_else(|| Path::new("runs").join(&experiment.config().name));
    let access = Access { trust, no_programs: false };
    let mut observed = Observed { on_event: on_event.as_ref(), interrupts: Interrupts::new() };
    let done = released(py, || {
        of_run.map_or(Ok(()), |root| access.check_config(&root, |root| experiment.outside(root)))?;
        carry_out(&experiment, &run_dir, resume, access, &mut observed)
    });
    observed.interrupts.finish(py, done)?;
    Run::open(py, run_dir, trust)
}

/// Runs the experiment and writes its plot.
fn carry_out(experiment: &Experiment, run_dir: &Path, resume: bool, access: Access, observer: &mut dyn Observer) -> anyhow::Result<()> {
    access.check_run(run_dir, RunPart::Checkpoints)?;
    experiment.run(run_dir, resume, observer)?;
    if let Some(svg) = Report::read(&[run_dir.to_owned()])?.svg() {
        starloop_record::atomic::write(&RunDir::plot(run_dir), svg.as_bytes())?;
    }
    Ok(())
}

/// A dict, or the name or path of a config.
fn read_config(config: &Bound<'_, PyAny>, overrides: &[String]) -> PyResult<Config> {
    let py = config.py();
    if let Ok(dict) = config.cast::<PyDict>() {
        return Config::parse("the config", &values::config(dict)?.to_string(), overrides).or_raise(py);
    }
    let path = config.extract::<PathBuf>().ok().and_then(|path| path.to_str().map(str::to_owned));
    let path = path.ok_or_else(|| wrong_type("config", "the name of a preset, the path of a TOML file, or a dict", config))?;
    Config::load(&path, overrides).or_raise(py)
}

/// A function as a kind of verifier. The run records the name of the function.
fn verifier_kind(function: &Bound<'_, PyAny>) -> PyResult<VerifierKind> {
    if !function.is_callable() {
        return Err(wrong_type("verify", "a function of problems and completions", function));
    }
    let of_object = |attribute: &str| function.getattr(attribute).or_else(|_| function.get_type().getattr(attribute))?.extract::<String>();
    let kind = format!("{}.{}", of_object("__module__")?, of_object("__qualname__")?);
    let (name, function) = (kind.clone(), Arc::new(function.clone().unbind()));
    Ok(VerifierKind::read_by(&kind, move |section| {
        section.refuse_unknown(&[])?;
        let verifier = PythonVerifier { name: name.clone(), function: Arc::clone(&function) };
        Ok((Box::new(verifier) as Box<dyn Verifier>, toml::Table::new()))
    }))
}
