//! KITTI: Velodyne sweeps, calibrations, times and labels of the raw and the object layout. OXTS lines are in [`super::oxts`].
//!
//! *In*: bytes and text of KITTI's files. *Out*: clouds in the Velodyne's frame (x forward, y left, z up), a [`Rig`] that gives
//! every sensor's calibration, [`Label`]s. *Invariant*: a matrix that is no rotation is an error, never repaired.
//!
//! The vehicle frame is the inertial unit's (x forward, y left, z up) where its calibration is known, else the Velodyne's.
//! Cameras are pinholes after rectification: camera `i` sees `P_i * R_rect * Tr_velo_to_cam * x`, and the fourth column of
//! `P_i = K [1 | t]` is folded into its extrinsics (`t = K^-1 P_i[:, 3]`). Geiger et al., IJRR 2013, section 4.

use super::points;
use crate::types::num;
use crate::types::{Box3, Calibration, Distortion, Error, FrameId, Intrinsics, LidarPoint, PointCloud, Pool, Pose, Result, SensorTime};
use nalgebra::{Isometry3, Matrix3x4, Matrix4, Point3, Translation3, UnitQuaternion, Vector3};
use std::collections::BTreeMap;

/// One sweep of a Velodyne `.bin`: rows of x, y, z in metres and reflectance 0..=1.
///
/// # Errors
/// Where the length is no whole number of 16-byte rows, the file is empty, or a value is NaN or infinite.
pub fn cloud(bytes: &[u8], pool: &Pool<LidarPoint>) -> Result<PointCloud> {
    points::rows(bytes, pool, |[x, y, z, intensity]| LidarPoint { position: [x, y, z], intensity, ..LidarPoint::default() })
}

/// `KEY: number number ...` lines; entries that are no numbers (dates) are left out.
struct Entries<'t> {
    file: &'static str,
    lines: BTreeMap<&'t str, Vec<f64>>,
}

impl<'t> Entries<'t> {
    fn new(file: &'static str, text: &'t str) -> Self {
        let numbers = |rest: &str| rest.split_whitespace().map(|w| w.parse().ok()).collect::<Option<Vec<f64>>>();
        let lines = text.lines().filter_map(|l| l.split_once(':')).filter_map(|(key, rest)| Some((key.trim(), numbers(rest)?))).collect();
        Self { file, lines }
    }
    fn has(&self, key: &str) -> bool {
        self.lines.contains_key(key)
    }
    fn get<const N: usize>(&self, key: &str) -> Result<[f64; N]> {
        let found = self.lines.get(key);
        let sound = found.and_then(|v| v.as_slice().try_into().ok()).filter(|v: &[f64; N]| v.iter().all(|n| n.is_finite()));
        sound.ok_or_else(|| {
            let found = found.map_or_else(|| "no such line of numbers".to_owned(), |v| format!("{} numbers: {v:?}", v.len()));
            Error::mismatch(format!("{N} finite numbers after `{key}:`"), found, self.file)
        })
    }
    /// Rotation `r` (9 numbers) and translation (3 numbers) as a rigid motion.
    fn rigid(&self, r: [f64; 9], t: [f64; 3], key: &str) -> Result<Isometry3<f64>> {
        let [r0, r1, r2, r3, r4, r5, r6, r7, r8] = r;
        let [x, y, z] = t;
        let m = Matrix4::new(r0, r1, r2, x, r3, r4, r5, y, r6, r7, r8, z, 0.0, 0.0, 0.0, 1.0);
        let name = FrameId::new("calibration");
        Pose::from_matrix(name, name, &m).map(|p| p.isometry).map_err(|e| e.at(format!("{}, `{key}`", self.file)))
    }
    /// A 3x4 rigid motion.
    fn motion(&self, key: &str) -> Result<Isometry3<f64>> {
        let [a, b, c, x, d, e, f, y, g, h, i, z] = self.get::<12>(key)?;
        self.rigid([a, b, c, d, e, f, g, h, i], [x, y, z], key)
    }
    /// Lines `R` and `T` of a raw calibration file.
    fn rotation_translation(&self) -> Result<Isometry3<f64>> {
        self.rigid(self.get("R")?, self.get("T")?, "R, T")
    }
}

/// All sensors' places: one car on one day (raw) or one frame (object).
#[derive(Debug, Clone, PartialEq)]
pub struct Rig {
    /// 3x4 projections of the rectified cameras by number, with the pictures' size where the file tells.
    projections: BTreeMap<u8, (Matrix3x4<f64>, Option<[usize; 2]>)>,
    /// Rectified camera 0 from Velodyne.
    rect_from_velo: Isometry3<f64>,
    /// Vehicle from Velodyne.
    vehicle_from_velo: Isometry3<f64>,
}

