//! The parameters of a decoder: how each is built from tensors of the checkpoint, and how it is written back.

/// One parameter of the decoder: a matrix (a vector has one row), made of one or more tensors of the checkpoint, stacked by rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSpec {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Its function in the model.
    pub role: Role,
    /// The checkpoint's tensors.
    pub tensors: Vec<TensorSpec>,
}

/// The function of a parameter in the model. It determines how the parameter is drawn at random, whether it decays, and whether it can have
/// adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A table of vectors: tokens or learned positions.
    Embedding,
    /// The weight of a linear map.
    Linear,
    /// The weight of a linear map that writes to the residual stream.
    Residual,
    /// The weight of a norm.
    Norm,
    /// A bias.
    Bias,
    /// Half of a low-rank adapter.
    Adapter,
}

/// One tensor of the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name in the checkpoint.
    pub name: String,
    /// Its shape in the checkpoint.
    pub shape: Vec<usize>,
    /// How its values become rows of the parameter.
    pub layout: Layout,
}

/// How a tensor is stored in the checkpoint, compared with the rows of the decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// Row by row.
    Same,
    /// `[columns, rows]` (gpt2).
    Transposed,
    /// The decoder's row `i` is the tensor's row `order[i]`.
    Rows(Vec<u32>),
    /// The checkpoint stores the weight minus 1 (gemma).
    LessOne,
}

impl ParameterSpec {
    /// A weight `[rows, columns]` stored as one tensor.
    pub fn matrix(role: Role, name: impl Into<String>, rows: usize, columns: usize) -> Self {
        Self::stacked(role, &[(name.into(), rows)], columns)
    }

    /// Several weights with the same input, computed as one.
    pub fn stacked(role: Role, parts: &[(String, usize)], columns: usize) -> Self {
        let tensor = |(name, rows): &(String, usize)| TensorSpec { name: name.clone(), shape: vec![*rows, columns], layout: Layout::Same };
        ParameterSpec { rows: parts.iter().map(|(_, rows)| rows).sum(), columns, role, tensors: parts.iter().map(tensor).collect() }
    }

    /// A vector, such as a norm's weight.
    pub fn vector(role: Role, name: impl Into<String>, columns: usize) -> Self {
        Self::joined(role, &[(name.into(), columns)])
    }

    /// Several vectors, end to end.
    pub fn joined(role: Role, parts: &[(String, usize)]) -> Self {
        let tensor = |(name, len): &(String, usize)| TensorSpec { name: name.clone(), shape: vec![*len], layout: Layout::Same };
        ParameterSpec { rows: 1, columns: parts.iter().map(|(_, len)| len).sum(), role, tensors: parts.iter().map(tensor).collect() }
    }

    /// The same parameter with other layouts of its tensors. Their shapes are changed accordingly.
    #[must_use]
    pub fn laid_out(mut self, layouts: impl IntoIterator<Item = Layout>) -> Self {
        for (tensor, layout) in self.tensors.iter_mut().zip(layouts) {
            if layout == Layout::Transposed {
                tensor.shape.reverse();
            }
            tensor.layout = layout;
        }
        self
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// Returns true if it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns true if it is a matrix. Matrices decay; vectors do not.
    pub fn is_matrix(&self) -> bool {
        !matches!(self.role, Role::Norm | Role::Bias)
    }

    /// Returns true if the checkpoint stores it transposed.
    pub fn is_transposed(&self) -> bool {
        self.tensors.iter().any(|tensor| tensor.layout == Layout::Transposed)
    }
}

impl TensorSpec {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns true if it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Layout {
    /// Reorders the elements of a tensor of this `shape` for the decoder.
    pub fn decoder_order<T: Copy>(&self, shape: &[usize], elements: Vec<T>) -> Vec<T> {
        match self {
            Layout::Same | Layout::LessOne => elements,
            Layout::Transposed => transposed(&elements, shape[0], shape[1]),
            Layout::Rows(order) => {
                let width = elements.len() / order.len();
                order.iter().flat_map(|row| &elements[*row as usize * width..][..width]).copied().collect()
            }
        }
    }

    /// Reorders the elements of the decoder for a tensor of this `shape`: the inverse of [`Layout::decoder_order`].
    pub fn checkpoint_order<T: Copy>(&self, shape: &[usize], elements: &[T]) -> Vec<T> {
        match self {
            Layout::Same | Layout::LessOne => elements.to_vec(),
            Layout::Transposed => transposed(elements, shape[1], shape[0]),
            Layout::Rows(order) => {
                let width = elements.len() / order.len();
                let mut stored = elements.to_vec();
                for (row, place) in elements.chunks_exact(width).zip(order) {
                    stored[*place as usize * width..][..width].copy_from_slice(row);
                }
                stored
            }
        }
    }

    /// The difference between a value of the decoder and the stored value.
    pub fn offset(&self) -> f32 {
        if *self == Layout::LessOne { 1.0 } else { 0.0 }
    }

    /// Rows of `heads` heads of width `dim`, whose first `rotated` rows are rotated in pairs of neighbours (gptj). The decoder has all first
    /// elements of the pairs, then all second elements. Queries and keys have the same order, so their products do not change.
    pub fn neighbour_pairs(heads: usize, dim: usize, rotated: usize) -> Self {
        let half = rotated / 2;
        let in_head = |row: usize| match row {
            first if first < half => 2 * first,
            second if second < rotated => 2 * (second - half) + 1,
            plain => plain,
        };
        Layout::Rows((0..heads * dim).map(|row| (row / dim * dim + in_head(row % dim)) as u32).collect())
    }

    /// Rows stored head by head, each with its query, key and value (GPT-NeoX). The decoder has all queries, then all keys, then all values.
    pub fn by_head(heads: usize, dim: usize) -> Self {
        let row = |part: usize, head: usize, d: usize| ((head * 3 + part) * dim + d) as u32;
        Layout::Rows((0..3).flat_map(|part| (0..heads).flat_map(move |head| (0..dim).map(move |d| row(part, head, d)))).collect())
    }
}

fn transposed<T: Copy>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect()
}

/// Collects the parameters of a decoder and returns their indices.
#[derive(Debug, Default)]
pub struct Parameters(Vec<ParameterSpec>);

impl Parameters {
    /// Adds a parameter and returns its index.
    pub fn add(&mut self, parameter: ParameterSpec) -> usize {
        self.0.push(parameter);
        self.0.len() - 1
    }

    /// All of them, in order.
    pub fn into_vec(self) -> Vec<ParameterSpec> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_undone_by_their_inverse() {
        let values: Vec<f32> = (0..48).map(|i| i as f32).collect();
        for (layout, shape) in [
            (Layout::Same, vec![12, 4]),
            (Layout::Transposed, vec![4, 12]),
            (Layout::LessOne, vec![48]),
            (Layout::neighbour_pairs(2, 6, 4), vec![12, 4]),
            (Layout::by_head(2, 2), vec![12, 4]),
        ] {
            let rows = layout.decoder_order(&shape, values.clone());
            assert_eq!(layout.checkpoint_order(&shape, &rows), values, "{layout:?}");
        }
    }

    #[test]
    fn rows_go_where_the_decoder_expects_them() {
        assert_eq!(Layout::neighbour_pairs(2, 6, 4), Layout::Rows(vec![0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11]));
        assert_eq!(Layout::by_head(2, 2), Layout::Rows(vec![0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]));
    }
}
