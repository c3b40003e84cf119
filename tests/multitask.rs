//! The calibration of task and modality gradients, and its competitors, against reference numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]
#![allow(clippy::cast_possible_truncation, missing_docs)]

mod support;

use burn::tensor::module::linear;
use burn::tensor::{Device, Gradients, Tensor};
use sensorium::nets::multitask::calibrate::{Calibrated, Intra, Settings, calibrate, flat};
use sensorium::nets::multitask::rules::{self, Inter};
use sensorium::nets::multitask::weighting;
use sensorium::nets::{Named, Weights};
use std::collections::BTreeMap;

fn expected() -> Named {
    Weights::read(&support::fixture("fuller/expected.safetensors")).unwrap().tensors
}

fn given() -> Named {
    let mut named = support::tensors_of(&support::fixture("fuller/manifest.json"));
    named.extend(support::tensors_of(&support::fixture("fuller/inputs.json")));
    named
}

fn close(name: &str, found: &[f64], expected: &Named) {
    let wanted: Vec<f64> = support::values(&expected[name]).iter().map(|v| f64::from(*v)).collect();
    assert_eq!(found.len(), wanted.len(), "{name}");
    let most = wanted.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
    let worst = found.iter().zip(&wanted).map(|(a, b)| if a.is_finite() { (a - b).abs() } else { f64::INFINITY }).fold(0.0, f64::max);
    println!("{name:28} worst {worst:.1e}");
    assert!(worst <= 1e-4 * most, "{name}: off by {worst:e}: {found:?} {wanted:?}");
}

/// The small network of two tasks and two modalities: parameters by name, on an autodiff device.
struct Toy {
    parameters: BTreeMap<String, (Tensor<2>, Tensor<1>)>,
    given: Named,
    device: Device,
}

impl Toy {
    fn new() -> Self {
        let (given, device) = (given(), Device::flex().autodiff());
        let layer = |name: &str| {
            let weight = Tensor::<2>::from_data(given[&format!("toy.{name}.weight")].clone(), &device).require_grad();
            let bias = Tensor::<1>::from_data(given[&format!("toy.{name}.bias")].clone(), &device).require_grad();
            (name.to_owned(), (weight, bias))
        };
        let parameters = ["camera", "lidar", "shared", "det", "map"].map(layer).into_iter().collect();
        Self { parameters, given, device }
    }
    fn input(&self, name: &str) -> Tensor<2> {
        Tensor::from_data(self.given[&format!("input:toy.{name}")].clone(), &self.device)
    }
    fn layer(&self, name: &str, x: Tensor<2>) -> Tensor<2> {
        let (weight, bias) = &self.parameters[name];
        linear(x, weight.clone().transpose(), Some(bias.clone()))
    }
    fn gradient(&self, name: &str, gradients: &Gradients) -> Vec<f64> {
        let (weight, bias) = &self.parameters[name];
        let mut all = flat(weight.grad(gradients).unwrap()).unwrap();
        all.extend(flat(bias.grad(gradients).unwrap()).unwrap());
        all
    }
    fn features(&self) -> [Tensor<2>; 2] {
        ["camera", "lidar"].map(|name| self.layer(name, self.input(name)).tanh())
    }
    fn trunk(&self, features: &[Tensor<2>]) -> Tensor<2> {
        self.layer("shared", Tensor::cat(vec![features[0].clone(), features[1].clone() * 3.0], 1)).tanh()
    }
    fn det(&self, shared: Tensor<2>) -> Tensor<1> {
        (self.layer("det", shared) - self.input("det_target")).abs().mean() * 10.0
    }
    fn map(&self, shared: Tensor<2>) -> Tensor<1> {
        let target = self.input("map_target").greater_elem(0.5).float();
        let logits = self.layer("map", shared);
        let log = |x: Tensor<2>| burn::tensor::activation::log_sigmoid(x);
        (target.clone() * log(logits.clone()) + (target * -1.0 + 1.0) * log(logits * -1.0)).mean() * -1.0
    }
    fn step(&self, inter: Inter, intra: Intra, swapped: bool) -> Calibrated {
        let (det, map) = (|x| self.det(x), |x| self.map(x));
        let heads: [&dyn Fn(Tensor<2>) -> Tensor<1>; 2] = if swapped { [&map, &det] } else { [&det, &map] };
        let shared = |g: &Gradients| Ok(self.gradient("shared", g));
        calibrate(Settings { inter, intra }, &self.features(), |f| self.trunk(f), &heads, shared).unwrap()
    }
    /// The trunk's gradient: each task's, weighted.
    fn trunk_gradient(&self, step: &Calibrated) -> Vec<f64> {
        let rows: Vec<Vec<f64>> = step.trunk.iter().map(|g| self.gradient("shared", g)).collect();
        rules::combined(&rows, &step.weights)
    }
}

