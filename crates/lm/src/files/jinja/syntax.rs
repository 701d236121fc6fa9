//! Rewrites a template's source: Jinja does some things that `minijinja` does not.
//!
//! - Line ends of all systems become newlines.
//! - `{% generation %}` marks what training may learn. It adds nothing to the text and becomes `{% with %}`, which has the same scope.
//! - The newline behind `{% raw %}` stays, as it does in Jinja.
//! - Operators become filters, and what is assigned stays shallow: see [`super::expressions`] and [`super::nesting`].
//!
//! It also refuses what would exhaust the stack of the parser.

use super::lexemes::{Lexeme, code_length, lexemes};
use super::tags::{rewritten_statement, with_rewritten_expression};

/// The most words of a tag. The parser goes one level deeper for each operator of a chain, and the stack holds so many levels.
const MOST_WORDS: usize = 1000;
/// The most `elif` tags of a template, for the same reason.
const MOST_BRANCHES: usize = 500;
/// The most brackets within one another. A list of lists is a value of as many levels.
const MOST_BRACKETS: usize = 20;

/// The template as `minijinja` reads it, for [`super::environment`].
///
/// # Errors
/// A tag cannot be read, is too long, or its brackets are too deep; the text says where.
pub fn prepared(source: &str) -> Result<String, String> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut text = String::with_capacity(2 * source.len());
    let (mut rest, mut branches) = (source.as_str(), 0);
    while let Some((begin, close)) = next_tag(rest) {
        text.push_str(&rest[..begin]);
        let tag = &rest[begin..];
        let length = if close == "#}" { tag[2..].find(close) } else { code_length(&tag[2..], close) };
        let refused =
            |what: String| format!("{what} (line {} of the template)", 1 + source[..source.len() - tag.len()].matches('\n').count());
        // The parser would read the rest of the template as one tag, whatever its length.
        let length = length.ok_or_else(|| refused(format!("a tag does not end, expected `{close}`")))?;
        let (code, after) = (&tag[2..2 + length], &tag[4 + length..]);
        let word = code.trim_matches(['-', '+']).trim();
        rest = after;
        match (close, word) {
            ("#}", _) => text.push_str(&tag[..4 + length]),
            ("%}", "raw") => {
                let raw = end_of_raw(after).unwrap_or(after.len());
                // Without a mark, `minijinja` would drop the newline behind the tag.
                let mark = if code.ends_with(['-', '+']) { "" } else { "+" };
                text.extend(["{%", code, mark, close, &after[..raw]]);
                rest = &after[raw..];
            }
            ("%}", _) => {
                branches += usize::from(word.starts_with("elif"));
                if branches > MOST_BRANCHES {
                    return Err(refused(format!("there are more than {MOST_BRANCHES} elif tags")));
                }
                text.push_str(&checked(code).and_then(rewritten_statement).map_err(refused)?);
            }
            _ => text.extend(["{{", &checked(code).and_then(with_rewritten_expression).map_err(refused)?, "}}"]),
        }
    }
    Ok(text + rest)
}

/// The code of a tag that is no danger to the stack.
fn checked(code: &str) -> Result<&str, String> {
    let (found, _) = lexemes(code);
    if found.len() > MOST_WORDS {
        return Err(format!("a tag has more than {MOST_WORDS} words; divide it"));
    }
    if brackets(&found) > MOST_BRACKETS {
        return Err(format!("a tag has more than {MOST_BRACKETS} brackets within one another; divide it"));
    }
    Ok(code)
}

/// The most brackets of a tag that are within one another.
fn brackets(found: &[Lexeme<'_>]) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for lexeme in found {
        match lexeme.text {
            "(" | "[" | "{" => open += 1,
            ")" | "]" | "}" => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
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

/// The place at which the tag begins that ends a raw block.
fn end_of_raw(text: &str) -> Option<usize> {
    let is_end = |at: &usize| text[at + 2..].trim_start_matches(['-', '+']).trim_start().starts_with("endraw");
    text.match_indices("{%").map(|(at, _)| at).find(is_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_becomes_one_that_means_the_same() {
        for (source, expected) in [
            ("a\r\nb\rc", "a\nb\nc"),
            ("{% generation %}x{%- endgeneration -%}", "{% with %}x{%- endwith -%}"),
            ("{{ '%s-%d' % (a, b) }}", "{{ '%s-%d'|_mod( (a, b)|shallow(0)) }}"),
            ("{% set x = '%s' % a.b[0]|trim ~ '!' %}", "{% set x = ( '%s'|_mod( a.b[0]|trim)|_concat( '!'))|shallow(0) %}"),
            ("{%- set a.b = c, d -%}", "{%- set a.b = (( c,  d,)|shallow(0))|shallow(1) -%}"),
            ("{% set a=b == c%}", "{% set a= (b|_eq( c))|shallow(0) %}"),
            ("{% set a|indent(width=2) %}=b{% endset %}", "{% set a|indent(width=2) %}=b{% endset %}"),
            ("{{ 3 * a % b }}{{ a + b ~ c < d }}", "{{ 3|_mul( a)|_mod( b) }}{{ a|_add( b|_concat( c))|_lt( d) }}"),
            ("{{ 1 < a <= b }}{{ not a not in b }}", "{{ 1|_lt( a) and  a|_le( b) }}{{ not  a|_not_in( b) }}"),
            ("{{ a[1:][b][0]['c'].d(e, f=1, *g) }}", "{{ ( a|_slice(1, none, none)|paid)[b|metered][0]['c'].d(e, f=1, *g|metered) }}"),
            ("{{ [a, {b: 1}, (1,), -1, +c] }}", "{{ [a, {b|metered: 1}|shallow(0), (1,), -1,c|_pos]|shallow(0) }}"),
            ("{% for a in b if c == 1 %}", "{% for a in ( b)|_iterable if c|_eq( 1) %}"),
            ("{% macro m(a, b=a) -%}", "{% macro m(a, b=_not_defined) -%}{% set b = (b if b is defined else a)|shallow(0) %}"),
            ("{{ '%}' }} 100 % {# '%s' % a #}", "{{ '%}' }} 100 % {# '%s' % a #}"),
            ("{% raw %}\n{{ a % b }}{% endraw %}", "{% raw +%}\n{{ a % b }}{% endraw %}"),
            ("{{ {'a': {'b': 1}} }}{{ 'it\\'s \\x41' }}", "{{ {'a': {'b': 1}} }}{{ 'it\\'s A' }}"),
            ("{", "{"),
        ] {
            assert_eq!(prepared(source).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn what_cannot_be_read_names_the_line() {
        for (source, said) in [
            ("{{ '%s' % }}", "syntax error: the tag ends too early, expected an expression (line 1 of the template)"),
            ("\n{{ a b }}", "syntax error: unexpected `b`, expected the end of the tag (line 2 of the template)"),
            ("{%}", "a tag does not end, expected `%}` (line 1 of the template)"),
            ("\n{{ '", "a tag does not end, expected `}}` (line 2 of the template)"),
            ("{% raw", "a tag does not end, expected `%}` (line 1 of the template)"),
            ("{{ a [ }}", "a tag does not end, expected `}}` (line 1 of the template)"),
            ("{#", "a tag does not end, expected `#}` (line 1 of the template)"),
            ("{% include 'a' %}", "syntax error: the tag `include` is not known (line 1 of the template)"),
        ] {
            assert_eq!(prepared(source).map_err(|error| error == said), Err(true), "{source}");
        }
    }
}
