//! The shared trunk on the ground: fuser, SECOND, SECONDFPN; and LSSFPN, the neck of camera-only networks.
//!
//! *In*: camera and LiDAR maps of one size. *Out*: `[samples, levels * neck, X, Y]`. *Invariant*: the camera comes first in every concatenation;
//! odd sizes are refused by the configuration's grids, not here: later levels are cropped to the first.

use super::{FullerConfig, Level, Rescale};
use crate::nets::Taps;
use crate::nets::blocks::ops::conv_transpose2d;
use crate::nets::blocks::{Activation, ConvNorm, ConvShape, batch_norm};
use crate::nets::loader::{Init, Loader};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{ConvTransposeOptions, InterpolateMode, InterpolateOptions};

/// SECOND and SECONDFPN normalise with this epsilon.
const EPSILON: f64 = 1e-3;

/// SECOND with SECONDFPN.
#[derive(Debug)]
pub(super) struct Decoder {
    levels: Vec<(Vec<ConvNorm>, Neck)>,
}

/// From one level to the size of all outputs.
#[derive(Debug)]
enum Neck {
    Conv(ConvNorm),
    Up(Tensor<4>, Tensor<1>),
}

impl Decoder {
    /// Reads `PREFIXbackbone.blocks` and `PREFIXneck.deblocks`; `outputs` channels of each level.
    pub(super) fn load(loader: &mut Loader, prefix: &str, inputs: usize, levels: &[Level], outputs: usize) -> Self {
        let mut before = inputs;
        let mut made = Vec::with_capacity(levels.len());
        for (index, level) in levels.iter().enumerate() {
            let conv = |at: usize| {
                let first = ConvShape::same(before, level.channels, 3).stride(level.stride);
                let shape = if at == 0 { first } else { ConvShape::same(level.channels, level.channels, 3) };
                let name = |n: usize| format!("{prefix}backbone.blocks.{index}.{n}");
                ConvNorm::load_eps(loader, &name(3 * at), &name(3 * at + 1), shape, false, Activation::Relu, EPSILON)
            };
            let blocks = (0..=level.layers).map(conv).collect::<Vec<_>>();
            made.push((blocks, Neck::load(loader, &format!("{prefix}neck.deblocks.{index}"), level, outputs)));
            before = level.channels;
        }
        Self { levels: made }
    }

    /// Taps: `TAPbackbone.outN`.
    pub(super) fn forward(&self, x: Tensor<4>, taps: &mut Taps, tap: &str) -> Tensor<4> {
        let mut x = x;
        let mut outputs: Vec<Tensor<4>> = Vec::with_capacity(self.levels.len());
        for (index, (blocks, neck)) in self.levels.iter().enumerate() {
            x = blocks.iter().fold(x, |x, block| block.forward(x));
            taps.tap(&format!("{tap}backbone.out{index}"), || x.clone());
            let mut out = neck.forward(x.clone());
            if let Some([_, _, nx, ny]) = outputs.first().map(Tensor::dims) {
                out = out.narrow(2, 0, nx).narrow(3, 0, ny);
            }
            outputs.push(out);
        }
        Tensor::cat(outputs, 1)
    }
}

impl Neck {
    fn load(loader: &mut Loader, name: &str, level: &Level, outputs: usize) -> Self {
        let (conv, norm) = (format!("{name}.0"), format!("{name}.1"));
        let shape = match level.rescale {
            Rescale::Same => ConvShape::same(level.channels, outputs, 1),
            Rescale::Half => ConvShape::same(level.channels, outputs, 2).stride(2).padding(0),
            Rescale::Double => {
                let init = Init::Normal((2.0 / (4 * level.channels) as f64).sqrt());
                let up = loader.tensor::<4>(&format!("{conv}.weight"), [level.channels, outputs, 2, 2], init);
                let (scale, shift) = batch_norm(loader, &norm, outputs, EPSILON);
                return Self::Up(up * scale.reshape([1, outputs, 1, 1]), shift);
            }
        };
        Self::Conv(ConvNorm::load_eps(loader, &conv, &norm, shape, false, Activation::Relu, EPSILON))
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Conv(conv) => conv.forward(x),
            Self::Up(weight, bias) => {
                let options = ConvTransposeOptions::new([2, 2], [0, 0], [0, 0], [1, 1], 1);
                relu(conv_transpose2d(x, weight.clone(), Some(bias.clone()), options))
            }
        }
    }
}

/// The fuser: one convolution over both maps.
pub(super) fn fuser(loader: &mut Loader, config: &FullerConfig) -> ConvNorm {
    let shape = ConvShape::same(config.context + config.lidar_channels(), config.fused, 3);
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
