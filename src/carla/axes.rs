//! The border between CARLA's axes and ours: left-handed (x forward, y right, z up, degrees) and right-handed (y left, radians).
//!
//! *In / Out*: wire structs to `nalgebra` and back. Positions and velocities negate y; yaw and pitch negate; an angular
//! velocity is an axial vector and negates x and z. *Invariant*: there and back again is the same pose; nothing else in the
//! house knows which hand CARLA uses.

use super::structs::{Rotation, Transform, Vector3D};
use crate::types::num::f32;
use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};

/// A place, velocity or force in our axes.
pub fn vector(v: &Vector3D) -> Vector3<f64> {
    Vector3::new(f64::from(v.x), -f64::from(v.y), f64::from(v.z))
}
/// The same in CARLA's.
pub fn to_vector(v: &Vector3<f64>) -> Vector3D {
    Vector3D::new(f32(v.x), f32(-v.y), f32(v.z))
}
/// An angular velocity (any unit) in our axes.
pub fn axial(v: &Vector3D) -> Vector3<f64> {
    Vector3::new(-f64::from(v.x), f64::from(v.y), -f64::from(v.z))
}
/// The same in CARLA's.
pub fn to_axial(v: &Vector3<f64>) -> Vector3D {
    Vector3D::new(f32(-v.x), f32(v.y), f32(-v.z))
}
/// A rotation in our axes.
pub fn rotation(r: &Rotation) -> UnitQuaternion<f64> {
    let [pitch, yaw, roll] = [r.pitch, r.yaw, r.roll].map(|a| f64::from(a).to_radians());
    UnitQuaternion::from_euler_angles(roll, -pitch, -yaw)
}
/// A pose in our axes: world (or parent) from body.
pub fn isometry(t: &Transform) -> Isometry3<f64> {
    Isometry3::from_parts(Translation3::from(vector(&t.location)), rotation(&t.rotation))
}
/// The same in CARLA's.
pub fn to_transform(pose: &Isometry3<f64>) -> Transform {
    let m = pose.rotation.to_rotation_matrix();
    let degrees = |y: f64, x: f64| f32(y.atan2(x).to_degrees());
    let pitch = degrees(m[(2, 0)], m[(0, 0)].hypot(m[(1, 0)]));
    let rotation = Rotation { pitch, yaw: degrees(-m[(1, 0)], m[(0, 0)]), roll: degrees(m[(2, 1)], m[(2, 2)]) };
    Transform { location: to_vector(&pose.translation.vector), rotation }
}
/// Whether every number is finite.
pub fn finite(t: &Transform) -> bool {
    let r = &t.rotation;
    t.location.array().into_iter().chain([r.pitch, r.yaw, r.roll]).all(f32::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::Point3;

    #[test]
    fn poses_go_round_and_point_where_carla_says() {
        for (pitch, yaw, roll) in [(0.0, 0.0, 0.0), (10.0, 90.0, 0.0), (-30.0, 135.0, 20.0), (5.0, -170.0, -60.0)] {
            let there = Transform { location: Vector3D::new(1.0, 2.0, 3.0), rotation: Rotation { pitch, yaw, roll } };
            let back = to_transform(&isometry(&there));
            assert!((back.rotation.pitch - pitch).abs() < 1e-4 && (back.rotation.yaw - yaw).abs() < 1e-4);
            assert!((back.rotation.roll - roll).abs() < 1e-4 && back.location == there.location);
        }
        // Facing +y (right) in CARLA, a metre ahead is y + 1, and its right hand is at x - 1.
        let east = Transform { rotation: Rotation { yaw: 90.0, ..Rotation::default() }, ..Transform::default() };
        let ahead = to_vector(&(isometry(&east) * Point3::new(1.0, 0.0, 0.0)).coords);
        let right = to_vector(&(isometry(&east) * Point3::new(0.0, -1.0, 0.0)).coords);
        assert!((ahead.y - 1.0).abs() < 1e-6 && (right.x + 1.0).abs() < 1e-6);
        // Pitch lifts the nose; roll lowers the right side.
        let up = Transform { rotation: Rotation { pitch: 30.0, ..Rotation::default() }, ..Transform::default() };
        assert!((isometry(&up) * Point3::new(1.0, 0.0, 0.0)).z > 0.49);
        let rolled = Transform { rotation: Rotation { roll: 30.0, ..Rotation::default() }, ..Transform::default() };
        assert!((isometry(&rolled) * Point3::new(0.0, -1.0, 0.0)).z < -0.49);
    }
}
