//! Numbers as llama.cpp stores them: `f32`, 16 bits, or blocks of 8 bits.

use half::f16;

/// The type of the matrices of a GGUF file. Vectors, such as norms and biases, are always `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GgufType {
    /// 32 bits.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of an `f32`.
    Bf16,
    /// Blocks of 32 integers of 8 bits with a scale in half precision. Matrices whose rows are no whole number of blocks become [`GgufType::F16`].
    Q8_0,
}

/// Elements of a block of [`GgufType::Q8_0`].
const BLOCK: usize = 32;

impl GgufType {
    /// Every type with its name.
    pub const NAMES: [(&'static str, Self); 4] = [("f32", Self::F32), ("f16", Self::F16), ("bf16", Self::Bf16), ("q8_0", Self::Q8_0)];

    /// The type of a tensor of this shape in a file of this type.
    pub(super) fn of_tensor(self, shape: &[usize]) -> Self {
        match (self, shape) {
            (_, [] | [_]) => Self::F32,
            (Self::Q8_0, [.., columns]) if columns % BLOCK != 0 => Self::F16,
            _ => self,
        }
    }

    /// The number of the type in `ggml.h`.
    pub(super) fn code(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 8,
            Self::Bf16 => 30,
        }
    }

    /// The number of a file whose matrices have this type (`llama_ftype` in `llama.h`).
    pub(super) fn file_code(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 7,
            Self::Bf16 => 32,
        }
    }

    /// Bytes of this many elements.
    pub(super) fn bytes(self, elements: usize) -> usize {
        match self {
            Self::F32 => elements * 4,
            Self::F16 | Self::Bf16 => elements * 2,
            Self::Q8_0 => elements / BLOCK * (BLOCK + 2),
        }
    }

    /// Elements as bytes.
    pub(super) fn encode(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::F16 => values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect(),
            Self::Bf16 => values.iter().flat_map(|x| half::bf16::from_f32(*x).to_le_bytes()).collect(),
            Self::Q8_0 => values.chunks(BLOCK).flat_map(q8_0).collect(),
        }
    }
}

/// A block as `quantize_row_q8_0_ref` in `ggml-quants.c` computes it: the largest magnitude becomes 127.
fn q8_0(values: &[f32]) -> Vec<u8> {
    let largest = values.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let scale = largest / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    let mut block = f16::from_f32(scale).to_le_bytes().to_vec();
    block.extend(values.iter().map(|x| ((x * inverse).round() as i8).cast_unsigned()));
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_8_bits_are_those_of_gguf() {
        // gguf.quants.quantize(np.linspace(-1, 2.5, 32, dtype=np.float32), GGMLQuantizationType.Q8_0)
        let values: Vec<f32> = (0..32).map(|i| (-1.0 + 3.5 * f64::from(i) / 31.0) as f32).collect();
        let expected = [
            10, 37, 205, 211, 217, 222, 228, 234, 240, 245, 251, 1, 7, 12, 18, 24, 29, 35, 41, 47, 52, 58, 64, 70, 75, 81, 87, 93, 98, 104,
            110, 116, 121, 127,
        ];
        assert_eq!(GgufType::Q8_0.encode(&values), expected);
        assert_eq!(GgufType::Q8_0.encode(&[0.0; 32]), [0; 34]);
        assert_eq!(GgufType::Q8_0.bytes(64), 68);
    }
}
