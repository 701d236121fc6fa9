//! Rewrites a template's source: Jinja accepts some constructs that `minijinja` does not.
//!
//! - Line ends of all systems become newlines.
//! - `{% generation %}` marks what training may learn. It adds nothing to the text and becomes `{% with %}`, which has the same scope.
//! - `'%s-%d' % (a, b)` becomes `'%s-%d'|percent((a, b))`: the operator takes numbers only.
//! - `{% set a = b %}` becomes `{% set a = (b)|shallow(0) %}`, so that values stay shallow.
//!
//! It also refuses what would exhaust the stack of the parser.

use super::nesting::SHALLOW;

/// The filter that replaces the operator `%` after a string.
pub(super) const PERCENT: &str = "percent";
/// Deeper expressions stay as they are; the parser refuses them.
const MAX_DEPTH: usize = 100;

/// The most words of a tag. The parser goes one level deeper for each operator of a chain, and the stack holds so many levels.
const MOST_WORDS: usize = 1000;
/// The most `elif` tags of a template, for the same reason.
const MOST_BRANCHES: usize = 500;
/// The most brackets within one another. A list of lists is a value of as many levels.
const MOST_BRACKETS: usize = 20;

/// The template as `minijinja` reads it, for [`super::environment`].
///
/// # Errors
/// A tag is too long, or its brackets are too deep; the text says where.
pub fn prepared(source: &str) -> Result<String, String> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut text = String::with_capacity(source.len());
    let mut rest = source.as_str();
    let mut branches = 0;
    while let Some((begin, close)) = next_tag(rest) {
        text.push_str(&rest[..begin]);
        let tag = &rest[begin..];
        let length = match close {
            "#}" => tag[2..].find(close).map(|at| at + 2),
            _ => code_length(&tag[2..], close).map(|length| length + 2),
        };
        let Some(length) = length else { return Ok(text + tag) };
        let (code, after) = (&tag[2..length], &tag[length..]);
        let word = code.trim_matches(['-', '+']).trim();
        if close == "%}" && word == "raw" {
            let raw = end_of_raw(after).unwrap_or(after.len());
            text.push_str(&tag[..length + raw]);
            rest = &after[raw..];
            continue;
        }
        text.push_str(&tag[..2]);
        match (close, word) {
            ("%}", "generation") => text.push_str(&code.replace("generation", "with")),
            ("%}", "endgeneration") => text.push_str(&code.replace("endgeneration", "endwith")),
            ("#}", _) => text.push_str(code),
            _ => {
                branches += usize::from(word.starts_with("elif"));
                let refused = |what: String| Err(format!("{what} (line {} of the template)", 1 + text.matches('\n').count()));
                if branches > MOST_BRANCHES {
                    return refused(format!("there are more than {MOST_BRANCHES} elif tags"));
                }
                if words(code) > MOST_WORDS {
                    return refused(format!("a tag has more than {MOST_WORDS} words; divide it"));
                }
                if brackets(code) > MOST_BRACKETS {
                    return refused(format!("a tag has more than {MOST_BRACKETS} brackets within one another; divide it"));
                }
                let code = with_percent_filter(code, 0);
                text.push_str(&if close == "%}" { with_shallow_assignment(&code) } else { code });
            }
        }
        text.push_str(&after[..2]);
        rest = &after[2..];
    }
    Ok(text + rest)
}

/// The lexemes of a tag, blanks aside.
fn words(code: &str) -> usize {
    let (mut at, mut words) = (0, 0);
    while at < code.len() {
        let length = lexeme_length(&code[at..]);
        words += usize::from(!code[at..at + length].trim().is_empty());
        at += length;
    }
    words
}

