//! SegFormer's all-MLP head.
//!
//! *In*: the encoder's four normalised maps. *Out*: logits at the first map's size. *Invariant*: each map's projection, its share of the 1x1
//! fusing convolution and BatchNorm are one matrix, made once when the head is loaded, and applied before the bilinear upsampling
//! (weights of a bilinear sample sum to one, so the two commute); four maps are summed and never concatenated.

use crate::nets::Taps;
use crate::nets::blocks::ops::relu;
use crate::nets::blocks::{Conv, ConvShape, StageOutput, batch_norm, channel_mix, resize};
use crate::nets::loader::{Init, Loader};
use burn::tensor::Tensor;

/// The head.
#[derive(Debug)]
pub(super) struct Head {
    /// For each stage, first to last: `[1, embedding, channels]`.
    matrices: Vec<Tensor<3>>,
    bias: Tensor<4>,
    predict: Conv,
    embedding: usize,
}

impl Head {
    pub(super) fn load(loader: &mut Loader, prefix: &str, channels: [usize; 4], embedding: usize, classes: usize) -> Self {
        let fan = Init::Normal((2.0 / embedding as f64).sqrt());
        let fuse = loader.tensor::<4>(&format!("{prefix}linear_fuse.conv.weight"), [embedding, 4 * embedding, 1, 1], fan);
        let fuse = fuse.reshape([embedding, 4 * embedding]);
        let (scale, mut bias) = batch_norm(loader, &format!("{prefix}linear_fuse.bn"), embedding, 1e-5);
        let mut matrices = Vec::with_capacity(4);
        for (index, channels) in channels.into_iter().enumerate() {
            let name = format!("{prefix}linear_c{}.proj", index + 1);
            let project = loader.tensor::<2>(&format!("{name}.weight"), [embedding, channels], Init::Normal(0.02));
            let shift = loader.tensor::<1>(&format!("{name}.bias"), [embedding], Init::Constant(0.0));
            // The concatenation's order is c4, c3, c2, c1.
            let share = fuse.clone().narrow(1, (3 - index) * embedding, embedding) * scale.clone().reshape([embedding, 1]);
            bias = bias + share.clone().matmul(shift.reshape([embedding, 1])).reshape([embedding]);
            matrices.push(share.matmul(project).unsqueeze());
        }
        Self {
            matrices,
            bias: bias.reshape([1, embedding, 1, 1]),
            predict: Conv::load(loader, &format!("{prefix}linear_pred"), ConvShape::same(embedding, classes, 1), true),
            embedding,
        }
    }

    pub(super) fn forward(&self, stages: &[StageOutput], taps: &mut Taps) -> Tensor<4> {
        let size = stages.first().map_or([1, 1], |stage| stage.size);
        let mut sum = self.bias.clone();
        for (stage, matrix) in stages.iter().zip(&self.matrices) {
            let [batch, _, _] = stage.tokens.dims();
            let [height, width] = stage.size;
            let pixels = stage.tokens.clone().swap_dims(1, 2);
            let map = channel_mix(matrix.clone(), pixels, None).reshape([batch, self.embedding, height, width]);
            sum = resize(map, size) + sum;
        }
        let fused = relu(sum);
        taps.tap("seg.linear_fuse", || fused.clone());
        self.predict.forward(fused)
    }
}
