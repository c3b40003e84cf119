//! The hierarchical interactive attention block of SegMiF: two modalities and the semantics exchange channel contexts.
//!
//! *In*: infrared map a, visible map b, semantic map s, each `[batch, C, H, W]`, heads of 8 channels. *Out*: a and b, renewed.
//! *Invariant*: cost and memory are linear in the pixels, and no map of keys, values or attended channels is ever made. The
//! contexts come from Gram matrices: k^T v = Wk (u^T u) Wv^T, summed over tiles of pixels; attention and the closing
//! projection are then one C x C matrix per source. The context stays a sum over all pixels (not a mean), as published.

use crate::nets::Taps;
use crate::nets::blocks::ops::{context, relu};
use crate::nets::blocks::{LayerNorm, channel_mix};
use crate::nets::loader::{Init, Loader};
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

const HEAD: usize = 8;
/// Pixels whose products are summed before they join the total.
const TILE: usize = 4096;

/// A bias-free or biased C x C map of channels.
#[derive(Debug)]
struct Mix {
    matrix: Tensor<3>,
    bias: Option<Tensor<1>>,
}

impl Mix {
    fn forward(&self, pixels: Tensor<3>) -> Tensor<3> {
        channel_mix(self.matrix.clone(), pixels, self.bias.clone())
    }
}

/// The block.
#[derive(Debug)]
pub(super) struct Interaction {
    /// For a, b, s: the projections to y (first half) and u (second half).
    project: [[Mix; 2]; 3],
    /// Key and value matrices of y of a, y of b, u of s.
    contexts: [[Tensor<3>; 2]; 3],
    /// For a, b: what the closing projection does with z and with v, and its bias.
    close: [([Tensor<3>; 2], Tensor<1>); 2],
    norms: [LayerNorm; 2],
    /// 0 inside the heads' diagonal blocks, very negative outside.
    outside: Tensor<3>,
}

impl Interaction {
    pub(super) fn load(loader: &mut Loader, prefix: &str, channels: usize) -> Self {
        let project = [1, 2, 3].map(|n| {
            let name = format!("{prefix}channel_proj{n}");
            let weight = loader.tensor::<2>(&format!("{name}.weight"), [2 * channels, channels], Init::Normal(0.02));
            let bias = loader.tensor::<1>(&format!("{name}.bias"), [2 * channels], Init::Constant(0.0));
            [0, 1].map(|half| Mix {
                matrix: weight.clone().narrow(0, half * channels, channels).unsqueeze(),
                bias: Some(bias.clone().narrow(0, half * channels, channels)),
            })
        });
        let contexts = ["cross_attn2.kv1", "cross_attn2.kv2", "cross_attn.kv3"].map(|name| {
            let weight = loader.tensor::<2>(&format!("{prefix}{name}.weight"), [2 * channels, channels], Init::Normal(0.02));
            [0, 1].map(|half| weight.clone().narrow(0, half * channels, channels).unsqueeze())
        });
        let close = [1, 2].map(|n| {
            let name = format!("{prefix}end_proj{n}");
            let weight = loader.tensor::<2>(&format!("{name}.weight"), [channels, 2 * channels], Init::Normal(0.02));
            let bias = loader.tensor(&format!("{name}.bias"), [channels], Init::Constant(0.0));
            ([0, 1].map(|half| weight.clone().narrow(1, half * channels, channels).unsqueeze()), bias)
        });
        let norms = [1, 2].map(|n| LayerNorm::load(loader, &format!("{prefix}norm{n}"), channels, 1e-5));
        let same_head = |row: usize, column: usize| row / HEAD == column / HEAD;
        let outside = (0..channels).flat_map(|i| (0..channels).map(move |j| if same_head(i, j) { 0.0 } else { -1e30 })).collect();
        Self { project, contexts, close, norms, outside: loader.upload(outside, [1, channels, channels]) }
    }

    pub(super) fn forward(&self, a: Tensor<4>, b: Tensor<4>, s: Tensor<4>, taps: &mut Taps, suffix: &str) -> (Tensor<4>, Tensor<4>) {
        let shape = a.dims();
        let [a, b, s] = [a, b, s].map(flatten);
        let [from_a, from_b, from_s] = &self.project;
        let halves = |[first, second]: &[Mix; 2], x: &Tensor<3>| [relu(first.forward(x.clone())), relu(second.forward(x.clone()))];
        let [y1, u1] = halves(from_a, &a);
        let [y2, u2] = halves(from_b, &b);
        let [y3, u3] = halves(from_s, &s);
        let [kv1, kv2, kv3] = &self.contexts;
        let (context1, context2, context3) = (self.context(kv1, &y1), self.context(kv2, &y2), self.context(kv3, &u3));
        let attended = |by: &Tensor<3>, x: &Tensor<3>| x.clone().swap_dims(1, 2).matmul(by.clone());
        taps.tap(&format!("fusion.cross_attn.v1{suffix}"), || attended(&context3, &u1));
        taps.tap(&format!("fusion.cross_attn2.z1{suffix}"), || attended(&context1, &y3));
        let [close_a, close_b] = &self.close;
        let [norm_a, norm_b] = &self.norms;
        let finish = |residual: Tensor<3>, close: &([Tensor<3>; 2], Tensor<1>), source: Tensor<3>, u: Tensor<3>, norm: &LayerNorm| {
            let ([for_z, for_v], bias) = close;
            let z = context(for_z.clone(), source.swap_dims(1, 2));
            let v = context(for_v.clone(), context3.clone().swap_dims(1, 2));
            let sum = residual + channel_mix(z, y3.clone(), Some(bias.clone())) + channel_mix(v, u, None);
            norm.forward(sum.swap_dims(1, 2)).swap_dims(1, 2).reshape(shape)
        };
        (finish(a, close_a, context1, u1, norm_a), finish(b, close_b, context2, u2, norm_b))
    }

    /// `[batch, C, C]`: the heads' contexts as diagonal blocks, softmax over the keys' channels.
    fn context(&self, [key, value]: &[Tensor<3>; 2], x: &Tensor<3>) -> Tensor<3> {
        let products = context(context(key.clone(), gram(x)), value.clone().swap_dims(1, 2));
        softmax(products * (1.0 / (HEAD as f64).sqrt()) + self.outside.clone(), 1)
    }
}

fn flatten(image: Tensor<4>) -> Tensor<3> {
    let [batch, channels, height, width] = image.dims();
    image.reshape([batch, channels, height * width])
}

/// Sum over the pixels of x x^T, tile by tile.
fn gram(x: &Tensor<3>) -> Tensor<3> {
    let [batch, channels, pixels] = x.dims();
    let tile = |start: usize| {
        let part = x.clone().narrow(2, start, TILE.min(pixels - start));
        context(part.clone(), part.swap_dims(1, 2))
    };
    let zero = Tensor::zeros([batch, channels, channels], &x.device());
    (0..pixels).step_by(TILE).map(tile).fold(zero, |sum, part| sum + part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn tiles_sum_to_the_whole_gram_matrix() {
        let pixels = 2 * TILE + 17;
        let values: Vec<f32> = (0..3 * pixels).map(|i| ((i as f32) * 0.013).sin()).collect();
        let x = Tensor::<3>::from_data(TensorData::new(values, [1, 3, pixels]), &Device::flex());
        let whole = x.clone().matmul(x.clone().swap_dims(1, 2)).into_data();
        let tiled = gram(&x).into_data();
        for (a, b) in whole.as_slice::<f32>().unwrap().iter().zip(tiled.as_slice::<f32>().unwrap()) {
            assert!((a - b).abs() < 0.05, "{a} {b}");
        }
    }
}
