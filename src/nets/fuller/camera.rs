//! The camera branch up to its features: Swin and a top-down pyramid of two levels.
//!
//! *In*: images `[samples * cameras, 3, H, W]`, normalised. *Out*: `[.., 256, H / 8, W / 8]`. *Invariant*: the coarse level's result takes the
//! place of its input on the way down, as published; the second output (1/16) is made but not used.

use super::FullerConfig;
use crate::nets::Taps;
use crate::nets::blocks::{Activation, ConvNorm, ConvShape, Swin, resize};
use crate::nets::loader::Loader;
use burn::tensor::Tensor;

/// The branch.
#[derive(Debug)]
pub(super) struct CameraEncoder {
    swin: Swin,
    lateral: [ConvNorm; 2],
    smooth: [ConvNorm; 2],
}

impl CameraEncoder {
    /// Reads `encoders.camera.backbone` and `encoders.camera.neck`.
    pub(super) fn load(loader: &mut Loader, config: &FullerConfig) -> Self {
        let swin = Swin::load(loader, "encoders.camera.backbone.", &config.swin);
        let [_, c3, c4, c5] = config.swin.channels();
        let mut block = |name: &str, shape| {
            let name = format!("encoders.camera.neck.{name}");
            ConvNorm::load(loader, &format!("{name}.conv"), &format!("{name}.bn"), shape, false, Activation::Relu)
        };
        let width = config.pyramid;
        Self {
            swin,
            lateral: [
                block("lateral_convs.0", ConvShape::same(c3 + width, width, 1)),
                block("lateral_convs.1", ConvShape::same(c4 + c5, width, 1)),
            ],
            smooth: [block("fpn_convs.0", ConvShape::same(width, width, 3)), block("fpn_convs.1", ConvShape::same(width, width, 3))],
        }
    }

    /// Features at 1/8.
    pub(super) fn forward(&self, images: Tensor<4>, taps: &mut Taps) -> Tensor<4> {
        let maps = self.swin.forward(images.clone());
        for (index, map) in maps.iter().enumerate() {
            taps.tap(&format!("swin.out{}", index + 1), || map.clone());
        }
        let Ok([fine, middle, coarse]) = <[Tensor<4>; 3]>::try_from(maps) else { return images };
        let [lateral_fine, lateral_coarse] = &self.lateral;
        let [smooth_fine, smooth_coarse] = &self.smooth;
        let up = |x: Tensor<4>, like: &Tensor<4>| resize(x, [like.dims()[2], like.dims()[3]]);
        let joined = Tensor::cat(vec![middle.clone(), up(coarse, &middle)], 1);
        let middle = smooth_coarse.forward(lateral_coarse.forward(joined));
        let joined = Tensor::cat(vec![fine.clone(), up(middle.clone(), &fine)], 1);
        let fine = smooth_fine.forward(lateral_fine.forward(joined));
        taps.tap("neck.out0", || fine.clone());
        taps.tap("neck.out1", || middle);
        fine
    }
}
