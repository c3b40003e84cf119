//! LeTFuser as a driver of the closed loop: its own sensors' messages in, a control out.
//!
//! *In*: six cameras, IMU and GNSS as its card asks for them, the ego's speed; of the way only far points with commands, as the leaderboard
//! gives them. *Out*: a control. *Invariant*: it is not shown other actors, lights or lanes.

use super::driver::{Course, Driver, Instant, SensorSpec};
use super::pilot::{Mounting, Pilot, Readings, Waypoint};
use super::routes::Dense;
use crate::carla::server::geolocation;
use crate::carla::{GeoLocation, Header, Image, ImuReading, Rotation, Transform, Vector3D, VehicleControl, packed};
use crate::types::{Error, Result, num};

/// Most metres between points of the plan, as in leaderboard 1.0.
const SPARSE: f64 = 50.0;

/// See the module.
#[derive(Debug)]
pub struct Letfuser {
    pilot: Pilot,
}

impl Letfuser {
    /// Drives with this network.
    pub const fn new(pilot: Pilot) -> Self {
        Self { pilot }
    }
}

/// The way's first and last points, those where the command changes, and one at least every [`SPARSE`] metres.
pub(super) fn thinned(way: &Dense, origin: [f64; 2]) -> Vec<Waypoint> {
    let mut plan = Vec::new();
    let (mut before, mut last) = (None, 0.0);
    let end = way.points.len().saturating_sub(1);
    for (n, p) in way.points.iter().enumerate() {
        if before != Some(p.command) || p.s - last >= SPARSE || n == end {
            let [x, y] = p.at.point();
            let on_globe = geolocation(&Vector3D::new(num::f32(x), num::f32(-y), 0.0), origin);
            plan.push(([on_globe.latitude, on_globe.longitude], p.command));
            last = p.s;
        }
        before = Some(p.command);
    }
    plan
}

/// Latitude and longitude of a map's origin, from its OpenDRIVE; where it has none, the leaderboard's 42 and 2.
pub(super) fn georeference(opendrive: &str) -> [f64; 2] {
    let get = |key: &str| {
        let (_, rest) = opendrive.split_once(key)?;
        rest.split(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).next()?.parse::<f64>().ok().filter(|v| v.is_finite())
    };
    [get("+lat_0=").unwrap_or(42.0), get("+lon_0=").unwrap_or(2.0)]
}

fn spec(m: &Mounting) -> SensorSpec {
    let text = |v: Option<String>, name: &str| v.map(|v| (name.to_owned(), v));
    let attributes = [
        text(m.width.map(|w| w.to_string()), "image_size_x"),
        text(m.height.map(|h| h.to_string()), "image_size_y"),
        text(m.fov.map(|f| f.to_string()), "fov"),
    ];
    let [x, y, z, pitch, yaw, roll] = [m.x, m.y, m.z, m.pitch, m.yaw, m.roll].map(num::f32);
    SensorSpec {
        name: m.id.clone(),
        blueprint: m.kind.to_owned(),
        attributes: attributes.into_iter().flatten().collect(),
        place: Transform { location: Vector3D::new(x, y, z), rotation: Rotation { pitch, yaw, roll } },
    }
}

impl Driver for Letfuser {
    fn name(&self) -> &str {
        self.pilot.name()
    }
    fn sensors(&self) -> Vec<SensorSpec> {
        self.pilot.sensors().iter().map(spec).collect()
    }
    fn begin(&mut self, course: &Course<'_>) -> Result<()> {
        self.pilot.begin(&thinned(course.way, course.origin))
    }
    fn step(&mut self, now: &Instant<'_>) -> Result<VehicleControl> {
        let body = |id: &str| {
            let message = now.sensors.get(id).ok_or_else(|| Error::mismatch("its message", "none", format!("sensor `{id}`")))?;
            Header::read(message).map(|(_, body)| body)
        };
        let place: GeoLocation = packed(body("gps")?, now.version)?;
        let imu: ImuReading = packed(body("imu")?, now.version)?;
        let mut seen = Readings {
            place: [place.latitude, place.longitude],
            compass: f64::from(imu.compass),
            speed: now.ego.speed,
            ..Readings::default()
        };
        for id in now.sensors.keys() {
            let Some((is_depth, at)) = Pilot::camera(id) else { continue };
            let side = if is_depth { &mut seen.depth } else { &mut seen.rgb };
            if let Some(slot) = side.get_mut(at) {
                *slot = Some(Image::read(body(id)?)?);
            }
        }
        let control = self.pilot.step(&seen)?.tick.control;
        Ok(VehicleControl { throttle: control.throttle, steer: control.steer, brake: control.brake, ..VehicleControl::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::routes::Point;
    use super::*;
    use crate::world::scene::Station;

    #[test]
    fn a_plan_keeps_turns_and_is_sparse_elsewhere() {
        let point = |n: u32| {
            let x = f64::from(n);
            Point { at: Station { x, ..Station::default() }, s: x, limit: 8.0, command: if (120..130).contains(&n) { 1 } else { 4 } }
        };
        let way = Dense { points: (0..200).map(point).collect(), stops: Vec::new() };
        let plan = thinned(&way, [0.0, 0.0]);
        // 0, 50, 100, 120 (left), 130 (follow), 180, 199; a degree is 111319.49 m at the equator.
        assert_eq!(georeference("+proj=tmerc +lat_0=4.9e+1 +lon_0=-8 +k=1"), [49.0, -8.0]);
        assert_eq!(georeference("<OpenDRIVE/>"), [42.0, 2.0]);
        let metres: Vec<i64> = plan.iter().map(|(p, _)| num::round_i64(p[1] * 111_319.49)).collect();
        assert_eq!(metres, [0, 50, 100, 120, 130, 180, 199]);
        assert_eq!(plan.iter().map(|(_, c)| *c).collect::<Vec<_>>(), [4, 4, 4, 1, 4, 4, 4]);
    }
}