/// The most brackets of a tag that are within one another.
fn brackets(code: &str) -> usize {
    let (mut at, mut open, mut most) = (0, 0_usize, 0);
    while at < code.len() {
        let length = lexeme_length(&code[at..]);
        match &code[at..at + length] {
            "(" | "[" | "{" => open += 1,
            ")" | "]" | "}" => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
        at += length;
    }
    most
}

/// The code of a `set` tag with the filter after what is assigned. A block that is assigned is a text, which is shallow.
fn with_shallow_assignment(code: &str) -> String {
    let is_set =
        code.trim_start_matches(['-', '+']).trim_start().strip_prefix("set").is_some_and(|rest| rest.starts_with(char::is_whitespace));
    // A bar before the equals sign is a filter of a block.
    let assignment = code.split_once('=').filter(|(target, _)| is_set && !target.contains('|'));
    let Some((target, value)) = assignment else { return code.to_owned() };
    let end = value.trim_end_matches(['-', '+']).trim_end().len();
    let (value, trimming) = value.split_at(end);
    let level = usize::from(target.contains('.'));
    format!("{target}= ({})|{SHALLOW}({level}){}", value.trim_start(), if trimming.is_empty() { " " } else { trimming })
}

/// The place at which the next tag begins, and the text that ends it.
fn next_tag(text: &str) -> Option<(usize, &'static str)> {
    let begin = text.match_indices('{').map(|(at, _)| at).find(|at| text[at + 1..].starts_with(['{', '%', '#']))?;
    Some(match text.as_bytes()[begin + 1] {
        b'{' => (begin, "}}"),
        b'%' => (begin, "%}"),
        _ => (begin, "#}"),
    })
}

/// The bytes before the `close` that is in no string and no bracket.
fn code_length(code: &str, close: &str) -> Option<usize> {
    let (mut at, mut open) = (0, 0_usize);
    while at < code.len() {
        if open == 0 && code[at..].starts_with(close) {
            return Some(at);
        }
        let length = lexeme_length(&code[at..]);
        match &code[at..at + length] {
            "(" | "[" | "{" => open += 1,
            ")" | "]" | "}" => open = open.saturating_sub(1),
            _ => {}
        }
        at += length;
    }
    None
}

/// The place at which the tag begins that ends a raw block.
fn end_of_raw(text: &str) -> Option<usize> {
    let is_end = |at: &usize| text[at + 2..].trim_start_matches(['-', '+']).trim_start().starts_with("endraw");
    text.match_indices("{%").map(|(at, _)| at).find(is_end)
}

/// A string, a name or number, blanks, or one other character.
fn lexeme_length(code: &str) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let until = |end: &dyn Fn(char) -> bool| code.find(end).unwrap_or(code.len());
    match code.chars().next() {
        None => 0,
        Some(quote @ ('\'' | '"')) => {
            let mut escaped = false;
            let end = code.char_indices().skip(1).find(|(_, c)| {
                let ends = *c == quote && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            end.map_or(code.len(), |(at, _)| at + 1)
        }
        Some(c) if is_word(c) => until(&|c| !is_word(c)),
        Some(c) if c.is_whitespace() => until(&|c| !c.is_whitespace()),
        Some(c) => c.len_utf8(),
    }
}

/// The code with a filter for each `%` after a string.
fn with_percent_filter(code: &str, depth: usize) -> String {
    if !code.contains('%') || depth > MAX_DEPTH {
        return code.to_owned();
    }
    let mut text = String::with_capacity(code.len());
    let (mut at, mut after_string) = (0, false);
    while at < code.len() {
        let lexeme = &code[at..at + lexeme_length(&code[at..])];
        at += lexeme.len();
        if lexeme == "%" && after_string {
            let operand = operand_length(&code[at..]);
            let argument = with_percent_filter(&code[at..at + operand], depth + 1);
            text.extend(["|", PERCENT, "(", argument.trim(), ")"]);
            at += operand;
            after_string = false;
            continue;
        }
        if !lexeme.trim().is_empty() {
            after_string = lexeme.starts_with(['\'', '"']);
        }
        text.push_str(lexeme);
    }
    text
}

/// The bytes of an operand: a name, string, number or bracket with attributes, subscripts, calls and filters behind it.
fn operand_length(code: &str) -> usize {
    let blanks = |at: usize| code.len() - code[at..].trim_start().len();
    let mut at = blanks(0);
    if code[at..].starts_with('-') {
        at = blanks(at + 1);
    }
    at += bracketed_length(&code[at..]);
    loop {
        let next = blanks(at);
        match code[next..].chars().next() {
            Some('(' | '[') => at = next + bracketed_length(&code[next..]),
            Some('.' | '|') => {
                let name = blanks(next + 1);
                at = name + lexeme_length(&code[name..]);
            }
            _ => return at,
        }
    }
}

/// The bytes of a bracket with everything in it, or of one lexeme.
fn bracketed_length(code: &str) -> usize {
    if !code.starts_with(['(', '[', '{']) {
        return lexeme_length(code);
    }
    let (mut at, mut open) = (0, 0_usize);
    while at < code.len() {
        let length = lexeme_length(&code[at..]);
        match &code[at..at + length] {
            "(" | "[" | "{" => open += 1,
            ")" | "]" | "}" => open -= 1,
            _ => {}
        }
        at += length;
        if open == 0 {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_becomes_one_that_means_the_same() {
        for (source, expected) in [
            ("a\r\nb\rc", "a\nb\nc"),
            ("{% generation %}x{%- endgeneration -%}", "{% with %}x{%- endwith -%}"),
            ("{{ '%s-%d' % (a, b) }}", "{{ '%s-%d' |percent((a, b)) }}"),
            ("{% set x = '%s' % a.b[0]|trim ~ '!' %}", "{% set x = ('%s' |percent(a.b[0]|trim) ~ '!')|shallow(0) %}"),
            ("{%- set a.b = c, d -%}", "{%- set a.b = (c, d)|shallow(1) -%}"),
            ("{% set a=b == c%}", "{% set a= (b == c)|shallow(0) %}"),
            ("{% set a|indent(width=2) %}=b{% endset %}", "{% set a|indent(width=2) %}=b{% endset %}"),
            ("{% settle = 1 %}{{ set = 1 }}", "{% settle = 1 %}{{ set = 1 }}"),
            ("{{ 'a' % ('b' % c) }}", "{{ 'a' |percent(('b' |percent(c))) }}"),
            ("{{ loop.index0 % 2 }} {{ '%}' }} 100 % {# '%s' % a #}", "{{ loop.index0 % 2 }} {{ '%}' }} 100 % {# '%s' % a #}"),
            ("{% raw %}{{ '%s' % a }}{% endraw %}{{ '%s' % a }}", "{% raw %}{{ '%s' % a }}{% endraw %}{{ '%s' |percent(a) }}"),
            ("{{ {'a': {'b': 1}} }}{{ 'it\\'s %s' % a }}", "{{ {'a': {'b': 1}} }}{{ 'it\\'s %s' |percent(a) }}"),
            ("{%}", "{%}"),
            ("{{ '", "{{ '"),
            ("{", "{"),
            ("{%", "{%"),
            ("{% raw", "{% raw"),
            ("{{ '%s' % }}", "{{ '%s' |percent()}}"),
        ] {
            assert_eq!(prepared(source).as_deref(), Ok(expected), "{source}");
        }
    }
}
