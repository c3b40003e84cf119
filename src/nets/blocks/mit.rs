//! The Mix Transformer encoder (MiT) of SegFormer: overlapping patches, attention with spatially reduced keys, Mix-FFN.
//!
//! *In*: an image `[batch, 3, H, W]`. *Out*: up to four normalised maps at 1/4, 1/8, 1/16, 1/32 (rounded up) as tokens with their sizes.
//! *Invariant*: H and W are at least [`Mit::SMALLEST`]; the reducing convolution rounds down, patch embedding rounds up.
//! Xie et al., "SegFormer", NeurIPS 2021. No attention map over all pixels is held: keys are reduced, and the fused operator tiles them.

use super::{Activation, Conv, ConvShape, Heads, LayerNorm, Linear, to_image, to_tokens};
use crate::nets::loader::Loader;
use burn::tensor::Tensor;

/// Sizes of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageConfig {
    /// Channels.
    pub channels: usize,
    /// Blocks.
    pub blocks: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Side of the patch that becomes one key.
    pub reduction: usize,
}

/// Channels of all encoders but the smallest.
const WIDE: [usize; 4] = [64, 128, 320, 512];

/// Sizes of an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MitConfig {
    /// The four stages.
    pub stages: [StageConfig; 4],
}

impl MitConfig {
    /// MiT-B0.
    pub const B0: Self = Self::of([32, 64, 160, 256], [2, 2, 2, 2]);
    /// MiT-B1.
    pub const B1: Self = Self::of(WIDE, [2, 2, 2, 2]);
    /// MiT-B2.
    pub const B2: Self = Self::of(WIDE, [3, 4, 6, 3]);
    /// MiT-B3.
    pub const B3: Self = Self::of(WIDE, [3, 4, 18, 3]);
    /// MiT-B4.
    pub const B4: Self = Self::of(WIDE, [3, 8, 27, 3]);
    /// MiT-B5.
    pub const B5: Self = Self::of(WIDE, [3, 6, 40, 3]);

    const fn of([c1, c2, c3, c4]: [usize; 4], [b1, b2, b3, b4]: [usize; 4]) -> Self {
        Self {
            stages: [
                StageConfig { channels: c1, blocks: b1, heads: 1, reduction: 8 },
                StageConfig { channels: c2, blocks: b2, heads: 2, reduction: 4 },
                StageConfig { channels: c3, blocks: b3, heads: 5, reduction: 2 },
                StageConfig { channels: c4, blocks: b4, heads: 8, reduction: 1 },
            ],
        }
    }

    /// Channels of the four stages.
    pub fn channels(&self) -> [usize; 4] {
        self.stages.map(|stage| stage.channels)
    }
}

/// A stage's output: tokens and the size of their image.
#[derive(Debug, Clone)]
pub struct StageOutput {
    /// `[batch, height * width, channels]`, row-major.
    pub tokens: Tensor<3>,
    /// Height and width.
    pub size: [usize; 2],
}

impl StageOutput {
    /// The tokens as an image.
    pub fn image(&self) -> Tensor<4> {
        to_image(self.tokens.clone(), self.size)
    }
}

/// The encoder.
#[derive(Debug)]
pub struct Mit {
    stages: Vec<Stage>,
}

impl Mit {
    /// The least height and width: every stage then has at least one key.
    pub const SMALLEST: usize = 29;

    /// Reads the encoder under `NAME.` (give the dot).
    pub fn load(loader: &mut Loader, prefix: &str, config: &MitConfig) -> Self {
        let mut inputs = 3;
        let mut stages = Vec::with_capacity(4);
        for (index, stage) in config.stages.iter().enumerate() {
            stages.push(Stage::load(loader, prefix, index + 1, inputs, stage));
            inputs = stage.channels;
        }
        Self { stages }
    }

    /// The first `count` stages' outputs; later stages are not computed.
    pub fn forward(&self, image: Tensor<4>, count: usize) -> Vec<StageOutput> {
        let mut outputs: Vec<StageOutput> = Vec::with_capacity(count);
        for stage in self.stages.iter().take(count) {
            let input = outputs.last().map_or_else(|| image.clone(), StageOutput::image);
            outputs.push(stage.forward(input));
        }
        outputs
    }
}

#[derive(Debug)]
struct Stage {
    embed: Conv,
    embed_norm: LayerNorm,
    blocks: Vec<Block>,
    norm: LayerNorm,
}

