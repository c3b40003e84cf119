//! The dilated residual dense block (DRDB) of SegMiF: five dilated 3x3 convolutions, each of which reads all maps before it.
//!
//! *In / Out*: `[batch, C, H, W]`. *Invariant*: no map is ever concatenated or read twice by a 3x3 convolution. When a map is ready, one
//! convolution computes its share of **all** later layers at once; the shares wait as sums. This is the concatenating form
//! regrouped: Dcov_k(cat(x, c_1 .. c_k-1)) is the sum over the maps of their slices of the weight.

use super::ops::{conv2d, relu};
use crate::nets::loader::{Init, Loader};
use burn::tensor::Tensor;
use burn::tensor::ops::ConvOptions;

const LAYERS: usize = 5;

/// One map's share of everything after it.
#[derive(Debug)]
struct Share {
    /// 3x3 weights of all later layers for this map, stacked along the output; none after the last map.
    later: Option<Tensor<4>>,
    /// 1x1 weight of the closing convolution for this map.
    close: Tensor<4>,
}

/// Five dilated layers of `growth` channels and a closing 1x1 convolution, with a residual.
#[derive(Debug)]
pub struct DenseBlock {
    shares: Vec<Share>,
    /// Biases of the five layers, end to end.
    biases: Tensor<1>,
    close_bias: Tensor<1>,
    growth: usize,
}

impl DenseBlock {
    /// Reads `NAME.Dcov1` to `NAME.Dcov5` and `NAME.conv`.
    pub fn load(loader: &mut Loader, name: &str, channels: usize, growth: usize) -> Self {
        let bound = |inputs: usize, taps: usize| Init::Uniform(1.0 / ((inputs * taps) as f64).sqrt());
        let mut layers = Vec::with_capacity(LAYERS);
        let mut biases = Vec::with_capacity(LAYERS);
        for layer in 1..=LAYERS {
            let inputs = channels + (layer - 1) * growth;
            layers.push(loader.tensor::<4>(&format!("{name}.Dcov{layer}.weight"), [growth, inputs, 3, 3], bound(inputs, 9)));
            biases.push(loader.tensor::<1>(&format!("{name}.Dcov{layer}.bias"), [growth], bound(inputs, 9)));
        }
        let all = channels + LAYERS * growth;
        let close = loader.tensor::<4>(&format!("{name}.conv.weight"), [channels, all, 1, 1], bound(all, 1));
        let close_bias = loader.tensor(&format!("{name}.conv.bias"), [channels], bound(all, 1));
        let shares = (0..=LAYERS)
            .map(|map| {
                let (start, count) = if map == 0 { (0, channels) } else { (channels + (map - 1) * growth, growth) };
                let later: Vec<Tensor<4>> = layers.iter().skip(map).map(|w| w.clone().narrow(1, start, count)).collect();
                Share { later: (!later.is_empty()).then(|| Tensor::cat(later, 0)), close: close.clone().narrow(1, start, count) }
            })
            .collect();
        Self { shares, biases: Tensor::cat(biases, 0), close_bias, growth }
    }

    /// Applies it: `x + ReLU(conv(cat(x, c_1 .. c_5)))`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let dilated = ConvOptions::new([1, 1], [2, 2], [2, 2], 1);
        let pointwise = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
        let mut map = x.clone();
        // Sums that still wait for maps: the remaining layers end to end, and the closing convolution.
        let mut waiting: Option<Tensor<4>> = None;
        let mut closing: Option<Tensor<4>> = None;
        for share in &self.shares {
            let close_bias = closing.is_none().then(|| self.close_bias.clone());
            let close = conv2d(map.clone(), share.close.clone(), close_bias, pointwise.clone());
            closing = Some(match closing {
                Some(sum) => sum + close,
                None => close,
            });
            let Some(later) = &share.later else { break };
            let bias = waiting.is_none().then(|| self.biases.clone());
            let fresh = conv2d(map, later.clone(), bias, dilated.clone());
            let sum = match waiting {
                Some(sum) => sum + fresh,
                None => fresh,
            };
            let rest = sum.dims()[1].saturating_sub(self.growth);
            map = relu(sum.clone().narrow(1, 0, self.growth));
            waiting = (rest > 0).then(|| sum.narrow(1, self.growth, rest));
        }
        match closing {
            Some(sum) => x + relu(sum),
            None => x,
        }
    }
}
