//! TransFusion: peaks of a heat map become queries, one attention layer over the whole ground turns them into boxes.
//!
//! *In*: `[samples, C, X, Y]`. *Out*: [`Proposals`]. *Invariant*: the published, post-norm layer: the queries' positions enter both
//! attentions, and values carry positions too. Positions of the keys depend on nothing but weights and are embedded once.
//! Bai et al., "TransFusion", CVPR 2022.

use super::FullerConfig;
use super::boxes::CLASSES;
use super::peaks::{Peak, best, suppress};
use crate::nets::Taps;
use crate::nets::blocks::ops::linear;
use crate::nets::blocks::{Activation, Conv, ConvNorm, ConvShape, Heads, LayerNorm, Linear, Mlp, batch_norm, to_tokens};
use crate::nets::loader::{Init, Loader};
use crate::types::{Error, Result, num};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Int, Tensor, TensorData};

const HEADS: usize = 8;
/// The branches of a box and their sizes, in the order of its code; then the classes.
pub const BRANCHES: [(&str, usize); 6] = [("center", 2), ("height", 1), ("dim", 3), ("rot", 2), ("vel", 2), ("heatmap", CLASSES.len())];

/// What the head says of a batch.
#[derive(Debug, Clone)]
pub struct Proposals {
    /// `[samples, classes, X, Y]`, logits.
    pub dense: Tensor<4>,
    /// Of each sample, by falling score.
    pub peaks: Vec<Vec<Peak>>,
    /// As in `BRANCHES`, each `[samples, n, proposals]`; centres in cells.
    pub branches: [Tensor<3>; 6],
    /// Surviving scores of all classes at each proposal's cell, `[samples, classes, proposals]`.
    pub query_scores: Tensor<3>,
}

/// The head.
#[derive(Debug)]
pub(super) struct TransFusion {
    shared: Conv,
    heat: (ConvNorm, Conv),
    /// `[classes, hidden]`, bias included.
    class_encoding: Tensor<2>,
    self_position: PositionEmbedding,
    /// `[1, X Y, hidden]`.
    key_positions: Tensor<3>,
    self_attention: Attention,
    cross_attention: Attention,
    norms: [LayerNorm; 3],
    feed: Mlp,
    branches: Vec<(Linear, Linear)>,
    bev: [usize; 2],
    proposals: usize,
}

impl TransFusion {
    /// Reads `heads.object`.
    pub(super) fn load(loader: &mut Loader, config: &FullerConfig) -> Self {
        let (width, p) = (config.hidden, "heads.object.");
        let shared = Conv::load(loader, &format!("{p}shared_conv"), ConvShape::same(config.head_channels(), width, 3), true);
        let name = |n: &str| format!("{p}heatmap_head.{n}");
        let heat = (
            ConvNorm::load(loader, &name("0.conv"), &name("0.bn"), ConvShape::same(width, width, 3), false, Activation::Relu),
            Conv::load(loader, &name("1"), ConvShape::same(width, CLASSES.len(), 3), true),
        );
        let encoding = loader.tensor::<3>(&format!("{p}class_encoding.weight"), [width, CLASSES.len(), 1], Init::Normal(0.3));
        let shift = loader.tensor::<1>(&format!("{p}class_encoding.bias"), [width], Init::Constant(0.0));
        let class_encoding = encoding.reshape([width, CLASSES.len()]).transpose() + shift.unsqueeze();
        let d = format!("{p}decoder.0.");
        let embedding = |loader: &mut Loader, n: &str| PositionEmbedding::load(loader, &format!("{d}{n}.position_embedding_head."), width);
        let bev = config.bev();
        let positions = centres(bev, 0..bev[0] * bev[1], loader.device());
        let key_positions = embedding(loader, "cross_posembed").forward(positions);
        let branches = BRANCHES.iter().map(|(branch, size)| {
            let name = |n: &str| format!("{p}prediction_heads.0.{branch}.{n}");
            let inner = pointwise(loader, &name("0.conv"), Some(&name("0.bn")), width, config.branch);
            (inner, pointwise(loader, &name("1"), None, config.branch, *size))
        });
        let branches = branches.collect();
        Self {
            shared,
            heat,
            class_encoding,
            self_position: embedding(loader, "self_posembed"),
            key_positions,
            self_attention: Attention::load(loader, &format!("{d}self_attn."), width),
            cross_attention: Attention::load(loader, &format!("{d}multihead_attn."), width),
            norms: [1, 2, 3].map(|n| LayerNorm::load(loader, &format!("{d}norm{n}"), width, 1e-5)),
            feed: Mlp::load(
                loader,
                [&format!("{d}linear1"), &format!("{d}linear2")],
                [width, config.feed_forward, width],
                Activation::Relu,
            ),
            branches,
            bev,
            proposals: config.extents.proposals,
        }
    }

