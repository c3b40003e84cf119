//! How well each contour point of one fragment fits each of another, and the loss that the matching network is trained with.
//!
//! *In*: fused features `[n, C]` and `[m, C]` of true points only. *Out*: `[n, m]` in 0..1. *Invariant*: padded rows are cropped away before both
//! softmaxes; there the values equal those of the published masking, and no padded cell can ever be large.

use crate::nets::blocks::ops::{context, softmax};
use burn::tensor::{Tensor, TensorData};

/// Weight of the positive cells in the focal loss.
const ALPHA: f64 = 0.55;
const EPSILON: f64 = 1e-9;
/// What the mean focal loss is multiplied by.
const SCALE: f64 = 400.0;

/// Dot products over `temperature` (published: the square root of the channels).
pub fn logits(source: Tensor<2>, target: Tensor<2>, temperature: f64) -> Tensor<2> {
    context(source, target.transpose()) / temperature
}

/// Softmax over rows times softmax over columns, cell by cell.
pub fn similarity(logits: Tensor<2>) -> Tensor<2> {
    softmax(logits.clone(), 0) * softmax(logits, 1)
}

/// The focal loss of one pair, for training.
#[derive(Debug, Clone)]
pub struct FocalLoss {
    /// Mean over all cells, times 400.
    pub total: Tensor<1>,
    /// Mean over the true cells alone, not scaled: what the published code selects models by.
    pub positive: Tensor<1>,
}

/// Focal loss (alpha 0.55, gamma 8) of a similarity matrix, where `pairs` holds the true cells (row, column); pairs outside are left out.
///
/// Without a true cell `positive` is 0.
pub fn focal_loss(similarity: Tensor<2>, pairs: &[[usize; 2]]) -> FocalLoss {
    let [rows, columns] = similarity.dims();
    let device = similarity.device();
    let mut truth = vec![0.0_f32; rows * columns];
    for [row, column] in pairs.iter().filter(|[r, c]| *r < rows && *c < columns) {
        if let Some(cell) = truth.get_mut(row * columns + column) {
            *cell = 1.0;
        }
    }
    let count = truth.iter().map(|v| f64::from(*v)).sum::<f64>();
    let truth = Tensor::<2>::from_data(TensorData::new(truth, [rows, columns]), &device);
    let rest = similarity.clone().neg() + 1.0;
    let positive = (eighth(rest.clone()) * (similarity.clone() + EPSILON).log() * -ALPHA * truth.clone()).sum();
    let negative = (eighth(similarity) * (rest + EPSILON).log() * (ALPHA - 1.0) * (truth.neg() + 1.0)).sum();
    let cells = (rows * columns).max(1) as f64;
    FocalLoss { total: (positive.clone() + negative) * (SCALE / cells), positive: positive / count.max(1.0) }
}

fn eighth(x: Tensor<2>) -> Tensor<2> {
    let square = x.clone() * x;
    let fourth = square.clone() * square;
    fourth.clone() * fourth
}
