//! Annotated boxes as a sensor.
//!
//! *In*: the chosen files, with annotations. *Out*: a plan of `boxes`, vehicle frame, metres and m/s. *Invariant*: one reading for each time of a LiDAR
//! file; the track of a box is the place of its object in the table, so it is the same over time.

use super::{Item, Joined, Load, Planned};
use crate::formats::nuscenes::{self, ObjectBox, Tables};
use crate::types::{Box3, Calibration, FrameId, Payload, SensorId, SensorTime};
use nalgebra::{Isometry3, Vector3};
use std::collections::HashSet;
use std::sync::Arc;

/// The annotated boxes at the times of the LiDAR's files (of all files where no LiDAR is chosen).
pub(super) fn boxes(tables: &Joined<'_>, calibration: &Arc<Calibration>) -> Vec<Planned> {
    let is_lidar = |i: &Item<'_>| tables.modality(i.channel) == "lidar";
    let every = !tables.items.iter().any(is_lidar);
    let (all, mut seen) = (tables.all, HashSet::new());
    let items = tables.items.iter().filter(|i| (every || is_lidar(i)) && seen.insert(i.data.timestamp));
    let entry = |item: &Item<'_>| {
        let pose = all.ego_poses.get(&item.data.ego_pose_token)?;
        let load = nuscenes::motion(FrameId::world(), FrameId::vehicle(), pose.translation, pose.rotation).and_then(|vehicle| {
            let boxes = all.boxes_at(item.data)?;
            let here = boxes.iter().map(|b| truth_box(all, b, &vehicle.isometry)).collect();
            Ok(Load::Ready(Payload::Boxes(Arc::new(here))))
        });
        let load = load.unwrap_or_else(|e| Load::Refused(e.at(format!("sample_data {}", item.data.token)).to_string()));
        let at = SensorTime::from_micros(item.data.timestamp);
        Some(Planned { at, sensor: SensorId::new("boxes"), calibration: Arc::clone(calibration), load })
    };
    items.filter_map(entry).collect()
}

/// An annotated box in the vehicle frame; the track is the place of its object in the table.
fn truth_box(tables: &Tables, seen: &ObjectBox<'_>, vehicle: &Isometry3<f64>) -> Box3 {
    let back = vehicle.inverse();
    let [width, length, height] = seen.annotation.size;
    let [vx, vy, _] = tables.velocity(seen.annotation);
    let speed = back.rotation * Vector3::new(vx, vy, 0.0);
    let here = seen.seen_from(vehicle);
    Box3 {
        centre: here.centre,
        size: [length, width, height],
        yaw: nuscenes::yaw(&here.rotation),
        velocity: vx.is_finite().then_some([speed.x, speed.y]),
        class: seen.category.to_owned(),
        score: 1.0,
        track: tables.instances.row(&seen.annotation.instance_token).and_then(|row| u64::try_from(row).ok()),
    }
}
