//! Tables for the terminal.

mod rows;

use super::svg::escaped;
use super::{Headline, MethodReport, MethodSummary, Report, ResultRow, RunReport, TrainUse, summary};
use crate::paired::{PairedDifference, probability};
use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Row, Table, TableStyle};
use starloop_record::format::{self, duration, percent, range, thousands};
use starloop_record::info::PaperFigure;

/// One table per run: a column per method, so that many classes still fit a terminal of `width` columns. If the methods do not fit, each has a
/// row. Costs are totals over the iterations. The headline is last, where a reader of a terminal looks first.
pub(super) fn summaries(report: &Report, width: usize) -> String {
    let several = report.runs.len() > 1;
    let tables = report.runs.iter().map(|run| {
        let name = if several { format!("{}\n", run.name) } else { String::new() };
        let headline = run.headline.as_ref().map_or_else(String::new, |headline| format!("\n\n{}", sentences(headline)));
        format!("{name}{}{headline}", run_summary(run, width))
    });
    tables.collect::<Vec<_>>().join("\n\n")
}

/// The headline, one sentence on a line.
fn sentences(headline: &Headline) -> String {
    let Headline { subject, result, choice_note, interval_note, .. } = headline;
    format!("{subject}\n{result}\n{choice_note}\n{interval_note}")
}

fn run_summary(run: &RunReport, width: usize) -> String {
    let columns = trim(&summary_table(run));
    let fits = columns.lines().all(|line| line.chars().count() <= width);
    let table = if fits { columns } else { rows::summary_of(run, width) };
    let notes = [run.left_out_note(), run.paper_note()].into_iter().flatten();
    std::iter::once(table).chain(notes).collect::<Vec<_>>().join("\n\n")
}

/// The tables of [`summaries`] as HTML, each with its headline before it.
pub(super) fn summaries_html(report: &Report) -> String {
    report.runs.iter().map(run_html).collect()
}

fn run_html(run: &RunReport) -> String {
    let paragraph = |text: &str| format!("<p>{}</p>\n", lines_html(text));
    let table = summary_table(run);
    let cells = |row: &Row, tag: &str| {
        let cell = |cell: &Cell| format!("<{tag}>{}</{tag}>", lines_html(&cell.content()));
        format!("<tr>{}</tr>\n", row.cell_iter().map(cell).collect::<String>())
    };
    let head = table.header().map_or_else(String::new, |row| cells(row, "th"));
    let body: String = table.row_iter().map(|row| cells(row, "td")).collect();
    let headline = run.headline.as_ref().map_or_else(String::new, |headline| paragraph(&sentences(headline)));
    let note: String = [run.left_out_note(), run.paper_note()].into_iter().flatten().map(|note| paragraph(&note)).collect();
    let name = escaped(&run.name);
    format!("<p><b>{name}</b></p>\n{headline}<table>\n<thead>{head}</thead>\n<tbody>\n{body}</tbody>\n</table>\n{note}")
}

/// Lines of text as HTML.
fn lines_html(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("<br>")
}

/// A row for each figure, a column for each method. A row without a value is left out.
fn summary_table(run: &RunReport) -> Table {
    let methods: Vec<(MethodSummary, &MethodReport)> = run.methods.iter().map(|method| (summary(run, method), method)).collect();
    let header = methods.iter().map(|(summary, _)| format!("{}\n{}", two_lines(&summary.label), summary.method));
    let mut table = table(std::iter::once(String::new()).chain(header).collect(), 1);
    let mut row = |label: &str, cell: &dyn Fn(&MethodSummary, &MethodReport) -> String| {
        let cells: Vec<String> = methods.iter().map(|(summary, method)| cell(summary, method)).collect();
        if cells.iter().any(|cell| *cell != none()) {
            table.add_row(std::iter::once(label.to_owned()).chain(cells));
        }
    };
    row("accuracy, %", &|summary, _| optional_percent(summary.accuracy));
    row("  95% interval", &|summary, _| summary.interval.map_or_else(none, range));
    let paper_label = run.paper_model().map(|model| format!("  paper ({model})"));
    if let Some(label) = &paper_label {
        row(label, &|summary, _| summary.paper.as_ref().map_or_else(none, |paper| format!("{:.1}", paper.percent)));
    }
    for class in classes(run) {
        let measured = run.methods.iter().find(|method| method.classes().contains(&class));
        let name = measured.map_or_else(|| class.to_owned(), |method| method.class_with_number(class));
        row(&format!("{name}, %"), &|summary, _| class_percent(&summary.by_class.0, class));
    }
    for (label, difference) in [
        ("points from untrained", (|summary| summary.from_base) as fn(&MethodSummary) -> Option<PairedDifference>),
        ("points from main", |summary| summary.from_main),
    ] {
        row(label, &|summary, _| points(difference(summary)));
        row("  gained, lost", &|summary, _| gained_lost(difference(summary)));
        row("  McNemar p", &|summary, _| difference(summary).map_or_else(none, |of| p_value(of.p_value)));
    }
    row("split", &|summary, _| summary.split.name().to_owned());
    row("after iteration", &|summary, method| match method.final_metrics {
        Some(_) if method.info.approach.bootstraps() => format!("{} (the best)", summary.iteration),
        _ => summary.iteration.to_string(),
    });
    row("problems learned, %", &|summary, _| summary.train_used.map_or_else(none, train_used));
    if let Some(label) = &paper_label {
        row(label, &|summary, _| paper_train_used(summary.paper.as_ref()));
    }
    row("problems attempted", &|summary, _| count(summary.problems));
    if methods.iter().any(|(summary, _)| summary.without_verdict > 0) {
        row("verifier failed", &|summary, _| count(summary.without_verdict));
    }
    row("tokens sampled", &|summary, _| tokens(summary.sampled_tokens));
    row("tokens trained", &|summary, _| tokens(summary.trained_tokens));
    row("time", &|summary, _| time(summary.seconds));
    table
}

