//! The Convolutional vision Transformer (CvT): convolutional patches, and attention whose projections begin with depthwise convolutions.
//!
//! *In*: an image `[batch, 3, H, W]`. *Out*: the stages' maps at 1/4, 1/8, 1/16 (rounded up) and the last stage's class token.
//! *Invariant*: the class token never meets a convolution; queries keep the map's size, keys and values have half of it (rounded up).
//! Wu et al., "CvT: Introducing Convolutions to Vision Transformers", ICCV 2021; parameter names of the Hugging Face model.

use super::{Activation, Conv, ConvNorm, ConvShape, Heads, LayerNorm, Linear, Mlp, to_image, to_tokens};
use crate::nets::Taps;
use crate::nets::loader::{Init, Loader};
use burn::tensor::Tensor;

/// Sizes of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CvtStage {
    /// Channels.
    pub channels: usize,
    /// Layers.
    pub layers: usize,
    /// Heads of attention.
    pub heads: usize,
}

/// What divides the scores of attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreScale {
    /// The root of all channels, as the published weights were trained.
    #[default]
    AllChannels,
    /// The root of one head's channels, as usual.
    HeadChannels,
}

/// Sizes of an encoder. The first patches are 7x7 with stride 4, the others 3x3 with stride 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CvtConfig {
    /// The three stages; only the last one has a class token.
    pub stages: [CvtStage; 3],
    /// What divides the scores.
    pub scale: ScoreScale,
}

impl CvtConfig {
    /// CvT-13.
    pub const CVT13: Self = Self {
        stages: [
            CvtStage { channels: 64, layers: 1, heads: 1 },
            CvtStage { channels: 192, layers: 2, heads: 3 },
            CvtStage { channels: 384, layers: 10, heads: 6 },
        ],
        scale: ScoreScale::AllChannels,
    };

    /// Channels of the three stages.
    pub fn channels(&self) -> [usize; 3] {
        self.stages.map(|stage| stage.channels)
    }
}

/// The encoder.
#[derive(Debug)]
pub struct Cvt {
    stages: Vec<Stage>,
}

impl Cvt {
    /// Reads the stages under `PREFIX` (give the dot).
    pub fn load(loader: &mut Loader, prefix: &str, config: &CvtConfig) -> Self {
        let mut inputs = 3;
        let mut stages = Vec::with_capacity(config.stages.len());
        for (index, sizes) in config.stages.iter().enumerate() {
            stages.push(Stage::load(loader, prefix, index, inputs, config.scale, sizes));
            inputs = sizes.channels;
        }
        Self { stages }
    }

    /// The stages' maps, first to last, and the class token `[batch, channels]`.
    ///
    /// Taps: `NAME.embedS`, `NAME.blockS_L` (tokens, the class token first), `NAME.h1` to `NAME.h3`, `NAME.cls`.
    pub fn forward(&self, image: Tensor<4>, taps: &mut Taps, name: &str) -> (Vec<Tensor<4>>, Option<Tensor<2>>) {
        let mut maps: Vec<Tensor<4>> = Vec::with_capacity(self.stages.len());
        let mut class = None;
        for (index, stage) in self.stages.iter().enumerate() {
            let input = maps.last().unwrap_or(&image).clone();
            let (map, token) = stage.forward(input, taps, name, index);
            taps.tap(&format!("{name}.h{}", index + 1), || map.clone());
            maps.push(map);
            class = token;
        }
        if let Some(class) = &class {
            taps.tap(&format!("{name}.cls"), || class.clone());
        }
        (maps, class.map(|token| token.squeeze_dim(1)))
    }
}

#[derive(Debug)]
struct Stage {
    embed: Conv,
    norm: LayerNorm,
    class_token: Option<Tensor<3>>,
    layers: Vec<Layer>,
}

