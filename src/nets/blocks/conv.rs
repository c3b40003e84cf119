//! Convolution, normalisation and activation as one block.
//!
//! *In / Out*: NCHW images. *Invariant*: BatchNorm (evaluation mode) is folded into the convolution's weight and bias once, when the block
//! is loaded; a pass is one convolution and one activation. [`ConvNorm::forward`] is the one seam: a faster kernel goes in there.

use super::ops::{conv2d, gelu, relu, silu};
use crate::nets::loader::{Init, Loader};
use burn::tensor::Tensor;
use burn::tensor::ops::ConvOptions;

/// What follows a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// max(x, 0).
    Relu,
    /// The exact (erf) GELU.
    Gelu,
    /// x sigmoid(x), also called swish.
    Silu,
}

impl Activation {
    /// Applies it.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::None => x,
            Self::Relu => relu(x),
            Self::Gelu => gelu(x),
            Self::Silu => silu(x),
        }
    }
}

/// Sizes of a square convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Step.
    pub stride: usize,
    /// Zeros around the image.
    pub padding: usize,
    /// Distance between the kernel's taps.
    pub dilation: usize,
    /// Groups of channels.
    pub groups: usize,
}

impl ConvShape {
    /// Stride 1 and as much padding as keeps the size (odd kernels).
    pub const fn same(inputs: usize, outputs: usize, kernel: usize) -> Self {
        Self { inputs, outputs, kernel, stride: 1, padding: kernel / 2, dilation: 1, groups: 1 }
    }
    /// The same shape with a stride.
    #[must_use]
    pub const fn stride(mut self, stride: usize) -> Self {
        self.stride = stride;
        self
    }
    /// The same shape with padding.
    #[must_use]
    pub const fn padding(mut self, padding: usize) -> Self {
        self.padding = padding;
        self
    }
    /// The same shape with groups.
    #[must_use]
    pub const fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }
    /// Shape of the weight.
    pub fn weight(self) -> [usize; 4] {
        [self.outputs, self.inputs.checked_div(self.groups).unwrap_or(0), self.kernel, self.kernel]
    }
    /// Burn's options.
    pub fn options(self) -> ConvOptions<2> {
        ConvOptions::new([self.stride; 2], [self.padding; 2], [self.dilation; 2], self.groups)
    }
}

/// A plain convolution.
#[derive(Debug, Clone)]
pub struct Conv {
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    shape: ConvShape,
}

impl Conv {
    /// Reads `NAME.weight` and, if `bias`, `NAME.bias`.
    pub fn load(loader: &mut Loader, name: &str, shape: ConvShape, bias: bool) -> Self {
        let fan_out = (shape.kernel * shape.kernel * shape.outputs).checked_div(shape.groups).unwrap_or(1).max(1);
        let weight = loader.tensor(&format!("{name}.weight"), shape.weight(), Init::Normal((2.0 / fan_out as f64).sqrt()));
        let bias = bias.then(|| loader.tensor(&format!("{name}.bias"), [shape.outputs], Init::Constant(0.0)));
        Self { weight, bias, shape }
    }

    /// Applies it.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        conv2d(x, self.weight.clone(), self.bias.clone(), self.shape.options())
    }
}

/// BatchNorm's evaluation mode as `y = scale x + shift` per channel, read from `NAME.{weight,bias,running_mean,running_var}`.
pub fn batch_norm(loader: &mut Loader, name: &str, channels: usize, epsilon: f64) -> (Tensor<1>, Tensor<1>) {
    let scale = loader.tensor(&format!("{name}.weight"), [channels], Init::Constant(1.0));
    let shift = loader.tensor(&format!("{name}.bias"), [channels], Init::Constant(0.0));
    let mean = loader.tensor(&format!("{name}.running_mean"), [channels], Init::Constant(0.0));
    let variance = loader.tensor(&format!("{name}.running_var"), [channels], Init::Constant(1.0));
    let scale = scale / (variance + epsilon).sqrt();
    let shift = shift - mean * scale.clone();
    (scale, shift)
}

/// Convolution, BatchNorm if there is one, activation.
#[derive(Debug, Clone)]
pub struct ConvNorm {
    conv: Conv,
    activation: Activation,
}

impl ConvNorm {
    /// A convolution without norm.
    pub const fn plain(conv: Conv, activation: Activation) -> Self {
        Self { conv, activation }
    }

    /// Reads the convolution `CONV` and the BatchNorm `NORM` and folds them.
    pub fn load(loader: &mut Loader, conv: &str, norm: &str, shape: ConvShape, bias: bool, activation: Activation) -> Self {
        Self::load_eps(loader, conv, norm, shape, bias, activation, 1e-5)
    }

    /// The same, where the BatchNorm's epsilon is not PyTorch's 1e-5.
    pub fn load_eps(
        loader: &mut Loader,
        conv: &str,
        norm: &str,
        shape: ConvShape,
        bias: bool,
        activation: Activation,
        epsilon: f64,
    ) -> Self {
        let plain = Conv::load(loader, conv, shape, bias);
        let (scale, shift) = batch_norm(loader, norm, shape.outputs, epsilon);
        let weight = plain.weight * scale.clone().reshape([shape.outputs, 1, 1, 1]);
        let bias = match plain.bias {
            Some(bias) => bias * scale + shift,
            None => shift,
        };
        Self { conv: Conv { weight, bias: Some(bias), shape }, activation }
    }

    /// Applies it.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.activation.forward(self.conv.forward(x))
    }
}