    /// Every proposal of every sample.
    pub(super) fn forward(&self, x: Tensor<4>, taps: &mut Taps, tap: &str) -> Result<Proposals> {
        let [samples, _, nx, ny] = x.dims();
        if [nx, ny] != self.bev {
            return Err(Error::mismatch(format!("a map of {:?} cells", self.bev), format!("{nx} x {ny}"), "TransFusion"));
        }
        let device = x.device();
        let features = self.shared.forward(x);
        let (before, last) = &self.heat;
        let dense = last.forward(before.forward(features.clone()));
        taps.tap(&format!("{tap}.dense_heatmap"), || dense.clone());
        let scores = crate::nets::to_host(sigmoid(dense.clone()))?;
        let scores = scores.as_slice::<f32>().map_err(|e| Error::unavailable("the heat map", e.to_string()))?;
        let cells = nx * ny;
        let tokens = to_tokens(features);
        let count = self.proposals.min(CLASSES.len() * cells);
        let (mut peaks, mut query_scores, mut queries) = (Vec::new(), Vec::new(), Vec::new());
        for (sample, scores) in scores.chunks_exact(CLASSES.len() * cells).enumerate() {
            let kept = suppress(scores, self.bev);
            let best = best(&kept, cells, count);
            for plane in kept.chunks_exact(cells) {
                query_scores.extend(best.iter().map(|p| plane.get(p.cell).copied().unwrap_or_default()));
            }
            let list = |pick: &dyn Fn(&Peak) -> usize| {
                let list: Vec<i32> = best.iter().map(|p| num::i32(pick(p))).collect();
                Tensor::<1, Int>::from_data(TensorData::new(list, [count]), &device)
            };
            let features = tokens.clone().narrow(0, sample, 1).select(1, list(&|p| p.cell));
            let classes = self.class_encoding.clone().select(0, list(&|p| p.class));
            queries.push(features + classes.unsqueeze());
            peaks.push(best);
        }
        let positions: Vec<Tensor<3>> = peaks.iter().map(|best| centres(self.bev, best.iter().map(|p| p.cell), &device)).collect();
        let positions = Tensor::cat(positions, 0);
        let query = self.layer(Tensor::cat(queries, 0), positions.clone(), tokens);
        let mut branches = self.branches.iter().map(|(inner, outer)| outer.forward(relu(inner.forward(query.clone()))).swap_dims(1, 2));
        let mut next = || branches.next().unwrap_or_else(|| Tensor::zeros([samples, 1, count], &device));
        let mut branches = [next(), next(), next(), next(), next(), next()];
        if let Some(centre) = branches.first_mut() {
            *centre = centre.clone() + positions.swap_dims(1, 2);
        }
        let query_scores = Tensor::from_data(TensorData::new(query_scores, [samples, CLASSES.len(), count]), &device);
        Ok(Proposals { dense, peaks, branches, query_scores })
    }

