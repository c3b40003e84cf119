//! Linear layers, the two-layer perceptron, and layer normalisation, over the last axis.
//!
//! *In / Out*: `[..., channels]`, tokens mostly. *Invariant*: a [`Linear`] keeps its weight as `[in, out]`, transposed once when it is loaded.

use super::Activation;
use super::ops::{layer_norm, linear, mix};
use crate::nets::loader::{Init, Loader};
use burn::tensor::Tensor;

/// `y = x W + b` over the last axis.
#[derive(Debug)]
pub struct Linear {
    /// `[in, out]`.
    pub weight: Tensor<2>,
    /// `[out]`.
    pub bias: Option<Tensor<1>>,
}

impl Linear {
    /// Reads `NAME.weight` (`[out, in]`, PyTorch's layout) and, if `bias`, `NAME.bias`.
    pub fn load(loader: &mut Loader, name: &str, inputs: usize, outputs: usize, bias: bool) -> Self {
        let weight = loader.tensor(&format!("{name}.weight"), [outputs, inputs], Init::Normal(0.02));
        let bias = bias.then(|| loader.tensor(&format!("{name}.bias"), [outputs], Init::Constant(0.0)));
        Self { weight: weight.transpose(), bias }
    }

    /// Applies it.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        linear(x, self.weight.clone(), self.bias.clone())
    }
}

/// Linear, activation, linear: the perceptron of a transformer's block. [`Mlp::forward`] is the one seam for a faster kernel.
#[derive(Debug)]
pub struct Mlp {
    expand: Linear,
    activation: Activation,
    contract: Linear,
}

impl Mlp {
    /// Reads the layers `EXPAND` and `CONTRACT`, both with a bias; `[inputs, hidden, outputs]` channels.
    pub fn load(loader: &mut Loader, [expand, contract]: [&str; 2], [inputs, hidden, outputs]: [usize; 3], activation: Activation) -> Self {
        Self {
            expand: Linear::load(loader, expand, inputs, hidden, true),
            activation,
            contract: Linear::load(loader, contract, hidden, outputs, true),
        }
    }

    /// Applies it.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.contract.forward(self.activation.forward(self.expand.forward(x)))
    }
}

/// Normalisation over the last axis with a learned scale and shift.
#[derive(Debug)]
pub struct LayerNorm {
    scale: Tensor<1>,
    shift: Tensor<1>,
    epsilon: f64,
}

impl LayerNorm {
    /// Reads `NAME.weight` and `NAME.bias`.
    pub fn load(loader: &mut Loader, name: &str, channels: usize, epsilon: f64) -> Self {
        Self {
            scale: loader.tensor(&format!("{name}.weight"), [channels], Init::Constant(1.0)),
            shift: loader.tensor(&format!("{name}.bias"), [channels], Init::Constant(0.0)),
            epsilon,
        }
    }

    /// Applies it to tokens.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        layer_norm(x, self.scale.clone(), self.shift.clone(), self.epsilon)
    }
}

/// Mixes the channels of every pixel: `[batch or 1, out, in]` times `[batch, in, pixels]`, with a bias per output channel.
///
/// A 1x1 convolution whose matrix may differ from image to image.
pub fn channel_mix(matrix: Tensor<3>, pixels: Tensor<3>, bias: Option<Tensor<1>>) -> Tensor<3> {
    let mixed = mix(matrix, pixels);
    match bias {
        Some(bias) => {
            let [outputs] = bias.dims();
            mixed + bias.reshape([1, outputs, 1])
        }
        None => mixed,
    }
}
