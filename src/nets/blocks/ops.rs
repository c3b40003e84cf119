//! Burn's operators under the account of [`crate::nets::profile`]: the same functions, counted.
//!
//! *In / Out*: as burn's. *Invariant*: arithmetic is untouched; multiply-adds follow from the shapes, elementwise work counts none.

use crate::nets::profile::{Class, operator};
use burn::tensor::ops::{AttentionModuleOptions, ConvOptions, ConvTransposeOptions, InterpolateOptions};
use burn::tensor::{Tensor, activation, module};

/// A convolution.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, options: ConvOptions<2>) -> Tensor<4> {
    let ([batch, _, h, w], [outputs, inputs, kh, kw]) = (x.dims(), weight.dims());
    let steps = options.stride.into_iter().zip(options.dilation).zip(options.padding).zip([(h, kh), (w, kw)]);
    let pixels: usize = steps
        .map(|(((stride, dilation), (before, after)), (side, kernel))| {
            let reach = dilation * kernel.saturating_sub(1) + 1;
            (side + before + after).saturating_sub(reach).checked_div(stride).unwrap_or(0) + 1
        })
        .product();
    let macs = batch * outputs * inputs * kh * kw * pixels;
    let class = match (kh * kw, inputs, options.dilation.iter().all(|d| *d == 1)) {
        (1, ..) => Class::Pointwise,
        (_, 1, _) if options.groups > 1 => Class::Depthwise,
        (_, _, false) => Class::Dilated,
        _ => Class::Convolution,
    };
    operator(class, macs, || module::conv2d(x, weight, bias, options))
}

/// `y = x W + b` over the last axis, the weight `[in, out]`.
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    let [_, outputs] = weight.dims();
    let macs = x.dims().iter().product::<usize>() * outputs;
    operator(Class::Linear, macs, || module::linear(x, weight, bias))
}

/// A product of matrices that mixes the channels of pixels or tokens.
pub fn mix(matrix: Tensor<3>, pixels: Tensor<3>) -> Tensor<3> {
    let ([_, rows, _], [batch, inner, columns]) = (matrix.dims(), pixels.dims());
    operator(Class::Pointwise, batch * rows * inner * columns, || matrix.matmul(pixels))
}

/// A product of matrices inside an attention, over the last two axes.
pub fn context<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    let columns = b.dims().last().copied().unwrap_or(0);
    let macs = a.dims().iter().product::<usize>() * columns;
    operator(Class::Attention, macs, || a.matmul(b))
}

/// Softmax of an attention's scores.
pub fn softmax<const D: usize>(x: Tensor<D>, dim: usize) -> Tensor<D> {
    operator(Class::Attention, 0, || activation::softmax(x, dim))
}

/// A transposed convolution whose kernel equals its stride, so that each input pixel meets the kernel once.
pub fn conv_transpose2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, options: ConvTransposeOptions<2>) -> Tensor<4> {
    let ([batch, _, h, w], [inputs, outputs, kh, kw]) = (x.dims(), weight.dims());
    operator(Class::Convolution, batch * h * w * inputs * outputs * kh * kw, || module::conv_transpose2d(x, weight, bias, options))
}

/// Scaled dot-product attention, `[batch, heads, tokens, channels of a head]`; `bias` is added to the scores, `scale` replaces the usual one.
pub fn attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, bias: Option<Tensor<4>>, scale: Option<f64>) -> Tensor<4> {
    let ([batch, heads, queries, width], [_, _, keys, _], [_, _, _, out]) = (query.dims(), key.dims(), value.dims());
    let macs = batch * heads * queries * keys * (width + out);
    let options = AttentionModuleOptions { scale, ..AttentionModuleOptions::default() };
    operator(Class::Attention, macs, || module::attention(query, key, value, None, bias, options))
}

/// Normalisation over the last axis.
pub fn layer_norm<const D: usize>(x: Tensor<D>, scale: Tensor<1>, shift: Tensor<1>, epsilon: f64) -> Tensor<D> {
    operator(Class::Norm, 0, || module::layer_norm(x, scale, Some(shift), epsilon))
}

/// max(x, 0).
pub fn relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    operator(Class::Activation, 0, || activation::relu(x))
}

/// The exact (erf) GELU.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    operator(Class::Activation, 0, || activation::gelu(x))
}

/// x times its logistic function.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    operator(Class::Activation, 0, || activation::silu(x))
}

/// max(x, 0) + slope min(x, 0).
pub fn prelu<const D: usize>(x: Tensor<D>, slope: Tensor<1>) -> Tensor<D> {
    operator(Class::Activation, 0, || activation::prelu(x, slope))
}

/// Resizing.
pub fn interpolate(x: Tensor<4>, options: InterpolateOptions) -> Tensor<4> {
    operator(Class::Resize, 0, || module::interpolate(x, options))
}
