//! Accuracy against cost, method by method, over runs that differ only in their seed.
//!
//! Floating-point operations are counted as is usual for transformers (Kaplan et al. 2020): 2 for each parameter and each token that is
//! sampled or read in a prompt, and 6 for each token that is trained on. The samples of a problem share its prompt, which counts once. The
//! products inside attention are left out. So is evaluation, because no method needs it.

use super::{MethodReport, Report, RunReport, sampled_tokens, table, trained_tokens};
use serde::Serialize;
use starloop_record::Approach;
use starloop_record::format::{count, percent, range};
use starloop_record::info::MethodInfo;
use starloop_record::metrics::IterationMetrics;

/// A method's accuracy and cost, iteration by iteration, over all runs that have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostCurve {
    /// The method's name in the configs.
    pub method: String,
    /// The words that tables show for the method.
    pub label: String,
    /// The approach of the method, in the terms of the paper's comparison.
    pub approach: Approach,
    /// The iterations that were measured, the base's first.
    pub points: Vec<CostPoint>,
}

/// A method's accuracy after an iteration, and the cost of all iterations so far. Costs are means over the runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CostPoint {
    /// The outer iteration, 0 for the base.
    pub iteration: u32,
    /// Runs that have it.
    pub runs: u32,
    /// Mean accuracy, in 0..=1.
    pub accuracy: f64,
    /// Its 95% interval: Student's over runs, or Wilson's over problems if there is one run.
    pub interval: [f64; 2],
    /// Tokens sampled to learn from.
    pub sampled_tokens: f64,
    /// Tokens read in the prompts of these samples.
    pub prompt_tokens: f64,
    /// Tokens that went through the model in fine-tuning.
    pub trained_tokens: f64,
    /// Floating-point operations of all three; `null` if the number of the model's parameters is not known.
    pub flops: Option<f64>,
}

/// The cost and the figures of one run of a method after an iteration.
struct Spent {
    tokens: [u64; 3],
    flops: Option<f64>,
    metrics: IterationMetrics,
}

/// One curve for each method name, in the order in which the methods were run.
pub(super) fn curves(report: &Report) -> Vec<CostCurve> {
    let mut curves: Vec<CostCurve> = Vec::new();
    for (_, method) in report.methods() {
        if curves.iter().any(|curve| curve.method == method.info.name) {
            continue;
        }
        let same = report.methods().filter(|(_, other)| other.info.name == method.info.name);
        let runs: Vec<Vec<Spent>> = same.map(|(run, method)| spent(run, method)).collect();
        let mut iterations: Vec<u32> = runs.iter().flatten().map(|spent| spent.metrics.iteration).collect();
        iterations.sort_unstable();
        iterations.dedup();
        let of = |iteration| runs.iter().flatten().filter(move |spent| spent.metrics.iteration == iteration).collect::<Vec<_>>();
        let points = iterations.into_iter().map(|iteration| point(iteration, &of(iteration))).collect();
        let MethodInfo { name, label, approach, .. } = method.info.clone();
        curves.push(CostCurve { method: name, label, approach, points });
    }
    curves
}

fn spent(run: &RunReport, method: &MethodReport) -> Vec<Spent> {
    let mut tokens = [0; 3];
    let mut all = Vec::new();
    for iteration in &method.iterations {
        let metrics = &iteration.metrics;
        let probes = metrics.balance.as_ref().map_or(0, |balance| balance.prompt_tokens);
        let prompts = iteration.attempts.as_ref().map_or(0, |attempts| attempts.prompt_tokens) + probes;
        let of_iteration = [sampled_tokens(metrics), prompts, trained_tokens(metrics)];
        tokens = [0, 1, 2].map(|kind| tokens[kind] + of_iteration[kind]);
        let [sampled, read, trained] = tokens.map(|tokens| tokens as f64);
        let flops = run.info.model.parameters.map(|parameters| parameters as f64 * (2.0 * (sampled + read) + 6.0 * trained));
        if metrics.accuracy.total > 0 {
            all.push(Spent { tokens, flops, metrics: metrics.clone() });
        }
    }
    all
}

fn point(iteration: u32, runs: &[&Spent]) -> CostPoint {
    let mean = |value: &dyn Fn(&Spent) -> f64| runs.iter().map(|run| value(run)).sum::<f64>() / runs.len() as f64;
    let accuracy = mean(&|run| run.metrics.accuracy.mean);
    let accuracies: Vec<f64> = runs.iter().map(|run| run.metrics.accuracy.mean).collect();
    let interval = match (interval_over_runs(&accuracies), runs) {
        (Some((_, interval)), _) => interval,
        (None, [one, ..]) => [one.metrics.accuracy.low, one.metrics.accuracy.high],
        (None, []) => [0.0, 1.0],
    };
    let [sampled_tokens, prompt_tokens, trained_tokens] = [0, 1, 2].map(|kind| mean(&|run| run.tokens[kind] as f64));
    let flops = runs.iter().all(|run| run.flops.is_some()).then(|| mean(&|run| run.flops.unwrap_or_default()));
    CostPoint { iteration, runs: runs.len() as u32, accuracy, interval, sampled_tokens, prompt_tokens, trained_tokens, flops }
}

