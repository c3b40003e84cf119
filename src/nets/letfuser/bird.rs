//! The bird's-eye encoder: the first six stages of EfficientNet over the one-hot semantic map.
//!
//! *In*: `[batch, classes, H, W]`. *Out*: `[batch, channels, H/16, W/16]`. *Invariant*: names as in torchvision; stages 6 to 8 stand in the
//! published files and are part of no pass. Tan and Le, "EfficientNet", ICML 2019.

use super::config::LetFuserConfig;
use crate::nets::Taps;
use crate::nets::blocks::{Activation, Conv, ConvNorm, ConvShape};
use crate::nets::loader::Loader;
use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, silu};

/// Where the encoder's parameters are.
pub(super) const PREFIX: &str = "SC_encoder.features.";
/// Kernel and stride of the stem and the five stages.
const KERNELS: [(usize, usize); 6] = [(3, 2), (3, 1), (3, 2), (5, 2), (3, 2), (5, 1)];

/// The encoder.
#[derive(Debug)]
pub(super) struct BirdEncoder {
    stem: ConvNorm,
    stages: Vec<Vec<MbConv>>,
}

impl BirdEncoder {
    pub(super) fn load(loader: &mut Loader, config: &LetFuserConfig) -> Self {
        let [stem, ..] = config.bird_channels;
        let [(kernel, stride), ..] = KERNELS;
        let shape = ConvShape::same(config.classes, stem, kernel).stride(stride);
        let mut inputs = stem;
        let mut stages = Vec::with_capacity(5);
        let sizes = config.bird_channels.into_iter().zip(KERNELS).skip(1).zip(config.bird_blocks);
        let stem = ConvNorm::load(loader, &format!("{PREFIX}0.0"), &format!("{PREFIX}0.1"), shape, false, Activation::Silu);
        for (stage, ((outputs, (kernel, stride)), blocks)) in sizes.enumerate() {
            let expansion = if stage == 0 { 1 } else { 6 };
            let mut list = Vec::with_capacity(blocks);
            for block in 0..blocks {
                let name = format!("{PREFIX}{}.{block}.block", stage + 1);
                let shape = ConvShape::same(inputs, outputs, kernel).stride(if block == 0 { stride } else { 1 });
                list.push(MbConv::load(loader, &name, shape, expansion));
                inputs = outputs;
            }
            stages.push(list);
        }
        Self { stem, stages }
    }

    /// Taps: `PREFIXsc0` to `PREFIXsc5`.
    pub(super) fn forward(&self, map: Tensor<4>, taps: &mut Taps, prefix: &str) -> Tensor<4> {
        let mut map = self.stem.forward(map);
        taps.tap(&format!("{prefix}sc0"), || map.clone());
        for (stage, blocks) in self.stages.iter().enumerate() {
            map = blocks.iter().fold(map, |map, block| block.forward(map));
            taps.tap(&format!("{prefix}sc{}", stage + 1), || map.clone());
        }
        map
    }
}

/// Inverted residual block: widen, depthwise convolution, squeeze-excite, narrow.
#[derive(Debug)]
struct MbConv {
    expand: Option<ConvNorm>,
    depthwise: ConvNorm,
    squeeze: [Conv; 2],
    project: ConvNorm,
    residual: bool,
}

impl MbConv {
    /// `shape`: channels of the block, kernel and stride of its depthwise convolution.
    fn load(loader: &mut Loader, name: &str, shape: ConvShape, expansion: usize) -> Self {
        let (inputs, outputs) = (shape.inputs, shape.outputs);
        let wide = inputs * expansion;
        let narrow = (inputs / 4).max(1);
        // Without a widening step all indices move up by one.
        let first = usize::from(expansion > 1);
        let mut conv = |index: usize, shape: ConvShape, activation| {
            ConvNorm::load(loader, &format!("{name}.{index}.0"), &format!("{name}.{index}.1"), shape, false, activation)
        };
        let expand = (expansion > 1).then(|| conv(0, ConvShape::same(inputs, wide, 1), Activation::Silu));
        let inner = ConvShape { inputs: wide, outputs: wide, ..shape }.groups(wide);
        let depthwise = conv(first, inner, Activation::Silu);
        let project = conv(first + 2, ConvShape::same(wide, outputs, 1), Activation::None);
        let squeeze = [("fc1", wide, narrow), ("fc2", narrow, wide)]
            .map(|(fc, from, to)| Conv::load(loader, &format!("{name}.{}.{fc}", first + 1), ConvShape::same(from, to, 1), true));
        Self { expand, depthwise, squeeze, project, residual: shape.stride == 1 && inputs == outputs }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let wide = self.expand.as_ref().map_or_else(|| x.clone(), |expand| expand.forward(x.clone()));
        let map = self.depthwise.forward(wide);
        let [first, second] = &self.squeeze;
        let weight = sigmoid(second.forward(silu(first.forward(map.clone().mean_dim(2).mean_dim(3)))));
        let map = self.project.forward(map * weight);
        if self.residual { map + x } else { map }
    }
}
