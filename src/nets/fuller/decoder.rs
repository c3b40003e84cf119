//! The shared trunk on the ground: fuser, SECOND, SECONDFPN; and LSSFPN, the neck of camera-only networks.
//!
//! *In*: camera and LiDAR maps of one size. *Out*: `[samples, 2 * neck, X, Y]`. *Invariant*: the camera comes first in every concatenation;
//! odd sizes are refused by the configuration's grids, not here: the second level is cropped to the first.

use super::FullerConfig;
use crate::nets::Taps;
use crate::nets::blocks::{Activation, ConvNorm, ConvShape, batch_norm};
use crate::nets::loader::{Init, Loader};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::module::{conv_transpose2d, interpolate};
use burn::tensor::ops::{ConvTransposeOptions, InterpolateMode, InterpolateOptions};

/// SECOND and SECONDFPN normalise with this epsilon.
const EPSILON: f64 = 1e-3;

/// SECOND with SECONDFPN.
#[derive(Debug)]
pub(super) struct Decoder {
    levels: [Vec<ConvNorm>; 2],
    lateral: ConvNorm,
    up: Tensor<4>,
    up_bias: Tensor<1>,
}

impl Decoder {
    pub(super) fn load(loader: &mut Loader, config: &FullerConfig) -> Self {
        let [first, second] = config.second;
        let mut level = |index: usize, inputs: usize, channels: usize, stride: usize| {
            let conv = |at: usize| {
                let shape =
                    if at == 0 { ConvShape::same(inputs, channels, 3).stride(stride) } else { ConvShape::same(channels, channels, 3) };
                let name = |n: usize| format!("decoder.backbone.blocks.{index}.{n}");
                ConvNorm::load_eps(loader, &name(3 * at), &name(3 * at + 1), shape, false, Activation::Relu, EPSILON)
            };
            (0..=config.second_layers).map(conv).collect::<Vec<_>>()
        };
        let levels = [level(0, config.fused, first, 1), level(1, first, second, 2)];
        let name = |n: &str| format!("decoder.neck.deblocks.{n}");
        let shape = ConvShape::same(first, config.neck, 1);
        let lateral = ConvNorm::load_eps(loader, &name("0.0"), &name("0.1"), shape, false, Activation::Relu, EPSILON);
        let init = Init::Normal((2.0 / (4 * second) as f64).sqrt());
        let up = loader.tensor::<4>(&format!("{}.weight", name("1.0")), [second, config.neck, 2, 2], init);
        let (scale, shift) = batch_norm(loader, &name("1.1"), config.neck, EPSILON);
        Self { levels, lateral, up: up * scale.reshape([1, config.neck, 1, 1]), up_bias: shift }
    }

    pub(super) fn forward(&self, fused: Tensor<4>, taps: &mut Taps) -> Tensor<4> {
        let [first, second] = &self.levels;
        let fine = first.iter().fold(fused, |x, block| block.forward(x));
        taps.tap("decoder.backbone.out0", || fine.clone());
        let coarse = second.iter().fold(fine.clone(), |x, block| block.forward(x));
        taps.tap("decoder.backbone.out1", || coarse.clone());
        let [_, _, nx, ny] = fine.dims();
        let options = ConvTransposeOptions::new([2, 2], [0, 0], [0, 0], [1, 1], 1);
        let up = relu(conv_transpose2d(coarse, self.up.clone(), Some(self.up_bias.clone()), options));
        let up = up.narrow(2, 0, nx).narrow(3, 0, ny);
        Tensor::cat(vec![self.lateral.forward(fine), up], 1)
    }
}

/// The fuser: one convolution over both maps.
pub(super) fn fuser(loader: &mut Loader, config: &FullerConfig) -> ConvNorm {
    let [.., last] = config.sparse;
    let shape = ConvShape::same(config.context + 2 * last, config.fused, 3);
    ConvNorm::load(loader, "fuser.0", "fuser.1", shape, false, Activation::Relu)
}

/// The neck of camera-only networks: a coarse and a fine map to one at twice the fine one's size.
#[derive(Debug)]
pub struct LssFpn {
    fuse: [ConvNorm; 2],
    after: ConvNorm,
}

impl LssFpn {
    /// Reads `decoder.neck.fuse` and `decoder.neck.upsample`.
    pub(super) fn load(loader: &mut Loader, coarse: usize, fine: usize, outputs: usize) -> Self {
        let mut block = |name: &str, at: usize, shape| {
            let name = |n: usize| format!("decoder.neck.{name}.{n}");
            ConvNorm::load(loader, &name(at), &name(at + 1), shape, false, Activation::Relu)
        };
        Self {
            fuse: [block("fuse", 0, ConvShape::same(coarse + fine, outputs, 1)), block("fuse", 3, ConvShape::same(outputs, outputs, 3))],
            after: block("upsample", 1, ConvShape::same(outputs, outputs, 3)),
        }
    }

    /// `[B, coarse, X / s, Y / s]` and `[B, fine, X, Y]` to `[B, outputs, 2 X, 2 Y]`.
    pub fn forward(&self, coarse: Tensor<4>, fine: Tensor<4>) -> Tensor<4> {
        let [_, _, nx, ny] = fine.dims();
        let joined = Tensor::cat(vec![corners(coarse, [nx, ny]), fine], 1);
        let fused = self.fuse.iter().fold(joined, |x, block| block.forward(x));
        self.after.forward(corners(fused, [2 * nx, 2 * ny]))
    }
}

/// Bilinear with the corners kept (PyTorch's `align_corners = true`).
fn corners(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    interpolate(x, InterpolateOptions::new(InterpolateMode::Bilinear).with_output_size(size).with_align_corners(true))
}
