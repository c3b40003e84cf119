//! Where the pixels of a feature map may lie in space: one point per pixel and depth, and the cell of the grid that holds it.
//!
//! *In*: 4x4 matrices of each camera (pixels, metres, LiDAR frame) and of the sample's augmentation. *Out*: points in the augmented LiDAR
//! frame, cells, and per image column the runs of rows that share a cell. *Invariant*: arithmetic in f32 in the published order; cells
//! are truncated towards zero, so points up to one cell below the lower border count as inside. BEVFusion (ICRA 2023), 4.3 of LSS.

use super::FullerConfig;
use super::config::steps;
use crate::types::num;
use nalgebra::{Matrix3, Matrix4, Vector3};
use rayon::prelude::*;

/// What is known of one camera in one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CameraGeometry {
    /// Pixels of the full image from points in the camera frame.
    pub intrinsics: Matrix4<f32>,
    /// Points in the LiDAR frame from points in the camera frame.
    pub camera_to_lidar: Matrix4<f32>,
    /// Pixels (times depth) from points in the LiDAR frame; what depth-aware lifting projects with.
    pub lidar_to_image: Matrix4<f32>,
    /// Pixels of the network's image from pixels of the full image.
    pub image_augmentation: Matrix4<f32>,
}

/// The part of a 4x4 matrix that turns, and the part that moves.
pub(super) fn parts(m: &Matrix4<f32>) -> (Matrix3<f32>, Vector3<f32>) {
    (m.fixed_view::<3, 3>(0, 0).into(), m.fixed_view::<3, 1>(0, 3).into())
}

/// The inverse, or zero where there is none (callers refuse such matrices).
pub(super) fn inverse(m: &Matrix3<f32>) -> Matrix3<f32> {
    m.cast::<f64>().try_inverse().unwrap_or_else(Matrix3::zeros).map(num::f32)
}

/// `count` numbers from `low` to `high`, both included, built from both ends as PyTorch builds them.
fn linspace(low: f32, high: f32, count: usize) -> Vec<f32> {
    let float = |n: usize| num::f32(n as f64);
    let step = if count > 1 { (high - low) / float(count - 1) } else { 0.0 };
    (0..count).map(|i| if i < count / 2 { low + step * float(i) } else { high - step * float(count - 1 - i) }).collect()
}

/// Pixels of the feature map and depths.
#[derive(Debug, Clone, PartialEq)]
pub struct Frustum {
    columns: Vec<f32>,
    rows: Vec<f32>,
    depths: Vec<f32>,
}

impl Frustum {
    /// For a feature map of `feature` (rows, columns) of an image of `image` pixels (rows, columns): the map spans the image from the
    /// centre of its first pixel to that of its last.
    pub fn new(config: &FullerConfig, image: [usize; 2], feature: [usize; 2]) -> Self {
        let last = |n: usize| num::f32(n.saturating_sub(1) as f64);
        let [near, _, step] = config.extents.camera_depth;
        let depths = (0..config.depths()).map(|i| num::f32(near + step * i as f64)).collect();
        Self { columns: linspace(0.0, last(image[1]), feature[1]), rows: linspace(0.0, last(image[0]), feature[0]), depths }
    }

    /// Depths, rows, columns.
    pub const fn size(&self) -> [usize; 3] {
        [self.depths.len(), self.rows.len(), self.columns.len()]
    }

    /// Points of one camera, `[depths][rows][columns][3]`.
    pub fn points(&self, camera: &CameraGeometry, augmentation: &Matrix4<f32>) -> Vec<f32> {
        let ray = Ray::new(camera, augmentation);
        let mut out = Vec::with_capacity(3 * self.depths.len() * self.rows.len() * self.columns.len());
        for d in &self.depths {
            for v in &self.rows {
                out.extend(self.columns.iter().flat_map(|u| <[f32; 3]>::from(ray.point(*u, *v, *d))));
            }
        }
        out
    }

    /// For each column of the feature map, the cells of its points as runs down the rows, depth by depth.
    pub(super) fn columns(&self, camera: &CameraGeometry, augmentation: &Matrix4<f32>, cells: &Cells) -> Vec<Vec<Run>> {
        let ray = Ray::new(camera, augmentation);
        let column = |u: &f32| {
            let mut runs: Vec<Run> = Vec::with_capacity(3 * self.depths.len());
            for d in &self.depths {
                let mut fresh = true;
                for v in &self.rows {
                    let cell = cells.number(&ray.point(*u, *v, *d));
                    match runs.last_mut() {
                        Some(last) if last.cell == cell && !fresh => last.length += 1,
                        _ => runs.push(Run { cell, length: 1 }),
                    }
                    fresh = false;
                }
            }
            runs
        };
        self.columns.par_iter().map(column).collect()
    }
}

