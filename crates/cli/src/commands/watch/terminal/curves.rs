//! The curves: accuracy of all methods or of the classes of one, and the loss.

use super::screen::{Curve, Screen, title};
use crate::untrusted;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Padding, Paragraph, Widget};
use starloop_record::format::percent;
use starloop_record::metrics::IterationMetrics;
use starloop_report::words::loss_unit;

/// Okabe and Ito's palette as far as 256 colours have it, ordered so that neighbours differ in lightness.
const PALETTE: [Color; 6] =
    [Color::Indexed(33), Color::Indexed(214), Color::Indexed(36), Color::Indexed(175), Color::Indexed(166), Color::Indexed(117)];
/// The signs of the curves in the legend, so that curves do not differ by colour only.
const SIGNS: [&str; 6] = ["●", "■", "▲", "◆", "▼", "✚"];
/// Columns of the legend.
const LEGEND: u16 = 26;

/// A named curve.
struct Named {
    name: String,
    points: Vec<(f64, f64)>,
    /// The last value in words.
    last: String,
}

pub(super) fn draw(screen: &Screen<'_>, area: Rect, buffer: &mut Buffer) {
    let (heading, unit, curves) = curves(screen);
    let block = Block::bordered().title(title(&heading)).padding(Padding::horizontal(1));
    let inner = block.inner(area);
    block.render(area, buffer);
    let points = || curves.iter().flat_map(|curve| &curve.points);
    if points().next().is_none() {
        return Paragraph::new("no measurement yet").dim().render(inner, buffer);
    }
    let [chart, legend] = places(inner, curves.len());
    let last = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let (low, high) = match screen.view.curve {
        // A loss can be negative if samples are weighted by their advantages.
        Curve::Loss => (points().map(|(_, y)| *y).fold(0.0, f64::min), points().map(|(_, y)| *y).fold(1e-6, f64::max)),
        _ => percent_range(points().map(|(_, y)| *y)),
    };
    let label = |y: f64| if screen.view.curve == Curve::Loss { format!("{y:.2}") } else { format!("{y:.0}") };
    let style = |place: usize| if screen.in_colour { Style::new().fg(PALETTE[place % PALETTE.len()]) } else { Style::new() };
    let datasets = curves.iter().enumerate().map(|(place, curve)| {
        Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line).style(style(place)).data(&curve.points)
    });
    let ends = [0.0, last].map(|x| format!("{x:.0}"));
    Chart::new(datasets.collect())
        .x_axis(Axis::default().title(unit).bounds([0.0, last]).labels(ends))
        .y_axis(Axis::default().bounds([low, high]).labels([label(low), label(f64::midpoint(low, high)), label(high)]))
        .render(chart, buffer);
    let line = |(place, curve): (usize, &Named)| {
        let sign = Span::styled(SIGNS[place % SIGNS.len()], style(place));
        Line::from(vec![" ".into(), sign, " ".into(), curve.name.clone().into(), " ".into(), curve.last.clone().bold()])
    };
    let mut lines: Vec<_> = curves.iter().enumerate().map(line).collect();
    let room = usize::from(legend.height);
    if lines.len() > room {
        lines.truncate(room.saturating_sub(1));
        lines.push(Line::from(format!(" and {} more", curves.len() - lines.len())).dim());
    }
    Paragraph::new(lines).render(legend, buffer);
    draw_ends(&curves, style, chart, last, [low, high], buffer);
}

