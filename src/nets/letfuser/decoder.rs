//! The segmentation decoder: the encoder's maps, coarse to fine, and a shallow map of the picture itself.
//!
//! *In*: normalised picture `[batch, 3, H, W]` and the encoder's maps at H/4, H/8, H/16. *Out*: class scores `[batch, classes, H, W]`,
//! each in 0..1 by its own sigmoid. *Invariant*: every enlargement is bilinear by two with corners that keep their values.

use super::config::LetFuserConfig;
use crate::nets::Taps;
use crate::nets::blocks::{Activation, Conv, ConvNorm, ConvShape, double};
use crate::nets::loader::Loader;
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;

/// The decoder.
#[derive(Debug)]
pub(super) struct Decoder {
    shallow: ConvNorm,
    /// `conv3_ss_f` to `conv0_ss_f`.
    blocks: Vec<[ConvNorm; 2]>,
    last: ConvNorm,
    predict: Conv,
}

fn conv(loader: &mut Loader, name: &str, shape: ConvShape) -> ConvNorm {
    ConvNorm::load(loader, &format!("{name}.conv"), &format!("{name}.bn"), shape, true, Activation::Relu)
}

impl Decoder {
    pub(super) fn load(loader: &mut Loader, config: &LetFuserConfig) -> Self {
        let [first, second, third] = config.encoder_channels;
        let shallow = config.shallow_channels;
        let [.., finest] = config.decoder_channels;
        let mut inputs = third;
        let mut blocks = Vec::with_capacity(4);
        let mut before = inputs;
        for (level, (outputs, beside)) in config.decoder_channels.into_iter().zip([0, second, first, shallow]).enumerate() {
            if level > 0 {
                inputs = before + beside;
            }
            let name = format!("conv{}_ss_f", 3_usize.saturating_sub(level));
            blocks.push([
                conv(loader, &format!("{name}.conv_block0"), ConvShape::same(inputs, outputs, 3)),
                conv(loader, &format!("{name}.conv_block1"), ConvShape::same(outputs, outputs, 3)),
            ]);
            before = outputs;
        }
        Self {
            shallow: conv(loader, "conv1_down", ConvShape::same(3, shallow, 3).stride(2)),
            blocks,
            last: conv(loader, "final_ss_f.conv_block0", ConvShape::same(before, finest, 3)),
            predict: Conv::load(loader, "final_ss_f.conv_block1.0", ConvShape::same(finest, config.classes, 1), true),
        }
    }

    /// `maps`: the encoder's, first to last.
    pub(super) fn forward(&self, picture: Tensor<4>, maps: &[Tensor<4>], taps: &mut Taps) -> Tensor<4> {
        let shallow = self.shallow.forward(picture);
        taps.tap("conv1_down", || shallow.clone());
        // What joins each block: nothing, then the encoder's maps backwards, then the shallow map.
        let beside = std::iter::once(None).chain(maps.iter().rev().skip(1).chain([&shallow]).map(Some));
        let mut map = maps.last().unwrap_or(&shallow).clone();
        for (level, ([first, second], beside)) in self.blocks.iter().zip(beside).enumerate() {
            if let Some(beside) = beside {
                map = Tensor::cat(vec![double(map), beside.clone()], 1);
            }
            map = second.forward(first.forward(map));
            taps.tap(&format!("conv{}_ss_f", 3_usize.saturating_sub(level)), || map.clone());
        }
        sigmoid(self.predict.forward(self.last.forward(double(map))))
    }
}
