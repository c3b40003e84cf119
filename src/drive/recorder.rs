//! A drive as a route of a driving data set: what LeTFuser's training reads.
//!
//! *In*: each step's instant, with the messages of the recorder's own sensors, and the control that followed. *Out*: at 2 Hz the files of
//! [`crate::formats::driving_set`] under `drive/TOWN_rN/route_ID/`. *Units and frames*: the set's (north, east, clockwise). *Invariant*: everything
//! of a frame is of one step; hazards are what the protocol lets one see, on the way ahead; class numbers are those up to 0.9.13 whatever the
//! server's version.

use super::driver::{Instant, SensorSpec};
use super::expert::leader;
use super::lanes::Lanes;
use super::routes::Route;
use super::way::Dense;
use crate::carla::client::{Client, Stream};
use crate::carla::{Header, Image, LightColour, Rotation, Sweep, Transform, Vector3D, VehicleControl};
use crate::formats::driving_set::{
    CLASS_OF_TAG, DrivingFrame, Measurements, compass, create, ego_matrix, raw_label, rows_beside, side_by_side, write,
};
use crate::formats::topdown::{CELL, Plane, SIDE, TopDown};
use crate::heads::route::RoutePlanner;
use crate::types::{DepthImage, Error, Result};
use crate::world::scene::Rule;
use ndarray::Array2;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Steps between frames, and the same in seconds: 2 Hz of 20.
const EVERY: u64 = 10;
const PERIOD: &str = "0.5";
/// How long a sensor may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A far point counts as reached so near, metres; the published recorder's.
const REACHED: f64 = 7.5;
const SIDES: [(&str, f32); 3] = [("left", -60.0), ("front", 0.0), ("right", 60.0)];
const KINDS: [&str; 3] = ["rgb", "depth", "semantic_segmentation"];
const WIDTH: usize = 320;

/// Writes one route.
#[derive(Debug)]
pub(super) struct Recorder {
    folder: PathBuf,
    number: usize,
    planner: RoutePlanner,
    streams: Vec<Stream>,
    /// The server's map, where it is understood.
    lanes: Option<Arc<Lanes>>,
    /// A step at which the sensors spoke; they speak again every [`EVERY`] steps.
    beat: Option<u64>,
}

