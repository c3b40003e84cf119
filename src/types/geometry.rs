//! Rigid motions between named frames, and boxes.
//!
//! One vehicle frame everywhere: x forward, y left, z up, metres, right-handed, origin as the data set defines it.
//! Sources convert on arrival, sinks on departure. Exceptions that stay in a payload's own sensor frame:
//! camera frames (x right, y down, z forward) behind [`super::Intrinsics`], nuScenes' LiDAR (x right, y forward, z up).

use super::id::intern;
use super::{Error, Result};
use nalgebra::{Isometry3, Matrix3, Matrix4, Point3, Quaternion, Rotation3, Translation3, UnitQuaternion, Vector3};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// How far `R^T R` may be from the identity, and the determinant from one, before a matrix is no rotation.
/// Published calibrations carry six to eight digits.
const ROTATION_TOLERANCE: f64 = 1e-3;

/// A coordinate frame by name: `vehicle`, `world`, or a sensor's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(&'static str);

impl FrameId {
    /// The frame of this name.
    pub fn new(name: &str) -> Self {
        Self(intern(name))
    }
    /// The vehicle frame: x forward, y left, z up.
    pub fn vehicle() -> Self {
        Self("vehicle")
    }
    /// The world (map, odometry) frame: x east or initial forward, z up.
    pub fn world() -> Self {
        Self("world")
    }
    /// Its name.
    pub const fn name(self) -> &'static str {
        self.0
    }
}
impl fmt::Debug for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}
impl Serialize for FrameId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.0)
    }
}
impl<'de> Deserialize<'de> for FrameId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d).map(|s| Self::new(&s))
    }
}

/// A rigid motion that takes coordinates in frame `from` to coordinates in frame `to`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pose {
    /// Frame of the result.
    pub to: FrameId,
    /// Frame of the argument.
    pub from: FrameId,
    /// `x_to = isometry * x_from`, metres.
    pub isometry: Isometry3<f64>,
}

impl Pose {
    /// From a motion that is known to be rigid.
    pub const fn new(to: FrameId, from: FrameId, isometry: Isometry3<f64>) -> Self {
        Self { to, from, isometry }
    }
    /// The motion that changes nothing.
    pub fn identity(to: FrameId, from: FrameId) -> Self {
        Self::new(to, from, Isometry3::identity())
    }
    /// From translation (metres) and quaternion `[w, x, y, z]` (nuScenes' order).
    ///
    /// # Errors
    /// Where a number is not finite or the quaternion's length is not one within 1e-3.
    pub fn from_quaternion(to: FrameId, from: FrameId, t: [f64; 3], wxyz: [f64; 4]) -> Result<Self> {
        let [w, x, y, z] = wxyz;
        let q = Quaternion::new(w, x, y, z);
        let place = format!("pose of `{from}` in `{to}`");
        if !t.iter().chain(&wxyz).all(|v| v.is_finite()) {
            return Err(Error::mismatch("finite numbers", format!("{t:?} {wxyz:?}"), place));
        }
        if (q.norm() - 1.0).abs() > ROTATION_TOLERANCE {
            return Err(Error::mismatch("a unit quaternion", format!("length {:.6}", q.norm()), place));
        }
        let isometry = Isometry3::from_parts(Translation3::from(t), UnitQuaternion::from_quaternion(q));
        Ok(Self::new(to, from, isometry))
    }
    /// From a 4x4 matrix for column vectors.
    ///
    /// # Errors
    /// Where its upper left 3x3 is no rotation (orthonormal within 1e-3, determinant +1) or a number is not finite.
    pub fn from_matrix(to: FrameId, from: FrameId, m: &Matrix4<f64>) -> Result<Self> {
        let place = || format!("pose of `{from}` in `{to}`");
        let r: Matrix3<f64> = m.fixed_view::<3, 3>(0, 0).into();
        let t: Vector3<f64> = m.fixed_view::<3, 1>(0, 3).into();
        if !m.iter().all(|v| v.is_finite()) {
            return Err(Error::mismatch("finite numbers", format!("{m:?}"), place()));
        }
        let off = (r.transpose() * r - Matrix3::identity()).abs().max();
        let det = r.determinant();
        if off > ROTATION_TOLERANCE || (det - 1.0).abs() > ROTATION_TOLERANCE {
            let found = format!("a matrix with determinant {det:.4}, off orthonormal by {off:.1e}");
            return Err(Error::mismatch("a rotation", found, place()));
        }
        let q = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_eps(&r, 1e-12, 100, Rotation3::identity()));
        Ok(Self::new(to, from, Isometry3::from_parts(Translation3::from(t), q)))
    }
    /// The motion back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self::new(self.from, self.to, self.isometry.inverse())
    }
    /// `self` after `inner`: `to <- from` with `from <- inner.from`.
    ///
    /// # Errors
    /// Where `inner` does not end in the frame that `self` starts from.
    pub fn compose(&self, inner: &Self) -> Result<Self> {
        if self.from != inner.to {
            return Err(Error::Frames { wanted: self.from.to_string(), found: inner.to.to_string() });
        }
        Ok(Self::new(self.to, inner.from, self.isometry * inner.isometry))
    }
    /// A point of `from` in `to`.
    pub fn apply(&self, point: &Point3<f64>) -> Point3<f64> {
        self.isometry * point
    }
}

/// An oriented box with heading about z only, in the frame its owner names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Box3 {
    /// Geometric centre, metres.
    pub centre: [f64; 3],
    /// Length (along heading), width, height, metres.
    pub size: [f64; 3],
    /// Heading, radians, counter-clockwise from +x.
    pub yaw: f64,
    /// Velocity in the plane, m/s, where known.
    pub velocity: Option<[f64; 2]>,
    /// Class name.
    pub class: String,
    /// Confidence in 0..=1; 1 for truth.
    pub score: f32,
    /// Identity over time, where tracked.
    pub track: Option<u64>,
}

impl Box3 {
    /// The eight corners: bottom four counter-clockwise from front left, then the top four.
    pub fn corners(&self) -> [Point3<f64>; 8] {
        let [l, w, h] = self.size.map(|s| s / 2.0);
        let (sin, cos) = self.yaw.sin_cos();
        let [cx, cy, cz] = self.centre;
        let at = |x: f64, y: f64, z: f64| Point3::new(cx + cos * x - sin * y, cy + sin * x + cos * y, cz + z);
        [at(l, w, -h), at(-l, w, -h), at(-l, -w, -h), at(l, -w, -h), at(l, w, h), at(-l, w, h), at(-l, -w, h), at(l, -w, h)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composing_poses_that_do_not_meet_is_an_error() {
        let cam = Pose::identity(FrameId::vehicle(), FrameId::new("cam"));
        let world = Pose::identity(FrameId::world(), FrameId::vehicle());
        assert_eq!(world.compose(&cam).unwrap().from, FrameId::new("cam"));
        assert!(cam.compose(&world).is_err());
    }

    #[test]
    fn a_mirror_and_a_scaling_are_no_rotations() {
        let (to, from) = (FrameId::vehicle(), FrameId::new("cam"));
        let mut mirror = Matrix4::identity();
        mirror[(0, 0)] = -1.0;
        assert!(Pose::from_matrix(to, from, &mirror).is_err());
        assert!(Pose::from_matrix(to, from, &(Matrix4::identity() * 1.01)).is_err());
        assert!(Pose::from_quaternion(to, from, [0.0; 3], [0.0; 4]).is_err());
        assert!(Pose::from_quaternion(to, from, [f64::NAN, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]).is_err());
    }
}
