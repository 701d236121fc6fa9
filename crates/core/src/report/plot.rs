//! The paper's figure 4 as SVG: accuracy per class over iterations, one panel per method.
//!
//! Curves are told apart three ways, so that the figure survives grey print and every kind of colour vision: by the Okabe-Ito palette,
//! by the shape of their marks, and by a label at their end with the class and its last accuracy.

use super::table::percent;
use super::{MethodReport, Panel, Report};
use crate::error::{Error, Result};
use crate::metrics::Accuracy;
use crate::task::Split;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;

/// A panel with its margins, in pixels.
pub(super) const PANEL: (u32, u32) = (580, 400);
pub(super) const HEAD: u32 = 48;
pub(super) const FOOT: u32 = 56;
const LABEL_HEIGHT: i32 = 17;
pub(super) const SIDE: i32 = 20;
/// Names are cut off after so many characters.
const LONGEST_NAME: usize = 24;
const LONGEST_TITLE: usize = 70;

const FONT: &str = "Helvetica, Arial, Liberation Sans, sans-serif";
pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub(super) const FAINT_INK: RGBColor = RGBColor(0x5c, 0x5c, 0x5c);
pub(super) const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);

/// Okabe and Ito's palette without yellow, which is too light for lines on white; ordered so that neighbours differ in lightness.
pub(super) const PALETTE: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2), // blue
    RGBColor(0xe6, 0x9f, 0x00), // orange
    RGBColor(0x00, 0x9e, 0x73), // green
    RGBColor(0xcc, 0x79, 0xa7), // purple
    RGBColor(0xd5, 0x5e, 0x00), // vermilion
    RGBColor(0x56, 0xb4, 0xe9), // sky
    RGBColor(0x22, 0x22, 0x22), // black
];

pub(super) type Drawing<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;
/// What drawing into a string can fail with.
pub(super) type DrawResult<T = ()> = std::result::Result<T, DrawingAreaErrorKind<std::io::Error>>;

/// One class's accuracy over the iterations that measured it.
pub(super) struct Curve<'a> {
    pub(super) class: &'a str,
    pub(super) colour: RGBColor,
    /// Position among the classes, which chooses colour and shape.
    pub(super) place: usize,
    /// How far to the side it is drawn, in iterations, so that marks and bars of equal curves stay visible.
    pub(super) aside: f64,
    pub(super) points: Vec<(f64, Accuracy)>,
}

/// A linear axis with ticks where we say; the crate's own combinator does this for integers only.
pub(super) struct Axis {
    pub(super) range: Range<f64>,
    pub(super) ticks: Vec<f64>,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.range.start) / (self.range.end - self.range.start);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

pub(super) fn draw(report: &Report) -> Result<Option<String>> {
    let panels = report.panels();
    if panels.is_empty() {
        return Ok(None);
    }
    let mut svg = String::new();
    figure(&panels, &mut svg).map_err(|error| Error::Engine { context: "drawing the plot".into(), message: error.to_string() })?;
    // For those who hear a page instead of seeing it; the crate has no way to say it.
    let title = "<title>Accuracy by class of problem, iteration by iteration</title>";
    Ok(Some(svg.replacen(">\n", &format!(">\n{title}\n"), 1)))
}

