//! Boxes of the world in the pictures of a sample's cameras.
//!
//! *In*: tables with camera key frames, boxes (centre, width/length/height, yaw; metres on the map). *Out*: corners in pixels.
//! *Invariant*: the world is seen from where the vehicle was at the camera's own time; a box with a corner behind the camera has none.

use crate::formats::nuscenes::{SampleData, Tables, global_from_sensor};
use nalgebra::{Isometry3, Point3};

/// Least depth of a corner, metres.
const NEAR_M: f64 = 0.1;

/// Edges of a box by its corners: the front face first, so that the way it heads can be marked.
pub const EDGES: [(usize, usize); 12] = [(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7)];

/// A box of the world.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Solid {
    /// Centre.
    pub centre: [f64; 3],
    /// Width, length, height.
    pub size: [f64; 3],
    /// Angle of its length about z, radians.
    pub yaw: f64,
}

impl Solid {
    /// Four corners of the front, then four of the back, each from the upper left seen from inside.
    pub fn corners(&self) -> [[f64; 3]; 8] {
        let [width, length, height] = self.size.map(|s| s / 2.0);
        let [cx, cy, cz] = self.centre;
        let (sin, cos) = self.yaw.sin_cos();
        let signs = [(1.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, -1.0, -1.0), (1.0, 1.0, -1.0)];
        let back = signs.map(|(_, y, z)| (-1.0, y, z));
        let at = |(sx, sy, sz): (f64, f64, f64)| {
            let (x, y, z) = (sx * length, sy * width, sz * height);
            [cx + cos * x - sin * y, cy + sin * x + cos * y, cz + z]
        };
        let [a, b, c, d] = signs.map(at);
        let [e, f, g, h] = back.map(at);
        [a, b, c, d, e, f, g, h]
    }
}

/// A camera of a sample.
pub struct Camera<'t> {
    /// Its file.
    pub data: &'t SampleData,
    /// Its channel.
    pub channel: &'t str,
    sensor_from_world: Isometry3<f64>,
    matrix: [[f64; 3]; 3],
    size: [f64; 2],
}

impl<'t> Camera<'t> {
    /// The cameras of a sample (a row) that have a matrix, a pose and a size.
    pub fn all(tables: &'t Tables, sample: usize) -> Vec<Self> {
        let camera = |(channel, data): (&'t str, &'t SampleData)| {
            let matrix = tables.calibrated.get(&data.calibrated_sensor_token)?.camera_intrinsic?;
            let sensor_from_world = global_from_sensor(tables, data).ok()?.inverse();
            let size = [data.width? as f64, data.height? as f64];
            Some(Self { data, channel, sensor_from_world, matrix, size })
        };
        tables.key_frames(sample).filter_map(camera).collect()
    }
    /// A point in pixels and its depth; `None` where it is behind.
    fn pixel(&self, [x, y, z]: [f64; 3]) -> Option<([f64; 2], f64)> {
        let p = self.sensor_from_world * Point3::new(x, y, z);
        let [[fx, skew, cx], [_, fy, cy], _] = self.matrix;
        (p.z > NEAR_M).then(|| ([(fx * p.x + skew * p.y) / p.z + cx, fy * p.y / p.z + cy], p.z))
    }
    /// The eight corners in pixels.
    pub fn corners(&self, solid: &Solid) -> Option<[[f64; 2]; 8]> {
        let mut pixels = [[0.0; 2]; 8];
        for (slot, corner) in pixels.iter_mut().zip(solid.corners()) {
            *slot = self.pixel(corner)?.0;
        }
        Some(pixels)
    }
    /// The upright rectangle around a box in the picture: left, top, right, bottom, cut to the picture; `None` where none of it is in it.
    pub fn rectangle(&self, solid: &Solid) -> Option<[f64; 4]> {
        let corners = self.corners(solid)?;
        let [width, height] = self.size;
        let start = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        let [left, top, right, bottom] = corners.iter().fold(start, |[a, b, c, d], [x, y]| [a.min(*x), b.min(*y), c.max(*x), d.max(*y)]);
        let cut = [left.clamp(0.0, width), top.clamp(0.0, height), right.clamp(0.0, width), bottom.clamp(0.0, height)];
        let [l, t, r, b] = cut;
        (r - l >= 1.0 && b - t >= 1.0).then_some(cut)
    }
    /// How near to the picture's middle a box's centre lies, 0 in it; `None` where it is not in the picture.
    fn off_middle(&self, solid: &Solid) -> Option<f64> {
        let ([u, v], _) = self.pixel(solid.centre)?;
        let [width, height] = self.size;
        let inside = (0.0..width).contains(&u) && (0.0..height).contains(&v);
        (inside && self.corners(solid).is_some()).then(|| (u / width - 0.5).abs())
    }
    /// The camera that sees a box best.
    pub fn best<'c>(cameras: &'c [Self], solid: &Solid) -> Option<&'c Self> {
        let seen = cameras.iter().filter_map(|c| Some((c.off_middle(solid)?, c)));
        seen.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, c)| c)
    }
    /// A box in the camera's frame: its centre, and its turn about the downward axis as KITTI counts it.
    pub fn in_camera(&self, solid: &Solid) -> ([f64; 3], f64) {
        let [x, y, z] = solid.centre;
        let p = self.sensor_from_world * Point3::new(x, y, z);
        let ahead = self.sensor_from_world * nalgebra::Vector3::new(solid.yaw.cos(), solid.yaw.sin(), 0.0);
        ([p.x, p.y, p.z], (-ahead.z).atan2(ahead.x))
    }
}
