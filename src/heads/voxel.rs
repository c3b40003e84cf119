//! A cloud to occupied voxels.
//!
//! *In*: points in the LiDAR's frame and the pose that leads to the vehicle. *Out*: [`VoxelGrid`] in the vehicle frame,
//! voxels in the order in which points first touched them. *Invariant*: the counts add up to the points inside
//! `low <= p < high`; the same cloud gives the same grid.

use crate::types::{Error, LidarPoint, Result, VoxelGrid, num};
use nalgebra::{Isometry3, Point3};

/// Cuts a box of space into voxels; keeps its hash table from call to call.
#[derive(Debug, Clone)]
pub struct Voxeliser {
    low: [f64; 3],
    high: [f64; 3],
    voxel: [f64; 3],
    cells: [usize; 3],
    /// Open addressing: 0 is free, else 1 + number of the voxel.
    slots: Vec<u32>,
    keys: Vec<u64>,
    sums: Vec<[f64; 3]>,
}

impl Voxeliser {
    /// For the box `low .. high` and voxels of edge lengths `voxel`, metres, vehicle frame.
    ///
    /// # Errors
    /// Where a number is not finite, the box is empty, an edge is not positive or there are 2^21 voxels or more along an axis.
    pub fn new(low: [f64; 3], high: [f64; 3], voxel: [f64; 3]) -> Result<Self> {
        let mut cells = [0_usize; 3];
        for (((l, h), v), cells) in low.iter().zip(&high).zip(&voxel).zip(&mut cells) {
            // A width that rounding pushed just over a whole number of voxels still ends at the last one.
            let count = ((h - l) / v - 1e-6).ceil();
            let sound = l.is_finite() && h.is_finite() && v.is_finite() && *v > 0.0 && h > l && count < 2_097_152.0;
            let found = || format!("low {low:?}, high {high:?}, edge {voxel:?}");
            let wanted = "low < high and edges above zero, below 2^21 voxels per axis";
            *cells = num::cell(count, 2_097_152).filter(|_| sound).ok_or_else(|| Error::mismatch(wanted, found(), "voxel grid"))?.max(1);
        }
        Ok(Self { low, high, voxel, cells, slots: Vec::new(), keys: Vec::new(), sums: Vec::new() })
    }

    /// The voxels that `points` occupy; `pose` takes a point to the vehicle frame.
    pub fn voxelise(&mut self, points: &[LidarPoint], pose: &Isometry3<f64>) -> VoxelGrid {
        let wanted = (2 * points.len()).next_power_of_two().max(64);
        self.slots.resize(wanted.max(self.slots.len()), 0);
        self.slots.fill(0);
        // As many voxels as last time, most likely.
        let likely = self.keys.len().min(points.len());
        self.keys.clear();
        self.sums.clear();
        let mut grid = VoxelGrid {
            origin: self.low.map(num::f32),
            voxel: self.voxel.map(num::f32),
            indices: Vec::with_capacity(likely),
            counts: Vec::with_capacity(likely),
            means: Vec::new(),
        };
        for point in points {
            let p = pose * Point3::from(point.position.map(f64::from));
            let p = [p.x, p.y, p.z];
            let Some(index) = self.index(&p) else { continue };
            let number = self.number(index, &mut grid);
            if let (Some(count), Some(sum)) = (grid.counts.get_mut(number), self.sums.get_mut(number)) {
                *count = count.saturating_add(1);
                sum.iter_mut().zip(p).for_each(|(s, p)| *s += p);
            }
        }
        let mean = |(sum, count): (&[f64; 3], &u32)| sum.map(|s| num::f32(s / f64::from(*count)));
        grid.means = self.sums.iter().zip(&grid.counts).map(mean).collect();
        grid
    }

    fn index(&self, p: &[f64; 3]) -> Option<[usize; 3]> {
        let mut index = [0; 3];
        let space = self.low.iter().zip(&self.high).zip(self.voxel.iter().zip(&self.cells));
        for ((i, p), ((low, high), (voxel, cells))) in index.iter_mut().zip(p).zip(space) {
            if !(p >= low && p < high) {
                return None;
            }
            *i = num::cell((p - low) / voxel, cells + 1)?.min(cells - 1);
        }
        Some(index)
    }

    /// The number of a voxel, a new one if nobody touched it yet.
    fn number(&mut self, index: [usize; 3], grid: &mut VoxelGrid) -> usize {
        let [x, y, z] = index.map(|i| i as u64);
        let key = (x << 42) | (y << 21) | z;
        let mask = self.slots.len() - 1;
        // Fibonacci hashing; the table is at most half full, so the walk ends.
        let mut slot = usize::try_from(key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24).unwrap_or(0) & mask;
        while let Some(entry) = self.slots.get_mut(slot) {
            if *entry == 0 {
                *entry = num::u32(self.keys.len() + 1);
                break;
            }
            let number = num::usize(*entry) - 1;
            if self.keys.get(number) == Some(&key) {
                return number;
            }
            slot = (slot + 1) & mask;
        }
        self.keys.push(key);
        self.sums.push([0.0; 3]);
        grid.indices.push(index.map(num::u32));
        grid.counts.push(0);
        self.keys.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_counts_and_means() {
        let mut voxeliser = Voxeliser::new([0.0; 3], [10.0, 10.0, 2.0], [1.0, 1.0, 2.0]).unwrap();
        let at = |x: f32, y: f32| LidarPoint { position: [x, y, 1.0], ..LidarPoint::default() };
        let grid = voxeliser.voxelise(&[at(5.5, 5.5), at(0.0, 0.0), at(5.25, 5.75), at(10.0, 1.0), at(-0.1, 0.0)], &Isometry3::identity());
        assert_eq!(grid.indices, vec![[5, 5, 0], [0, 0, 0]]);
        assert_eq!(grid.counts, vec![2, 1]);
        assert_eq!(grid.means[0], [5.375, 5.625, 1.0]);
        assert!(voxeliser.voxelise(&[], &Isometry3::identity()).indices.is_empty());
    }
    #[test]
    fn senseless_grids_are_refused() {
        for (low, high, voxel) in [(0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (0.0, f64::NAN, 1.0), (0.0, 1.0, -1.0), (0.0, 1e9, 1e-9)] {
            assert!(Voxeliser::new([low; 3], [high; 3], [voxel; 3]).is_err(), "{low} {high} {voxel}");
        }
    }
}
