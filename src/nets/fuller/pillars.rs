//! The pillar encoder: every column of space with points becomes a vector, all of them one picture from above.
//!
//! *In*: clouds. *Out*: per pillar 64 features in order of first touch, and `[samples, 64, X, Y]`. *Invariant*: as published, the rows that
//! pad a pillar to its full count take part in both maxima. Lang et al., "PointPillars", CVPR 2019.

use super::FullerConfig;
use super::lidar::rule_of;
use super::voxel::{Cloud, POINT, VoxelRule, Voxels};
use crate::nets::blocks::batch_norm;
use crate::nets::blocks::ops::{linear, relu};
use crate::nets::loader::{Init, Loader};
use crate::nets::profile::{Class, operator};
use crate::types::num;
use burn::tensor::{Device, Int, Tensor, TensorData};

const EPSILON: f64 = 1e-3;
/// Values of a point with its offsets.
const FEATURES: usize = 10;
const HIDDEN: usize = 32;
/// Channels out.
pub const CHANNELS: usize = 64;

/// A linear layer with its norm folded in, then ReLU.
#[derive(Debug)]
struct Layer {
    /// `[in, out]`.
    weight: Tensor<2>,
    bias: Tensor<1>,
}

impl Layer {
    fn load(loader: &mut Loader, name: &str, inputs: usize, outputs: usize) -> Self {
        let weight = loader.tensor::<2>(&format!("{name}.linear.weight"), [outputs, inputs], Init::Normal((2.0 / inputs as f64).sqrt()));
        let (scale, shift) = batch_norm(loader, &format!("{name}.norm"), outputs, EPSILON);
        Self { weight: (weight * scale.reshape([outputs, 1])).transpose(), bias: shift }
    }
    /// `[pillars, rows, in]` to `[pillars, rows, out]`.
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [pillars, rows, inputs] = x.dims();
        let [outputs] = self.bias.dims();
        let y = linear(x.reshape([pillars * rows, inputs]), self.weight.clone(), Some(self.bias.clone()));
        relu(y).reshape([pillars, rows, outputs])
    }
}

/// The encoder.
#[derive(Debug)]
pub struct Pillars {
    layers: [Layer; 2],
    rule: VoxelRule,
}

impl Pillars {
    /// Reads `PREFIXpts_voxel_encoder.pfn_layers`.
    pub(super) fn load(loader: &mut Loader, prefix: &str, config: &FullerConfig) -> Self {
        let name = |n: usize| format!("{prefix}pts_voxel_encoder.pfn_layers.{n}");
        let layers = [Layer::load(loader, &name(0), FEATURES, HIDDEN), Layer::load(loader, &name(1), 2 * HIDDEN, CHANNELS)];
        let e = &config.extents;
        let rule = rule_of(e, e.pillar_size, config.pillar_grid(), e.max_points_per_pillar, e.max_pillars);
        Self { layers, rule }
    }

    /// Features of a cloud's pillars, `[pillars, 64]`, and the pillars; `None` where there are none.
    pub fn encode(&self, cloud: &Cloud, device: &Device) -> Option<(Tensor<2>, Voxels)> {
        let pillars = self.rule.apply(&cloud.points, true);
        let count = pillars.counts.len();
        if count == 0 {
            return None;
        }
        let rows = self.decorate(cloud, &pillars);
        let x = Tensor::<3>::from_data(TensorData::new(rows, [count, self.rule.max_points, FEATURES]), device);
        let [first, second] = &self.layers;
        let x = first.forward(x);
        let highest = x.clone().max_dim(1).repeat_dim(1, self.rule.max_points);
        let x = second.forward(Tensor::cat(vec![x, highest], 2));
        Some((x.max_dim(1).reshape([count, CHANNELS]), pillars))
    }

    /// The picture from above of all clouds, `[samples, 64, X, Y]`.
    pub(super) fn forward(&self, clouds: &[Cloud], device: &Device) -> Tensor<4> {
        let encoded: Vec<_> = clouds.iter().map(|cloud| self.encode(cloud, device)).collect();
        operator(Class::Own, 0, || self.canvas(&encoded, device))
    }

    /// The points with their offsets from the pillar's mean and centre, padded with zeros.
    fn decorate(&self, cloud: &Cloud, pillars: &Voxels) -> Vec<f32> {
        let most = self.rule.max_points;
        let mut rows = vec![0.0_f32; pillars.counts.len() * most * FEATURES];
        let means = pillars.means();
        let mut filled = vec![0_usize; pillars.counts.len()];
        let ([x0, y0, _], [dx, dy, _]) = (self.rule.low, self.rule.size);
        let centre = |low: f32, size: f32, cell: i32| num::f32(f64::from(cell)) * size + (size / 2.0 + low);
        for (pillar, number) in &pillars.members {
            let pillar = num::usize(*pillar);
            let point = cloud.points.get(num::usize(*number));
            let (Some(point), Some(mean), Some([cx, cy, _]), Some(row)) =
                (point, means.get(pillar), pillars.coordinates.get(pillar), filled.get_mut(pillar))
            else {
                continue;
            };
            let [x, y, z, ..] = *point;
            let [mx, my, mz, ..] = *mean;
            let offsets = [x - mx, y - my, z - mz, x - centre(x0, dx, *cx), y - centre(y0, dy, *cy)];
            let start = (pillar * most + *row) * FEATURES;
            *row += 1;
            let target = rows.iter_mut().skip(start);
            target.zip(point.iter().take(POINT).chain(&offsets)).for_each(|(t, v)| *t = *v);
        }
        rows
    }

    /// The picture from above of all samples, `[samples, 64, X, Y]`: every cell takes its pillar's row, or one of zeros.
    pub fn canvas(&self, samples: &[Option<(Tensor<2>, Voxels)>], device: &Device) -> Tensor<4> {
        let [nx, ny, _] = self.rule.grid;
        let zeros = Tensor::<2>::zeros([1, CHANNELS], device);
        let picture = |sample: &Option<(Tensor<2>, Voxels)>| {
            let Some((features, pillars)) = sample else { return Tensor::zeros([1, CHANNELS, nx, ny], device) };
            let mut rows = vec![num::i32(pillars.coordinates.len()); nx * ny];
            for (number, [x, y, _]) in pillars.coordinates.iter().enumerate() {
                let at = usize::try_from(*x).unwrap_or(0) * ny + usize::try_from(*y).unwrap_or(0);
                rows.iter_mut().skip(at).take(1).for_each(|row| *row = num::i32(number));
            }
            let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [nx * ny]), device);
            let cells = Tensor::cat(vec![features.clone(), zeros.clone()], 0).select(0, rows);
            cells.transpose().reshape([1, CHANNELS, nx, ny])
        };
        Tensor::cat(samples.iter().map(picture).collect(), 0)
    }
}