/// The range of an axis of percent: whole tens around the values, at least twenty apart.
fn percent_range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) = values.fold((100.0_f64, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
    let low = (least / 10.0).floor() * 10.0;
    let high = ((most / 10.0).ceil() * 10.0).max(low + 20.0).min(100.0);
    (low.min(high - 20.0), high)
}

/// The places of the chart and of the legend, which is beside the chart if there is room, else below it.
fn places(inner: Rect, curves: usize) -> [Rect; 2] {
    if inner.width >= 2 * LEGEND {
        return Layout::horizontal([Constraint::Fill(1), Constraint::Length(LEGEND)]).areas(inner);
    }
    let lines = (curves as u16).min(inner.height / 2);
    Layout::vertical([Constraint::Fill(1), Constraint::Length(lines)]).areas(inner)
}

/// Each curve's sign where it ends, as the legend shows it.
fn draw_ends(curves: &[Named], style: impl Fn(usize) -> Style, chart: Rect, last: f64, [low, high]: [f64; 2], buffer: &mut Buffer) {
    // The chart uses its left columns for labels and its last two lines for the axis. The axis that it has drawn shows the rest.
    let Some(left) = (chart.left()..chart.right()).find(|x| buffer[(*x, chart.top())].symbol() == "│") else { return };
    let (width, height) = (f64::from(chart.right() - left - 2), f64::from(chart.height.saturating_sub(3)));
    for (place, curve) in curves.iter().enumerate() {
        let Some((x, y)) = curve.points.last() else { continue };
        let at = (left + 1 + (x / last * width).round() as u16, chart.top() + ((high - y) / (high - low) * height).round() as u16);
        if let Some(cell) = buffer.cell_mut(at) {
            cell.set_symbol(SIGNS[place % SIGNS.len()]).set_style(style(place));
        }
    }
}

/// The heading, the unit of the horizontal axis, and the curves.
fn curves(screen: &Screen<'_>) -> (String, &'static str, Vec<Named>) {
    let progress = screen.progress;
    let measured = |iterations: &[IterationMetrics], share: &dyn Fn(&IterationMetrics) -> Option<f64>| {
        let points = iterations.iter().filter_map(|metrics| Some((f64::from(metrics.iteration), 100.0 * share(metrics)?)));
        points.collect::<Vec<_>>()
    };
    let named = |name: &str, points: Vec<(f64, f64)>| {
        let last = points.last().map_or(String::new(), |(_, y)| format!("{}%", percent(y / 100.0)));
        Named { name: untrusted::line(name), points, last }
    };
    let name = screen.view.method(progress);
    let shown = progress.methods.iter().find(|method| method.info.name == name);
    match screen.view.curve {
        Curve::Methods => {
            let overall = |metrics: &IterationMetrics| (metrics.accuracy.total > 0).then_some(metrics.accuracy.mean);
            let curves = progress.methods.iter().map(|method| named(&method.info.name, measured(&method.iterations, &overall)));
            ("accuracy, %".to_owned(), "iteration", curves.filter(|curve| !curve.points.is_empty()).collect())
        }
        Curve::Classes => {
            let iterations = shown.map_or(&[][..], |method| &method.iterations);
            let mut classes: Vec<&str> = Vec::new();
            for entry in iterations.iter().flat_map(|metrics| &metrics.by_class) {
                if !classes.contains(&entry.class.as_str()) {
                    classes.push(&entry.class);
                }
            }
            let of = |metrics: &IterationMetrics, class: &str| {
                let entry = metrics.by_class.iter().find(|entry| entry.class == class && entry.accuracy.total > 0)?;
                Some(entry.accuracy.mean)
            };
            let curves = classes.into_iter().map(|class| named(class, measured(iterations, &|metrics| of(metrics, class))));
            (format!("accuracy of {} by class, %", untrusted::line(name)), "iteration", curves.collect())
        }
        Curve::Loss => {
            let points: Vec<_> = shown.into_iter().flat_map(|method| &method.losses).map(|point| (point.step as f64, point.loss)).collect();
            let last = points.last().map_or(String::new(), |(_, loss)| format!("{loss:.4}"));
            let unit = shown.and_then(|method| loss_unit(method.info.approach)).map_or_else(String::new, |unit| format!(", {unit}"));
            (format!("loss of {}{unit}", untrusted::line(name)), "step", vec![Named { name: "loss".into(), points, last }])
        }
    }
}
