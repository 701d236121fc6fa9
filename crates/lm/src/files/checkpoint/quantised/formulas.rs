//! The formulas that turn stored elements and scales into numbers.

use crate::files::checkpoint::source::StoredTensor;
use half::{bf16, f16};
use safetensors::Dtype;

/// A matrix, row by row.
#[derive(Debug, PartialEq)]
pub(super) struct Matrix {
    pub rows: usize,
    pub columns: usize,
    /// `[rows, columns]`.
    pub values: Vec<f32>,
}

/// Integers in words of 32 bits. The first integer has the lowest bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packing {
    pub bits: usize,
    /// Integers of a row, if its last word is not full.
    pub columns: Option<usize>,
}

impl Matrix {
    /// Every element changed.
    pub(super) fn map(mut self, change: impl Fn(f32) -> f32) -> Self {
        self.values.iter_mut().for_each(|value| *value = change(*value));
        self
    }

    /// Each element times the scale of its group, plus the bias of its group. `None` if a row is no whole number of groups.
    pub(super) fn grouped(mut self, scales: &[f32], biases: Option<&[f32]>) -> Option<Self> {
        let groups = scales.len().checked_div(self.rows).filter(|groups| *groups > 0 && groups * self.rows == scales.len())?;
        let size = self.columns.checked_div(groups).filter(|size| *size > 0 && size * groups == self.columns)?;
        if biases.is_some_and(|biases| biases.len() != scales.len()) {
            return None;
        }
        for (group, values) in self.values.chunks_mut(size).enumerate() {
            let bias = biases.map_or(0.0, |biases| biases[group]);
            for value in values {
                *value = *value * scales[group] + bias;
            }
        }
        Some(self)
    }

    /// Rows and columns exchanged.
    pub(super) fn transposed(self) -> Self {
        let Matrix { rows, columns, values } = self;
        let values = (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns.max(1)).copied()).collect();
        Matrix { rows: columns, columns: rows, values }
    }
}

/// The elements as numbers. `None` for a type that is no number of at most 32 bits.
pub(super) fn numbers(stored: &StoredTensor) -> Option<Vec<f32>> {
    let bytes = stored.bytes.iter();
    let pairs = || stored.bytes.as_chunks::<2>().0.iter();
    Some(match stored.dtype {
        Dtype::F32 => stored.bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        Dtype::F16 => pairs().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect(),
        Dtype::BF16 => pairs().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()).collect(),
        Dtype::I8 => bytes.map(|byte| f32::from(byte.cast_signed())).collect(),
        Dtype::F8_E4M3 => bytes.map(|byte| e4m3(*byte)).collect(),
        // The upper byte of a number of half precision.
        Dtype::F8_E5M2 => bytes.map(|byte| f16::from_bits(u16::from(*byte) << 8).to_f32()).collect(),
        _ => return None,
    })
}

/// Whole numbers of 32 or 64 bits.
pub(super) fn whole_numbers(stored: &StoredTensor) -> Option<Vec<i64>> {
    match stored.dtype {
        Dtype::I64 => Some(stored.bytes.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()),
        Dtype::I32 => Some(stored.bytes.as_chunks::<4>().0.iter().map(|bytes| i32::from_le_bytes(*bytes).into()).collect()),
        _ => None,
    }
}

/// A number of 8 bits with 4 bits of exponent and 3 of mantissa, without infinities (Micikevicius et al. 2022, "FP8 Formats for Deep
/// Learning", E4M3).
fn e4m3(byte: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
    let magnitude = match exponent {
        0 => mantissa * 2.0_f32.powi(-9),
        15 if byte & 7 == 7 => f32::NAN,
        _ => (8.0 + mantissa) * 2.0_f32.powi(exponent - 10),
    };
    if byte & 128 == 0 { magnitude } else { -magnitude }
}

/// Floats of 4 bits, in bytes or words with the first one in the lowest bits (Open Compute Project 2023, "Microscaling Formats (MX)", E2M1).
pub(super) fn fp4(packed: &StoredTensor) -> Option<Matrix> {
    const MAGNITUDES: [f32; 8] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
    let ([rows, elements], Dtype::U8 | Dtype::U32) = (packed.shape.as_slice(), packed.dtype) else { return None };
    let columns = elements.checked_mul(packed.dtype.bitsize() / 4)?;
    let number = |bits: u8| if bits & 8 == 0 { MAGNITUDES[usize::from(bits)] } else { -MAGNITUDES[usize::from(bits & 7)] };
    let values = packed.bytes.iter().flat_map(|byte| [number(byte & 15), number(byte >> 4)]).collect();
    Some(Matrix { rows: *rows, columns, values })
}

