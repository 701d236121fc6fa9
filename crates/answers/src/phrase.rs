//! Phrases that state an answer, in many languages: `the answer is`, `Final answer:`, `答案是`, `Antwort:`.

use crate::number::{DASHES, is_listed, is_one_of};
use crate::script::is_boundless;

/// A phrase and what kind of answer can follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phrase {
    pub start: usize,
    /// The start of the answer.
    pub end: usize,
    pub form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `the answer is`: a sentence that contains the answer.
    Copula,
    /// `Answer:`: the answer, or a whole solution.
    Colon,
    /// `the answer 72`, `答案是72`: the answer directly.
    Direct,
    /// `the answer is not`.
    Negated,
}

/// Nouns of scripts with words. A noun needs a word boundary on both sides.
const NOUNS: [&str; 48] = [
    "answer",
    "answers",
    "ans",
    "ans.",
    "final result",
    "final value",
    "final solution",
    "antwort",
    "lösung",
    "ergebnis",
    "endergebnis",
    "réponse",
    "réponse finale",
    "respuesta",
    "resposta",
    "risposta",
    "ответ",
    "відповідь",
    "antwoord",
    "svar",
    "svaret",
    "vastaus",
    "odpowiedź",
    "odpověď",
    "odpoveď",
    "cevap",
    "yanıt",
    "jawaban",
    "jawabannya",
    "đáp án",
    "câu trả lời",
    "válasz",
    "răspuns",
    "răspunsul",
    "απάντηση",
    "отговор",
    "одговор",
    "odgovor",
    "atsakymas",
    "vastus",
    "fasit",
    "solución",
    "solução",
    "resultado final",
    "résultat final",
    "endgültige antwort",
    "kết quả",
    "sagot",
];

/// Nouns of scripts without blanks or case.
const BOUNDLESS_NOUNS: &str = "答案 答复 最终结果 答えは 答え 解答 正解 回答 答： 答: 정답 답은 답: उत्तर जवाब الجواب الإجابة إجابة جواب پاسخ উত্তর คำตอบ תשובה பதில் సమాధానం";

const COPULAS: &str = "is are was equals becomes ist lautet beträgt est es é è sera será equivale är er on to jest wynosi là adalah это равен \
    равна равно составляет является є είναι je olur este";

const MODALS: &str = "would should must will shall has ought turns comes works";

/// Words before a phrase that make it a supposition.
const SUPPOSITIONS: [&str; 14] =
    ["if", "whether", "unless", "suppose", "supposing", "assume", "assuming", "wenn", "falls", "ob", "si", "se", "если", "why"];

/// The phrases of a text, in order. `nouns` are more names of an answer, such as `correct option`.
pub(crate) fn phrases(text: &str, nouns: &[&str]) -> Vec<Phrase> {
    let mut found: Vec<Phrase> = Vec::new();
    let mut before = '\n';
    for (at, c) in text.char_indices() {
        let is_new = found.last().is_none_or(|last| at >= last.end);
        if is_new && let Some((length, is_bounded)) = noun(&text[at..], c, before, nouns) {
            found.extend(phrase(text, at, length, is_bounded));
        }
        before = c;
    }
    found
}

/// `A:` at the beginning of a line, with which prompts of questions and answers begin an answer.
const SHORT: &str = "A:";

/// The length of a noun that begins here, and whether it is of a script with words.
fn noun(text: &str, first: char, before: char, nouns: &[&str]) -> Option<(usize, bool)> {
    if first.is_ascii() && !first.is_ascii_alphabetic() {
        return None;
    }
    if before == '\n' && nouns.is_empty() && text.starts_with(SHORT) {
        return Some((1, true));
    }
    let boundless = || {
        BOUNDLESS_NOUNS
            .split_whitespace()
            .chain(nouns.iter().copied().filter(|noun| noun.starts_with(is_boundless)))
            .find(|noun| text.starts_with(noun))
    };
    if !first.is_ascii()
        && let Some(noun) = boundless()
    {
        return Some((noun.len(), false));
    }
    if before.is_alphanumeric() && !is_boundless(before) {
        return None;
    }
    let candidates = NOUNS.iter().chain(nouns).filter_map(|noun| prefix_length(text, noun));
    candidates.filter(|&length| !text[length..].starts_with(char::is_alphanumeric)).max().map(|length| (length, true))
}

/// The length of `text` that equals `lower` without regard to case.
pub(crate) fn prefix_length(text: &str, lower: &str) -> Option<usize> {
    let mut rest = text.chars();
    let is_same = lower.chars().all(|wanted| rest.next().is_some_and(|c| c == wanted || c.to_lowercase().eq(std::iter::once(wanted))));
    is_same.then(|| text.len() - rest.as_str().len())
}

fn phrase(text: &str, start: usize, length: usize, is_bounded: bool) -> Option<Phrase> {
    let noun_end = start + length;
    let words_before: Vec<&str> = words_before(&text[..start]).take(3).collect();
    if words_before.iter().any(|word| is_one_of(word, &SUPPOSITIONS)) {
        return None;
    }
    let (end, form) = if is_bounded { after_noun(text, noun_end)? } else { (noun_end, Form::Direct) };
    let is_introduced = words_before.first().is_none_or(|word| is_listed(word, "the final our my correct an la le die"));
    match form {
        Form::Direct if is_bounded && !is_introduced => None,
        Form::Direct if !is_bounded && text[end..].trim_start().starts_with(['不', '非']) => {
            Some(Phrase { start, end, form: Form::Negated })
        }
        _ => Some(Phrase { start, end, form }),
    }
}