fn figure(panels: &[Panel<'_>], svg: &mut String) -> DrawResult {
    let columns = panels.len().min(2);
    let rows = panels.len().div_ceil(columns);
    let (width, height) = (columns as u32 * PANEL.0, HEAD + rows as u32 * PANEL.1 + FOOT);
    let root = SVGBackend::with_string(svg, (width, height)).into_drawing_area();
    root.fill(&WHITE)?;
    root.draw(&Text::new("Accuracy by class of problem, iteration by iteration", (SIDE, 18), text(19, INK)))?;
    for (line, y) in footnote(panels).into_iter().zip([8, 25]) {
        root.draw(&Text::new(line, (SIDE, (height - FOOT) as i32 + y), text(12, FAINT_INK)))?;
    }
    let (_, below) = root.split_vertically(HEAD);
    let (body, _) = below.split_vertically(height - HEAD - FOOT);
    for (panel, area) in panels.iter().zip(body.split_evenly((rows, columns))) {
        draw_panel(panel, &root, &area)?;
    }
    root.present()
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
    let mut chart = ChartBuilder::on(area)
        .margin_left(SIDE - 8)
        .margin_right(labels_width(&curves))
        .margin_top(38)
        .x_label_area_size(44)
        .y_label_area_size(54)
        .build_cartesian_2d(
            Axis { range: first - margin..last + margin, ticks: ticks(&iterations) },
            Axis { range: -2.0..102.0, ticks: (0..=5).map(|n| f64::from(n * 20)).collect() },
        )?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(FAINT_INK)
        .label_style(text(13, INK))
        .axis_desc_style(text(13, INK))
        .x_desc("iteration")
        .y_desc("accuracy (%)")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
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

/// Room for the labels at the ends of the curves, in pixels: leader, mark, name, accuracy.
pub(super) fn labels_width(curves: &[Curve<'_>]) -> u32 {
    let longest = curves.iter().map(|curve| clean(curve.class, LONGEST_NAME).chars().count()).max().unwrap_or(0);
    92 + 7 * longest as u32
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
    let curves =
        classes.map(|(place, class)| Curve { class, colour: PALETTE[place % PALETTE.len()], place, aside: 0.0, points: points(class) });
    curves.filter(|curve| !curve.points.is_empty()).collect()
}

pub(super) fn draw_curve(root: &Drawing<'_>, chart: &mut Chart<'_, '_>, curve: &Curve<'_>, scale: f64) -> DrawResult {
    let bar = curve.colour.mix(0.5).stroke_width(1);
    for (x, accuracy) in &curve.points {
        let ends = [(x + curve.aside, accuracy.low * 100.0), (x + curve.aside, accuracy.high * 100.0)];
        root.draw(&PathElement::new(ends.map(|end| chart.backend_coord(&end)).to_vec(), bar))?;
    }
    let points = || curve.points.iter().map(|(x, accuracy)| (x + curve.aside, accuracy.mean * 100.0));
    chart.draw_series(LineSeries::new(points(), curve.colour.stroke_width(2)))?;
    for point in points() {
        draw_mark(root, chart.backend_coord(&point), curve, scale)?;
    }
    Ok(())
}

/// The shape of a class in its colour, with a white rim that keeps meeting curves apart.
fn draw_mark(root: &Drawing<'_>, (x, y): (i32, i32), curve: &Curve<'_>, scale: f64) -> DrawResult {
    const SHAPES: [&[(i32, i32)]; 6] = [
        &[],                                                                                                           // circle
        &[(-4, -4), (4, -4), (4, 4), (-4, 4)],                                                                         // square
        &[(0, -5), (5, 4), (-5, 4)],                                                                                   // triangle
        &[(0, -6), (6, 0), (0, 6), (-6, 0)],                                                                           // diamond
        &[(0, 5), (5, -4), (-5, -4)], // triangle pointing down
        &[(-2, -5), (2, -5), (2, -2), (5, -2), (5, 2), (2, 2), (2, 5), (-2, 5), (-2, 2), (-5, 2), (-5, -2), (-2, -2)], // cross
    ];
    let shape = SHAPES[curve.place % SHAPES.len()];
    if shape.is_empty() {
        let radius = (5.0 * scale).round() as i32;
        root.draw(&Circle::new((x, y), radius + 1, WHITE.filled()))?;
        return root.draw(&Circle::new((x, y), radius, curve.colour.filled()));
    }
    let outline = |scale: f64| {
        let corner = |&(dx, dy): &(i32, i32)| (x + (f64::from(dx) * scale).round() as i32, y + (f64::from(dy) * scale).round() as i32);
        shape.iter().map(corner).collect::<Vec<_>>()
    };
    root.draw(&Polygon::new(outline(1.35 * scale), WHITE.filled()))?;
    root.draw(&Polygon::new(outline(scale), curve.colour.filled()))
}

/// The class and last accuracy of every curve at its right end, moved apart where curves end close together.
pub(super) fn draw_labels(root: &Drawing<'_>, chart: &Chart<'_, '_>, curves: &[Curve<'_>]) -> DrawResult {
    let (across, down) = chart.plotting_area().get_pixel_range();
    let mut labels: Vec<(i32, i32, &Curve<'_>)> = Vec::new();
    for curve in curves {
        if let Some((x, accuracy)) = curve.points.last() {
            let (x, y) = chart.backend_coord(&(x + curve.aside, accuracy.mean * 100.0));
            labels.push((x, y, curve));
        }
    }
    // From the top; equal accuracies in the order of the classes.
    labels.sort_by_key(|&(_, y, curve)| (y, curve.place));
    let wanted: Vec<i32> = labels.iter().map(|&(_, y, _)| y).collect();
    let left = across.end + 22;
    let right = across.end + labels_width(curves) as i32 - 12;
    for (y, &(end_x, end_y, curve)) in spread(&wanted, down.start, down.end).into_iter().zip(&labels) {
        let leader = vec![(end_x + 8, end_y), (across.end + 4, end_y), (left - 9, y), (left - 7, y)];
        root.draw(&PathElement::new(leader, curve.colour.mix(0.5).stroke_width(1)))?;
        draw_mark(root, (left, y), curve, 1.0)?;
        let accuracy = curve.points[curve.points.len() - 1].1;
        let style = |side| text(13, INK).pos(Pos::new(side, VPos::Center));
        root.draw(&Text::new(clean(curve.class, LONGEST_NAME), (left + 11, y), style(HPos::Left)))?;
        root.draw(&Text::new(format!("{}%", percent(accuracy.mean)), (right, y), style(HPos::Right)))?;
    }
    Ok(())
}

/// Positions at least a label's height apart, as near to the wanted ones (ascending) as keeps them between `top` and `bottom`.
fn spread(wanted: &[i32], top: i32, bottom: i32) -> Vec<i32> {
    let mut placed: Vec<i32> = wanted.to_vec();
    let mut lowest = bottom;
    for y in placed.iter_mut().rev() {
        *y = (*y).min(lowest);
        lowest = *y - LABEL_HEIGHT;
    }
    let mut highest = top;
    for y in &mut placed {
        *y = (*y).max(highest);
        highest = *y + LABEL_HEIGHT;
    }
    placed
}

pub(super) fn text(size: u32, colour: RGBColor) -> TextStyle<'static> {
    (FONT, size).into_font().color(&colour)
}

/// Without control characters, which XML cannot hold, and cut off after `longest` characters.
fn clean(name: &str, longest: usize) -> String {
    let mut characters: Vec<char> = name.chars().filter(|character| !character.is_control()).collect();
    if characters.len() > longest {
        characters.truncate(longest - 1);
        characters.push('…');
    }
    characters.into_iter().collect()
}
