//! The matching network: one vector per contour point, from the contour's shape and the picture's texture around it.
//!
//! *In*: normalised contour `[rows, 2]`, contour patches `[rows, 7, 7]`, colour patches `[rows, 3, 7, 7]`. *Out*: [`Points`], `[rows, C]` each.
//! *Invariant*: rows from `points` on are padding; they count in the mean position as often as [`Extent::padded`] says, so that one padded row
//! may stand for all of them (they are all equal) and nothing is computed twice.

use super::PairingNetConfig;
use super::gate::{Gate, blend};
use super::graph::{GraphLayer, Ring};
use crate::nets::Taps;
use crate::nets::blocks::{Activation, ConvNorm, ConvShape, Linear};
use crate::nets::loader::Loader;
use burn::tensor::Tensor;

/// How many rows of a fragment are real, and how many there are in all once it is padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Points of the contour.
    pub points: usize,
    /// Rows after padding; the published loader pads to 2900.
    pub padded: usize,
}

/// Features of one fragment, a row for each contour point and each padded row.
#[derive(Debug, Clone)]
pub struct Points {
    /// The contour branch.
    pub contour: Tensor<2>,
    /// The texture branch.
    pub texture: Tensor<2>,
    /// Weight of the contour.
    pub gate: Tensor<2>,
    /// Both, weighed: what fragments are matched by.
    pub fused: Tensor<2>,
}

/// One fragment as the network reads it.
#[derive(Debug, Clone)]
pub struct Patches {
    /// Row and column of each point, `pixel / 659.5 - 1`; `[rows, 2]`.
    pub contour: Tensor<2>,
    /// The contour drawn around each point, `[rows, 1, 7, 7]`.
    pub line: Tensor<4>,
    /// The picture around each point, RGB, `[rows, 3, 7, 7]`.
    pub colour: Tensor<4>,
}

/// The network.
#[derive(Debug)]
pub(super) struct MatchingNet {
    line: ConvNorm,
    join: Linear,
    contour: Vec<GraphLayer>,
    colour: [ConvNorm; 2],
    texture: Vec<GraphLayer>,
    gate: Gate,
    radius: usize,
}

impl MatchingNet {
    pub(super) fn load(loader: &mut Loader, prefix: &str, config: &PairingNetConfig) -> Self {
        // Stored in the published files, part of no pass; then other names of tensors that are read under their own.
        for unused in ["flatten_net.fc1", "fc2", "selfgate.fc_2", "selfgate.fc1_2", "selfgate.proj1", "selfgate.proj2"] {
            loader.tolerate(&format!("{prefix}{unused}."));
        }
        loader.tolerate(&format!("{prefix}selfgate.out_layer."));
        loader.tolerate(&format!("{prefix}selfgate.fc3."));
        let (channels, narrow) = (config.channels, config.channels / 2);
        let mut conv = |name: &str, shape| {
            let (conv, norm) = (format!("{prefix}{name}.conv"), format!("{prefix}{name}.bn"));
            ConvNorm::load(loader, &conv, &norm, shape, false, Activation::Relu)
        };
        let line = conv("flatten_net.conv1", ConvShape::same(1, channels, 3).padding(0));
        let colour = [
            conv("encoder_t.conv1", ConvShape::same(3, narrow, 3)),
            conv("encoder_t.conv2", ConvShape::same(narrow, channels, 3).padding(0)),
        ];
        let mut stack = |branch: &str| -> Vec<GraphLayer> {
            let layer = |index| {
                let name = format!("{prefix}{branch}.deep_gcn.{index}");
                loader.tolerate(&format!("{name}.deep_gcn."));
                loader.tolerate(&format!("{name}.conv.lin_dst."));
                GraphLayer::load(loader, &name, channels)
            };
            (0..config.graph_layers).map(layer).collect()
        };
        let (contour, texture) = (stack("encoder_c"), stack("gcn_t"));
        let join = Linear::load(loader, &format!("{prefix}fc"), channels + 2, channels, true);
        let gate = Gate::load(loader, &format!("{prefix}selfgate"), channels);
        Self { line, join, contour, colour, texture, gate, radius: config.radius }
    }

    /// Features of one fragment; taps get `side` and a dot before their names. `radius` overrides the ring's.
    pub(super) fn forward(&self, input: Patches, extent: Extent, radius: Option<usize>, side: &str, taps: &mut Taps) -> Points {
        let device = input.contour.device();
        let ring = Ring::new(extent.points, radius.unwrap_or(self.radius), &device);
        let line = pooled(self.line.forward(input.line));
        taps.tap(&format!("{side}.patch_c"), || line.clone());
        let position = centred(input.contour, extent);
        taps.tap(&format!("{side}.position"), || position.clone());
        let node = self.join.forward(Tensor::cat(vec![line, position], 1));
        taps.tap(&format!("{side}.node_c"), || node.clone());
        let contour = run(&self.contour, node, &ring, &format!("{side}.gcn_c"), taps);
        let [first, second] = &self.colour;
        let colour = first.forward(input.colour);
        let colour = pooled(second.forward(colour));
        taps.tap(&format!("{side}.patch_t"), || colour.clone());
        let texture = run(&self.texture, colour, &ring, &format!("{side}.gcn_t"), taps);
        let gate = self.gate.forward(contour.clone(), texture.clone());
        let [a, b] = blend(&gate, contour.clone(), texture.clone());
        Points { contour, texture, gate, fused: a + b }
    }
}

fn run(layers: &[GraphLayer], x: Tensor<2>, ring: &Ring, name: &str, taps: &mut Taps) -> Tensor<2> {
    layers.iter().enumerate().fold(x, |x, (index, layer)| {
        let x = layer.forward(x, ring);
        taps.tap(&format!("{name}{index}"), || x.clone());
        x
    })
}

/// Mean over the picture's two axes.
fn pooled(x: Tensor<4>) -> Tensor<2> {
    let [rows, channels, height, width] = x.dims();
    x.reshape([rows, channels, height * width]).mean_dim(2).reshape([rows, channels])
}

/// The contour less its mean over all rows (padded ones included) and less 1.
fn centred(contour: Tensor<2>, extent: Extent) -> Tensor<2> {
    let [rows, axes] = contour.dims();
    let points = extent.points.min(rows);
    let mut sum = contour.clone().narrow(0, 0, points).sum_dim(0);
    if rows > points {
        let each = extent.padded.saturating_sub(points) as f64 / (rows - points) as f64;
        sum = sum + contour.clone().narrow(0, points, rows - points).sum_dim(0) * each;
    }
    contour - (sum / extent.padded.max(1) as f64).reshape([1, axes]) - 1.0
}
