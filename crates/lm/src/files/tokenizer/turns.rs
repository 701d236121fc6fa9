//! The token that a chat template writes after an assistant's answer. It is found by rendering conversations: the template is a program.

use super::guarded;
use crate::files::chat::{ChatTemplate, Message};
use std::path::Path;
use tokenizers::Tokenizer;

/// Texts that no template writes by itself.
const QUESTION: &str = "jqxzkv";
const ANSWER: &str = "zqxjkv";
const NEXT: &str = "vkqjxz";

/// A conversation as a template writes it.
struct Rendered {
    before_question: String,
    before_answer: String,
    after_answer: String,
}

/// The token that ends an assistant's turn, if the template writes one. Some templates refuse a conversation without a system message, or
/// one that the assistant ends, and some write the token only between two turns.
pub(super) fn end_of_turn(template: &ChatTemplate, known: &KnownTokens<'_>) -> Option<u32> {
    for (has_system, has_next) in [(false, false), (false, true), (true, false), (true, true)] {
        let Some(rendered) = render(template, has_system, has_next) else { continue };
        let after = &rendered.after_answer;
        match known.first(after) {
            Some(token) if !has_next || !begins_turns(token, &rendered, known) => return Some(token),
            None if !has_next && !after.trim().is_empty() => {
                log::warn!("the chat template writes {after:?} after an answer, which has no special token; an answer ends as a text does");
                return None;
            }
            _ => {}
        }
    }
    None
}

fn render(template: &ChatTemplate, has_system: bool, has_next: bool) -> Option<Rendered> {
    let mut messages = vec![Message::new("user", QUESTION), Message::new("assistant", ANSWER)];
    if has_system {
        messages.insert(0, Message::new("system", "a"));
    }
    if has_next {
        messages.push(Message::new("user", NEXT));
    }
    let text = template.render(&messages, false).ok()?;
    let (before, after) = text.rsplit_once(ANSWER)?;
    let after = if has_next { after.split_once(NEXT)?.0 } else { after };
    let (before_question, before_answer) = before.rsplit_once(QUESTION).unwrap_or((before, ""));
    Some(Rendered { before_question: before_question.into(), before_answer: before_answer.into(), after_answer: after.into() })
}

/// Returns true if a token between an answer and the next question belongs to the question. Then it is right before the first question
/// too, or it is somewhere before it and an answer begins with another token.
fn begins_turns(token: u32, rendered: &Rendered, known: &KnownTokens<'_>) -> bool {
    let before = known.all(&rendered.before_question);
    before.last() == Some(&token) || before.contains(&token) && known.first(&rendered.before_answer) != Some(token)
}

/// The tokens that may end a turn.
pub(super) struct KnownTokens<'a> {
    pub tokenizer: &'a Tokenizer,
    /// Those that end a text.
    pub ends: &'a [u32],
}

impl KnownTokens<'_> {
    /// The added token with which a text begins, or else the first special token in it, blanks aside.
    fn first(&self, text: &str) -> Option<u32> {
        self.leading(text.trim_start()).or_else(|| self.all(text).first().copied())
    }

    /// The longest added token with which a text begins.
    fn leading(&self, text: &str) -> Option<u32> {
        let tokens = self.tokenizer.get_added_vocabulary().get_added_tokens_decoder();
        let fitting = tokens.iter().filter(|(_, token)| !token.content.is_empty() && text.starts_with(&token.content));
        fitting.max_by_key(|(_, token)| token.content.len()).map(|(id, _)| *id)
    }

    /// A token that is not marked as special is taken for one if it looks like one, such as `<|im_end|>`. The unknown token is special, but
    /// the text does not have its name.
    fn may_end(&self, id: u32, text: &str) -> bool {
        let Some(name) = self.tokenizer.id_to_token(id).filter(|name| !name.is_empty()) else { return false };
        let is_special = || self.tokenizer.get_added_vocabulary().get_added_tokens_decoder().get(&id).is_some_and(|token| token.special);
        let looks_special = || name.len() > 2 && name.starts_with('<') && name.ends_with('>');
        self.ends.contains(&id) || text.contains(&name) && (is_special() || looks_special())
    }

    /// The tokens of a text that may end a turn. A text that cannot be encoded has none.
    fn all(&self, text: &str) -> Vec<u32> {
        let encoded = guarded(Path::new(super::FILE), || self.tokenizer.encode_fast(text, false));
        let ids = encoded.map(|encoding| encoding.get_ids().to_vec()).unwrap_or_default();
        ids.into_iter().filter(|id| self.may_end(*id, text)).collect()
    }
}
