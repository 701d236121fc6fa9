//! The paper's figure 4 in characters: accuracy per class over iterations, for a terminal.
//!
//! A character of its class (a number or a letter) marks a curve, never a colour. Curves that meet stand side by side in one cell instead of
//! hiding each other. Crates that plot lines cannot do that.

use super::{IterationReport, MethodReport, Report};

/// Height of a panel: one row for every 10 percentage points.
const LEVELS: usize = 10;
const AXIS: &str = "100% ";

pub(super) fn draw(report: &Report, width: usize) -> String {
    let panels = report.panels();
    let charts = panels.iter().map(|panel| format!("{}\n{}", panel.title, chart(panel.method, width)));
    charts.collect::<Vec<_>>().join("\n\n")
}

fn chart(method: &MethodReport, width: usize) -> String {
    let classes = method.classes();
    let marks = marks(&classes);
    let iterations: Vec<&IterationReport> = method.evaluated().collect();
    let cells: Vec<[String; LEVELS + 1]> = iterations.iter().map(|iteration| column(iteration, &classes, &marks)).collect();
    let last = cells.len() - 1;
    let widest = cells.iter().flatten().map(|cell| cell.chars().count()).max().unwrap_or(1).max(2) + 2;
    let room = width.saturating_sub(AXIS.len() + 2);
    let fitting = (room / widest).max(2);
    let stride = cells.len().div_ceil(fitting);
    // Counted back from the last iteration, which is the result.
    let shown: Vec<usize> = (0..cells.len()).filter(|i| (last - i).is_multiple_of(stride)).collect();

    let spacing = widest.max((room / shown.len()).min(8));

    let mut lines = Vec::new();
    for level in (0..=LEVELS).rev() {
        let label = if level % 5 == 0 { format!("{:>3}%", level * 100 / LEVELS) } else { String::new() };
        let row: Vec<String> = shown.iter().map(|&i| format!("{:<spacing$}", cells[i][level])).collect();
        let line = format!("{label:>4} {} {}", if level % 5 == 0 { '┤' } else { '│' }, row.concat());
        lines.push(line.trim_end().to_owned());
    }
    lines.push(format!("     └{}", "─".repeat(spacing * shown.len())));
    let numbers: Vec<String> = shown.iter().map(|&i| format!("{:<spacing$}", iterations[i].metrics.iteration)).collect();
    lines.push(format!("       {}  iteration", numbers.concat().trim_end()));
    let legend: Vec<String> =
        marks.iter().zip(&classes).map(|(mark, class)| format!("{mark} = {}", method.class_with_number(class))).collect();
    lines.push(format!("       {}", legend.join(", ")));
    if stride > 1 {
        lines.push(format!("       (one iteration in {stride} shown; a wider terminal shows more)"));
    }
    lines.join("\n")
}

/// The marks of one iteration, from 0% up. Accuracy is rounded to the nearest row, but only exactly all or nothing touches 100% or 0%.
fn column(iteration: &IterationReport, classes: &[&str], marks: &[char]) -> [String; LEVELS + 1] {
    let mut cells: [Vec<usize>; LEVELS + 1] = Default::default();
    for (place, class) in classes.iter().enumerate() {
        let Some(entry) = iteration.metrics.by_class.iter().find(|entry| entry.class == *class && entry.accuracy.total > 0) else {
            continue;
        };
        let share = entry.accuracy.mean;
        let level = (share * LEVELS as f64).round() as usize;
        let level = if share > 0.0 && share < 1.0 { level.clamp(1, LEVELS - 1) } else { level };
        cells[level].push(place);
    }
    cells.map(|places| cell(&places, marks))
}

/// The marks of these classes; four neighbours or more as `1-4`.
fn cell(places: &[usize], marks: &[char]) -> String {
    let mut text = String::new();
    for run in places.chunk_by(|a, b| a + 1 == *b) {
        match run {
            [first, .., last] if run.len() > 3 => text.extend([marks[*first], '-', marks[*last]]),
            _ => text.extend(run.iter().map(|place| marks[*place])),
        }
    }
    text
}

/// One character per class: the digit that its name begins with if that tells all classes apart, else a letter.
fn marks(classes: &[&str]) -> Vec<char> {
    let number = |class: &&str| class.split_whitespace().next().and_then(|word| word.parse::<u32>().ok());
    let mut marks: Vec<char> = classes.iter().filter_map(number).filter_map(|n| char::from_digit(n, 36)).collect();
    let all_differ = marks.len() == classes.len() && (1..marks.len()).all(|i| !marks[..i].contains(&marks[i]));
    if !all_differ {
        marks = ('a'..='z').chain('A'..='Z').chain('0'..='9').chain(std::iter::repeat('?')).take(classes.len()).collect();
    }
    marks
}
