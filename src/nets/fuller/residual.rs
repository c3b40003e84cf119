//! The decoder of camera-only networks: three residual stages (GeneralizedResNet) and LSSFPN over the last and the first of them.
//!
//! *In*: the camera's ground plan `[samples, context, X, Y]`, X and Y even. *Out*: `[samples, fused, X, Y]`. *Invariant*: as published, the first two stages
//! halve, so that LSSFPN's doubling gives the plan's own size back. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.

use super::FullerConfig;
use super::decoder::LssFpn;
use crate::nets::Taps;
use crate::nets::blocks::ops::relu;
use crate::nets::blocks::{Activation, ConvNorm, ConvShape};
use crate::nets::loader::Loader;
use burn::tensor::Tensor;

/// Blocks of a stage, and the stages' steps.
const BLOCKS: usize = 2;
const STRIDES: [usize; 3] = [2, 2, 1];

/// Two convolutions and a way around them.
#[derive(Debug)]
struct Block {
    convs: [ConvNorm; 2],
    around: Option<ConvNorm>,
}

impl Block {
    fn load(loader: &mut Loader, name: &str, inputs: usize, outputs: usize, stride: usize) -> Self {
        let mut conv = |conv: &str, norm: &str, shape, activation| {
            ConvNorm::load(loader, &format!("{name}.{conv}"), &format!("{name}.{norm}"), shape, false, activation)
        };
        let first = conv("conv1", "bn1", ConvShape::same(inputs, outputs, 3).stride(stride), Activation::Relu);
        let second = conv("conv2", "bn2", ConvShape::same(outputs, outputs, 3), Activation::None);
        let changes = stride != 1 || inputs != outputs;
        let shape = ConvShape::same(inputs, outputs, 1).stride(stride);
        Self { convs: [first, second], around: changes.then(|| conv("downsample.0", "downsample.1", shape, Activation::None)) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [first, second] = &self.convs;
        let around = self.around.as_ref().map_or_else(|| x.clone(), |conv| conv.forward(x.clone()));
        relu(second.forward(first.forward(x)) + around)
    }
}

/// The decoder.
#[derive(Debug)]
pub(super) struct ResidualDecoder {
    stages: Vec<[Block; BLOCKS]>,
    neck: LssFpn,
}

impl ResidualDecoder {
    /// Reads `decoder.backbone` and `decoder.neck`.
    pub(super) fn load(loader: &mut Loader, config: &FullerConfig) -> Self {
        let mut before = config.context;
        let channels = config.extents.camera_decoder;
        let mut stage = |(index, (outputs, stride)): (usize, (usize, usize))| {
            let name = |block: usize| format!("decoder.backbone.{index}.{block}");
            let first = Block::load(loader, &name(0), before, outputs, stride);
            before = outputs;
            [first, Block::load(loader, &name(1), outputs, outputs, 1)]
        };
        let stages = channels.into_iter().zip(STRIDES).enumerate().map(&mut stage).collect();
        let [fine, _, coarse] = channels;
        Self { stages, neck: LssFpn::load(loader, coarse, fine, config.fused) }
    }

    pub(super) fn forward(&self, x: Tensor<4>, taps: &mut Taps) -> Tensor<4> {
        let mut maps: Vec<Tensor<4>> = Vec::with_capacity(self.stages.len());
        let mut map = x;
        for (index, blocks) in self.stages.iter().enumerate() {
            map = blocks.iter().fold(map, |map, block| block.forward(map));
            taps.tap(&format!("decoder.backbone.out{index}"), || map.clone());
            maps.push(map.clone());
        }
        let fine = maps.into_iter().next().unwrap_or_else(|| map.clone());
        self.neck.forward(map, fine)
    }
}