/// The words of the same line before a place, last one first.
pub(crate) fn words_before(text: &str) -> impl Iterator<Item = &str> {
    let window = text.char_indices().rev().take(60).last().map_or(text, |(at, _)| &text[at..]);
    let clause = window.rsplit(['\n', '.', ';', ':', '!', '?']).next().unwrap_or("");
    clause.rsplit(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’').filter(|word| !word.is_empty())
}

/// The start of the answer after a noun: behind a colon, a copula or nothing.
fn after_noun(text: &str, noun_end: usize) -> Option<(usize, Form)> {
    let mut cursor = Cursor { text, at: noun_end, limit: noun_end + 200 };
    cursor.skip_markup();
    if cursor.starts_answer() {
        return Some((cursor.at, Form::Direct));
    }
    if cursor.is_heading(noun_end) {
        return Some((cursor.at, Form::Colon));
    }
    for count in 0..12 {
        cursor.skip_markup();
        // `answers totaling 18 + 14 = 32` is an equation.
        if let Some(end) = cursor.colon().filter(|_| count < 6 && (count == 0 || !cursor.rest().starts_with('='))) {
            return Some((end, Form::Colon));
        }
        if cursor.parenthesis() {
            continue;
        }
        let word = cursor.word()?;
        if is_one_of(word, &["isn't", "isn’t", "wasn't", "isnt", "isn"]) {
            return Some((cursor.at, Form::Negated));
        }
        let is_modal = is_listed(word, MODALS) && cursor.modal();
        if is_modal || is_listed(word, COPULAS) {
            let form = if cursor.is_negated() { Form::Negated } else { Form::Copula };
            return Some((cursor.colon().filter(|_| !cursor.is_pause()).unwrap_or(cursor.at), form));
        }
        if is_listed(word, "might could may can cannot can't and or as") {
            return None;
        }
    }
    None
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
    limit: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_markup(&mut self) {
        let rest = self.rest();
        let markup =
            |c: &char| c.is_whitespace() && *c != '\n' || matches!(c, '*' | '_' | '`' | '"' | '\'' | '”' | '’' | '»' | ',' | '}' | '」');
        self.at += rest.chars().take(self.limit.saturating_sub(self.at)).take_while(markup).map(char::len_utf8).sum::<usize>();
    }

    /// A colon, an equals sign or a dash between blanks, with what belongs to it.
    fn colon(&mut self) -> Option<usize> {
        let rest = self.rest();
        let bare = rest.trim_start_matches([' ', '*', '_', '"', '`']);
        let c = bare.chars().next()?;
        let end = self.text.len() - bare.len() + c.len_utf8();
        let after = &self.text[end..];
        let is_pause = DASHES.contains(&c) && self.text[..end - c.len_utf8()].ends_with(' ') && after.starts_with(' ');
        (matches!(c, ':' | '：' | '=' | '＝') || is_pause).then(|| end + after.len() - after.trim_start_matches(['=', '>', ':']).len())
    }

    fn is_pause(&self) -> bool {
        self.rest().trim_start().starts_with(DASHES)
    }

    /// Skips `(in dollars)`.
    fn parenthesis(&mut self) -> bool {
        let Some(inside) = self.rest().strip_prefix('(') else { return false };
        let end = inside.bytes().take(80).position(|byte| matches!(byte, b')' | b'\n'));
        let Some(end) = end.filter(|&end| inside.as_bytes()[end] == b')') else { return false };
        self.at += end + 2;
        true
    }

    /// The next word, with apostrophes. Nothing but a blank may stand before it.
    fn word(&mut self) -> Option<&'a str> {
        if self.at > self.limit {
            return None;
        }
        let rest = self.rest();
        let bare = rest.trim_start_matches([' ', '\t', '#', '(', '[', '“', '‘']);
        let length: usize =
            bare.chars().take(40).take_while(|c| c.is_alphanumeric() || matches!(c, '\'' | '’' | '-')).map(char::len_utf8).sum();
        self.at += rest.len() - bare.len() + length;
        (length > 0).then(|| &bare[..length])
    }

    fn peek(&self) -> &'a str {
        let mut ahead = Cursor { text: self.text, at: self.at, limit: self.limit };
        ahead.word().unwrap_or("")
    }

    /// The rest of `would be`, `has to be`, `turns out to be`, `comes to`.
    fn modal(&mut self) -> bool {
        for _ in 0..3 {
            let word = self.peek();
            match word {
                "be" | "become" => {
                    self.word();
                    return true;
                }
                "out" | "to" | "then" | "therefore" | "thus" | "also" | "not" | "have" => self.word(),
                _ => return false,
            };
            if word == "to" && self.peek() != "be" {
                return true;
            }
        }
        false
    }

    /// `not`, `neither`; and what was passed over is no negation either.
    fn is_negated(&self) -> bool {
        let last_two = words_before(&self.text[..self.at]).take(2).any(|word| is_one_of(word, &["not", "never"]));
        last_two || is_one_of(self.peek(), &["not", "neither", "none", "never", "nicht", "pas", "no", "não", "non", "не", "unlikely"])
    }

    /// Returns true if an answer starts here without a copula.
    fn starts_answer(&self) -> bool {
        self.rest().starts_with(|c: char| c.is_numeric() || matches!(c, '$' | '\\' | '€' | '£' | '₹')) && !self.rest().starts_with("\\n")
    }

    /// Returns true if the noun ends its line and few words stand before it there: `## Final Answer`.
    fn is_heading(&self, noun_end: usize) -> bool {
        let is_short = || {
            let line = self.text[..noun_end].rsplit('\n').next().unwrap_or("");
            line.len() < 60 && line.split_whitespace().count() <= 5
        };
        self.rest().starts_with('\n') && is_short()
    }
}