/// The mean of accuracies and its 95% interval (Student's), within 0..=1; `None` for less than two.
pub(super) fn interval_over_runs(accuracies: &[f64]) -> Option<(f64, [f64; 2])> {
    students_interval(accuracies).map(|(mean, [low, high])| (mean, [low.max(0.0), high.min(1.0)]))
}

/// The mean of values and its 95% interval (Student's); `None` for less than two.
pub(super) fn students_interval(values: &[f64]) -> Option<(f64, [f64; 2])> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| {
        let half = students_quantile(values.len() - 1) * (squares / (count - 1.0) / count).sqrt();
        (mean, [mean - half, mean + half])
    })
}

/// The 97.5% quantile of Student's distribution; beyond 10 degrees of freedom by its expansion in their inverse (Abramowitz and Stegun,
/// 26.7.5), which is off by 0.002 at most there.
fn students_quantile(freedom: usize) -> f64 {
    const QUANTILES: [f64; 10] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
    let z: f64 = 1.959_963_984_540_054;
    let n = freedom as f64;
    let expansion = || z + (z.powi(3) + z) / (4.0 * n) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n * n);
    QUANTILES.get(freedom.wrapping_sub(1)).copied().unwrap_or_else(expansion)
}

/// For the terminal: every method's last accuracy and whole cost, and its cost until it was nearly as accurate as the best method.
pub(super) fn tables(report: &Report) -> String {
    let curves = curves(report);
    let measured: Vec<(&CostCurve, &CostPoint)> = curves.iter().filter_map(|curve| Some((curve, curve.points.last()?))).collect();
    let best = measured.iter().map(|(_, last)| last.accuracy).fold(0.0, f64::max);
    let goal = 0.99 * best;
    let header =
        ["", "runs", "accuracy, %", "95%\ninterval", "tokens\nsampled", "tokens\nread", "tokens\ntrained", "FLOPs", "FLOPs to\nthe goal"];
    let mut table = table::table(header.map(str::to_owned).into(), 1);
    for (curve, end) in measured {
        let reached = curve.points.iter().find(|point| point.accuracy >= goal);
        table.add_row([
            format!("{} ({})", curve.label, curve.method),
            end.runs.to_string(),
            percent(end.accuracy),
            range(end.interval),
            count(end.sampled_tokens),
            count(end.prompt_tokens),
            count(end.trained_tokens),
            flops(end.flops),
            reached.map_or_else(|| "-".to_owned(), |point| format!("{} ({})", flops(point.flops), point.iteration)),
        ]);
    }
    format!(
        "{}\n\nThe goal is an accuracy of {}%, 99% of the best. The iteration that reached it is in brackets. FLOPs: 2 for each parameter and \
         token sampled or\nread, 6 for each trained. Intervals: Student's over runs, or Wilson's over problems if there is one run.",
        table::trim(&table),
        percent(goal)
    )
}

fn flops(flops: Option<f64>) -> String {
    match flops {
        None => "?".to_owned(),
        Some(0.0) => "-".to_owned(),
        Some(flops) => format!("{flops:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample_run::metrics;
    use starloop_record::metrics::Accuracy;

    #[test]
    fn students_quantiles_are_those_of_the_tables() {
        for (freedom, expected) in [(1, 12.706), (2, 4.303), (10, 2.228), (11, 2.201), (20, 2.086), (60, 2.000), (1000, 1.962)] {
            assert!((students_quantile(freedom) - expected).abs() < 3e-3, "{freedom}: {}", students_quantile(freedom));
        }
    }

    #[test]
    fn the_interval_is_over_runs_if_there_are_several() {
        let run = |correct| Spent {
            tokens: [correct, 10, 100],
            flops: Some(1e9),
            metrics: IterationMetrics { accuracy: Accuracy::new(correct, 100), ..metrics(1, &[]) },
        };
        let runs = [run(80), run(90), run(100)];
        let of_three = point(1, &runs.iter().collect::<Vec<_>>());
        // The standard error is 0.1 / sqrt(3).
        assert_eq!((of_three.accuracy, of_three.sampled_tokens), (0.9, 90.0));
        assert!((of_three.interval[0] - (0.9 - 4.303 * 0.1 / 3.0_f64.sqrt())).abs() < 1e-9, "{:?}", of_three.interval);
        assert!((of_three.interval[1] - 1.0).abs() < 1e-9);
        let of_one = point(1, &[&runs[0]]);
        let wilson = runs[0].metrics.accuracy;
        assert!((of_one.interval[0] - wilson.low).abs() < 1e-9 && (of_one.interval[1] - wilson.high).abs() < 1e-9);
    }
}
