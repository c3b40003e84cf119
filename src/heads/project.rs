//! LiDAR points in a camera's picture, with the vehicle's motion between the two captures taken out.
//!
//! *In*: points in the LiDAR's frame; both sensors' calibrations; optionally how the vehicle moved. *Out*: pixels (centres
//! at integers) and depths along the optical axis in metres. *Invariant*: every pixel lies in the picture
//! (`-0.5 <= u < width - 0.5`), every depth is finite and at least `min_depth`.
//!
//! Motion model: constant speed and yaw rate about the vehicle's origin (z up), on flat ground. A point measured at
//! `LiDAR stamp + lag` stands still in the world; what moves is the vehicle until the camera's stamp.

use super::rectify::within_fold;
use crate::types::{Calibration, Distortion, Error, PointCloud, Result, num};
use nalgebra::{Isometry3, Point3, Translation3, UnitQuaternion, Vector3};

/// How the vehicle moves, as far as two stamps apart matters.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Motion {
    /// Forward speed, m/s.
    pub speed: f64,
    /// About z, rad/s, counter-clockwise.
    pub yaw_rate: f64,
}

impl Motion {
    /// Where the vehicle is after `seconds` (may be negative), in its own frame now: earlier from later.
    pub fn after(&self, seconds: f64) -> Isometry3<f64> {
        let (distance, yaw) = (self.speed * seconds, self.yaw_rate * seconds);
        // Chord of the arc: sin(yaw) / yaw and (1 - cos(yaw)) / yaw, by their series where the yaw is small.
        let (along, across) = if yaw.abs() < 1e-6 { (1.0, yaw / 2.0) } else { (yaw.sin() / yaw, (1.0 - yaw.cos()) / yaw) };
        let translation = Translation3::new(distance * along, distance * across, 0.0);
        Isometry3::from_parts(translation, UnitQuaternion::from_axis_angle(&Vector3::z_axis(), yaw))
    }
}

/// What [`project_points`] writes: equally long lists, in the order of the points.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Projected {
    /// Column, row.
    pub pixels: Vec<[f32; 2]>,
    /// Metres along the optical axis.
    pub depths: Vec<f32>,
}

/// Time between the captures, and how the vehicle moved in it; `None` where it stood still or nobody knows.
pub type Drift = Option<(Motion, f64)>;

/// Projects a cloud of the LiDAR into the camera. `drift` holds the vehicle's motion and the seconds from the LiDAR's
/// stamp to the camera's; each point's own lag is taken off, unless the cloud says that this was done.
///
/// # Errors
/// Where the camera has no intrinsics or the two extrinsics do not meet in one frame.
pub fn project_points(cloud: &PointCloud, lidar: &Calibration, camera: &Calibration, drift: Drift, min_depth: f64) -> Result<Projected> {
    let points = cloud.points();
    let place = camera.extrinsics.from;
    let Some(lens) = camera.intrinsics else {
        return Err(Error::mismatch("a camera with intrinsics", "none", place.name()));
    };
    let still = camera.extrinsics.inverse().compose(&lidar.extrinsics)?.isometry;
    let to_camera = camera.extrinsics.isometry.inverse();
    let moved = |lag: f64| match drift {
        Some((motion, seconds)) => to_camera * motion.after(seconds - lag).inverse() * lidar.extrinsics.isometry,
        None => still,
    };
    let (mut lag, mut transform) = (0.0_f32, moved(0.0));
    let mut out = Projected { pixels: Vec::with_capacity(points.len() / 4), depths: Vec::with_capacity(points.len() / 4) };
    let (right, bottom) = (lens.width as f64 - 0.5, lens.height as f64 - 0.5);
    for point in points {
        if point.lag != lag && !cloud.is_at_stamp() {
            lag = point.lag;
            transform = moved(f64::from(lag));
        }
        let p = transform * Point3::from(point.position.map(f64::from));
        if !(p.z >= min_depth && p.z.is_finite()) {
            continue;
        }
        let Some(p) = distorted(&camera.distortion, &p) else { continue };
        let Some(pixel) = lens.project(&p) else { continue };
        if pixel.x >= -0.5 && pixel.x < right && pixel.y >= -0.5 && pixel.y < bottom {
            out.pixels.push([num::f32(pixel.x), num::f32(pixel.y)]);
            out.depths.push(num::f32(p.z));
        }
    }
    Ok(out)
}

/// The point that a pinhole would see where the lens shows `p`; `None` beyond the lens model's fold.
fn distorted(lens: &Distortion, p: &Point3<f64>) -> Option<Point3<f64>> {
    if *lens == Distortion::None {
        return Some(*p);
    }
    let (x, y) = (p.x / p.z, p.y / p.z);
    if !within_fold(lens, x * x + y * y) {
        return None;
    }
    let (x, y) = lens.distort(x, y);
    Some(Point3::new(x * p.z, y * p.z, p.z))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_turn_ends_at_the_side_of_its_circle() {
        let motion = Motion { speed: 10.0, yaw_rate: std::f64::consts::FRAC_PI_2 };
        let there = motion.after(1.0) * Point3::origin();
        let radius = 10.0 / std::f64::consts::FRAC_PI_2;
        assert!((there - Point3::new(radius, radius, 0.0)).norm() < 1e-9, "{there}");
        let straight = Motion { speed: 10.0, yaw_rate: 0.0 }.after(-0.05) * Point3::origin();
        assert!((straight - Point3::new(-0.5, 0.0, 0.0)).norm() < 1e-12);
    }
}
