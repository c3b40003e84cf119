//! `truth/NAME.json`: what the world knows of one frame.
//!
//! *In*: a tick. *Out*: stamp, ego pose and motion, control of the expert, and each box within 80 m with class, identity, attribute, velocity, visibility
//! and points. *Frames*: boxes in the vehicle frame (x forward, y left, z up, origin on the ground below its middle), the pose world from vehicle.

use super::write as put;
use crate::types::Result;
use crate::world::live::{Live, Tick};
use serde_json::json;
use std::path::Path;

/// Farthest box, metres.
const WITHIN: f64 = 80.0;

/// Writes the file.
pub(super) fn write(path: &Path, live: &Live, tick: &Tick) -> Result<()> {
    let labels = live.labels(tick, WITHIN, 1.5)?;
    let boxes: Vec<_> = labels
        .iter()
        .map(|l| {
            json!({
                "class": l.box3.class, "track": l.box3.track, "centre": l.box3.centre, "size": l.box3.size, "yaw": l.box3.yaw,
                "velocity": l.box3.velocity, "attribute": l.attribute, "visibility": l.visibility, "lidar_points": l.lidar_points,
            })
        })
        .collect();
    let pose = &tick.ego.pose;
    let q = pose.rotation;
    let control = live.world().ego().map(|id| live.world().expert_control(id)).transpose()?;
    let text = json!({
        "version": 1,
        "stamp_s": tick.at.seconds(),
        "sky": tick.moment.sky,
        "ego": {
            "position": pose.translation.vector.as_slice(), "quaternion_wxyz": [q.w, q.i, q.j, q.k],
            "velocity": tick.ego.velocity, "yaw_rate": tick.ego.yaw_rate, "control": control,
        },
        "boxes": boxes,
    });
    put(path, format!("{text:#}\n").as_bytes())
}
