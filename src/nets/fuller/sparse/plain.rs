//! A sparse convolution from tensor operations: gather, matrix product, scatter-add, kernel position by kernel position.
//!
//! *In / Out*: as [`SparseConv::forward`], on tensors. *Invariant*: the same numbers up to the order of sums. It is what the benchmark
//! holds the fast kernel against, and what can be differentiated.

use super::conv::SparseConv;
use super::rule::{Rule, TILE};
use crate::types::num;
use burn::tensor::activation::relu;
use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};

pub(super) fn forward(conv: &SparseConv, x: Tensor<2>, rule: &Rule, around: Option<Tensor<2>>) -> Tensor<2> {
    let device = x.device();
    let [_, inputs] = x.dims();
    let outputs = conv.outputs();
    let mut lists: Vec<(Vec<i32>, Vec<i32>)> = vec![Default::default(); conv.shape().volume()];
    for (tile, part) in rule.tiles.iter().enumerate() {
        let mut pairs = part.pairs.iter();
        for (position, count) in &part.counts {
            let Some((from, to)) = lists.get_mut(*position) else { continue };
            for (out, input) in pairs.by_ref().take(*count) {
                from.push(num::i32(num::usize(*input)));
                to.push(num::i32(tile * TILE + num::usize(*out)));
            }
        }
    }
    let mut sum = Tensor::<2>::zeros([rule.outputs, outputs], &device);
    for (position, (from, to)) in lists.into_iter().enumerate().filter(|(_, (from, _))| !from.is_empty()) {
        let count = from.len();
        let index = |list: Vec<i32>| Tensor::<1, Int>::from_data(TensorData::new(list, [count]), &device);
        let weight = Tensor::<2>::from_data(TensorData::new(conv.unpacked(position), [inputs, outputs]), &device);
        let product = x.clone().select(0, index(from)).matmul(weight);
        sum = sum.select_assign(0, index(to), product, IndexingUpdateOp::Add);
    }
    let bias = Tensor::<1>::from_data(TensorData::new(conv.bias(), [outputs]), &device);
    let sum = sum + bias.unsqueeze();
    relu(match around {
        Some(around) => sum + around,
        None => sum,
    })
}