impl Recorder {
    /// A new route below `root`, seen from this vehicle.
    pub(super) fn new(root: &Path, route: &Route, repetition: usize, way: &Dense, client: &mut Client, ego: u32) -> Result<Self> {
        let plain = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let folder = root.join("drive").join(format!("{}_r{repetition}", route.town)).join(format!("route_{}", plain(&route.id)));
        // A drive that was cut off left a part; it is driven again from its start.
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(|e| Error::io("remove", &folder, e))?;
        }
        create(&folder)?;
        let far = way.sparse().map(|p| ([p.at.y, p.at.x], u8::try_from(p.command).unwrap_or(4)));
        let mut streams = Vec::new();
        for spec in Self::sensors() {
            let mut set: Vec<(&str, String)> = spec.attributes.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
            set.push(("sensor_tick", PERIOD.to_owned()));
            let description = client.blueprint(&spec.blueprint, &set)?;
            let actor = client.spawn(description, spec.place.clone(), Some(ego))?;
            streams.push(client.listen(&spec.name, &actor)?);
        }
        Ok(Self { folder, number: 0, planner: RoutePlanner::new(far, REACHED)?, streams, lanes: None, beat: None })
    }
    /// Whether all its streams are connected.
    pub(super) fn opened(&self) -> bool {
        self.streams.iter().all(|s| s.opened() > 0)
    }
    /// Draws this map from now on.
    pub(super) fn on(&mut self, lanes: Option<&Arc<Lanes>>) {
        self.lanes = lanes.cloned();
    }
    /// After the first steps, up to frame `now`: when the sensors speak. Their very first word comes off the beat, so the latest counts.
    pub(super) fn join(&mut self, now: u64) -> Result<()> {
        let last = self.streams.last().ok_or_else(|| Error::mismatch("sensors", "none", "recording"))?;
        loop {
            let message = last.next(PATIENCE).ok_or_else(|| Error::unavailable("recording", "its sensors are silent"))?;
            let frame = Header::read(&message)?.0.frame;
            if frame + EVERY > now {
                self.beat = Some(frame);
                return Ok(());
            }
        }
    }
    /// Adds this step's messages where it is one of those that are recorded; whether it is.
    pub(super) fn collect(&mut self, frame: u64, sensors: &mut HashMap<String, Vec<u8>>) -> Result<bool> {
        let due = self.beat.is_some_and(|beat| frame > beat && (frame - beat).is_multiple_of(EVERY));
        if due {
            for stream in &self.streams {
                sensors.insert(stream.name().to_owned(), stream.frame(frame, PATIENCE)?);
            }
        }
        Ok(due)
    }
    /// Its own sensors, beside the driver's.
    fn sensors() -> Vec<SensorSpec> {
        let at =
            |x: f32, z: f32, yaw: f32| Transform { location: Vector3D::new(x, 0.0, z), rotation: Rotation { yaw, ..Rotation::default() } };
        let set = |list: &[(&str, &str)]| list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
        let mut all = Vec::new();
        for (side, yaw) in SIDES {
            all.extend(KINDS.map(|kind| SensorSpec {
                name: format!("record_{kind}_{side}"),
                blueprint: format!("sensor.camera.{kind}"),
                attributes: set(&[("image_size_x", "320"), ("image_size_y", "160"), ("fov", "60")]),
                place: at(1.3, 2.3, yaw),
            }));
        }
        let beams = [("channels", "64"), ("range", "85"), ("points_per_second", "1200000"), ("rotation_frequency", "20")];
        all.push(SensorSpec {
            name: "record_lidar".to_owned(),
            blueprint: "sensor.lidar.ray_cast".to_owned(),
            attributes: set(&beams),
            place: at(1.3, 2.5, -90.0),
        });
        all
    }
    /// A step, whether it is recorded, and what the car does now.
    pub(super) fn step(&mut self, now: &Instant, due: bool, control: &VehicleControl) -> Result<()> {
        let [east, north] = now.ego.footprint.centre;
        let (far, command) = self.planner.step([north, east]);
        if !due {
            return Ok(());
        }
        let frame = self.frame(now, far, i32::from(command), control)?;
        write(&self.folder, self.number, &frame)?;
        self.number += 1;
        Ok(())
    }
    fn frame(&self, now: &Instant, far: [f64; 2], command: i32, control: &VehicleControl) -> Result<DrivingFrame> {
        let body = |id: &str| {
            let message = now.sensors.get(id).ok_or_else(|| Error::mismatch("its message", "none", format!("sensor `{id}`")))?;
            Header::read(message).map(|(_, body)| body)
        };
        let view = |kind: &str, side: &str| Image::read(body(&format!("record_{kind}_{side}"))?);
        let (mut colour, mut depth, mut classes) = (Vec::new(), Vec::new(), Vec::new());
        // Old servers speak the old numbers.
        let class = |tag: u8| if now.version.cityscapes_tags() { CLASS_OF_TAG.get(usize::from(tag)).copied().unwrap_or(0) } else { tag };
        for (side, _) in SIDES {
            colour.push(view("rgb", side)?.to_rgb()?);
            depth.push(view("depth", side)?.to_depth()?.metres.into_raw_vec_and_offset().0);
            classes.push(view("semantic_segmentation", side)?.tags().map(class).collect::<Vec<u8>>());
        }
        let metres = rows_beside(&depth.iter().map(Vec::as_slice).collect::<Vec<_>>(), WIDTH);
        let metres = Array2::from_shape_vec((metres.len() / (3 * WIDTH), 3 * WIDTH), metres);
        let sweep = Sweep::read(body("record_lidar")?, Sweep::POINT)?;
        let points = sweep.points.as_chunks::<16>().0.iter().map(|p| {
            let mut values = [0.0; 4];
            values.iter_mut().zip(p.as_chunks::<4>().0).for_each(|(to, from)| *to = f32::from_le_bytes(*from));
            values
        });
        let e = &now.ego.footprint;
        let here = (e.centre, e.heading);
        let (sin, cos) = e.heading.sin_cos();
        let seen = |[x, y]: [f64; 2]| {
            let (dx, dy) = (x - e.centre[0], y - e.centre[1]);
            [cos * dx + sin * dy, cos * dy - sin * dx]
        };
        let mut top_down = self.ground(now, &seen);
        let mut labels = vec![raw_label("car", 0, [2.0 * e.half[0], 2.0 * e.half[1], 1.5], here, here, now.ego.speed)];
        for o in &now.others {
            let [x, y] = seen(o.footprint.centre);
            let (class, plane) = if o.walker { ("pedestrian", Plane::Walker) } else { ("car", Plane::Vehicle) };
            top_down.body(plane, [x, y], o.footprint.heading - e.heading, o.footprint.half);
            if x.hypot(y) < 80.0 {
                let size = [2.0 * o.footprint.half[0], 2.0 * o.footprint.half[1], o.height];
                let [vx, vy] = o.velocity;
                labels.push(raw_label(class, u64::from(o.id), size, here, (o.footprint.centre, o.footprint.heading), vx.hypot(vy)));
            }
        }
        Ok(DrivingFrame {
            rgb: side_by_side(&colour.iter().collect::<Vec<_>>())?,
            depth: DepthImage { metres: metres.map_err(|e| Error::mismatch("three pictures of one size", e.to_string(), "recording"))? },
            classes: rows_beside(&classes.iter().map(Vec::as_slice).collect::<Vec<_>>(), WIDTH),
            points: points.collect(),
            top_down,
            labels,
            measurements: measured(now, far, command, control, ego_matrix(e.centre, e.heading)),
        })
    }
    /// Road and lines around, and the lights of the way at their stop lines.
    fn ground(&self, now: &Instant, seen: &dyn Fn([f64; 2]) -> [f64; 2]) -> TopDown {
        let mut top_down = TopDown::default();
        let pieces = self.lanes.iter().flat_map(|l| l.pieces(now.ego.footprint.centre, SIDE as f64 * CELL));
        for (plane, ring) in pieces.map(|(line, ring)| (if line { Plane::Lane } else { Plane::Road }, ring)) {
            top_down.paint(plane, &ring.map(seen));
        }
        for (line, rule) in &now.way.stops {
            let Rule::Light(light) = rule else { continue };
            let plane = match now.lights.get(light) {
                Some(LightColour::Red) => Plane::Red,
                Some(LightColour::Yellow) => Plane::Yellow,
                Some(LightColour::Green) => Plane::Green,
                _ => continue,
            };
            if let Some(p) = now.way.points.iter().find(|p| p.s >= *line) {
                top_down.body(plane, seen(p.at.point()), 0.0, [0.0; 2]);
            }
        }
        top_down
    }
}