impl Rig {
    /// From a `calib/NNNNNN.txt` of the object layout.
    ///
    /// # Errors
    /// Where a line is missing or short, or a rotation is none.
    pub fn object(text: &str) -> Result<Self> {
        let entries = Entries::new("calib", text);
        let rect = entries.rigid(entries.get("R0_rect")?, [0.0; 3], "R0_rect")?;
        let velo = entries.motion("Tr_velo_to_cam")?;
        let imu = if entries.has("Tr_imu_to_velo") { entries.motion("Tr_imu_to_velo")?.inverse() } else { Isometry3::identity() };
        let mut projections = BTreeMap::new();
        for (number, key) in (0..).zip(["P0", "P1", "P2", "P3"]) {
            if entries.has(key) {
                projections.insert(number, (Matrix3x4::from_row_slice(&entries.get::<12>(key)?), None));
            }
        }
        Ok(Self { projections, rect_from_velo: rect * velo, vehicle_from_velo: imu })
    }
    /// From the raw layout's `calib_cam_to_cam.txt`, `calib_velo_to_cam.txt` and, where there is one, `calib_imu_to_velo.txt`.
    ///
    /// # Errors
    /// Where a line is missing or short, or a rotation is none.
    pub fn raw(cam_to_cam: &str, velo_to_cam: &str, imu_to_velo: Option<&str>) -> Result<Self> {
        let cameras = Entries::new("calib_cam_to_cam", cam_to_cam);
        let rect = cameras.rigid(cameras.get("R_rect_00")?, [0.0; 3], "R_rect_00")?;
        let velo = Entries::new("calib_velo_to_cam", velo_to_cam).rotation_translation()?;
        let imu = imu_to_velo.map(|t| Entries::new("calib_imu_to_velo", t).rotation_translation()).transpose()?;
        let mut projections = BTreeMap::new();
        for number in 0..4 {
            let key = format!("P_rect_{number:02}");
            if cameras.has(&key) {
                let size = cameras.get::<2>(&format!("S_rect_{number:02}"))?.map(|s| num::cell(s, 1 << 20).unwrap_or(0));
                projections.insert(number, (Matrix3x4::from_row_slice(&cameras.get::<12>(&key)?), Some(size)));
            }
        }
        let vehicle_from_velo = imu.map_or_else(Isometry3::identity, |i| i.inverse());
        Ok(Self { projections, rect_from_velo: rect * velo, vehicle_from_velo })
    }
    /// The calibration of camera `number` under the name `sensor`; `size` is the pictures' columns and rows where the
    /// calibration does not tell.
    ///
    /// # Errors
    /// Where there is no such camera, its matrix is no pinhole's, or its size is unknown.
    pub fn camera(&self, number: u8, sensor: &str, size: Option<[usize; 2]>) -> Result<Calibration> {
        let missing = || Error::mismatch(format!("a projection of camera {number}"), format!("{:?}", self.projections.keys()), sensor);
        let (p, own) = self.projections.get(&number).ok_or_else(missing)?;
        let row = |r: usize| [p[(r, 0)], p[(r, 1)], p[(r, 2)], p[(r, 3)]];
        let ([fx, skew, cx, x], [zero, fy, cy, y], [a, b, one, z]) = (row(0), row(1), row(2));
        if [skew, zero, a, b, one - 1.0].iter().any(|v| v.abs() > 1e-9) {
            return Err(Error::mismatch("a pinhole projection without skew", format!("{:?}", p.as_slice()), sensor));
        }
        let [width, height] = own.or(size).ok_or_else(|| Error::mismatch("a picture size", "none", sensor))?;
        let intrinsics = Intrinsics::new(width, height, fx, fy, cx, cy).map_err(|e| e.at(sensor))?;
        let camera_from_rect = Translation3::new((x - cx * z) / fx, (y - cy * z) / fy, z);
        let isometry = self.vehicle_from_velo * (camera_from_rect * self.rect_from_velo).inverse();
        let extrinsics = Pose::new(FrameId::vehicle(), FrameId::new(sensor), isometry);
        Ok(Calibration { intrinsics: Some(intrinsics), distortion: Distortion::None, extrinsics, version: 0 })
    }
    /// The Velodyne's calibration under the name `sensor`.
    pub fn lidar(&self, sensor: &str) -> Calibration {
        let extrinsics = Pose::new(FrameId::vehicle(), FrameId::new(sensor), self.vehicle_from_velo);
        Calibration { intrinsics: None, distortion: Distortion::None, extrinsics, version: 0 }
    }
    /// Vehicle from the rectified camera 0, the frame of [`Label`]s.
    pub fn vehicle_from_rect(&self) -> Pose {
        let isometry = self.vehicle_from_velo * self.rect_from_velo.inverse();
        Pose::new(FrameId::vehicle(), FrameId::new("rectified"), isometry)
    }
}

/// A time such as `2011-09-26 13:02:25.964389445`, taken as UTC: nanoseconds since 1970.
///
/// # Errors
/// Where the text is no such time.
pub fn timestamp(line: &str) -> Result<SensorTime> {
    parse_timestamp(line.trim())
        .ok_or_else(|| Error::mismatch("a time like 2011-09-26 13:02:25.964389445", format!("`{line}`"), "timestamps"))
}

