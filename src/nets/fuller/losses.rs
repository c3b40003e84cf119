//! The losses of the heads, on tensors, so that they can be differentiated.
//!
//! *In*: predictions as tensors, targets drawn by [`super::targets`]. *Out*: scalars. *Invariant*: every term is divided by a count of at least
//! one (CenterHead's boxes: plus 1e-4), so no truth at all gives finite numbers.

use super::FullerConfig;
use super::boxes::CLASSES;
use super::center_head::{GROUPS, GroupMaps};
use super::targets::{Truth, group_rows, heat_maps};
use super::transfusion::Proposals;
use crate::types::num;
use burn::tensor::activation::{log_sigmoid, sigmoid};
use burn::tensor::{Int, Tensor, TensorData};

/// Weights of a box's code: velocities count less.
const CODE: [f32; 10] = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.2, 0.2];
const BOX_WEIGHT: f32 = 0.25;

fn like<const D: usize, const E: usize>(values: Vec<f32>, shape: [usize; D], other: &Tensor<E>) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &other.device())
}

/// Focal loss against Gaussians, over the number of peaks; `scores` in 0..=1, same shape as `target`.
pub fn gaussian_focal(scores: Tensor<4>, target: Vec<f32>) -> Tensor<1> {
    let peaks = target.iter().filter(|t| **t == 1.0).count().max(1);
    let shape = scores.dims();
    let peak = like(target.iter().map(|t| if *t == 1.0 { 1.0 } else { 0.0 }).collect(), shape, &scores);
    let other = like(target.iter().map(|t| if *t == 1.0 { 0.0 } else { (1.0 - t).powi(4) }).collect(), shape, &scores);
    let missed = scores.clone() * -1.0 + 1.0;
    let positive = (scores.clone() + 1e-12).log() * missed.clone().powi_scalar(2) * peak;
    let negative = (missed + 1e-12).log() * scores.powi_scalar(2) * other;
    (positive + negative).sum() * (-1.0 / peaks as f64)
}

/// Per layer of the map: binary cross entropy times (1 - p)², averaged. `target` in {0, 1}, `[samples][layers][cells]`.
pub fn map_focal(logits: Tensor<4>, target: Vec<f32>) -> Tensor<1> {
    let shape = logits.dims();
    let [samples, layers, nx, ny] = shape;
    let sign = like(target.iter().map(|t| 2.0 * t - 1.0).collect(), shape, &logits);
    let toward = logits * sign;
    let right = sigmoid(toward.clone());
    let loss = log_sigmoid(toward) * (right * -1.0 + 1.0).powi_scalar(2) * -1.0;
    let count = (samples * nx * ny).max(1) as f64;
    loss.swap_dims(0, 1).reshape([layers, samples * nx * ny]).sum_dim(1).reshape([layers]) / count
}

/// CenterHead's losses of the first sample, per group: heat map, boxes.
pub fn center_losses(config: &FullerConfig, groups: &[GroupMaps], truth: &[Truth]) -> Vec<[Tensor<1>; 2]> {
    let maps = heat_maps(config, truth);
    let [nx, ny] = config.bev();
    let mut rest = maps.as_slice();
    let mut out = Vec::with_capacity(groups.len());
    for ((group, classes), rows) in groups.iter().zip(GROUPS).zip(group_rows(config, truth, &GROUPS)) {
        let [regression @ .., heat] = group.as_slice() else { continue };
        let (target, after) = rest.split_at_checked(classes * nx * ny).unwrap_or_default();
        rest = after;
        let heat_loss = gaussian_focal(sigmoid(heat.clone().narrow(0, 0, 1)).clamp(1e-4, 1.0 - 1e-4), target.to_vec());
        let count = rows.len();
        let box_loss = if count == 0 {
            // Stays attached to the network, so that a backward pass always finds it.
            Tensor::cat(regression.to_vec(), 1).sum() * 0.0
        } else {
            let cells: Vec<i32> = rows.iter().map(|(cell, _)| num::i32(*cell)).collect();
            let cells = Tensor::<1, Int>::from_data(TensorData::new(cells, [count]), &heat.device());
            let found = Tensor::cat(regression.to_vec(), 1).narrow(0, 0, 1).reshape([CODE.len(), nx * ny]).select(1, cells);
            l1(found.transpose(), rows.into_iter().map(|(_, code)| code).collect())
        };
        out.push([heat_loss, box_loss / (count as f64 + 1e-4) * f64::from(BOX_WEIGHT)]);
    }
    out
}

/// Sum of weighted absolute differences; `found` is `[rows, 10]`.
fn l1(found: Tensor<2>, wanted: Vec<[f32; 10]>) -> Tensor<1> {
    let rows = wanted.len();
    let weights = like(CODE.to_vec(), [1, CODE.len()], &found);
    let wanted = like(wanted.into_iter().flatten().collect(), [rows, CODE.len()], &found);
    ((found - wanted).abs() * weights).sum()
}

/// TransFusion's losses of the first sample: heat map, classes, boxes. `owners` is the box that each proposal answers for.
pub fn proposal_losses(config: &FullerConfig, found: &Proposals, owners: &[Option<usize>], truth: &[Truth]) -> [Tensor<1>; 3] {
    let heat = sigmoid(found.dense.clone().narrow(0, 0, 1)).clamp(1e-4, 1.0 - 1e-4);
    let heat_loss = gaussian_focal(heat, heat_maps(config, truth));
    let matched: Vec<(usize, &Truth)> =
        owners.iter().enumerate().filter_map(|(p, o)| o.and_then(|o| truth.get(o)).map(|t| (p, t))).collect();
    let positives = matched.len().max(1) as f64;
    let [boxes @ .., logits] = &found.branches;
    let [_, _, count] = logits.dims();
    let mut sign = vec![-1.0_f32; CLASSES.len() * count];
    for (proposal, t) in &matched {
        sign.iter_mut().skip(t.class * count + proposal).take(1).for_each(|s| *s = 1.0);
    }
    let weight = like(sign.iter().map(|s| if *s > 0.0 { 0.25 } else { 0.75 }).collect(), [1, CLASSES.len(), count], logits);
    let toward = logits.clone().narrow(0, 0, 1) * like(sign, [1, CLASSES.len(), count], logits);
    let wrong = sigmoid(toward.clone()) * -1.0 + 1.0;
    let class_loss = (log_sigmoid(toward) * wrong.powi_scalar(2) * weight).sum() * (-1.0 / positives);
    let code = Tensor::cat(boxes.to_vec(), 1).narrow(0, 0, 1).reshape([CODE.len(), count]);
    let box_loss = if matched.is_empty() {
        code.sum() * 0.0
    } else {
        let rows: Vec<i32> = matched.iter().map(|(p, _)| num::i32(*p)).collect();
        let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [matched.len()]), &code.device());
        l1(code.select(1, rows).transpose(), matched.iter().map(|(_, t)| t.code(config, true)).collect())
    };
    [heat_loss, class_loss, box_loss * (f64::from(BOX_WEIGHT) / positives)]
}
