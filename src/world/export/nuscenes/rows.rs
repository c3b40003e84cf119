//! Records of the tables, their keys, and how they are written.
//!
//! *In*: records. *Out*: `TABLE.json`, a record a line. *Invariant*: a key depends on what it stands for alone, so that the same export has the same
//! bytes; it is 32 hexadecimal digits, as everybody expects.

use super::super::{ExportConfig, write};
use super::files::{CATEGORIES, npz};
use crate::types::{Error, Result};
use crate::world::sensors::Mounted;
use nalgebra::Isometry3;
use serde::Serialize;
use serde_json::json;
use std::path::Path;

/// Attributes in the order of the official table.
const ATTRIBUTES: [&str; 8] = [
    "vehicle.moving",
    "vehicle.stopped",
    "vehicle.parked",
    "cycle.with_rider",
    "cycle.without_rider",
    "pedestrian.sitting_lying_down",
    "pedestrian.standing",
    "pedestrian.moving",
];

/// A key of what these words name (Fowler, Noll and Vo's hash 1a, 128 bits).
pub(super) fn token(words: &[&str]) -> String {
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for byte in words.iter().flat_map(|w| w.bytes().chain([b'/'])) {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    format!("{hash:032x}")
}

/// Quaternion w, x, y, z.
pub(super) fn wxyz(pose: &Isometry3<f64>) -> [f64; 4] {
    let q = pose.rotation;
    [q.w, q.i, q.j, q.k]
}
pub(super) fn xyz(pose: &Isometry3<f64>) -> [f64; 3] {
    pose.translation.vector.into()
}

/// A list, a record a line.
pub(super) fn lines<T: Serialize>(records: &[T]) -> Result<String> {
    let mut text = "[".to_owned();
    for (at, record) in records.iter().enumerate() {
        let line = serde_json::to_string(record).map_err(|e| Error::mismatch("a record as JSON", e.to_string(), "export"))?;
        text.push_str(if at == 0 { "\n" } else { ",\n" });
        text.push_str(&line);
    }
    Ok(text + "\n]\n")
}

#[derive(Serialize)]
pub(super) struct FileRow {
    pub(super) token: String,
    pub(super) sample_token: String,
    pub(super) ego_pose_token: String,
    pub(super) calibrated_sensor_token: String,
    pub(super) timestamp: i64,
    pub(super) fileformat: &'static str,
    pub(super) is_key_frame: bool,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) filename: String,
    pub(super) prev: String,
    pub(super) next: String,
}

#[derive(Serialize)]
pub(super) struct SampleRow {
    pub(super) token: String,
    pub(super) timestamp: i64,
    pub(super) prev: String,
    pub(super) next: String,
    pub(super) scene_token: String,
}

#[derive(Serialize)]
pub(super) struct PoseRow {
    token: String,
    timestamp: i64,
    rotation: [f64; 4],
    translation: [f64; 3],
}

impl PoseRow {
    pub(super) fn new(token: &str, timestamp: i64, pose: &Isometry3<f64>) -> Self {
        Self { token: token.to_owned(), timestamp, rotation: wxyz(pose), translation: xyz(pose) }
    }
}

/// Tables that grow with the frames.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) samples: Vec<SampleRow>,
    pub(super) files: Vec<FileRow>,
    pub(super) poses: Vec<PoseRow>,
    labelled: Vec<String>,
}

impl Tables {
    /// Label files of one LiDAR file: categories, and categories with numbers of objects.
    pub(super) fn labels(
        &mut self,
        config: &ExportConfig,
        version: &str,
        token: &str,
        categories: &[(u32, u8)],
        objects: &[u16],
    ) -> Result<()> {
        let bytes: Vec<u8> = categories.iter().map(|(_, c)| *c).collect();
        write(&config.output.join(format!("lidarseg/{version}/{token}_lidarseg.bin")), &bytes)?;
        write(&config.output.join(format!("panoptic/{version}/{token}_panoptic.npz")), &npz(objects)?)?;
        self.labelled.push(token.to_owned());
        Ok(())
    }
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let version = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let label = |kind: &str, ending: &str| -> Vec<_> {
            let file = |t: &String| format!("{kind}/{version}/{t}_{kind}.{ending}");
            self.labelled.iter().map(|t| json!({ "token": t, "sample_data_token": t, "filename": file(t) })).collect()
        };
        write(&folder.join("sample.json"), lines(&self.samples)?.as_bytes())?;
        write(&folder.join("sample_data.json"), lines(&self.files)?.as_bytes())?;
        write(&folder.join("ego_pose.json"), lines(&self.poses)?.as_bytes())?;
        write(&folder.join("lidarseg.json"), lines(&label("lidarseg", "bin"))?.as_bytes())?;
        write(&folder.join("panoptic.json"), lines(&label("panoptic", "npz"))?.as_bytes())
    }
}

/// Tables that do not depend on what happens: categories, attributes, visibilities, sensors and their mountings.
pub(super) fn fixed(folder: &Path, sensors: &[Mounted]) -> Result<()> {
    let put = |name: &str, records: Vec<serde_json::Value>| write(&folder.join(name), lines(&records)?.as_bytes());
    let category =
        |(index, name): (usize, &&str)| json!({ "token": token(&["category", name]), "name": name, "description": "", "index": index });
    put("category.json", CATEGORIES.iter().enumerate().map(category).collect())?;
    let attribute = |name: &&str| json!({ "token": token(&["attribute", name]), "name": name, "description": "" });
    put("attribute.json", ATTRIBUTES.iter().map(attribute).collect())?;
    let levels = (1..).zip(["v0-40", "v40-60", "v60-80", "v80-100"]);
    let level = |(at, level): (u32, &str)| {
        let of = level.trim_start_matches('v').replace('-', " to ");
        json!({ "token": at.to_string(), "level": level, "description": format!("{of} % of the object is seen") })
    };
    put("visibility.json", levels.map(level).collect())?;
    let modality = |name: &str| match name {
        n if n.starts_with("CAM") => "camera",
        n if n.starts_with("LIDAR") => "lidar",
        _ => "radar",
    };
    let sensor = |m: &Mounted| {
        let name = &m.spec.name;
        json!({ "token": token(&["sensor", name]), "channel": name, "modality": modality(name) })
    };
    put("sensor.json", sensors.iter().map(sensor).collect())?;
    let mounting = |m: &Mounted| {
        let k = m.calibration.intrinsics.map(|k| json!([[k.fx, 0.0, k.cx], [0.0, k.fy, k.cy], [0.0, 0.0, 1.0]]));
        json!({
            "token": token(&["calibrated_sensor", &m.spec.name]), "sensor_token": token(&["sensor", &m.spec.name]),
            "translation": xyz(&m.calibration.extrinsics.isometry), "rotation": wxyz(&m.calibration.extrinsics.isometry),
            "camera_intrinsic": k.unwrap_or_else(|| json!([])),
        })
    };
    put("calibrated_sensor.json", sensors.iter().map(mounting).collect())
}
