//! The parts that are ours alone, beside the same thing made plainly, on inputs that follow from formulas.
//!
//! *In*: a network of the published sizes. *Out*: [`Trial`]s, both sides as functions. *Invariant*: both sides return the same numbers up to the
//! order of sums; whoever times them compares these first. The sweep is what 32 beams see on flat ground between wavy walls.

use super::frustum::{CameraGeometry, Cells, Frustum};
use super::pool::{Lift, padded, pool};
use super::{Cloud, Fuller, Rig};
use crate::nets::Taps;
use crate::nets::blocks::to_tokens;
use crate::types::{Error, Result, num};
use burn::tensor::{Tensor, TensorData};
use nalgebra::{Matrix3, Matrix4, Rotation3, Vector3};
use std::collections::BTreeMap;

/// One side: what it computes, flat.
pub type Side<'a> = Box<dyn Fn() -> Result<Vec<f32>> + 'a>;

/// One part, both ways.
pub struct Trial<'a> {
    /// Our way.
    pub ours: Side<'a>,
    /// The plain way.
    pub plain: Side<'a>,
    /// Sizes.
    pub detail: String,
}

fn host<const D: usize>(t: Tensor<D>) -> Result<Vec<f32>> {
    let data = crate::nets::to_host(t)?;
    data.as_slice::<f32>().map(<[f32]>::to_vec).map_err(|e| Error::unavailable("a result", e.to_string()))
}

/// `sweeps` sweeps of 32 beams by 1084 directions, half a metre of driving apart.
pub fn synthetic_sweep(sweeps: usize) -> Cloud {
    const BEAMS: usize = 32;
    const DIRECTIONS: usize = 1084;
    const HEIGHT: f64 = 1.84;
    let mut points = Vec::with_capacity(sweeps * BEAMS * DIRECTIONS);
    for sweep in 0..sweeps {
        for beam in 0..BEAMS {
            let elevation = (-30.0 + 40.0 * beam as f64 / (BEAMS - 1) as f64).to_radians();
            for direction in 0..DIRECTIONS {
                let turn = std::f64::consts::TAU * direction as f64 / DIRECTIONS as f64;
                let wall = (18.0 + 9.0 * (3.0 * turn).sin() + 4.0 * (17.0 * turn).cos()) / elevation.cos();
                let ground = if elevation < 0.0 { -HEIGHT / elevation.sin() } else { f64::INFINITY };
                let range = wall.min(ground);
                let (x, y) = (range * elevation.cos() * turn.sin(), range * elevation.cos() * turn.cos() - 0.5 * sweep as f64);
                let row = [x, y, range * elevation.sin(), (beam * 7 % 100) as f64, 0.05 * sweep as f64];
                points.push(row.map(num::f32));
            }
        }
    }
    Cloud { points }
}

/// Six cameras at equal turns with nuScenes' lens and the published framing to 704x256.
pub fn synthetic_rig() -> Rig {
    let k = Matrix3::new(1266.4, 0.0, 816.3, 0.0, 1266.4, 491.5, 0.0, 0.0, 1.0).to_homogeneous();
    // Camera z forward is LiDAR y, camera y is LiDAR -z.
    let forward = Matrix3::new(1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0);
    let camera = |index: u32| {
        let turn = Rotation3::from_axis_angle(&Vector3::z_axis(), f64::from(index) * std::f64::consts::FRAC_PI_3).into_inner();
        let mut pose = (turn * forward).to_homogeneous();
        let shift = turn * Vector3::new(0.0, 0.7, -0.3);
        pose.fixed_view_mut::<3, 1>(0, 3).copy_from(&shift);
        let back = pose.try_inverse().unwrap_or_else(Matrix4::identity);
        let framing = Matrix4::new(0.48, 0.0, 0.0, -32.0, 0.0, 0.48, 0.0, -176.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0);
        CameraGeometry {
            intrinsics: k.map(num::f32),
            camera_to_lidar: pose.map(num::f32),
            lidar_to_image: (k * back).map(num::f32),
            image_augmentation: framing,
        }
    };
    Rig { count: [1, 6], image: [256, 704], cameras: (0..6).map(camera).collect(), augmentation: vec![Matrix4::identity()] }
}

