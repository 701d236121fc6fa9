//! The part of a completion that is the model's own answer: without thoughts, and without what follows the end of its turn.

use std::borrow::Cow;

/// The model's own text. Places in it are places in the completion.
pub(crate) struct Own<'a> {
    /// The completion up to the end of the turn, with blanks in place of thoughts.
    pub text: Cow<'a, str>,
    /// Something follows, so the text ended by itself.
    pub is_ended: bool,
}

/// The marks before and after a thought.
const THOUGHTS: [(&str, &str); 10] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<thoughts>", "</thoughts>"),
    ("<reasoning>", "</reasoning>"),
    ("<scratchpad>", "</scratchpad>"),
    ("[think]", "[/think]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis", "<|channel|>final<|message|>"),
];

/// Ends of a turn, apart from special tokens in the form `<|...|>`.
const TURNS: [&str; 12] =
    ["</s>", "<eos>", "<eot>", "<eod>", "<pad>", "<end_of_turn>", "<start_of_turn>", "<turn|>", "<|turn>", "[INST]", "[/INST]", "<<SYS>>"];

/// Roles that begin a line of somebody else, before a colon.
const ROLES: [&str; 9] = ["human", "user", "instruction", "usuario", "usuário", "utilisateur", "benutzer", "пользователь", "用户"];

/// Words that begin a new problem, before a colon.
const QUESTIONS: [&str; 26] = [
    "question",
    "q",
    "problem",
    "frage",
    "aufgabe",
    "pregunta",
    "pergunta",
    "problema",
    "domanda",
    "exercice",
    "problème",
    "вопрос",
    "задача",
    "问题",
    "問題",
    "题目",
    "質問",
    "질문",
    "문제",
    "प्रश्न",
    "سؤال",
    "السؤال",
    "soru",
    "vraag",
    "new question",
    "exercise",
];

/// The end of the model's own turn, in bytes: before a marker of another turn or a new question. `None` if the text ends inside a thought.
///
/// ```
/// use starloop_answers::end_of_turn;
///
/// assert_eq!(end_of_turn("It is 72.\n\nQuestion: what is 5+3?"), Some(10));
/// assert_eq!(end_of_turn("It is 72."), Some(9));
/// assert_eq!(end_of_turn("<think>It is"), None);
/// ```
pub fn end_of_turn(completion: &str) -> Option<usize> {
    own(completion).map(|own| own.text.len())
}

/// The model's own text; `None` if it ends inside a thought.
pub(crate) fn own(completion: &str) -> Option<Own<'_>> {
    let (thoughts, end) = Scan { text: completion, at: start(completion) }.parts()?;
    let is_ended = end < completion.len();
    if thoughts.iter().all(|thought| thought.0 == thought.1) {
        return Some(Own { text: Cow::Borrowed(&completion[..end]), is_ended });
    }
    let mut bytes = completion.as_bytes()[..end].to_vec();
    for (from, to) in thoughts {
        bytes[from..to].fill(b' ');
        if to < end && from < to {
            bytes[from] = b'\n';
        }
    }
    // Thoughts begin and end between characters.
    let text = String::from_utf8(bytes).unwrap_or_default();
    Some(Own { text: Cow::Owned(text), is_ended })
}

/// The start of the assistant's text: behind the markers of its role.
fn start(text: &str) -> usize {
    let mut at = 0;
    loop {
        let rest = text[at..].trim_start();
        let blanks = text.len() - at - rest.len();
        let is_thought = THOUGHTS.iter().any(|(open, _)| begins(rest, open));
        let marker = if is_thought { None } else { marker(rest) };
        let role = if at > 0 && begins(rest, "assistant") { Some("assistant".len()) } else { None };
        match marker.or(role) {
            Some(length) => at += blanks + length,
            None => return if at == 0 { 0 } else { at },
        }
    }
}

/// The length of a marker of turns at the beginning of a text.
fn marker(text: &str) -> Option<usize> {
    let special = |open: &str, close: &str| {
        let inside = text.strip_prefix(open)?;
        let length: usize =
            inside.chars().take(48).take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ' ' | '-' | '▁')).map(char::len_utf8).sum();
        (length > 0 && inside[length..].starts_with(close)).then_some(open.len() + length + close.len())
    };
    special("<|", "|>").or_else(|| special("<｜", "｜>")).or_else(|| TURNS.iter().find(|turn| begins(text, turn)).map(|turn| turn.len()))
}

/// Returns true if a text begins with another, without regard to the case of ASCII letters.
fn begins(text: &str, with: &str) -> bool {
    text.get(..with.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(with))
}

fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    text.bytes()
        .zip(0..)
        .filter(|&(byte, _)| byte == wanted.as_bytes()[0])
        .map(|(_, at)| at)
        .find(|&at| begins(text.get(at..).unwrap_or(""), wanted))
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl Scan<'_> {
    /// The thoughts, and where the text ends.
    fn parts(mut self) -> Option<(Vec<(usize, usize)>, usize)> {
        let mut thoughts = vec![(0, self.at)];
        if let Some(end) = self.thought_without_beginning() {
            thoughts.push((0, end));
            self.at = end;
        }
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            if let Some((open, close)) = THOUGHTS.iter().find(|(open, _)| begins(rest, open)) {
                let inside = self.at + open.len();
                let end = inside + find_ignoring_case(&self.text[inside..], close)? + close.len();
                thoughts.push((self.at, end));
                self.at = end;
                continue;
            }
            if marker(rest).is_some() || rest.strip_prefix('\n').is_some_and(begins_other_turn) {
                break;
            }
            // The next place where something can begin.
            let width = rest.chars().next().map_or(1, char::len_utf8);
            self.at += rest[width..].find(['<', '[', '◁', '\n']).map_or(rest.len(), |next| width + next);
        }
        Some((thoughts, self.at.min(self.text.len())))
    }

    /// The end of a thought that the prompt began.
    fn thought_without_beginning(&self) -> Option<usize> {
        let closes = THOUGHTS[..7].iter().filter_map(|(open, close)| {
            let end = find_ignoring_case(&self.text[self.at..], close)?;
            let begins_before = find_ignoring_case(&self.text[self.at..self.at + end], open).is_some();
            (!begins_before).then_some(self.at + end + close.len())
        });
        closes.max()
    }
}

/// Returns true if a line begins the turn of somebody else or a new problem: `Human:`, `### Instruction`, `**Question 2:**`.
fn begins_other_turn(line: &str) -> bool {
    let bare = line.trim_start_matches(['#', '*', '_', '>', ' ', '\t']);
    let is_heading = line.starts_with("##");
    let name_after =
        |names: &[&str]| names.iter().filter_map(|name| after_name(bare, name)).max_by_key(|rest| std::cmp::Reverse(rest.len()));
    let ends_name = |rest: &str| {
        let rest = rest.trim_start_matches(['*', '_', ' ']);
        rest.starts_with([':', '：']) || (is_heading && rest.trim_start().is_empty()) || (is_heading && rest.starts_with('\n'))
    };
    if let Some(rest) = name_after(&ROLES) {
        return ends_name(rest);
    }
    name_after(&QUESTIONS).is_some_and(|rest| ends_name(rest.trim_start_matches(' ').trim_start_matches(|c: char| c.is_ascii_digit())))
}

/// The text after a name. The comparison ignores case.
fn after_name<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text.chars();
    let is_same = name.chars().all(|wanted| rest.next().is_some_and(|c| c == wanted || c.to_lowercase().eq(std::iter::once(wanted))));
    is_same.then_some(rest.as_str())
}
