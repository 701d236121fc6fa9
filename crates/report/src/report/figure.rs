//! The parts that all figures share: the page, the frame of a chart, curves with their bars, and labels at their ends.
//!
//! Curves differ in three ways, so that a figure can be read in grey print and with any kind of colour vision: by the Okabe-Ito palette, by
//! the shape of their marks, and by a label at their end with their name and last accuracy.

use super::svg::{Anchor, Point, Stroke, Svg, TextStyle};
use starloop_record::format::percent;
use starloop_record::metrics::Accuracy;
use std::borrow::Cow;
use std::ops::Range;

/// The size of a panel with its margins, in pixels.
pub(super) const PANEL: (f64, f64) = (580.0, 400.0);
/// The height of the title of a figure.
pub(super) const HEAD: f64 = 48.0;
const FOOT: f64 = 56.0;
const LABEL_HEIGHT: f64 = 17.0;
/// The left margin of titles and footnotes.
pub(super) const SIDE: f64 = 20.0;
/// Names are cut off after so many characters.
const LONGEST_NAME: usize = 40;

pub(super) const INK: &str = "#222222";
pub(super) const FAINT_INK: &str = "#5c5c5c";
const GRID: Stroke = Stroke { colour: "#e4e4e4", width: 1, opacity: 1.0 };
const AXIS: Stroke = Stroke { colour: FAINT_INK, width: 1, opacity: 1.0 };
const WHITE: &str = "#ffffff";

/// Okabe and Ito's palette without yellow, which is too light for lines on white. Neighbours differ in lightness.
const PALETTE: [&str; 7] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", INK];

/// The accuracy of a class over the iterations that measured it, or of a method over its cost.
pub(super) struct Curve<'a> {
    pub(super) name: Cow<'a, str>,
    /// Position among the curves, which chooses colour and shape.
    pub(super) place: usize,
    /// The distance by which it is drawn to the side, in units of its axis, so that marks and bars of equal curves stay visible.
    pub(super) aside: f64,
    pub(super) points: Vec<(f64, Accuracy)>,
}

impl Curve<'_> {
    fn colour(&self) -> &'static str {
        PALETTE[self.place % PALETTE.len()]
    }
}

/// A linear axis with its ticks.
pub(super) struct Axis {
    pub(super) range: Range<f64>,
    pub(super) ticks: Vec<f64>,
}

impl Axis {
    /// The place of a value in 0..=1, from the start of the axis to its end.
    fn share(&self, value: f64) -> f64 {
        (value - self.range.start) / (self.range.end - self.range.start)
    }
}

/// The axis along which a panel's curves run.
pub(super) struct Across<'a> {
    pub(super) axis: Axis,
    pub(super) name: &'a str,
    /// How its ticks are written.
    pub(super) tick: &'a dyn Fn(f64) -> String,
}

/// A part of the page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Area {
    /// A place in the area, from its upper left corner.
    pub(super) fn at(&self, x: f64, y: f64) -> Point {
        (self.left + x, self.top + y)
    }
}

/// A figure of `rows` by `columns` panels of one size, with a footnote of two lines. `draw` draws each panel.
pub(super) fn page<T>(
    title: &str,
    panels: &[T],
    (columns, panel): (usize, Point),
    footnote: &[String; 2],
    draw: impl Fn(&mut Svg, &T, Area),
) -> String {
    let size = (columns as f64 * panel.0, HEAD + panels.len().div_ceil(columns) as f64 * panel.1 + FOOT);
    let mut svg = Svg::default();
    for (place, one) in panels.iter().enumerate() {
        let (row, column) = ((place / columns) as f64, (place % columns) as f64);
        draw(&mut svg, one, Area { left: column * panel.0, top: HEAD + row * panel.1, width: panel.0, height: panel.1 });
    }
    for (line, y) in footnote.iter().zip([14.0, 31.0]) {
        svg.text(line, (SIDE, size.1 - FOOT + y), style(10.0, FAINT_INK, Anchor::Start));
    }
    svg.text(title, (SIDE, 26.0), style(15.5, INK, Anchor::Start));
    svg.document(title, size)
}

/// A chart whose axes are drawn.
pub(super) struct Chart {
    /// The part of the page between the axes.
    plot: Area,
    across: Axis,
    up: Axis,
}