impl Stage {
    fn load(loader: &mut Loader, prefix: &str, index: usize, inputs: usize, config: &StageConfig) -> Self {
        let channels = config.channels;
        let shape = match index {
            1 => ConvShape::same(inputs, channels, 7).stride(4),
            _ => ConvShape::same(inputs, channels, 3).stride(2),
        };
        let embed = format!("{prefix}patch_embed{index}");
        Self {
            embed: Conv::load(loader, &format!("{embed}.proj"), shape, true),
            embed_norm: LayerNorm::load(loader, &format!("{embed}.norm"), channels, 1e-5),
            blocks: (0..config.blocks).map(|j| Block::load(loader, &format!("{prefix}block{index}.{j}"), config)).collect(),
            norm: LayerNorm::load(loader, &format!("{prefix}norm{index}"), channels, 1e-6),
        }
    }

    fn forward(&self, image: Tensor<4>) -> StageOutput {
        let image = self.embed.forward(image);
        let [_, _, height, width] = image.dims();
        let size = [height, width];
        let tokens = self.embed_norm.forward(to_tokens(image));
        let tokens = self.blocks.iter().fold(tokens, |tokens, block| block.forward(tokens, size));
        StageOutput { tokens: self.norm.forward(tokens), size }
    }
}

#[derive(Debug)]
struct Block {
    norm1: LayerNorm,
    attention: ReducedAttention,
    norm2: LayerNorm,
    mlp: MixFfn,
}

impl Block {
    fn load(loader: &mut Loader, name: &str, config: &StageConfig) -> Self {
        Self {
            norm1: LayerNorm::load(loader, &format!("{name}.norm1"), config.channels, 1e-6),
            attention: ReducedAttention::load(loader, &format!("{name}.attn"), config),
            norm2: LayerNorm::load(loader, &format!("{name}.norm2"), config.channels, 1e-6),
            mlp: MixFfn::load(loader, &format!("{name}.mlp"), config.channels),
        }
    }

    fn forward(&self, x: Tensor<3>, size: [usize; 2]) -> Tensor<3> {
        let x = x.clone() + self.attention.forward(self.norm1.forward(x), size);
        x.clone() + self.mlp.forward(self.norm2.forward(x), size)
    }
}

/// Attention whose keys and values come from patches of `reduction` x `reduction` tokens.
#[derive(Debug)]
struct ReducedAttention {
    query: Linear,
    key_value: Linear,
    output: Linear,
    reduce: Option<(Conv, LayerNorm)>,
    heads: Heads,
}

impl ReducedAttention {
    fn load(loader: &mut Loader, name: &str, config: &StageConfig) -> Self {
        let channels = config.channels;
        let side = config.reduction;
        Self {
            query: Linear::load(loader, &format!("{name}.q"), channels, channels, true),
            key_value: Linear::load(loader, &format!("{name}.kv"), channels, 2 * channels, true),
            output: Linear::load(loader, &format!("{name}.proj"), channels, channels, true),
            reduce: (side > 1).then(|| {
                let shape = ConvShape::same(channels, channels, side).stride(side).padding(0);
                (Conv::load(loader, &format!("{name}.sr"), shape, true), LayerNorm::load(loader, &format!("{name}.norm"), channels, 1e-5))
            }),
            heads: Heads::new(config.heads),
        }
    }

    fn forward(&self, x: Tensor<3>, size: [usize; 2]) -> Tensor<3> {
        let [_, _, channels] = x.dims();
        let query = self.query.forward(x.clone());
        let source = match &self.reduce {
            Some((conv, norm)) => norm.forward(to_tokens(conv.forward(to_image(x, size)))),
            None => x,
        };
        let key_value = self.key_value.forward(source);
        let key = key_value.clone().narrow(2, 0, channels);
        let value = key_value.narrow(2, channels, channels);
        self.output.forward(self.heads.mix(query, key, value, None))
    }
}

/// Linear, 3x3 depthwise convolution, GELU, linear; four times as wide inside.
#[derive(Debug)]
struct MixFfn {
    expand: Linear,
    depthwise: Conv,
    contract: Linear,
}

impl MixFfn {
    fn load(loader: &mut Loader, name: &str, channels: usize) -> Self {
        let hidden = 4 * channels;
        let shape = ConvShape::same(hidden, hidden, 3).groups(hidden);
        Self {
            expand: Linear::load(loader, &format!("{name}.fc1"), channels, hidden, true),
            depthwise: Conv::load(loader, &format!("{name}.dwconv.dwconv"), shape, true),
            contract: Linear::load(loader, &format!("{name}.fc2"), hidden, channels, true),
        }
    }

    fn forward(&self, x: Tensor<3>, size: [usize; 2]) -> Tensor<3> {
        let image = to_image(self.expand.forward(x), size);
        self.contract.forward(to_tokens(Activation::Gelu.forward(self.depthwise.forward(image))))
    }
}
