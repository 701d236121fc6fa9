//! Two runs beside each other: settings that differ, and accuracy on the same problems with a paired test.

use crate::error::{Error, Result};
use crate::metrics::Accuracy;
use crate::report::{MethodReport, Report};
use crate::run_dir::{IterationDir, RunDir};
use crate::types::{ProblemId, Split};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Two runs, side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The runs' names.
    pub runs: [String; 2],
    /// Settings that differ: each key with the value of the first and the second.
    pub settings: Vec<String>,
    /// The methods that were compared.
    pub methods: Vec<MethodComparison>,
}

/// One method of the first run beside one of the second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodComparison {
    /// The methods' names in their configs.
    pub methods: [String; 2],
    /// The iterations whose figures are compared: the final ones, or the last that were measured.
    pub iterations: [u32; 2],
    /// Which problems they were measured on.
    pub split: Split,
    /// Accuracy on the problems that both were measured on.
    pub accuracy: [Accuracy; 2],
    /// Problems that one alone was measured on; they are left out.
    pub unpaired: u64,
    /// Problems that the second has right and the first has not.
    pub won: Vec<ProblemId>,
    /// Problems that the first has right and the second has not.
    pub lost: Vec<ProblemId>,
    /// McNemar's exact test of the hypothesis that winning and losing are equally likely, two-sided.
    pub p_value: f64,
    /// The same with half the probability of what was observed (mid-p), which is not conservative (Fagerland et al. 2013).
    pub mid_p_value: f64,
    /// Tokens sampled and evaluated with, and trained on.
    pub tokens: [[u64; 2]; 2],
    /// Wall-clock seconds of all iterations; `null` where they are not known.
    pub seconds: [Option<f64>; 2],
}

/// What is to be compared: a method in both runs, another one in the second, or every method that both have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// The method of the first run, and of the second unless `other` names it.
    pub method: Option<String>,
    /// The method of the second run.
    pub other: Option<String>,
}

/// Compares what two run directories hold.
///
/// # Errors
/// A directory is no run, a method is not in it, or the two share no method or no problem.
pub fn compare(first: &Path, second: &Path, choice: &Choice) -> Result<Comparison> {
    let reports = [Report::read(&[first.to_owned()])?, Report::read(&[second.to_owned()])?];
    let directories = [RunDir::open_read_only(first)?, RunDir::open_read_only(second)?];
    let settings = directories[1].config()?.changed_keys(&directories[0].config()?);
    let of = |which: usize| &reports[which].runs[0];
    let find = |which: usize, name: &str| {
        let names = || of(which).methods.iter().map(|method| method.name.as_str()).collect::<Vec<_>>().join(", ");
        of(which).methods.iter().find(|method| method.name == name).ok_or_else(|| {
            refused(directories[which].root(), format!("has no method {name} with a finished iteration; there are: {}", names()))
        })
    };
    let pairs: Vec<[&MethodReport; 2]> = match (&choice.method, &choice.other) {
        (None, None) => {
            let named = |name: &str| of(1).methods.iter().find(|method| method.name == name);
            of(0).methods.iter().filter_map(|method| Some([method, named(&method.name)?])).collect()
        }
        (Some(method), other) => vec![[find(0, method)?, find(1, other.as_ref().unwrap_or(method))?]],
        (None, Some(other)) => vec![[find(0, other)?, find(1, other)?]],
    };
    if pairs.is_empty() {
        return Err(refused(second, format!("has no method in common with {}; name them with --method and --with", first.display())));
    }
    let methods = pairs.into_iter().map(|pair| methods(&directories, pair)).collect::<Result<_>>()?;
    Ok(Comparison { runs: [0, 1].map(|which| of(which).name.clone()), settings, methods })
}

