//! The semantic depth cloud in ordinary tensor operations, sector by sector as the published code goes: the yardstick of the kernel beside it.
//!
//! *In*: class scores `[1, classes, H, W]` and depth `[1, 1, H, W]`. *Out*: one-hot map `[1, classes, H, W]`. *Invariant*: the same cells as
//! [`super::SemanticCloud`]. Rotations are gathers by tables that are made beforehand ([`PlainCloud::new`]), so that only the pass counts.

use super::semantic_cloud::{Geometry, LeftResampling};
use burn::tensor::ops::IndexingUpdateOp;
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Geometry and rotation tables on a device.
#[derive(Debug)]
pub struct PlainCloud {
    geometry: Geometry,
    height: usize,
    /// For each rotation, the source of every canvas cell; the cell after the last one is empty.
    turns: [Tensor<1, Int>; 2],
}

impl PlainCloud {
    /// Tables for pictures of this height.
    pub fn new(geometry: Geometry, height: usize, device: &Device) -> Self {
        let [left, right] = geometry.yaws;
        let first = if geometry.left_resampling == LeftResampling::Twice { left - right } else { left };
        let turns = [first, right].map(|yaw| {
            let sources = super::semantic_cloud::turn_sources(geometry.width(), height, yaw);
            let count = sources.len();
            Tensor::from_data(TensorData::new(sources, [count]), device)
        });
        Self { geometry, height, turns }
    }

    /// The map of one picture.
    pub fn project(&self, scores: &Tensor<4>, depth: &Tensor<4>) -> Tensor<4> {
        let [_, classes, height, width] = scores.dims();
        let labels = scores.clone().argmax(1).reshape([height, width]);
        let metres = depth.clone().reshape([height, width]) * 1000.0;
        let [turn_first, turn_right] = &self.turns;
        let left = rotate(self.sector(0, &labels, &metres, classes), turn_first);
        let right = self.sector(2, &labels, &metres, classes);
        let sides = match self.geometry.left_resampling {
            LeftResampling::Twice => rotate(left.max_pair(right), turn_right),
            LeftResampling::Once => left.max_pair(rotate(right, turn_right)),
        };
        let whole = sides.max_pair(self.sector(1, &labels, &metres, classes));
        whole.reshape([1, classes, 2 * height, width]).narrow(2, 0, height)
    }

    /// One sector on its canvas, `[classes, cells of the canvas]`.
    fn sector(&self, index: usize, labels: &Tensor<2, Int>, metres: &Tensor<2>, classes: usize) -> Tensor<2> {
        let device = metres.device();
        let (height, width) = (self.height, self.geometry.width());
        let at = |list: &[f64; 3]| list.get(index).copied().unwrap_or(1.0);
        let columns = self.geometry.columns.get(index).copied().unwrap_or(1);
        let first: usize = self.geometry.columns.iter().take(index).sum();
        let metres = metres.clone().narrow(1, first, columns);
        let labels = labels.clone().narrow(1, first, columns);
        let slope = (Tensor::<1, Int>::arange(0..columns as i64, &device).float() - at(&self.geometry.axes)) / self.geometry.focal;
        let (across, ahead) = (at(&self.geometry.across_m), at(&self.geometry.ahead_m));
        let (last_column, last_row) = ((columns - 1) as f64, (height - 1) as f64);
        let column = ((metres.clone() * slope.unsqueeze::<2>() + across / 2.0) * last_column / across).round();
        let row = (metres * -last_row / ahead + last_row).round();
        let beyond = |x: &Tensor<2>, last: f64| x.clone().lower_elem(0.0).bool_or(x.clone().greater_elem(last));
        let outside = beyond(&column, last_column).bool_or(beyond(&row, last_row));
        let start = (width - columns) / 2;
        let canvas = 2 * height * width;
        let cell = row.mask_fill(outside.clone(), 0.0).int() * width as i64 + column.mask_fill(outside.clone(), 0.0).int() + start as i64;
        // Pixels that lie outside go to a cell after the last one.
        let place = (labels * canvas as i64 + cell).mask_fill(outside, (classes * canvas) as i64);
        let pixels = height * columns;
        let drawn = Tensor::<1>::zeros([classes * canvas + 1], &device).select_assign(
            0,
            place.reshape([pixels]),
            Tensor::ones([pixels], &device),
            IndexingUpdateOp::Add,
        );
        drawn.narrow(0, 0, classes * canvas).clamp_max(1.0).reshape([classes, canvas])
    }
}

fn rotate(canvas: Tensor<2>, sources: &Tensor<1, Int>) -> Tensor<2> {
    let [classes, _] = canvas.dims();
    let empty = Tensor::zeros([classes, 1], &canvas.device());
    Tensor::cat(vec![canvas, empty], 1).select(1, sources.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::letfuser::{LetFuserConfig, SemanticCloud, class_masks, one_hot};

    #[test]
    fn the_kernel_draws_the_same_cells() {
        let device = Device::flex();
        for (config, height) in [(LetFuserConfig::BASE, 48), (LetFuserConfig::TINY, 32)] {
            let geometry = config.geometry();
            let pixels = height * geometry.width();
            let wave = |count: usize, step: f32| (0..count).map(|i| ((i as f32) * step).sin().abs()).collect::<Vec<f32>>();
            let scores = wave(5 * pixels, 0.377);
            let depth: Vec<f32> = wave(pixels, 0.0131).iter().map(|d| d * 0.06).collect();
            let cloud = SemanticCloud::new(geometry.clone());
            let fast = one_hot(&cloud.project(&class_masks(&scores, pixels), &depth).unwrap(), 5);
            let upload = |values: Vec<f32>, channels: usize| {
                Tensor::<4>::from_data(TensorData::new(values, [1, channels, height, geometry.width()]), &device)
            };
            let plain = PlainCloud::new(geometry.clone(), height, &device).project(&upload(scores, 5), &upload(depth, 1)).into_data();
            assert!(fast.iter().sum::<f32>() > 1000.0);
            assert_eq!(plain.as_slice::<f32>().unwrap(), fast);
        }
    }
}
