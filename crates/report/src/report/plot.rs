//! The paper's figure 4 as SVG: accuracy per class over iterations, one panel per method.

use super::figure::{Across, Area, Axis, Chart, Curve, INK, PANEL, SIDE, cut, page, style};
use super::svg::{Anchor, Svg};
use super::{MethodReport, Panel, Report};
use starloop_record::format::percent;
use starloop_record::types::Split;

const TITLE: &str = "Accuracy by class of problem, iteration by iteration";
/// Titles of panels are cut off after so many characters.
const LONGEST_TITLE: usize = 70;
/// Classes are cut off after so many characters.
const LONGEST_CLASS: usize = 24;

pub(super) fn draw(report: &Report) -> Option<String> {
    let panels = report.panels();
    let columns = panels.len().min(2);
    (columns > 0).then(|| page(TITLE, &panels, (columns, PANEL), &footnote(&panels), draw_panel))
}

fn footnote(panels: &[Panel<'_>]) -> [String; 2] {
    let metrics = || panels.iter().flat_map(|panel| panel.method.evaluated()).map(|iteration| &iteration.metrics);
    let totals = || metrics().flat_map(|metrics| &metrics.by_class).map(|entry| entry.accuracy.total).filter(|total| *total > 0);
    let (fewest, most) = (totals().min().unwrap_or(0), totals().max().unwrap_or(0));
    let number = if fewest == most { format!("{most}") } else { format!("{fewest} to {most}") };
    let split = match metrics().next().map(|metrics| metrics.split) {
        Some(Split::Train) => "training",
        Some(Split::Dev) => "development",
        _ => "test",
    };
    let bars = format!("Vertical bars: 95% Wilson intervals; {number} {split} problems in each class.");
    [bars, "Iteration 0 is the base model. Curves of equal accuracy are drawn side by side.".into()]
}

fn draw_panel(svg: &mut Svg, panel: &Panel<'_>, area: Area) {
    let method = panel.method;
    let iterations: Vec<f64> = method.evaluated().map(|iteration| f64::from(iteration.metrics.iteration)).collect();
    let (first, last) = (iterations[0], iterations[iterations.len() - 1]);
    let margin = (last - first) * 0.06;
    let mut curves = curves(method);
    let across = Across {
        axis: Axis { range: first - margin..last + margin, ticks: ticks(&iterations) },
        name: "iteration",
        tick: &|x| format!("{x:.0}"),
    };
    let up = Axis { range: -2.0..102.0, ticks: (0..=5).map(|n| f64::from(n * 20)).collect() };
    let chart = Chart::begin(svg, area, 38.0, across, up, &curves);
    let overall = &method.last_evaluated().metrics.accuracy;
    let title = format!("{}: {}% overall after iteration {last:.0}", cut(&panel.title, LONGEST_TITLE), percent(overall.mean));
    svg.text(&title, area.at(SIDE, 18.0), style(12.0, INK, Anchor::Start));

    let pixels_per_iteration = chart.pixels_per_unit();
    let scale = (pixels_per_iteration / 35.0).clamp(0.6, 1.0);
    let step = (0.5 * pixels_per_iteration / curves.len() as f64).min(6.0) / pixels_per_iteration;
    let middle = (curves.len().max(1) - 1) as f64 / 2.0;
    for (place, curve) in curves.iter_mut().enumerate() {
        curve.aside = (place as f64 - middle) * step;
        chart.curve(svg, curve, scale);
    }
    chart.labels(svg, &curves);
}

/// About ten iterations at most to write on the axis: each one, or each second, fifth, tenth ...
fn ticks(iterations: &[f64]) -> Vec<f64> {
    let steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].map(f64::from);
    let span = iterations[iterations.len() - 1] - iterations[0];
    let step = steps.into_iter().find(|step| span / step <= 10.0).unwrap_or(span);
    iterations.iter().copied().filter(|iteration| iteration % step == 0.0).collect()
}

/// The curves of a method, in the order of its classes.
fn curves(method: &MethodReport) -> Vec<Curve<'_>> {
    let points = |class: &str| {
        let points = method.evaluated().filter_map(|iteration| {
            let entry = iteration.metrics.by_class.iter().find(|entry| entry.class == class && entry.accuracy.total > 0)?;
            Some((f64::from(iteration.metrics.iteration), entry.accuracy))
        });
        points.collect::<Vec<_>>()
    };
    // The class is cut and the number is not.
    let name = |class| method.class_with_number(class).replacen(class, &cut(class, LONGEST_CLASS), 1).into();
    let classes = method.classes().into_iter().enumerate();
    let curves = classes.map(|(place, class)| Curve { name: name(class), place, aside: 0.0, points: points(class) });
    curves.filter(|curve| !curve.points.is_empty()).collect()
}
