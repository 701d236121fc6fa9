//! Accuracy against tokens sampled and against floating-point operations as SVG: two panels, a curve for each method that learns.

use super::cost::{CostCurve, CostPoint};
use super::figure::{Across, Area, Axis, Chart, Curve, FAINT_INK, HEAD, INK, PANEL, SIDE, page, style};
use super::svg::{Anchor, Svg};
use starloop_record::format::percent;
use starloop_record::metrics::Accuracy;

/// The cost along the axis of a panel.
struct Panel {
    title: &'static str,
    axis: &'static str,
    cost: fn(&CostPoint) -> Option<f64>,
}

const PANELS: [Panel; 2] = [
    Panel { title: "Accuracy against tokens sampled", axis: "tokens sampled to learn from", cost: |point| Some(point.sampled_tokens) },
    Panel {
        title: "Accuracy against all computation",
        axis: "floating-point operations, sampling and training",
        cost: |point| point.flops,
    },
];

/// The figure; `None` if no method has learned anything.
pub(super) fn draw(curves: &[CostCurve]) -> Option<String> {
    let learned: Vec<&CostCurve> = curves.iter().filter(|curve| curve.points.iter().any(|point| point.trained_tokens > 0.0)).collect();
    // Each method has a label beside the panel, and many labels need room.
    let size = (PANEL.0 + 120.0, PANEL.1.max(110.0 + 24.0 * learned.len() as f64));
    let draw = |svg: &mut Svg, panel: &Panel, area| draw_panel(svg, panel, &learned, area);
    (!learned.is_empty()).then(|| page("Accuracy against cost, method by method", &PANELS, (PANELS.len(), size), &footnote(&learned), draw))
}

fn footnote(curves: &[&CostCurve]) -> [String; 2] {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let (fewest, most) = points().fold((u32::MAX, 1), |(fewest, most), point| (fewest.min(point.runs), most.max(point.runs)));
    let base = points().find(|point| point.iteration == 0).map(|point| format!(" The base model has {}%.", percent(point.accuracy)));
    let bars = match (fewest, most) {
        (_, 1) => "Marks: one run after each iteration; vertical bars: 95% Wilson intervals.".to_owned(),
        (1, most) => format!(
            "Marks: means over up to {most} runs after each iteration; vertical bars: 95% intervals, Student's over the runs, Wilson's where \
             there is one."
        ),
        (fewest, most) => {
            let runs = if fewest == most { most.to_string() } else { format!("{fewest} to {most}") };
            format!("Marks: means over {runs} runs after each iteration; vertical bars: 95% intervals (Student's) over the runs.")
        }
    };
    let counted = "FLOPs: 2 for each parameter and token sampled or read in a prompt, 6 for each token trained; evaluation is not counted.";
    [bars + &base.unwrap_or_default(), counted.to_owned()]
}

fn draw_panel(svg: &mut Svg, panel: &Panel, methods: &[&CostCurve], area: Area) {
    let mut curves = Vec::new();
    for (place, method) in methods.iter().enumerate() {
        let points = method.points.iter().filter_map(|point| {
            let cost = (panel.cost)(point).filter(|cost| *cost > 0.0)?;
            let [low, high] = point.interval;
            Some((cost.log10(), Accuracy { correct: 0, total: 0, mean: point.accuracy, low, high }))
        });
        let points: Vec<_> = points.collect();
        curves.push(Curve { name: method.method.as_str().into(), place, aside: 0.0, points });
    }
    // A method that samples nothing has no place on the first axis.
    curves.retain(|curve| !curve.points.is_empty());
    let costs: Vec<f64> = curves.iter().flat_map(|curve| curve.points.iter().map(|(x, _)| *x)).collect();
    let (first, last) = (costs.iter().copied().fold(f64::INFINITY, f64::min), costs.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    // The axis starts at the ten below all marks, because most accuracies lie close together. A bar that reaches below is cut.
    let accuracies = curves.iter().flat_map(|curve| curve.points.iter().map(|(_, accuracy)| 100.0 * accuracy.mean));
    let lowest = (accuracies.fold(100.0, f64::min) / 10.0).floor() * 10.0;
    for (_, accuracy) in curves.iter_mut().flat_map(|curve| &mut curve.points) {
        accuracy.low = accuracy.low.max(lowest / 100.0);
    }
    svg.text(panel.title, area.at(SIDE, 18.0), style(13.5, INK, Anchor::Start));
    if curves.is_empty() {
        return svg.text("(not known)", area.at(SIDE, 60.0), style(10.5, FAINT_INK, Anchor::Start));
    }
    let across = Across {
        axis: Axis { range: first - 0.08..last + 0.08, ticks: ticks(first - 0.08, last + 0.08) },
        name: &format!("{} (logarithmic)", panel.axis),
        tick: &|x| short(10_f64.powf(x)),
    };
    let up = Axis { range: lowest - 2.0..102.0, ticks: (0..=10).map(|n| f64::from(n * 10)).filter(|tick| *tick >= lowest).collect() };
    let chart = Chart::begin(svg, area, HEAD, across, up, &curves);
    for curve in &curves {
        chart.curve(svg, curve, 0.8);
    }
    chart.labels(svg, &curves);
}

/// The logarithms of 1, 2 and 5 times the powers of ten between two logarithms.
fn ticks(from: f64, to: f64) -> Vec<f64> {
    let powers = (from.floor() as i32)..=(to.ceil() as i32);
    let marks = powers.flat_map(|power| [1.0_f64, 2.0, 5.0].map(|mark| mark.log10() + f64::from(power)));
    marks.filter(|x| (from..=to).contains(x)).collect()
}

/// `500k`, `2M`, `2e13`.
fn short(number: f64) -> String {
    match number {
        n if n < 999.5 => format!("{n:.0}"),
        n if n < 999_500.0 => format!("{:.0}k", n / 1e3),
        n if n < 999.5e6 => format!("{:.0}M", n / 1e6),
        n => format!("{n:.0e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use starloop_record::Approach;

    #[test]
    fn ticks_are_round_numbers() {
        let shown: Vec<String> = ticks(5.2, 7.1).into_iter().map(|x| short(10_f64.powf(x))).collect();
        assert_eq!(shown, ["200k", "500k", "1M", "2M", "5M", "10M"]);
        assert_eq!(short(2e13), "2e13");
    }

    #[test]
    fn a_figure_shows_every_method_that_learns() {
        let point = |iteration: u32, trained_tokens: f64| CostPoint {
            iteration,
            runs: 3,
            accuracy: 0.5,
            interval: [0.4, 0.6],
            sampled_tokens: 1e5 * f64::from(iteration),
            prompt_tokens: 1e5,
            trained_tokens,
            flops: Some(1e12 * f64::from(iteration)),
        };
        let curve = |method: &str, points: Vec<CostPoint>| CostCurve {
            method: method.into(),
            label: "STaR".into(),
            approach: Approach::Star,
            points,
        };
        let base = curve("few_shot", vec![point(0, 0.0)]);
        assert_eq!(draw(std::slice::from_ref(&base)), None);
        let curves = [base, curve("star", vec![point(0, 0.0), point(1, 1e6), point(2, 2e6)]), curve("adastar", vec![point(1, 1e6)])];
        let svg = draw(&curves).expect("two methods learn");
        for text in [">star</text>", "adastar", "means over 3 runs", "floating-point operations", "The base model has 50.0%"] {
            assert!(svg.contains(text), "{text} is not in the figure");
        }
        assert!(!svg.contains("few_shot"));
    }
}
