//! Sharpened or learned: if the base with many samples solves as many problems as the trained model, training made the base's own solutions
//! more likely and taught no new ones (Yue et al. 2025).

use super::{AuditResult, Auditor};
use crate::error::Result;
use crate::evaluation::pass_at_k;
use crate::evaluation::self_consistency::ks;
use crate::metrics::audits::{PassAt, SampleFigures, Sharpening};
use crate::metrics::{IterationMetrics, MeanOf};
use crate::policy::PromptRequest;
use crate::types::{Problem, Verdict};
use starloop_record::run_dir::AuditFile;
use std::collections::{HashMap, HashSet};

pub(super) fn measure(auditor: &mut Auditor<'_>, last: &IterationMetrics) -> AuditResult<Sharpening> {
    if last.iteration == 0 {
        return Ok(Err("the method trained nothing".to_owned()));
    }
    let problems = auditor.parts.task.evaluation_problems(auditor.audited.settings.evaluation.split, last.iteration);
    let problems = auditor.some(problems, |problem| problem.id.0.clone());
    let base = figures(auditor, &problems, 0)?;
    Ok(Ok(Sharpening { base, trained: figures(auditor, &problems, last.iteration)? }))
}

fn figures(auditor: &mut Auditor<'_>, problems: &[Problem], iteration: u32) -> Result<SampleFigures> {
    let (task, samples) = (auditor.parts.task, auditor.plan.samples);
    let request = |problem: &Problem| PromptRequest {
        prompt: auditor.measuring_prompt(problem, iteration),
        seeds: auditor.seeds(&problem.id.0, samples),
    };
    let requests: Vec<PromptRequest> = problems.iter().map(request).collect();
    let params = auditor.params(auditor.plan.temperature, usize::MAX);
    let completions = auditor.complete(AuditFile::Sharpening, iteration, &requests, &params)?;
    let mut drawn = Vec::with_capacity(problems.len());
    for (problem, completions) in problems.iter().zip(completions.chunks_exact(samples as usize)) {
        let mut of_problem = Drawn::default();
        for completion in completions {
            let verdict = task.verify(problem, &completion.text, &completion.stop_reason)?.verdict;
            let is_true = verdict.is_correct() && task.has_false_step(problem, &completion.text) != Some(true);
            of_problem.true_ones += u64::from(is_true);
            of_problem.paths.insert(task.reasoning_path(&completion.text));
            of_problem.verdicts.push(verdict);
        }
        drawn.push(of_problem);
    }
    let mean = |value: &dyn Fn(&Drawn) -> f64| MeanOf::new(&drawn.iter().map(value).collect::<Vec<_>>());
    let at = ks(samples).into_iter().map(|k| PassAt {
        k,
        pass: mean(&|drawn| pass_at_k(samples.into(), drawn.right(), k.into())),
        true_pass: task.checks_steps().then(|| mean(&|drawn| pass_at_k(samples.into(), drawn.true_ones, k.into()))),
    });
    Ok(SampleFigures {
        at: at.collect(),
        answer_entropy: mean(&|drawn| entropy(&drawn.verdicts)),
        distinct_paths: mean(&|drawn| drawn.paths.len() as f64),
    })
}

/// The samples of a problem.
#[derive(Default)]
struct Drawn {
    verdicts: Vec<Verdict>,
    /// Right answers without a false step.
    true_ones: u64,
    paths: HashSet<String>,
}

impl Drawn {
    fn right(&self) -> u64 {
        self.verdicts.iter().filter(|verdict| verdict.is_correct()).count() as u64
    }
}

/// The entropy of the answers, in nats. Completions without a readable answer count as one answer.
fn entropy(verdicts: &[Verdict]) -> f64 {
    let mut counts: HashMap<Option<&str>, f64> = HashMap::new();
    for verdict in verdicts {
        let answer = match verdict {
            Verdict::Correct => Some(""),
            Verdict::Wrong { predicted } => Some(predicted.as_str()),
            Verdict::Contradiction { .. } | Verdict::Unparsed | Verdict::Truncated | Verdict::Failed { .. } => None,
        };
        *counts.entry(answer).or_default() += 1.0;
    }
    let mut shares: Vec<f64> = counts.values().map(|count| count / verdicts.len() as f64).collect();
    // The order of a map must not change the last bits of a sum.
    shares.sort_by(f64::total_cmp);
    // One answer alone gives -0.
    shares.iter().map(|share| -share * share.ln()).sum::<f64>().abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entropy_of_answers() {
        let wrong = |predicted: &str| Verdict::Wrong { predicted: predicted.into() };
        assert!(entropy(&[Verdict::Correct, Verdict::Correct]).abs() < 1e-12);
        let even = [Verdict::Correct, wrong("1"), wrong("2"), Verdict::Truncated];
        assert!((entropy(&even) - 4_f64.ln()).abs() < 1e-12);
        assert!((entropy(&[Verdict::Unparsed, Verdict::Truncated, wrong("1"), wrong("1")]) - 2_f64.ln()).abs() < 1e-12);
    }
}
