//! A parameter's values as they are kept: in full, or as the 16 bits in which most checkpoints are published.

use half::{bf16, f16};

/// The values of one parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// `f32`, in which everything is computed and trained.
    Full(Vec<f32>),
    /// 16 bits each: half the memory of a model that is not trained.
    Half(Halves),
}

/// 16-bit floating-point numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halves {
    /// What the bits mean.
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

impl Values {
    /// Elements.
    pub fn len(&self) -> usize {
        match self {
            Values::Full(values) => values.len(),
            Values::Half(halves) => halves.bits.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of one element.
    pub fn width(&self) -> usize {
        match self {
            Values::Full(_) => size_of::<f32>(),
            Values::Half(_) => size_of::<u16>(),
        }
    }

    /// The values in full; exact.
    pub fn into_full(self) -> Vec<f32> {
        match self {
            Values::Full(values) => values,
            Values::Half(halves) => halves.bits.iter().map(|bits| halves.kind.number(*bits)).collect(),
        }
    }

    /// The values in 16 bits, rounded to the nearest.
    #[must_use]
    pub fn into_half(self, kind: HalfKind) -> Self {
        match self {
            Values::Half(halves) if halves.kind == kind => Values::Half(halves),
            other => Values::Half(Halves { kind, bits: other.into_full().into_iter().map(|x| kind.bits(x)).collect() }),
        }
    }
}

impl HalfKind {
    /// The number that 16 bits stand for.
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
