//! Parameters as data: the tensors of a checkpoint that each consists of, and its values, in `f32` or in 16 bits.

mod parameters;

pub use crate::kernels::{Half16, HalfKind};
pub use parameters::{Layout, ParameterSpec, Parameters, Role, TensorSpec};

/// The values of one parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// `f32`. All computation and training uses this type.
    Full(Vec<f32>),
    /// 16 bits, for weights that are not trained. Takes half the memory.
    Half(Half16),
}

impl Values {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Values::Full(values) => values.len(),
            Values::Half(halves) => halves.bits.len(),
        }
    }

    /// Returns true if there are no elements.
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

    /// The values in `f32`. The conversion is exact.
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
            other => Values::Half(Half16 { kind, bits: other.into_full().into_iter().map(|x| kind.bits(x)).collect() }),
        }
    }
}
