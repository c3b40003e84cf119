//! The parts that are ours alone, timed beside the same thing made of plain tensor operations, in one run on the same inputs.
//!
//! *In*: a seed. *Out*: [`Timing`] rows. *Invariant*: both sides' results are compared before they are timed; a difference is an error.

use super::frustum::{Cells, Frustum};
use super::pool::{Lift, padded, pool};
use super::{Fuller, Rig};
use crate::nets::blocks::to_tokens;
use crate::types::{Error, Result};
use burn::tensor::{Tensor, TensorData};
use std::time::Instant;

/// One part on both sides.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Timing {
    /// What was timed.
    pub part: &'static str,
    /// Milliseconds of ours, in the order of the runs.
    pub ours: Vec<f64>,
    /// The same of the plain version, taken in turn with ours; empty where there is none.
    pub plain: Vec<f64>,
    /// Largest difference of the results over the largest value.
    pub difference: f64,
    /// Sizes.
    pub detail: String,
}

fn timed<T>(times: &mut Vec<f64>, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let out = work();
    times.push(began.elapsed().as_secs_f64() * 1e3);
    out
}

fn host<const D: usize>(t: Tensor<D>) -> Result<Vec<f32>> {
    let data = crate::nets::to_host(t)?;
    data.as_slice::<f32>().map(<[f32]>::to_vec).map_err(|e| Error::unavailable("a result", e.to_string()))
}

fn difference(a: &[f32], b: &[f32]) -> f64 {
    let most = a.iter().fold(1e-12_f32, |m, v| m.max(v.abs()));
    let worst = a.iter().zip(b).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
    if a.len() == b.len() { f64::from(worst / most) } else { f64::INFINITY }
}

impl Fuller {
    /// BEV pooling of a rig's images: geometry, softmax, lifting and summing; random scores.
    ///
    /// # Errors
    /// The device fails, or the two sides differ.
    pub fn time_pooling(&self, rig: &Rig, runs: usize) -> Result<Timing> {
        let e = &self.config.extents;
        let [rows, columns] = rig.image.map(|n| n / 8);
        let cells = Cells::new([e.camera_bev_x, e.camera_bev_y, e.camera_bev_z]);
        let depths = super::config::steps(e.camera_depth);
        let images = rig.cameras.len();
        let channels = depths + self.config.context;
        let mut state = 7_u32;
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            crate::types::num::f32(f64::from(state) / f64::from(u32::MAX) * 4.0 - 2.0)
        };
        let values: Vec<f32> = (0..images * channels * rows * columns).map(|_| draw()).collect();
        let values = Tensor::<4>::from_data(TensorData::new(values, [images, channels, rows, columns]), &self.device);
        let mut timing = Timing { part: "BEV pooling", ours: Vec::new(), plain: Vec::new(), difference: 0.0, detail: String::new() };
        for _ in 0..runs.max(1) {
            let fast = timed(&mut timing.ours, || {
                let tokens = host(to_tokens(values.clone()))?;
                let frustum = Frustum::new(e, rig.image, [rows, columns]);
                let runs: Vec<_> = rig.each().map(|(camera, augmentation)| frustum.columns(camera, augmentation, &cells)).collect();
                let lift =
                    Lift { values: &tokens, cameras: rig.count[1], size: frustum.size(), channels: self.config.context, runs: &runs };
                Ok::<_, Error>(pool(&lift, &cells))
            })?;
            let plain = timed(&mut timing.plain, || host(self.view.pool_plainly(values.clone(), rig)))?;
            let [nx, ny, nz] = cells.count;
            if nz == 1 && padded(self.config.context) == self.config.context {
                timing.difference = difference(&fast, &plain);
            }
            timing.detail =
                format!("{images} images, {depths} depths, {rows}x{columns} pixels, {} channels, {nx}x{ny} cells", self.config.context);
        }
        agree(timing)
    }

    /// Voxelisation of a cloud.
    pub fn time_voxels(&self, cloud: &super::Cloud, runs: usize) -> Timing {
        let mut timing = Timing { part: "voxelisation", ours: Vec::new(), plain: Vec::new(), difference: 0.0, detail: String::new() };
        for _ in 0..runs.max(1) {
            let voxels = timed(&mut timing.ours, || {
                let voxels = self.voxels.apply(&cloud.points, false);
                (voxels.means().len(), voxels)
            });
            timing.detail = format!("{} points, {} voxels", cloud.points.len(), voxels.0);
        }
        timing
    }

    /// The sparse encoder on a cloud's voxels.
    ///
    /// # Errors
    /// The device fails, or the two sides differ.
    pub fn time_sparse(&self, cloud: &super::Cloud, runs: usize) -> Result<Timing> {
        let voxels = vec![self.voxels.apply(&cloud.points, false)];
        let mut timing = Timing { part: "sparse encoder", ours: Vec::new(), plain: Vec::new(), difference: 0.0, detail: String::new() };
        let count: usize = voxels.iter().map(|v| v.counts.len()).sum();
        timing.detail = format!("{count} voxels, {:.2} GMAC", self.lidar.multiply_adds(&voxels) as f64 / 1e9);
        for _ in 0..runs.max(1) {
            let fast = timed(&mut timing.ours, || {
                let bev = self.lidar.forward(self.lidar.sites(&voxels), 1, &self.device, &mut crate::nets::Taps::default());
                host(bev)
            })?;
            let plain = timed(&mut timing.plain, || host(self.lidar.forward_plainly(self.lidar.sites(&voxels), 1, &self.device)))?;
            timing.difference = difference(&fast, &plain);
        }
        agree(timing)
    }
}

fn agree(timing: Timing) -> Result<Timing> {
    if timing.difference > 1e-3 {
        return Err(Error::mismatch("the plain version's numbers", format!("off by {:e} of the largest", timing.difference), timing.part));
    }
    Ok(timing)
}
