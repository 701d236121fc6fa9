//! The way back: from the gradient of the last stream to that of every parameter.

use super::Decoder;
use super::layer::PostNormed;
use super::training::{Gradients, Packed, TrainingMemory};
use crate::arch::Norm;
use crate::kernels::Kernels;

impl<K: Kernels> Decoder<K> {
    /// From `d_stream` after the last layer down to the embedding.
    pub(super) fn backward(&self, batch: &Packed, memory: &mut TrainingMemory<K>, gradients: &mut [K::Buffer]) {
        let layers = self.spec.layers.len();
        for layer in (0..layers).rev() {
            if memory.states.len() < layers {
                self.run_layer(layer, batch, memory);
            }
            self.layer_backward(layer, batch, memory, gradients);
        }
        let (kernels, spec) = (&self.kernels, &self.spec);
        if let Some(table) = spec.positions {
            kernels.embed_backward(&memory.d_stream, &batch.positions, spec.hidden, &mut gradients[table]);
        }
        if spec.embedding_scale.to_bits() != 1.0f32.to_bits() {
            kernels.scale(spec.embedding_scale, batch.tokens.len() * spec.hidden, &mut memory.d_stream);
        }
        kernels.embed_backward(&memory.d_stream, &batch.tokens, spec.hidden, &mut gradients[spec.embedding]);
    }

    /// Turns the gradient of the stream after layer `layer` into that of the stream before it.
    fn layer_backward(&self, layer: usize, batch: &Packed, memory: &mut TrainingMemory<K>, gradients: &mut [K::Buffer]) {
        self.mlp_backward(layer, batch.tokens.len(), memory, gradients);
        self.attention_backward(layer, batch, memory, gradients);
        if self.spec.parallel_residual {
            // Held back until attention, which stands beside the feed-forward, had seen the gradient without it.
            let TrainingMemory { d, d_stream, .. } = memory;
            self.kernels.add(&d.block, batch.tokens.len() * self.spec.hidden, d_stream);
        }
    }

    fn mlp_backward(&self, layer: usize, rows: usize, memory: &mut TrainingMemory<K>, gradients: &mut [K::Buffer]) {
        let (kernels, spec, l) = (&self.kernels, &self.spec, &self.spec.layers[layer]);
        let TrainingMemory { streams, states, scratch, d_stream, d, .. } = memory;
        let state = if states.len() == 1 { &mut states[0] } else { &mut states[layer] };
        kernels.activate(spec.activation, &state.up, rows, spec.intermediate, &mut scratch.inner);
        let d_output = self.block_gradient(l.mlp_post_norm, rows, &state.mlp_output, d_stream, &mut d.block, gradients);
        self.linear_backward(l.down, rows, &scratch.inner, d_output, &mut d.inner, gradients);
        kernels.activate_backward(spec.activation, &d.inner, rows, spec.intermediate, &mut state.up);

        let stream = if spec.parallel_residual { &streams[layer] } else { &state.middle };
        let input = self.block_input(l.mlp_norm, rows, stream, &mut scratch.normed, &mut d.statistics);
        self.linear_backward(l.up, rows, input, &state.up, &mut d.normed, gradients);
        let target = if spec.parallel_residual {
            kernels.clear(&mut d.block);
            &mut d.block
        } else {
            d_stream
        };
        self.input_gradient(l.mlp_norm, rows, &d.normed, stream, &state.mlp_statistics, target, gradients);
    }

    fn attention_backward(&self, layer: usize, batch: &Packed, memory: &mut TrainingMemory<K>, gradients: &mut [K::Buffer]) {
        let (kernels, spec, l, rows) = (&self.kernels, &self.spec, &self.spec.layers[layer], batch.tokens.len());
        let TrainingMemory { streams, states, scratch, d_stream, d, .. } = memory;
        let state = if states.len() == 1 { &mut states[0] } else { &mut states[layer] };
        let Gradients { normed, block, attended, fused, statistics, .. } = d;
        let d_output = self.block_gradient(l.attention_post_norm, rows, &state.attention_output, d_stream, block, gradients);
        self.linear_backward(l.output, rows, &state.attended, d_output, attended, gradients);
        let attention = spec.attention(layer);
        kernels.attention_backward(attended, &state.attended, &state.fused, &state.log_sum_exp, attention, &batch.offsets, fused);
        self.turn(layer, &batch.positions, fused, true);
        if let Some(norm) = l.query_key_norm {
            let (queries, keys) = self.query_key_columns(layer);
            for (columns, weight, inverse_rms) in [(queries, norm.query, &state.query_statistics), (keys, norm.key, &state.key_statistics)]
            {
                let parameter = &self.parameters[weight];
                let weight_gradient = &mut gradients[weight];
                kernels.rms_norm_columns_backward(columns, &state.projected, parameter, inverse_rms, rows, fused, weight_gradient);
            }
        }
        let input = self.block_input(l.attention_norm, rows, &streams[layer], &mut scratch.normed, statistics);
        self.linear_backward(l.qkv, rows, input, fused, normed, gradients);
        self.input_gradient(l.attention_norm, rows, normed, &streams[layer], &state.attention_statistics, d_stream, gradients);
    }

    /// The gradient of a block's output projection: that of the stream, taken through the norm that follows, if one does.
    fn block_gradient<'a>(
        &self,
        post_norm: Option<Norm>,
        rows: usize,
        output: &PostNormed<K>,
        d_stream: &'a K::Buffer,
        d_output: &'a mut K::Buffer,
        gradients: &mut [K::Buffer],
    ) -> &'a K::Buffer {
        let Some(norm) = post_norm else { return d_stream };
        self.kernels.clear(d_output);
        self.norm_backward(norm, rows, d_stream, &output.raw, &output.statistics, d_output, gradients);
        d_output
    }

    /// Adds the gradient of a block's input to that of the stream, through the norm that stands before the block, if one does.
    #[expect(clippy::too_many_arguments, reason = "a norm's gradient, its input and what was saved of it")]
    fn input_gradient(
        &self,
        norm: Option<Norm>,
        rows: usize,
        d_input: &K::Buffer,
        stream: &K::Buffer,
        statistics: &K::Buffer,
        d_stream: &mut K::Buffer,
        gradients: &mut [K::Buffer],
    ) {
        match norm {
            Some(norm) => self.norm_backward(norm, rows, d_input, stream, statistics, d_stream, gradients),
            None => self.kernels.add(d_input, rows * self.spec.hidden, d_stream),
        }
    }

    /// Gradients of [`Decoder::norm`]; adds to all of them.
    #[expect(clippy::too_many_arguments, reason = "a norm's gradient, its input and what was saved of it")]
    pub(super) fn norm_backward(
        &self,
        norm: Norm,
        rows: usize,
        gradient: &K::Buffer,
        x: &K::Buffer,
        statistics: &K::Buffer,
        d_x: &mut K::Buffer,
        gradients: &mut [K::Buffer],
    ) {
        let weight = &self.parameters[norm.weight];
        if let Some(bias) = norm.bias {
            self.kernels.sum_rows(gradient, rows, &mut gradients[bias]);
            self.kernels.layer_norm_backward(gradient, x, weight, statistics, rows, d_x, &mut gradients[norm.weight]);
        } else {
            self.kernels.rms_norm_backward(gradient, x, weight, statistics, rows, d_x, &mut gradients[norm.weight]);
        }
    }
}