/// Points of one image column at one depth, next to each other, that fall into one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The cell, or [`Cells::OUTSIDE`].
    pub cell: u32,
    /// How many rows.
    pub length: u32,
}

/// A pixel with a depth to a point.
struct Ray {
    undo: Matrix3<f32>,
    offset: Vector3<f32>,
    lift: Matrix3<f32>,
    shift: Vector3<f32>,
    turn: Matrix3<f32>,
    moved: Vector3<f32>,
}

impl Ray {
    fn new(camera: &CameraGeometry, augmentation: &Matrix4<f32>) -> Self {
        let (resize, offset) = parts(&camera.image_augmentation);
        let (rotation, shift) = parts(&camera.camera_to_lidar);
        let (intrinsics, _) = parts(&camera.intrinsics);
        let (turn, moved) = parts(augmentation);
        Self { undo: inverse(&resize), offset, lift: rotation * inverse(&intrinsics), shift, turn, moved }
    }
    #[inline]
    fn point(&self, u: f32, v: f32, d: f32) -> Vector3<f32> {
        let q = self.undo * (Vector3::new(u, v, d) - self.offset);
        let p = self.lift * Vector3::new(q.x * q.z, q.y * q.z, q.z) + self.shift;
        self.turn * p + self.moved
    }
}

/// The camera's grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Cells {
    low: [f32; 3],
    step: [f32; 3],
    /// Cells along x, y, z.
    pub count: [usize; 3],
}

impl Cells {
    /// Number of no cell.
    pub(super) const OUTSIDE: u32 = u32::MAX;

    /// From low, high, step along x, y, z.
    pub fn new(axes: [[f64; 3]; 3]) -> Self {
        // The published code keeps the step and the centre of the first cell in f32 and works back from these.
        let low = axes.map(|[low, _, step]| num::f32(low + step / 2.0) - num::f32(step) / 2.0);
        Self { low, step: axes.map(|[_, _, step]| num::f32(step)), count: axes.map(steps) }
    }

    /// Cells in all.
    pub fn total(&self) -> usize {
        self.count.iter().product()
    }

    /// The cell along each axis, inside or not, rounded towards zero.
    pub fn index(&self, point: [f32; 3]) -> [i32; 3] {
        let mut index = [0; 3];
        for (i, (p, (low, step))) in index.iter_mut().zip(point.iter().zip(self.low.iter().zip(&self.step))) {
            *i = num::trunc_i32((p - low) / step);
        }
        index
    }

    /// `(z * nx + x) * ny + y`, or [`Self::OUTSIDE`].
    #[inline]
    fn number(&self, point: &Vector3<f32>) -> u32 {
        let [nx, ny, nz] = self.count.map(num::i32);
        let [x, y, z] = self.index([point.x, point.y, point.z]);
        let inside = point.iter().all(|v| v.is_finite()) && (0..nx).contains(&x) && (0..ny).contains(&y) && (0..nz).contains(&z);
        if inside { u32::try_from((z * nx + x) * ny + y).unwrap_or(Self::OUTSIDE) } else { Self::OUTSIDE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_truncated_towards_zero() {
        let cells = Cells::new([[-12.8, 12.8, 0.4], [-12.8, 12.8, 0.4], [-10.0, 10.0, 20.0]]);
        assert_eq!(cells.count, [64, 64, 1]);
        assert_eq!(cells.index([-13.1, -12.7, -29.0]), [0, 0, 0]);
        assert_eq!(cells.number(&Vector3::new(-13.1, -12.1, -29.0)), 1);
        assert_eq!(cells.number(&Vector3::new(-13.3, 0.0, 0.0)), Cells::OUTSIDE);
        assert_eq!(cells.number(&Vector3::new(f32::NAN, 0.0, 0.0)), Cells::OUTSIDE);
    }
    #[test]
    fn linspace_ends_where_it_should() {
        let values = linspace(0.0, 703.0, 88);
        assert_eq!((values.len(), values.first(), values.last()), (88, Some(&0.0), Some(&703.0)));
    }
}
