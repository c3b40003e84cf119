//! Boxes of a network or a pipeline as a result file that the public evaluation takes.
//!
//! *In*: boxes in the vehicle's or the LiDAR's frame, and where that frame is in the world. *Out*: [`ResultBox`]es in the world, and the
//! text of a submission. *Invariant*: every sample of the split is in it, with at most 500 boxes, the surest; velocities that are not
//! known are written as 0, as the form has no word for it that is JSON.

use super::classes;
use crate::formats::nuscenes::{ATTRIBUTES, DETECTION_CLASSES, Meta, NO_ATTRIBUTE, ResultBox, TRACKING_CLASSES, Token, yaw};
use crate::types::{Error, Result};
use nalgebra::{Isometry3, Point3, UnitQuaternion, Vector3};
use serde_json::{Value, json};
use std::f64::consts::FRAC_PI_2;

/// Boxes that a sample may have.
const MOST: usize = 500;
/// From this speed on something moves, m/s.
const MOVING: f64 = 0.2;

/// How the numbers of a box are ordered in the LiDAR's frame; a file does not say which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxOrder {
    /// MMDetection3D 1.0 and later: x, y, z, length, width, height, yaw.
    Lwh,
    /// Before (BEVFusion, BEVDet): x, y, z, width, length, height, and a yaw of -yaw - 90 degrees.
    Wlh,
}

/// A box in some frame whose z axis points up, its centre in the middle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LocalBox {
    /// Centre, metres.
    pub centre: [f64; 3],
    /// Width, length, height, metres.
    pub size: [f64; 3],
    /// Angle of its length about z, radians.
    pub yaw: f64,
    /// m/s; NaN where unknown.
    pub velocity: [f64; 2],
    /// Place in the detection classes.
    pub class: u8,
    /// Confidence.
    pub score: f64,
}

impl LocalBox {
    /// From seven or nine numbers of MMDetection3D; there z is the bottom.
    ///
    /// # Errors
    /// Where there are fewer than seven.
    pub fn from_row(row: &[f64], order: BoxOrder, class: u8, score: f64) -> Result<Self> {
        let Some(&[x, y, z, a, b, height, turn]) = row.first_chunk::<7>() else {
            return Err(Error::mismatch("seven or nine numbers", row.len().to_string(), "boxes_3d"));
        };
        let (width, length, yaw) = match order {
            BoxOrder::Lwh => (b, a, turn),
            BoxOrder::Wlh => (a, b, -turn - FRAC_PI_2),
        };
        let velocity = [row.get(7), row.get(8)].map(|v| v.copied().unwrap_or(f64::NAN));
        Ok(Self { centre: [x, y, z + height / 2.0], size: [width, length, height], yaw, velocity, class, score })
    }
    /// In the world.
    pub fn in_world(&self, world_from_local: &Isometry3<f64>) -> ResultBox {
        let [x, y, z] = self.centre;
        let centre = world_from_local * Point3::new(x, y, z);
        let turned = world_from_local.rotation * UnitQuaternion::from_axis_angle(&Vector3::z_axis(), self.yaw);
        let [vx, vy] = self.velocity;
        let speed = world_from_local.rotation * Vector3::new(vx, vy, 0.0);
        ResultBox {
            translation: [centre.x, centre.y, centre.z],
            size: self.size,
            yaw: yaw(&turned),
            velocity: [speed.x, speed.y],
            score: self.score,
            class: self.class,
            attribute: attribute(self.class, vx.hypot(vy)),
            empty: false,
            track: 0,
        }
    }
}

/// The attribute that is usually given to a class at a speed, as its place.
pub fn attribute(class: u8, speed: f64) -> u8 {
    let moving = speed > MOVING;
    let name = match classes::name(class) {
        "car" | "truck" | "trailer" | "construction_vehicle" => {
            if moving {
                "vehicle.moving"
            } else {
                "vehicle.parked"
            }
        }
        "bus" => {
            if moving {
                "vehicle.moving"
            } else {
                "vehicle.stopped"
            }
        }
        "bicycle" | "motorcycle" => {
            if moving {
                "cycle.with_rider"
            } else {
                "cycle.without_rider"
            }
        }
        "pedestrian" => {
            if moving {
                "pedestrian.moving"
            } else {
                "pedestrian.standing"
            }
        }
        _ => "",
    };
    (0_u8..).zip(ATTRIBUTES).find(|(_, a)| *a == name).map_or(NO_ATTRIBUTE, |(place, _)| place)
}

