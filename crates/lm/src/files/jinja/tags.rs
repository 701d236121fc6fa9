//! Rewrites the statements of a template. Their expressions are rewritten in [`super::expressions`].

use super::lexemes::lexemes;
use super::nesting::SHALLOW;
use super::reader::Reader;

/// A name that no template sets.
const NOT_DEFINED: &str = "_not_defined";

/// The code of `{{ }}`.
pub(super) fn with_rewritten_expression(code: &str) -> Result<String, String> {
    rewritten(code, shown)
}

/// The tag `{% %}` with the tags that must follow it.
pub(super) fn rewritten_statement(code: &str) -> Result<String, String> {
    let mut behind = String::new();
    let code = rewritten(code, |reader| statement(reader, &mut behind))?;
    Ok(format!("{{%{code}%}}{behind}"))
}

/// The code with the marks that trim blanks, which are no part of it.
fn rewritten(code: &str, rewrite: impl FnOnce(&mut Reader<'_>) -> Result<String, String>) -> Result<String, String> {
    let (begin, code) = code.split_at(usize::from(code.starts_with(['-', '+'])));
    let (code, end) = code.split_at(code.len() - usize::from(code.ends_with(['-', '+'])));
    let (found, blanks) = lexemes(code);
    let mut reader = Reader::new(&found);
    let text = rewrite(&mut reader)?;
    reader.end()?;
    // A bracket that ends the code must not touch the bracket of the tag.
    Ok([begin, " ", text.trim_start_matches([' ', '\t']), if blanks.is_empty() { " " } else { blanks }, end].concat())
}

fn shown(reader: &mut Reader<'_>) -> Result<String, String> {
    reader.tuple()
}

fn statement(reader: &mut Reader<'_>, behind: &mut String) -> Result<String, String> {
    let keyword = reader.next_name()?;
    let rest = match keyword.trim() {
        "if" | "elif" | "do" | "autoescape" => reader.expression()?.into_text(),
        "for" => iteration(reader)?,
        "set" => assignment(reader)?,
        "with" => bindings(reader)?,
        "macro" => reader.next_name()? + &parameters(reader, behind)?,
        "call" => {
            let parameters = if reader.peek() == "(" { parameters(reader, behind)? } else { String::new() };
            parameters + &reader.expression()?.into_text()
        }
        "filter" => reader.filter_chain()?,
        "generation" => return Ok(keyword.replace("generation", "with")),
        "endgeneration" => return Ok(keyword.replace("endgeneration", "endwith")),
        "block" | "endblock" | "else" | "endif" | "endfor" | "endset" | "endwith" | "endmacro" | "endcall" | "endfilter"
        | "endautoescape" | "break" | "continue" | "endraw" => names(reader)?,
        other => return Err(format!("syntax error: the tag `{other}` is not known")),
    };
    Ok(keyword + &rest)
}

fn names(reader: &mut Reader<'_>) -> Result<String, String> {
    let mut text = String::new();
    while !reader.peek().is_empty() {
        text += &reader.next_name()?;
    }
    Ok(text)
}

/// `a, (b, c) in items if condition recursive`
fn iteration(reader: &mut Reader<'_>) -> Result<String, String> {
    let mut text = String::new();
    while reader.peek() != "in" {
        text += &reader.next()?;
    }
    text.extend([reader.next()?, " (".to_owned(), reader.tuple_without_condition()?, ")|_iterable".to_owned()]);
    if reader.peek() == "if" {
        text += &(reader.next()? + &reader.expression()?.into_text());
    }
    if reader.peek() == "recursive" {
        text += &reader.next()?;
    }
    Ok(text)
}

/// `a, b.c = value`, or the beginning of a block. What is assigned must be shallow; the text of a block is.
fn assignment(reader: &mut Reader<'_>) -> Result<String, String> {
    let mut target = String::new();
    while !["=", "|", ""].contains(&reader.peek()) {
        target += &reader.next()?;
    }
    match reader.peek() {
        "=" => {
            let level = usize::from(target.contains('.'));
            Ok(format!("{target}{} ({})|{SHALLOW}({level})", reader.next()?, reader.tuple()?))
        }
        "|" => Ok(target + &reader.next()? + &reader.filter_chain()?),
        _ => Ok(target),
    }
}

/// `a = 1, b = 2`
fn bindings(reader: &mut Reader<'_>) -> Result<String, String> {
    let mut text = String::new();
    while !reader.peek().is_empty() {
        text += &(reader.next_name()? + &reader.expect("=")? + &reader.expression()?.into_text());
        if !reader.peek().is_empty() {
            text += &reader.expect(",")?;
        }
    }
    Ok(text)
}

/// `(a, b=1)`. `minijinja` reads all defaults before it sets a parameter. So a default that names another parameter is assigned behind
/// the tag.
fn parameters(reader: &mut Reader<'_>, behind: &mut String) -> Result<String, String> {
    let mut text = reader.expect("(")?;
    let mut names: Vec<String> = Vec::new();
    while reader.peek() != ")" {
        let name = reader.next_name()?;
        text += &name;
        let name = name.trim().to_owned();
        if reader.peek() == "=" {
            text += &reader.next()?;
            let default = reader.expression()?.into_text();
            if lexemes(&default).0.iter().any(|lexeme| names.iter().any(|name| name == lexeme.text)) {
                let assignment = format!("{{% set {name} = ({name} if {name} is defined else {default})|{SHALLOW}(0) %}}");
                behind.push_str(&assignment);
                text += NOT_DEFINED;
            } else {
                text += &default;
            }
        }
        if reader.peek() != ")" {
            text += &reader.expect(",")?;
        }
        names.push(name);
    }
    Ok(text + &reader.next()?)
}
