//! A camera and a LiDAR in KITTI's object layout.
//!
//! *Out*: `training/image_2/NAME.png`, `velodyne/NAME.bin` (x, y, z, intensity), `calib/NAME.txt`, `label_2/NAME.txt` (boxes whose projection touches the
//! picture, 14 fields and no score), `labels/NAME.png` (CARLA's numbers). Sweeps are of one instant, as KITTI's are after correction.

use super::{ExportConfig, MOUNT, Writer, cloud_of, labels_of, rgb_of, save_labels, save_rgb, write};
use crate::types::{Box3, Error, Intrinsics, Result};
use crate::world::live::{Label, Live, Tick};
use crate::world::sensors::{SensorKind, SensorSpec};
use nalgebra::{Isometry3, Point3};
use std::f64::consts::{FRAC_PI_2, PI, TAU};
use std::fmt::Write as _;

/// Where the LiDAR sits.
const LIDAR: [f64; 3] = [0.0, 0.0, 1.85];

/// The layout.
pub(super) struct Kitti;

impl Writer for Kitti {
    fn rig(&self, config: &ExportConfig) -> Vec<SensorSpec> {
        let [width, height] = config.size;
        let camera = |name, kind| SensorSpec::new(name, kind).placed(MOUNT, 0.0).sized(width, height, config.fov).every(config.rate_hz);
        let lidar = SensorSpec::new("velodyne", SensorKind::Lidar).placed(LIDAR, 0.0).every(config.rate_hz);
        let lidar = SensorSpec {
            beams: Some(64),
            lowest: Some(-24.8),
            highest: Some(2.0),
            columns: Some(2000),
            rolling: Some(false),
            range: Some(100.0),
            ..lidar
        };
        vec![camera("image_2", SensorKind::Rgb), lidar, camera("labels", SensorKind::Semantic)]
    }
    fn folders(&self) -> &'static [&'static str] {
        &["training/image_2", "training/velodyne", "training/calib", "training/label_2", "training/labels"]
    }
    fn frame(&mut self, config: &ExportConfig, live: &Live, tick: &Tick, name: &str) -> Result<()> {
        let file = |folder: &str, ending: &str| config.output.join("training").join(folder).join(format!("{name}.{ending}"));
        save_rgb(&file("image_2", "png"), rgb_of(live, tick, "image_2")?)?;
        save_labels(&file("labels", "png"), labels_of(live, tick, "labels")?)?;
        let points = cloud_of(live, tick, "velodyne")?.points().iter();
        let bytes: Vec<u8> =
            points.flat_map(|p| [p.position[0], p.position[1], p.position[2], p.intensity]).flat_map(f32::to_le_bytes).collect();
        write(&file("velodyne", "bin"), &bytes)?;
        let [camera, lidar] = mounts(live)?;
        let k =
            live.rig.sensors.first().and_then(|s| s.calibration.intrinsics).ok_or_else(|| Error::mismatch("a camera", "none", "export"))?;
        write(&file("calib", "txt"), calibration(&k, &camera, &lidar).as_bytes())?;
        let mut lines = String::new();
        for label in live.labels(tick, 80.0, MOUNT[2])? {
            if let Some(line) = label_line(&label, &camera.inverse(), &k) {
                lines.push_str(&line);
                lines.push('\n');
            }
        }
        write(&file("label_2", "txt"), lines.as_bytes())
    }
    fn finish(&mut self, config: &ExportConfig, _: &Live) -> Result<String> {
        Ok(format!(
            "# Plays this folder.\nname = \"world_kitti\"\nmode = \"offline\"\n\n[align]\nreference = \"velodyne\"\nwindow_ms = 1\n\n\
             [source.drive]\nkind = \"kitti\"\nroot = {:?}\nlayout = \"object\"\nrate_hz = {:?}\n\n\
             [stage.project]\nkind = \"project\"\nlidar = \"velodyne\"\ncameras = [\"image_2\"]\n\n[sink.results]\nkind = \"results\"\n",
            config.output.display().to_string(),
            config.rate_hz
        ))
    }
}

