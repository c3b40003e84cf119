//! Readings as the files of a nuScenes root: JPEG, `.pcd.bin`, radar PCD; what each point is.
//!
//! *In*: a reading, its sensor, how the vehicle moves. *Out*: bytes. *Frames*: LiDAR points in the sensor's frame at the file's time: the vehicle's
//! motion during the turn is taken out, that of others is not, as in the original. *Invariant*: a radar's compensated speed is what is left of its
//! range rate without the vehicle's own motion.

use crate::types::{Error, Payload, PointCloud, RadarScan, Result, num};
use crate::world::live::Live;
use crate::world::model::Tag;
use crate::world::sensors::{Carrier, EgoMotion, Mounted, RigReading, Sweep, moved};
use nalgebra::{Isometry3, Point3, Vector3};
use serde_json::json;
use std::collections::HashMap;

pub(super) use crate::formats::npz::labels as npz;

/// Categories in the order of their labels.
pub(super) const CATEGORIES: [&str; 32] = [
    "noise",
    "animal",
    "human.pedestrian.adult",
    "human.pedestrian.child",
    "human.pedestrian.construction_worker",
    "human.pedestrian.personal_mobility",
    "human.pedestrian.police_officer",
    "human.pedestrian.stroller",
    "human.pedestrian.wheelchair",
    "movable_object.barrier",
    "movable_object.debris",
    "movable_object.pushable_pullable",
    "movable_object.trafficcone",
    "static_object.bicycle_rack",
    "vehicle.bicycle",
    "vehicle.bus.bendy",
    "vehicle.bus.rigid",
    "vehicle.car",
    "vehicle.construction",
    "vehicle.emergency.ambulance",
    "vehicle.emergency.police",
    "vehicle.motorcycle",
    "vehicle.trailer",
    "vehicle.truck",
    "flat.driveable_surface",
    "flat.other",
    "flat.sidewalk",
    "flat.terrain",
    "static.manmade",
    "static.other",
    "static.vegetation",
    "vehicle.ego",
];

/// Quality of the pictures.
const JPEG_QUALITY: u8 = 92;
/// From this speed on a radar return moves, m/s.
const MOVING: f64 = 0.5;
/// The text before a radar's records; width and points are filled in.
const RADAR_HEADER: [&str; 5] = [
    "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\n",
    "FIELDS x y z dyn_prop id rcs vx vy vx_comp vy_comp is_quality_valid ambig_state x_rms y_rms invalid_state pdh0 vx_rms vy_rms\n",
    "SIZE 4 4 4 1 2 4 4 4 4 4 1 1 1 1 1 1 1 1\n",
    "TYPE F F F I I F F F F F I I I I I I I I\n",
    "COUNT 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n",
];

/// One file.
pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    /// `fileformat` and the name's ending.
    pub(super) format: &'static str,
    pub(super) ending: &'static str,
    /// Columns and rows; 0 for what is no picture.
    pub(super) size: [usize; 2],
    /// Instance and category of each point.
    pub(super) labels: Option<Vec<(u32, u8)>>,
}

/// A reading as a file; `objects`: the category of an instance that has one.
pub(super) fn encode(reading: &RigReading, mounted: &Mounted, ego: &EgoMotion, objects: &HashMap<u32, u8>) -> Result<Encoded> {
    let none = [0, 0];
    match &reading.payload {
        Payload::Rgb(picture) => {
            let mut bytes = Vec::new();
            let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
            let size = [picture.width(), picture.height()];
            let [width, height] = size.map(num::u32);
            image::ImageEncoder::write_image(encoder, picture.data(), width, height, image::ExtendedColorType::Rgb8)
                .map_err(|e| Error::mismatch("a picture", e.to_string(), mounted.spec.name.clone()))?;
            Ok(Encoded { bytes, format: "jpg", ending: "jpg", size, labels: None })
        }
        Payload::Cloud(cloud) => {
            let bytes = compensated(cloud, mounted, ego);
            let labels = reading.hits.as_ref().map(|sweep| labels(sweep, objects));
            Ok(Encoded { bytes, format: "pcd", ending: "pcd.bin", size: none, labels })
        }
        Payload::Radar(scan) => Ok(Encoded { bytes: radar(scan, mounted, ego), format: "pcd", ending: "pcd", size: none, labels: None }),
        _ => Err(Error::mismatch("a picture, a cloud or a radar scan", "another reading", format!("sensor `{}`", mounted.spec.name))),
    }
}

fn carrier(ego: &EgoMotion) -> Carrier {
    let t = &ego.pose.translation.vector;
    Carrier { at: [t.x, t.y, t.z], velocity: ego.velocity, yaw_rate: ego.yaw_rate }
}

/// x, y, z, intensity 0..=255, ring of each point, in the sensor's frame at the middle of the turn.
fn compensated(cloud: &PointCloud, mounted: &Mounted, ego: &EgoMotion) -> Vec<u8> {
    let (pose, carrier) = (mounted.pose(ego), carrier(ego));
    let back = pose.inverse();
    let (mut lag, mut motion) = (0.0, Isometry3::identity());
    let mut bytes = Vec::with_capacity(cloud.points().len() * 20);
    for p in cloud.points() {
        if p.lag != lag {
            lag = p.lag;
            motion = back * moved(&pose, &carrier, f64::from(lag));
        }
        let at = motion * Point3::from(p.position.map(f64::from));
        let ring = num::count_f32(u32::from(p.ring));
        let row = [num::f32(at.x), num::f32(at.y), num::f32(at.z), p.intensity * 255.0, ring];
        row.iter().for_each(|v| bytes.extend_from_slice(&v.to_le_bytes()));
    }
    bytes
}

