//! Secrets in the environment. A program of the user's gets those that its config names, and no others.

use std::ffi::OsStr;
use std::process::Command;

/// Words between underscores that make a variable a secret.
const WORDS: [&str; 7] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIALS", "APIKEY"];
/// Words before `KEY` that make a variable a secret.
const KEYS: [&str; 5] = ["API", "ACCESS", "SECRET", "PRIVATE", "AUTH"];

/// Removes secrets from the environment of a program, except those that `named` lists.
pub(super) fn withhold(command: &mut Command, named: &[String]) {
    for (name, _) in std::env::vars_os() {
        if is_secret(&name) && !named.iter().any(|named| name == named.as_str()) {
            command.env_remove(name);
        }
    }
}

/// Returns true if the name of a variable says that its value is a secret, such as `HF_TOKEN` or `OPENAI_API_KEY`.
fn is_secret(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_uppercase();
    let words: Vec<&str> = name.split(['_', '-', '.']).collect();
    words.iter().any(|word| WORDS.contains(word)) || words.windows(2).any(|pair| KEYS.contains(&pair[0]) && pair[1].starts_with("KEY"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for secret in [
            "HF_TOKEN",
            "HUGGING_FACE_HUB_TOKEN",
            "OPENAI_API_KEY",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "AWS_SESSION_TOKEN",
            "GITHUB_TOKEN",
            "WANDB_API_KEY",
            "DB_PASSWORD",
            "my_secret",
            "GOOGLE_APPLICATION_CREDENTIALS",
        ] {
            assert!(is_secret(OsStr::new(secret)), "{secret}");
        }
        for plain in ["PATH", "HOME", "TOKENIZERS_PARALLELISM", "HF_HOME", "SSH_AUTH_SOCK", "KEYBOARD", "CUDA_VISIBLE_DEVICES", "LC_ALL"] {
            assert!(!is_secret(OsStr::new(plain)), "{plain}");
        }
    }
}
