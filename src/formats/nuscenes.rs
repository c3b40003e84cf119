//! nuScenes v1.0: the records of its tables, read one at a time, and its LiDAR files.
//!
//! *In*: JSON of a table (a list of records) or the bytes of a `.pcd.bin`. *Out*: records with the fields that are used,
//! [`PointCloud`]s in the LiDAR's frame (x right, y forward, z up; metres), [`Pose`]s.
//! *Invariant*: a table is never held whole; each record is handed on and forgotten. Times are microseconds, quaternions w, x, y, z.

use super::points;
use crate::types::num;
use crate::types::{Error, FrameId, Intrinsics, LidarPoint, PointCloud, Pool, Pose, Result};
use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, SeqAccess, Visitor};
use std::fmt;
use std::io::Read;
use std::marker::PhantomData;

/// A record of any table: what identifies it.
pub trait Record: DeserializeOwned {
    /// The table's file name without `.json`.
    const TABLE: &'static str;
    /// Its key.
    fn token(&self) -> &str;
}

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident in $table:literal { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        pub struct $name {
            /// Key.
            pub token: String,
            $($(#[$field_doc])* pub $field: $kind,)*
        }
        impl Record for $name {
            const TABLE: &'static str = $table;
            fn token(&self) -> &str {
                &self.token
            }
        }
    )*};
}
records! {
    /// A drive of one car.
    Log in "log" {
        /// Name of the drive.
        logfile: String,
        /// Name of the map.
        location: String,
    }
    /// Twenty seconds of a drive.
    Scene in "scene" {
        /// `scene-0103` and the like.
        name: String,
        /// Its [`Log`].
        log_token: String,
        /// Its first [`Sample`].
        first_sample_token: String,
        /// Its last [`Sample`].
        last_sample_token: String,
    }
    /// A key moment, twice a second, at the LiDAR's time.
    Sample in "sample" {
        /// Microseconds.
        timestamp: i64,
        /// Its [`Scene`].
        scene_token: String,
        /// The sample before, or "".
        prev: String,
        /// The sample after, or "".
        next: String,
    }
    /// One file of one sensor.
    SampleData in "sample_data" {
        /// The [`Sample`] it belongs to.
        sample_token: String,
        /// Where the vehicle was: its [`EgoPose`].
        ego_pose_token: String,
        /// Its [`CalibratedSensor`].
        calibrated_sensor_token: String,
        /// Path below the root.
        filename: String,
        /// Columns; 0 for what is no picture.
        #[serde(default)]
        width: Option<usize>,
        /// Rows; 0 for what is no picture.
        #[serde(default)]
        height: Option<usize>,
        /// Microseconds.
        timestamp: i64,
        /// Whether it stands for its sample.
        is_key_frame: bool,
    }
    /// A sensor as it was mounted during one log.
    CalibratedSensor in "calibrated_sensor" {
        /// Its [`Sensor`].
        sensor_token: String,
        /// Vehicle from sensor, metres.
        translation: [f64; 3],
        /// Vehicle from sensor, w, x, y, z.
        rotation: [f64; 4],
        /// 3x3, or empty for what is no camera.
        camera_intrinsic: Vec<Vec<f64>>,
    }
    /// A kind of sensor at its place on the car.
    Sensor in "sensor" {
        /// `CAM_FRONT` and the like.
        channel: String,
        /// `camera`, `lidar` or `radar`.
        modality: String,
    }
    /// World from vehicle at one time.
    EgoPose in "ego_pose" {
        /// Metres on the map.
        translation: [f64; 3],
        /// w, x, y, z.
        rotation: [f64; 4],
    }
}

struct Each<'f, R, F>(&'f mut F, PhantomData<R>);

impl<'de, R: Record, F: FnMut(R) -> Result<()>> Visitor<'de> for Each<'_, R, F> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {} records", R::TABLE)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(record) = list.next_element()? {
            (self.0)(record).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}
impl<'de, R: Record, F: FnMut(R) -> Result<()>> DeserializeSeed<'de> for Each<'_, R, F> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_seq(self)
    }
}

/// Hands every record of a table to `each`, in the file's order.
///
/// # Errors
/// Where the JSON is broken, a field is missing or of another type, text follows the list, or `each` refuses a record.
pub fn table<R: Record, F: FnMut(R) -> Result<()>>(json: impl Read, mut each: F) -> Result<()> {
    let fault = |e: serde_json::Error| Error::mismatch("a list of records", e.to_string(), format!("table {}", R::TABLE));
    let mut reader = serde_json::Deserializer::from_reader(json);
    Each(&mut each, PhantomData).deserialize(&mut reader).map_err(fault)?;
    reader.end().map_err(fault)
}

/// A motion from a record's translation and quaternion, which need not be of unit length.
///
/// # Errors
/// Where a number is not finite or the quaternion is zero.
pub fn motion(to: FrameId, from: FrameId, translation: [f64; 3], rotation: [f64; 4]) -> Result<Pose> {
    let length = rotation.iter().map(|v| v * v).sum::<f64>().sqrt();
    if !(length.is_finite() && length > 1e-6) {
        let place = format!("pose of `{from}` in `{to}`");
        return Err(Error::mismatch("a quaternion that can be normalised", format!("{rotation:?}"), place));
    }
    Pose::from_quaternion(to, from, translation, rotation.map(|v| v / length))
}

/// Intrinsics of a camera from its 3x3 matrix.
///
/// # Errors
/// Where the matrix is no pinhole camera's (3x3, no skew, last row 0 0 1) or the size is zero.
pub fn intrinsics(matrix: &[Vec<f64>], width: usize, height: usize) -> Result<Intrinsics> {
    let mut rows = matrix.iter().map(Vec::as_slice);
    match (rows.next(), rows.next(), rows.next(), rows.next()) {
        (Some(&[fx, skew, cx]), Some(&[zero, fy, cy]), Some(&[a, b, one]), None)
            if skew.abs() < 1e-6 && zero == 0.0 && a == 0.0 && b == 0.0 && one == 1.0 =>
        {
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
