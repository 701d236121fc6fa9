//! Secrets in the environment. A program of the user's gets those that its config names, and no others.

use std::ffi::OsStr;
use std::process::Command;

/// Parts of a name that make a variable a secret.
const PARTS: [&str; 6] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL"];
/// The beginnings of words that have such a part and are none.
const PLAIN: [&str; 1] = ["TOKENIZ"];

/// Removes secrets from the environment of a program, except those that `named` lists.
pub(super) fn withhold(command: &mut Command, named: &[String]) {
    for (name, _) in std::env::vars_os() {
        if is_secret(&name) && !named.iter().any(|named| name == named.as_str()) {
            command.env_remove(name);
        }
    }
}

/// Returns true if the name of a variable says that its value is a secret, such as `HF_TOKEN`, `PGPASSWORD` or `OPENAI_API_KEY`. A variable too much
/// is a small loss for a program; a secret too much is not.
fn is_secret(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_uppercase();
    let is_key = |word: &str| word.trim_end_matches(|c: char| c.is_ascii_digit() || c == 'S').ends_with("KEY");
    let has_part = |word: &str| PARTS.iter().any(|part| word.contains(part)) && !PLAIN.iter().any(|plain| word.starts_with(plain));
    name.split(['_', '-', '.']).any(|word| is_key(word) || has_part(word))
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
            "GOOGLE_CREDENTIAL",
            "PGPASSWORD",
            "MY_PASSWORDS",
            "DB_PASSWORD1",
            "SECRETS",
            "CLIENTSECRET",
            "GITHUBTOKEN",
            "TOKENS",
            "ACCESSKEY",
            "OPENAI_KEY",
            "AZURE_KEY2",
            "SSH_KEYS",
        ] {
            assert!(is_secret(OsStr::new(secret)), "{secret}");
        }
        for plain in ["PATH", "HOME", "TOKENIZERS_PARALLELISM", "HF_HOME", "SSH_AUTH_SOCK", "KEYBOARD", "CUDA_VISIBLE_DEVICES", "LC_ALL"] {
            assert!(!is_secret(OsStr::new(plain)), "{plain}");
        }
    }
}
