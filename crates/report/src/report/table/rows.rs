//! The summary of a run with a row for each method, for narrow terminals and many methods.

use super::{class_percent, classes, gained_lost, none, optional_percent, p_value, points, range, table, time, tokens, train_used, trim};
use crate::report::{MethodSummary, RunReport, summary};
use starloop_record::Approach;

/// A column: its header, and its cell for a method.
type TableColumn<'a> = (String, Box<dyn Fn(&MethodSummary) -> String + 'a>);

/// Two tables of at most `width` columns: the results, and the accuracy class by class. The untrained model is first, then the methods by
/// accuracy. Columns without a value, and columns at the right for which there is no room, are left out.
pub(super) fn summary_of(run: &RunReport, width: usize) -> String {
    let mut methods: Vec<MethodSummary> = run.methods.iter().map(|method| summary(run, method)).collect();
    let rank = |of: &MethodSummary| if of.approach == Approach::FewShot { 2.0 } else { of.accuracy.unwrap_or(-1.0) };
    methods.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
    let by_class = classes(run).into_iter().map(|class| {
        let measured = run.methods.iter().find(|method| method.classes().contains(&class));
        let name = measured.map_or_else(|| class.to_owned(), |method| method.class_with_number(class));
        column(&name.replacen(" (", "\n(", 1), move |of| class_percent(&of.by_class.0, class))
    });
    let tables = [results(), std::iter::once(name()).chain(by_class).collect()];
    let shown = tables.into_iter().filter_map(|columns| fitting(&methods, &columns, width));
    shown.collect::<Vec<_>>().join("\n\n")
}

fn results() -> Vec<TableColumn<'static>> {
    vec![
        name(),
        column("accuracy,\n%", |of| optional_percent(of.accuracy)),
        column("95%\ninterval", |of| of.interval.map_or_else(none, range)),
        column("points from\nuntrained", |of| points(of.from_base)),
        column("gained,\nlost", |of| gained_lost(of.from_base)),
        column("McNemar\np", |of| of.from_base.map_or_else(none, |difference| p_value(difference.p_value))),
        column("points from\nmain", |of| points(of.from_main)),
        column("paper,\n%", |of| of.paper.as_ref().map_or_else(none, |paper| format!("{:.1}", paper.percent))),
        column("problems\nlearned, %", |of| of.train_used.map_or_else(none, train_used)),
        column("tokens\nsampled", |of| tokens(of.sampled_tokens)),
        column("tokens\ntrained", |of| tokens(of.trained_tokens)),
        column("time", |of| time(of.seconds)),
    ]
}

fn name() -> TableColumn<'static> {
    column("method", |of| of.method.clone())
}

fn column<'a>(header: &str, cell: impl Fn(&MethodSummary) -> String + 'a) -> TableColumn<'a> {
    (header.to_owned(), Box::new(cell))
}

/// The table of the columns that have a value, as many as fit; `None` if only the names are left.
fn fitting(methods: &[MethodSummary], columns: &[TableColumn<'_>], width: usize) -> Option<String> {
    let with_values: Vec<_> = columns.iter().filter(|(_, cell)| methods.iter().any(|method| cell(method) != none())).collect();
    (2..=with_values.len()).rev().map(|shown| drawn(methods, &with_values[..shown])).find(|text| fits(text, width)).or_else(|| {
        // The result itself is shown on every terminal.
        (with_values.len() > 1).then(|| drawn(methods, &with_values[..2]))
    })
}

fn drawn(methods: &[MethodSummary], columns: &[&TableColumn<'_>]) -> String {
    let mut table = table(columns.iter().map(|(header, _)| header.clone()).collect(), 1);
    for method in methods {
        table.add_row(columns.iter().map(|(_, cell)| cell(method)));
    }
    trim(&table)
}

fn fits(text: &str, width: usize) -> bool {
    text.lines().all(|line| line.chars().count() <= width)
}