fn labels(sweep: &Sweep, objects: &HashMap<u32, u8>) -> Vec<(u32, u8)> {
    let label = |(id, tag): (&u32, &Tag)| (*id, objects.get(id).copied().unwrap_or_else(|| category_of_tag(*tag)));
    sweep.instances.iter().zip(&sweep.tags).map(label).collect()
}

/// Categories of everything that has one now, by instance.
pub(super) fn categories(live: &Live) -> HashMap<u32, u8> {
    let snapshot = live.world().snapshot();
    let all = live.world().scene().statics.iter().chain(&snapshot.movers);
    all.filter_map(|i| Some((i.id, category_of_body(i.body.class?, &i.body.name)?))).collect()
}

/// Category of what a point hit.
const fn category_of_tag(tag: Tag) -> u8 {
    match tag {
        Tag::Unlabeled | Tag::Sky | Tag::Train => 0,
        Tag::Pedestrian | Tag::Rider => 2,
        Tag::Bicycle => 14,
        Tag::Bus => 16,
        Tag::Car => 17,
        Tag::Motorcycle => 21,
        Tag::Truck => 23,
        Tag::Roads | Tag::RoadLine => 24,
        Tag::Ground | Tag::RailTrack | Tag::Water | Tag::Other => 25,
        Tag::SideWalks => 26,
        Tag::Terrain => 27,
        Tag::Building | Tag::Wall | Tag::Fence | Tag::Pole | Tag::TrafficLight | Tag::TrafficSign | Tag::Bridge | Tag::GuardRail => 28,
        Tag::Static | Tag::Dynamic => 29,
        Tag::Vegetation => 30,
    }
}

/// Category of an object by its detection class and the name of its body; `None` for what has none.
fn category_of_body(class: &str, body: &str) -> Option<u8> {
    let name = match (class, body) {
        ("pedestrian", "pedestrian.child") => "human.pedestrian.child",
        ("pedestrian", "pedestrian.worker") => "human.pedestrian.construction_worker",
        ("pedestrian", _) => "human.pedestrian.adult",
        ("barrier", _) => "movable_object.barrier",
        ("traffic_cone", _) => "movable_object.trafficcone",
        ("bicycle", _) => "vehicle.bicycle",
        ("bus", _) => "vehicle.bus.rigid",
        ("car", _) => "vehicle.car",
        ("construction_vehicle", _) => "vehicle.construction",
        ("motorcycle", _) => "vehicle.motorcycle",
        ("trailer", _) => "vehicle.trailer",
        ("truck", _) => "vehicle.truck",
        _ => return None,
    };
    (0_u8..).zip(CATEGORIES).find(|(_, c)| *c == name).map(|(at, _)| at)
}

/// A scan as PCD: 18 fields, 43 bytes a return; a scan without returns is one of NaN, as the original writes it.
fn radar(scan: &RadarScan, mounted: &Mounted, ego: &EgoMotion) -> Vec<u8> {
    let count = scan.returns.len().max(1);
    let mut bytes = RADAR_HEADER.concat().into_bytes();
    bytes.extend_from_slice(format!("WIDTH {count}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {count}\nDATA binary\n").as_bytes());
    let pose = mounted.pose(ego);
    // How fast the sensor itself moves, in its own frame.
    let lever = pose.translation.vector - ego.pose.translation.vector;
    let own = Vector3::from(ego.velocity) + Vector3::new(0.0, 0.0, ego.yaw_rate).cross(&lever);
    let own = pose.rotation.inverse() * own;
    for (id, r) in (0_i16..).zip(&scan.returns) {
        let [x, y, z] = r.position.map(f64::from);
        let ray = Vector3::new(x, y, z).normalize();
        let rate = f64::from(r.range_rate);
        let own_rate = own.dot(&ray);
        let flat = x.hypot(y).max(1e-6);
        let along = |speed: f64| [num::f32(speed * x / flat), num::f32(speed * y / flat)];
        let ([vx, vy], [cx, cy]) = (along(rate), along(rate + own_rate));
        let moving = (rate + own_rate).abs() > MOVING;
        record(&mut bytes, [num::f32(x), num::f32(y), 0.0], i8::from(!moving), id, r.cross_section, [vx, vy, cx, cy]);
    }
    if scan.returns.is_empty() {
        record(&mut bytes, [f32::NAN; 3], 0, 0, f32::NAN, [f32::NAN; 4]);
    }
    // The public reader wants a byte after the last record.
    bytes.push(0);
    bytes
}

fn record(bytes: &mut Vec<u8>, position: [f32; 3], motion: i8, id: i16, section: f32, speeds: [f32; 4]) {
    position.iter().for_each(|v| bytes.extend_from_slice(&v.to_le_bytes()));
    bytes.extend_from_slice(&motion.to_le_bytes());
    bytes.extend_from_slice(&id.to_le_bytes());
    std::iter::once(&section).chain(&speeds).for_each(|v| bytes.extend_from_slice(&v.to_le_bytes()));
    // is_quality_valid, ambig_state, x_rms, y_rms, invalid_state, pdh0, vx_rms, vy_rms.
    bytes.extend_from_slice(&[1, 3, 19, 19, 0, 1, 16, 3]);
}

/// What the vehicle's bus says of a tick.
pub(super) fn bus(time: i64, pose: &Isometry3<f64>, ego: &EgoMotion) -> serde_json::Value {
    let turn = pose.rotation.inverse();
    let own = |v: [f64; 3]| <[f64; 3]>::from(turn * Vector3::from(v));
    let q = pose.rotation;
    json!({
        "accel": own(ego.acceleration), "orientation": [q.w, q.i, q.j, q.k], "pos": super::rows::xyz(pose),
        "rotation_rate": [0.0, 0.0, ego.yaw_rate], "utime": time, "vel": own(ego.velocity),
    })
}