/// Vehicle from camera, vehicle from LiDAR.
fn mounts(live: &Live) -> Result<[Isometry3<f64>; 2]> {
    match live.rig.sensors.as_slice() {
        [camera, lidar, ..] => Ok([camera.calibration.extrinsics.isometry, lidar.calibration.extrinsics.isometry]),
        _ => Err(Error::mismatch("a camera and a LiDAR", "fewer sensors", "export")),
    }
}

fn row(key: &str, values: &[f64]) -> String {
    let mut line = format!("{key}:");
    for v in values {
        // Writing to a string cannot fail.
        let _ = write!(line, " {v:.12e}");
    }
    line.push('\n');
    line
}

fn motion(key: &str, m: &Isometry3<f64>) -> String {
    let (r, t) = (m.rotation.to_rotation_matrix(), m.translation);
    let r = r.matrix();
    let values = [r[(0, 0)], r[(0, 1)], r[(0, 2)], t.x, r[(1, 0)], r[(1, 1)], r[(1, 2)], t.y, r[(2, 0)], r[(2, 1)], r[(2, 2)], t.z];
    row(key, &values)
}

fn calibration(k: &Intrinsics, camera: &Isometry3<f64>, lidar: &Isometry3<f64>) -> String {
    let p = [k.fx, 0.0, k.cx, 0.0, 0.0, k.fy, k.cy, 0.0, 0.0, 0.0, 1.0, 0.0];
    let mut text: String = ["P0", "P1", "P2", "P3"].iter().map(|key| row(key, &p)).collect();
    text += &row("R0_rect", &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    text += &motion("Tr_velo_to_cam", &(camera.inverse() * lidar));
    text + &motion("Tr_imu_to_velo", &lidar.inverse())
}

fn class(box3: &Box3) -> &'static str {
    match box3.class.as_str() {
        "car" => "Car",
        "truck" | "bus" | "trailer" | "construction_vehicle" => "Truck",
        "pedestrian" => "Pedestrian",
        "bicycle" | "motorcycle" => "Cyclist",
        _ => "Misc",
    }
}

/// A line of `label_2`; `None` for what does not touch the picture or is hidden whole.
fn label_line(label: &Label, camera_from_vehicle: &Isometry3<f64>, k: &Intrinsics) -> Option<String> {
    let b = &label.box3;
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for corner in b.corners() {
        let p = camera_from_vehicle * corner;
        let pixel = k.project(&p).filter(|_| p.z > 0.3)?;
        (low, high) = ([low[0].min(pixel.x), low[1].min(pixel.y)], [high[0].max(pixel.x), high[1].max(pixel.y)]);
    }
    let last = [k.width as f64 - 1.0, k.height as f64 - 1.0];
    let cut = [low[0].clamp(0.0, last[0]), low[1].clamp(0.0, last[1]), high[0].clamp(0.0, last[0]), high[1].clamp(0.0, last[1])];
    let (whole, shown) = ((high[0] - low[0]) * (high[1] - low[1]), (cut[2] - cut[0]) * (cut[3] - cut[1]));
    if shown <= 1.0 || label.visibility <= 0.0 {
        return None;
    }
    let occluded = match label.visibility {
        v if v > 0.75 => 0,
        v if v > 0.35 => 1,
        _ => 2,
    };
    let [x, y, z] = b.centre;
    let bottom = camera_from_vehicle * Point3::new(x, y, z - b.size[2] / 2.0);
    let turn = |a: f64| (a + PI).rem_euclid(TAU) - PI;
    let rotation = turn(-b.yaw - FRAC_PI_2);
    let alpha = turn(rotation - bottom.x.atan2(bottom.z));
    let [l, w, h] = b.size;
    Some(format!(
        "{} {:.2} {occluded} {alpha:.4} {:.2} {:.2} {:.2} {:.2} {h:.4} {w:.4} {l:.4} {:.4} {:.4} {:.4} {rotation:.5}",
        class(b),
        (1.0 - shown / whole).clamp(0.0, 1.0),
        cut[0],
        cut[1],
        cut[2],
        cut[3],
        bottom.x,
        bottom.y,
        bottom.z
    ))
}