impl Chart {
    /// Draws the axes into `area`, `top` pixels below its upper edge: accuracy in percent goes up. Leaves room at the right for the labels of
    /// `curves`.
    pub(super) fn begin(svg: &mut Svg, area: Area, top: f64, across: Across<'_>, up: Axis, curves: &[Curve<'_>]) -> Chart {
        let (left, bottom) = (66.0, 44.0);
        let width = area.width - left - labels_width(curves);
        let plot = Area { left: area.left + left, top: area.top + top, width, height: area.height - top - bottom };
        let Across { axis, name, tick } = across;
        let chart = Chart { plot, across: axis, up };
        let (floor, wall) = (plot.top + plot.height, plot.left);
        for &y in &chart.up.ticks {
            let at = chart.at(chart.across.range.start, y);
            svg.line(&[(wall, at.1), (wall + plot.width, at.1)], GRID);
            svg.line(&[(wall - 5.0, at.1), (wall, at.1)], AXIS);
            svg.text(&format!("{y:.0}"), (wall - 9.0, at.1), style(10.5, INK, Anchor::End));
        }
        for &x in &chart.across.ticks {
            let at = chart.at(x, chart.up.range.start);
            svg.line(&[(at.0, floor), (at.0, floor + 5.0)], AXIS);
            svg.text(&tick(x), (at.0, floor + 14.0), style(10.5, INK, Anchor::Middle));
        }
        svg.line(&[(wall, plot.top), (wall, floor), (wall + plot.width, floor)], AXIS);
        svg.text(name, (wall + plot.width / 2.0, floor + 34.0), style(10.5, INK, Anchor::Middle));
        svg.upward_text("accuracy (%)", (wall - 44.0, plot.top + plot.height / 2.0), style(10.5, INK, Anchor::Middle));
        chart
    }

    /// Pixels for each unit of the axis along which the curves run.
    pub(super) fn pixels_per_unit(&self) -> f64 {
        self.plot.width / (self.across.range.end - self.across.range.start)
    }

    fn at(&self, x: f64, y: f64) -> Point {
        self.plot.at(self.across.share(x) * self.plot.width, (1.0 - self.up.share(y)) * self.plot.height)
    }

    /// The place of a point of a curve.
    fn place(&self, curve: &Curve<'_>, (x, accuracy): &(f64, Accuracy)) -> Point {
        self.at(x + curve.aside, accuracy.mean * 100.0)
    }

    /// Draws a curve with its bars and marks. `scale` is the size of the marks.
    pub(super) fn curve(&self, svg: &mut Svg, curve: &Curve<'_>, scale: f64) {
        let bar = Stroke { colour: curve.colour(), width: 1, opacity: 0.5 };
        for (x, accuracy) in &curve.points {
            svg.line(&[accuracy.low, accuracy.high].map(|end| self.at(x + curve.aside, end * 100.0)), bar);
        }
        let places: Vec<Point> = curve.points.iter().map(|point| self.place(curve, point)).collect();
        svg.line(&places, Stroke { width: 2, opacity: 1.0, ..bar });
        for place in places {
            mark(svg, place, curve, scale);
        }
    }

    /// Writes the name and the last accuracy of every curve at its right end. Labels of curves that end close together are moved apart.
    pub(super) fn labels(&self, svg: &mut Svg, curves: &[Curve<'_>]) {
        let mut labels: Vec<(Point, &Curve<'_>, &Accuracy)> = Vec::new();
        for curve in curves {
            if let Some(point) = curve.points.last() {
                labels.push((self.place(curve, point), curve, &point.1));
            }
        }
        // From the top; equal accuracies in the order of the curves.
        labels.sort_by(|(a, curve, _), (b, other, _)| a.1.total_cmp(&b.1).then(curve.place.cmp(&other.place)));
        let wanted: Vec<f64> = labels.iter().map(|(place, ..)| place.1).collect();
        let end = self.plot.left + self.plot.width;
        let (left, right) = (end + 22.0, end + labels_width(curves) - 12.0);
        let heights = spread(&wanted, self.plot.top, self.plot.top + self.plot.height);
        for (y, ((end_x, end_y), curve, accuracy)) in heights.into_iter().zip(labels) {
            let leader = [(end_x + 8.0, end_y), (end + 4.0, end_y), (left - 9.0, y), (left - 7.0, y)];
            svg.line(&leader, Stroke { colour: curve.colour(), width: 1, opacity: 0.5 });
            mark(svg, (left, y), curve, 1.0);
            svg.text(&cut(&curve.name, LONGEST_NAME), (left + 11.0, y), style(10.5, INK, Anchor::Start));
            svg.text(&format!("{}%", percent(accuracy.mean)), (right, y), style(10.5, INK, Anchor::End));
        }
    }
}

/// Room for the labels at the ends of the curves, in pixels: leader, mark, name, accuracy.
fn labels_width(curves: &[Curve<'_>]) -> f64 {
    let longest = curves.iter().map(|curve| curve.name.chars().count().min(LONGEST_NAME)).max().unwrap_or(0);
    92.0 + 7.0 * longest as f64
}

/// The shape of a curve in its colour. A white rim keeps marks of different curves apart.
fn mark(svg: &mut Svg, (x, y): Point, curve: &Curve<'_>, scale: f64) {
    const SHAPES: [&[(i8, i8)]; 6] = [
        &[],                                                                                                           // circle
        &[(-4, -4), (4, -4), (4, 4), (-4, 4)],                                                                         // square
        &[(0, -5), (5, 4), (-5, 4)],                                                                                   // triangle
        &[(0, -6), (6, 0), (0, 6), (-6, 0)],                                                                           // diamond
        &[(0, 5), (5, -4), (-5, -4)], // triangle that points down
        &[(-2, -5), (2, -5), (2, -2), (5, -2), (5, 2), (2, 2), (2, 5), (-2, 5), (-2, 2), (-5, 2), (-5, -2), (-2, -2)], // cross
    ];
    let shape = SHAPES[curve.place % SHAPES.len()];
    if shape.is_empty() {
        svg.circle((x, y), 5.0 * scale + 1.0, WHITE);
        return svg.circle((x, y), 5.0 * scale, curve.colour());
    }
    for (scale, fill) in [(1.35 * scale, WHITE), (scale, curve.colour())] {
        let corners: Vec<Point> = shape.iter().map(|&(dx, dy)| (x + f64::from(dx) * scale, y + f64::from(dy) * scale)).collect();
        svg.polygon(&corners, fill);
    }
}

/// Heights that are at least a label apart, as near to the wanted ones (ascending) as possible, between `top` and `bottom`.
fn spread(wanted: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    let mut placed = wanted.to_vec();
    let mut lowest = bottom;
    for y in placed.iter_mut().rev() {
        *y = y.min(lowest);
        lowest = *y - LABEL_HEIGHT;
    }
    let mut highest = top;
    for y in &mut placed {
        *y = y.max(highest);
        highest = *y + LABEL_HEIGHT;
    }
    placed
}

pub(super) fn style(size: f64, colour: &'static str, anchor: Anchor) -> TextStyle {
    TextStyle { size, colour, anchor }
}

/// A text of at most `longest` characters.
pub(super) fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest - 1).chain(['…']).collect()
}
