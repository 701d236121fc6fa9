//! GPT-J (Wang and Komatsuzaki 2021), the paper's model: attention and feed-forward read one norm side by side, neighbouring coordinates
//! turn in pairs, the head has a bias.

use super::sizes::{GPT, SizeKeys, Sizes};
use super::{ConfigReader, DecoderSpec};
use crate::decoder::{AttentionTensors, Block, Dense, DenseTensors, FeedForward, LinearTensors, Mixer, Norm, Norms, Rotary, SelfAttention};
use crate::error::Result;
use crate::kernels::{Activation, ActivationFunction, Attention};
use crate::weights::{Layout, ParameterSpec, Parameters, Role};
use serde_json::json;

pub(super) fn spec(config: &mut ConfigReader) -> Result<DecoderSpec> {
    config.only("activation_function", &[json!("gelu_new")])?;
    config.only("tie_word_embeddings", &[json!(false)])?;
    config.ignore(&["rotary", "scale_attn_weights", "gradient_checkpointing", "n_ctx"]);
    let keys = SizeKeys { context: (GPT.context.0, 2048), ..GPT };
    let Sizes { vocabulary, hidden, layers, heads, intermediate, context } = config.sizes(&keys)?;
    let dim = heads.dim;
    let turned = config.size_or("rotary_dim", Some(64), usize::MAX)?.unwrap_or(dim);
    if turned % 2 != 0 || turned > dim {
        return Err(config.error("rotary_dim", format!("expected an even number up to the {dim} coordinates of a head, found {turned}")));
    }

    let mut parameters = Parameters::default();
    let embedding = parameters.add(ParameterSpec::matrix(Role::Embedding, "transformer.wte.weight", vocabulary, hidden));
    let scores = Attention { heads, scale: SelfAttention::usual_scale(dim), softcap: None, window: None };
    let activation = Activation { function: ActivationFunction::GeluTanh, gated: false };
    let pairs = Layout::neighbour_pairs(heads.query, dim, turned);
    let mut blocks = Vec::new();
    for layer in 0..layers {
        let name = |part: &str| format!("transformer.h.{layer}.{part}");
        let projections = ["attn.q_proj", "attn.k_proj", "attn.v_proj"].map(name);
        let attention = AttentionTensors {
            qkv: LinearTensors::new(projections, false).stored([pairs.clone(), pairs.clone(), Layout::Same]),
            query_key_norm: None,
            output: LinearTensors::new([name("attn.out_proj")], false),
        };
        let dense =
            DenseTensors { up: LinearTensors::new([name("mlp.fc_in")], true), down: LinearTensors::new([name("mlp.fc_out")], true) };
        let norm = Norm::layer(&mut parameters, &name("ln_1"), hidden);
        blocks.push(Block {
            hidden,
            mixer: Mixer::Attention(SelfAttention::new(scores, Some(0), hidden, &attention, &mut parameters)),
            feed_forward: FeedForward::Dense(Dense::new(activation, intermediate, hidden, &dense, &mut parameters)),
            norms: Norms::Parallel { mixer: norm, feed_forward: norm },
        });
    }
    Ok(DecoderSpec {
        vocabulary,
        hidden,
        context,
        embedding,
        embedding_scale: 1.0,
        positions: None,
        rotary: vec![Rotary::unscaled(10_000.0, turned)],
        norm_epsilon: config.norm_epsilon("layer_norm_epsilon", 1e-5)?,
        blocks,
        final_norm: Norm::layer(&mut parameters, "transformer.ln_f", hidden),
        head: LinearTensors::new(["lm_head".into()], true).add_to(&mut parameters, Role::Linear, &[vocabulary], hidden),
        logit_softcap: None,
        adapters: None,
        parameters: parameters.into_vec(),
    })
}