/// The surest boxes, as many as a sample may have.
pub fn surest<T>(mut boxes: Vec<T>, score: impl Fn(&T) -> f64) -> Vec<T> {
    boxes.sort_by(|a, b| score(b).total_cmp(&score(a)));
    boxes.truncate(MOST);
    boxes
}

/// `meta` of a submission from what its results were made of.
pub fn meta(camera: bool, lidar: bool, radar: bool) -> Meta {
    let fields = [("use_camera", camera), ("use_lidar", lidar), ("use_radar", radar), ("use_map", false), ("use_external", false)];
    fields.into_iter().map(|(name, used)| (name.to_owned(), Value::Bool(used))).collect()
}

/// One sample of a tracking submission: boxes of the tracked classes with their tracks.
pub fn tracked_sample(token: &Token, boxes: &[(ResultBox, u64)]) -> Value {
    let name = |b: &ResultBox| DETECTION_CLASSES.get(usize::from(b.class)).copied().unwrap_or_default();
    let list = boxes.iter().filter(|(b, _)| TRACKING_CLASSES.contains(&name(b))).map(|(b, track)| {
        let (sin, cos) = (b.yaw / 2.0).sin_cos();
        json!({
            "sample_token": token.to_string(), "translation": b.translation, "size": b.size, "rotation": [cos, 0.0, 0.0, sin],
            "velocity": b.velocity.map(known), "tracking_id": track.to_string(), "tracking_name": name(b), "tracking_score": b.score,
        })
    });
    list.collect()
}

fn known(v: f64) -> f64 {
    if v.is_finite() { v } else { 0.0 }
}

/// One sample of a submission.
pub fn sample(token: &Token, boxes: &[ResultBox]) -> Value {
    let list: Vec<Value> = boxes
        .iter()
        .map(|b| {
            let (sin, cos) = (b.yaw / 2.0).sin_cos();
            json!({
                "sample_token": token.to_string(), "translation": b.translation, "size": b.size, "rotation": [cos, 0.0, 0.0, sin],
                "velocity": b.velocity.map(known),
                "detection_name": DETECTION_CLASSES.get(usize::from(b.class)).copied().unwrap_or_default(), "detection_score": b.score,
                "attribute_name": ATTRIBUTES.get(usize::from(b.attribute)).copied().unwrap_or_default(),
            })
        })
        .collect();
    Value::Array(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_orders_of_one_box_are_the_same_box() {
        let new = LocalBox::from_row(&[1.0, 2.0, 0.0, 4.0, 1.8, 1.5, 0.3, 1.0, 0.0], BoxOrder::Lwh, 0, 0.9).unwrap();
        let old = LocalBox::from_row(&[1.0, 2.0, 0.0, 1.8, 4.0, 1.5, -0.3 - FRAC_PI_2, 1.0, 0.0], BoxOrder::Wlh, 0, 0.9).unwrap();
        assert_eq!((new.size, new.centre), (old.size, [1.0, 2.0, 0.75]));
        assert!((new.yaw - old.yaw).abs() < 1e-12);
        assert!(LocalBox::from_row(&[0.0; 6], BoxOrder::Lwh, 0, 0.9).is_err());
    }

    #[test]
    fn a_box_turns_and_moves_with_its_frame() {
        let frame = Isometry3::new(Vector3::new(100.0, 50.0, 1.0), Vector3::z() * FRAC_PI_2);
        let local = LocalBox { centre: [10.0, 0.0, 0.0], size: [2.0, 4.0, 1.5], yaw: 0.1, velocity: [5.0, 0.0], class: 0, score: 0.5 };
        let world = local.in_world(&frame);
        assert!((world.translation[1] - 60.0).abs() < 1e-9 && (world.yaw - 0.1 - FRAC_PI_2).abs() < 1e-9);
        assert!((world.velocity[1] - 5.0).abs() < 1e-9);
        assert_eq!(ATTRIBUTES[usize::from(world.attribute)], "vehicle.moving");
        assert_eq!(attribute(9, 3.0), NO_ATTRIBUTE);
    }
}
