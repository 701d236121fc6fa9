//! Tables in text files: columns between ` | `, the text last.

/// The rows of a table with their lines, without comments and headings. `⏎` stands for a line break, `␣` and `⌴` for blanks that are hard to see.
pub fn rows(table: &'static str) -> impl Iterator<Item = (usize, Vec<&'static str>, String)> {
    table.lines().zip(1..).filter(|(line, _)| !line.starts_with('#') && !line.is_empty()).map(|(line, number)| {
        let count = if line.starts_with('@') { 1 } else { 3.min(line.split(" | ").count()) };
        let mut columns: Vec<&str> = line.splitn(count, " | ").collect();
        let text = columns.pop().unwrap_or_default();
        (number, columns, shown(text))
    })
}

fn shown(text: &str) -> String {
    text.replace('⏎', "\n").replace('␣', "\u{a0}").replace('⌴', "\u{2009}")
}

/// The choices of a row `@ one; two`.
pub fn choices(text: &str) -> Option<Vec<String>> {
    Some(text.strip_prefix("@ ")?.split("; ").map(str::to_owned).collect())
}
