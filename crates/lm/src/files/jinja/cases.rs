//! Capital and small letters as Python converts them.

/// `str.title`, `str.swapcase` and `str.casefold`.
pub(super) fn converted(text: &str, method: &str) -> String {
    match method {
        "title" => title(text),
        "swapcase" => text.chars().map(swapped).collect(),
        _ => text.to_lowercase().replace('ß', "ss"),
    }
}

/// Each letter behind what is no letter is a capital one.
fn title(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut in_word = false;
    for character in text.chars() {
        if in_word {
            titled.extend(character.to_lowercase());
        } else {
            titled.extend(character.to_uppercase());
        }
        in_word = character.is_alphabetic();
    }
    titled
}

fn swapped(character: char) -> String {
    if character.is_uppercase() { character.to_lowercase().collect() } else { character.to_uppercase().collect() }
}