    /// The attention layer.
    fn layer(&self, query: Tensor<3>, positions: Tensor<3>, features: Tensor<3>) -> Tensor<3> {
        let [norm1, norm2, norm3] = &self.norms;
        let position = self.self_position.forward(positions);
        let placed = query.clone() + position.clone();
        let query = norm1.forward(query + self.self_attention.forward(placed.clone(), placed));
        let keys = features + self.key_positions.clone();
        let query = norm2.forward(query.clone() + self.cross_attention.forward(query + position, keys));
        norm3.forward(query.clone() + self.feed.forward(query))
    }
}

/// Middles of cells in cells, `[1, n, 2]`.
fn centres([_, ny]: [usize; 2], cells: impl IntoIterator<Item = usize>, device: &Device) -> Tensor<3> {
    let middle = |n: usize| num::f32(n as f64 + 0.5);
    let values: Vec<f32> = cells.into_iter().flat_map(|c| [middle(c / ny.max(1)), middle(c % ny.max(1))]).collect();
    let count = values.len() / 2;
    Tensor::from_data(TensorData::new(values, [1, count, 2]), device)
}

/// A convolution with kernel 1 along a list (`[out, in, 1]`), as a linear layer; its norm, if any, folded in.
fn pointwise(loader: &mut Loader, conv: &str, norm: Option<&str>, inputs: usize, outputs: usize) -> Linear {
    pointwise_with(loader, conv, norm, inputs, outputs, norm.is_none())
}

fn pointwise_with(loader: &mut Loader, conv: &str, norm: Option<&str>, inputs: usize, outputs: usize, bias: bool) -> Linear {
    let init = Init::Normal((2.0 / inputs as f64).sqrt());
    let weight = loader.tensor::<3>(&format!("{conv}.weight"), [outputs, inputs, 1], init).reshape([outputs, inputs]);
    let bias = bias.then(|| loader.tensor::<1>(&format!("{conv}.bias"), [outputs], Init::Constant(0.0)));
    let Some(norm) = norm else { return Linear { weight: weight.transpose(), bias } };
    let (scale, shift) = batch_norm(loader, norm, outputs, 1e-5);
    let bias = match bias {
        Some(bias) => bias * scale.clone() + shift,
        None => shift,
    };
    Linear { weight: (weight * scale.reshape([outputs, 1])).transpose(), bias: Some(bias) }
}

/// Two linear layers over positions in cells.
#[derive(Debug)]
struct PositionEmbedding {
    first: Linear,
    second: Linear,
}

impl PositionEmbedding {
    fn load(loader: &mut Loader, prefix: &str, width: usize) -> Self {
        let first = pointwise_with(loader, &format!("{prefix}0"), Some(&format!("{prefix}1")), 2, width, true);
        Self { first, second: pointwise(loader, &format!("{prefix}3"), None, width, width) }
    }
    fn forward(&self, positions: Tensor<3>) -> Tensor<3> {
        self.second.forward(relu(self.first.forward(positions)))
    }
}

/// Attention of several heads in PyTorch's packed form.
#[derive(Debug)]
struct Attention {
    /// `[width, 3 width]`.
    packed: Tensor<2>,
    bias: Tensor<1>,
    output: Linear,
    width: usize,
}

impl Attention {
    fn load(loader: &mut Loader, prefix: &str, width: usize) -> Self {
        let packed = loader.tensor::<2>(&format!("{prefix}in_proj_weight"), [3 * width, width], Init::Normal(0.05));
        let bias = loader.tensor(&format!("{prefix}in_proj_bias"), [3 * width], Init::Constant(0.0));
        let output = Linear::load(loader, &format!("{prefix}out_proj"), width, width, true);
        Self { packed: packed.transpose(), bias, output, width }
    }

    /// Keys are values too.
    fn forward(&self, query: Tensor<3>, keys: Tensor<3>) -> Tensor<3> {
        let part = |x: Tensor<3>, index: usize| {
            let weight = self.packed.clone().narrow(1, index * self.width, self.width);
            let bias = self.bias.clone().narrow(0, index * self.width, self.width);
            linear(x, weight, Some(bias))
        };
        self.output.forward(Heads::new(HEADS).mix(part(query, 0), part(keys.clone(), 1), part(keys, 2), None))
    }
}
