//! The sensors of a nuScenes car on the world's vehicle: names, places, rates.
//!
//! *Out*: [`SensorSpec`]s. Places follow the official car's, whose origin is the rear axle, moved to the middle of ours. *Invariant*: the LiDAR is
//! mounted with x to the right and y forward; of the cameras the one behind has a view of 110 degrees.

use crate::world::sensors::{SensorKind, SensorSpec};

/// Folders below the root.
pub(super) const FOLDERS: &[&str] = &[
    "samples/CAM_FRONT",
    "samples/CAM_FRONT_RIGHT",
    "samples/CAM_BACK_RIGHT",
    "samples/CAM_BACK",
    "samples/CAM_BACK_LEFT",
    "samples/CAM_FRONT_LEFT",
    "samples/LIDAR_TOP",
    "samples/RADAR_FRONT",
    "samples/RADAR_FRONT_LEFT",
    "samples/RADAR_FRONT_RIGHT",
    "samples/RADAR_BACK_LEFT",
    "samples/RADAR_BACK_RIGHT",
    "sweeps/CAM_FRONT",
    "sweeps/CAM_FRONT_RIGHT",
    "sweeps/CAM_BACK_RIGHT",
    "sweeps/CAM_BACK",
    "sweeps/CAM_BACK_LEFT",
    "sweeps/CAM_FRONT_LEFT",
    "sweeps/LIDAR_TOP",
    "sweeps/RADAR_FRONT",
    "sweeps/RADAR_FRONT_LEFT",
    "sweeps/RADAR_FRONT_RIGHT",
    "sweeps/RADAR_BACK_LEFT",
    "sweeps/RADAR_BACK_RIGHT",
    "maps/expansion",
    "can_bus",
];

/// Name, place (metres) and yaw (degrees) of the cameras.
const CAMERAS: [(&str, [f64; 3], f64); 6] = [
    ("CAM_FRONT", [0.30, 0.0, 1.51], 0.0),
    ("CAM_FRONT_RIGHT", [0.15, -0.49, 1.50], -55.0),
    ("CAM_BACK_RIGHT", [-0.38, -0.48, 1.56], -110.0),
    ("CAM_BACK", [-1.37, 0.0, 1.58], 180.0),
    ("CAM_BACK_LEFT", [-0.36, 0.48, 1.59], 110.0),
    ("CAM_FRONT_LEFT", [0.12, 0.49, 1.51], 55.0),
];
/// The radars.
const RADARS: [(&str, [f64; 3], f64); 5] = [
    ("RADAR_FRONT", [2.0, 0.0, 0.5], 0.0),
    ("RADAR_FRONT_LEFT", [1.0, 0.8, 0.78], 90.0),
    ("RADAR_FRONT_RIGHT", [1.0, -0.8, 0.77], -90.0),
    ("RADAR_BACK_LEFT", [-2.0, 0.63, 0.53], 175.0),
    ("RADAR_BACK_RIGHT", [-2.0, -0.62, 0.53], -175.0),
];
/// Place of the LiDAR.
pub(super) const LIDAR: [f64; 3] = [-0.46, 0.0, 1.84];
/// Horizontal view of the camera behind, degrees.
const BEHIND_FOV: f64 = 110.0;

/// The rig; `fov`: of the five cameras that do not look back.
pub(super) fn sensors([width, height]: [usize; 2], fov: f64) -> Vec<SensorSpec> {
    let camera = |(name, at, yaw): (&str, [f64; 3], f64)| {
        let fov = if name == "CAM_BACK" { BEHIND_FOV } else { fov };
        SensorSpec::new(name, SensorKind::Rgb).placed(at, yaw).sized(width, height, fov).every(12.0)
    };
    let radar = |(name, at, yaw): (&str, [f64; 3], f64)| SensorSpec::new(name, SensorKind::Radar).placed(at, yaw).every(13.0);
    let lidar = SensorSpec { columns: Some(1085), ..SensorSpec::new("LIDAR_TOP", SensorKind::Lidar).placed(LIDAR, -90.0).every(20.0) };
    CAMERAS.map(camera).into_iter().chain([lidar]).chain(RADARS.map(radar)).collect()
}
