//! Texts of models, made safe for a terminal: characters that control the terminal, hide text or reverse it are shown by name.

/// Longest line that is shown whole.
const LONGEST: usize = 400;

/// A text whose control and invisible characters are named, line by line. Line feeds stay.
pub fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        match c {
            '\n' => shown.push(c),
            '\t' => shown.push_str("    "),
            // Unicode has the pictures of control characters in the order of their codes.
            c if u32::from(c) < 0x20 => shown.extend(char::from_u32(0x2400 + u32::from(c))),
            c if is_unseen(c) => shown.extend(["⟨U+", &format!("{:04X}", u32::from(c)), "⟩"]),
            c => shown.push(c),
        }
        shown
    })
}

/// As [`visible`]. Long lines are cut, and the number of hidden characters is shown.
pub fn readable(text: &str) -> String {
    let cut = |line: &str| match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{} … ({} more characters; --full shows them)", visible(&line[..at]), line[at..].chars().count()),
        None => visible(line),
    };
    text.split('\n').map(cut).collect::<Vec<_>>().join("\n")
}

/// As [`readable`], on one line.
pub fn line(text: &str) -> String {
    readable(&text.replace('\n', "\u{240a}"))
}

/// Characters that change the output or are invisible: controls, direction marks, zero-width characters, tags.
pub fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_steers_it() {
        assert_eq!(visible("a\u{1b}[31mb\u{7}\rc\n\td"), "a␛[31mb␇␍c\n    d");
        assert_eq!(visible("5\u{202e}6\u{200b}\u{9b}2J"), "5⟨U+202E⟩6⟨U+200B⟩⟨U+009B⟩2J");
        assert_eq!(visible("grüße 你好 🙂 1 < 2"), "grüße 你好 🙂 1 < 2");
    }

    #[test]
    fn long_lines_are_cut_where_a_character_ends() {
        let long = "ü".repeat(LONGEST + 3);
        let shown = readable(&format!("{long}\nshort"));
        assert!(shown.starts_with(&"ü".repeat(LONGEST)) && shown.contains("(3 more characters") && shown.ends_with("\nshort"), "{shown}");
        assert_eq!(readable("short\u{1b}"), "short␛");
        assert_eq!(line("1\n2"), "1␊2");
    }
}
