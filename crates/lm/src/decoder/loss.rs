//! The loss: from the last stream to cross-entropies, and back. Logits are computed in parts and never held whole.

use super::buffers::buffers;
use super::{Decoder, DecoderSpec, Packed, Pass, TrainingMemory, downloaded};
use crate::kernels::Kernels;

/// Logits that are held at once. The loss is computed in parts of about this size.
const LOGITS: usize = 1 << 22;

buffers! {
    /// The rows that carry loss.
    LossRows(spec: &DecoderSpec) {
        x: spec.hidden,
        normed: spec.hidden,
        statistics: spec.final_norm.statistics_width(),
        d_normed: spec.hidden,
        d_x: spec.hidden,
    }
}

buffers! {
    /// A part of the logits, with the rows that they are computed from and the gradient of these rows.
    LogitPart(spec: &DecoderSpec) {
        logits: spec.vocabulary,
        x: spec.hidden,
        d_x: spec.hidden,
    }
}

/// Of `targets` rows, how many have their logits held at once.
fn part_rows(spec: &DecoderSpec, targets: usize) -> usize {
    (LOGITS / spec.vocabulary).clamp(128, 2048).min(targets.max(1))
}

/// Values that the loss of `targets` targets holds.
pub(super) fn loss_values(spec: &DecoderSpec, targets: usize) -> usize {
    targets * LossRows::widths(spec).total() + part_rows(spec, targets) * LogitPart::widths(spec).total()
}

impl<K: Kernels> Decoder<K> {
    /// The final norm of the rows that carry loss.
    pub(super) fn norm_loss_rows(&self, batch: &Packed, memory: &mut TrainingMemory<K>) {
        let (kernels, spec, rows) = (&self.kernels, &self.spec, batch.rows.len());
        let TrainingMemory { streams, loss, .. } = memory;
        loss.reserve(kernels, &LossRows::widths(spec), rows);
        kernels.gather_rows(&streams[spec.blocks.len()], &batch.rows, spec.hidden, &mut loss.x);
        spec.final_norm.forward(Pass::plain(self, rows), &loss.x, &mut loss.normed, &mut loss.statistics);
    }

    /// Hands the logits of every target, `[vocabulary]`, to `each`, in the order of the targets. The logits are computed in parts.
    pub fn each_logits(&self, batch: &Packed, memory: &mut TrainingMemory<K>, mut each: impl FnMut(&[f32])) {
        self.forward(batch, memory);
        self.norm_loss_rows(batch, memory);
        let (kernels, spec) = (&self.kernels, &self.spec);
        let part = part_rows(spec, batch.rows.len());
        let TrainingMemory { loss, logits, .. } = memory;
        logits.reserve(kernels, &LogitPart::widths(spec), part);
        let order: Vec<u32> = (0..batch.rows.len() as u32).collect();
        for rows in order.chunks(part) {
            let LogitPart { logits, x, .. } = logits;
            kernels.gather_rows(&loss.normed, rows, spec.hidden, x);
            self.logits(rows.len(), x, logits);
            self.bound_logits(rows.len(), logits);
            downloaded(kernels, logits).chunks_exact(spec.vocabulary).take(rows.len()).for_each(&mut each);
        }
    }

    /// The loss of every target. With `gradients` (scales `[targets]` and buffers), also computes the gradient of the sum of the losses, each
    /// times its scale, down to `d_stream`.
    pub(super) fn loss(
        &self,
        batch: &Packed,
        mut gradients: Option<(&[f32], &mut [K::Buffer])>,
        memory: &mut TrainingMemory<K>,
    ) -> Vec<f32> {
        self.norm_loss_rows(batch, memory);
        let (kernels, spec) = (&self.kernels, &self.spec);
        let part = part_rows(spec, batch.rows.len());
        let TrainingMemory { loss, logits, d_stream, .. } = memory;
        logits.reserve(kernels, &LogitPart::widths(spec), part);
        let mut losses = Vec::with_capacity(batch.rows.len());
        let order: Vec<u32> = (0..batch.rows.len() as u32).collect();
        let none = vec![0.0; part];
        for (targets, rows) in batch.targets.chunks(part).zip(order.chunks(part)) {
            let LogitPart { logits, x, d_x } = logits;
            kernels.gather_rows(&loss.normed, rows, spec.hidden, x);
            self.logits(rows.len(), x, logits);
            let scales = gradients.as_ref().map_or(&none[..rows.len()], |(scales, _)| &scales[losses.len()..][..rows.len()]);
            losses.extend(kernels.cross_entropy(logits, targets, spec.vocabulary, spec.logit_softcap, scales));
            if let Some((_, gradients)) = &mut gradients {
                spec.head.backward(Pass::plain(self, rows.len()), x, logits, d_x, gradients);
                kernels.put_rows(d_x, rows[0] as usize, rows.len(), spec.hidden, &mut loss.d_normed);
            }
        }
        if let Some((_, gradients)) = gradients {
            kernels.clear(&mut loss.d_x);
            let pass = Pass::plain(self, batch.rows.len());
            spec.final_norm.backward(pass, &loss.d_normed, &loss.x, &loss.statistics, &mut loss.d_x, gradients);
            kernels.scatter_rows(&loss.d_x, &batch.rows, spec.hidden, batch.tokens.len(), d_stream);
        }
        losses
    }
}