fn points(difference: Option<PairedDifference>) -> String {
    difference.map_or_else(none, |of| format!("{:+.1}", 100.0 * of.difference))
}

fn gained_lost(difference: Option<PairedDifference>) -> String {
    difference.map_or_else(none, |of| format!("{}, {}", of.gained, of.lost))
}

fn p_value(p: f64) -> String {
    probability(p).trim_start_matches("= ").to_owned()
}

/// One table per run: the paper's rows, each with the methods of the same approach, then the other methods.
pub(super) fn beside_the_paper(report: &Report) -> String {
    let tables = report.runs.iter().map(|run| {
        let name = if report.runs.len() > 1 { format!("{}\n", run.name) } else { String::new() };
        let model =
            run.paper_model().map_or_else(String::new, |model| format!("The paper's model is {model} unless a row names another. "));
        let measured = run.methods.iter().map(|method| {
            let shown = method.shown();
            format!("{} {} problems", thousands(shown.accuracy.total), shown.split.name())
        });
        // The same for all methods, unless a config says otherwise.
        let measured = measured.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" or ");
        let note = run.paper_note().map_or_else(String::new, |note| format!("\n{note}"));
        format!("{name}{}\n\n{model}Measured on {measured}.{note}", trim(&paper_table(run)))
    });
    tables.collect::<Vec<_>>().join("\n\n")
}

fn paper_table(run: &RunReport) -> Table {
    let header = ["", "paper, %", "measured, %", "95%\ninterval", "learned, %\npaper", "learned, %\nmeasured"];
    let mut rows = Vec::new();
    let figures = &run.info.task.paper;
    for figure in figures {
        let same = |method: &&MethodReport| method.info.approach == figure.approach && run.paper_model() == Some(&figure.model);
        let mut methods: Vec<Option<&MethodReport>> = run.methods.iter().filter(same).map(Some).collect();
        if methods.is_empty() {
            methods.push(None);
        }
        for method in methods {
            rows.push(beside(run, Some(figure), method).into());
        }
    }
    for method in run.methods.iter().filter(|method| figures.iter().all(|figure| figure.approach != method.info.approach)) {
        rows.push(beside(run, None, Some(method)).into());
    }
    filled(header.map(str::to_owned).into(), 1, rows)
}

fn beside(run: &RunReport, figure: Option<&PaperFigure>, method: Option<&MethodReport>) -> [String; 6] {
    let measured = method.map(|method| summary(run, method));
    let label = match (method, figure) {
        (Some(method), _) => format!("{} ({})", method.info.label, method.info.name),
        (None, Some(figure)) if run.paper_model() != Some(&figure.model) => format!("{}, {}", figure.approach.title(), figure.model),
        (None, Some(figure)) => figure.approach.title().to_owned(),
        (None, None) => String::new(),
    };
    [
        label,
        figure.map_or_else(none, |figure| format!("{:.1}", figure.percent)),
        optional_percent(measured.as_ref().and_then(|summary| summary.accuracy)),
        measured.as_ref().and_then(|summary| summary.interval).map_or_else(none, range),
        paper_train_used(figure),
        measured.and_then(|summary| summary.train_used).map_or_else(none, train_used),
    ]
}

/// `86.7 (78.2 + 8.5)`: the share without hint and the share by rationalization, if there is one.
fn train_used(used: TrainUse) -> String {
    let parts = format!(" ({} + {})", percent(used.generated), percent(used.rationalized));
    format!("{}{}", percent(used.share), if used.rationalized > 0.0 { parts } else { String::new() })
}

fn paper_train_used(figure: Option<&PaperFigure>) -> String {
    figure.and_then(|figure| figure.train_used).map_or_else(none, |[generated, rationalized]| {
        let [share, generated, rationalized] = [generated + rationalized, generated, rationalized].map(|percent| percent / 100.0);
        train_used(TrainUse { share, generated, rationalized })
    })
}

