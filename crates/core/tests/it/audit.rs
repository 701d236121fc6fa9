//! Audits of a run.

use crate::doubles::{Bench, ToyPolicy, Watcher, experiment};
use starloop_core::error::Error;
use starloop_core::evaluation::audit::{AuditParts, AuditResults, Audited, audit};
use starloop_core::metrics::audits::AuditPlan;
use starloop_core::types::Style;
use starloop_record::run_dir::AuditFile;

const PLAN: AuditPlan = AuditPlan { problems: 10, samples: 4, temperature: 1.0, seed: 1 };

/// Audits a method of the bench's run `toy`. Returns the number of prompts that the policy was given too.
fn audited(bench: &Bench, method: &str, plan: AuditPlan) -> Result<(AuditResults, usize), Error> {
    let experiment = experiment(&["methods.star.iterations=2"]);
    let (mut policy, mut watcher) = (ToyPolicy::default(), Watcher::default());
    let (run_dir, base) = (bench.open("toy"), bench.place.path().join("base"));
    let parts = AuditParts { task: &bench.task, run_dir: &run_dir, base: &base, policy: &mut policy, observer: &mut watcher };
    let settings = &experiment.method(method).unwrap().settings;
    let found = audit(parts, Audited { name: method, settings, style: Style::Rationale, chat: false }, plan)?;
    let asked = policy.prompts.borrow().len();
    Ok((found, asked))
}

#[test]
fn a_method_is_audited_once() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&["run=['star']", "methods.star.iterations=2"]), false).unwrap();
    let run_before = bench.snapshot("toy");
    let (found, asked) = audited(&bench, "star", PLAN).unwrap();
    assert!(asked > 0);
    let reliance = found.audits.hint_reliance.as_ref().unwrap();
    assert_eq!((reliance.iteration, reliance.found.scored, reliance.found.left_out), (2, 10, 0));
    assert_eq!(reliance.found.extremes.len(), 6);
    let sharpening = &found.audits.sharpening.as_ref().unwrap().found;
    let pass = |at: &[starloop_core::metrics::audits::PassAt]| at.iter().map(|at| (at.k, at.pass.mean)).collect::<Vec<_>>();
    let (base, trained) = (pass(&sharpening.base.at), pass(&sharpening.trained.at));
    assert_eq!(base.iter().map(|at| at.0).collect::<Vec<_>>(), [1, 2, 4]);
    assert!(base[0].1 <= base[2].1 && base.iter().zip(&trained).all(|(base, trained)| base.1 < trained.1), "{base:?} {trained:?}");
    let early = &found.audits.early_answers.as_ref().unwrap().found;
    assert_eq!(early.points.iter().map(|point| point.same.total).collect::<Vec<_>>(), [10; 5]);
    assert_eq!(early.points[4].same.correct, 10, "the whole rationale gives its own answer");
    let left_out: Vec<AuditFile> = found.left_out.iter().map(|(file, _)| *file).collect();
    assert_eq!(left_out, [AuditFile::TrueSteps, AuditFile::MistakePropagation]);
    let hints = found.audits.wrong_hint.as_ref().unwrap().found;
    assert_eq!((hints.right_hint.total, hints.wrong_hint.total), (10, 10));
    // The stages of the run are as before, and nothing is measured twice.
    let run_after = bench.snapshot("toy");
    assert!(run_before.iter().all(|(name, digest)| run_after.get(name) == Some(digest)));
    let (again, asked) = audited(&bench, "star", PLAN).unwrap();
    assert_eq!((again.audits, asked), (found.audits, 0));
    assert!(audited(&bench, "star", AuditPlan { seed: 2, ..PLAN }).unwrap().1 > 0, "another plan");
}

#[test]
fn what_was_not_measured_cannot_be_audited() {
    let bench = Bench::new();
    bench.run("toy", &experiment(&["run=['star']", "methods.star.iterations=2"]), false).unwrap();
    let error = audited(&bench, "without", PLAN).err().unwrap().to_string();
    assert!(error.contains("method without has no measured iteration whose checkpoint is there"), "{error}");
}
