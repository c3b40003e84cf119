//! Numbers of the records to motions, cameras and clouds.
//!
//! *In*: translations (metres), quaternions w, x, y, z of any length, 3x3 matrices, bytes of a `.pcd.bin`. *Out*: [`Pose`]s,
//! [`Intrinsics`], [`PointCloud`]s. *Invariant*: what comes out is rigid and finite.

use super::{SampleData, Tables};
use crate::formats::points;
use crate::types::num;
use crate::types::{Error, FrameId, Intrinsics, LidarPoint, PointCloud, Pool, Pose, Result};
use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion, Vector3};

/// A rotation from a quaternion that need not be of unit length; `None` where it has none or is not finite.
pub fn rotation([w, x, y, z]: [f64; 4]) -> Option<UnitQuaternion<f64>> {
    let quaternion = Quaternion::new(w, x, y, z);
    let length = quaternion.norm();
    (length.is_finite() && length > 1e-9).then(|| UnitQuaternion::from_quaternion(quaternion))
}

/// The angle of the turned x axis about z, radians, counter-clockwise from +x: not a decomposition into Euler angles.
pub fn yaw(rotation: &UnitQuaternion<f64>) -> f64 {
    let ahead = rotation * Vector3::x();
    ahead.y.atan2(ahead.x)
}

/// A motion from a record's translation and quaternion, which need not be of unit length.
///
/// # Errors
/// Where a number is not finite or the quaternion is zero.
pub fn motion(to: FrameId, from: FrameId, translation: [f64; 3], wxyz: [f64; 4]) -> Result<Pose> {
    let length = wxyz.iter().map(|v| v * v).sum::<f64>().sqrt();
    if !(length.is_finite() && length > 1e-6) {
        let place = format!("pose of `{from}` in `{to}`");
        return Err(Error::mismatch("a quaternion that can be normalised", format!("{wxyz:?}"), place));
    }
    Pose::from_quaternion(to, from, translation, wxyz.map(|v| v / length))
}

/// Intrinsics of a camera from its 3x3 matrix.
///
/// # Errors
/// Where the matrix is no pinhole camera's (no skew, last row 0 0 1) or the size is zero.
pub fn intrinsics(matrix: Option<&[[f64; 3]; 3]>, width: usize, height: usize) -> Result<Intrinsics> {
    match matrix {
        Some(&[[fx, skew, cx], [zero, fy, cy], [a, b, one]]) if skew.abs() < 1e-6 && zero == 0.0 && a == 0.0 && b == 0.0 && one == 1.0 => {
            Intrinsics::new(width, height, fx, fy, cx, cy)
        }
        _ => Err(Error::mismatch("a 3x3 pinhole matrix", format!("{matrix:?}"), "camera_intrinsic")),
    }
}

/// One sweep of a `.pcd.bin`: rows of x, y, z, intensity 0..=255, ring. Intensity becomes 0..=1.
///
/// # Errors
/// Where the length is no whole number of 20-byte rows, the file is empty, or a value is NaN or infinite.
pub fn cloud(bytes: &[u8], pool: &Pool<LidarPoint>) -> Result<PointCloud> {
    points::rows(bytes, pool, |[x, y, z, intensity, ring]| LidarPoint {
        position: [x, y, z],
        intensity: intensity / 255.0,
        ring: num::level16(ring),
        lag: 0.0,
    })
}

/// World from sensor for one file.
///
/// # Errors
/// Where a pose or mounting is not there or cannot be normalised.
pub fn global_from_sensor(tables: &Tables, data: &SampleData) -> Result<Isometry3<f64>> {
    let place = || format!("sample_data {}", data.token);
    let absent = |what: &str| Error::mismatch(what, "none", place());
    let ego = tables.ego_poses.get(&data.ego_pose_token).ok_or_else(|| absent("an ego_pose"))?;
    let mounted = tables.calibrated.get(&data.calibrated_sensor_token).ok_or_else(|| absent("a calibrated_sensor"))?;
    let motion = |translation: [f64; 3], wxyz: [f64; 4]| {
        let turned = rotation(wxyz).ok_or_else(|| Error::mismatch("a quaternion", format!("{wxyz:?}"), place()))?;
        Ok::<_, Error>(Isometry3::from_parts(Translation3::from(translation), turned))
    };
    Ok(motion(ego.translation, ego.rotation)? * motion(mounted.translation, mounted.rotation)?)
}
