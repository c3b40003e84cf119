//! Graph attention on a ring: each contour point looks at itself and at its neighbours on either side.
//!
//! *In / Out*: `[rows, C]`, the first `points` rows a closed contour in walking order, the rest padding that sees only itself.
//! *Invariant*: no edge list and no scatter. Points are cut into blocks of [`BLOCK`]; a block gathers its rows and `radius` more at either
//! end (modulo `points`), so that attention is a small dense product with everything outside the band masked.
//! One head of additive attention: Veličković et al., "Graph Attention Networks", ICLR 2018, with pre-activation residuals.

use crate::nets::blocks::batch_norm;
use crate::nets::blocks::ops::{context, linear, softmax};
use crate::nets::loader::{Init, Loader};
use burn::tensor::activation::{leaky_relu, relu};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Points of a block.
const BLOCK: usize = 48;
/// Scores of pairs outside the band.
const OUTSIDE: f32 = -1e30;

/// Which rows each block of points gathers, and which pairs of a block are joined.
#[derive(Debug, Clone)]
pub struct Ring {
    points: usize,
    blocks: usize,
    width: usize,
    gather: Tensor<1, Int>,
    band: Tensor<3>,
}

impl Ring {
    /// A ring of `points` (at least 1) with `radius` neighbours on either side. On a ring shorter than `2 radius + 1` a neighbour counts as
    /// often as it is passed.
    pub fn new(points: usize, radius: usize, device: &Device) -> Self {
        let points = points.max(1);
        let (blocks, width) = (points.div_ceil(BLOCK), BLOCK + 2 * radius);
        let lead = points * radius.div_ceil(points) - radius;
        let slots = (0..blocks).flat_map(|b| (0..width).map(move |slot| b * BLOCK + slot + lead));
        let rows: Vec<i64> = slots.map(|at| i64::try_from(at % points).unwrap_or(0)).collect();
        let joined = |row: usize, slot: usize| slot >= row && slot <= row + 2 * radius;
        let band: Vec<f32> = (0..BLOCK).flat_map(|row| (0..width).map(move |slot| if joined(row, slot) { 0.0 } else { OUTSIDE })).collect();
        let count = rows.len();
        Self {
            points,
            blocks,
            width,
            gather: Tensor::from_data(TensorData::new(rows, [count]), device),
            band: Tensor::from_data(TensorData::new(band, [1, BLOCK, width]), device),
        }
    }
}

/// `x + GAT(ReLU(BatchNorm(x)))`.
#[derive(Debug)]
pub(super) struct GraphLayer {
    scale: Tensor<2>,
    shift: Tensor<2>,
    /// `[C, C]`, input first.
    project: Tensor<2>,
    /// `[C, 2]`: what a row's input adds to the score as a neighbour, and as the centre.
    score: Tensor<2>,
    bias: Tensor<2>,
}

impl GraphLayer {
    /// Reads `NAME.norm` and `NAME.conv`.
    pub(super) fn load(loader: &mut Loader, name: &str, channels: usize) -> Self {
        let (scale, shift) = batch_norm(loader, &format!("{name}.norm"), channels, 1e-5);
        let glorot = Init::Uniform((3.0 / channels as f64).sqrt());
        let weight = loader.tensor::<2>(&format!("{name}.conv.lin_src.weight"), [channels, channels], glorot);
        let mut attention = |side: &str| {
            let bound = Init::Uniform((6.0 / (channels + 1) as f64).sqrt());
            loader.tensor::<3>(&format!("{name}.conv.att_{side}"), [1, 1, channels], bound).reshape([channels, 1])
        };
        let attention = Tensor::cat(vec![attention("src"), attention("dst")], 1);
        let bias = loader.tensor::<1>(&format!("{name}.conv.bias"), [channels], Init::Constant(0.0));
        let project = weight.transpose();
        Self {
            score: project.clone().matmul(attention),
            project,
            scale: scale.unsqueeze(),
            shift: shift.unsqueeze(),
            bias: bias.unsqueeze(),
        }
    }

    pub(super) fn forward(&self, x: Tensor<2>, ring: &Ring) -> Tensor<2> {
        let [rows, channels] = x.dims();
        let hidden = relu(x.clone() * self.scale.clone() + self.shift.clone());
        let z = linear(hidden.clone(), self.project.clone(), None);
        let scores = linear(hidden.narrow(0, 0, ring.points), self.score.clone(), None);
        let gathered = scores.clone().select(0, ring.gather.clone()).reshape([ring.blocks, ring.width, 2]);
        let neighbour = gathered.narrow(2, 0, 1).swap_dims(1, 2);
        let centre = padded(scores.narrow(1, 1, 1), ring.blocks * BLOCK).reshape([ring.blocks, BLOCK, 1]);
        let weights = softmax(leaky_relu(neighbour + centre, 0.2) + ring.band.clone(), 2);
        let values = z.clone().select(0, ring.gather.clone()).reshape([ring.blocks, ring.width, channels]);
        let mixed = context(weights, values).reshape([ring.blocks * BLOCK, channels]).narrow(0, 0, ring.points);
        let all = if rows > ring.points { Tensor::cat(vec![mixed, z.narrow(0, ring.points, rows - ring.points)], 0) } else { mixed };
        x + all + self.bias.clone()
    }
}

/// The tensor with zero rows appended until it has `rows`.
fn padded(x: Tensor<2>, rows: usize) -> Tensor<2> {
    let [have, columns] = x.dims();
    if rows <= have {
        return x;
    }
    let zeros = Tensor::zeros([rows - have, columns], &x.device());
    Tensor::cat(vec![x, zeros], 0)
}