#[test]
fn both_levels_give_the_reference_gradients() {
    let (toy, expected) = (Toy::new(), expected());
    for (intra, name) in [(Intra::Mean, "mean"), (Intra::Min, "min"), (Intra::Max, "max")] {
        let step = toy.step(Inter::ImtlG, intra, false);
        if intra == Intra::Mean {
            close("toy.losses", &step.losses, &expected);
            close("toy.task_gradients", &step.shared.concat(), &expected);
            close("toy.task_norms", &rules::norms(&step.shared), &expected);
            close("toy.inter.alpha", &step.weights, &expected);
            close("toy.inter.gradient", &toy.trunk_gradient(&step), &expected);
            close("toy.modality_norms", &step.norms, &expected);
            let head = flat(toy.parameters["det"].0.grad(&step.heads[0]).unwrap()).unwrap();
            close("toy.det.grad", &head, &expected);
        }
        close(&format!("toy.intra.scale_{name}"), &step.factors, &expected);
        for (modality, gradients) in ["camera", "lidar"].iter().zip(&step.branches) {
            close(&format!("toy.{modality}.grad_{name}"), &toy.gradient(modality, gradients), &expected);
        }
        let after: Vec<f64> = step.norms.iter().zip(&step.factors).map(|(n, k)| n * k).collect();
        assert!((after[0] - after[1]).abs() < 1e-9);
    }
    let step = toy.step(Inter::ImtlG, Intra::None, false);
    for (modality, gradients) in ["camera", "lidar"].iter().zip(&step.branches) {
        let weight = flat(toy.parameters[*modality].0.grad(gradients).unwrap()).unwrap();
        close(&format!("toy.{modality}.grad_inter_only"), &weight, &expected);
    }
}

#[test]
fn both_levels_off_is_plain_training_and_order_of_tasks_does_not_matter() {
    let toy = Toy::new();
    let step = toy.step(Inter::None, Intra::None, false);
    let shared = toy.trunk(&toy.features());
    let plain = (toy.det(shared.clone()) + toy.map(shared)).backward();
    let same = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(same(&toy.trunk_gradient(&step), &toy.gradient("shared", &plain)));
    for (modality, gradients) in ["camera", "lidar"].iter().zip(&step.branches) {
        assert!(same(&toy.gradient(modality, gradients), &toy.gradient(modality, &plain)), "{modality}");
    }
    for rule in [Inter::ImtlG, Inter::EqualNorm, Inter::Mgda, Inter::PcGrad, Inter::CaGrad] {
        let (a, b) = (toy.step(rule, Intra::Mean, false), toy.step(rule, Intra::Mean, true));
        let turned: Vec<f64> = b.weights.iter().rev().copied().collect();
        assert!(same(&a.weights, &turned), "{rule:?}: {:?} {turned:?}", a.weights);
        assert!(same(&toy.gradient("camera", &a.branches[0]), &toy.gradient("camera", &b.branches[0])), "{rule:?}");
    }
    assert!(calibrate(Settings::default(), &toy.features(), |f| toy.trunk(f), &[], |_| Ok(Vec::new())).is_err());
}

#[test]
fn the_competing_rules_agree_with_their_references() {
    let (given, expected) = (given(), expected());
    let rows: Vec<Vec<f64>> =
        support::values(&given["input:grads"]).chunks(7).map(|row| row.iter().map(|v| f64::from(*v)).collect()).collect();
    close("mtl.imtl_g", &rules::imtl_g(&rows), &expected);
    let shortest = rules::mgda(&rows);
    close("mtl.mgda", &shortest, &expected);
    close("mtl.mgda_norm", &rules::norms(&[rules::combined(&rows, &shortest)]), &expected);
    let (projected, weights) = rules::pcgrad(&rows, &[0, 1, 2]);
    close("mtl.pcgrad_rows", &projected.concat(), &expected);
    close("mtl.pcgrad", &rules::combined(&rows, &weights), &expected);
    let (inner, direction) = rules::cagrad(&rows, 0.4);
    close("mtl.cagrad_weights", &inner, &expected);
    close("mtl.cagrad", &direction, &expected);
    let numbers = |name: &str| support::values(&given[name]).iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
    let history = numbers("input:loss_history");
    let (before, last) = history.split_at(3);
    close("mtl.dwa", &weighting::dynamic_average(last, before, 2.0), &expected);
    let balanced = weighting::gradnorm(&rules::norms(&rows), &[1.0; 3], last, before, 1.5);
    close("mtl.gradnorm_target", &balanced.targets, &expected);
    close("mtl.gradnorm_weight_gradient", &balanced.by_weight, &expected);
    let (loss, slopes) = weighting::uncertainty(last, &numbers("input:log_var"));
    close("mtl.uncertainty_loss", &[loss], &expected);
    close("mtl.uncertainty_grad", &slopes, &expected);
}
