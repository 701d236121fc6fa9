//! Scripts that write no blanks between words.

/// Returns true if a letter is Chinese, Japanese, Korean or Thai. A number or a Latin letter beside it is not a part of its word.
pub(crate) fn is_boundless(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{e7f}' | '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}')
}
