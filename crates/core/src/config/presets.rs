//! The experiments that come with the program.

/// The name and the text of every shipped experiment. The files are in `configs/`.
pub fn presets() -> &'static [(&'static str, &'static str)] {
    &[
        ("arithmetic", include_str!("../../configs/arithmetic.toml")),
        ("arithmetic-extension", include_str!("../../configs/arithmetic-extension.toml")),
        ("commonsense_qa", include_str!("../../configs/commonsense_qa.toml")),
        ("commonsense_qa-small", include_str!("../../configs/commonsense_qa-small.toml")),
        ("gsm8k", include_str!("../../configs/gsm8k.toml")),
        ("gsm8k-beyond-imitation", include_str!("../../configs/gsm8k-beyond-imitation.toml")),
        ("gsm8k-methods", include_str!("../../configs/gsm8k-methods.toml")),
        ("gsm8k-small", include_str!("../../configs/gsm8k-small.toml")),
        ("methods", include_str!("../../configs/methods.toml")),
        ("smoke", include_str!("../../configs/smoke.toml")),
        ("word-problems", include_str!("../../configs/word-problems.toml")),
    ]
}
