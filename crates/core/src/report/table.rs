//! Tables for the terminal.

use super::{MethodReport, MethodSummary, Report, ResultRow, RunReport, summary};
use crate::metrics::Accuracy;
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

/// One table per run: a column per method, so that many classes still fit a terminal. Costs are totals over the iterations.
pub(super) fn summaries(report: &Report) -> String {
    let several = report.runs.len() > 1;
    let tables = report.runs.iter().map(|run| {
        let name = if several { format!("{}\n", run.name) } else { String::new() };
        format!("{name}{}", run_summary(run))
    });
    tables.collect::<Vec<_>>().join("\n\n")
}

fn run_summary(run: &RunReport) -> String {
    let methods: Vec<(MethodSummary, &MethodReport)> = run.methods.iter().map(|method| (summary(run, method), method)).collect();
    let header = methods.iter().map(|(summary, _)| format!("{}\n{}", two_lines(summary.kind.title()), summary.method));
    let mut table = table(std::iter::once(String::new()).chain(header).collect(), 1);
    let mut row = |label: &str, cell: &dyn Fn(&MethodSummary, &MethodReport) -> String| {
        table.add_row(std::iter::once(label.to_owned()).chain(methods.iter().map(|(summary, method)| cell(summary, method))));
    };
    row("accuracy, %", &|summary, _| optional_percent(summary.accuracy));
    row("  95% interval", &|_, method| interval(&method.last_evaluated().metrics.accuracy));
    row("  paper (GPT-J 6B)", &|summary, _| summary.paper.map_or_else(none, |paper| format!("{:.1}", paper.percent)));
    for class in classes(run) {
        row(&format!("{class}, %"), &|summary, _| class_percent(&summary.by_class.0, class));
    }
    row("after iteration", &|summary, _| summary.iteration.to_string());
    row("problems attempted", &|summary, _| count(summary.problems));
    row("tokens sampled", &|summary, _| tokens(summary.sampled_tokens));
    row("tokens trained", &|summary, _| tokens(summary.trained_tokens));
    row("time", &|summary, _| time(summary.seconds));
    let mut papers: Vec<String> = Vec::new();
    for (summary, _) in &methods {
        let Some(paper) = summary.paper else { continue };
        let words = format!("{} {:.1} ({})", summary.kind.title(), paper.percent, paper.setting);
        if !papers.contains(&words) {
            papers.push(words);
        }
    }
    if papers.is_empty() { trim(&table) } else { format!("{}\n\nThe paper: {}.", trim(&table), papers.join("; ")) }
}

/// Two tables per method that trained, a row per iteration: what came out, and what went in.
pub(super) fn iterations(report: &Report) -> String {
    let rows = report.results();
    let trained = report.methods().filter(|(_, method)| method.iterations.iter().any(|it| it.metrics.training.is_some()));
    let tables = trained.map(|(run, method)| {
        let of_method: Vec<&ResultRow> = rows.iter().filter(|row| row.run == run.name && row.method == method.name).collect();
        let run = if report.runs.len() > 1 { format!("{}, ", run.name) } else { String::new() };
        let (accuracy, work) = (accuracy_table(method, &of_method), work_table(method, &of_method));
        format!("{run}{} ({})\n{}\n\n{}", method.name, method.kind.title(), trim(&accuracy), trim(&work))
    });
    tables.collect::<Vec<_>>().join("\n\n")
}

fn accuracy_table(method: &MethodReport, rows: &[&ResultRow]) -> Table {
    let classes = method.classes();
    let mut header = vec!["iteration".to_owned(), "accuracy, %".into(), "95%\ninterval".into()];
    header.extend(classes.iter().map(|class| two_lines(class)));
    let mut table = table(header, 0);
    for (row, iteration) in rows.iter().zip(&method.iterations) {
        let mut cells = vec![row.iteration.to_string(), optional_percent(row.accuracy), interval(&iteration.metrics.accuracy)];
        cells.extend(classes.iter().map(|class| class_percent(&row.by_class.0, class)));
        table.add_row(cells);
    }
    table
}

fn work_table(method: &MethodReport, rows: &[&ResultRow]) -> Table {
    let bootstraps = method.kind.bootstraps();
    let mut header = vec!["iteration"];
    if bootstraps {
        header.extend([
            "problems",
            "right,\nunaided",
            "right,\nhinted",
            "kept",
            "faithful %,\nunaided",
            "faithful %,\nhinted",
            "tokens\nsampled",
        ]);
    }
    header.extend(["steps", "tokens\ntrained", "loss", "time"]);
    let mut table = table(header.into_iter().map(Into::into).collect(), 0);
    for (row, iteration) in rows.iter().zip(&method.iterations) {
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
        table.add_row(cells);
    }
    table
}

/// A table with a rule under its header, whose columns after the first `left` are aligned to the right.
fn table(header: Vec<String>, left: usize) -> Table {
    let mut table = Table::new();
    // Never wrapped: a table that is too wide can be scrolled or piped, one with broken numbers cannot be read.
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

/// The table without the blanks at the ends of its lines.
fn trim(table: &Table) -> String {
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

/// Broken at its first blank, so that columns stay narrow.
fn two_lines(text: &str) -> String {
    text.replacen(' ', "\n", 1)
}

fn class_percent(by_class: &[(String, f64)], class: &str) -> String {
    optional_percent(by_class.iter().find(|(name, _)| name == class).map(|(_, share)| *share))
}

fn interval(accuracy: &Accuracy) -> String {
    if accuracy.total == 0 { none() } else { format!("{}..{}", percent(accuracy.low), percent(accuracy.high)) }
}

/// A share in percent, to one decimal. Never rounded to 0 or 100 from between.
pub(super) fn percent(share: f64) -> String {
    let rounded = (share * 1000.0).round() / 10.0;
    let shown = if share > 0.0 && share < 1.0 { rounded.clamp(0.1, 99.9) } else { rounded };
    format!("{shown:.1}")
}

fn optional_percent(share: Option<f64>) -> String {
    share.map_or_else(none, percent)
}

fn count(number: u64) -> String {
    if number == 0 { none() } else { thousands(number) }
}

/// `12,345`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

/// `950`, `12.3k`, `4.56M`.
fn tokens(number: u64) -> String {
    match number as f64 {
        0.0 => none(),
        n if n < 1e3 => format!("{n}"),
        n if n < 1e6 => format!("{:.1}k", n / 1e3),
        n if n < 1e9 => format!("{:.2}M", n / 1e6),
        n => format!("{:.2}G", n / 1e9),
    }
}

fn none() -> String {
    "-".into()
}

fn time(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "?".into(), duration)
}

/// `9.4 s`, `1 min 49 s`, `2 h 05 min`.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}
