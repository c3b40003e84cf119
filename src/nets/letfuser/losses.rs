//! What LeTFuser is trained on: eight losses, and the segmentation's overlap with the truth.
//!
//! *In*: a pass ([`Seen`]) and the truth, of equal batch. *Out*: scalars as `[1]`, on the device, differentiable. *Invariant*: means over
//! everything in the batch, the overlap's sums over the whole batch at once, as in the released code.

use super::Seen;
use burn::tensor::Tensor;

/// Names of the losses, in the order of every list of eight.
pub const LOSSES: [&str; 8] = ["segmentation", "waypoints", "steer", "throttle", "brake", "red_light", "stop_sign", "speed"];

/// What is recorded beside a picture.
#[derive(Debug, Clone)]
pub struct Truth {
    /// `[batch, classes, H, W]`, one-hot; an unknown class is all zeros.
    pub segmentation: Tensor<4>,
    /// `[batch, 3, 2]`: right, backward, metres.
    pub waypoints: Tensor<3>,
    /// `[batch, 3]`: steer, throttle, brake.
    pub controls: Tensor<2>,
    /// `[batch]`, 0 or 1.
    pub red_light: Tensor<1>,
    /// `[batch]`, 0 or 1.
    pub stop_sign: Tensor<1>,
    /// `[batch, 1]`, m/s.
    pub speed: Tensor<2>,
}

/// Binary cross entropy of class scores, and one minus their overlap (Dice) with the truth.
pub fn segmentation_losses(scores: &Tensor<4>, truth: &Tensor<4>) -> [Tensor<1>; 2] {
    // Logarithms end at -100, so that a certain mistake stays finite.
    let log = |x: Tensor<4>| x.clamp_min(1e-38).log().clamp_min(-100.0);
    let against = (truth.clone() * -1.0 + 1.0) * log(scores.clone() * -1.0 + 1.0);
    let entropy = (truth.clone() * log(scores.clone()) + against).mean() * -1.0;
    let both = (scores.clone() * truth.clone()).sum() * 2.0 + 1e-7;
    let all = scores.clone().sum() + truth.clone().sum() + 1e-7;
    [entropy, both / all * -1.0 + 1.0]
}

/// The eight losses, in the order of [`LOSSES`].
pub fn losses(seen: &Seen, truth: &Truth) -> [Tensor<1>; 8] {
    fn distance<const D: usize>(a: &Tensor<D>, b: &Tensor<D>) -> Tensor<1> {
        (a.clone() - b.clone()).abs().mean()
    }
    let [entropy, overlap] = segmentation_losses(&seen.scores, &truth.segmentation);
    let control = |index| distance(&seen.decision.controls.clone().narrow(1, index, 1), &truth.controls.clone().narrow(1, index, 1));
    [
        entropy + overlap,
        distance(&seen.decision.waypoints, &truth.waypoints),
        control(0),
        control(1),
        control(2),
        distance(&seen.signs.red_light, &truth.red_light),
        distance(&seen.signs.stop_sign, &truth.stop_sign),
        distance(&seen.signs.speed, &truth.speed),
    ]
}

/// Intersection over union of all classes and pixels at once, a score above one half counting as there.
pub fn overlap(scores: &Tensor<4>, truth: &Tensor<4>) -> Tensor<1> {
    let found = scores.clone().greater_elem(0.5);
    let wanted = truth.clone().greater_elem(0.5);
    let count = |cells: Tensor<4, burn::tensor::Bool>| cells.float().sum();
    count(found.clone().bool_and(wanted.clone())) / count(found.bool_or(wanted)).clamp_min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::letfuser::{LetFuser, Look, Vehicle};
    use crate::nets::{Origin, to_host};
    use burn::tensor::{Device, TensorData};

    /// The stop-sign head of `tiny` is part of the graph that is trained: its loss has a gradient with respect to what the cameras see.
    #[test]
    fn every_loss_of_tiny_reaches_the_picture() {
        let gradient = |index: usize| {
            let device = Device::flex().autodiff();
            let keys = "encoder_layers = [1, 1, 1]\nbird_blocks = [1, 1, 1, 1, 1]".parse().unwrap();
            let (network, _) = LetFuser::load_with("tiny", Origin::Seed(2), &keys, &device).unwrap();
            let values: Vec<f32> = (0..3 * 16 * 384).map(|i| 127.0 + 120.0 * (i as f32 * 0.37).sin()).collect();
            let rgb = Tensor::<4>::from_data(TensorData::new(values, [1, 3, 16, 384]), &device).require_grad();
            let look = Look { rgb: rgb.clone(), depth: vec![0.01; 16 * 384] };
            let vehicle = Vehicle { route: vec![[1.0, -20.0]], speed: vec![3.0], command: vec![4] };
            let seen = network.see(&look, &vehicle).unwrap();
            let truth = Truth {
                segmentation: Tensor::zeros([1, 23, 16, 384], &device),
                waypoints: Tensor::zeros([1, 3, 2], &device),
                controls: Tensor::ones([1, 3], &device) * 5.0,
                red_light: Tensor::ones([1], &device) * 2.0,
                stop_sign: Tensor::ones([1], &device) * 2.0,
                speed: Tensor::ones([1, 1], &device) * 50.0,
            };
            let loss = losses(&seen, &truth)[index].clone();
            let gradients = loss.backward();
            let found = rgb.grad(&gradients).map(|g| to_host(g).unwrap());
            found.map_or(0.0, |g| g.as_slice::<f32>().unwrap().iter().map(|v| v.abs()).sum::<f32>())
        };
        for (index, name) in LOSSES.iter().enumerate() {
            assert!(gradient(index) > 0.0, "{name}");
        }
    }
}