fn parse_timestamp(text: &str) -> Option<SensorTime> {
    let numbers = |text: &str, mark: char| -> Option<[i64; 3]> {
        let parts: Vec<i64> = text.split(mark).map(|p| p.parse().ok().filter(|n| *n >= 0)).collect::<Option<_>>()?;
        parts.try_into().ok()
    };
    let (date, clock) = text.split_once(' ')?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(clock, ':')?;
    let sound = (1970..2200).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let sound = sound && hour < 24 && minute < 60 && second <= 60 && fraction.bytes().all(|b| b.is_ascii_digit()) && !fraction.is_empty();
    let nanos: i64 = format!("{fraction:0<9}").get(..9)?.parse().ok().filter(|_| sound)?;
    // Days since 1970 in the Gregorian calendar, years counted from March so that the leap day comes last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 719_469;
    Some(SensorTime::from_nanos((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000_000 + nanos))
}

/// One line of a `label_2` file, in the frame of the rectified camera 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// `Car`, `Pedestrian`, `DontCare`, ...
    pub class: String,
    /// 0 (whole) to 1 (out of the picture).
    pub truncated: f64,
    /// 0 visible, 1 partly, 2 largely hidden, 3 unknown.
    pub occluded: f64,
    /// Left, top, right, bottom in camera 2's picture, pixels.
    pub rectangle: [f64; 4],
    /// Height, width, length, metres.
    pub size: [f64; 3],
    /// Centre of the bottom face, metres.
    pub location: [f64; 3],
    /// About the camera's y axis, radians.
    pub rotation_y: f64,
    /// Confidence; 1 where the file does not tell.
    pub score: f64,
}

impl Label {
    /// The box in the vehicle frame; `None` for regions without one (`DontCare`).
    pub fn box3(&self, vehicle_from_rect: &Pose) -> Option<Box3> {
        let ([h, w, l], [x, y, z]) = (self.size, self.location);
        if self.class == "DontCare" || h <= 0.0 || w <= 0.0 || l <= 0.0 {
            return None;
        }
        let centre = vehicle_from_rect.apply(&Point3::new(x, y - h / 2.0, z));
        let turn = UnitQuaternion::from_axis_angle(&Vector3::y_axis(), self.rotation_y);
        let heading = vehicle_from_rect.isometry.rotation * turn * Vector3::x();
        let yaw = heading.y.atan2(heading.x);
        let score = num::f32(self.score);
        Some(Box3 { centre: centre.coords.into(), size: [l, w, h], yaw, velocity: None, class: self.class.clone(), score, track: None })
    }
}

/// The labels of one frame.
///
/// # Errors
/// Where a line has not a name and 14 or 15 finite numbers.
pub fn labels(text: &str) -> Result<Vec<Label>> {
    text.lines().filter(|l| !l.trim().is_empty()).map(label).collect()
}

fn label(line: &str) -> Result<Label> {
    let fault = || Error::mismatch("a class name and 14 or 15 finite numbers", format!("`{line}`"), "label_2");
    let (class, rest) = line.trim().split_once(' ').ok_or_else(fault)?;
    let numbers: Option<Vec<f64>> = rest.split_whitespace().map(|w| w.parse().ok().filter(|v: &f64| v.is_finite())).collect();
    match numbers.as_deref() {
        Some(&[truncated, occluded, _alpha, left, top, right, bottom, h, w, l, x, y, z, rotation_y, ref score @ ..]) if score.len() < 2 => {
            Ok(Label {
                class: class.to_owned(),
                truncated,
                occluded,
                rectangle: [left, top, right, bottom],
                size: [h, w, l],
                location: [x, y, z],
                rotation_y,
                score: score.first().copied().unwrap_or(1.0),
            })
        }
        _ => Err(fault()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_count_from_1970() {
        assert_eq!(timestamp("1970-01-01 00:00:00.000000001").unwrap().nanos(), 1);
        assert_eq!(timestamp("2011-09-26 13:02:25.964389445").unwrap().nanos(), 1_317_042_145_964_389_445);
        assert_eq!(timestamp("2012-02-29 00:00:00").unwrap().nanos(), 1_330_473_600_000_000_000);
        assert!(timestamp("2011-13-26 13:02:25.9").is_err() && timestamp("").is_err() && timestamp("2011-09-26 13:02").is_err());
    }
    #[test]
    fn a_calibration_that_mirrors_is_refused() {
        let text = "R0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: 0 1 0 0 0 0 -1 0 1 0 0 0\n";
        assert!(Rig::object(text).unwrap_err().to_string().contains("Tr_velo_to_cam"));
        assert!(Rig::object(&text.replace("0 1 0 0 0 0 -1", "0 -1 0 0 0 0 -1")).is_ok());
    }
    #[test]
    fn the_fourth_column_of_a_projection_is_the_baseline() {
        let text = "P3: 700 0 600 -350 0 700 180 0 0 0 1 0\nR0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0\n";
        let camera = Rig::object(text).unwrap().camera(3, "image_3", Some([1200, 360])).unwrap();
        assert!((camera.extrinsics.isometry.translation.y + 0.5).abs() < 1e-9); // half a metre to the right
        assert!(Rig::object(text).unwrap().camera(2, "image_2", None).is_err());
    }
}
