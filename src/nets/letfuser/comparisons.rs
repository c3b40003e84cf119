//! The semantic depth cloud against ordinary tensor operations. *Invariant*: both sides start from the same tensors on the device and end with
//! the one-hot map of `base` at the published size.

use super::{LetFuserConfig, PlainCloud, SemanticCloud, class_masks, one_hot};
use crate::nets::{Device, to_host};
use crate::types::{Error, Result, num};
use burn::tensor::{Tensor, TensorData};

const HEIGHT: usize = 160;

/// One side: a pass whose result is on the host.
pub type Side = Box<dyn Fn() -> Result<Vec<f32>>>;

/// The same map made in two ways.
pub struct Trial {
    /// What is made, with its sizes.
    pub name: String,
    /// What the plain side does.
    pub plain_is: &'static str,
    /// The kernel.
    pub ours: Side,
    /// Tensor operations.
    pub plain: Side,
}

/// The depth projection, from scores without ties and depths of 1 to 45 metres, both without order.
pub fn trial(device: &Device) -> Trial {
    let (geometry, classes) = (LetFuserConfig::BASE.geometry(), LetFuserConfig::BASE.classes);
    let (width, pixels) = (geometry.width(), HEIGHT * geometry.width());
    let spread = |count: usize, step: f64| (0..count).map(move |i| (i as f64 * step).fract());
    let scores: Vec<f32> = spread(classes * pixels, 0.618_033_988_749_894_9).map(num::f32).collect();
    let depth: Vec<f32> = spread(pixels, 0.754_877_666_246_692_7).map(|u| num::f32(0.001 + 0.044 * u)).collect();
    let scores = Tensor::<4>::from_data(TensorData::new(scores, [1, classes, HEIGHT, width]), device);
    let depth = Tensor::<4>::from_data(TensorData::new(depth, [1, 1, HEIGHT, width]), device);
    let (cloud, plain) = (SemanticCloud::new(geometry.clone()), PlainCloud::new(geometry, HEIGHT, device));
    let inputs = (scores.clone(), depth.clone());
    let values = |data: TensorData| data.try_into_vec::<f32>().map_err(|e| Error::unavailable("a result", e.to_string()));
    let ours = move || {
        let masks = class_masks(&values(to_host(inputs.0.clone())?)?, pixels);
        let map = cloud.project(&masks, &values(to_host(inputs.1.clone())?)?)?;
        Ok(one_hot(&map, classes))
    };
    Trial {
        name: format!("{classes} classes, {width}x{HEIGHT}"),
        plain_is: "argmax, rounding, scatter-add, and gathers by rotation tables made beforehand",
        ours: Box::new(ours),
        plain: Box::new(move || values(to_host(plain.project(&scores, &depth))?)),
    }
}
