//! The experiments that come with the program.

/// The name and the text of every shipped experiment. The files are in `configs/`.
pub fn presets() -> &'static [(&'static str, &'static str)] {
    &[
        ("arithmetic", include_str!("../../../../configs/arithmetic.toml")),
        ("arithmetic-extension", include_str!("../../../../configs/arithmetic-extension.toml")),
        ("smoke", include_str!("../../../../configs/smoke.toml")),
    ]
}
