//! Texts from outside as messages show them. A server can repeat a key in any part of an answer. An address can contain a password.

use std::sync::{PoisonError, RwLock};

/// The text in place of a secret.
const MASK: &str = "[API key]";
/// The shortest secret that is looked for. A shorter one would be found in ordinary words.
const SHORTEST: usize = 6;
/// Characters of a text from outside that a message shows.
pub(crate) const SHOWN: usize = 300;

/// The keys and tokens of all clients of this process.
static SECRETS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Keeps a secret out of all further messages, also as JSON writes it.
pub(crate) fn remember(secret: &str) {
    let mut secrets = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    let in_json = secret.replace('\\', "\\\\").replace('"', "\\\"");
    let with_slashes = in_json.replace('/', "\\/");
    for form in [secret.to_owned(), in_json, with_slashes] {
        if secret.len() >= SHORTEST && !secrets.contains(&form) {
            secrets.push(form);
        }
    }
    // The longest first: a form can be a part of another one.
    secrets.sort_by_key(|form| std::cmp::Reverse(form.len()));
}

/// A text without secrets and without the passwords of addresses.
pub(crate) fn masked(text: &str) -> String {
    let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    secrets.iter().fold(without_password(text), |text, secret| text.replace(secret.as_str(), MASK))
}

/// The beginning of a text from outside, masked.
pub(crate) fn shortened(text: &str) -> String {
    let text = masked(text);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// A text with `***` in place of the users and passwords that its addresses name.
pub(crate) fn without_password(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme) = rest.find("://") {
        let host = scheme + 3;
        shown.push_str(&rest[..host]);
        rest = &rest[host..];
        let word = &rest[..rest.find(|c: char| c.is_whitespace() || "\"'`<>,".contains(c)).unwrap_or(rest.len())];
        if let Some(at) = end_of_password(word) {
            shown.push_str("***");
            rest = &rest[at..];
        }
    }
    shown + rest
}

/// The place of the `@` behind a user and password at the beginning of an address, from its host on.
fn end_of_password(address: &str) -> Option<usize> {
    let authority = &address[..address.find(['/', '?', '#']).unwrap_or(address.len())];
    if let Some(at) = authority.rfind('@') {
        return Some(at);
    }
    // A password with a slash that is not escaped: what follows the colon is no port.
    let (_, port) = authority.split_once(':')?;
    if port.bytes().all(|byte| byte.is_ascii_digit()) || authority.starts_with('[') { None } else { address.rfind('@') }
}

/// The body of an answer on one line. Letters that JSON writes as `\u0041` are shown, so that a secret cannot hide in them.
pub(crate) fn plain(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut parts = text.split("\\u");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let letter = part.get(..4).and_then(|code| u8::from_str_radix(code, 16).ok()).filter(u8::is_ascii_graphic);
        match letter {
            Some(letter) => plain.extend([char::from(letter).to_string().as_str(), &part[4..]]),
            None => plain.extend(["\\u", part]),
        }
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_addresses_are_masked() {
        for (text, expected) in [
            ("http://user:pw@host:80/v1", "http://***@host:80/v1"),
            ("http://user:p@w@host/v1", "http://***@host/v1"),
            ("http://user:hun/ter2@host/v1", "http://***@host/v1"),
            ("http://host/a@b", "http://host/a@b"),
            ("http://host:8000/a@b", "http://host:8000/a@b"),
            ("http://[::1]:8000/a@b", "http://[::1]:8000/a@b"),
            ("host/v1", "host/v1"),
            ("invalid type: string \"https://u:p@x\", and ftp://u@y.", "invalid type: string \"https://***@x\", and ftp://***@y."),
        ] {
            assert_eq!(without_password(text), expected);
        }
    }

    #[test]
    fn a_secret_is_found_in_any_text() {
        remember("sk-of-masks");
        remember("short");
        assert_eq!(masked("a sk-of-masks, short"), "a [API key], short");
        assert_eq!(masked(&plain(b"{\"a\":\n \"sk\\u002dof\\u002Dmasks \\u00e9\"}")), "{\"a\": \"[API key] \\u00e9\"}");
        remember("k\"u\\o/te");
        assert_eq!(masked(r#"k"u\o/te, k\"u\\o/te, k\"u\\o\/te"#), "[API key], [API key], [API key]");
        assert_eq!(shortened(&"x".repeat(1000)).len(), SHOWN + 3);
    }
}
