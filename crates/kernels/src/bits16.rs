//! Weights in 16 bits.

use half::{bf16, f16};

/// 16-bit floating-point numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Half16 {
    /// The format of the bits.
    pub kind: HalfKind,
    /// The numbers.
    pub bits: Vec<u16>,
}

/// The two 16-bit formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HalfKind {
    /// The upper half of an `f32`.
    Bf16,
    /// IEEE 754 half precision.
    F16,
}

impl HalfKind {
    /// The number that 16 bits encode.
    #[inline]
    pub fn number(self, bits: u16) -> f32 {
        match self {
            HalfKind::Bf16 => bf16::from_bits(bits).to_f32(),
            HalfKind::F16 => f16::from_bits(bits).to_f32(),
        }
    }

    /// The bits of the nearest number.
    pub fn bits(self, x: f32) -> u16 {
        match self {
            HalfKind::Bf16 => bf16::from_f32(x).to_bits(),
            HalfKind::F16 => f16::from_f32(x).to_bits(),
        }
    }

    /// The name in config.json.
    pub fn name(self) -> &'static str {
        match self {
            HalfKind::Bf16 => "bfloat16",
            HalfKind::F16 => "float16",
        }
    }
}

/// The number that 16 bits of half precision encode, in steps that vectorise on every processor. It is exact for finite numbers. Infinities
/// and NaN become 65536 and larger numbers.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled for the instruction set of the loop that it is in")]
pub(crate) fn f16_number(bits: u16) -> f32 {
    // After the shift, the exponent is too small by the difference of the two biases. The factor 2^112 corrects it.
    let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * 5.192_297e33;
    f32::from_bits(magnitude.to_bits() | u32::from(bits & 0x8000) << 16)
}

/// The half-precision number nearest to `x`. Larger magnitudes than 65504, the largest number, become 65504.
pub(crate) fn f16_bits(x: f32) -> u16 {
    f16::from_f32(x.clamp(-65504.0, 65504.0)).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_widened_exactly() {
        for bits in 0..=u16::MAX {
            let number = f16::from_bits(bits);
            if number.is_finite() {
                assert_eq!(f16_number(bits).to_bits(), number.to_f32().to_bits(), "{bits:#06x}");
            }
        }
    }

    #[test]
    fn half_precision_is_narrowed_to_the_nearest_finite_number() {
        for (x, nearest) in [(1.0, 1.0), (1.000_4, 1.0), (1e9, 65504.0), (-1e9, -65504.0), (1e-9, 0.0), (6e-8, 5.960_464_5e-8)] {
            assert_eq!(f16_number(f16_bits(x)).to_bits(), f32::to_bits(nearest), "{x}");
        }
    }
}
