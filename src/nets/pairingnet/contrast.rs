//! The loss that the searching network is trained with: InfoNCE with several positives.
//!
//! *In*: embeddings `[pairs, D]` of sources and targets, the fragments' numbers. *Out*: scalars. *Invariant*: rows are divided by their Euclidean
//! norm; `loss(a, b) = mean over i of -ln(sum over the positives j of softmax(a_i b_j / temperature))`.

use burn::tensor::activation::softmax;
use burn::tensor::{Tensor, TensorData};
use std::collections::BTreeSet;

/// Divides each row by its Euclidean norm.
pub fn normalised(x: Tensor<2>) -> Tensor<2> {
    let norm = (x.clone() * x.clone()).sum_dim(1).sqrt().clamp_min(1e-12);
    x / norm
}

/// The parts of the searching loss, for training.
#[derive(Debug, Clone)]
pub struct InfoNce {
    /// Sources against targets.
    pub st: Tensor<1>,
    /// Sources against sources; equal numbers are positives.
    pub ss: Tensor<1>,
    /// Targets against targets.
    pub tt: Tensor<1>,
    /// `st + 0.25 ss + 0.25 tt`.
    pub total: Tensor<1>,
}

/// The loss of a batch of true pairs: row i of `sources` belongs with row i of `targets`; `numbers` says which fragment each row is, so that
/// a pair that is in the batch in another row counts as true, too.
pub fn info_nce(sources: Tensor<2>, targets: Tensor<2>, numbers: [&[u64]; 2], temperature: f64) -> InfoNce {
    let (s, t) = (normalised(sources), normalised(targets));
    let [of_s, of_t] = numbers;
    let pairs: BTreeSet<(u64, u64)> = of_s.iter().copied().zip(of_t.iter().copied()).collect();
    let st = one_way(s.clone(), t.clone(), of_s, of_t, |a, b| pairs.contains(&(a, b)), temperature);
    let ss = one_way(s.clone(), s, of_s, of_s, |a, b| a == b, temperature);
    let tt = one_way(t.clone(), t, of_t, of_t, |a, b| a == b, temperature);
    let total = st.clone() + (ss.clone() + tt.clone()) * 0.25;
    InfoNce { st, ss, tt, total }
}

fn one_way(a: Tensor<2>, b: Tensor<2>, of_a: &[u64], of_b: &[u64], positive: impl Fn(u64, u64) -> bool, temperature: f64) -> Tensor<1> {
    let mut mask: Vec<f32> = Vec::with_capacity(of_a.len() * of_b.len());
    mask.extend(of_a.iter().flat_map(|x| of_b.iter().map(move |y| (x, y))).map(|(x, y)| if positive(*x, *y) { 1.0 } else { 0.0 }));
    let mask = Tensor::<2>::from_data(TensorData::new(mask, [of_a.len(), of_b.len()]), &a.device());
    let shares = softmax(a.matmul(b.transpose()) / temperature, 1) * mask;
    shares.sum_dim(1).log().neg().mean()
}
