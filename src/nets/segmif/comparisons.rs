//! SegMiF's regrouped operators against their published order, written in plain tensor operations.
//!
//! *Out*: [`comparisons`]. *Invariant*: both sides hold the same parameters (one seed gives both).

use super::interaction::Interaction;
use crate::nets::bench::Comparison;
use crate::nets::blocks::{DenseBlock, LayerNorm, Linear};
use crate::nets::loader::{Init, Loader};
use crate::nets::{Device, Taps, to_host};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData};
use std::sync::Arc;

/// Channels and picture of the comparisons: those of `base`, at a size that takes no minutes.
const CHANNELS: usize = 64;
const SIZE: [usize; 2] = [120, 160];

/// The dense block and the interaction block.
pub fn comparisons(device: &Device) -> Vec<Comparison> {
    let [height, width] = SIZE;
    let map = |step: f32| {
        let values: Vec<f32> = (0..CHANNELS * height * width).map(|i| (i as f32 * step).sin()).collect();
        Tensor::<4>::from_data(TensorData::new(values, [1, CHANNELS, height, width]), device)
    };
    let (a, b, s) = (map(0.37), map(0.71), map(0.13));
    let ours = DenseBlock::load(&mut Loader::from_seed(1, device), "block", CHANNELS, 32);
    let plain = PlainDense::load(&mut Loader::from_seed(1, device), "block", CHANNELS, 32);
    let x = a.clone();
    let dense = Comparison {
        name: format!("dilated dense block, {CHANNELS} channels, {width}x{height}"),
        plain_is: "five convolutions, each of all maps concatenated",
        ours: Box::new({
            let x = x.clone();
            move || to_host(ours.forward(x.clone()))
        }),
        plain: Box::new(move || to_host(plain.forward(x.clone()))),
        tolerance: 1e-5,
    };
    let ours = Interaction::load(&mut Loader::from_seed(2, device), "cross.", CHANNELS);
    let plain = PlainInteraction::load(&mut Loader::from_seed(2, device), "cross.", CHANNELS);
    let inputs = Arc::new((a, b, s));
    let interaction = Comparison {
        name: format!("interactive attention, {CHANNELS} channels, {width}x{height}"),
        plain_is: "keys, values and attended maps of every pixel, as published",
        ours: Box::new({
            let inputs = Arc::clone(&inputs);
            move || {
                let (a, b, s) = &*inputs;
                let (a, b) = ours.forward(a.clone(), b.clone(), s.clone(), &mut Taps::default(), "");
                to_host(Tensor::cat(vec![a, b], 1))
            }
        }),
        plain: Box::new(move || {
            let (a, b, s) = &*inputs;
            to_host(plain.forward(a.clone(), b.clone(), s.clone()))
        }),
        tolerance: 1e-4,
    };
    vec![dense, interaction]
}

/// The dense block as published.
struct PlainDense {
    layers: Vec<(Tensor<4>, Tensor<1>)>,
    close: (Tensor<4>, Tensor<1>),
}

impl PlainDense {
    fn load(loader: &mut Loader, name: &str, channels: usize, growth: usize) -> Self {
        let mut conv = |name: &str, inputs: usize, outputs: usize, side: usize| {
            let bound = Init::Uniform(1.0 / ((inputs * side * side) as f64).sqrt());
            let weight = loader.tensor(&format!("{name}.weight"), [outputs, inputs, side, side], bound);
            (weight, loader.tensor(&format!("{name}.bias"), [outputs], bound))
        };
        let layers = (1..=5).map(|k| conv(&format!("{name}.Dcov{k}"), channels + (k - 1) * growth, growth, 3)).collect();
        Self { layers, close: conv(&format!("{name}.conv"), channels + 5 * growth, channels, 1) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut all = x.clone();
        for (weight, bias) in &self.layers {
            let fresh = relu(conv2d(all.clone(), weight.clone(), Some(bias.clone()), ConvOptions::new([1, 1], [2, 2], [2, 2], 1)));
            all = Tensor::cat(vec![all, fresh], 1);
        }
        let (weight, bias) = &self.close;
        x + relu(conv2d(all, weight.clone(), Some(bias.clone()), ConvOptions::new([1, 1], [0, 0], [1, 1], 1)))
    }
}

/// The interaction block as published.
struct PlainInteraction {
    project: [Linear; 3],
    keys: [Linear; 3],
    close: [Linear; 2],
    norms: [LayerNorm; 2],
}

impl PlainInteraction {
    fn load(loader: &mut Loader, prefix: &str, channels: usize) -> Self {
        let mut linear = |name: &str, inputs, outputs, bias| Linear::load(loader, &format!("{prefix}{name}"), inputs, outputs, bias);
        let project = ["channel_proj1", "channel_proj2", "channel_proj3"].map(|name| linear(name, channels, 2 * channels, true));
        let keys = ["cross_attn2.kv1", "cross_attn2.kv2", "cross_attn.kv3"].map(|name| linear(name, channels, 2 * channels, false));
        let close = ["end_proj1", "end_proj2"].map(|name| linear(name, 2 * channels, channels, true));
        Self { project, keys, close, norms: ["norm1", "norm2"].map(|n| LayerNorm::load(loader, &format!("{prefix}{n}"), channels, 1e-5)) }
    }

    fn forward(&self, a: Tensor<4>, b: Tensor<4>, s: Tensor<4>) -> Tensor<4> {
        const HEAD: usize = 8;
        let [_, channels, height, width] = a.dims();
        let (pixels, heads) = (height * width, channels / HEAD);
        let tokens = [a, b, s].map(|x| x.reshape([1, channels, pixels]).swap_dims(1, 2));
        let half = |x: &Tensor<3>, n: usize| x.clone().narrow(2, n * channels, channels);
        let split = |x: Tensor<3>| x.reshape([1, pixels, heads, HEAD]).swap_dims(1, 2);
        let [from_a, from_b, from_s] = &self.project;
        let [a, b, s] = tokens;
        let [p1, p2, p3] = [(from_a, &a), (from_b, &b), (from_s, &s)].map(|(linear, x)| relu(linear.forward(x.clone())));
        let context = |keys: &Linear, x: Tensor<3>| {
            let kv = keys.forward(x);
            let (k, v) = (split(half(&kv, 0)), split(half(&kv, 1)));
            softmax(k.swap_dims(2, 3).matmul(v) * (1.0 / (HEAD as f64).sqrt()), 2)
        };
        let attend = |x: Tensor<3>, context: Tensor<4>| split(x).matmul(context).swap_dims(1, 2).reshape([1, pixels, channels]);
        let [kv1, kv2, kv3] = &self.keys;
        let c3 = context(kv3, half(&p3, 1));
        let [close_a, close_b] = &self.close;
        let [norm_a, norm_b] = &self.norms;
        let one = |x: Tensor<3>, p: &Tensor<3>, keys: &Linear, close: &Linear, norm: &LayerNorm| {
            let v = attend(half(p, 1), c3.clone());
            let z = attend(half(&p3, 0), context(keys, half(p, 0)));
            norm.forward(x + close.forward(Tensor::cat(vec![z, v], 2))).swap_dims(1, 2).reshape([1, channels, height, width])
        };
        Tensor::cat(vec![one(a, &p1, kv1, close_a, norm_a), one(b, &p2, kv2, close_b, norm_b)], 1)
    }
}