/// Two tables per method that trained, a row per iteration: what came out, and what went in.
pub(super) fn iterations(report: &Report) -> String {
    let rows = report.results();
    let trained = report.methods().filter(|(_, method)| method.iterations.iter().any(|it| it.metrics.training.is_some()));
    let tables = trained.map(|(run, method)| {
        let of_method: Vec<&ResultRow> = rows.iter().filter(|row| row.run == run.name && row.method == method.info.name).collect();
        let run = if report.runs.len() > 1 { format!("{}, ", run.name) } else { String::new() };
        let (accuracy, work) = (accuracy_table(method, &of_method), work_table(method, &of_method));
        format!("{run}{} ({})\n{}\n\n{}", method.info.name, method.info.label, trim(&accuracy), trim(&work))
    });
    tables.collect::<Vec<_>>().join("\n\n")
}

fn accuracy_table(method: &MethodReport, rows: &[&ResultRow]) -> Table {
    let classes = method.classes();
    let mut header = vec!["iteration".to_owned(), "accuracy, %".into(), "95%\ninterval".into()];
    header.extend(classes.iter().map(|class| two_lines(&method.class_with_number(class).replacen(" (", "\n(", 1))));
    let cells = rows.iter().map(|row| {
        let mut cells = vec![row.iteration.to_string(), optional_percent(row.accuracy), row.interval.map_or_else(none, range)];
        cells.extend(classes.iter().map(|class| class_percent(&row.by_class.0, class)));
        cells
    });
    filled(header, 0, cells.collect())
}

fn work_table(method: &MethodReport, rows: &[&ResultRow]) -> Table {
    let bootstraps = method.info.approach.bootstraps();
    let mut header = vec!["iteration"];
    if bootstraps {
        header.extend([
            "problems",
            "right,\nno hint",
            "right,\nwith hint",
            "learned",
            "faithful %,\nno hint",
            "faithful %,\nwith hint",
            "tokens\nsampled",
        ]);
    }
    header.extend(["steps", "tokens\ntrained", "loss", "time"]);
    let cells = rows.iter().zip(&method.iterations).map(|(row, iteration)| {
        let metrics = &iteration.metrics;
        let mut cells = vec![row.iteration.to_string()];
        if bootstraps {
            cells.extend([row.problems, metrics.unhinted.correct, metrics.hinted.correct, row.kept].map(count));
            cells.extend([row.faithful_unhinted, row.faithful_hinted].map(optional_percent));
            cells.push(tokens(row.sampled_tokens));
        }
        cells.push(count(row.steps.unwrap_or(0)));
        cells.push(tokens(row.trained_tokens));
        cells.push(row.loss.map_or_else(none, |loss| format!("{loss:.4}")));
        cells.push(time(row.seconds));
        cells
    });
    filled(header.into_iter().map(Into::into).collect(), 0, cells.collect())
}

/// A table of these rows, without the columns that have no value in any row.
fn filled(header: Vec<String>, left: usize, rows: Vec<Vec<String>>) -> Table {
    let is_kept: Vec<bool> = (0..header.len()).map(|column| rows.iter().any(|row| row[column] != none())).collect();
    let only = |cells: Vec<String>| -> Vec<String> {
        cells.into_iter().zip(&is_kept).filter(|(_, is_kept)| **is_kept).map(|(cell, _)| cell).collect()
    };
    let mut table = table(only(header), left);
    for row in rows {
        table.add_row(only(row));
    }
    table
}

/// A table with a rule under its header. The first `left` columns are aligned to the left, the others to the right.
pub(super) fn table(header: Vec<String>, left: usize) -> Table {
    let mut table = Table::new();
    // No cell is wrapped: a wide table can be scrolled, but a number that is broken in two cannot be read.
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().header_separator(rule));
    table.set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((u16::from(place > 0), 0));
        if place >= left {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The table without blanks at the ends of its lines.
pub(super) fn trim(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn classes(run: &RunReport) -> Vec<&str> {
    let mut classes = Vec::new();
    for class in run.methods.iter().flat_map(MethodReport::classes) {
        if !classes.contains(&class) {
            classes.push(class);
        }
    }
    classes
}

/// A text that is broken at its first blank, so that columns stay narrow.
fn two_lines(text: &str) -> String {
    text.replacen(' ', "\n", 1)
}

fn class_percent(by_class: &[(String, f64)], class: &str) -> String {
    optional_percent(by_class.iter().find(|(name, _)| name == class).map(|(_, share)| *share))
}

fn optional_percent(share: Option<f64>) -> String {
    share.map_or_else(none, percent)
}

fn count(number: u64) -> String {
    if number == 0 { none() } else { thousands(number) }
}

fn tokens(number: u64) -> String {
    if number == 0 { none() } else { format::count(number as f64) }
}

fn none() -> String {
    "-".into()
}

fn time(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "?".into(), duration)
}