impl Fuller {
    /// BEV pooling of a rig's images from the depth net's output to the summed map: geometry, softmax, lifting, summing.
    pub fn pooling_trial<'a>(&'a self, rig: &'a Rig) -> Trial<'a> {
        let e = &self.config.extents;
        let [rows, columns] = rig.image.map(|n| n / 8);
        let cells = Cells::new([e.camera_bev_x, e.camera_bev_y, e.camera_bev_z]);
        let depths = super::config::steps(e.camera_depth);
        let (images, context) = (rig.cameras.len(), self.config.context);
        let channels = depths + context;
        let values = crate::nets::loader::spread(images * channels * rows * columns, 7);
        let values = Tensor::<4>::from_data(TensorData::new(values, [images, channels, rows, columns]), &self.device);
        let detail = format!("{images} images, {depths} depths, {rows}x{columns} pixels, {context} channels, {:?} cells", cells.count);
        let ours = {
            let values = values.clone();
            move || {
                let tokens = host(to_tokens(values.clone()))?;
                let frustum = Frustum::new(e, rig.image, [rows, columns]);
                let runs: Vec<_> = rig.each().map(|(camera, augmentation)| frustum.columns(camera, augmentation, &cells)).collect();
                let lift = Lift { values: &tokens, cameras: rig.count[1], size: frustum.size(), channels: context, runs: &runs };
                let mut sums = pool(&lift, &cells);
                sums.truncate(sums.len().checked_div(padded(context)).unwrap_or(0) * context);
                Ok(sums)
            }
        };
        Trial { ours: Box::new(ours), plain: Box::new(move || host(self.view.pool_plainly(values.clone(), rig))), detail }
    }

    /// A cloud to voxels and their means.
    pub fn voxel_trial<'a>(&'a self, cloud: &'a Cloud) -> Trial<'a> {
        let count = self.voxels.apply(&cloud.points, false).counts.len();
        let ours = move || Ok(self.voxels.apply(&cloud.points, false).means().into_iter().flatten().collect());
        let plain = move || {
            // The same rule over an ordinary map: cell to its number, then sums.
            let rule = &self.voxels;
            let mut numbers: BTreeMap<[i32; 3], usize> = BTreeMap::new();
            let mut sums: Vec<([f32; 5], usize)> = Vec::new();
            for point in &cloud.points {
                let mut cell = [0; 3];
                for (c, (p, (low, size))) in cell.iter_mut().zip(point.iter().zip(rule.low.iter().zip(&rule.size))) {
                    *c = num::floor_i32((p - low) / size);
                }
                if !cell.iter().zip(rule.grid).all(|(c, n)| (0..num::i32(n)).contains(c)) {
                    continue;
                }
                let next = sums.len();
                if next >= rule.max_voxels && !numbers.contains_key(&cell) {
                    continue;
                }
                let number = *numbers.entry(cell).or_insert(next);
                if number == next {
                    sums.push(([0.0; 5], 0));
                }
                if let Some((sum, count)) = sums.get_mut(number).filter(|(_, count)| *count < rule.max_points) {
                    sum.iter_mut().zip(point).for_each(|(s, p)| *s += p);
                    *count += 1;
                }
            }
            Ok(sums.into_iter().flat_map(|(sum, count)| sum.map(|s| s / num::f32(count as f64))).collect())
        };
        Trial { ours: Box::new(ours), plain: Box::new(plain), detail: format!("{} points, {count} voxels", cloud.points.len()) }
    }

    /// The sparse encoder on a cloud's voxels.
    pub fn sparse_trial<'a>(&'a self, cloud: &Cloud) -> Trial<'a> {
        let voxels = vec![self.voxels.apply(&cloud.points, false)];
        let count: usize = voxels.iter().map(|v| v.counts.len()).sum();
        let detail = format!("{count} voxels, {:.2} GMAC", self.lidar.multiply_adds(&voxels) as f64 / 1e9);
        let again = voxels.clone();
        let ours = move || host(self.lidar.forward(self.lidar.sites(&voxels), 1, &self.device, &mut Taps::default()));
        let plain = move || host(self.lidar.forward_plainly(self.lidar.sites(&again), 1, &self.device));
        Trial { ours: Box::new(ours), plain: Box::new(plain), detail }
    }
}
