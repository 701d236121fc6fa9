//! What the figures of a report share: the page, the chart's frame, curves with their bars, and labels at their ends.
//!
//! Curves are told apart three ways, so that a figure survives grey print and every kind of colour vision: by the Okabe-Ito palette,
//! by the shape of their marks, and by a label at their end with their name and last accuracy.

use super::table::percent;
use crate::error::{Error, Result};
use crate::metrics::Accuracy;
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

const FONT: &str = "Helvetica, Arial, Liberation Sans, sans-serif";
pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub(super) const FAINT_INK: RGBColor = RGBColor(0x5c, 0x5c, 0x5c);
const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);

/// Okabe and Ito's palette without yellow, which is too light for lines on white; ordered so that neighbours differ in lightness.
const PALETTE: [RGBColor; 7] = [
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

/// One class's accuracy over the iterations that measured it, or one method's over its cost.
pub(super) struct Curve<'a> {
    pub(super) name: &'a str,
    /// Position among the curves, which chooses colour and shape.
    pub(super) place: usize,
    /// How far to the side it is drawn, in units of its axis, so that marks and bars of equal curves stay visible.
    pub(super) aside: f64,
    pub(super) points: Vec<(f64, Accuracy)>,
}

impl Curve<'_> {
    fn colour(&self) -> RGBColor {
        PALETTE[self.place % PALETTE.len()]
    }
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

/// A page of `size` pixels as an SVG document, with a footnote of two lines; `draw` is given the whole page and what stands above the footnote.
pub(super) fn page(
    title: &str,
    (width, height): (u32, u32),
    footnote: [String; 2],
    draw: impl FnOnce(&Drawing<'_>, &Drawing<'_>) -> DrawResult,
) -> Result<String> {
    let mut svg = String::new();
    let fill = |svg| -> DrawResult {
        let root = SVGBackend::with_string(svg, (width, height)).into_drawing_area();
        root.fill(&WHITE)?;
        for (line, y) in footnote.into_iter().zip([8, 25]) {
            root.draw(&Text::new(line, (SIDE, (height - FOOT) as i32 + y), text(12, FAINT_INK)))?;
        }
        let (body, _) = root.split_vertically(height - FOOT);
        draw(&root, &body)?;
        root.present()
    };
    fill(&mut svg).map_err(|error| Error::Plot { source: error.to_string().into() })?;
    // For those who hear a page instead of seeing it; the crate has no way to say it.
    Ok(svg.replacen(">\n", &format!(">\n<title>{title}</title>\n"), 1))
}

/// The axis along which a panel's curves run.
pub(super) struct Across<'a> {
    pub(super) axis: Axis,
    pub(super) name: &'a str,
    /// How its ticks are written.
    pub(super) tick: fn(f64) -> String,
}

/// An empty chart `top` pixels below the upper edge of `area`, accuracy in percent going up, with room for the labels of `curves` beside it.
pub(super) fn frame<'a, 'b>(
    area: &'a Drawing<'b>,
    top: u32,
    across: Across<'_>,
    up: Axis,
    curves: &[Curve<'_>],
) -> DrawResult<Chart<'a, 'b>> {
    let mut chart = ChartBuilder::on(area)
        .margin_left(SIDE - 8)
        .margin_right(labels_width(curves))
        .margin_top(top)
        .x_label_area_size(44)
        .y_label_area_size(54)
        .build_cartesian_2d(across.axis, up)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(FAINT_INK)
        .label_style(text(13, INK))
        .axis_desc_style(text(13, INK))
        .x_desc(across.name)
        .y_desc("accuracy (%)")
        .x_label_formatter(&|x| (across.tick)(*x))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    Ok(chart)
}

/// Room for the labels at the ends of the curves, in pixels: leader, mark, name, accuracy.
fn labels_width(curves: &[Curve<'_>]) -> u32 {
    let longest = curves.iter().map(|curve| clean(curve.name, LONGEST_NAME).chars().count()).max().unwrap_or(0);
    92 + 7 * longest as u32
}

pub(super) fn draw_curve(root: &Drawing<'_>, chart: &mut Chart<'_, '_>, curve: &Curve<'_>, scale: f64) -> DrawResult {
    let bar = curve.colour().mix(0.5).stroke_width(1);
    for (x, accuracy) in &curve.points {
        let ends = [(x + curve.aside, accuracy.low * 100.0), (x + curve.aside, accuracy.high * 100.0)];
        root.draw(&PathElement::new(ends.map(|end| chart.backend_coord(&end)).to_vec(), bar))?;
    }
    let points = || curve.points.iter().map(|(x, accuracy)| (x + curve.aside, accuracy.mean * 100.0));
    chart.draw_series(LineSeries::new(points(), curve.colour().stroke_width(2)))?;
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
        return root.draw(&Circle::new((x, y), radius, curve.colour().filled()));
    }
    let outline = |scale: f64| {
        let corner = |&(dx, dy): &(i32, i32)| (x + (f64::from(dx) * scale).round() as i32, y + (f64::from(dy) * scale).round() as i32);
        shape.iter().map(corner).collect::<Vec<_>>()
    };
    root.draw(&Polygon::new(outline(1.35 * scale), WHITE.filled()))?;
    root.draw(&Polygon::new(outline(scale), curve.colour().filled()))
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
        root.draw(&PathElement::new(leader, curve.colour().mix(0.5).stroke_width(1)))?;
        draw_mark(root, (left, y), curve, 1.0)?;
        let accuracy = curve.points[curve.points.len() - 1].1;
        let style = |side| text(13, INK).pos(Pos::new(side, VPos::Center));
        root.draw(&Text::new(clean(curve.name, LONGEST_NAME), (left + 11, y), style(HPos::Left)))?;
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
pub(super) fn clean(name: &str, longest: usize) -> String {
    let mut characters: Vec<char> = name.chars().filter(|character| !character.is_control()).collect();
    if characters.len() > longest {
        characters.truncate(longest - 1);
        characters.push('…');
    }
    characters.into_iter().collect()
}
