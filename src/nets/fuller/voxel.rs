//! Clouds to voxels and pillars: which cells hold points, which points, in which order.
//!
//! *In*: points x, y, z, intensity, time (LiDAR frame, metres, 0..255, seconds). *Out*: [`Voxels`] in the order in which points first touch them.
//! *Invariant*: the published rule: floor in f32, points outside are skipped, cells beyond the first `max_voxels` and points beyond the
//! first `max_points` of a cell are ignored. Zhou & Tuzel, "VoxelNet", CVPR 2018.

use super::hash::Slots;
use crate::types::num;

/// Values of a point: x, y, z, intensity, time.
pub const POINT: usize = 5;

/// A sample's points.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cloud {
    /// x, y, z in metres, intensity in 0..255, seconds before the key frame.
    pub points: Vec<[f32; POINT]>,
}

/// How space is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoxelRule {
    /// Low corner, metres.
    pub low: [f32; 3],
    /// Edges, metres.
    pub size: [f32; 3],
    /// Cells along x, y, z.
    pub grid: [usize; 3],
    /// Points of a cell that count.
    pub max_points: usize,
    /// Cells that count.
    pub max_voxels: usize,
}

/// Occupied cells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Voxels {
    /// Cell along x, y, z.
    pub coordinates: Vec<[i32; 3]>,
    /// Points that count, in each.
    pub counts: Vec<u32>,
    /// Sums of the points that count.
    sums: Vec<[f32; POINT]>,
    /// For each point that counts: its cell's number and its own.
    pub members: Vec<(u32, u32)>,
}

impl VoxelRule {
    /// The cells of a cloud; `members` are only kept where asked for.
    pub fn apply(&self, points: &[[f32; POINT]], keep_members: bool) -> Voxels {
        let mut slots = Slots::new(points.len().min(self.max_voxels));
        let mut out = Voxels::default();
        let [nx, ny, nz] = self.grid.map(num::i32);
        let ([x0, y0, z0], [dx, dy, dz]) = (self.low, self.size);
        let likely = points.len().min(self.max_voxels);
        out.coordinates.reserve(likely);
        out.counts.reserve(likely);
        out.sums.reserve(likely);
        for (number, point) in points.iter().enumerate() {
            let [px, py, pz, ..] = *point;
            let cells = [(px - x0) / dx, (py - y0) / dy, (pz - z0) / dz];
            // Below the low corner is outside; from there on, floor is the whole part. NaN and infinity are nowhere.
            if !cells.iter().all(|c| *c >= 0.0 && c.is_finite()) {
                continue;
            }
            let [x, y, z] = cells.map(num::trunc_i32);
            if x >= nx || y >= ny || z >= nz {
                continue;
            }
            let key = key([0, x, y, z]);
            let next = num::u32(out.coordinates.len());
            let room = out.coordinates.len() < self.max_voxels;
            let Some(voxel) = (if room { Some(slots.insert(key, next)) } else { slots.get(key) }) else { continue };
            if voxel == next && room {
                out.coordinates.push([x, y, z]);
                out.counts.push(0);
                out.sums.push([0.0; POINT]);
            }
            let at = num::usize(voxel);
            let (Some(count), Some(sum)) = (out.counts.get_mut(at), out.sums.get_mut(at)) else { continue };
            if num::usize(*count) < self.max_points {
                *count += 1;
                sum.iter_mut().zip(point).for_each(|(s, p)| *s += p);
                if keep_members {
                    out.members.push((voxel, num::u32(number)));
                }
            }
        }
        out
    }
}

impl Voxels {
    /// Mean of each cell's points.
    pub fn means(&self) -> Vec<[f32; POINT]> {
        self.sums.iter().zip(&self.counts).map(|(sum, count)| sum.map(|s| s / num::f32(f64::from(*count)))).collect()
    }
}

/// Sample, x, y, z in one number that sorts like the four.
pub(super) fn key(cell: [i32; 4]) -> u64 {
    cell.into_iter().fold(0, |key, v| (key << 16) | u64::try_from(v).unwrap_or(0))
}

/// The way back.
pub(super) fn cell(key: u64) -> [i32; 4] {
    [48, 32, 16, 0].map(|shift| i32::try_from((key >> shift) & 0xFFFF).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_limits_and_means_follow_the_published_rule() {
        let rule = VoxelRule { low: [0.0; 3], size: [1.0; 3], grid: [4, 4, 4], max_points: 2, max_voxels: 2 };
        let at = |x: f32, i: f32| [x, 0.5, 0.5, i, 0.0];
        let points = [at(3.5, 1.0), at(-0.5, 9.0), at(1.5, 2.0), at(2.5, 9.0), at(3.1, 3.0), at(3.2, 9.0), at(4.0, 9.0), at(f32::NAN, 9.0)];
        let voxels = rule.apply(&points, true);
        assert_eq!(voxels.coordinates, [[3, 0, 0], [1, 0, 0]]);
        assert_eq!(voxels.counts, [2, 1]);
        assert_eq!(voxels.members, [(0, 0), (1, 2), (0, 4)]);
        assert_eq!(voxels.means()[0], [3.3, 0.5, 0.5, 2.0, 0.0]);
        assert_eq!(rule.apply(&[], true), Voxels::default());
        assert_eq!(cell(key([3, 1023, 0, 40])), [3, 1023, 0, 40]);
    }
}
