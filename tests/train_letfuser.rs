//! The stop-sign head of LeTFuser's `tiny`, which the released code lacks: a few steps of Adam teach the whole network to see a sign.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]

mod support;

use burn::tensor::{Device, Tensor, TensorData};
use sensorium::nets::letfuser::losses::{LOSSES, Truth, losses};
use sensorium::nets::letfuser::{LetFuser, Look, Vehicle};
use sensorium::nets::{Leaves, Loader};
use std::collections::BTreeMap;

const SIZE: [usize; 2] = [32, 384];

/// Two pictures of a noisy street; in the second one a red sign stands before the front camera.
fn look(device: &Device) -> Look {
    let [height, width] = SIZE;
    let mut values = support::fill("street", 2 * 3 * height * width, 60.0, 140.0, 7);
    for channel in 0..3 {
        for row in 6..22 {
            let start = ((3 + channel) * height + row) * width + 190;
            values[start..start + 24].fill(if channel == 0 { 230.0 } else { 15.0 });
        }
    }
    let rgb = Tensor::from_data(TensorData::new(values, [2, 3, height, width]), device);
    Look { rgb, depth: vec![0.02; 2 * height * width] }
}

/// The loss of the stop sign alone, what the head says of both pictures, and the leaves with their gradients.
fn pass(leaves: Leaves) -> (f32, Vec<f32>, Leaves, BTreeMap<String, Vec<f32>>) {
    let device = Device::flex().autodiff();
    let mut loader = Loader::from_leaves(leaves, 4, &device);
    let keys = "encoder_layers = [1, 1, 1]\nbird_blocks = [1, 1, 1, 1, 1]".parse().unwrap();
    let network = LetFuser::from_loader(&mut loader, "tiny", &keys).unwrap();
    let leaves = loader.into_leaves();
    let vehicle = Vehicle { route: vec![[0.0, -20.0]; 2], speed: vec![5.0; 2], command: vec![4; 2] };
    let seen = network.see(&look(&device), &vehicle).unwrap();
    let [height, width] = SIZE;
    let truth = Truth {
        segmentation: Tensor::zeros([2, 23, height, width], &device),
        waypoints: Tensor::zeros([2, 3, 2], &device),
        controls: Tensor::zeros([2, 3], &device),
        red_light: Tensor::zeros([2], &device),
        stop_sign: Tensor::from_data([0.0_f32, 1.0], &device),
        speed: Tensor::zeros([2, 1], &device),
    };
    let stop = LOSSES.iter().position(|name| *name == "stop_sign").unwrap();
    let loss = losses(&seen, &truth)[stop].clone();
    let gradients = loss.backward();
    let of = |leaf: &Tensor<1>| leaf.grad(&gradients).map(|g| support::values(&g.into_data()).to_vec());
    let found = leaves.iter().filter_map(|(name, leaf)| Some((name.clone(), of(leaf)?))).collect();
    let said = support::values(&seen.signs.stop_sign.into_data()).to_vec();
    (support::values(&loss.into_data())[0], said, leaves, found)
}

#[test]
fn the_stop_sign_head_of_tiny_learns_to_see_a_sign() {
    let device = Device::flex().autodiff();
    let mut leaves = Leaves::new();
    let mut moments: BTreeMap<String, Vec<[f32; 2]>> = BTreeMap::new();
    let mut course = Vec::new();
    for step in 1..=25 {
        let (loss, said, mut now, gradients) = pass(leaves);
        if step == 1 {
            // The gradient reaches the head and, through the encoder, the first convolution; way points have no part in it.
            for name in [
                "stop_predictor.2.weight",
                "stop_predictor.2.bias",
                "cvt.encoder.stages.0.embedding.convolution_embeddings.projection.weight",
            ] {
                assert!(gradients[name].iter().any(|g| *g != 0.0) && gradients[name].iter().all(|g| g.is_finite()), "{name}");
            }
            assert!(gradients.get("pred_dwp.weight").is_none_or(|g| g.iter().all(|g| *g == 0.0)));
        }
        course.push((loss, said));
        for (name, gradient) in gradients {
            let mut values = support::values(&now[&name].clone().into_data()).to_vec();
            let moments = moments.entry(name.clone()).or_insert_with(|| vec![[0.0; 2]; values.len()]);
            for ((value, g), [mean, square]) in values.iter_mut().zip(&gradient).zip(moments) {
                *mean = 0.9 * *mean + 0.1 * g;
                *square = 0.99 * *square + 0.01 * g * g;
                let (m, s) = (*mean / (1.0 - 0.9_f32.powi(step)), *square / (1.0 - 0.99_f32.powi(step)));
                *value -= 2e-3 * m / (s.sqrt() + 1e-8);
            }
            let count = values.len();
            now.insert(name, Tensor::<1>::from_data(TensorData::new(values, [count]), &device).require_grad());
        }
        leaves = now;
    }
    let (first, last) = (&course[0], &course[course.len() - 1]);
    println!("loss {:.3} to {:.3}; without and with a sign {:?} to {:?}", first.0, last.0, first.1, last.1);
    assert!((first.1[0] - first.1[1]).abs() < 0.2, "untrained, it already tells them apart: {:?}", first.1);
    assert!(last.0 < 0.25 * first.0, "{course:?}");
    assert!(last.1[0] < 0.2 && last.1[1] > 0.8, "{:?}", last.1);
}
