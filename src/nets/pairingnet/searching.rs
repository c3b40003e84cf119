//! The searching network: one vector per fragment, compared by cosine.
//!
//! *In*: both branches of the matching network, `[rows, C]`. *Out*: `[embedding]`, not normalised. *Invariant*: it reads exactly `length` rows
//! (padded ones included, the tail of a longer contour left out), as published; the mean runs over all of them.

use super::PairingNetConfig;
use super::gate::{Gate, blend};
use super::transformer::{LinearTransformer, TransformerConfig};
use crate::nets::Taps;
use crate::nets::blocks::Linear;
use crate::nets::loader::Loader;
use burn::tensor::Tensor;

/// The network.
#[derive(Debug)]
pub(super) struct SearchingNet {
    contour: LinearTransformer,
    texture: LinearTransformer,
    gate: Gate,
    output: Linear,
}

impl SearchingNet {
    pub(super) fn load(loader: &mut Loader, prefix: &str, config: &PairingNetConfig) -> Self {
        // Two layers of 1450 x 2900 that no pass reads.
        loader.tolerate(&format!("{prefix}fc_s."));
        loader.tolerate(&format!("{prefix}fc_t."));
        let sizes = TransformerConfig {
            width: config.channels,
            depth: config.transformer_layers,
            heads: config.heads,
            local_heads: config.local_heads,
            window: config.window,
        };
        Self {
            contour: LinearTransformer::load(loader, &format!("{prefix}transformer_encoder_c"), &sizes),
            texture: LinearTransformer::load(loader, &format!("{prefix}transformer_encoder_t"), &sizes),
            gate: Gate::load(loader, &format!("{prefix}selfgate"), config.channels),
            output: Linear::load(loader, &format!("{prefix}out_l_1"), 2 * config.channels, config.embedding, true),
        }
    }

    /// The embedding of `length` rows (a multiple of the window).
    pub(super) fn forward(&self, contour: Tensor<2>, texture: Tensor<2>, side: &str, taps: &mut Taps) -> Tensor<1> {
        let contour = self.contour.forward(contour, [side, "c"], taps);
        taps.tap(&format!("{side}.transformer_c"), || contour.clone());
        let texture = self.texture.forward(texture, [side, "t"], taps);
        taps.tap(&format!("{side}.transformer_t"), || texture.clone());
        let gate = self.gate.forward(contour.clone(), texture.clone());
        taps.tap(&format!("{side}.search_gate"), || gate.clone());
        let mean = Tensor::cat(blend(&gate, contour, texture).to_vec(), 1).mean_dim(0);
        self.output.forward(mean).squeeze_dim(0)
    }
}