impl Stage {
    fn load(loader: &mut Loader, prefix: &str, index: usize, inputs: usize, scale: ScoreScale, sizes: &CvtStage) -> Self {
        let (name, channels) = (format!("{prefix}stages.{index}"), sizes.channels);
        let shape = match index {
            0 => ConvShape::same(inputs, channels, 7).stride(4).padding(2),
            _ => ConvShape::same(inputs, channels, 3).stride(2),
        };
        let embed = format!("{name}.embedding.convolution_embeddings");
        let scaled = if scale == ScoreScale::AllChannels { channels } else { channels.checked_div(sizes.heads).unwrap_or(channels) };
        let heads = Heads { count: sizes.heads, scale: Some(1.0 / (scaled as f64).sqrt()) };
        Self {
            embed: Conv::load(loader, &format!("{embed}.projection"), shape, true),
            norm: LayerNorm::load(loader, &format!("{embed}.normalization"), channels, 1e-5),
            class_token: (index == 2).then(|| loader.tensor(&format!("{name}.cls_token"), [1, 1, channels], Init::Normal(0.02))),
            layers: (0..sizes.layers).map(|l| Layer::load(loader, &format!("{name}.layers.{l}"), channels, heads)).collect(),
        }
    }

    fn forward(&self, image: Tensor<4>, taps: &mut Taps, name: &str, index: usize) -> (Tensor<4>, Option<Tensor<3>>) {
        let patches = self.embed.forward(image);
        let [batch, channels, height, width] = patches.dims();
        let size = [height, width];
        let mut tokens = self.norm.forward(to_tokens(patches));
        taps.tap(&format!("{name}.embed{index}"), || to_image(tokens.clone(), size));
        let front = usize::from(self.class_token.is_some());
        if let Some(class) = &self.class_token {
            tokens = Tensor::cat(vec![class.clone().expand([batch, 1, channels]), tokens], 1);
        }
        for (l, layer) in self.layers.iter().enumerate() {
            tokens = layer.forward(tokens, size, front);
            taps.tap(&format!("{name}.block{index}_{l}"), || tokens.clone());
        }
        let class = (front > 0).then(|| tokens.clone().narrow(1, 0, 1));
        (to_image(tokens.narrow(1, front, height * width), size), class)
    }
}

#[derive(Debug)]
struct Layer {
    before: LayerNorm,
    /// Query, key, value: depthwise convolution with its norm, then a matrix.
    projections: [(ConvNorm, Linear); 3],
    output: Linear,
    heads: Heads,
    after: LayerNorm,
    mlp: Mlp,
}

impl Layer {
    fn load(loader: &mut Loader, name: &str, channels: usize, heads: Heads) -> Self {
        let own = format!("{name}.attention.attention");
        let projections = [("query", 1), ("key", 2), ("value", 2)].map(|(kind, stride)| {
            let conv = format!("{own}.convolution_projection_{kind}.convolution_projection");
            let shape = ConvShape::same(channels, channels, 3).groups(channels).stride(stride);
            let (weight, norm) = (format!("{conv}.convolution"), format!("{conv}.normalization"));
            let local = ConvNorm::load(loader, &weight, &norm, shape, false, Activation::None);
            (local, Linear::load(loader, &format!("{own}.projection_{kind}"), channels, channels, true))
        });
        let names = [&*format!("{name}.intermediate.dense"), &*format!("{name}.output.dense")];
        Self {
            before: LayerNorm::load(loader, &format!("{name}.layernorm_before"), channels, 1e-5),
            projections,
            output: Linear::load(loader, &format!("{name}.attention.output.dense"), channels, channels, true),
            heads,
            after: LayerNorm::load(loader, &format!("{name}.layernorm_after"), channels, 1e-5),
            mlp: Mlp::load(loader, names, [channels, 4 * channels, channels], Activation::Gelu),
        }
    }

    /// `front` tokens stand before those of the image.
    fn forward(&self, x: Tensor<3>, size: [usize; 2], front: usize) -> Tensor<3> {
        let [_, tokens, _] = x.dims();
        let normal = self.before.forward(x.clone());
        let image = to_image(normal.clone().narrow(1, front, tokens.saturating_sub(front)), size);
        let [query, key, value] = self.projections.each_ref().map(|(local, matrix)| {
            let mut projected = to_tokens(local.forward(image.clone()));
            if front > 0 {
                projected = Tensor::cat(vec![normal.clone().narrow(1, 0, front), projected], 1);
            }
            matrix.forward(projected)
        });
        let x = x + self.output.forward(self.heads.mix(query, key, value, None));
        x.clone() + self.mlp.forward(self.after.forward(x))
    }
}
