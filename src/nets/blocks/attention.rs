//! Multi-head attention once its projections are made: the core that CvT, MiT and Swin share, and the one seam for a faster kernel.
//!
//! *In*: queries `[batch, n, channels]`, keys and values `[batch, m, channels]`. *Out*: `[batch, n, channels]`.
//! *Invariant*: heads are contiguous blocks of channels; scores are never held for all heads at once where the backend tiles them.

use super::ops::attention;
use burn::tensor::Tensor;

/// softmax(q k^T scale + bias) v in each head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heads {
    /// How many heads.
    pub count: usize,
    /// Factor of the scores; `None` is one over the root of a head's channels.
    pub scale: Option<f64>,
}

impl Heads {
    /// So many heads with the usual scale.
    pub const fn new(count: usize) -> Self {
        Self { count, scale: None }
    }

    /// Mixes the values; `bias` is added to the scores, `[batch or 1, heads or 1, n, m]`.
    pub fn mix(self, query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, bias: Option<Tensor<4>>) -> Tensor<3> {
        let [batch, tokens, channels] = query.dims();
        let mixed = attention(self.split(query), self.split(key), self.split(value), bias, self.scale);
        mixed.swap_dims(1, 2).reshape([batch, tokens, channels])
    }

    /// `[batch, tokens, channels]` to `[batch, heads, tokens, channels of a head]`.
    fn split(self, x: Tensor<3>) -> Tensor<4> {
        let [batch, tokens, channels] = x.dims();
        let width = channels.checked_div(self.count).unwrap_or(channels);
        x.reshape([batch, tokens, self.count.max(1), width]).swap_dims(1, 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::activation::softmax;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn heads_are_blocks_of_channels_with_the_scale_asked_for() {
        let tokens = |count: usize, step: f32| {
            let values: Vec<f32> = (0..count * 4).map(|i| (i as f32 * step).sin()).collect();
            Tensor::<3>::from_data(TensorData::new(values, [1, count, 4]), &Device::flex())
        };
        let (query, key, value) = (tokens(3, 0.7), tokens(5, 0.9), tokens(5, 1.3));
        let found = Heads { count: 2, scale: Some(0.3) }.mix(query.clone(), key.clone(), value.clone(), None);
        let head = |start: usize| {
            let part = |x: &Tensor<3>| x.clone().narrow(2, start, 2);
            softmax(part(&query).matmul(part(&key).swap_dims(1, 2)) * 0.3, 2).matmul(part(&value))
        };
        let wanted = Tensor::cat(vec![head(0), head(2)], 2).into_data();
        for (a, b) in found.into_data().as_slice::<f32>().unwrap().iter().zip(wanted.as_slice::<f32>().unwrap()) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }
}
