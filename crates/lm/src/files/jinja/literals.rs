//! Strings in a template's code, with the escapes of Python.

/// The string with the escapes that `minijinja` knows. Python keeps the backslash of an unknown escape, and so does `minijinja`.
pub(super) fn with_known_escapes(literal: &str) -> String {
    let mut text = String::with_capacity(literal.len());
    let mut rest = literal;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        let length = if let Some((character, length)) = unescaped(escape) {
            push_quoted(&mut text, character);
            length
        } else {
            let length = escape.chars().next().map_or(0, char::len_utf8);
            if !escape.starts_with('\n') {
                text.push_str(&rest[at..=at + length]);
            }
            length
        };
        rest = &escape[length..];
    }
    text + rest
}

/// The character of an escape that only Python knows, and the bytes behind the backslash.
fn unescaped(escape: &str) -> Option<(char, usize)> {
    let number = |from: usize, to: usize, radix: u32| {
        let code = escape.get(from..to).and_then(|digits| u32::from_str_radix(digits, radix).ok())?;
        char::from_u32(code).map(|character| (character, to))
    };
    match escape.as_bytes().first()? {
        b'a' => Some(('\u{7}', 1)),
        b'b' => Some(('\u{8}', 1)),
        b'f' => Some(('\u{c}', 1)),
        b'v' => Some(('\u{b}', 1)),
        b'x' => number(1, 3, 16),
        b'U' => number(1, 9, 16),
        b'0'..=b'7' => number(0, escape.bytes().take(3).take_while(|digit| (b'0'..=b'7').contains(digit)).count(), 8),
        _ => None,
    }
}

fn push_quoted(text: &mut String, character: char) {
    if matches!(character, '\'' | '"' | '\\') {
        text.push('\\');
    }
    text.push(character);
}