/// Powers of 2 of 8 bits, without a sign (the same document, E8M0).
pub(super) fn powers(stored: &StoredTensor) -> Option<Vec<f32>> {
    let power = |byte: &u8| if *byte == 255 { f32::NAN } else { 2.0_f32.powi(i32::from(*byte) - 127) };
    matches!(stored.dtype, Dtype::U8 | Dtype::F8_E8M0).then(|| stored.bytes.iter().map(power).collect())
}

/// Each element times the scale of its block. Without `block`, the number of scales gives its size: a whole matrix, or a row, or what else
/// divides them without a rest. `None` if the shapes do not fit.
pub(super) fn scaled(
    shape: &[usize],
    mut values: Vec<f32>,
    scales: &[f32],
    scale_shape: &[usize],
    block: Option<[usize; 2]>,
) -> Option<Matrix> {
    let [rows, columns] = *shape else { return None };
    let [block_rows_count, block_columns_count] = match *scale_shape {
        [] => [1, 1],
        [count] => [count, 1],
        [rows, columns] => [rows, columns],
        _ => return None,
    };
    if block_rows_count == 0 || block_columns_count == 0 || rows == 0 || columns == 0 {
        return None;
    }
    let [height, width] = match block {
        Some(block) if scales.len() > 1 => block,
        _ if !rows.is_multiple_of(block_rows_count) || !columns.is_multiple_of(block_columns_count) => return None,
        _ => [rows / block_rows_count, columns / block_columns_count],
    };
    let fits = rows.div_ceil(height) == block_rows_count && columns.div_ceil(width) == block_columns_count;
    if !fits || scales.len() != block_rows_count * block_columns_count || values.len() != rows * columns {
        return None;
    }
    for (row, values) in values.chunks_mut(columns).enumerate() {
        let scales = &scales[row / height * block_columns_count..][..block_columns_count];
        for (values, scale) in values.chunks_mut(width).zip(scales) {
            for value in values {
                *value *= scale;
            }
        }
    }
    Some(Matrix { rows, columns, values })
}

/// The integers of a matrix of words.
pub(super) fn unpacked(words: &StoredTensor, packing: Packing) -> Option<Matrix> {
    let ([rows, row_words], Dtype::I32 | Dtype::U32) = (words.shape.as_slice(), words.dtype) else { return None };
    let (rows, row_words) = (*rows, *row_words);
    let in_word = 32 / packing.bits;
    let full = row_words.checked_mul(in_word)?;
    let columns = packing.columns.unwrap_or(full);
    if row_words == 0 || columns.div_ceil(in_word) != row_words {
        return None;
    }
    let mask = (1_u64 << packing.bits) as u32 - 1;
    let mut values = Vec::with_capacity(rows * columns);
    let (words, _) = words.bytes.as_chunks::<4>();
    for row in words.chunks(row_words) {
        let integers = row.iter().flat_map(|word| {
            let word = u32::from_le_bytes(*word);
            (0..in_word).map(move |place| word >> (place * packing.bits) & mask)
        });
        values.extend(integers.take(columns).map(|integer| integer as f32));
    }
    Some(Matrix { rows, columns, values })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_8_bits() {
        for (byte, expected) in
            [(0x00, 0.0), (0x01, 2.0_f32.powi(-9)), (0x08, 2.0_f32.powi(-6)), (0x38, 1.0), (0xb9, -1.125), (0x7e, 448.0)]
        {
            assert_eq!(e4m3(byte).to_bits(), expected.to_bits(), "{byte:#04x}");
        }
        assert!(e4m3(0x7f).is_nan() && e4m3(0xff).is_nan());
        let stored = |shape: &[usize], bytes: &[u8]| StoredTensor { dtype: Dtype::U8, shape: shape.to_vec(), bytes: bytes.to_vec() };
        assert_eq!(fp4(&stored(&[1, 2], &[0x71, 0xba])).unwrap().values, [0.5, 6.0, -1.0, -1.5]);
        let scales = powers(&stored(&[3], &[127, 0, 255])).unwrap();
        assert_eq!(scales[..2], [1.0, 2.0_f32.powi(-127)]);
        assert!(scales[2].is_nan());
    }

    #[test]
    fn a_scale_holds_for_its_block() {
        let values =
            |scales: &[f32], shape: &[usize], block| scaled(&[3, 4], vec![1.0; 12], scales, shape, block).map(|matrix| matrix.values);
        assert_eq!(values(&[2.0], &[], None).unwrap(), [2.0; 12]);
        assert_eq!(values(&[1.0, 2.0, 3.0], &[3, 1], None).unwrap(), [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0]);
        assert_eq!(
            values(&[1.0, 2.0, 3.0, 4.0], &[2, 2], Some([2, 3])).unwrap(),
            [1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 2.0, 3.0, 3.0, 3.0, 4.0]
        );
        assert_eq!(values(&[1.0, 2.0], &[2], Some([1, 4])), None);
        assert_eq!(values(&[1.0; 5], &[5, 1], None), None);
    }
}
