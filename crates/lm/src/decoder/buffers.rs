//! Sets of named buffers, each described in one place.
//!
//! A set lists its buffers with the values that each holds for one row. Its declaration, allocation, growth and size all follow from that
//! list, so the memory that is reported before a run is the memory that the run reserves.

use crate::kernels::Kernels;

/// Makes a buffer hold at least `len` values. It never shrinks, so that steps of one size allocate once.
pub(crate) fn ensure<K: Kernels>(kernels: &K, buffer: &mut K::Buffer, len: usize) {
    if kernels.len(buffer) < len {
        *buffer = kernels.zeros(len);
    }
}

/// Declares a struct `Set<B>` of named buffers: `name: values per row` for each, then the sets that it contains,
/// `..name: Set = widths`.
///
/// `Set<K::Buffer>` holds the buffers. `Set<usize>` holds the values of one row of each, made of a description by `Set::widths`.
macro_rules! buffers {
    (
        $(#[$doc:meta])*
        $set:ident($of:ident: $description:ty) {
            $($(#[$field_doc:meta])* $field:ident: $width:expr,)*
            $(..$part:ident: $part_set:ident = $part_widths:expr,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default)]
        pub(crate) struct $set<B> {
            $($(#[$field_doc])* pub $field: B,)*
            $(pub $part: $part_set<B>,)*
        }

        impl $set<usize> {
            /// The values of one row of each buffer.
            pub fn widths($of: $description) -> Self {
                $set { $($field: $width,)* $($part: $part_widths,)* }
            }

            /// The wider of each pair of buffers: what two users of the same buffers need.
            #[allow(dead_code, reason = "only the outermost sets are shared")]
            pub fn or_wider(self, other: Self) -> Self {
                $set { $($field: self.$field.max(other.$field),)* $($part: self.$part.or_wider(other.$part),)* }
            }

            /// The values of one row of all buffers together.
            pub fn total(&self) -> usize {
                0 $(+ self.$field)* $(+ self.$part.total())*
            }
        }

        impl<B> $set<B> {
            /// Empty buffers.
            pub fn empty<K: $crate::kernels::Kernels<Buffer = B>>(kernels: &K) -> Self {
                $set { $($field: kernels.zeros(0),)* $($part: $part_set::empty(kernels),)* }
            }

            /// Reserves `rows` rows of these widths.
            pub fn reserve<K: $crate::kernels::Kernels<Buffer = B>>(&mut self, kernels: &K, widths: &$set<usize>, rows: usize) {
                $($crate::decoder::buffers::ensure(kernels, &mut self.$field, rows * widths.$field);)*
                $(self.$part.reserve(kernels, &widths.$part, rows);)*
            }

            /// The values that the buffers hold.
            #[allow(dead_code, reason = "only what training keeps is counted")]
            pub fn held<K: $crate::kernels::Kernels<Buffer = B>>(&self, kernels: &K) -> usize {
                0 $(+ kernels.len(&self.$field))* $(+ self.$part.held(kernels))*
            }
        }
    };
}

pub(crate) use buffers;
