//! The fusion network of SegMiF (section 2 of the published code's `Fusion_Network3_ac`).
//!
//! *In*: infrared and luminance, `[batch, 1, H, W]`, and the first two maps of the encoder. *Out*: fused luminance, not clipped.
//! *Invariant*: one interaction block serves both levels, one PReLU slope serves all five places. Projections of the encoder's maps are
//! made before the bilinear upsampling (the two commute), so no map of 128 channels exists at full size.

use super::SegMifConfig;
use super::interaction::Interaction;
use crate::nets::Taps;
use crate::nets::blocks::ops::{conv2d, prelu};
use crate::nets::blocks::{Conv, ConvShape, DenseBlock, StageOutput, resize};
use crate::nets::loader::{Init, Loader};
use burn::tensor::Tensor;

/// The fusion network.
#[derive(Debug)]
pub(super) struct FusionNet {
    infrared: Conv,
    visible: Conv,
    dense: [DenseBlock; 4],
    interaction: Interaction,
    project: [Conv; 2],
    join: Join,
    narrow: Conv,
    last: Conv,
    slope: Tensor<1>,
}

impl FusionNet {
    pub(super) fn load(loader: &mut Loader, prefix: &str, config: &SegMifConfig) -> Self {
        let channels = config.channels;
        let [first, second, ..] = config.encoder.channels();
        let mut conv = |name: &str, shape| Conv::load(loader, &format!("{prefix}{name}"), shape, true);
        let infrared = conv("conv1_ir", ConvShape::same(1, channels, 3));
        let visible = conv("conv1_vis", ConvShape::same(1, channels, 3));
        let project = [conv("conv3", ConvShape::same(first, channels, 1)), conv("conv4", ConvShape::same(second, channels, 1))];
        let narrow = conv("conv21", ConvShape::same(channels, channels / 2, 3));
        let last = conv("conv22", ConvShape::same(channels / 2, 1, 3));
        Self {
            infrared,
            visible,
            dense: [1, 2, 3, 4].map(|n| DenseBlock::load(loader, &format!("{prefix}DRDB{n}"), channels, config.growth)),
            interaction: Interaction::load(loader, &format!("{prefix}ffm.cross."), channels),
            project,
            join: Join::load(loader, &format!("{prefix}conv2"), channels),
            narrow,
            last,
            slope: loader.tensor(&format!("{prefix}relu.weight"), [1], Init::Constant(0.25)),
        }
    }

    pub(super) fn forward(&self, ir: Tensor<4>, luminance: Tensor<4>, features: &[StageOutput], taps: &mut Taps) -> Tensor<4> {
        let [_, _, height, width] = ir.dims();
        let activate = |x: Tensor<4>| prelu(x, self.slope.clone());
        let mut a = activate(self.infrared.forward(ir));
        let mut b = activate(self.visible.forward(luminance));
        let levels = self.dense.chunks_exact(2).zip(&self.project).zip(features);
        for (level, ((dense, project), feature)) in levels.enumerate() {
            let suffix = if level == 0 { "" } else { ".second" };
            if let [dense_a, dense_b] = dense {
                a = dense_a.forward(a);
                b = dense_b.forward(b);
            }
            taps.tap(&format!("fusion.DRDB{}", 2 * level + 1), || a.clone());
            taps.tap(&format!("fusion.DRDB{}", 2 * level + 2), || b.clone());
            let semantics = resize(project.forward(feature.image()), [height, width]);
            taps.tap(&format!("fusion.conv{}", level + 3), || semantics.clone());
            (a, b) = self.interaction.forward(a, b, semantics, taps, suffix);
            taps.tap(&format!("fusion.ffm.ir{suffix}"), || a.clone());
            taps.tap(&format!("fusion.ffm.vis{suffix}"), || b.clone());
        }
        let joined = self.join.forward(a, b);
        taps.tap("fusion.conv2", || joined.clone());
        let narrowed = self.narrow.forward(activate(joined));
        taps.tap("fusion.conv21", || narrowed.clone());
        activate(self.last.forward(activate(narrowed)))
    }
}

/// A 3x3 convolution of two maps as if they were concatenated.
#[derive(Debug)]
struct Join {
    weights: [Tensor<4>; 2],
    bias: Tensor<1>,
    shape: ConvShape,
}

impl Join {
    fn load(loader: &mut Loader, name: &str, channels: usize) -> Self {
        let shape = ConvShape::same(2 * channels, channels, 3);
        let bound = Init::Uniform(1.0 / (18.0 * channels as f64).sqrt());
        let weight = loader.tensor::<4>(&format!("{name}.weight"), shape.weight(), bound);
        let bias = loader.tensor(&format!("{name}.bias"), [channels], bound);
        Self { weights: [0, 1].map(|half| weight.clone().narrow(1, half * channels, channels)), bias, shape }
    }

    fn forward(&self, a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
        let [weight_a, weight_b] = &self.weights;
        let options = self.shape.options();
        conv2d(a, weight_a.clone(), Some(self.bias.clone()), options.clone()) + conv2d(b, weight_b.clone(), None, options)
    }
}
