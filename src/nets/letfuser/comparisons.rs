//! The semantic depth cloud against ordinary tensor operations. *Invariant*: both sides start from the same tensors on the device and end with
//! the one-hot map of `base` at the published size.

use super::{LetFuserConfig, PlainCloud, SemanticCloud, class_masks, one_hot};
use crate::nets::bench::Comparison;
use crate::nets::{Device, to_host};
use crate::types::Error;
use burn::tensor::{Tensor, TensorData};

const HEIGHT: usize = 160;

/// The depth projection.
pub fn comparisons(device: &Device) -> Vec<Comparison> {
    let (geometry, classes) = (LetFuserConfig::BASE.geometry(), LetFuserConfig::BASE.classes);
    let (width, pixels) = (geometry.width(), HEIGHT * geometry.width());
    // Scores without ties, and depths from 1 to 45 metres, both without order.
    let spread = |count: usize, step: f64| (0..count).map(move |i| (i as f64 * step).fract());
    let scores: Vec<f32> = spread(classes * pixels, 0.618_033_988_749_894_9).map(crate::types::num::f32).collect();
    let depth: Vec<f32> = spread(pixels, 0.754_877_666_246_692_7).map(|u| crate::types::num::f32(0.001 + 0.044 * u)).collect();
    let scores = Tensor::<4>::from_data(TensorData::new(scores, [1, classes, HEIGHT, width]), device);
    let depth = Tensor::<4>::from_data(TensorData::new(depth, [1, 1, HEIGHT, width]), device);
    let (cloud, plain) = (SemanticCloud::new(geometry.clone()), PlainCloud::new(geometry, HEIGHT, device));
    let inputs = (scores.clone(), depth.clone());
    let ours = move || {
        let (scores, depth) = (to_host(inputs.0.clone())?, to_host(inputs.1.clone())?);
        let values = |data: &TensorData| data.as_slice::<f32>().map(<[f32]>::to_vec).map_err(|e| Error::unavailable("scores", e.to_string()));
        let masks = class_masks(scores.as_slice::<f32>().unwrap_or_default(), pixels);
        let map = cloud.project(&masks, &values(&depth)?)?;
        Ok(TensorData::new(one_hot(&map, classes), [1, classes, HEIGHT, width]))
    };
    vec![Comparison {
        name: format!("semantic depth cloud, {classes} classes, {width}x{HEIGHT}"),
        plain_is: "argmax, rounding, scatter-add, and gathers by rotation tables made beforehand",
        ours: Box::new(ours),
        plain: Box::new(move || to_host(plain.project(&scores, &depth))),
        tolerance: 0.0,
    }]
}
