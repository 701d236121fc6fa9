//! What this crate uses of the processor.

/// The vector units that the kernels use on this processor.
///
/// ```
/// assert!(!starloop_lm::hardware::vector_units().is_empty());
/// ```
pub fn vector_units() -> &'static str {
    match pulp::Arch::new() {
        pulp::Arch::Scalar => "none",
        #[cfg(target_arch = "x86_64")]
        pulp::Arch::V3(_) => "AVX2 and FMA",
        #[cfg(target_arch = "x86_64")]
        pulp::Arch::V4(_) => "AVX-512",
        #[cfg(target_arch = "aarch64")]
        pulp::Arch::Neon(_) => "NEON",
        // Newer versions of the library may know more.
        _ => "other",
    }
}
