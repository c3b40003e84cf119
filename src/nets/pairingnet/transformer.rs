//! A transformer whose heads are half local, half linear: windows of neighbours, and one context for the whole sequence.
//!
//! *In / Out*: `[tokens, width]`, tokens a multiple of the window. *Invariant*: cost is linear in the tokens. A local query sees its own window
//! and the one on either side (two windows at the ends, no wrap-around); a global head takes q softmax over its channels, k softmax over
//! the tokens, and q (k^T v) without a map of tokens by tokens. Shen et al., "Efficient Attention", WACV 2021. No positions, no last norm.

use crate::nets::Taps;
use crate::nets::blocks::ops::{attention, context, softmax};
use crate::nets::blocks::{Activation, LayerNorm, Linear, Mlp};
use crate::nets::loader::Loader;
use burn::tensor::Tensor;

/// Sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TransformerConfig {
    pub(super) width: usize,
    pub(super) depth: usize,
    pub(super) heads: usize,
    pub(super) local_heads: usize,
    pub(super) window: usize,
}

/// The blocks, pre-norm, each attention and MLP.
#[derive(Debug)]
pub(super) struct LinearTransformer {
    blocks: Vec<Block>,
}

#[derive(Debug)]
struct Block {
    norm: LayerNorm,
    attention: MixedAttention,
    mlp_norm: LayerNorm,
    mlp: Mlp,
}

impl LinearTransformer {
    /// Reads `NAME.layers.layers.I`.
    pub(super) fn load(loader: &mut Loader, name: &str, config: &TransformerConfig) -> Self {
        let width = config.width;
        let mut block = |index: usize| {
            let [attention, mlp] = [0, 1].map(|half| format!("{name}.layers.layers.{index}.{half}"));
            Block {
                norm: LayerNorm::load(loader, &format!("{attention}.norm"), width, 1e-5),
                attention: MixedAttention::load(loader, &format!("{attention}.fn"), config),
                mlp_norm: LayerNorm::load(loader, &format!("{mlp}.norm"), width, 1e-5),
                mlp: Mlp::load(
                    loader,
                    [&format!("{mlp}.fn.fn.w1"), &format!("{mlp}.fn.fn.w2")],
                    [width, 4 * width, width],
                    Activation::Gelu,
                ),
            }
        };
        Self { blocks: (0..config.depth).map(&mut block).collect() }
    }

    /// Applies it; taps are called `SIDE.attn_BRANCH0` and so on.
    pub(super) fn forward(&self, tokens: Tensor<2>, [side, branch]: [&str; 2], taps: &mut Taps) -> Tensor<2> {
        let mut x: Tensor<3> = tokens.unsqueeze();
        for (index, block) in self.blocks.iter().enumerate() {
            let name = |what: &str| format!("{side}.{what}_{branch}{index}");
            let (mixed, local) = block.attention.forward(block.norm.forward(x.clone()));
            taps.tap(&name("local_attn"), || local.squeeze_dim::<3>(0));
            taps.tap(&name("attn"), || mixed.clone().squeeze_dim::<2>(0));
            x = x + mixed;
            x = x.clone() + block.mlp.forward(block.mlp_norm.forward(x));
            taps.tap(&name("block"), || x.clone().squeeze_dim::<2>(0));
        }
        x.squeeze_dim(0)
    }
}

#[derive(Debug)]
struct MixedAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    heads: usize,
    local_heads: usize,
    window: usize,
}

impl MixedAttention {
    fn load(loader: &mut Loader, name: &str, config: &TransformerConfig) -> Self {
        let mut linear = |leaf: &str, bias| Linear::load(loader, &format!("{name}.{leaf}"), config.width, config.width, bias);
        Self {
            query: linear("to_q", false),
            key: linear("to_k", false),
            value: linear("to_v", false),
            output: linear("to_out", true),
            heads: config.heads,
            local_heads: config.local_heads,
            window: config.window,
        }
    }

    /// The branch's output, and the local heads before the closing projection, `[batch, local heads, tokens, width of a head]`.
    fn forward(&self, x: Tensor<3>) -> (Tensor<3>, Tensor<4>) {
        let [batch, tokens, width] = x.dims();
        let head = width.checked_div(self.heads).unwrap_or(width);
        let split = |x: Tensor<3>| x.reshape([batch, tokens, self.heads, head]).swap_dims(1, 2);
        let [q, k, v] = [&self.query, &self.key, &self.value].map(|linear| split(linear.forward(x.clone())));
        let (near, far) = (self.local_heads, self.heads.saturating_sub(self.local_heads));
        let local = local_attention(q.clone().narrow(1, 0, near), k.clone().narrow(1, 0, near), v.clone().narrow(1, 0, near), self.window);
        let [q, k, v] = [q, k, v].map(|x| x.narrow(1, near, far));
        let summary = context(softmax(k, 2).swap_dims(2, 3), v);
        let global = context(softmax(q, 3) / (head as f64).sqrt(), summary);
        let mixed = Tensor::cat(vec![local.clone(), global], 1);
        (self.output.forward(mixed.swap_dims(1, 2).reshape([batch, tokens, width])), local)
    }
}

/// Each window of queries against itself and the window on either side.
fn local_attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, window: usize) -> Tensor<4> {
    let [batch, heads, tokens, head] = q.dims();
    let windows = tokens.checked_div(window).unwrap_or(0);
    let whole = |q, k, v| attention(q, k, v, None, None);
    if windows <= 2 {
        return whole(q, k, v);
    }
    let part = |x: &Tensor<4>, from: usize, count: usize| x.clone().narrow(2, from * window, count * window);
    let first = whole(part(&q, 0, 1), part(&k, 0, 2), part(&v, 0, 2));
    let last = whole(part(&q, windows - 1, 1), part(&k, windows - 2, 2), part(&v, windows - 2, 2));
    // The windows between see three each: three shifted views side by side.
    let inner = windows - 2;
    let stacked = |x: &Tensor<4>, from: usize| part(x, from, inner).reshape([batch * heads, inner, window, head]);
    let triple = |x: &Tensor<4>| Tensor::cat(vec![stacked(x, 0), stacked(x, 1), stacked(x, 2)], 2);
    let middle = whole(stacked(&q, 1), triple(&k), triple(&v)).reshape([batch, heads, inner * window, head]);
    Tensor::cat(vec![first, middle, last], 2)
}
