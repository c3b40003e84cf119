//! The parts that are ours alone, beside the same thing made plainly, on inputs that follow from formulas.
//!
//! *In*: a network of the published sizes. *Out*: [`Trial`]s, both sides as functions. *Invariant*: both sides return the same numbers up to the
//! order of sums; whoever times them compares these first.

use super::frustum::{Cells, Frustum};
use super::pool::{Lift, padded, pool};
use super::sparse::SparseEncoder;
use super::{Cloud, Fuller, NAME, Rig, VoxelRule};
use crate::nets::Taps;
use crate::nets::blocks::to_tokens;
use crate::types::{Error, Result, num};
use burn::tensor::{Tensor, TensorData};
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

impl Fuller {
    fn voxel_path(&self) -> Result<&(SparseEncoder, VoxelRule)> {
        self.lidar.as_ref().and_then(|l| l.sparse()).ok_or_else(|| Error::mismatch("`lidar_encoder = \"sparse\"`", "pillars", NAME))
    }

    /// BEV pooling of a rig's images from the depth net's output to the summed map: geometry, softmax, lifting, summing.
    ///
    /// # Errors
    /// The network has no cameras.
    pub fn pooling_trial<'a>(&'a self, rig: &'a Rig) -> Result<Trial<'a>> {
        let e = &self.config.extents;
        let (_, view) = self.camera.as_ref().ok_or_else(|| Error::mismatch("a network with cameras", "a LiDAR alone", NAME))?;
        let [rows, columns] = rig.image.map(|n| n / 8);
        let cells = Cells::new([e.camera_bev_x, e.camera_bev_y, e.camera_bev_z]);
        let depths = self.config.depths();
        let (images, context) = (rig.cameras.len(), self.config.context);
        let channels = depths + context;
        let values = crate::nets::loader::spread(images * channels * rows * columns, 7);
        let values = Tensor::<4>::from_data(TensorData::new(values, [images, channels, rows, columns]), &self.device);
        let detail = format!("{images} images, {depths} depths, {rows}x{columns} pixels, {context} channels, {:?} cells", cells.count);
        let ours = {
            let values = values.clone();
            move || {
                let tokens = host(to_tokens(values.clone()))?;
                let frustum = Frustum::new(&self.config, rig.image, [rows, columns]);
                let runs: Vec<_> = rig.each().map(|(camera, augmentation)| frustum.columns(camera, augmentation, &cells)).collect();
                let lift = Lift { values: &tokens, cameras: rig.count[1], size: frustum.size(), channels: context, runs: &runs };
                let mut sums = pool(&lift, &cells);
                sums.truncate(sums.len().checked_div(padded(context)).unwrap_or(0) * context);
                Ok(sums)
            }
        };
        Ok(Trial { ours: Box::new(ours), plain: Box::new(move || host(view.pool_plainly(values.clone(), rig))), detail })
    }

    /// A cloud to voxels and their means.
    ///
    /// # Errors
    /// The network's LiDAR branch has no voxels.
    pub fn voxel_trial<'a>(&'a self, cloud: &'a Cloud) -> Result<Trial<'a>> {
        let (_, rule) = self.voxel_path()?;
        let count = rule.apply(&cloud.points, false).counts.len();
        let ours = move || Ok(rule.apply(&cloud.points, false).means().into_iter().flatten().collect());
        let plain = move || {
            // The same rule over an ordinary map: cell to its number, then sums.
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
        Ok(Trial { ours: Box::new(ours), plain: Box::new(plain), detail: format!("{} points, {count} voxels", cloud.points.len()) })
    }

    /// The sparse encoder on a cloud's voxels.
    ///
    /// # Errors
    /// The network's LiDAR branch has no voxels.
    pub fn sparse_trial<'a>(&'a self, cloud: &Cloud) -> Result<Trial<'a>> {
        let (encoder, rule) = self.voxel_path()?;
        let voxels = vec![rule.apply(&cloud.points, false)];
        let count: usize = voxels.iter().map(|v| v.counts.len()).sum();
        let detail = format!("{count} voxels, {:.2} GMAC", encoder.multiply_adds(&voxels) as f64 / 1e9);
        let again = voxels.clone();
        let ours = move || host(encoder.forward(encoder.sites(&voxels), 1, &self.device, &mut Taps::default()));
        let plain = move || host(encoder.forward_plainly(encoder.sites(&again), 1, &self.device));
        Ok(Trial { ours: Box::new(ours), plain: Box::new(plain), detail })
    }
}
