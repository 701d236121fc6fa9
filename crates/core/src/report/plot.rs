//! The paper's figure 4 as SVG: accuracy per class over iterations, one panel per method.

use super::figure::{
    Across, Axis, Curve, DrawResult, Drawing, FOOT, HEAD, INK, PANEL, SIDE, clean, draw_curve, draw_labels, frame, page, text,
};
use super::table::percent;
use super::{MethodReport, Panel, Report};
use crate::error::Result;
use crate::task::Split;
use plotters::prelude::*;

const TITLE: &str = "Accuracy by class of problem, iteration by iteration";
/// Titles of panels are cut off after so many characters.
const LONGEST_TITLE: usize = 70;

pub(super) fn draw(report: &Report) -> Result<Option<String>> {
    let panels = report.panels();
    if panels.is_empty() {
        return Ok(None);
    }
    let columns = panels.len().min(2);
    let rows = panels.len().div_ceil(columns);
    let size = (columns as u32 * PANEL.0, HEAD + rows as u32 * PANEL.1 + FOOT);
    let svg = page(TITLE, size, footnote(&panels), |root, body| {
        root.draw(&Text::new(TITLE, (SIDE, 18), text(19, INK)))?;
        let (_, body) = body.split_vertically(HEAD);
        panels.iter().zip(body.split_evenly((rows, columns))).try_for_each(|(panel, area)| draw_panel(panel, root, &area))
    })?;
    Ok(Some(svg))
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

fn draw_panel(panel: &Panel<'_>, root: &Drawing<'_>, area: &Drawing<'_>) -> DrawResult {
    let method = panel.method;
    let iterations: Vec<f64> = method.evaluated().map(|iteration| f64::from(iteration.metrics.iteration)).collect();
    let (first, last) = (iterations[0], iterations[iterations.len() - 1]);
    let margin = (last - first) * 0.06;
    let mut curves = curves(method);
    let across = Across {
        axis: Axis { range: first - margin..last + margin, ticks: ticks(&iterations) },
        name: "iteration",
        tick: |x| format!("{x:.0}"),
    };
    let up = Axis { range: -2.0..102.0, ticks: (0..=5).map(|n| f64::from(n * 20)).collect() };
    let mut chart = frame(area, 38, across, up, &curves)?;
    let overall = &method.last_evaluated().metrics.accuracy;
    let title = format!("{}: {}% overall after iteration {last:.0}", clean(&panel.title, LONGEST_TITLE), percent(overall.mean));
    area.draw(&Text::new(title, (SIDE, 12), text(15, INK)))?;

    let pixels_per_iteration = f64::from(chart.plotting_area().dim_in_pixel().0) / (last - first + 2.0 * margin);
    let scale = (pixels_per_iteration / 35.0).clamp(0.6, 1.0);
    let step = (0.5 * pixels_per_iteration / curves.len() as f64).min(6.0) / pixels_per_iteration;
    let middle = (curves.len() - 1) as f64 / 2.0;
    for (place, curve) in curves.iter_mut().enumerate() {
        curve.aside = (place as f64 - middle) * step;
        draw_curve(root, &mut chart, curve, scale)?;
    }
    draw_labels(root, &chart, &curves)
}

/// At most about ten iterations to write on the axis: every one, every second, fifth, tenth ...
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
    let classes = method.classes().into_iter().enumerate();
    let curves = classes.map(|(place, class)| Curve { name: class, place, aside: 0.0, points: points(class) });
    curves.filter(|curve| !curve.points.is_empty()).collect()
}