fn measured(now: &Instant, far: [f64; 2], command: i32, control: &VehicleControl, matrix: [[f64; 4]; 4]) -> Measurements {
    let e = &now.ego.footprint;
    let here = now.way.points.get(now.at).copied().unwrap_or_default();
    // Where the car would be on its way at its present speed.
    let ahead = |seconds: f64| {
        let s = here.s + seconds * now.ego.speed.max(0.0);
        let p = now.way.points.iter().skip(now.at).find(|p| p.s >= s).or(now.way.points.last()).copied().unwrap_or_default();
        [p.at.y, p.at.x, compass(p.at.heading)]
    };
    let front = here.s + e.half[0];
    let near = |reach: f64| now.way.stops.iter().filter(move |(line, _)| (-1.0..reach).contains(&(line - front)));
    let red = |light: &usize| now.lights.get(light).is_some_and(|c| matches!(c, LightColour::Red | LightColour::Yellow));
    let leader = leader(now).filter(|(gap, ..)| *gap < 15.0);
    let point = now.way.points.iter().skip(now.at).find(|p| p.s >= here.s + 4.0).map_or(e.centre, |p| p.at.point());
    let (sin, cos) = e.heading.sin_cos();
    let (dx, dy) = (point[0] - e.centre[0], point[1] - e.centre[1]);
    let left = (cos * dy - sin * dx).atan2((cos * dx + sin * dy).max(1e-3));
    Measurements {
        x: e.centre[1],
        y: e.centre[0],
        theta: compass(e.heading),
        speed: now.ego.speed,
        target_speed: here.limit,
        x_command: far[0],
        y_command: far[1],
        command,
        waypoints: [0.5, 1.0, 1.5, 2.0].map(ahead).to_vec(),
        steer: f64::from(control.steer),
        throttle: f64::from(control.throttle),
        brake: control.brake > 0.05,
        junction: matches!(here.command, 1..=3),
        vehicle_hazard: leader.is_some_and(|(.., walks)| !walks),
        light_hazard: near(20.0).any(|(_, rule)| matches!(rule, Rule::Light(l) if red(l))),
        walker_hazard: leader.is_some_and(|(.., walks)| walks),
        stop_sign_hazard: near(8.0).any(|(_, rule)| *rule == Rule::Stop),
        angle: -left.to_degrees() / 90.0,
        ego_matrix: matrix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::model::Tag;
    use crate::world::sensors::Numbering;

    #[test]
    fn classes_are_mapped_as_the_world_numbers_them() {
        for tag in
            [Tag::Roads, Tag::SideWalks, Tag::Building, Tag::Pole, Tag::TrafficLight, Tag::Sky, Tag::Pedestrian, Tag::Bus, Tag::RoadLine]
        {
            assert_eq!(u16::from(CLASS_OF_TAG[tag as usize]), Numbering::CarlaOld.of(tag, None), "{tag:?}");
        }
        assert_eq!(CLASS_OF_TAG.iter().max(), Some(&22));
    }
}
