//! Building blocks that several networks share: convolutions, norms, token mixers, dense blocks, resizing.
//!
//! *In / Out*: images as NCHW, tokens as `[batch, tokens, channels]`, row-major. *Invariant*: parameters are read under PyTorch's names;
//! the arithmetic may be regrouped where algebra allows it, never approximated.

mod attention;
mod conv;
mod cvt;
mod dense;
mod linear;
mod mit;
pub mod ops;
mod swin;

pub use attention::Heads;
pub use conv::{Activation, Conv, ConvNorm, ConvShape, batch_norm};
pub use cvt::{Cvt, CvtConfig, CvtStage, ScoreScale};
pub use dense::DenseBlock;
pub use linear::{LayerNorm, Linear, Mlp, channel_mix};
pub use mit::{Mit, MitConfig, StageConfig, StageOutput};
pub use swin::{Swin, SwinConfig};

use burn::tensor::Tensor;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};

/// Bilinear enlargement by two whose corners keep their values (PyTorch's `align_corners = true`).
pub fn double(image: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = image.dims();
    let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_output_size([2 * height, 2 * width]);
    ops::interpolate(image, options.with_align_corners(true))
}

/// Bilinear resize with half-pixel centres (PyTorch's `align_corners = false`); the same size costs nothing.
pub fn resize(image: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let [_, _, height, width] = image.dims();
    if [height, width] == size {
        return image;
    }
    ops::interpolate(image, InterpolateOptions::new(InterpolateMode::Bilinear).with_output_size(size).with_align_corners(false))
}

/// An image as tokens, row by row; a view where the backend has strides.
pub fn to_tokens(image: Tensor<4>) -> Tensor<3> {
    let [batch, channels, height, width] = image.dims();
    image.reshape([batch, channels, height * width]).swap_dims(1, 2)
}

/// Tokens as an image of this size; a view where the backend has strides.
pub fn to_image(tokens: Tensor<3>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [batch, _, channels] = tokens.dims();
    tokens.swap_dims(1, 2).reshape([batch, channels, height, width])
}
