//! Tables for the terminal.

use super::paper::{self, PAPER_MODEL, PaperFigure};
use super::{MethodReport, MethodSummary, Report, ResultRow, RunReport, TrainUse, summary};
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
    row("  95% interval", &|summary, _| optional_interval(summary.interval));
    let paper_label = format!("  paper ({PAPER_MODEL})");
    row(&paper_label, &|summary, _| summary.paper.map_or_else(none, |paper| format!("{:.1}", paper.percent)));
    for class in classes(run) {
        row(&format!("{class}, %"), &|summary, _| class_percent(&summary.by_class.0, class));
    }
    row("measured on", &|summary, _| summary.split.name().to_owned());
    row("after iteration", &|summary, method| match method.final_metrics {
        Some(_) if method.kind.bootstraps() => format!("{} (the best)", summary.iteration),
        _ => summary.iteration.to_string(),
    });
    row("train used, %", &|summary, _| summary.train_used.map_or_else(none, train_used));
    if methods.iter().any(|(summary, _)| summary.paper.is_some_and(|paper| paper.train_used.is_some())) {
        row(&paper_label, &|summary, _| paper_train_used(summary.paper.as_ref()));
    }
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

/// One table per run: the paper's rows, each with the methods that did the same, and after them the methods that the paper has not.
pub(super) fn beside_the_paper(report: &Report) -> String {
    let tables = report.runs.iter().map(|run| {
        let header = ["", "paper, %", "measured, %", "95%\ninterval", "train used, %\npaper", "train used, %\nmeasured"];
        let mut table = table(header.map(str::to_owned).into(), 1);
        let of_task = || paper::of_task(&run.task);
        for figure in of_task() {
            let same = |method: &&MethodReport| method.kind == figure.approach && figure.model == PAPER_MODEL;
            let mut methods: Vec<Option<&MethodReport>> = run.methods.iter().filter(same).map(Some).collect();
            if methods.is_empty() {
                methods.push(None);
            }
            for method in methods {
                table.add_row(beside(run, Some(figure), method));
            }
        }
        for method in run.methods.iter().filter(|method| of_task().all(|figure| figure.approach != method.kind)) {
            table.add_row(beside(run, None, Some(method)));
        }
        let name = if report.runs.len() > 1 { format!("{}\n", run.name) } else { String::new() };
        let measured = run.methods.iter().map(|method| {
            let shown = method.shown();
            format!("{} {} problems", thousands(shown.accuracy.total), shown.split.name())
        });
        // Alike for all methods, unless a config says otherwise.
        let measured = measured.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" or ");
        format!("{name}{}\n\nThe paper's model is {PAPER_MODEL} where none is named. Measured on {measured}.", trim(&table))
    });
    tables.collect::<Vec<_>>().join("\n\n")
}

fn beside(run: &RunReport, figure: Option<&PaperFigure>, method: Option<&MethodReport>) -> [String; 6] {
    let measured = method.map(|method| summary(run, method));
    let title = figure.map(|figure| figure.approach).or(method.map(|method| method.kind)).map_or("", |approach| approach.title());
    let label = match (method, figure) {
        (Some(method), _) => format!("{title} ({})", method.name),
        (None, Some(figure)) if figure.model != PAPER_MODEL => format!("{title}, {}", figure.model),
        _ => title.to_owned(),
    };
    [
        label,
        figure.map_or_else(none, |figure| format!("{:.1}", figure.percent)),
        optional_percent(measured.as_ref().and_then(|summary| summary.accuracy)),
        optional_interval(measured.as_ref().and_then(|summary| summary.interval)),
        paper_train_used(figure),
        measured.and_then(|summary| summary.train_used).map_or_else(none, train_used),
    ]
}

/// `86.7 (78.2 + 8.5)`: what was generated and what was rationalized, where something was.
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
    for row in rows {
        let mut cells = vec![row.iteration.to_string(), optional_percent(row.accuracy), optional_interval(row.interval)];
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
pub(super) fn table(header: Vec<String>, left: usize) -> Table {
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

/// Broken at its first blank, so that columns stay narrow.
fn two_lines(text: &str) -> String {
    text.replacen(' ', "\n", 1)
}

fn class_percent(by_class: &[(String, f64)], class: &str) -> String {
    optional_percent(by_class.iter().find(|(name, _)| name == class).map(|(_, share)| *share))
}

fn optional_interval(interval: Option<[f64; 2]>) -> String {
    interval.map_or_else(none, |[low, high]| format!("{}..{}", percent(low), percent(high)))
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
pub(super) fn tokens(number: u64) -> String {
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