fn methods(directories: &[RunDir; 2], pair: [&MethodReport; 2]) -> Result<MethodComparison> {
    // Final figures stand beside final figures only.
    let finals = pair.iter().all(|method| method.final_metrics.is_some());
    let shown = pair.map(|method| match &method.final_metrics {
        Some(metrics) if finals => metrics,
        _ => &method.last_evaluated().metrics,
    });
    let place = |which: usize| {
        let name = &pair[which].name;
        if finals { directories[which].final_measurement(name) } else { directories[which].iteration(name, shown[which].iteration) }
    };
    let answers = [right_answers(&place(0))?, right_answers(&place(1))?];
    let paired: Vec<(&ProblemId, [bool; 2])> =
        answers[0].iter().filter_map(|(key, right)| Some((&key.0, [*right, *answers[1].get(key)?]))).collect();
    if paired.is_empty() {
        let names = directories.each_ref().map(|directory| directory.root().display().to_string());
        let message = format!("{} and {} of {} were measured on no problem in common", pair[0].name, pair[1].name, names[0]);
        return Err(refused(directories[1].root(), message));
    }
    let of = |outcome: [bool; 2]| paired.iter().filter(move |(_, right)| *right == outcome).map(|(problem, _)| (*problem).clone());
    let (won, lost): (Vec<_>, Vec<_>) = (of([false, true]).collect(), of([true, false]).collect());
    let [p_value, mid_p_value] = mcnemar(won.len() as u64, lost.len() as u64);
    let total = paired.len() as u64;
    let accuracy = [0, 1].map(|which| Accuracy::new(paired.iter().filter(|(_, right)| right[which]).count() as u64, total));
    Ok(MethodComparison {
        methods: pair.map(|method| method.name.clone()),
        iterations: shown.map(|metrics| metrics.iteration),
        split: shown[0].split,
        accuracy,
        unpaired: answers.iter().map(|answers| answers.len() as u64 - total).sum(),
        won,
        lost,
        p_value,
        mid_p_value,
        tokens: pair.map(MethodReport::tokens),
        seconds: pair.map(MethodReport::seconds),
    })
}

/// Whether each answer was right.
fn right_answers(place: &IterationDir) -> Result<BTreeMap<(ProblemId, u32), bool>> {
    let mut answers = BTreeMap::new();
    place.each_evaluation(|graded| {
        answers.insert((graded.attempt.problem, graded.attempt.sample), graded.verdict.is_correct());
        Ok(())
    })?;
    Ok(answers)
}

/// McNemar's exact test: of `won + lost` coins, how likely a split is at least as uneven as this one. Two-sided p, and mid-p.
fn mcnemar(won: u64, lost: u64) -> [f64; 2] {
    let (coins, few) = (won + lost, won.min(lost));
    // The logarithm of each probability, so that thousands of coins do not underflow.
    let mut log = -(coins as f64) * std::f64::consts::LN_2;
    let (mut tail, mut last) = (0.0, 0.0);
    for heads in 0..=few {
        last = log.exp();
        tail += last;
        log += ((coins - heads) as f64 / (heads + 1) as f64).ln();
    }
    [2.0 * tail, 2.0 * tail - last].map(|p| p.min(1.0))
}

fn refused(path: &Path, message: String) -> Error {
    Error::Incomparable { path: path.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against sums of binomial coefficients in exact fractions, rounded once.
    #[test]
    fn the_test_gives_known_values() {
        for (won, lost, p, mid_p) in [
            (0, 0, 1.0, 1.0),
            (5, 0, 0.0625, 0.03125),
            (0, 5, 0.0625, 0.03125),
            (1, 9, 0.021_484_375, 0.011_718_75),
            (4, 12, 0.076_812_744_140_625, 0.049_041_748_046_875),
            (100, 150, 0.001_883_300_935_076_157, 0.001_548_188_600_119_572),
            (2000, 2200, 0.002_132_355_671_991_234_6, 0.002_027_176_150_853_072_5),
        ] {
            let [found, found_mid] = mcnemar(won, lost);
            assert!((found - p).abs() < 1e-12, "{won} {lost}: {found}");
            assert!((found_mid - mid_p).abs() < 1e-12, "{won} {lost}: mid {found_mid}");
        }
        assert!((mcnemar(7, 7)[0] - 1.0).abs() < 1e-12);
    }
}
