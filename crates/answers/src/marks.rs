//! The marks with which a task asks for an answer.

use std::ops::Range;

/// A form in which a task asks for the final answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// `#### 72` on a line.
    Hashes,
    /// `\boxed{72}`.
    Boxed,
    /// `<answer>72</answer>`.
    Tag,
}

impl Mark {
    /// All marks, in the order in which they are searched.
    pub const ALL: [Mark; 3] = [Mark::Hashes, Mark::Boxed, Mark::Tag];
}

/// The text behind a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marked {
    /// The bytes of the content.
    pub content: Range<usize>,
    /// The mark is complete: its line, brace or tag was ended.
    pub is_closed: bool,
}

/// Only so many boxes and tags are tried, from the end of the text. The bound keeps the search linear.
const MOST: usize = 8;

const TAGS: [&str; 5] = ["answer", "final_answer", "final-answer", "finalanswer", "ans"];

/// The lines behind `####`, in order. More hashes than four and emphasis around them make no difference. Of several marks on a line, the last
/// one counts.
pub(crate) fn hashes(text: &str) -> Vec<Marked> {
    let (mut found, mut line_start) = (Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        let bare = line.strip_suffix('\n').unwrap_or(line);
        if let Some(at) = bare.rfind("####") {
            let before = bare[..at].trim_end_matches('#').chars().next_back();
            if before.is_none_or(|c| c.is_whitespace() || matches!(c, '*' | '>' | '_' | '`' | '.')) {
                found.push(Marked { content: line_start + at + 4..line_start + bare.len(), is_closed: line.ends_with('\n') });
            }
        }
        line_start += line.len();
    }
    found
}

/// The contents of the last boxes, last one first.
pub(crate) fn boxes(text: &str) -> Vec<Marked> {
    let starts =
        ["\\boxed", "\\fbox", "\\framebox"].iter().flat_map(|name| text.rmatch_indices(name).take(MOST).map(|(at, name)| at + name.len()));
    let mut starts: Vec<usize> = starts.collect();
    starts.sort_unstable_by(|one, other| other.cmp(one));
    starts.iter().take(MOST).map(|&start| boxed(text, start)).collect()
}

fn boxed(text: &str, start: usize) -> Marked {
    let open = start + text[start..].len() - text[start..].trim_start_matches([' ', '\t']).len();
    let line_end = text[open..].find('\n').map_or(text.len(), |length| open + length);
    let Some(inside) = text[open..].strip_prefix('{') else {
        return Marked { content: open..line_end, is_closed: line_end < text.len() };
    };
    let (mut depth, mut is_escaped) = (1_usize, false);
    let end = inside.bytes().position(|byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    match end {
        Some(length) => Marked { content: open + 1..open + 1 + length, is_closed: true },
        None => Marked { content: open + 1..line_end.max(open + 1), is_closed: false },
    }
}

/// The contents of the last answer tags, last one first.
pub(crate) fn tags(text: &str) -> Vec<Marked> {
    let mut found: Vec<Marked> = Vec::new();
    for (at, _) in text.rmatch_indices('<') {
        let Some(start) = opening(text, at) else { continue };
        let close = text[start..].match_indices("</").find(|&(end, _)| is_closing(&text[start + end..]));
        let next_line = text[start..].trim_start();
        let line_start = text.len() - next_line.len();
        let line_end = next_line.find('\n').map_or(text.len(), |length| line_start + length);
        found.push(match close {
            Some((length, _)) => Marked { content: start..start + length, is_closed: true },
            None => Marked { content: start..line_end, is_closed: false },
        });
        if found.len() == MOST {
            break;
        }
    }
    found
}

/// The end of the opening tag at a place.
fn opening(text: &str, at: usize) -> Option<usize> {
    let inside = &text[at + 1..];
    let name = TAGS.iter().find(|name| inside.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))?;
    let rest = &inside[name.len()..];
    let end = rest.bytes().take(40).position(|byte| matches!(byte, b'>' | b'\n' | b'<')).filter(|&end| rest.as_bytes()[end] == b'>')?;
    let is_name = end == 0 || rest.starts_with(' ');
    is_name.then_some(at + 1 + name.len() + end + 1)
}

fn is_closing(text: &str) -> bool {
    TAGS.iter().any(|name| {
        text.get(2..2 + name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) && text[2 + name.len()..].starts_with('>')
    })
}
