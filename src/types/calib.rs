//! Calibration: how a sensor sees (intrinsics, distortion) and where it sits (extrinsics).

use super::{Error, FrameId, Pose, Result};
use nalgebra::{Point2, Point3};
use serde::{Deserialize, Serialize};

/// Pinhole camera, pixels; pixel centres lie at integer coordinates. Camera frame: x right, y down, z forward.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Intrinsics {
    /// Columns that `fx` and `cx` refer to.
    pub width: usize,
    /// Rows that `fy` and `cy` refer to.
    pub height: usize,
    /// Focal length in columns.
    pub fx: f64,
    /// Focal length in rows.
    pub fy: f64,
    /// Principal point, column.
    pub cx: f64,
    /// Principal point, row.
    pub cy: f64,
}

impl Intrinsics {
    /// Checked intrinsics.
    ///
    /// # Errors
    /// Where the size is zero or a focal length is not finite and positive.
    pub fn new(width: usize, height: usize, fx: f64, fy: f64, cx: f64, cy: f64) -> Result<Self> {
        let sound = width > 0 && height > 0 && fx.is_finite() && fy.is_finite() && fx > 0.0 && fy > 0.0 && cx.is_finite() && cy.is_finite();
        if !sound {
            let found = format!("{width}x{height}, fx {fx}, fy {fy}, cx {cx}, cy {cy}");
            return Err(Error::mismatch("a size above zero and positive focal lengths", found, "intrinsics"));
        }
        Ok(Self { width, height, fx, fy, cx, cy })
    }
    /// Pixel of a point in the camera frame; `None` behind the camera (z below 1 cm).
    pub fn project(&self, p: &Point3<f64>) -> Option<Point2<f64>> {
        (p.z > 0.01).then(|| Point2::new(self.fx * p.x / p.z + self.cx, self.fy * p.y / p.z + self.cy))
    }
    /// Point in the camera frame that is seen at column `u`, row `v` at depth `z` metres along the optical axis.
    pub fn unproject(&self, u: f64, v: f64, z: f64) -> Point3<f64> {
        Point3::new((u - self.cx) / self.fx * z, (v - self.cy) / self.fy * z, z)
    }
    /// The same camera after its picture was resized to `width` x `height` (pixel centres at integers, edges aligned).
    #[must_use]
    pub fn resized(&self, width: usize, height: usize) -> Self {
        let (sx, sy) = (width as f64 / self.width as f64, height as f64 / self.height as f64);
        let cx = (self.cx + 0.5) * sx - 0.5;
        let cy = (self.cy + 0.5) * sy - 0.5;
        Self { width, height, fx: self.fx * sx, fy: self.fy * sy, cx, cy }
    }
}

/// Lens distortion in normalised image coordinates (x/z, y/z).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distortion {
    /// A rectified or ideal camera.
    #[default]
    None,
    /// Brown-Conrady (OpenCV's five): radial k1, k2, k3 and tangential p1, p2.
    BrownConrady {
        /// Radial, r^2.
        k1: f64,
        /// Radial, r^4.
        k2: f64,
        /// Tangential.
        p1: f64,
        /// Tangential.
        p2: f64,
        /// Radial, r^6.
        k3: f64,
    },
}

impl Distortion {
    /// Where the ideal direction `(x, y)` lands through the lens, both normalised.
    pub fn distort(&self, x: f64, y: f64) -> (f64, f64) {
        match *self {
            Self::None => (x, y),
            Self::BrownConrady { k1, k2, p1, p2, k3 } => {
                let r2 = x * x + y * y;
                let radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3));
                let dx = 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x);
                let dy = p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y;
                (x * radial + dx, y * radial + dy)
            }
        }
    }
}

/// Everything known of one sensor's geometry. Shared by all its frames until it changes; then `version` grows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Present for cameras.
    pub intrinsics: Option<Intrinsics>,
    /// Lens distortion.
    #[serde(default)]
    pub distortion: Distortion,
    /// Vehicle from sensor.
    pub extrinsics: Pose,
    /// Grows when the geometry changes during a run.
    #[serde(default)]
    pub version: u32,
}

impl Calibration {
    /// A sensor at the vehicle's origin with unknown lens: what a bare folder of pictures has.
    pub fn unknown(sensor: &str) -> Self {
        Self {
            intrinsics: None,
            distortion: Distortion::None,
            extrinsics: Pose::identity(FrameId::vehicle(), FrameId::new(sensor)),
            version: 0,
        }
    }
    /// A forward-looking camera at the vehicle's origin: camera z is vehicle x, camera x is vehicle -y, camera y is vehicle -z.
    pub fn forward_camera(sensor: &str, intrinsics: Intrinsics) -> Self {
        let m = nalgebra::Matrix3::new(0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0, -1.0, 0.0);
        let rotation = nalgebra::UnitQuaternion::from_rotation_matrix(&nalgebra::Rotation3::from_matrix_unchecked(m));
        let isometry = nalgebra::Isometry3::from_parts(nalgebra::Translation3::identity(), rotation);
        let extrinsics = Pose::new(FrameId::vehicle(), FrameId::new(sensor), isometry);
        Self { intrinsics: Some(intrinsics), distortion: Distortion::None, extrinsics, version: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unproject_undoes_project() {
        let k = Intrinsics::new(640, 480, 500.0, 510.0, 319.5, 239.5).unwrap();
        let p = k.unproject(100.0, 50.0, 7.0);
        let q = k.project(&p).unwrap();
        assert!((q.x - 100.0).abs() < 1e-9 && (q.y - 50.0).abs() < 1e-9);
        assert!(k.project(&Point3::new(0.0, 0.0, -1.0)).is_none());
    }
    #[test]
    fn resizing_keeps_the_corners_in_place() {
        let k = Intrinsics::new(640, 480, 500.0, 510.0, 319.5, 239.5).unwrap().resized(320, 240);
        assert!((k.cx - 159.5).abs() < 1e-9 && (k.cy - 119.5).abs() < 1e-9);
    }
}
